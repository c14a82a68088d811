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
    if item is None or item is Ellipsis or isinstance(item, slice):
        return None
    if isinstance(item, _core.TensorBase):
        return item
    array = np.asarray(item)
    # An empty list is one of indices, as in NumPy.
    return array.astype(np.int64) if isinstance(item, (list, tuple)) and array.size == 0 else array


def _is_mask(array: Any) -> bool:
    return bool(array.dtype == np.bool_ if isinstance(array, np.ndarray) else array._dtype == "bool")


def take_apart(name: str, shape: tuple[int, ...], items: tuple[Any, ...]) -> tuple[Any, list[Any], tuple[int, ...]]:
    """An index as `(index of a view, index arrays, their dimensions in that view)`.

    A mask becomes one index array for each of its dimensions: the places where it is true. Integers next to arrays are
    arrays of one element (NumPy's rule).
    """
    arrays = [_array(item) for item in items]
    widths = [0 if a is None else a.ndim if _is_mask(a) else 1 for a in arrays]
    consumed = sum(widths) + sum(isinstance(item, slice) for item in items)
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
    for item, array, width in zip(items, arrays, widths, strict=True):
        if item is Ellipsis:
            gap = len(shape) - consumed
            base += [_ALL] * gap
            at += gap
        elif array is None:
            base.append(item)
            at += item is not None
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
                dims.append(len(base))
                base.append(None)
            for k in range(width):
                indices.append(_core.backend.getitem(places, (_ALL, k)))
                dims.append(len(base))
                base.append(_ALL)
            at += width
        else:
            indices.append(array)
            dims.append(len(base))
            base.append(_ALL)
            at += 1
    return tuple(base), indices, tuple(dims)


def _is_whole(base: tuple[Any, ...]) -> bool:
    return all(type(item) is slice and item == _ALL for item in base)


def advanced_getitem(input: Any, items: tuple[Any, ...]) -> Tensor:
    """`input[items]` with arrays of indices or masks among the items: a copy."""
    base, indices, dims = take_apart("getitem", input.shape, items)
    view = input if _is_whole(base) else ops.getitem(input, index=base)
    return ops.index_get(view, *indices, dims=dims)  # type: ignore[no-any-return]


def advanced_setitem(input: Any, items: tuple[Any, ...], value: Any) -> Tensor:
    """A copy of `input` with `value` at `items`."""
    base, indices, dims = take_apart("setitem", input.shape, items)
    if _is_whole(base):
        return ops.index_put(input, value, *indices, dims=dims, accumulate=False)  # type: ignore[no-any-return]
    part = ops.index_put(ops.getitem(input, index=base), value, *indices, dims=dims, accumulate=False)
    return ops.setitem(input, part, index=base)  # type: ignore[no-any-return]


def write_advanced(target: Any, items: tuple[Any, ...], value: Any) -> None:
    """`target[items] = value` in the memory of `target`, outside any graph."""
    base, indices, dims = take_apart("setitem", target.shape, items)
    place = target if _is_whole(base) else _core.backend.getitem(target, base)
    _core.backend.index_put(place, value, tuple(indices), dims, False, place)
