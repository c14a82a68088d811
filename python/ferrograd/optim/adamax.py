"""Adamax."""

from __future__ import annotations

from typing import Any

from .. import _core
from .optimizer import Optimizer, at_least_zero, betas_below_one, no_differentiable


class Adamax(Optimizer):
    """Adam with the largest gradient of late in place of the root of the second moment (arXiv:1412.6980).

        g = ∂Q/∂p + weight_decay · p          (the sign of ∂Q/∂p turned with `maximize`)
        m = β₁ m + (1 - β₁) g,   u = max(β₂ u, |g| + eps)
        p = p - lr / (1 - β₁ᵗ) · m / u

    Args:
        params: parameters, pairs of a name and one, or dicts of groups.
        lr: the learning rate.
        betas: β₁ and β₂.
        eps: added to the magnitude of the gradient.
        weight_decay: the factor of the parameters' squares in the objective, times 2.
        maximize: go up instead of down.
        foreach, differentiable, capturable: accepted for PyTorch's sake; a step is one call in any case.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        no_differentiable(type(self).__name__, differentiable)
        defaults = dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize)
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        name = type(self).__name__
        at_least_zero(name, group, "lr", "eps", "weight_decay")
        betas_below_one(name, group)

    def _step_group(self, group: dict[str, Any], params: list[Any], grads: list[Any]) -> None:
        steps, means, largest = self._states(params, exp_avg=0.0, exp_inf=0.0)
        beta1, beta2 = group["betas"]
        _core.backend.adamax_step(
            params,
            grads,
            means,
            largest,
            self._rate(group),
            steps,
            beta1=float(beta1),
            beta2=float(beta2),
            eps=float(group["eps"]),
            weight_decay=float(group["weight_decay"]),
            maximize=bool(group["maximize"]),
        )
