"""Tensors out of data, numbers and shapes.

PyTorch's `layout`, `pin_memory` and `memory_format` are accepted and change nothing: memory is dense and on the CPU.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _core, _recording, ops
from ._operands import takes_arrays
from .dtypes import BY_NAME, dtype_name
from .dtypes import device as _device
from .dtypes import dtype as _dtype

if TYPE_CHECKING:
    from ._tensor import Tensor

__all__ = [
    "arange", "as_tensor", "asarray", "empty", "empty_like", "eye", "from_dlpack", "from_numpy", "frombuffer", "full",
    "full_like", "get_default_device", "get_default_dtype", "linspace", "logspace", "ones", "ones_like",
    "scalar_tensor", "set_default_device", "set_default_dtype", "tensor", "tril_indices", "triu_indices", "zeros",
    "zeros_like",
]  # fmt: skip

_default_dtype = "float32"
_LAYOUT = {"layout", "memory_format", "pin_memory"}


def get_default_dtype() -> _dtype:
    """The dtype of tensors made from Python floats."""
    return BY_NAME[_default_dtype]


def set_default_dtype(d: Any) -> None:
    """Sets the dtype of tensors made from Python floats, and from shapes alone: float32 or float64.

    Ops on integers that give floats, as a division does, give float32 all the same.
    """
    global _default_dtype
    name = dtype_name(d)
    _recording.changed()
    if name not in ("float32", "float64"):
        raise TypeError(f"set_default_dtype: d: expected float32 or float64, got {name}")
    _default_dtype = name


def get_default_device() -> _device:
    """Where tensors are made."""
    return _device("cpu")


def set_default_device(device: Any) -> None:
    """Accepts the CPU, which is where tensors are made."""
    _device(device or "cpu")


def _finish(op: str, result: Any, device: Any, requires_grad: bool, layout: dict[str, Any]) -> Any:
    if device is not None:
        _device(device)
    for name in layout.keys() - _LAYOUT:
        raise TypeError(f"{op}: there is no argument {name!r}")
    if requires_grad:
        result.requires_grad = True
    return result


def _shape(op: str, sizes: tuple[Any, ...], size: Any = None) -> tuple[int, ...]:
    """`f(2, 3)`, `f((2, 3))` and `f(size=(2, 3))` mean the same."""
    if size is not None:
        if sizes:
            raise TypeError(f"{op}: size: expected the sizes once, got {sizes} and size={size}")
        sizes = (size,)
    if len(sizes) == 1 and not hasattr(sizes[0], "__index__") and hasattr(sizes[0], "__iter__"):
        sizes = tuple(sizes[0])
    for d in sizes:
        if not hasattr(d, "__index__"):
            raise TypeError(f"{op}: size: expected integers, got {d!r}")
    return tuple(d.__index__() for d in sizes)


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, **layout: Any) -> Tensor:
    """A copy of `data` (numbers, nested lists, an ndarray, a Tensor) as a new leaf.

    Python floats become the default dtype, ints int64; arrays keep their dtype.
    """
    if isinstance(data, _core.TensorBase):
        source = ops.detach(data)
    else:
        source = _core.from_numpy(_as_ndarray("tensor", data, None if dtype is None else dtype_name(dtype)))
    name = source._dtype if dtype is None else dtype_name(dtype)
    result = ops.contiguous(source) if name == source._dtype else _core.backend.cast(source, name)
    return _finish("tensor", result, device, requires_grad, layout)  # type: ignore[no-any-return]


def _as_ndarray(op: str, data: Any, dtype: str | None = None) -> Any:
    """`data` as an ndarray; Python floats in the default dtype, or with all their digits on the way to another one."""
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
    if dtype in ("uint8", "int32", "int64") and array.dtype.kind in "if":
        _check_fits(op, array, dtype)
    if array.dtype == np.float64:
        return array.astype(_default_dtype) if dtype is None else array
    if array.size == 0 and array.dtype == object:
        return array.astype(_default_dtype)
    if array.dtype.kind not in "bif":
        raise TypeError(f"{op}: data: expected numbers, got {array.dtype} from {type(data).__name__}")
    return array


def _check_fits(op: str, array: Any, dtype: str) -> None:
    """Python numbers beyond an integer dtype raise, and NaN; a negative one wraps in uint8, as in PyTorch."""
    most = np.iinfo(dtype).max
    least = -most if dtype == "uint8" else -most - 1
    if array.size and not (array.min() >= least and array.max() <= most):
        raise _core.ShapeError(f"{op}: data: expected numbers that {dtype} holds, got {array.min()} to {array.max()}")


def scalar_tensor(s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A number as a 0-d tensor of the default dtype, whatever its type."""
    return full((), s, dtype=dtype or _default_dtype, device=device, requires_grad=requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a Tensor, without a copy where it is a Tensor or an ndarray of the wanted dtype."""
    if isinstance(data, np.ndarray):
        data = _core.from_numpy(data)
    if isinstance(data, _core.TensorBase):
        result = data if dtype is None or dtype_name(dtype) == data._dtype else ops.cast(data, dtype=dtype_name(dtype))
        return _finish("as_tensor", result, device, False, {})  # type: ignore[no-any-return]
    return tensor(data, dtype=dtype, device=device)


def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False
) -> Tensor:
    """`obj` as a Tensor: it shares the memory of Tensors, arrays and buffers unless `copy` or the dtype forbid it.

    Raises:
        ValueError: `copy=False`, and a copy is needed.
    """
    if not isinstance(obj, (_core.TensorBase, np.ndarray)):
        if hasattr(obj, "__dlpack__"):
            obj = from_dlpack(obj)
        elif isinstance(obj, (bytes, bytearray, memoryview)):
            obj = frombuffer(obj, dtype=dtype or _default_dtype)
    shared = as_tensor(obj)
    result = as_tensor(shared, dtype)
    if copy is False and (result is not shared or not isinstance(obj, (_core.TensorBase, np.ndarray))):
        raise ValueError(f"asarray: copy: a {type(obj).__name__} as {result._dtype} needs a copy")
    if copy and result is shared:
        result = tensor(result) if isinstance(obj, np.ndarray) else ops.clone(result)
    if result.requires_grad != requires_grad:
        result = ops.detach(result)
        result.requires_grad = requires_grad
    return _finish("asarray", result, device, False, {})  # type: ignore[no-any-return]


def from_numpy(array: Any) -> Tensor:
    """A Tensor that shares memory with an ndarray and keeps it alive; a write to one shows in the other."""
    return _core.from_numpy(array)  # type: ignore[no-any-return]


def frombuffer(buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A vector that shares the memory of bytes, a bytearray, an array.array, …, from `offset` bytes on.

    Memory that its owner calls read-only is not written to.
    """
    name = dtype_name(dtype)
    if name == "bfloat16":
        raise TypeError("frombuffer: dtype: expected a dtype that NumPy has, got bfloat16")
    result = _core.from_numpy(np.frombuffer(buffer, name, count, offset))
    return _finish("frombuffer", result, None, requires_grad, {})  # type: ignore[no-any-return]


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A Tensor that shares memory with another library's array (or its DLPack capsule) and keeps it alive.

    Memory that its owner calls read-only is not written to. Pass `copy=True` for memory of its own.
    """
    if device is not None:
        _device(device)
    return _core.from_dlpack(ext_tensor, copy)  # type: ignore[no-any-return]


def full(
    size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, **layout: Any
) -> Tensor:
    """`size` elements, each `fill_value`; its dtype is float32, int64 or bool by the value's type unless given."""
    fill_value = _number(fill_value)
    if dtype is None:
        dtype = {bool: "bool", int: "int64"}.get(type(fill_value), _default_dtype)
    result = _core.backend.full(_shape("full", (size,)), fill_value, dtype_name(dtype))
    return _finish("full", result, device, requires_grad, layout)  # type: ignore[no-any-return]


def zeros(
    *sizes: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False, **layout: Any
) -> Tensor:
    """Zeros; `fg.zeros(2, 3)` or `fg.zeros((2, 3))`."""
    result = _core.backend.full(_shape("zeros", sizes, size), 0, dtype_name(dtype or _default_dtype))
    return _finish("zeros", result, device, requires_grad, layout)  # type: ignore[no-any-return]


def ones(
    *sizes: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False, **layout: Any
) -> Tensor:
    """Ones; `fg.ones(2, 3)` or `fg.ones((2, 3))`."""
    result = _core.backend.full(_shape("ones", sizes, size), 1, dtype_name(dtype or _default_dtype))
    return _finish("ones", result, device, requires_grad, layout)  # type: ignore[no-any-return]


def empty(
    *sizes: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False, **layout: Any
) -> Tensor:
    """Memory of this shape, its contents arbitrary."""
    result = _core.backend.empty(_shape("empty", sizes, size), dtype_name(dtype or _default_dtype))
    return _finish("empty", result, device, requires_grad, layout)  # type: ignore[no-any-return]


@takes_arrays
def zeros_like(
    input: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, **layout: Any
) -> Tensor:
    """Zeros of the shape and dtype of `input`."""
    dtype = _dtype_like(input, dtype)
    return zeros(size=input.shape, dtype=dtype, device=device, requires_grad=requires_grad, **layout)


@takes_arrays
def ones_like(
    input: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, **layout: Any
) -> Tensor:
    """Ones of the shape and dtype of `input`."""
    dtype = _dtype_like(input, dtype)
    return ones(size=input.shape, dtype=dtype, device=device, requires_grad=requires_grad, **layout)


@takes_arrays
def full_like(
    input: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, **layout: Any
) -> Tensor:
    """`fill_value` in the shape and dtype of `input`."""
    dtype = _dtype_like(input, dtype)
    return full(input.shape, fill_value, dtype=dtype, device=device, requires_grad=requires_grad, **layout)


@takes_arrays
def empty_like(
    input: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, **layout: Any
) -> Tensor:
    """Memory of the shape and dtype of `input`, its contents arbitrary."""
    dtype = _dtype_like(input, dtype)
    return empty(size=input.shape, dtype=dtype, device=device, requires_grad=requires_grad, **layout)


def _dtype_like(input: Any, dtype: Any) -> Any:
    if dtype is not None:
        return dtype
    return input._dtype if isinstance(input, _core.TensorBase) else np.asarray(input).dtype


def _number(x: Any) -> Any:
    return x.item() if hasattr(x, "item") else x


def arange(
    start: Any = None,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **layout: Any,
) -> Tensor:
    """start, start + step, … below `end`; int64 where all three are integers, else float32."""
    if start is None or end is None:
        start, end = 0, start if end is None else end
    if end is None:
        raise TypeError("arange: end: expected a number, got None")
    start, end, step = _number(start), _number(end), _number(step)
    if dtype is not None and "int" in dtype_name(dtype):
        # As in PyTorch: in int64 the bounds are integers too, in smaller dtypes the length is that of the range as given.
        length = 0 if "64" in dtype_name(dtype) or not step else max(0, math.ceil((end - start) / step))
        start, step = int(start), int(step)
        end = start + length * step if length else int(end)
    if step == 0 or (end - start) / step < 0:
        raise ValueError(f"arange: step: expected a step that leads from {start} to {end}, got {step}")
    array = np.arange(start, end, step)
    if dtype is None:
        dtype = "int64" if array.dtype.kind in "iu" else _default_dtype
    return tensor(array, dtype=dtype, device=device, requires_grad=requires_grad, **layout)


def linspace(
    start: Any, end: Any, steps: int, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
    **layout: Any,
) -> Tensor:  # fmt: skip
    """`steps` numbers at equal distances from `start` to `end`, both included."""
    if steps < 0:
        raise ValueError(f"linspace: steps: expected a number of at least 0, got {steps}")
    array = np.linspace(_number(start), _number(end), steps)
    return tensor(array, dtype=dtype or _default_dtype, device=device, requires_grad=requires_grad, **layout)


def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, **layout: Any,
) -> Tensor:  # fmt: skip
    """`base` to the powers of `linspace(start, end, steps)`."""
    if steps < 0:
        raise ValueError(f"logspace: steps: expected a number of at least 0, got {steps}")
    array = np.power(float(base), np.linspace(_number(start), _number(end), steps))
    return tensor(array, dtype=dtype or _default_dtype, device=device, requires_grad=requires_grad, **layout)


def eye(
    n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, **layout: Any
) -> Tensor:
    """Ones on the diagonal of an n × m matrix (n × n by default), zeros elsewhere."""
    for name, size in (("n", n), ("m", n if m is None else m)):
        if size < 0:
            raise ValueError(f"eye: {name}: expected a number of at least 0, got {size}")
    dtype = dtype or _default_dtype
    return tensor(np.eye(n, m, dtype=np.uint8), dtype=dtype, device=device, requires_grad=requires_grad, **layout)


def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None) -> Tensor:
    """The places (2, n) on and below diagonal `offset` of a row × col matrix, row by row; int64."""
    places = np.array(np.tril_indices(row, offset, col), np.int64).reshape(2, -1)
    return tensor(places, dtype=dtype, device=device)


def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None) -> Tensor:
    """The places (2, n) on and above diagonal `offset` of a row × col matrix, row by row; int64."""
    places = np.array(np.triu_indices(row, offset, col), np.int64).reshape(2, -1)
    return tensor(places, dtype=dtype, device=device)
