"""Shapes: views, and the index operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core, autograd, ops
from ._items import advanced_getitem, advanced_setitem, write_advanced
from ._method import method, rebind

if TYPE_CHECKING:
    from .._tensor import Tensor


def _sizes(size: tuple[Any, ...]) -> tuple[int, ...]:
    """`f(2, 3)` and `f((2, 3))` mean the same."""
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        return tuple(size[0])
    return size


def normalize_dim(name: str, dim: Any, ndim: int) -> int:
    """A dimension counted from the front; IndexError where there is none such."""
    if not hasattr(dim, "__index__"):
        raise TypeError(f"{name}: dim: expected an integer, got {dim!r}")
    n = max(ndim, 1)
    if not -n <= dim < n:
        raise IndexError(f"{name}: dim: expected a dimension from {-n} to {n - 1}, got {dim}")
    return int(dim) % n


@method()
def reshape(input: Any, *shape: Any) -> Tensor:
    """The elements in row-major order under another shape (one size may be -1); a view where one exists."""
    return ops.reshape(input, shape=_sizes(shape))  # type: ignore[no-any-return]


@method()
def view(input: Any, *shape: Any) -> Tensor:
    """As `reshape`, never a copy; with a dtype, a conversion is not meant: use `to`."""
    return ops.view(input, shape=_sizes(shape))  # type: ignore[no-any-return]


@method()
def view_as(input: Any, other: Any) -> Tensor:
    """`input` viewed in the shape of `other`."""
    return ops.view(input, shape=other.shape)  # type: ignore[no-any-return]


@method()
def reshape_as(input: Any, other: Any) -> Tensor:
    """`input` in the shape of `other`."""
    return ops.reshape(input, shape=other.shape)  # type: ignore[no-any-return]


@method()
def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions `start_dim` to `end_dim`, both included, as one."""
    ndim = len(input.shape)
    start, end = normalize_dim("flatten", start_dim, ndim), normalize_dim("flatten", end_dim, ndim)
    if start > end:
        raise RuntimeError(f"flatten: start_dim: expected a dimension before end_dim ({end_dim}), got {start_dim}")
    shape = input.shape
    size = int(np.prod(shape[start : end + 1], dtype=np.int64)) if ndim else 1
    return ops.reshape(input, shape=(*shape[:start], size, *shape[end + 1 :]))  # type: ignore[no-any-return]


@method()
def unflatten(input: Any, dim: int, sizes: tuple[int, ...]) -> Tensor:
    """One dimension as several; one size may be -1."""
    shape = input.shape
    d = normalize_dim("unflatten", dim, len(shape))
    sizes = list(sizes)  # type: ignore[assignment]
    if sizes.count(-1) == 1:
        known = -int(np.prod(sizes, dtype=np.int64))
        if known and shape[d] % known == 0:
            sizes[sizes.index(-1)] = shape[d] // known  # type: ignore[index]
    if int(np.prod(sizes, dtype=np.int64)) != shape[d]:
        raise _core.ShapeError(f"unflatten: sizes: expected sizes of {shape[d]} elements in all, got {tuple(sizes)}")
    return ops.reshape(input, shape=(*shape[:d], *sizes, *shape[d + 1 :]))  # type: ignore[no-any-return]


@method()
def permute(input: Any, *dims: Any) -> Tensor:
    """The dimensions in another order, a view."""
    ndim = len(input.shape)
    order = tuple(normalize_dim("permute", d, ndim) for d in _sizes(dims))
    return ops.permute(input, dims=order)  # type: ignore[no-any-return]


@method("transpose", "swapaxes", "swapdims")
def transpose(input: Any, dim0: int, dim1: int) -> Tensor:
    """Two dimensions swapped, a view."""
    ndim = len(input.shape)
    a, b = normalize_dim("transpose", dim0, ndim), normalize_dim("transpose", dim1, ndim)
    order = list(range(ndim))
    if ndim:
        order[a], order[b] = order[b], order[a]
    return ops.permute(input, dims=tuple(order))  # type: ignore[no-any-return]


@method()
def t(input: Any) -> Tensor:
    """The transpose of a matrix; a vector is its own."""
    ndim = len(input.shape)
    if ndim > 2:
        raise RuntimeError(f"t: input: expected at most 2 dimensions, got shape {tuple(input.shape)}")
    return ops.permute(input, dims=tuple(range(ndim))[::-1])  # type: ignore[no-any-return]


