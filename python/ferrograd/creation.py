"""Tensors out of data, numbers and shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import _core, ops
from .dtypes import device as _device
from .dtypes import dtype_name

if TYPE_CHECKING:
    from ._tensor import Tensor

_default_dtype = "float32"


def get_default_dtype() -> Any:
    """The dtype of tensors made from Python floats."""
    from .dtypes import BY_NAME

    return BY_NAME[_default_dtype]


def _finish(result: Any, requires_grad: bool, device: Any = None) -> Any:
    if device is not None:
        _device(device)
    if requires_grad:
        result.requires_grad = True
    return result


def _shape(op: str, size: tuple[Any, ...]) -> tuple[int, ...]:
    """`f(2, 3)` and `f((2, 3))` mean the same."""
    if len(size) == 1 and not isinstance(size[0], int) and hasattr(size[0], "__iter__"):
        size = tuple(size[0])
    for d in size:
        if not hasattr(d, "__index__"):
            raise TypeError(f"{op}: size: expected integers, got {d!r}")
    return tuple(d.__index__() for d in size)


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A copy of `data` (numbers, nested lists, an ndarray, a Tensor) as a new leaf.

    Python floats become float32, ints int64; arrays keep their dtype.
    """
    source = ops.detach(data) if isinstance(data, _core.TensorBase) else _core.from_numpy(_as_ndarray("tensor", data))
    name = source._dtype if dtype is None else dtype_name(dtype)
    result = ops.contiguous(source) if name == source._dtype else _core.backend.cast(source, name)
    return _finish(result, requires_grad, device)  # type: ignore[no-any-return]


def _as_ndarray(op: str, data: Any) -> Any:
    if isinstance(data, np.ndarray):
        return data
    if isinstance(data, (list, tuple)) and any(isinstance(x, _core.TensorBase) for x in data):
        data = [np.asarray(x) for x in data]
        return np.asarray(data)
    try:
        array = np.asarray(data)
    except ValueError as why:
        raise ValueError(f"{op}: data: expected numbers or nested lists of equal lengths: {why}") from None
    if isinstance(data, np.generic) or hasattr(data, "__array__"):
        return array
    if array.dtype == np.float64:
        return array.astype(_default_dtype)
    if array.size == 0 and array.dtype == object:
        return array.astype(_default_dtype)
    if array.dtype.kind not in "bif":
        raise TypeError(f"{op}: data: expected numbers, got {array.dtype} from {type(data).__name__}")
    return array


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a Tensor, without a copy where it is a Tensor or an ndarray of the wanted dtype."""
    if isinstance(data, np.ndarray):
        data = _core.from_numpy(data)
    if isinstance(data, _core.TensorBase):
        result = data if dtype is None or dtype_name(dtype) == data._dtype else ops.cast(data, dtype=dtype_name(dtype))
        return _finish(result, False, device)  # type: ignore[no-any-return]
    return tensor(data, dtype=dtype, device=device)


def from_numpy(array: Any) -> Tensor:
    """A Tensor that shares memory with an ndarray and keeps it alive; a write to one shows in the other."""
    return _core.from_numpy(array)  # type: ignore[no-any-return]


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A Tensor that shares memory with another library's array (or its DLPack capsule) and keeps it alive.

    Memory that its owner calls read-only is not written to. Pass `copy=True` for memory of its own.
    """
    if device is not None:
        _device(device)
    return _core.from_dlpack(ext_tensor, copy)  # type: ignore[no-any-return]


def full(size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """`size` elements, each `fill_value`; its dtype is float32, int64 or bool by the value's type unless given."""
    if dtype is None:
        dtype = {bool: "bool", int: "int64"}.get(type(fill_value), _default_dtype)
    result = _core.backend.full(_shape("full", (size,)), fill_value, dtype_name(dtype))
    return _finish(result, requires_grad, device)  # type: ignore[no-any-return]


def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros; `fg.zeros(2, 3)` or `fg.zeros((2, 3))`."""
    result = _core.backend.full(_shape("zeros", size), 0, dtype_name(dtype or _default_dtype))
    return _finish(result, requires_grad, device)  # type: ignore[no-any-return]


def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones; `fg.ones(2, 3)` or `fg.ones((2, 3))`."""
    result = _core.backend.full(_shape("ones", size), 1, dtype_name(dtype or _default_dtype))
    return _finish(result, requires_grad, device)  # type: ignore[no-any-return]


def empty(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Memory of this shape, its contents arbitrary."""
    result = _core.backend.empty(_shape("empty", size), dtype_name(dtype or _default_dtype))
    return _finish(result, requires_grad, device)  # type: ignore[no-any-return]


def zeros_like(input: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of the shape and dtype of `input`."""
    return zeros(input.shape, dtype=_dtype_like(input, dtype), device=device, requires_grad=requires_grad)


def ones_like(input: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of the shape and dtype of `input`."""
    return ones(input.shape, dtype=_dtype_like(input, dtype), device=device, requires_grad=requires_grad)


def full_like(
    input: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`fill_value` in the shape and dtype of `input`."""
    return full(input.shape, fill_value, dtype=_dtype_like(input, dtype), device=device, requires_grad=requires_grad)


def empty_like(input: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Memory of the shape and dtype of `input`, its contents arbitrary."""
    return empty(input.shape, dtype=_dtype_like(input, dtype), device=device, requires_grad=requires_grad)


def _dtype_like(input: Any, dtype: Any) -> Any:
    if dtype is not None:
        return dtype
    return input._dtype if isinstance(input, _core.TensorBase) else np.asarray(input).dtype


def arange(
    start: Any,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, … below `end`; int64 where all three are integers, else float32."""
    if end is None:
        start, end = 0, start
    if step == 0 or (end - start) / step < 0:
        raise ValueError(f"arange: step: expected a step that leads from {start} to {end}, got {step}")
    array = np.arange(start, end, step)
    if dtype is None:
        dtype = "int64" if array.dtype.kind in "iu" else _default_dtype
    return tensor(array, dtype=dtype, device=device, requires_grad=requires_grad)


def linspace(
    start: float, end: float, steps: int, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`steps` numbers at equal distances from `start` to `end`, both included."""
    if steps < 0:
        raise ValueError(f"linspace: steps: expected a number of at least 0, got {steps}")
    array = np.linspace(start, end, steps)
    return tensor(array, dtype=dtype or _default_dtype, device=device, requires_grad=requires_grad)


def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones on the diagonal of an n × m matrix (n × n by default), zeros elsewhere."""
    return tensor(np.eye(n, m), dtype=dtype or _default_dtype, device=device, requires_grad=requires_grad)
