"""Gradients held within bounds."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

from ... import _core, ops
from ..._warn import warn
from ...autograd import no_grad
from ...creation import zeros

if TYPE_CHECKING:
    from ..._tensor import Tensor


def _with_grad(parameters: Any) -> list[Any]:
    every: list[Any] = [parameters] if isinstance(parameters, _core.TensorBase) else list(parameters)
    return [p for p in every if p.grad is not None]


def get_total_norm(
    tensors: Any, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """The p-norm of all tensors' elements together; `foreach` makes no difference, it is one kernel call always."""
    p, tensors = float(norm_type), [tensors] if isinstance(tensors, _core.TensorBase) else list(tensors)
    if p == 0:
        raise ValueError("get_total_norm: norm_type: expected a number other than 0, got 0")
    if not tensors:
        return zeros(())
    with no_grad():
        if p in (1.0, 2.0, math.inf):
            total = _core.backend.grad_norm(tensors, p)
        else:
            powers = [ops.sum(ops.pow(ops.abs(g), p), dim=(), keepdim=False) for g in tensors]
            total = ops.pow(functools.reduce(ops.add, powers), 1.0 / p)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(
            f"the total norm of order {p} of the gradients is {total.item()}, so they cannot be clipped; "
            "pass error_if_nonfinite=False to scale them all the same"
        )
    return total  # type: ignore[no-any-return]


def clip_grads_with_norm_(parameters: Any, max_norm: float, total_norm: Any, foreach: bool | None = None) -> None:
    """Scales all gradients, in place, by max_norm / total_norm where that is below 1."""
    grads = [p.grad for p in _with_grad(parameters)]
    with no_grad():
        # As in PyTorch: the 1e-6 keeps the division defined, the minimum leaves small gradients as they are.
        scale = ops.minimum(ops.div(float(max_norm), ops.add(total_norm, 1e-6)), 1.0)
        if grads:
            _core.backend.scale_grads(grads, scale)


def clip_grad_norm_(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scales all gradients, in place, so that the p-norm of all together is at most `max_norm`.

    Returns:
        The norm before.
    """
    parameters = _with_grad(parameters)
    total = get_total_norm([p.grad for p in parameters], norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total)
    return total


def clip_grad_norm(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """PyTorch's former name of `clip_grad_norm_`."""
    warn("clip_grad_norm is deprecated; use clip_grad_norm_", FutureWarning)
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite)


def clip_grad_value_(parameters: Any, clip_value: float, foreach: bool | None = None) -> None:
    """Holds each element of the gradients, in place, within ±clip_value."""
    value = float(clip_value)
    with no_grad():
        for p in _with_grad(parameters):
            _core.backend.clip(p.grad, -value, value, p.grad)
