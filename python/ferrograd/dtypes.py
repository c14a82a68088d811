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

    __slots__ = ("is_floating_point", "itemsize", "name")

    def __init__(self, name: str, itemsize: builtins.int, is_floating_point: builtins.bool) -> None:
        self.name = name
        self.itemsize = itemsize
        self.is_floating_point = is_floating_point

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
_BY_PYTHON_TYPE = {builtins.float: float32, builtins.int: int64, builtins.bool: bool_}


def dtype_name(given: Any) -> str:
    """The name of a dtype given as ours, as a name, as NumPy's, or as a Python type (float: float32, int: int64)."""
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


class device:
    """Where a tensor's memory is: `fg.device('cpu')`."""

    __slots__ = ("index", "type")

    def __init__(self, type: Any, index: Any = None) -> None:
        name, _, number = str(type).partition(":")
        if name != "cpu":
            raise RuntimeError(
                f"device: expected 'cpu', got {str(type)!r}; this build of ferrograd has no other device"
            )
        if number and not number.isdigit():
            raise RuntimeError(f"device: expected a number after the colon, got {str(type)!r}")
        self.type = name
        self.index = index

    def __repr__(self) -> str:
        return f"device(type='{self.type}')"

    def __str__(self) -> str:
        return self.type

    def __eq__(self, other: object) -> Any:
        return isinstance(other, device) and other.type == self.type

    def __hash__(self) -> Any:
        return hash(self.type)


CPU = device("cpu")
