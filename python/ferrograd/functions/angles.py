"""Angles and hyperbolic functions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .. import ops
from ._method import in_place, in_place_of, method
from .arithmetic import into, mul

if TYPE_CHECKING:
    from .._tensor import Tensor


@method()
def tan(input: Any, *, out: Any = None) -> Tensor:
    """The tangent of an angle in radians."""
    return ops.tan(input) if out is None else into(out, "tan", input)  # type: ignore[no-any-return]


@method("asin", "arcsin")
def asin(input: Any, *, out: Any = None) -> Tensor:
    """The angle from −π/2 to π/2 of this sine; NaN beyond ±1."""
    return ops.asin(input) if out is None else into(out, "asin", input)  # type: ignore[no-any-return]


@method("acos", "arccos")
def acos(input: Any, *, out: Any = None) -> Tensor:
    """The angle from 0 to π of this cosine; NaN beyond ±1."""
    return ops.acos(input) if out is None else into(out, "acos", input)  # type: ignore[no-any-return]


@method("atan", "arctan")
def atan(input: Any, *, out: Any = None) -> Tensor:
    """The angle from −π/2 to π/2 of this tangent."""
    return ops.atan(input) if out is None else into(out, "atan", input)  # type: ignore[no-any-return]


@method()
def sinh(input: Any, *, out: Any = None) -> Tensor:
    """The hyperbolic sine."""
    return ops.sinh(input) if out is None else into(out, "sinh", input)  # type: ignore[no-any-return]


@method()
def cosh(input: Any, *, out: Any = None) -> Tensor:
    """The hyperbolic cosine."""
    return ops.cosh(input) if out is None else into(out, "cosh", input)  # type: ignore[no-any-return]


@method("asinh", "arcsinh")
def asinh(input: Any, *, out: Any = None) -> Tensor:
    """The inverse hyperbolic sine."""
    return ops.asinh(input) if out is None else into(out, "asinh", input)  # type: ignore[no-any-return]


@method("acosh", "arccosh")
def acosh(input: Any, *, out: Any = None) -> Tensor:
    """The inverse hyperbolic cosine; NaN below 1."""
    return ops.acosh(input) if out is None else into(out, "acosh", input)  # type: ignore[no-any-return]


@method("atanh", "arctanh")
def atanh(input: Any, *, out: Any = None) -> Tensor:
    """The inverse hyperbolic tangent; NaN beyond ±1."""
    return ops.atanh(input) if out is None else into(out, "atanh", input)  # type: ignore[no-any-return]


@method("atan2", "arctan2")
def atan2(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """The angle of the point (other, input), from −π to π."""
    return ops.atan2(input, other) if out is None else into(out, "atan2", input, other)  # type: ignore[no-any-return]


@method()
def hypot(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """√(input² + other²), without overflow."""
    return ops.hypot(input, other) if out is None else into(out, "hypot", input, other)  # type: ignore[no-any-return]


@method()
def deg2rad(input: Any, *, out: Any = None) -> Tensor:
    """Degrees as radians."""
    return mul(input, math.pi / 180, out=out)


@method()
def rad2deg(input: Any, *, out: Any = None) -> Tensor:
    """Radians as degrees."""
    return mul(input, 180 / math.pi, out=out)


@method()
def sinc(input: Any) -> Tensor:
    """sin(π · input) / (π · input), 1 at 0."""
    zero = ops.eq(input, 0)
    angle = ops.mul(ops.where(zero, 1, input), math.pi)
    return ops.where(zero, 1.0, ops.div(ops.sin(angle), angle))  # type: ignore[no-any-return]


arcsin, arccos, arctan, arcsinh, arccosh, arctanh, arctan2 = asin, acos, atan, asinh, acosh, atanh, atan2

for _name, _function in (
    ("tan_", tan), ("asin_", asin), ("arcsin_", asin), ("acos_", acos), ("arccos_", acos), ("atan_", atan),
    ("arctan_", atan), ("sinh_", sinh), ("cosh_", cosh), ("asinh_", asinh), ("arcsinh_", asinh), ("acosh_", acosh),
    ("arccosh_", acosh), ("atanh_", atanh), ("arctanh_", atanh), ("atan2_", atan2), ("arctan2_", atan2),
    ("hypot_", hypot), ("deg2rad_", deg2rad), ("rad2deg_", rad2deg),
):  # fmt: skip
    in_place(_name, _function)

in_place_of("sinc_", sinc)

__all__ = [
    "acos", "acosh", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "asin", "asinh",
    "atan", "atan2", "atanh", "cosh", "deg2rad", "hypot", "rad2deg", "sinc", "sinh", "tan",
]  # fmt: skip
