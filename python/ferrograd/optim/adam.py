"""Adam and AdamW."""

from __future__ import annotations

from typing import Any

from .. import _core
from .optimizer import Optimizer, at_least_zero, betas_below_one, no_differentiable


class Adam(Optimizer):
    """Steps scaled by running averages of the gradient and of its square (Kingma and Ba 2014, arXiv:1412.6980).

        g = ∂Q/∂p + weight_decay · p          (the sign of ∂Q/∂p turned with `maximize`)
        m = β₁ m + (1 - β₁) g,   v = β₂ v + (1 - β₂) g²
        p = p - lr · m / (1 - β₁ᵗ) / (√(v / (1 - β₂ᵗ)) + eps)

    Args:
        params: parameters, pairs of a name and one, or dicts of groups.
        lr: the learning rate.
        betas: β₁ and β₂.
        eps: added to the denominator.
        weight_decay: the factor of the parameters' squares in the objective, times 2.
        amsgrad: take the largest v so far (Reddi et al. 2018, arXiv:1904.09237).
        maximize: go up instead of down.
        decoupled_weight_decay: shrink p by lr · weight_decay and leave g as it is, as AdamW does.
        foreach, capturable, differentiable, fused: accepted for PyTorch's sake; a step is one call in any case.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        no_differentiable(type(self).__name__, differentiable)
        defaults = dict(
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            maximize=maximize,
            decoupled_weight_decay=decoupled_weight_decay,
        )
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        name = type(self).__name__
        at_least_zero(name, group, "lr", "eps", "weight_decay")
        betas_below_one(name, group)

    def _step_group(self, group: dict[str, Any], params: list[Any], grads: list[Any]) -> None:
        steps, means, squares = self._states(params, exp_avg=0.0, exp_avg_sq=0.0)
        largest = self._states(params, max_exp_avg_sq=0.0)[1] if group["amsgrad"] else []
        beta1, beta2 = group["betas"]
        _core.backend.adam_step(
            params,
            grads,
            means,
            squares,
            largest,
            self._rate(group),
            steps,
            beta1=float(beta1),
            beta2=float(beta2),
            eps=float(group["eps"]),
            weight_decay=float(group["weight_decay"]),
            decoupled=bool(group["decoupled_weight_decay"]),
            maximize=bool(group["maximize"]),
        )


class AdamW(Adam):
    """As Adam, the weight decay decoupled from the gradient: p shrinks by lr · weight_decay (arXiv:1711.05101)."""

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            differentiable=differentiable,
            decoupled_weight_decay=True,
        )
