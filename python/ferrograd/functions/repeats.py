"""Elements repeated, windows over them, turned and mirrored tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core, ops
from .._operands import takes_arrays
from ._method import method
from .indexing import flip
from .shape import _sizes, normalize_dim

if TYPE_CHECKING:
    from .._tensor import Tensor

__all__ = ["fliplr", "flipud", "repeat_interleave", "rot90", "tile"]

_ALL = slice(None)


def _tiled(input: Any, sizes: tuple[int, ...]) -> Any:
    """The whole tensor `sizes[d]` times along each dimension d; the tensor has as many dimensions as there are sizes."""
    shape = tuple(input.shape)
    if all(n == 1 for n in sizes):
        return ops.contiguous(input)
    apart = ops.reshape(input, shape=tuple(n for d in shape for n in (1, d)))
    spread = ops.expand(apart, shape=tuple(n for pair in zip(sizes, shape, strict=True) for n in pair))
    return ops.contiguous(ops.reshape(spread, shape=tuple(n * d for n, d in zip(sizes, shape, strict=True))))


@method("repeat")
def _repeat(self: Any, *sizes: Any, repeats: Any = None) -> Tensor:
    """The tensor `sizes[d]` times along each dimension; new dimensions come first."""
    sizes = tuple(n.__index__() for n in _sizes(sizes, repeats))
    ndim = len(self.shape)
    if len(sizes) < ndim:
        raise _core.ShapeError(f"repeat: sizes: expected a number for each of {ndim} dimensions, got {sizes}")
    if min(sizes, default=0) < 0:
        raise RuntimeError(f"repeat: sizes: expected numbers of at least 0, got {sizes}")
    x = ops.reshape(self, shape=(1,) * (len(sizes) - ndim) + tuple(self.shape))
    return _tiled(x, sizes)  # type: ignore[no-any-return]


@takes_arrays
@method()
def tile(input: Any, *reps: Any, dims: Any = None) -> Tensor:
    """The tensor `dims[d]` times along each dimension; fewer numbers than dimensions count for the last ones."""
    sizes = tuple(n.__index__() for n in _sizes(reps, dims))
    return _repeat(input, *(1,) * (len(input.shape) - len(sizes)), *sizes)


@method()
@takes_arrays
def repeat_interleave(
    input: Any, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None, axis: int | None = None
) -> Tensor:
    """Each element (of dimension `dim`; default: of the flattened tensor) `repeats` times in a row.

    `repeats` is a number, or one number for each element of the dimension. With `input` alone: the places 0, 1, … each
    input[i] times.
    """
    if repeats is None:
        counts = np.asarray(input)
        return ops.contiguous(_core.from_numpy(np.repeat(np.arange(counts.size), counts)))  # type: ignore[no-any-return]
    dim = axis if dim is None else dim
    if dim is None:
        input, dim = ops.reshape(input, shape=(-1,)), 0
    shape = tuple(input.shape)
    if not shape:
        normalize_dim("repeat_interleave", dim, 0)
        input, shape = ops.reshape(input, shape=(1,)), (1,)
    d = normalize_dim("repeat_interleave", dim, len(shape))
    counts = np.asarray(repeats)
    if counts.dtype.kind not in "iu":
        raise _core.DTypeError(f"repeat_interleave: repeats: expected integers, got {counts.dtype}")
    if counts.size and counts.min() < 0:
        raise RuntimeError(f"repeat_interleave: repeats: expected numbers of at least 0, got {counts.min()}")
    if counts.size == 1:
        n = int(counts.reshape(())[()])
        apart = ops.reshape(input, shape=(*shape[: d + 1], 1, *shape[d + 1 :]))
        spread = ops.expand(apart, shape=(*shape[: d + 1], n, *shape[d + 1 :]))
        return ops.contiguous(ops.reshape(spread, shape=(*shape[:d], shape[d] * n, *shape[d + 1 :])))  # type: ignore[no-any-return]
    if counts.shape != (shape[d],):
        raise _core.ShapeError(
            f"repeat_interleave: repeats: expected a number, or {shape[d]} as dimension {d} has, got shape {counts.shape}"
        )
    places = np.repeat(np.arange(shape[d]), counts)
    if output_size is not None and len(places) != output_size:
        raise RuntimeError(
            f"repeat_interleave: output_size: expected {len(places)}, the sum of repeats, got {output_size}"
        )
    return ops.index_get(input, places, dims=(d,))  # type: ignore[no-any-return]


@method("unfold")
def _unfold(self: Any, dimension: int, size: int, step: int) -> Tensor:
    """All windows of `size` elements along a dimension, `step` apart; a window lies in a new last dimension.

    A copy, where PyTorch gives a view.
    """
    ndim = len(self.shape)
    d = normalize_dim("unfold", dimension, ndim)
    x = self if ndim else ops.reshape(self, shape=(1,))
    n = x.shape[d]
    if not 0 <= size <= n:
        raise RuntimeError(f"unfold: size: expected at most the size {n} of dimension {d}, got {size}")
    if step <= 0:
        raise RuntimeError(f"unfold: step: expected a number above 0, got {step}")
    places = np.arange(0, n - size + 1, step)[:, None] + np.arange(size)
    windows = ops.index_get(x, places, dims=(d,))
    if not ndim:
        return ops.reshape(windows, shape=(size,))  # type: ignore[no-any-return]
    return ops.permute(windows, dims=(*(k for k in range(ndim + 1) if k != d + 1), d + 1))  # type: ignore[no-any-return]


@takes_arrays
@method()
def rot90(input: Any, k: int = 1, dims: Sequence[int] = (0, 1), *, axes: Sequence[int] | None = None) -> Tensor:
    """Turned by k · 90° in the plane of two dimensions, from the first towards the second; a copy."""
    ndim = len(input.shape)
    dims = dims if axes is None else axes
    if len(dims) != 2 or ndim < 2:
        raise RuntimeError(f"rot90: dims: expected 2 of at least 2 dimensions, got {tuple(dims)} of {ndim}")
    a, b = (normalize_dim("rot90", d, ndim) for d in dims)
    if a == b:
        raise RuntimeError(f"rot90: dims: expected two different dimensions, got {tuple(dims)}")
    order = list(range(ndim))
    order[a], order[b] = b, a
    k %= 4
    if k == 2:
        return flip(input, (a, b))
    if k == 1:
        return ops.contiguous(ops.permute(flip(input, (b,)), dims=tuple(order)))  # type: ignore[no-any-return]
    if k == 3:
        return flip(ops.permute(input, dims=tuple(order)), (b,))
    return ops.clone(input)  # type: ignore[no-any-return]


@takes_arrays
@method()
def fliplr(input: Any) -> Tensor:
    """The columns, dimension 1, in reverse order; a copy."""
    if len(input.shape) < 2:
        raise RuntimeError(f"fliplr: input: expected at least 2 dimensions, got shape {tuple(input.shape)}")
    return flip(input, (1,))


@takes_arrays
@method()
def flipud(input: Any) -> Tensor:
    """The rows, dimension 0, in reverse order; a copy."""
    if len(input.shape) < 1:
        raise RuntimeError("flipud: input: expected at least 1 dimension, got shape ()")
    return flip(input, (0,))
