"""Indexing by arrays, and joining."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core, ops
from .._operands import takes_arrays
from ..creation import as_tensor
from ._items import advanced_getitem
from ._method import method
from .shape import _sizes, at_least_1d, from_front, normalize_dim

if TYPE_CHECKING:
    from .._tensor import Tensor

_ALL = slice(None)


@method()
def gather(input: Any, dim: int, index: Any, *, sparse_grad: bool = False) -> Tensor:
    """y[…, i, …] = input[…, index[…, i, …], …] along `dim`, in the shape of `index`.

    `sparse_grad` is accepted; gradients are dense.
    """
    return ops.gather(input, from_front("gather", index), dim=dim)  # type: ignore[no-any-return]


@method()
@takes_arrays
def index_select(input: Any, dim: Any = None, index: Any = None, *, axis: Any = None) -> Tensor:
    """The places `index`, a vector of integers, of dimension `dim`."""
    dim = axis if dim is None else dim
    if len(index.shape) > 1:
        raise IndexError(f"index_select: index: expected a vector, got shape {tuple(index.shape)}")
    d = normalize_dim("index_select", dim, len(input.shape))
    index = ops.reshape(from_front("index_select", index), shape=(-1,))
    if not input.shape:
        return ops.reshape(ops.index_get(ops.reshape(input, shape=(1,)), index, dims=(0,)), shape=())  # type: ignore[no-any-return]
    return ops.index_get(input, index, dims=(d,))  # type: ignore[no-any-return]


@method()
@takes_arrays
def masked_select(input: Any, mask: Any) -> Tensor:
    """The elements of `input` where `mask`, of a shape that broadcasts with it, is true: a vector."""
    shape = np.broadcast_shapes(tuple(input.shape), tuple(mask.shape))
    input, mask = (ops.expand(x, shape=shape) for x in (input, as_tensor(mask)))
    return advanced_getitem(input, (mask,))


@method()
def nonzero(input: Any, *, as_tuple: bool = False) -> Any:
    """The places of the elements that are not zero: (n, ndim) of int64, or a tuple of ndim vectors."""
    places = ops.nonzero(ops.reshape(input, shape=(1,)) if as_tuple and not len(input.shape) else input)
    return tuple(ops.getitem(places, index=(_ALL, k)) for k in range(places.shape[1])) if as_tuple else places


@method()
def argwhere(input: Any) -> Tensor:
    """As `nonzero`."""
    return ops.nonzero(input)  # type: ignore[no-any-return]


def _without_empty(tensors: Sequence[Any]) -> Sequence[Any]:
    """The tensors but for vectors without elements, which count for the dtype alone, where others have more dimensions."""
    kept = [x for x in tensors if tuple(x.shape) != (0,)]
    if all(len(x.shape) == 1 for x in kept):
        return tensors
    dtype = _core.result_type(*tensors)
    return [x if as_tensor(x)._dtype == dtype else ops.cast(x, dtype=dtype) for x in kept]


def cat(tensors: Sequence[Any], dim: int = 0, *, axis: int | None = None) -> Tensor:
    """The tensors one after the other along `dim`; a vector without elements goes with any shape."""
    tensors = tensors if isinstance(tensors, (list, tuple)) else list(tensors)
    if any(getattr(x, "shape", None) == (0,) for x in tensors):
        tensors = _without_empty(tensors)
    return ops.concatenate(*tensors, dim=dim if axis is None else axis)  # type: ignore[no-any-return]


concatenate = concat = cat


def stack(tensors: Sequence[Any], dim: int = 0, *, axis: int | None = None) -> Tensor:
    """The tensors along a new dimension at `dim`."""
    return ops.stack(*tensors, dim=dim if axis is None else axis)  # type: ignore[no-any-return]


@takes_arrays
@method()
def split(
    tensor: Any, split_size_or_sections: Any = None, dim: int = 0, *, split_size: Any = None, axis: int | None = None
) -> tuple[Tensor, ...]:
    """Pieces of a dimension, views: of one size (the last may be smaller), or of the sizes given."""
    dim = dim if axis is None else axis
    if split_size_or_sections is None:
        split_size_or_sections = split_size
    d = normalize_dim("split", dim, len(at_least_1d("split", tensor)))
    size = tensor.shape[d]
    if isinstance(split_size_or_sections, int):
        step = split_size_or_sections
        if step < 0 or (step == 0 and size > 0):
            raise RuntimeError(f"split: split_size: expected a number above 0, got {step}")
        sections = [min(step, size - at) for at in range(0, size, step)] if size else [0]
    else:
        sections = list(split_size_or_sections)
        if sum(sections) != size or min(sections, default=0) < 0:
            raise RuntimeError(
                f"split: sections: expected sizes of {size} in all, as dimension {d} has, got {sections}"
            )
    return ops.split(tensor, sizes=tuple(sections), dim=d) if sections else ()


@method()
def chunk(input: Any, chunks: int, dim: int = 0, *, axis: int | None = None) -> tuple[Tensor, ...]:
    """A dimension in at most `chunks` pieces of one size (the last may be smaller), views."""
    dim = dim if axis is None else axis
    if chunks <= 0:
        raise RuntimeError(f"chunk: chunks: expected a number above 0, got {chunks}")
    size = input.shape[normalize_dim("chunk", dim, len(at_least_1d("chunk", input)))]
    if not size:
        return split(input, [0] * chunks, dim)
    return split(input, max(1, -(-size // chunks)), dim)


@takes_arrays
@method()
def unbind(input: Any, dim: int = 0, *, axis: int | None = None) -> tuple[Tensor, ...]:
    """The indices of a dimension one by one, views without it."""
    dim = dim if axis is None else axis
    d = normalize_dim("unbind", dim, len(input.shape))
    return ops.unbind(input, dim=d)  # type: ignore[no-any-return]


@takes_arrays
@method()
def flip(input: Any, *along: Any, dims: Any = None, axis: Any = None) -> Tensor:
    """The dimensions in reverse order; a copy, as in PyTorch."""
    dims = axis if dims is None else dims
    wanted = _sizes(along, (dims,) if isinstance(dims, int) else dims)
    index = [_ALL] * len(input.shape)
    for dim in wanted:
        d = normalize_dim("flip", dim, len(input.shape))
        if index and index[d] != _ALL:
            raise RuntimeError(f"flip: dims: expected each dimension once, got {tuple(wanted)}")
        if index:
            index[d] = slice(None, None, -1)
    return ops.contiguous(ops.getitem(input, index=tuple(index)))  # type: ignore[no-any-return]


@takes_arrays
@method()
def roll(
    input: Any, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None, *, axis: Any = None
) -> Tensor:
    """Elements moved along dimensions by `shifts`, those at the end coming back at the beginning."""
    dims = axis if dims is None else dims
    if dims is None:
        flat = ops.reshape(input, shape=(-1,))
        return ops.reshape(roll(flat, shifts, 0), shape=tuple(input.shape))  # type: ignore[no-any-return]
    shifts = [shifts] if isinstance(shifts, int) else list(shifts)
    dims = [dims] if isinstance(dims, int) else list(dims)
    if len(shifts) != len(dims):
        raise RuntimeError(f"roll: dims: expected {len(shifts)} dimensions, one a shift, got {len(dims)}")
    for shift, dim in zip(shifts, dims, strict=True):
        d = normalize_dim("roll", dim, len(input.shape))
        if not input.shape:
            continue
        at = -shift % max(input.shape[d], 1)
        lead = (_ALL,) * d
        parts = (slice(at, None), slice(0, at))
        input = ops.concatenate(*[ops.getitem(input, index=(*lead, part)) for part in parts], dim=d)
    return input  # type: ignore[no-any-return]


__all__ = [
    "argwhere", "cat", "chunk", "concat", "concatenate", "flip", "gather", "index_select", "masked_select", "nonzero",
    "roll", "split", "stack", "unbind",
]  # fmt: skip
