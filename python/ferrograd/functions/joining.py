"""Tensors set beside and against each other: stacks, blocks, grids; and tensors taken to pieces."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core, ops
from .._operands import takes_arrays
from ..creation import as_tensor
from ._method import method
from .indexing import cat, split
from .shape import normalize_dim

if TYPE_CHECKING:
    from .._tensor import Tensor

__all__ = [
    "atleast_1d", "atleast_2d", "atleast_3d", "block_diag", "broadcast_shapes", "broadcast_tensors", "cartesian_prod",
    "column_stack", "combinations", "dsplit", "dstack", "hsplit", "hstack", "meshgrid", "row_stack", "split_with_sizes",
    "tensor_split", "vsplit", "vstack",
]  # fmt: skip

_ALL = slice(None)


def _given(tensors: tuple[Any, ...]) -> list[Any]:
    """`f(a, b)` and `f([a, b])` mean the same."""
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    return [as_tensor(x) for x in tensors]


def _each(function: Any, tensors: tuple[Any, ...]) -> Any:
    """One tensor gives a tensor, several a tuple."""
    if len(tensors) == 1 and not isinstance(tensors[0], (list, tuple)):
        return function(as_tensor(tensors[0]))
    return tuple(function(x) for x in _given(tensors))


def atleast_1d(*tensors: Any) -> Any:
    """Views with at least one dimension: a 0-d tensor gets one of size 1."""
    return _each(lambda x: x if x.ndim else ops.reshape(x, shape=(1,)), tensors)


def _two(x: Any) -> Any:
    return x if x.ndim >= 2 else ops.reshape(x, shape=(1, *x.shape) if x.ndim else (1, 1))


def atleast_2d(*tensors: Any) -> Any:
    """Views with at least two dimensions: a vector becomes a row."""
    return _each(_two, tensors)


def _three(x: Any) -> Any:
    return x if x.ndim >= 3 else ops.reshape(x, shape=(*_two(x).shape, 1))


def atleast_3d(*tensors: Any) -> Any:
    """Views with at least three dimensions: (n,) becomes (1, n, 1), (n, m) becomes (n, m, 1)."""
    return _each(_three, tensors)


def hstack(tensors: Sequence[Any]) -> Tensor:
    """Side by side: along dimension 1, vectors along dimension 0."""
    tensors = [atleast_1d(as_tensor(x)) for x in tensors]
    return cat(tensors, 0 if tensors and tensors[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Any]) -> Tensor:
    """One below the other, along dimension 0; vectors are rows."""
    return cat([_two(as_tensor(x)) for x in tensors], 0)


row_stack = vstack


def dstack(tensors: Sequence[Any]) -> Tensor:
    """Along dimension 2, of at least three."""
    return cat([_three(as_tensor(x)) for x in tensors], 2)


def column_stack(tensors: Sequence[Any]) -> Tensor:
    """Side by side, along dimension 1; vectors are columns."""
    columns = [as_tensor(x) for x in tensors]
    return hstack([x if x.ndim > 1 else ops.reshape(x, shape=(x.numel(), 1)) for x in columns])


def block_diag(*tensors: Any) -> Tensor:
    """The matrices along the diagonal of one matrix that is 0 elsewhere; vectors are rows."""
    blocks = _given(tensors) or [as_tensor(np.zeros((1, 0), np.float32))]
    for k, x in enumerate(blocks):
        if x.ndim > 2:
            raise _core.ShapeError(f"block_diag: tensors[{k}]: expected at most 2 dimensions, got shape {x.shape}")
    blocks = [_two(x) for x in blocks]
    width, before, rows = sum(x.shape[1] for x in blocks), 0, []
    for x in blocks:
        after = width - before - x.shape[1]
        rows.append(ops.pad(x, padding=((0, 0), (before, after)), value=0.0))
        before += x.shape[1]
    return cat(rows, 0)


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The shape to which all of these stretch."""
    given = [(s,) if hasattr(s, "__index__") else tuple(s) for s in shapes]
    try:
        return np.broadcast_shapes(*given)
    except ValueError:
        raise _core.ShapeError(
            f"broadcast_shapes: shapes: expected sizes that agree or are 1, got {', '.join(map(str, given))}"
        ) from None


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """The tensors stretched to one shape, views."""
    given = _given(tensors)
    shape = broadcast_shapes(*(x.shape for x in given))
    return tuple(ops.expand(x, shape=shape) for x in given)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """The coordinates of a grid with the vectors as its axes, views; 'xy' swaps the first two dimensions."""
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f"meshgrid: indexing: expected 'ij' or 'xy', got {indexing!r}")
    axes = _given(tensors)
    for k, x in enumerate(axes):
        if x.ndim > 1:
            raise _core.ShapeError(f"meshgrid: tensors[{k}]: expected a vector or a 0-d tensor, got shape {x.shape}")
    swapped = indexing == "xy" and len(axes) >= 2
    if swapped:
        axes[:2] = axes[1::-1]
    shape = tuple(x.numel() for x in axes)
    grids = [
        ops.expand(ops.reshape(x, shape=(1,) * k + (-1,) + (1,) * (len(axes) - 1 - k)), shape=shape)
        for k, x in enumerate(axes)
    ]
    if swapped:
        grids[:2] = grids[1::-1]
    return tuple(grids)


