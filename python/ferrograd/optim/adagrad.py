"""Adagrad."""

from __future__ import annotations

from typing import Any

from .. import _core
from .optimizer import Optimizer, at_least_zero, no_differentiable


class Adagrad(Optimizer):
    """Steps that shrink with all the squared gradients so far (Duchi et al. 2011, JMLR 12).

        g = ∂Q/∂p + weight_decay · p          (the sign of ∂Q/∂p turned with `maximize`)
        s = s + g²
        p = p - lr / (1 + (t - 1) · lr_decay) · g / (√s + eps)

    Args:
        params: parameters, pairs of a name and one, or dicts of groups.
        lr: the learning rate.
        lr_decay: how fast the learning rate falls with the number of steps.
        weight_decay: the factor of the parameters' squares in the objective, times 2.
        initial_accumulator_value: what s starts with.
        eps: added to the denominator.
        maximize: go up instead of down.
        foreach, differentiable, fused: accepted for PyTorch's sake; a step is one call in any case.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        no_differentiable(type(self).__name__, differentiable)
        defaults = dict(
            lr=lr,
            lr_decay=lr_decay,
            eps=eps,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            maximize=maximize,
        )
        super().__init__(params, defaults)
        for group in self.param_groups:
            self._sums(group["params"])

    def _sums(self, params: list[Any]) -> tuple[list[Any], ...]:
        return self._states(params, sum=float(self.defaults["initial_accumulator_value"]))

    def _check(self, group: dict[str, Any]) -> None:
        name = type(self).__name__
        at_least_zero(name, group, "lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")

    def _step_group(self, group: dict[str, Any], params: list[Any], grads: list[Any]) -> None:
        steps, sums = self._sums(params)
        _core.backend.adagrad_step(
            params,
            grads,
            sums,
            self._rate(group),
            steps,
            lr_decay=float(group["lr_decay"]),
            weight_decay=float(group["weight_decay"]),
            eps=float(group["eps"]),
            maximize=bool(group["maximize"]),
        )
