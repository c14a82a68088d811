"""Losses of scores and vectors that should be near or far, higher or lower."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ... import _core, ops
from ..._operands import takes_arrays
from .._check import check_reduction
from ._reduction import reduced, reduction_of
from .distance import pairwise_distance

if TYPE_CHECKING:
    from ..._tensor import Tensor

__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]


@takes_arrays
def margin_ranking_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, -y · (x1 - x2) + margin): y = 1 where x1 should be the higher, -1 where x2 should; reduced."""
    reduction = reduction_of("margin_ranking_loss", reduction, size_average, reduce)
    if not len(input1.shape) == len(input2.shape) == len(target.shape):
        shapes = tuple(input1.shape), tuple(input2.shape), tuple(target.shape)
        raise _core.ShapeError(
            "margin_ranking_loss: expected input1, input2 and target of the same number of dimensions, got shapes "
            "{}, {} and {}".format(*shapes)
        )
    apart = ops.mul(ops.neg(target), ops.sub(input1, input2))
    return reduced(ops.clip(ops.add(apart, margin), 0.0, None), reduction)  # type: ignore[no-any-return]


def hinge_embedding_loss(
    input: Any,
    target: Any,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """x where y = 1, max(0, margin - x) where y = -1, for distances x; reduced."""
    reduction = reduction_of("hinge_embedding_loss", reduction, size_average, reduce)
    near = ops.where(ops.ne(target, -1), input, 0.0)
    far = ops.where(ops.ne(target, 1), ops.clip(ops.sub(margin, input), 0.0, None), 0.0)
    return reduced(ops.add(near, far), reduction)  # type: ignore[no-any-return]


def soft_margin_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + e^(-y x)) for y = ±1, without overflow; reduced."""
    reduction = reduction_of("soft_margin_loss", reduction, size_average, reduce)
    loss = ops.softplus(ops.mul(ops.neg(target), input), beta=1.0, threshold=float("inf"))
    return reduced(loss, reduction)  # type: ignore[no-any-return]


@takes_arrays
def cosine_embedding_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos(x1, x2) where y = 1, max(0, cos(x1, x2) - margin) where y = -1; reduced.

    Shapes: x1, x2 (N, D) and y (N,), or x1, x2 (D,) and y ().
    """
    op = "cosine_embedding_loss"
    reduction = reduction_of(op, reduction, size_average, reduce)
    ndim = len(target.shape)
    if ndim > 1 or not len(input1.shape) == len(input2.shape) == ndim + 1:
        shapes = tuple(input1.shape), tuple(input2.shape), tuple(target.shape)
        raise _core.ShapeError(
            f"{op}: target: expected shape (N,) for inputs (N, D) or () for inputs (D,), got "
            "inputs {} and {}, target {}".format(*shapes)
        )
    dot, square1, square2 = (
        ops.sum(product, dim=(-1,), keepdim=False)
        for product in (ops.mul(input1, input2), ops.square(input1), ops.square(input2))
    )
    # As in PyTorch: 1e-12 keeps the division defined.
    cosine = ops.div(dot, ops.sqrt(ops.mul(ops.add(square1, 1e-12), ops.add(square2, 1e-12))))
    near = ops.where(ops.eq(target, 1), ops.sub(1.0, cosine), 0.0)
    far = ops.where(ops.eq(target, -1), ops.clip(ops.sub(cosine, margin), 0.0, None), 0.0)
    return reduced(ops.add(near, far), reduction)  # type: ignore[no-any-return]


@takes_arrays
def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(a, p) - d(a, n) + margin) with d = ‖x - y + eps‖ₚ over the last dimension; reduced.

    With `swap`, d(p, n) takes the place of d(a, n) where it is smaller (Balntas et al. 2016).
    """
    reduction = reduction_of("triplet_margin_loss", reduction, size_average, reduce)
    return _triplet(
        "triplet_margin_loss",
        (anchor, positive, negative),
        lambda x, y: pairwise_distance(x, y, p, eps),
        margin,
        swap,
        reduction,
    )


@takes_arrays
def triplet_margin_with_distance_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    distance_function: Callable[[Any, Any], Any] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """As `triplet_margin_loss` with a distance of one's own; default `pairwise_distance`."""
    check_reduction("triplet_margin_with_distance_loss", reduction)
    return _triplet(
        "triplet_margin_with_distance_loss",
        (anchor, positive, negative),
        distance_function or pairwise_distance,
        margin,
        swap,
        reduction,
    )


def _triplet(
    op: str,
    triplet: tuple[Any, Any, Any],
    distance: Callable[[Any, Any], Any],
    margin: float,
    swap: bool,
    reduction: str,
) -> Tensor:
    if margin <= 0:
        raise ValueError(f"{op}: margin: expected a number above 0, got {margin}")
    anchor, positive, negative = triplet
    if not len(anchor.shape) == len(positive.shape) == len(negative.shape):
        shapes = ", ".join(str(tuple(x.shape)) for x in triplet)
        raise _core.ShapeError(
            f"{op}: expected anchor, positive and negative of the same number of dimensions, got shapes {shapes}"
        )
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = ops.minimum(far, distance(positive, negative))
    return reduced(ops.clip(ops.add(ops.sub(near, far), margin), 0.0, None), reduction)  # type: ignore[no-any-return]