def cartesian_prod(*tensors: Any) -> Tensor:
    """All tuples of one element from each vector, as rows, the last vector fastest; of one vector, itself."""
    axes = _given(tensors)
    for k, x in enumerate(axes):
        if x.ndim != 1:
            raise _core.ShapeError(f"cartesian_prod: tensors[{k}]: expected a vector, got shape {x.shape}")
    if len(axes) == 1:
        return axes[0]  # type: ignore[no-any-return]
    return ops.stack(*[ops.reshape(x, shape=(-1,)) for x in meshgrid(*axes)], dim=1)  # type: ignore[no-any-return]


@takes_arrays
def combinations(input: Any, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All r elements of a vector in their order, as rows."""
    if len(input.shape) != 1:
        raise _core.ShapeError(f"combinations: input: expected a vector, got shape {tuple(input.shape)}")
    if r < 0:
        raise RuntimeError(f"combinations: r: expected a number of at least 0, got {r}")
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    if r == 0:
        return ops.getitem(input, index=(slice(0, 0),))  # type: ignore[no-any-return]
    places = np.array(list(choose(range(input.shape[0]), r)), np.int64).reshape(-1, r)
    return ops.index_get(input, places, dims=(0,))  # type: ignore[no-any-return]


@takes_arrays
@method()
def split_with_sizes(input: Any, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of a dimension of the sizes given, views."""
    return split(input, list(split_sizes), dim)


@method()
def tensor_split(
    input: Any, indices_or_sections: Any = None, dim: int = 0, *, indices: Any = None, sections: Any = None
) -> tuple[Tensor, ...]:
    """Pieces of a dimension, views: so many, the first ones larger by one where it does not go evenly, or cut at indices."""
    x = as_tensor(input)
    if not x.ndim:
        raise RuntimeError("tensor_split: input: expected at least 1 dimension, got shape ()")
    d = normalize_dim("tensor_split", dim, x.ndim)
    size = x.shape[d]
    given = next((g for g in (indices_or_sections, indices, sections) if g is not None), None)
    if given is None:
        raise TypeError("tensor_split: indices_or_sections: expected a number or indices, got None")
    cuts = np.asarray(given)
    if cuts.ndim == 0:
        n = int(cuts)
        if n <= 0:
            raise RuntimeError(f"tensor_split: sections: expected a number above 0, got {n}")
        ends = np.cumsum([size // n + (k < size % n) for k in range(n)]).tolist()
    else:
        ends = [*cuts.tolist(), size]
    starts = [0, *ends[:-1]]
    # Cuts may go backwards or beyond the end; such a piece is empty.
    return tuple(ops.getitem(x, index=(_ALL,) * d + (slice(a, b),)) for a, b in zip(starts, ends, strict=True))


def _split_along(name: str, input: Any, indices_or_sections: Any, dim: int, least: int) -> tuple[Tensor, ...]:
    x = as_tensor(input)
    if x.ndim < least:
        raise RuntimeError(f"{name}: input: expected at least {least} dimensions, got shape {x.shape}")
    if np.ndim(indices_or_sections) == 0:
        n = int(indices_or_sections)
        if n <= 0 or x.shape[dim] % n:
            raise RuntimeError(f"{name}: sections: expected a divisor of the size {x.shape[dim]}, got {n}")
    return tensor_split(x, indices_or_sections, dim)


@takes_arrays
@method()
def hsplit(input: Any, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """`tensor_split` along dimension 1 (of a vector along 0) into equal pieces, or at indices."""
    return _split_along("hsplit", input, indices_or_sections, 1 if len(input.shape) > 1 else 0, 1)


@method()
def vsplit(input: Any, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """`tensor_split` along dimension 0 into equal pieces, or at indices."""
    return _split_along("vsplit", input, indices_or_sections, 0, 2)


@method()
def dsplit(input: Any, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """`tensor_split` along dimension 2 into equal pieces, or at indices."""
    return _split_along("dsplit", input, indices_or_sections, 2, 3)
