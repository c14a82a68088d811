"""RMSprop."""

from __future__ import annotations

from typing import Any

from .. import _core
from .optimizer import Optimizer, at_least_zero, no_differentiable


class RMSprop(Optimizer):
    """Steps scaled by the root of a running average of the squared gradient (Hinton, lecture 6e, 2012).

        g = ∂Q/∂p + weight_decay · p          (the sign of ∂Q/∂p turned with `maximize`)
        v = alpha · v + (1 - alpha) · g²
        r = √v + eps          (centered: m = alpha · m + (1 - alpha) · g,  r = √(v - m²) + eps)
        p = p - lr · g / r          (with momentum: b = momentum · b + g / r,  p = p - lr · b)

    Args:
        params: parameters, pairs of a name and one, or dicts of groups.
        lr: the learning rate.
        alpha: what is kept of the running averages.
        eps: added to the root.
        weight_decay: the factor of the parameters' squares in the objective, times 2.
        momentum: the share of the last step that is kept.
        centered: divide by the deviation of the gradient (Graves 2013, arXiv:1308.0850).
        maximize: go up instead of down.
        capturable, foreach, differentiable: accepted for PyTorch's sake; a step is one call in any case.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        no_differentiable(type(self).__name__, differentiable)
        defaults = dict(
            lr=lr,
            momentum=momentum,
            alpha=alpha,
            eps=eps,
            centered=centered,
            weight_decay=weight_decay,
            maximize=maximize,
        )
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        name = type(self).__name__
        at_least_zero(name, group, "lr", "eps", "momentum", "weight_decay", "alpha")

    def _step_group(self, group: dict[str, Any], params: list[Any], grads: list[Any]) -> None:
        steps, squares = self._states(params, square_avg=0.0)
        momentum = float(group["momentum"])
        buffers = self._states(params, momentum_buffer=0.0)[1] if momentum else []
        means = self._states(params, grad_avg=0.0)[1] if group["centered"] else []
        _core.backend.rmsprop_step(
            params,
            grads,
            squares,
            means,
            buffers,
            self._rate(group),
            steps,
            alpha=float(group["alpha"]),
            eps=float(group["eps"]),
            weight_decay=float(group["weight_decay"]),
            momentum=momentum,
            maximize=bool(group["maximize"]),
        )
