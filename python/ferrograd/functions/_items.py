"""`x[items]` where arrays of indices or masks are among the items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core, ops

if TYPE_CHECKING:
    from .._tensor import Tensor

_ALL = slice(None)


def _array(item: Any) -> Any:
    """An item of an index as an array of indices or a mask; None where it is a slice, None or `...`."""
    if item is None or item is Ellipsis or isinstance(item, slice) or _is_integer(item):
        return None
    if isinstance(item, _core.TensorBase):
        return item
    array = np.asarray(item)
    # An empty list is one of indices, as in NumPy.
    return array.astype(np.int64) if isinstance(item, (list, tuple)) and array.size == 0 else array


def _is_integer(item: Any) -> bool:
    """Whether it selects one index of a dimension: an integer, or a 0-d tensor of one."""
    if isinstance(item, _core.TensorBase):
        return item.ndim == 0 and item._dtype in ("int64", "int32", "uint8")
    return hasattr(item, "__index__") and not isinstance(item, (bool, np.ndarray))


def _is_mask(array: Any) -> bool:
    return bool(array.dtype == np.bool_ if isinstance(array, np.ndarray) else array._dtype == "bool")


def take_apart(name: str, shape: tuple[int, ...], items: tuple[Any, ...]) -> tuple[Any, list[Any], tuple[int, ...]]:
    """An index as `(index of a view, index arrays, their dimensions in that view)`.

    A mask becomes one index array for each of its dimensions: the places where it is true. Integers next to arrays
    select first, as in PyTorch (in NumPy they are arrays of one element), so `x[0, :, [1, 2]]` keeps its order.
    """
    arrays = [_array(item) for item in items]
    widths = [0 if a is None else a.ndim if _is_mask(a) else 1 for a in arrays]
    consumed = sum(widths) + sum(isinstance(item, slice) or _is_integer(item) for item in items)
    if consumed > len(shape):
        raise IndexError(
            f"{name}: too many indices: the tensor of shape {tuple(shape)} has {len(shape)} dimensions, "
            f"but {consumed} were indexed"
        )
    if sum(item is Ellipsis for item in items) > 1:
        raise IndexError(f"{name}: an index can have one ellipsis ('...') only")
    base: list[Any] = []
    indices: list[Any] = []
    dims: list[int] = []
    at = 0  # the dimension of the tensor that comes next
    out = 0  # the dimension of the view that comes next
    for item, array, width in zip(items, arrays, widths, strict=True):
        if item is Ellipsis:
            gap = len(shape) - consumed
            base += [_ALL] * gap
            at += gap
            out += gap
        elif array is None:
            selects = _is_integer(item)
            base.append(item.__index__() if selects else item)
            at += item is not None
            out += not selects
        elif _is_mask(array):
            if tuple(array.shape) != tuple(shape[at : at + width]):
                raise IndexError(
                    f"{name}: a mask of shape {tuple(array.shape)} does not match the tensor of shape {tuple(shape)} "
                    f"at dimension {at}"
                )
            places = _core.backend.nonzero(array)
            if width == 0:
                # A mask of no dimension adds one, of one element or none.
                indices.append(np.zeros(places.shape[0], np.int64))
                dims.append(out)
                base.append(None)
                out += 1
            for k in range(width):
                indices.append(_core.backend.getitem(places, (_ALL, k)))
                dims.append(out)
                base.append(_ALL)
                out += 1
            at += width
        else:
            indices.append(array)
            dims.append(out)
            base.append(_ALL)
            at += 1
            out += 1
    return tuple(base), indices, tuple(dims)


def fitted(value: Any, ndim: int) -> Any:
    """A value to be assigned without leading dimensions of size 1 that the place does not have."""
    shape: tuple[int, ...] = tuple(getattr(value, "shape", ()))
    while len(shape) > ndim and shape[0] == 1:
        shape = shape[1:]
    return value if len(shape) == getattr(value, "ndim", 0) else ops.reshape(value, shape=shape)


def _is_whole(base: tuple[Any, ...]) -> bool:
    return all(type(item) is slice and item == _ALL for item in base)


def _ndim_of(view: Any, indices: list[Any], dims: tuple[int, ...]) -> int:
    """The dimensions of what stands at the indices."""
    return int(view.ndim) - len(dims) + max(np.ndim(index) for index in indices)


def advanced_getitem(input: Any, items: tuple[Any, ...]) -> Tensor:
    """`input[items]` with arrays of indices or masks among the items: a copy."""
    base, indices, dims = take_apart("getitem", input.shape, items)
    view = input if _is_whole(base) else ops.getitem(input, index=base)
    if not indices:
        return view  # type: ignore[no-any-return]
    return ops.index_get(view, *indices, dims=dims)  # type: ignore[no-any-return]


def advanced_setitem(input: Any, items: tuple[Any, ...], value: Any) -> Tensor:
    """A copy of `input` with `value` at `items`."""
    base, indices, dims = take_apart("setitem", input.shape, items)
    if not indices:
        value = fitted(value, _core.backend.getitem(input, base).ndim)
        return ops.setitem(input, value, index=base)  # type: ignore[no-any-return]
    if getattr(value, "ndim", 0) > 1:
        value = fitted(value, _ndim_of(_core.backend.getitem(input, base), indices, dims))
    if _is_whole(base):
        return ops.index_put(input, value, *indices, dims=dims, accumulate=False)  # type: ignore[no-any-return]
    part = ops.index_put(ops.getitem(input, index=base), value, *indices, dims=dims, accumulate=False)
    return ops.setitem(input, part, index=base)  # type: ignore[no-any-return]


def write_advanced(target: Any, items: tuple[Any, ...], value: Any) -> None:
    """`target[items] = value` in the memory of `target`, outside any graph."""
    base, indices, dims = take_apart("setitem", target.shape, items)
    place = target if _is_whole(base) else _core.backend.getitem(target, base)
    if not indices:
        _core.before_write("setitem", target, False)
        _core.backend.copy_(place, fitted(value, place.ndim))
        return
    if getattr(value, "ndim", 0) > 1:
        value = fitted(value, _ndim_of(place, indices, dims))
    _core.backend.index_put(place, value, tuple(indices), dims, False, place)
