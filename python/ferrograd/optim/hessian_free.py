"""Hessian-free optimization."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import _core, ops
from ..autograd import enable_grad, no_grad
from ..autograd._products import Push, filled, pull
from ..nn.utils.convert_parameters import parameters_to_vector, vector_to_parameters
from ._conjugate_gradient import conjugate_gradient, dot
from .optimizer import Optimizer, at_least_zero

#: The line search takes this share of the step again and again, and wants this share of the slope's promise.
SHRINK, PROMISE, TRIES = 0.8, 1e-2, 60


class HessianFree(Optimizer):
    """Newton's method with conjugate gradients in place of a matrix (Martens 2010, "Deep learning via Hessian-free
    optimization"); lecture: second-order optimization.

        B = G + weight_decay · I + damping · I,   conjugate gradients on B d = -∇f,   p = p + α d

    G is the Gauss-Newton matrix Jᵀ H_L J of the loss L(y) of outputs y with Jacobian J; it is never formed, only its
    products with vectors (J v by differentiating the backward pass, which is linear). Conjugate gradients begin at the
    last solution, stop by Martens' rule of relative progress, and go back to the iterate that gives the lowest loss.
    The damping falls (· 2/3) where the quadratic model is trusted and rises (· 3/2) where it is not (Levenberg and
    Marquardt): ρ = (f(p + d) - f(p)) / (½ dᵀBd + ∇fᵀd) above 3/4 or below 1/4. A line search guards the step.

        def closure():
            y = model(x)
            return loss(y, target), y

        optimizer.step(closure)

    Args:
        params: parameters, in one group.
        lr: the step α that the line search begins with.
        damping: λ at the start; it lies in the group and changes with the steps.
        weight_decay: the factor of the parameters' squares in the objective, times 2.
        cg_max_iter: products with B in a step, at most.
        cg_tolerance: the relative progress that an iteration has to make.
        cg_decay: the share of the last solution that conjugate gradients begin with.
        preconditioner: gives a number from 0 on for each element of each parameter (a list of tensors), D;
            the preconditioner is then (D + damping)^0.75. D is best the sum of the squared gradients of the samples.

    After a step `report` says what it did: loss, loss_after, damping, rho, cg_iterations, step_size.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        damping: float = 1.0,
        weight_decay: float = 0.0,
        cg_max_iter: int = 250,
        cg_tolerance: float = 5e-4,
        cg_decay: float = 0.95,
        preconditioner: Callable[[], Sequence[Any]] | None = None,
    ) -> None:
        defaults = dict(
            lr=lr,
            damping=damping,
            weight_decay=weight_decay,
            cg_max_iter=cg_max_iter,
            cg_tolerance=cg_tolerance,
            cg_decay=cg_decay,
        )
        super().__init__(params, defaults)
        self.preconditioner = preconditioner
        self.report: dict[str, float] = {}

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """The one group; ValueError for a second."""
        if self.param_groups:
            raise ValueError("HessianFree: params: expected one group, for a step is one for all parameters, got more")
        super().add_param_group(param_group)

    def _check(self, group: dict[str, Any]) -> None:
        at_least_zero("HessianFree", group, "lr", "damping", "weight_decay", "cg_max_iter", "cg_tolerance", "cg_decay")
        if group["cg_decay"] > 1.0:
            raise ValueError(f"HessianFree: cg_decay: expected a number from 0 to 1, got {group['cg_decay']}")
        kinds = {p._dtype for p in group["params"]}
        if len(kinds) > 1:
            raise ValueError(f"HessianFree: params: expected one dtype, got {', '.join(sorted(kinds))}")

    def step(self, closure: Any = None, curvature: Any = None) -> Any:
        """One step; returns the loss before it, weight decay left out.

        Args:
            closure: gives (loss, outputs) as a fresh graph, `outputs` a tensor or several, what the loss is a function
                of; or the loss alone, and B is then made of the Hessian instead of the Gauss-Newton matrix. It must
                not call `backward`, and has to give the same for the same parameters: it is called many times.
            curvature: gives the same for the samples that the products with B are taken over, where those are fewer.
        """
        if not callable(closure):
            raise TypeError(f"HessianFree: step: closure: expected a function, got {type(closure).__name__}")
        group = self.param_groups[0]
        params = [p for p in group["params"] if p.requires_grad]
        if not params:
            raise ValueError("HessianFree: params: expected at least one that requires grad, got none")
        decay, damping = float(group["weight_decay"]), float(group["damping"])
        with enable_grad():
            loss, outputs = _evaluated(closure)
            needs_hessian = curvature is None and not outputs
            slopes = pull([loss], params, [_one(loss)], create_graph=needs_hessian)
            if curvature is None:
                multiply = _gauss_newton(loss, outputs, params) if outputs else _hessian(slopes, params)
            else:
                part, outputs = _evaluated(curvature)
                multiply = (
                    _gauss_newton(part, outputs, params)
                    if outputs
                    else _hessian(pull([part], params, [_one(part)], create_graph=True), params)
                )
        with no_grad():
            return self._move(closure, ops.detach(loss), params, filled(slopes, params), multiply, decay, damping)

    def _move(
        self,
        closure: Any,
        loss: Any,
        params: list[Any],
        slopes: list[Any],
        multiply: Callable[[list[Any]], list[Any]],
        decay: float,
        damping: float,
    ) -> Any:
        group = self.param_groups[0]
        here = parameters_to_vector([ops.detach(p) for p in params])
        here = _core.backend.clone(here)
        slope = parameters_to_vector([ops.detach(g) for g in slopes])
        if decay:
            slope = ops.add(slope, ops.mul(here, decay))

        def product(v: Any) -> Any:
            gv = parameters_to_vector(multiply(_pieces(v, params)))
            return ops.add(gv, ops.mul(v, decay + damping))

        last = [self.state[p].get("direction") for p in params]
        start = _core.backend.full(here.shape, 0, here._dtype)
        if all(d is not None for d in last):
            start = ops.mul(parameters_to_vector(last), float(group["cg_decay"]))
        found = conjugate_gradient(
            product,
            ops.neg(slope),
            start,
            max_iterations=int(group["cg_max_iter"]),
            tolerance=float(group["cg_tolerance"]),
            inverse=self._inverse(params, damping),
        )
        # The products are done: from here on the parameters may change under the graph.
        for p, d in zip(params, _pieces(found.iterates[-1], params), strict=True):
            self.state[p]["direction"] = _core.backend.clone(d)

        def objective(direction: Any, size: float) -> float:
            there = ops.add(here, ops.mul(direction, size))
            vector_to_parameters(there, params)
            return _scalar(closure) + 0.5 * decay * dot(there, there)

        try:
            before = float(loss.item()) + 0.5 * decay * dot(here, here)
            k, after = len(found.iterates) - 1, objective(found.iterates[-1], 1.0)
            while k > 0:
                earlier = objective(found.iterates[k - 1], 1.0)
                if not (earlier < after or after != after):
                    break
                k, after = k - 1, earlier
            direction, promised = found.iterates[k], found.values[k]
            rho = (after - before) / promised if promised < 0.0 else float("-inf")
            if not rho > 0.25:
                group["damping"] = damping * 3 / 2
            elif rho > 0.75:
                group["damping"] = damping * 2 / 3
            size, after = self._search(objective, direction, dot(slope, direction), before, after, float(group["lr"]))
        except BaseException:
            vector_to_parameters(here, params)
            raise
        vector_to_parameters(ops.add(here, ops.mul(direction, size)) if size else here, params)
        self.report = {
            "loss": before,
            "loss_after": after,
            "damping": damping,
            "rho": rho,
            "cg_iterations": found.iterations,
            "step_size": size,
        }
        return loss

    @staticmethod
    def _search(
        objective: Callable[[Any, float], float], direction: Any, slope: float, before: float, whole: float, size: float
    ) -> tuple[float, float]:
        """(step size, objective there): the first that keeps the promise of the slope, or none."""
        after = whole if size == 1.0 else objective(direction, size)
        for _ in range(TRIES):
            if slope < 0.0 and after <= before + PROMISE * size * slope:
                return size, after
            size *= SHRINK
            after = objective(direction, size)
        return 0.0, before

    def _inverse(self, params: list[Any], damping: float) -> Any:
        """The inverse of the preconditioner's diagonal."""
        if self.preconditioner is None:
            return None
        diagonal = list(self.preconditioner())
        shapes = [tuple(d.shape) for d in diagonal]
        if shapes != [tuple(p.shape) for p in params]:
            raise _core.ShapeError(
                f"HessianFree: preconditioner: expected a tensor of each parameter's shape, got shapes {shapes}"
            )
        return ops.pow(ops.add(parameters_to_vector([ops.detach(d) for d in diagonal]), damping), -0.75)


