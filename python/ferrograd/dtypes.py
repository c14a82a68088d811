"""The types of elements, and the device they live on."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from . import _core


class dtype:
    """The type of a tensor's elements: `fg.float32`, `fg.int64`, …

    `float16` and `bfloat16` are for storage: they load, save and cast, no op computes in them.
    """

    __slots__ = ("is_floating_point", "is_signed", "itemsize", "name")
    is_complex = False

    def __init__(self, name: str, itemsize: builtins.int, is_floating_point: builtins.bool) -> None:
        self.name = name
        self.itemsize = itemsize
        self.is_floating_point = is_floating_point
        self.is_signed = name not in ("uint8", "bool")

    def __repr__(self) -> str:
        return f"ferrograd.{self.name}"

    def __reduce__(self) -> str:
        return {"bool": "bool_"}.get(self.name, self.name)


float64 = double = dtype("float64", 8, True)
float32 = float = dtype("float32", 4, True)
float16 = half = dtype("float16", 2, True)
bfloat16 = dtype("bfloat16", 2, True)
int64 = long = dtype("int64", 8, False)
int32 = int = dtype("int32", 4, False)
uint8 = dtype("uint8", 1, False)
bool_ = dtype("bool", 1, False)

BY_NAME = {d.name: d for d in (float64, float32, float16, bfloat16, int64, int32, uint8, bool_)}
_BY_PYTHON_TYPE = {builtins.float: float64, builtins.int: int64, builtins.bool: bool_}


def dtype_name(given: Any) -> str:
    """The name of a dtype given as ours, as a name, as NumPy's, or as a Python type (float: float64, int: int64)."""
    if isinstance(given, dtype):
        return given.name
    if isinstance(given, str) and given in BY_NAME:
        return given
    if isinstance(given, type) and given in _BY_PYTHON_TYPE:
        return _BY_PYTHON_TYPE[given].name
    try:
        name = str(np.dtype(given).name)
    except TypeError:
        name = repr(given)
    if name not in BY_NAME:
        raise TypeError(f"dtype: expected one of {', '.join(BY_NAME)}, got {given!r}")
    return name


def result_type(*operands: Any) -> dtype:
    """The dtype in which an op on these operands computes.

    Arrays of one dimension or more decide; 0-d arrays, and then Python and NumPy scalars, count only where they are of
    a higher category (bool, integer, float). Within a category the wider type wins.
    """
    return BY_NAME[_core.result_type(*operands)]


def promote_types(type1: Any, type2: Any) -> dtype:
    """The dtype of an op on arrays of these two."""
    return result_type(*(_core.backend.empty((0,), dtype_name(t)) for t in (type1, type2)))


def can_cast(from_: Any, to: Any) -> builtins.bool:
    """Whether PyTorch converts so by itself, into an `out` say: not from a float to an integer, nor to bool."""
    source, target = BY_NAME[dtype_name(from_)], BY_NAME[dtype_name(to)]
    if source.is_floating_point and not target.is_floating_point:
        return False
    return target is not bool_ or source is bool_


class finfo:
    """The limits of a floating-point dtype: bits, eps, max, min, tiny, resolution."""

    def __init__(self, type: Any = None) -> None:
        name = "float32" if type is None else dtype_name(type)
        if not BY_NAME[name].is_floating_point:
            raise TypeError(f"finfo: type: expected a floating-point dtype, got {name}")
        self.dtype = name
        self.bits = 8 * BY_NAME[name].itemsize
        if name == "bfloat16":
            # 8 bits of exponent as float32 has, 7 of fraction; NumPy does not know it.
            self.eps, self.max = 2.0**-7, (2 - 2.0**-7) * 2.0**127
            self.tiny, self.resolution = 2.0**-126, 0.01
        else:
            of = np.finfo(name)
            self.eps, self.max = builtins.float(of.eps), builtins.float(of.max)
            self.tiny, self.resolution = builtins.float(of.tiny), builtins.float(of.resolution)
        self.min = -self.max
        self.smallest_normal = self.tiny

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


class iinfo:
    """The limits of an integer dtype: bits, max, min."""

    def __init__(self, type: Any) -> None:
        name = dtype_name(type)
        if BY_NAME[name].is_floating_point or name == "bool":
            raise TypeError(f"iinfo: type: expected an integer dtype, got {name}")
        of = np.iinfo(name)
        self.dtype, self.bits = name, builtins.int(of.bits)
        self.min, self.max = builtins.int(of.min), builtins.int(of.max)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"


class memory_format:
    """An order of dimensions in memory: `fg.contiguous_format`, `fg.channels_last`, …"""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"ferrograd.{self.name}"

    def __reduce__(self) -> str:
        return self.name


contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")


class layout:
    """How elements are stored; `fg.strided` is the one there is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ferrograd.strided"

    def __reduce__(self) -> str:
        return "strided"


strided = layout()


class device:
    """Where a tensor's memory is: `fg.device('cpu')`."""

    __slots__ = ("index", "type")

    def __init__(self, type: Any, index: Any = None) -> None:
        name, _, number = str(type).partition(":")
        if name != "cpu":
            raise RuntimeError(
                f"device: expected 'cpu', got {str(type)!r}; this build of ferrograd has no other device"
            )
        if number and index is not None:
            raise RuntimeError(f"device: index: expected the index once, got {str(type)!r} and {index}")
        if number and not number.isdigit():
            raise RuntimeError(f"device: expected a number after the colon, got {str(type)!r}")
        self.type = name
        self.index = builtins.int(number) if number else index

    def __repr__(self) -> str:
        return f"device(type='{self.type}'" + ("" if self.index is None else f", index={self.index}") + ")"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> Any:
        return isinstance(other, device) and (other.type, other.index) == (self.type, self.index)

    def __hash__(self) -> Any:
        return hash((self.type, self.index))

    def __reduce__(self) -> Any:
        return device, (self.type, self.index)

    def __enter__(self) -> device:
        return self

    def __exit__(self, *_: object) -> None:
        pass


CPU = device("cpu")
