"""Shapes: views, and the index operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core, autograd, ops
from .._operands import takes_arrays
from ..creation import as_tensor
from ..dtypes import BY_NAME, dtype_name, memory_format
from ..dtypes import dtype as _Dtype
from ._items import advanced_getitem, advanced_setitem, fitted, write_advanced
from ._method import method, rebind, to_overwrite

if TYPE_CHECKING:
    from .._tensor import Tensor


def _sizes(size: tuple[Any, ...], named: Any = None) -> tuple[int, ...]:
    """`f(2, 3)`, `f((2, 3))` and `f(size=(2, 3))` mean the same."""
    if named is not None:
        size = (*size, named)
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


def from_front(name: str, index: Any, argument: str = "index") -> Any:
    """The indices; IndexError where one counts from the end, which only `x[index]`, `take` and `put` allow."""
    index = as_tensor(index)
    if index.numel() and index._dtype in ("int64", "int32"):
        _core.backend.check_range(index, 0, None, f"{name}: {argument}: expected indices of at least 0", "IndexError")
    return index


def at_least_1d(name: str, input: Any) -> tuple[int, ...]:
    """The shape of an input that has one; RuntimeError for a 0-d one."""
    shape = tuple(input.shape)
    if not shape:
        raise RuntimeError(f"{name}: input: expected at least 1 dimension, got shape ()")
    return shape


@method()
def reshape(input: Any, *sizes: Any, shape: Any = None) -> Tensor:
    """The elements in row-major order under another shape (one size may be -1); a view where one exists."""
    return ops.reshape(input, shape=_sizes(sizes, shape))  # type: ignore[no-any-return]


@method()
def ravel(input: Any) -> Tensor:
    """All elements as a vector; a view where one exists."""
    return ops.reshape(input, shape=(-1,))  # type: ignore[no-any-return]


@method("view")
def view(input: Any, *shape: Any, dtype: Any = None) -> Tensor:
    """As `reshape`, never a copy. With a dtype: the same bytes read as this dtype, outside any graph."""
    if len(shape) == 1 and dtype is None and isinstance(shape[0], (_Dtype, str, type, np.dtype)):
        dtype = shape[0]
    if dtype is not None:
        return _reinterpreted(input, dtype_name(dtype))  # type: ignore[no-any-return]
    return ops.view(input, shape=_sizes(shape))  # type: ignore[no-any-return]


def _reinterpreted(input: Any, name: str) -> Any:
    if "bfloat16" in (name, input._dtype):
        raise _core.DTypeError(f"view: dtype: expected dtypes that NumPy has, got {input._dtype} and {name}")
    if autograd.is_grad_enabled() and input.requires_grad:
        raise RuntimeError("view: dtype: the bytes of a tensor have no gradient; detach() it first")
    old, new = BY_NAME[input._dtype].itemsize, BY_NAME[name].itemsize
    if old == new:
        return _core.from_numpy(input._numpy().view(name))
    shape, strides = input.shape, input._strides
    if not shape:
        raise RuntimeError(f"view: dtype: a 0-d tensor keeps its element size of {old} bytes, got {name}")
    if strides[-1] != 1 or (shape[-1] * old) % new:
        raise RuntimeError(
            f"view: dtype: expected a last dimension without gaps whose {shape[-1] * old} bytes are a multiple of "
            f"{new}, got stride {strides[-1]}"
        )
    return _core.from_numpy(input._numpy().view(name))


@method()
@takes_arrays
def view_as(input: Any, other: Any) -> Tensor:
    """`input` viewed in the shape of `other`."""
    return ops.view(input, shape=other.shape)  # type: ignore[no-any-return]


@method()
@takes_arrays
def reshape_as(input: Any, other: Any) -> Tensor:
    """`input` in the shape of `other`."""
    return ops.reshape(input, shape=other.shape)  # type: ignore[no-any-return]


@takes_arrays
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


@takes_arrays
@method()
def unflatten(input: Any, dim: int, sizes: tuple[int, ...]) -> Tensor:
    """One dimension as several; one size may be -1."""
    shape = at_least_1d("unflatten", input)
    d = normalize_dim("unflatten", dim, len(shape))
    sizes = list(sizes)  # type: ignore[assignment]
    if sizes.count(-1) == 1:
        known = -int(np.prod(sizes, dtype=np.int64))
        if known and shape[d] % known == 0:
            sizes[sizes.index(-1)] = shape[d] // known  # type: ignore[index]
    if int(np.prod(sizes, dtype=np.int64)) != shape[d]:
        raise _core.ShapeError(f"unflatten: sizes: expected sizes of {shape[d]} elements in all, got {tuple(sizes)}")
    return ops.reshape(input, shape=(*shape[:d], *sizes, *shape[d + 1 :]))  # type: ignore[no-any-return]


@takes_arrays
@method()
def permute(input: Any, *order: Any, dims: Any = None, axes: Any = None) -> Tensor:
    """The dimensions in another order, a view."""
    ndim = len(input.shape)
    order = _sizes(order, axes if dims is None else dims)
    if len(order) == ndim:  # Else the op says so.
        order = tuple(normalize_dim("permute", d, ndim) for d in order)
    return ops.permute(input, dims=order)  # type: ignore[no-any-return]


@takes_arrays
@method("transpose", "swapaxes", "swapdims")
def transpose(input: Any, dim0: Any = None, dim1: Any = None, *, axis0: Any = None, axis1: Any = None) -> Tensor:
    """Two dimensions swapped, a view."""
    ndim = len(input.shape)
    dim0, dim1 = axis0 if dim0 is None else dim0, axis1 if dim1 is None else dim1
    a, b = normalize_dim("transpose", dim0, ndim), normalize_dim("transpose", dim1, ndim)
    order = list(range(ndim))
    if ndim:
        order[a], order[b] = order[b], order[a]
    return ops.permute(input, dims=tuple(order))  # type: ignore[no-any-return]


@takes_arrays
@method()
def adjoint(input: Any) -> Tensor:
    """The last two dimensions swapped, a view."""
    if len(input.shape) < 2:
        raise RuntimeError(f"adjoint: input: expected at least 2 dimensions, got shape {tuple(input.shape)}")
    return transpose(input, -2, -1)


@takes_arrays
@method()
def t(input: Any) -> Tensor:
    """The transpose of a matrix; a vector is its own."""
    ndim = len(input.shape)
    if ndim > 2:
        raise RuntimeError(f"t: input: expected at most 2 dimensions, got shape {tuple(input.shape)}")
    return ops.permute(input, dims=tuple(range(ndim))[::-1])  # type: ignore[no-any-return]


swapaxes = swapdims = transpose


@takes_arrays
@method("movedim", "moveaxis")
def movedim(input: Any, source: Any, destination: Any) -> Tensor:
    """Dimensions moved to other places, the rest in their order."""
    ndim = len(input.shape)
    source = [source] if isinstance(source, int) else list(source)
    destination = [destination] if isinstance(destination, int) else list(destination)
    if len(source) != len(destination):
        raise RuntimeError(f"movedim: destination: expected {len(source)} dimensions, got {len(destination)}")
    source = [normalize_dim("movedim", d, ndim) for d in source]
    if not ndim:
        return input  # type: ignore[no-any-return]
    destination = [normalize_dim("movedim", d, ndim) for d in destination]
    order = [d for d in range(ndim) if d not in source]
    for name, places in (("source", source), ("destination", destination)):
        if len(set(places)) < len(places):
            raise RuntimeError(f"movedim: {name}: expected different dimensions, got {tuple(places)}")
    for at, d in sorted(zip(destination, source, strict=True)):
        order.insert(at, d)
    return ops.permute(input, dims=tuple(order))  # type: ignore[no-any-return]


moveaxis = movedim


@takes_arrays
@method()
def squeeze(input: Any, dim: Any = None, *, axis: Any = None) -> Tensor:
    """Without the dimensions of size 1, or without those of `dim` that have it."""
    shape = input.shape
    dim = axis if dim is None else dim
    if dim is None:
        return ops.reshape(input, shape=tuple(d for d in shape if d != 1))  # type: ignore[no-any-return]
    given = [dim] if isinstance(dim, int) else dim
    dims = {normalize_dim("squeeze", d, len(shape)) for d in given}
    if len(dims) < len(given):
        raise RuntimeError(f"squeeze: dim: expected each dimension once, got {tuple(given)}")
    kept = tuple(d for k, d in enumerate(shape) if not (k in dims and d == 1))
    return ops.reshape(input, shape=kept)  # type: ignore[no-any-return]


@takes_arrays
@method()
def unsqueeze(input: Any, dim: Any = None, *, axis: int | None = None) -> Tensor:
    """A new dimension of size 1 before `dim`."""
    ndim = len(input.shape) + 1
    dim = axis if dim is None else dim
    d = normalize_dim("unsqueeze", dim, ndim)
    index = (slice(None),) * d + (None,)
    return ops.getitem(input, index=index)  # type: ignore[no-any-return]


@method()
def expand(input: Any, *sizes: Any, size: Any = None) -> Tensor:
    """Dimensions of size 1 stretched, without a copy; -1 leaves a size as it is."""
    return ops.expand(input, shape=_sizes(sizes, size))  # type: ignore[no-any-return]


@method()
@takes_arrays
def expand_as(input: Any, other: Any) -> Tensor:
    """`input` stretched to the shape of `other`."""
    return ops.expand(input, shape=other.shape)  # type: ignore[no-any-return]


@method()
def broadcast_to(input: Any, size: tuple[int, ...]) -> Tensor:
    """`input` stretched to `size`."""
    return ops.expand(input, shape=tuple(size))  # type: ignore[no-any-return]


#: The order of dimensions in memory, slowest first, of the formats that are not row-major.
_ORDERS = {"channels_last": (0, 2, 3, 1), "channels_last_3d": (0, 2, 3, 4, 1)}


def memory_order(name: str, ndim: int, given: Any) -> tuple[int, ...] | None:
    """The order that a memory format stands for, or None for row-major."""
    if not isinstance(given, memory_format):
        raise TypeError(f"{name}: memory_format: expected fg.contiguous_format or such, got {given!r}")
    order = _ORDERS.get(given.name)
    if order is not None and len(order) != ndim:
        raise RuntimeError(f"{name}: memory_format: {given.name} has {len(order)} dimensions, the tensor {ndim}")
    return order


@method()
def contiguous(input: Any, *, memory_format: Any = None) -> Tensor:
    """The tensor itself where it lies row-major (or in the given order) in memory, else a copy that does."""
    order = None if memory_format is None else memory_order("contiguous", len(input.shape), memory_format)
    if order is not None:
        x = input if isinstance(input, _core.TensorBase) else _core.from_numpy(input)
        if ops.permute(ops.detach(x), dims=order).is_contiguous():
            return x  # type: ignore[return-value]
        return ops.ordered(x, order=order)  # type: ignore[no-any-return]
    if isinstance(input, _core.TensorBase) and input.is_contiguous():
        return input  # type: ignore[return-value]
    return ops.contiguous(input)  # type: ignore[no-any-return]


@takes_arrays
@method()
def select(input: Any, dim: int, index: int) -> Tensor:
    """One index of one dimension, which goes away; a view."""
    d = normalize_dim("select", dim, len(input.shape))
    return ops.getitem(input, index=(slice(None),) * d + (index,))  # type: ignore[no-any-return]


@takes_arrays
@method()
def narrow(input: Any, dim: int, start: int, length: int) -> Tensor:
    """`length` indices of one dimension from `start` on; a view."""
    d = normalize_dim("narrow", dim, len(at_least_1d("narrow", input)))
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


def _moved(name: str, function: Any) -> None:
    """The in-place form of a view: the tensor itself shows it from now on."""

    def change(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.is_leaf and self.requires_grad and autograd.is_grad_enabled():
            raise RuntimeError(f"{name}: a leaf tensor that requires grad keeps its shape; use the out-of-place form")
        result = function(self, *args, **kwargs)
        self._set_data(ops.detach(result))
        self._node = result._node
        return self

    change.__name__ = change.__qualname__ = name
    change.__doc__ = f"As `{name.removesuffix('_')}`; returns the tensor itself, which has the new shape."
    method(name)(change)


for _name, _function in (
    ("squeeze_", squeeze), ("unsqueeze_", unsqueeze), ("transpose_", transpose), ("swapaxes_", transpose),
    ("swapdims_", transpose), ("t_", t),
):  # fmt: skip
    _moved(_name, _function)


@takes_arrays
@method("__getitem__")
def getitem(input: Any, index: Any) -> Tensor:
    """`input[index]`: a view for integers, slices, None and `...`; a copy for arrays of indices or booleans."""
    items, arrays = _as_index(index)
    if arrays:
        return advanced_getitem(input, items)
    return ops.getitem(input, index=items)  # type: ignore[no-any-return]


@method("__setitem__")
@takes_arrays
def setitem(self: Any, index: Any, value: Any) -> None:
    """`self[index] = value`, in place."""
    items, arrays = _as_index(index)
    recorded = autograd.is_grad_enabled() and (
        self.requires_grad or (isinstance(value, _core.TensorBase) and value.requires_grad)
    )
    if recorded:
        _core.before_write("setitem", self, True)
        source = to_overwrite(self)
        if arrays:
            changed = advanced_setitem(source, items, value)
        else:
            if getattr(value, "ndim", 0):
                value = fitted(value, _core.backend.getitem(self, items).ndim)
            changed = ops.setitem(source, value, index=items)
        rebind("setitem", self, changed)
    elif arrays:
        write_advanced(self, items, value)
    else:
        place = _core.backend.getitem(self, items)
        _core.before_write("setitem", self, False)
        _core.backend.copy_(place, fitted(value, place.ndim) if getattr(value, "ndim", 0) > place.ndim else value)


__all__ = [
    "adjoint", "broadcast_to", "contiguous", "expand", "expand_as", "flatten", "getitem", "moveaxis", "movedim", "narrow",
    "permute", "ravel", "reshape", "reshape_as", "select", "setitem", "squeeze", "swapaxes", "swapdims", "t",
    "transpose", "unflatten", "unsqueeze", "view", "view_as",
]  # fmt: skip