def _evaluated(closure: Any) -> tuple[Any, list[Any]]:
    """(loss, outputs) of a closure; no outputs where it gives the loss alone."""
    given = closure()
    loss, outputs = given if isinstance(given, tuple) and len(given) == 2 else (given, [])
    outputs = [outputs] if isinstance(outputs, _core.TensorBase) else list(outputs)
    if not isinstance(loss, _core.TensorBase) or loss.numel() != 1:
        what = f"shape {tuple(loss.shape)}" if isinstance(loss, _core.TensorBase) else type(loss).__name__
        raise ValueError(f"HessianFree: step: closure: expected a loss of one element (and the outputs), got {what}")
    if not loss.requires_grad:
        raise RuntimeError(
            "HessianFree: step: closure: expected a loss that depends on parameters, got one without graph"
        )
    return loss, outputs


def _scalar(closure: Any) -> float:
    given = closure()
    return float((given[0] if isinstance(given, tuple) else given).item())


def _one(loss: Any) -> Any:
    return _core.backend.full(loss.shape, 1, loss._dtype)


def _pieces(v: Any, params: list[Any]) -> list[Any]:
    """A vector in the parameters' shapes."""
    found, at = [], 0
    for p in params:
        found.append(ops.reshape(ops.getitem(v, index=(slice(at, at + p.numel()),)), shape=p.shape))
        at += p.numel()
    return found


def _gauss_newton(loss: Any, outputs: list[Any], params: list[Any]) -> Callable[[list[Any]], list[Any]]:
    """v ↦ Jᵀ H_L J v with J = d(outputs)/d(params) and H_L the Hessian of the loss by the outputs."""
    push = Push(outputs, params)
    slopes = filled(pull([loss], outputs, [_one(loss)], create_graph=True), outputs)

    def multiply(v: list[Any]) -> list[Any]:
        moved = filled(push(v, False), outputs)
        bent = filled(pull(slopes, outputs, moved, False), outputs)
        return filled(pull(outputs, params, bent, False), params)

    return multiply


def _hessian(slopes: list[Any], params: list[Any]) -> Callable[[list[Any]], list[Any]]:
    """v ↦ H v out of the recorded gradients."""
    recorded = [(k, g) for k, g in enumerate(slopes) if g is not None and g.requires_grad]

    def multiply(v: list[Any]) -> list[Any]:
        found = pull([g for _, g in recorded], params, [v[k] for k, _ in recorded], False)
        return filled(found, params)

    return multiply
