"""Losses."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from ... import _core, ops
from .._check import check_reduction

if TYPE_CHECKING:
    from ..._tensor import Tensor


__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "huber_loss",
    "l1_loss",
    "mse_loss",
    "nll_loss",
    "smooth_l1_loss",
]


def _reduce(loss: Any, reduction: str) -> Any:
    if reduction == "mean":
        return ops.mean(loss, dim=(), keepdim=False)
    return ops.sum(loss, dim=(), keepdim=False) if reduction == "sum" else loss


def _elementwise(op: str, input: Any, target: Any, reduction: str) -> None:
    check_reduction(op, reduction)
    if tuple(input.shape) != tuple(target.shape):
        warnings.warn(
            f"{op}: target: expected the shape of the input, {tuple(input.shape)}, got {tuple(target.shape)}; "
            "the two are broadcast, which is seldom what is meant",
            stacklevel=3,
        )


def _weighted(loss: Any, weight: Any) -> Any:
    return loss if weight is None else ops.mul(loss, weight)


def l1_loss(input: Any, target: Any, *, weight: Any = None, reduction: str = "mean") -> Tensor:
    """|x - y|, reduced."""
    _elementwise("l1_loss", input, target, reduction)
    return _weighted_mean(ops.abs(ops.sub(input, target)), weight, reduction)


def mse_loss(input: Any, target: Any, *, weight: Any = None, reduction: str = "mean") -> Tensor:
    """(x - y)², reduced."""
    _elementwise("mse_loss", input, target, reduction)
    difference = ops.sub(input, target)
    return _weighted_mean(ops.mul(difference, difference), weight, reduction)


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Tensor:
    """(x - y)² / 2 where |x - y| < delta, else delta · (|x - y| - delta / 2); reduced."""
    if delta <= 0:
        raise ValueError(f"huber_loss: delta: expected a number above 0, got {delta}")
    _elementwise("huber_loss", input, target, reduction)
    distance = ops.abs(ops.sub(input, target))
    near = ops.mul(ops.mul(distance, distance), 0.5)
    far = ops.mul(ops.sub(distance, 0.5 * delta), delta)
    return _weighted_mean(ops.where(ops.lt(distance, delta), near, far), weight, reduction)


def smooth_l1_loss(input: Any, target: Any, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """(x - y)² / (2 beta) where |x - y| < beta, else |x - y| - beta / 2; reduced."""
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta: expected a number of at least 0, got {beta}")
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    _elementwise("smooth_l1_loss", input, target, reduction)
    distance = ops.abs(ops.sub(input, target))
    near = ops.mul(ops.mul(distance, distance), 0.5 / beta)
    return _reduce(ops.where(ops.lt(distance, beta), near, ops.sub(distance, 0.5 * beta)), reduction)  # type: ignore[no-any-return]


def _weighted_mean(loss: Any, weight: Any, reduction: str) -> Tensor:
    if weight is None or reduction != "mean":
        return _reduce(_weighted(loss, weight), reduction)  # type: ignore[no-any-return]
    total = ops.sum(ops.mul(loss, weight), dim=(), keepdim=False)
    return ops.div(total, ops.sum(ops.expand(weight, shape=loss.shape), dim=(), keepdim=False))  # type: ignore[no-any-return]


def binary_cross_entropy(input: Any, target: Any, weight: Any = None, *, reduction: str = "mean") -> Tensor:
    """-weight · (y log x + (1 - y) log(1 - x)) for x in [0, 1]; the logarithms are held above -100."""
    check_reduction("binary_cross_entropy", reduction)
    if tuple(input.shape) != tuple(target.shape):
        raise ValueError(
            f"binary_cross_entropy: target: expected the shape of the input, {tuple(input.shape)}, "
            f"got {tuple(target.shape)}"
        )
    lowest = _core.backend.amin(input, (), False).item() if ops.detach(input).numel() else 0.0
    highest = _core.backend.amax(input, (), False).item() if ops.detach(input).numel() else 0.0
    if not (lowest >= 0 and highest <= 1):
        raise RuntimeError(
            f"binary_cross_entropy: input: expected all elements between 0 and 1, got {lowest} to {highest}; "
            "use binary_cross_entropy_with_logits for numbers before the sigmoid"
        )
    yes = ops.mul(target, ops.clip(ops.log(input), -100.0, None))
    no = ops.mul(ops.sub(1.0, target), ops.clip(ops.log1p(ops.neg(input)), -100.0, None))
    return _reduce(_weighted(ops.neg(ops.add(yes, no)), weight), reduction)  # type: ignore[no-any-return]


def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, *, reduction: str = "mean", pos_weight: Any = None
) -> Tensor:
    """-weight · (pos_weight · y log σ(x) + (1 - y) log(1 - σ(x))), σ the sigmoid.

    Computed as (1 - y) x + (1 + (pos_weight - 1) y) · log(1 + e⁻ˣ), which does not overflow.
    """
    check_reduction("binary_cross_entropy_with_logits", reduction)
    if tuple(input.shape) != tuple(target.shape):
        raise ValueError(
            f"binary_cross_entropy_with_logits: target: expected the shape of the input, {tuple(input.shape)}, "
            f"got {tuple(target.shape)}"
        )
    soft = ops.softplus(ops.neg(input), beta=1.0, threshold=float("inf"))
    if pos_weight is not None:
        soft = ops.mul(ops.add(ops.mul(ops.sub(pos_weight, 1.0), target), 1.0), soft)
    loss = ops.add(ops.mul(ops.sub(1.0, target), input), soft)
    return _reduce(_weighted(loss, weight), reduction)  # type: ignore[no-any-return]


def nll_loss(
    input: Any, target: Any, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """-weight[y] · x[y] for log-probabilities x (N, C, *) or (C,) and class indices y (N, *) or (); reduced."""
    check_reduction("nll_loss", reduction)
    dim = 0 if len(input.shape) == 1 else 1
    expected = tuple(input.shape[:dim]) + tuple(input.shape[dim + 1 :])
    if len(input.shape) == 0 or tuple(target.shape) != expected:
        raise _core.ShapeError(
            f"nll_loss: target: expected shape {expected} for an input of shape {tuple(input.shape)}, "
            f"got {tuple(target.shape)}"
        )
    counts = ops.ne(target, ignore_index)
    chosen = ops.where(counts, target, 0)
    index = ops.getitem(chosen, index=(slice(None),) * dim + (None,))
    loss = ops.neg(ops.reshape(ops.gather(input, index, dim=dim), shape=expected))
    ones = ops.cast(counts, dtype=loss._dtype)
    share = ones if weight is None else ops.mul(ones, ops.reshape(_of_class(weight, chosen), shape=expected))
    # Not a product: an ignored element may be infinite.
    loss = ops.where(counts, ops.mul(loss, share), 0.0)
    if reduction != "mean":
        return _reduce(loss, reduction)  # type: ignore[no-any-return]
    total, divisor = (ops.sum(x, dim=(), keepdim=False) for x in (loss, share))
    return ops.div(total, divisor)  # type: ignore[no-any-return]


def _of_class(weight: Any, classes: Any) -> Any:
    return ops.gather(weight, ops.reshape(classes, shape=(-1,)), dim=0)


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-weight[y] · log softmax(x)[y] for logits x (N, C, *) or (C,); reduced.

    The target holds class indices (N, *) or (), or, in floating point, class probabilities of the shape of x.
    """
    check_reduction("cross_entropy", reduction)
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
    return bool(x._dtype.startswith("float") if isinstance(x, _core.TensorBase) else x.dtype.kind == "f")


def _soft_cross_entropy(input: Any, target: Any, weight: Any, reduction: str, label_smoothing: float) -> Any:
    """-Σ_c weight_c · y_c · log softmax(x)_c; the mean is over the samples."""
    shape = tuple(input.shape)
    if tuple(target.shape) != shape:
        raise _core.ShapeError(
            f"cross_entropy: target: expected class probabilities of the input's shape {shape}, got "
            f"{tuple(target.shape)} (class indices are integers)"
        )
    dim = 0 if len(shape) == 1 else 1
    if label_smoothing:
        target = ops.add(ops.mul(target, 1.0 - label_smoothing), label_smoothing / shape[dim])
    share = ops.mul(target, ops.log_softmax(input, dim=dim))
    if weight is not None:
        share = ops.mul(share, ops.reshape(weight, shape=(-1,) + (1,) * (len(shape) - dim - 1)))
    loss = ops.neg(ops.sum(share, dim=(dim,), keepdim=False))
    if reduction != "mean":
        return _reduce(loss, reduction)
    samples = max(loss.numel(), 1)
    return ops.div(ops.sum(loss, dim=(), keepdim=False), float(samples))
