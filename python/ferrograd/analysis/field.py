"""Receptive fields: the part of the input that one element of a result depends on, by formula."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Any

from .. import nn
from ..autograd import enable_grad
from ..creation import zeros
from ._extent import Field, UndefinedField, trace
from ._undisturbed import check_model, default_dtype, tensors, undisturbed

__all__ = ["ReceptiveField", "receptive_field"]


@dataclass(frozen=True)
class ReceptiveField:
    """What an element of a result sees of the input, for each spatial dimension of the input.

    The element at place p of a dimension sees `size` places from `start + p · stride` on; a negative start lies in the
    padding. Where every element sees the same, `stride` is 0.
    """

    size: tuple[int, ...]
    stride: tuple[float, ...]
    start: tuple[float, ...]

    def __str__(self) -> str:
        return " × ".join(map(str, self.size))


def receptive_field(model: nn.Module, input_shape: tuple[int, ...]) -> ReceptiveField:
    """The receptive field of the model's (first) result, for an input (N, C, *sizes).

    It is computed from the ops that the model runs: a window of k places with dilation d and stride s, on elements that see
    r places at steps of j, sees r + (k - 1)·d·j places at steps of j·s; branches that meet see all that one of them sees.
    Norms are taken as in evaluation, masks of attention as letting everything through.
    lecture: stacked CNN, receptive fields.

    Raises:
        ValueError: for an input without spatial sizes, and for a model with an op that mixes places otherwise.

    Example:
        >>> import ferrograd as fg
        >>> net = fg.nn.Sequential(fg.nn.Conv2d(1, 4, 3), fg.nn.MaxPool2d(2), fg.nn.Conv2d(4, 4, 3))
        >>> print(fg.receptive_field(net, (1, 1, 28, 28)))
        8 × 8
    """
    check_model("receptive_field", model)
    if len(input_shape) < 3:
        raise ValueError(f"receptive_field: input_shape: expected (N, C, *sizes), got {tuple(input_shape)}")
    x = zeros(input_shape, dtype=default_dtype(model), requires_grad=True)
    with undisturbed(model), enable_grad():
        result = tensors(model(x))
    if not result:
        raise ValueError("receptive_field: model: expected it to return a Tensor")
    field = trace(x, [result[0]._node])[0]
    if isinstance(field, UndefinedField):
        raise ValueError(f"receptive_field: model: {field}")
    if field is None:
        raise ValueError("receptive_field: model: its result does not depend on the input")
    described = describe(field, tuple(input_shape))
    if described is None:
        raise ValueError(
            "receptive_field: model: its result is the flattened form of elements with fields of their own"
        )
    return described


def describe(field: Field, input_shape: tuple[int, ...]) -> ReceptiveField | None:
    """The extents as a ReceptiveField; None where places and other dimensions are one."""
    if any(extent.merged for extent in field):
        return None
    size, stride, start = [], [], []
    for extent, n in zip(field, input_shape[2:], strict=True):
        low, high = extent.low, extent.high
        if extent.dim is None:
            low, high = max(low, Fraction(0)), min(high, Fraction(n - 1))
        size.append(floor(high - low) + 1)
        stride.append(_plain(extent.jump))
        start.append(_plain(low))
    return ReceptiveField(tuple(size), tuple(stride), tuple(start))


def _plain(x: Any) -> Any:
    return int(x) if x == int(x) else float(x)