@method()
def movedim(input: Any, source: Any, destination: Any) -> Tensor:
    """Dimensions moved to other places, the rest in their order."""
    ndim = len(input.shape)
    source = [source] if isinstance(source, int) else list(source)
    destination = [destination] if isinstance(destination, int) else list(destination)
    if len(source) != len(destination):
        raise RuntimeError(f"movedim: destination: expected {len(source)} dimensions, got {len(destination)}")
    source = [normalize_dim("movedim", d, ndim) for d in source]
    destination = [normalize_dim("movedim", d, ndim) for d in destination]
    order = [d for d in range(ndim) if d not in source]
    for at, d in sorted(zip(destination, source, strict=True)):
        order.insert(at, d)
    return ops.permute(input, dims=tuple(order))  # type: ignore[no-any-return]


@method()
def squeeze(input: Any, dim: Any = None, *, axis: Any = None) -> Tensor:
    """Without the dimensions of size 1, or without those of `dim` that have it."""
    shape = input.shape
    dim = axis if dim is None else dim
    if dim is None:
        return ops.reshape(input, shape=tuple(d for d in shape if d != 1))  # type: ignore[no-any-return]
    dims = {normalize_dim("squeeze", d, len(shape)) for d in ([dim] if isinstance(dim, int) else dim)}
    kept = tuple(d for k, d in enumerate(shape) if not (k in dims and d == 1))
    return ops.reshape(input, shape=kept)  # type: ignore[no-any-return]


@method()
def unsqueeze(input: Any, dim: int) -> Tensor:
    """A new dimension of size 1 before `dim`."""
    ndim = len(input.shape) + 1
    d = normalize_dim("unsqueeze", dim, ndim)
    index = (slice(None),) * d + (None,)
    return ops.getitem(input, index=index)  # type: ignore[no-any-return]


@method()
def expand(input: Any, *size: Any) -> Tensor:
    """Dimensions of size 1 stretched, without a copy; -1 leaves a size as it is."""
    return ops.expand(input, shape=_sizes(size))  # type: ignore[no-any-return]


@method()
def expand_as(input: Any, other: Any) -> Tensor:
    """`input` stretched to the shape of `other`."""
    return ops.expand(input, shape=other.shape)  # type: ignore[no-any-return]


@method()
def broadcast_to(input: Any, size: tuple[int, ...]) -> Tensor:
    """`input` stretched to `size`."""
    return ops.expand(input, shape=tuple(size))  # type: ignore[no-any-return]


@method()
def contiguous(input: Any) -> Tensor:
    """The tensor itself where it lies row-major in memory, else a copy that does."""
    if isinstance(input, _core.TensorBase) and input.is_contiguous():
        return input  # type: ignore[return-value]
    return ops.contiguous(input)  # type: ignore[no-any-return]


@method()
def select(input: Any, dim: int, index: int) -> Tensor:
    """One index of one dimension, which goes away; a view."""
    d = normalize_dim("select", dim, len(input.shape))
    return ops.getitem(input, index=(slice(None),) * d + (index,))  # type: ignore[no-any-return]


@method()
def narrow(input: Any, dim: int, start: int, length: int) -> Tensor:
    """`length` indices of one dimension from `start` on; a view."""
    d = normalize_dim("narrow", dim, len(input.shape))
    size = input.shape[d]
    start = start + size if start < 0 else start
    if start < 0 or length < 0 or start + length > size:
        raise IndexError(f"narrow: start, length: expected a range within size {size}, got {start} and {length}")
    return ops.getitem(input, index=(slice(None),) * d + (slice(start, start + length),))  # type: ignore[no-any-return]


def _as_index(index: Any) -> tuple[tuple[Any, ...], bool]:
    """The index as a tuple, and whether it holds arrays."""
    items = index if type(index) is tuple else (index,)
    for item in items:
        if not (isinstance(item, (int, slice)) or item is None or item is Ellipsis) or isinstance(item, bool):
            if hasattr(item, "__index__") and not isinstance(item, (np.ndarray, _core.TensorBase, bool)):
                continue
            return items, True
    return items, False


@method("__getitem__")
def getitem(input: Any, index: Any) -> Tensor:
    """`input[index]`: a view for integers, slices, None and `...`; a copy for arrays of indices or booleans."""
    items, arrays = _as_index(index)
    if arrays:
        return advanced_getitem(input, items)
    return ops.getitem(input, index=items)  # type: ignore[no-any-return]


@method("__setitem__")
def setitem(self: Any, index: Any, value: Any) -> None:
    """`self[index] = value`, in place."""
    items, arrays = _as_index(index)
    recorded = autograd.is_grad_enabled() and (
        self.requires_grad or (isinstance(value, _core.TensorBase) and value.requires_grad)
    )
    if recorded:
        _core.before_write("setitem", self, True)
        changed = advanced_setitem(self, items, value) if arrays else ops.setitem(self, value, index=items)
        rebind("setitem", self, changed)
    elif arrays:
        write_advanced(self, items, value)
    else:
        place = _core.backend.getitem(self, items)
        _core.before_write("setitem", self, False)
        _core.backend.copy_(place, value)
