"""NAdam."""

from __future__ import annotations

from typing import Any

from .. import _core
from .optimizer import Optimizer, at_least_zero, betas_below_one, no_differentiable


class NAdam(Optimizer):
    """Adam with Nesterov's momentum (Dozat 2016, ICLR workshop).

        g = ∂Q/∂p + weight_decay · p          (the sign of ∂Q/∂p turned with `maximize`)
        m = β₁ m + (1 - β₁) g,   v = β₂ v + (1 - β₂) g²
        μₜ = β₁ (1 - ½ · 0.96^(t · momentum_decay)),   Π = μ₁ … μₜ
        p = p - lr · ((1 - μₜ) / (1 - Π) · g + μₜ₊₁ / (1 - Π μₜ₊₁) · m) / (√(v / (1 - β₂ᵗ)) + eps)

    Args:
        params: parameters, pairs of a name and one, or dicts of groups.
        lr: the learning rate.
        betas: β₁ and β₂.
        eps: added to the denominator.
        weight_decay: the factor of the parameters' squares in the objective, times 2.
        momentum_decay: how the momentum grows with the steps.
        decoupled_weight_decay: shrink p by lr · weight_decay and leave g as it is, as AdamW does.
        maximize: go up instead of down.
        foreach, capturable, differentiable: accepted for PyTorch's sake; a step is one call in any case.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        no_differentiable(type(self).__name__, differentiable)
        defaults = dict(
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize,
        )
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        name = type(self).__name__
        at_least_zero(name, group, "lr", "eps", "weight_decay", "momentum_decay")
        betas_below_one(name, group)

    def _step_group(self, group: dict[str, Any], params: list[Any], grads: list[Any]) -> None:
        products = []
        for p in params:
            state = self.state[p]
            if "mu_product" not in state:
                state["mu_product"] = _core.backend.full((), 1, "float32")
            products.append(state["mu_product"])
        steps, means, squares = self._states(params, exp_avg=0.0, exp_avg_sq=0.0)
        beta1, beta2 = group["betas"]
        _core.backend.nadam_step(
            params,
            grads,
            means,
            squares,
            products,
            self._rate(group),
            steps,
            beta1=float(beta1),
            beta2=float(beta2),
            eps=float(group["eps"]),
            weight_decay=float(group["weight_decay"]),
            momentum_decay=float(group["momentum_decay"]),
            decoupled=bool(group["decoupled_weight_decay"]),
            maximize=bool(group["maximize"]),
        )
