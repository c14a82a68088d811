"""Checks of arguments that several functions and layers share."""

from __future__ import annotations

from typing import Any

from .. import _core
from ..dtypes import dtype_name


def sizes(op: str, argument: str, given: Any, spatial: int, least: int = 1) -> tuple[int, ...]:
    """One number for each spatial dimension, out of a number or a sequence; ValueError below `least`."""
    if hasattr(given, "__index__"):
        values = (given.__index__(),) * spatial
    else:
        try:
            values = tuple(v.__index__() for v in given)
        except (TypeError, AttributeError):
            raise TypeError(f"{op}: {argument}: expected integers, got {given!r}") from None
        if len(values) == 1:
            values *= spatial
    if len(values) != spatial:
        raise ValueError(f"{op}: {argument}: expected an int or {spatial} of them, got {given!r}")
    if any(v < least for v in values):
        raise ValueError(f"{op}: {argument}: expected numbers of at least {least}, got {given!r}")
    return values


def check_conv_input(op: str, input: Any, spatial: int) -> None:
    """A batch of samples, or one sample."""
    if len(input.shape) not in (spatial + 1, spatial + 2):
        raise _core.ShapeError(
            f"{op}: input: expected {spatial + 1}D (one sample) or {spatial + 2}D (a batch) input, "
            f"got shape {tuple(input.shape)}"
        )


def check_probability(op: str, p: float) -> None:
    """A probability lies in [0, 1]."""
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"{op}: p: expected a probability between 0 and 1, got {p}")


def check_reduction(op: str, reduction: str) -> None:
    """How the losses of the elements become one."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{op}: reduction: expected 'mean', 'sum' or 'none', got {reduction!r}")


def check_approximate(op: str, approximate: str) -> None:
    """The formulas of GELU."""
    if approximate not in ("none", "tanh"):
        raise ValueError(f"{op}: approximate: expected 'none' or 'tanh', got {approximate!r}")


def check_padding_idx(op: str, padding_idx: int | None, num_embeddings: int) -> int | None:
    """An index counted from the front."""
    if padding_idx is None:
        return None
    if not -num_embeddings <= padding_idx < num_embeddings:
        raise ValueError(f"{op}: padding_idx: expected an index of {num_embeddings} embeddings, got {padding_idx}")
    return padding_idx % num_embeddings


def dtype_of(x: Any) -> str:
    """The name of a tensor's or an array's dtype."""
    return x._dtype if isinstance(x, _core.TensorBase) else dtype_name(x.dtype)


def check_dtypes(op: str, input: Any, **others: Any) -> None:
    """The parameters have the dtype of the input; None is passed over."""
    wanted = dtype_of(input)
    for name, other in others.items():
        if other is not None and (given := dtype_of(other)) != wanted:
            raise _core.DTypeError(f"{op}: {name}: expected {wanted}, as the input has, got {given}")
