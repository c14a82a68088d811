"""RAdam."""

from __future__ import annotations

from typing import Any

from .. import _core
from .optimizer import Optimizer, at_least_zero, betas_below_one, no_differentiable


class RAdam(Optimizer):
    """Adam whose first steps wait until the second moment can be trusted (Liu et al. 2019, arXiv:1908.03265).

        g = ∂Q/∂p + weight_decay · p          (the sign of ∂Q/∂p turned with `maximize`)
        m = β₁ m + (1 - β₁) g,   v = β₂ v + (1 - β₂) g²
        ρ∞ = 2 / (1 - β₂) - 1,   ρ = ρ∞ - 2 t β₂ᵗ / (1 - β₂ᵗ)
        d = m / (1 - β₁ᵗ),   times r · √(1 - β₂ᵗ) / (√v + eps) where ρ > 5,
            r² = (ρ - 4)(ρ - 2) ρ∞ / ((ρ∞ - 4)(ρ∞ - 2) ρ)
        p = p - lr · d

    Args:
        params: parameters, pairs of a name and one, or dicts of groups.
        lr: the learning rate.
        betas: β₁ and β₂.
        eps: added to the denominator.
        weight_decay: the factor of the parameters' squares in the objective, times 2.
        decoupled_weight_decay: shrink p by lr · weight_decay and leave g as it is, as AdamW does.
        maximize: go up instead of down.
        foreach, capturable, differentiable: accepted for PyTorch's sake; a step is one call in any case.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
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
            decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize,
        )
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        name = type(self).__name__
        at_least_zero(name, group, "lr", "eps", "weight_decay")
        betas_below_one(name, group)

    def _step_group(self, group: dict[str, Any], params: list[Any], grads: list[Any]) -> None:
        steps, means, squares = self._states(params, exp_avg=0.0, exp_avg_sq=0.0)
        beta1, beta2 = group["betas"]
        _core.backend.radam_step(
            params,
            grads,
            means,
            squares,
            self._rate(group),
            steps,
            beta1=float(beta1),
            beta2=float(beta2),
            eps=float(group["eps"]),
            weight_decay=float(group["weight_decay"]),
            decoupled=bool(group["decoupled_weight_decay"]),
            maximize=bool(group["maximize"]),
        )
