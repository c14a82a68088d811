"""Elementary and special functions of one number and of two, beyond those in `elementwise.py`."""

from __future__ import annotations

import math
from typing import Any

from .._core import backend
from ._op import op
from .elementwise import (
    add,
    div,
    eq,
    exp,
    le,
    log,
    logical_and,
    mul,
    neg,
    reciprocal,
    rsqrt,
    square,
    sub,
    trunc,
    where,
    zeros_like,
)  # fmt: skip


@op
def tan(x: Any) -> Any:
    """sin x_i / cos x_i, in radians."""
    return backend.tan(x)


@tan.rule(saves=("result",))
def _(g, needs, y):
    return mul(g, add(square(y), 1))


@op
def asin(x: Any) -> Any:
    """The angle from −π/2 to π/2 whose sine is x_i."""
    return backend.asin(x)


@asin.rule(saves=("x",))
def _(g, needs, x):
    return mul(g, rsqrt(sub(1, square(x))))


@op
def acos(x: Any) -> Any:
    """The angle from 0 to π whose cosine is x_i."""
    return backend.acos(x)


@acos.rule(saves=("x",))
def _(g, needs, x):
    return neg(mul(g, rsqrt(sub(1, square(x)))))


@op
def atan(x: Any) -> Any:
    """The angle from −π/2 to π/2 whose tangent is x_i."""
    return backend.atan(x)


@atan.rule(saves=("x",))
def _(g, needs, x):
    return div(g, add(square(x), 1))


@op
def sinh(x: Any) -> Any:
    """(e^(x_i) − e^(−x_i)) / 2."""
    return backend.sinh(x)


@sinh.rule(saves=("x",))
def _(g, needs, x):
    return mul(g, cosh(x))


@op
def cosh(x: Any) -> Any:
    """(e^(x_i) + e^(−x_i)) / 2."""
    return backend.cosh(x)


@cosh.rule(saves=("x",))
def _(g, needs, x):
    return mul(g, sinh(x))


@op
def asinh(x: Any) -> Any:
    """The number whose hyperbolic sine is x_i."""
    return backend.asinh(x)


@asinh.rule(saves=("x",))
def _(g, needs, x):
    return mul(g, rsqrt(add(square(x), 1)))


@op
def acosh(x: Any) -> Any:
    """The number from 0 whose hyperbolic cosine is x_i."""
    return backend.acosh(x)


@acosh.rule(saves=("x",))
def _(g, needs, x):
    return mul(g, rsqrt(sub(square(x), 1)))


@op
def atanh(x: Any) -> Any:
    """The number whose hyperbolic tangent is x_i."""
    return backend.atanh(x)


@atanh.rule(saves=("x",))
def _(g, needs, x):
    return div(g, sub(1, square(x)))


@op
def log2(x: Any) -> Any:
    """The logarithm to base 2."""
    return backend.log2(x)


@log2.rule(saves=("x",))
def _(g, needs, x):
    return div(g, mul(x, math.log(2)))


@op
def log10(x: Any) -> Any:
    """The logarithm to base 10."""
    return backend.log10(x)


@log10.rule(saves=("x",))
def _(g, needs, x):
    return div(g, mul(x, math.log(10)))


@op
def exp2(x: Any) -> Any:
    """2^(x_i)."""
    return backend.exp2(x)


@exp2.rule(saves=("result",))
def _(g, needs, y):
    return mul(g, mul(y, math.log(2)))


@op
def erfc(x: Any) -> Any:
    """1 − erf x_i, accurate where that is small."""
    return backend.erfc(x)


@erfc.rule(saves=("x",))
def _(g, needs, x):
    return mul(g, mul(exp(neg(square(x))), -2 / math.sqrt(math.pi)))


@op
def erfinv(x: Any) -> Any:
    """The number whose error function is x_i."""
    return backend.erfinv(x)


@erfinv.rule(saves=("result",))
def _(g, needs, y):
    return mul(g, mul(exp(square(y)), math.sqrt(math.pi) / 2))


@op
def lgamma(x: Any) -> Any:
    """log |Γ(x_i)|."""
    return backend.lgamma(x)


@lgamma.rule(saves=("x",))
def _(g, needs, x):
    return mul(g, polygamma(x, order=0))


@op
def polygamma(x: Any, *, order: int) -> Any:
    """The derivative `order + 1` of log Γ; of order 0, digamma."""
    return backend.polygamma(x, order)


@polygamma.rule(saves=("x",))
def _(g, needs, x, *, order):
    return mul(g, polygamma(x, order=order + 1))


@op
def signbit(x: Any) -> Any:
    """x_i has a minus sign, −0 included."""
    return backend.signbit(x)


# -- two operands ------------------------------------------------------------------------------------------------------


def _array(x: Any, like: Any) -> Any:
    """An operand that may be a number as an array: a number by itself would be computed with in float32."""
    return x if hasattr(x, "shape") else backend.full((), x, like._dtype)


@op
def atan2(y: Any, x: Any) -> Any:
    """The angle of the point (x_i, y_i), from −π to π."""
    return backend.atan2(y, x)


@atan2.rule(saves=("y", "x"))
def _(g, needs, y, x):
    y, x = _array(y, g), _array(x, g)
    # 0 at the origin, as in PyTorch
    square_of_radius = add(square(x), square(y))
    share = mul(g, reciprocal(where(eq(square_of_radius, 0), math.inf, square_of_radius)))
    return mul(share, x) if needs[0] else None, neg(mul(share, y)) if needs[1] else None


@op
def hypot(x: Any, y: Any) -> Any:
    """√(x_i² + y_i²), without overflow."""
    return backend.hypot(x, y)


@hypot.rule(saves=("x", "y", "result"))
def _(g, needs, x, y, radius):
    return mul(g, div(x, radius)) if needs[0] else None, mul(g, div(y, radius)) if needs[1] else None


@op
def copysign(x: Any, y: Any) -> Any:
    """|x_i| with the sign of y_i."""
    return backend.copysign(x, y)


@copysign.rule(saves=("x", "y"))
def _(g, needs, x, y):
    gx = where(eq(x, 0), 0, where(eq(signbit(x), signbit(y)), g, neg(g))) if needs[0] else None
    return gx, zeros_like(g)


@op
def fmod(x: Any, y: Any) -> Any:
    """x_i − y_i trunc(x_i / y_i), of the sign of x_i; of integers, an error where a divisor is 0."""
    return backend.fmod(x, y)


@fmod.rule(saves=("x", "y"))
def _(g, needs, x, y):
    return g, neg(mul(g, trunc(div(x, y)))) if needs[1] else None


@op
def logaddexp(x: Any, y: Any) -> Any:
    """log(e^(x_i) + e^(y_i)), without overflow."""
    return backend.logaddexp(x, y)


@logaddexp.rule(saves=("x", "y", "result"))
def _(g, needs, x, y, total):
    gx = mul(g, exp(sub(x, total))) if needs[0] else None
    return gx, mul(g, exp(sub(y, total))) if needs[1] else None


@op
def xlogy(x: Any, y: Any) -> Any:
    """x_i log y_i, 0 where x_i = 0 unless y_i is NaN."""
    return backend.xlogy(x, y)


@xlogy.rule(saves=("x", "y"))
def _(g, needs, x, y):
    # The logarithm of what is not above 0 does not count where x is 0.
    y = _array(y, g)
    gx = mul(g, log(where(logical_and(eq(x, 0), le(y, 0)), 1, y))) if needs[0] else None
    return gx, mul(g, div(x, y)) if needs[1] else None
