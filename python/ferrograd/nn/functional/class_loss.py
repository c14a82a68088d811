"""Losses of scores for classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _core, ops
from ..._operands import takes_arrays
from ...dtypes import BY_NAME
from .._check import dtype_of
from ._reduction import reduced, reduction_of
from .activation import logsigmoid

if TYPE_CHECKING:
    from ..._tensor import Tensor

__all__ = [
    "cross_entropy",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
]


@takes_arrays
def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-weight[y] · x[y] for log-probabilities x (N, C, *) or (C,) and class indices y (N, *) or (); reduced."""
    reduction = reduction_of("nll_loss", reduction, size_average, reduce)
    dim = 0 if len(input.shape) == 1 else 1
    expected = tuple(input.shape[:dim]) + tuple(input.shape[dim + 1 :])
    if len(input.shape) == 0 or tuple(target.shape) != expected:
        raise _core.ShapeError(
            f"nll_loss: target: expected shape {expected} for an input of shape {tuple(input.shape)}, "
            f"got {tuple(target.shape)}"
        )
    _check_weight("nll_loss", weight, input.shape[dim])
    counts = ops.ne(target, ignore_index)
    chosen = ops.where(counts, target, 0)
    loss = ops.neg(_of_class("nll_loss", input, chosen, dim))
    ones = ops.cast(counts, dtype=loss._dtype)
    share = ones if weight is None else ops.mul(ones, _weight_of(weight, chosen))
    # Not a product: an ignored element may be infinite.
    loss = ops.where(counts, ops.mul(loss, share), 0.0)
    if reduction != "mean":
        return reduced(loss, reduction)  # type: ignore[no-any-return]
    return ops.div(*(ops.sum(x, dim=(), keepdim=False) for x in (loss, share)))  # type: ignore[no-any-return]


def _of_class(op: str, input: Any, classes: Any, dim: int) -> Any:
    """The element of each sample at its class, in the shape of the classes."""
    if not dtype_of(classes).startswith(("int", "uint")):
        raise _core.DTypeError(f"{op}: target: expected class indices, which are integers, got {dtype_of(classes)}")
    n = input.shape[dim]
    _core.backend.check_range(
        classes, 0, n - 1, f"{op}: target: expected class indices from 0 to {n - 1}", "IndexError"
    )
    index = ops.getitem(classes, index=(slice(None),) * dim + (None,))
    return ops.reshape(ops.gather(input, index, dim=dim), shape=tuple(classes.shape))


def _weight_of(weight: Any, classes: Any) -> Any:
    return ops.reshape(ops.gather(weight, ops.reshape(classes, shape=(-1,)), dim=0), shape=tuple(classes.shape))


def _check_weight(op: str, weight: Any, classes: int) -> None:
    if weight is not None and tuple(weight.shape) != (classes,):
        raise _core.ShapeError(
            f"{op}: weight: expected shape {(classes,)}, one of each class, got {tuple(weight.shape)}"
        )


