"""Sums, means and maxima of bags of embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _core, ops
from ..._operands import takes_arrays
from .._check import check_padding_idx
from .embedding import embedding

if TYPE_CHECKING:
    from ..._tensor import Tensor

__all__ = ["embedding_bag"]


@takes_arrays
def embedding_bag(
    input: Any,
    weight: Any,
    offsets: Any = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or maximum of weight[i] over the indices i of each bag; 0 for an empty bag.

    Args:
        input: (B, K): B bags of K indices; or (L,): bags that begin at `offsets`.
        weight: (V, D).
        offsets: (B,) for `input` (L,); with `include_last_offset` (B + 1,), the last one being L.
        max_norm: as of `nn.Embedding`; so norm_type and scale_grad_by_freq.
        norm_type: the p of that norm.
        scale_grad_by_freq: divide gradients by how often their index occurs.
        mode: 'sum', 'mean' or 'max'.
        sparse: not available; raises NotImplementedError.
        per_sample_weights: factors in the shape of `input`, for mode 'sum'.
        include_last_offset: whether `offsets` ends with L.
        padding_idx: an index that does not count.
    """
    op = "embedding_bag"
    if sparse:
        raise NotImplementedError(f"{op}: sparse: gradients are dense; pass sparse=False")
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"{op}: mode: expected 'sum', 'mean' or 'max', got {mode!r}")
    if len(weight.shape) != 2:
        raise _core.ShapeError(f"{op}: weight: expected shape (V, D), got {tuple(weight.shape)}")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError(f"{op}: scale_grad_by_freq: expected False for mode 'max'")
    if per_sample_weights is not None:
        if mode != "sum":
            raise NotImplementedError(f"{op}: per_sample_weights: expected mode 'sum', got {mode!r}")
        if tuple(per_sample_weights.shape) != tuple(input.shape):
            raise _core.ShapeError(
                f"{op}: per_sample_weights: expected the shape of the input, {tuple(input.shape)}, "
                f"got {tuple(per_sample_weights.shape)}"
            )
    starts, ends = _bags(op, input, offsets, include_last_offset)
    padding_idx = check_padding_idx(op, padding_idx, weight.shape[0])
    index = ops.reshape(input, shape=(-1,))
    rows = embedding(index, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq)
    indices = np.asarray(ops.detach(index)._readable())
    counted = np.ones(indices.shape, np.bool_) if padding_idx is None else indices != padding_idx
    if mode == "max":
        return _largest(rows, starts, ends, counted)  # type: ignore[no-any-return]
    bag = np.repeat(np.arange(len(starts)), ends - starts)
    if per_sample_weights is not None:
        rows = ops.mul(rows, ops.reshape(per_sample_weights, shape=(-1, 1)))
    if not counted.all():
        rows = ops.where(counted[:, None], rows, 0.0)
    total = ops.index_get_grad(rows, bag, dims=(0,), shape=(len(starts), weight.shape[1]))
    if mode == "sum":
        return total  # type: ignore[no-any-return]
    sizes = np.maximum(np.bincount(bag[counted], minlength=len(starts)), 1)
    return ops.div(total, sizes[:, None].astype(rows._dtype))  # type: ignore[no-any-return]


def _bags(op: str, input: Any, offsets: Any, include_last_offset: bool) -> tuple[Any, Any]:
    """Where each bag begins and ends among the indices in a row."""
    shape = tuple(input.shape)
    if len(shape) == 2:
        if offsets is not None:
            raise ValueError(f"{op}: offsets: expected None for an input of 2 dimensions, whose rows are the bags")
        starts = np.arange(shape[0]) * shape[1]
        return starts, starts + shape[1]
    if len(shape) != 1:
        raise _core.ShapeError(f"{op}: input: expected shape (B, K) or (L,), got {shape}")
    if offsets is None or len(offsets.shape) != 1:
        raise ValueError(f"{op}: offsets: expected 1 dimension for an input of shape {shape}, got {offsets!r}")
    starts = np.asarray(offsets)
    if starts.dtype.kind not in "iu":
        raise _core.DTypeError(f"{op}: offsets: expected integers, got {starts.dtype}")
    if include_last_offset and len(starts) == 0:
        raise RuntimeError(f"{op}: offsets: expected at least 1 number with include_last_offset, got none")
    if len(starts) and (starts[0] != 0 or starts.max() > shape[0] or (np.diff(starts) < 0).any()):
        raise RuntimeError(
            f"{op}: offsets: expected numbers that rise from 0 to at most {shape[0]}, got {starts.tolist()}"
        )
    if include_last_offset:
        return starts[:-1], starts[1:]
    return starts, np.append(starts[1:], shape[0]) if len(starts) else starts


def _largest(rows: Any, starts: Any, ends: Any, counted: Any) -> Any:
    """The maximum over each bag, the gradient going to the first that reaches it."""
    bags, longest = len(starts), int((ends - starts).max(initial=0))
    if longest == 0 or bags == 0:
        return ops.index_get_grad(rows, np.zeros(rows.shape[0], np.int64), dims=(0,), shape=(bags, rows.shape[1]))
    place = starts[:, None] + np.arange(longest)
    inside = place < ends[:, None]
    place = np.where(inside, place, 0)
    inside &= counted[place]
    values = ops.where(inside[:, :, None], ops.index_get(rows, place, dims=(0,)), -np.inf)
    largest = ops.max_dim(values, dim=1, keepdim=False)[0]
    return ops.where(inside.any(1)[:, None], largest, 0.0)
