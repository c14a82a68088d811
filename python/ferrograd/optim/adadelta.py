"""Adadelta."""

from __future__ import annotations

from typing import Any

from .. import _core
from .optimizer import Optimizer, at_least_zero, no_differentiable


class Adadelta(Optimizer):
    """Steps in the parameters' own unit: gradients scaled by the last steps (Zeiler 2012, arXiv:1212.5701).

        g = ∂Q/∂p + weight_decay · p          (the sign of ∂Q/∂p turned with `maximize`)
        v = rho · v + (1 - rho) · g²
        d = √(u + eps) / √(v + eps) · g,   u = rho · u + (1 - rho) · d²
        p = p - lr · d

    Args:
        params: parameters, pairs of a name and one, or dicts of groups.
        lr: a factor of the steps.
        rho: what is kept of the running averages.
        eps: added below both roots.
        weight_decay: the factor of the parameters' squares in the objective, times 2.
        maximize: go up instead of down.
        foreach, capturable, differentiable: accepted for PyTorch's sake; a step is one call in any case.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        no_differentiable(type(self).__name__, differentiable)
        defaults = dict(lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize)
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        name = type(self).__name__
        at_least_zero(name, group, "lr", "rho", "eps", "weight_decay")
        if float(group["rho"]) > 1.0:
            raise ValueError(f"{name}: rho: invalid value {group['rho']}: expected a number from 0 to 1")

    def _step_group(self, group: dict[str, Any], params: list[Any], grads: list[Any]) -> None:
        steps, squares, deltas = self._states(params, square_avg=0.0, acc_delta=0.0)
        _core.backend.adadelta_step(
            params,
            grads,
            squares,
            deltas,
            self._rate(group),
            steps,
            rho=float(group["rho"]),
            eps=float(group["eps"]),
            weight_decay=float(group["weight_decay"]),
            maximize=bool(group["maximize"]),
        )