@takes_arrays
def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-weight[y] · log softmax(x)[y] for logits x (N, C, *) or (C,); reduced.

    The target holds class indices (N, *) or (), or, in floating point, class probabilities of the shape of x.
    """
    reduction = reduction_of("cross_entropy", reduction, size_average, reduce)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"cross_entropy: label_smoothing: expected a number between 0 and 1, got {label_smoothing}")
    if _is_float(target):
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)  # type: ignore[no-any-return]
    return ops.cross_entropy(  # type: ignore[no-any-return]
        input,
        target,
        weight,
        reduction=reduction,
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
    )


def _is_float(x: Any) -> bool:
    return BY_NAME[dtype_of(x)].is_floating_point


def _soft_cross_entropy(input: Any, target: Any, weight: Any, reduction: str, label_smoothing: float) -> Any:
    """-Σ_c weight_c · y_c · log softmax(x)_c; the mean is over the samples."""
    shape = tuple(input.shape)
    if tuple(target.shape) != shape or not shape:
        raise _core.ShapeError(
            f"cross_entropy: target: expected class probabilities of the input's shape {shape}, got "
            f"{tuple(target.shape)} (class indices are integers)"
        )
    dim = 0 if len(shape) == 1 else 1
    _check_weight("cross_entropy", weight, shape[dim])
    if label_smoothing:
        target = ops.add(ops.mul(target, 1.0 - label_smoothing), label_smoothing / shape[dim])
    share = ops.mul(target, ops.log_softmax(input, dim=dim))
    if weight is not None:
        share = ops.mul(share, ops.reshape(weight, shape=(-1,) + (1,) * (len(shape) - dim - 1)))
    return reduced(ops.neg(ops.sum(share, dim=(dim,), keepdim=False)), reduction)


@takes_arrays
def multi_margin_loss(
    input: Any,
    target: Any,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Σ_{c ≠ y} max(0, margin - x[y] + x[c])ᵖ · weight[y] / C for scores x (N, C) or (C,) and classes y (N,) or ()."""
    op = "multi_margin_loss"
    reduction = reduction_of(op, reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError(f"{op}: p: expected 1 or 2, got {p}")
    samples, classes = _scores(op, input)
    if tuple(target.shape) not in ((samples,), () if len(input.shape) == 1 else (samples,)):
        raise _core.ShapeError(
            f"{op}: target: expected shape {(samples,)} for an input of shape {tuple(input.shape)}, "
            f"got {tuple(target.shape)}"
        )
    _check_weight(op, weight, classes)
    x, y = ops.reshape(input, shape=(samples, classes)), ops.reshape(target, shape=(samples,))
    of_target = _of_class(op, x, y, 1)
    above = ops.relu(ops.add(ops.sub(x, ops.reshape(of_target, shape=(samples, 1))), margin))
    above = above if p == 1 else ops.square(above)
    others = ops.ne(ops.reshape(y, shape=(samples, 1)), np.arange(classes))
    loss = ops.div(ops.sum(ops.where(others, above, 0.0), dim=(1,), keepdim=False), float(classes))
    if weight is not None:
        loss = ops.mul(loss, _weight_of(weight, y))
    return reduced(loss if len(input.shape) == 2 else ops.reshape(loss, shape=tuple(target.shape)), reduction)  # type: ignore[no-any-return]


def _scores(op: str, input: Any) -> tuple[int, int]:
    shape = tuple(input.shape)
    if len(shape) not in (1, 2) or not shape[-1]:
        raise _core.ShapeError(f"{op}: input: expected shape (N, C) or (C,) with C above 0, got {shape}")
    return (1, *shape) if len(shape) == 1 else shape


@takes_arrays
def multilabel_margin_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Σ over j among the labels, i not among them, of max(0, 1 - x[j] + x[i]) / C, for scores x (N, C) or (C,).

    The target has the shape of x: the labels of each sample, then -1, what follows being ignored.
    """
    op = "multilabel_margin_loss"
    reduction = reduction_of(op, reduction, size_average, reduce)
    samples, classes = _scores(op, input)
    if tuple(target.shape) != tuple(input.shape):
        raise _core.ShapeError(
            f"{op}: target: expected the shape of the input, {tuple(input.shape)}, got {tuple(target.shape)}"
        )
    labels = np.asarray(ops.detach(target)._readable()).reshape(samples, classes)
    counts = np.logical_and.accumulate(labels >= 0, axis=1) & (labels != -1)
    if (bad := (np.logical_and.accumulate(labels != -1, axis=1) & ((labels < 0) | (labels >= classes)))).any():
        raise _core.ShapeError(f"{op}: target: expected labels from 0 to {classes - 1}, or -1, got {labels[bad][0]}")
    labels = np.where(counts, labels, 0)
    among = np.zeros((samples, classes), np.bool_)
    rows, columns = np.nonzero(counts)
    among[rows, labels[rows, columns]] = True
    x = ops.reshape(input, shape=(samples, classes))
    of_label = ops.reshape(ops.gather(x, labels, dim=1), shape=(samples, classes, 1))
    above = ops.relu(ops.add(ops.sub(ops.reshape(x, shape=(samples, 1, classes)), of_label), 1.0))
    pairs = counts[:, :, None] & ~among[:, None, :]
    loss = ops.div(ops.sum(ops.where(pairs, above, 0.0), dim=(1, 2), keepdim=False), float(classes))
    return reduced(loss if len(input.shape) == 2 else ops.reshape(loss, shape=()), reduction)  # type: ignore[no-any-return]


@takes_arrays
def multilabel_soft_margin_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-Σ_c weight_c · (y log σ(x) + (1 - y) log σ(-x)) / C for x, y (*, C), σ the sigmoid; reduced."""
    op = "multilabel_soft_margin_loss"
    reduction = reduction_of(op, reduction, size_average, reduce)
    if not len(input.shape):
        raise _core.ShapeError(f"{op}: input: expected at least 1 dimension (*, C), got shape ()")
    yes = ops.mul(target, logsigmoid(input))
    no = ops.mul(ops.sub(1.0, target), logsigmoid(ops.neg(input)))
    loss = ops.neg(ops.add(yes, no))
    loss = loss if weight is None else ops.mul(loss, weight)
    return reduced(ops.mean(loss, dim=(-1,), keepdim=False), reduction)  # type: ignore[no-any-return]
