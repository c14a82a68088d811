"""Ops that work element by element, broadcast. The engine sums gradients over broadcast dimensions.

Comparisons and predicates give booleans, which have no gradients; activations are in `activation.py`.
"""

from __future__ import annotations

import math
from typing import Any

from .._core import TensorBase, backend
from ._op import op, sparing


def zeros_like(x: Any) -> Any:
    """The gradient of what does not depend on its operand."""
    return backend.full(x.shape, 0, x._dtype)


# -- two operands ------------------------------------------------------------------------------------------------------


@op
def add(x: Any, y: Any) -> Any:
    """x_i + y_i."""
    return backend.add(x, y)


@add.rule()
def _(g, needs):
    return g, g


@op
def sub(x: Any, y: Any) -> Any:
    """x_i − y_i."""
    return backend.sub(x, y)


@sub.rule()
def _(g, needs):
    return g, neg(g) if needs[1] else None


@sparing(x="wanted(y)", y="wanted(x)")
def mul(x: Any, y: Any) -> Any:
    """x_i · y_i."""
    return backend.mul(x, y)


@mul.rule(saves=("x", "y"))
def _(g, needs, x, y):
    return mul(g, y) if needs[0] else None, mul(g, x) if needs[1] else None


@sparing(x="wanted(y)")
def div(x: Any, y: Any) -> Any:
    """x_i / y_i; of integers, in floats."""
    return backend.div(x, y)


@div.rule(saves=("x", "y"))
def _(g, needs, x, y):
    # From the operands, not from the quotient: that may be changed in place before backward, as in PyTorch.
    share = div(g, y)
    return share, neg(mul(share, div(x, y))) if needs[1] else None


@sparing(result="wanted(y)")
def pow(x: Any, y: Any) -> Any:
    """x_i to the power y_i."""
    return backend.pow(x, y)


@pow.rule(saves=("x", "y", "result"))
def _(g, needs, x, y, power):
    gx = gy = None
    if needs[0]:
        # y x^(y − 1), 0 where y = 0
        if isinstance(y, TensorBase) or hasattr(y, "shape"):
            gx = where(eq(y, 0), 0, mul(g, mul(y, pow(x, sub(y, 1)))))
        elif y == 0:
            gx = zeros_like(g)
        else:
            gx = mul(g, mul(pow(x, y - 1), y))
    if needs[1]:
        # x^y log x, 0 where x = 0 and y ≥ 0
        if isinstance(x, TensorBase) or hasattr(x, "shape"):
            gy = where(logical_and(eq(x, 0), ge(y, 0)), 0, mul(g, mul(power, log(x))))
        elif x > 0:
            gy = mul(g, mul(power, math.log(x)))
        else:
            gy = where(ge(y, 0), 0, mul(g, -math.inf)) if x == 0 else mul(g, math.nan)
    return gx, gy


@op
def maximum(x: Any, y: Any) -> Any:
    """The larger of x_i and y_i; NaN wins."""
    return backend.maximum(x, y)


@maximum.rule(saves=("x", "y"))
def _(g, needs, x, y):
    return maximum_grad(g, x, y) if needs[0] else None, maximum_grad(g, y, x) if needs[1] else None


@op
def maximum_grad(g: Any, x: Any, y: Any) -> Any:
    """g_i where x_i > y_i, g_i / 2 where they are equal, else 0."""
    return backend.maximum_grad(g, x, y)


@maximum_grad.rule(saves=("x", "y"))
def _(gg, needs, x, y):
    return maximum_grad(gg, x, y), None, None


@op
def minimum(x: Any, y: Any) -> Any:
    """The smaller of x_i and y_i; NaN wins."""
    return backend.minimum(x, y)


@minimum.rule(saves=("x", "y"))
def _(g, needs, x, y):
    return minimum_grad(g, x, y) if needs[0] else None, minimum_grad(g, y, x) if needs[1] else None


@op
def minimum_grad(g: Any, x: Any, y: Any) -> Any:
    """g_i where x_i < y_i, g_i / 2 where they are equal, else 0."""
    return backend.minimum_grad(g, x, y)


@minimum_grad.rule(saves=("x", "y"))
def _(gg, needs, x, y):
    return minimum_grad(gg, x, y), None, None


@op
def floor_divide(x: Any, y: Any) -> Any:
    """⌊x_i / y_i⌋; of integers, an error where a divisor is 0."""
    return backend.floor_divide(x, y)


@floor_divide.rule()
def _(g, needs):
    return zeros_like(g), zeros_like(g)


@op
def remainder(x: Any, y: Any) -> Any:
    """x_i − y_i ⌊x_i / y_i⌋, of the sign of y_i; of integers, an error where a divisor is 0."""
    return backend.remainder(x, y)


@remainder.rule(saves=("x", "y"))
def _(g, needs, x, y):
    return g, neg(mul(g, floor_divide(x, y))) if needs[1] else None


# -- comparisons, logic, bits: no gradients ----------------------------------------------------------------------------


@op
def eq(x: Any, y: Any) -> Any:
    """x_i = y_i."""
    return backend.eq(x, y)


@op
def ne(x: Any, y: Any) -> Any:
    """x_i ≠ y_i."""
    return backend.ne(x, y)


@op
def lt(x: Any, y: Any) -> Any:
    """x_i < y_i."""
    return backend.lt(x, y)


@op
def le(x: Any, y: Any) -> Any:
    """x_i ≤ y_i."""
    return backend.le(x, y)


@op
def gt(x: Any, y: Any) -> Any:
    """x_i > y_i."""
    return backend.gt(x, y)


@op
def ge(x: Any, y: Any) -> Any:
    """x_i ≥ y_i."""
    return backend.ge(x, y)


@op
def logical_and(x: Any, y: Any) -> Any:
    """x_i ≠ 0 and y_i ≠ 0."""
    return backend.logical_and(x, y)


@op
def logical_or(x: Any, y: Any) -> Any:
    """x_i ≠ 0 or y_i ≠ 0."""
    return backend.logical_or(x, y)


@op
def logical_xor(x: Any, y: Any) -> Any:
    """x_i ≠ 0 or y_i ≠ 0, not both."""
    return backend.logical_xor(x, y)


@op
def logical_not(x: Any) -> Any:
    """x_i = 0."""
    return backend.logical_not(x)


@op
def bitwise_and(x: Any, y: Any) -> Any:
    """The bits set in both; of booleans, and."""
    return backend.bitwise_and(x, y)


@op
def bitwise_or(x: Any, y: Any) -> Any:
    """The bits set in either; of booleans, or."""
    return backend.bitwise_or(x, y)


@op
def bitwise_xor(x: Any, y: Any) -> Any:
    """The bits set in one of the two; of booleans, exclusive or."""
    return backend.bitwise_xor(x, y)


@op
def bitwise_not(x: Any) -> Any:
    """The bits not set; of booleans, not."""
    return backend.bitwise_not(x)


@op
def isnan(x: Any) -> Any:
    """x_i is not a number."""
    return backend.isnan(x)


@op
def isinf(x: Any) -> Any:
    """x_i is ∞ or −∞."""
    return backend.isinf(x)


@op
def isfinite(x: Any) -> Any:
    """x_i is neither infinite nor NaN."""
    return backend.isfinite(x)


# -- one operand -------------------------------------------------------------------------------------------------------


@op
def neg(x: Any) -> Any:
    """−x_i."""
    return backend.neg(x)


@neg.rule()
def _(g, needs):
    return neg(g)


@op
def abs(x: Any) -> Any:
    """|x_i|."""
    return backend.abs(x)


@abs.rule(saves=("x",))
def _(g, needs, x):
    return abs_grad(g, x)


@op
def abs_grad(g: Any, x: Any) -> Any:
    """g_i sign(x_i), 0 where x_i = 0."""
    return backend.abs_grad(g, x)


@abs_grad.rule(saves=("x",))
def _(gg, needs, x):
    return abs_grad(gg, x), None


@op
def square(x: Any) -> Any:
    """x_i²."""
    return backend.square(x)


@square.rule(saves=("x",))
def _(g, needs, x):
    return mul(g, mul(x, 2))


@op
def sqrt(x: Any) -> Any:
    """√x_i."""
    return backend.sqrt(x)


@sqrt.rule(saves=("result",))
def _(g, needs, y):
    return div(mul(g, 0.5), y)


@op
def rsqrt(x: Any) -> Any:
    """1 / √x_i."""
    return backend.rsqrt(x)


@rsqrt.rule(saves=("result",))
def _(g, needs, y):
    return mul(mul(g, -0.5), pow(y, 3))


@op
def reciprocal(x: Any) -> Any:
    """1 / x_i."""
    return backend.reciprocal(x)


@reciprocal.rule(saves=("result",))
def _(g, needs, y):
    return neg(mul(g, square(y)))


@op
def exp(x: Any) -> Any:
    """e^(x_i)."""
    return backend.exp(x)


@exp.rule(saves=("result",))
def _(g, needs, y):
    return mul(g, y)


@op
def expm1(x: Any) -> Any:
    """e^(x_i) − 1, accurate near 0."""
    return backend.expm1(x)


@expm1.rule(saves=("result",))
def _(g, needs, y):
    return mul(g, add(y, 1))


@op
def log(x: Any) -> Any:
    """The natural logarithm."""
    return backend.log(x)


@log.rule(saves=("x",))
def _(g, needs, x):
    return div(g, x)


@op
def log1p(x: Any) -> Any:
    """log(1 + x_i), accurate near 0."""
    return backend.log1p(x)


@log1p.rule(saves=("x",))
def _(g, needs, x):
    return div(g, add(x, 1))


@op
def sin(x: Any) -> Any:
    """sin x_i, in radians."""
    return backend.sin(x)


@sin.rule(saves=("x",))
def _(g, needs, x):
    return mul(g, cos(x))


@op
def cos(x: Any) -> Any:
    """cos x_i, in radians."""
    return backend.cos(x)


@cos.rule(saves=("x",))
def _(g, needs, x):
    return neg(mul(g, sin(x)))


@op
def erf(x: Any) -> Any:
    """The error function 2/√π ∫₀^(x_i) e^(−t²) dt."""
    return backend.erf(x)


@erf.rule(saves=("x",))
def _(g, needs, x):
    return mul(g, mul(exp(neg(square(x))), 2 / math.sqrt(math.pi)))


@op
def sign(x: Any) -> Any:
    """−1, 0 or 1."""
    return backend.sign(x)


@sign.rule()
def _(g, needs):
    return zeros_like(g)


@op
def floor(x: Any) -> Any:
    """The largest whole number not above x_i."""
    return backend.floor(x)


@floor.rule()
def _(g, needs):
    return zeros_like(g)


@op
def ceil(x: Any) -> Any:
    """The smallest whole number not below x_i."""
    return backend.ceil(x)


@ceil.rule()
def _(g, needs):
    return zeros_like(g)


@op
def round(x: Any) -> Any:
    """The nearest whole number; of two, the even one."""
    return backend.round(x)


@round.rule()
def _(g, needs):
    return zeros_like(g)


@op
def trunc(x: Any) -> Any:
    """x_i without its fraction."""
    return backend.trunc(x)


@trunc.rule()
def _(g, needs):
    return zeros_like(g)


# -- three operands ----------------------------------------------------------------------------------------------------


@op
def where(condition: Any, x: Any, y: Any) -> Any:
    """x_i where the condition holds, else y_i."""
    return backend.where(condition, x, y)


@where.rule(saves=("condition",))
def _(g, needs, condition):
    return None, where(condition, g, 0) if needs[1] else None, where(condition, 0, g) if needs[2] else None


@op
def clip(x: Any, min: Any, max: Any) -> Any:
    """min(max(x_i, min_i), max_i); a bound that is None does not hold."""
    return backend.clip(x, min, max)


@clip.rule(saves=("x", "min", "max"))
def _(g, needs, x, min, max):
    gmin = gmax = None
    if needs[1]:
        below = lt(x, min) if max is None else logical_and(lt(x, min), lt(min, max))
        gmin = where(below, g, 0)
    if needs[2]:
        above = gt(x, max) if min is None else logical_or(gt(x, max), gt(min, max))
        gmax = where(above, g, 0)
    return clip_grad(g, x, min, max) if needs[0] else None, gmin, gmax


@op
def clip_grad(g: Any, x: Any, min: Any, max: Any) -> Any:
    """g_i where min_i ≤ x_i ≤ max_i, else 0."""
    return backend.clip_grad(g, x, min, max)


@clip_grad.rule(saves=("x", "min", "max"))
def _(gg, needs, x, min, max):
    return clip_grad(gg, x, min, max), None, None, None


@op
def lerp(start: Any, end: Any, weight: Any) -> Any:
    """start_i + weight_i (end_i − start_i)."""
    return backend.lerp(start, end, weight)


@lerp.rule(saves=("start", "end", "weight"))
def _(g, needs, start, end, weight):
    return (
        mul(g, sub(1, weight)) if needs[0] else None,
        mul(g, weight) if needs[1] else None,
        mul(g, sub(end, start)) if needs[2] else None,
    )


@op
def addcmul(x: Any, a: Any, b: Any, *, value: float) -> Any:
    """x_i + value · a_i · b_i."""
    return backend.addcmul(x, a, b, value)


@addcmul.rule(saves=("a", "b"))
def _(g, needs, a, b, *, value):
    return g, mul(mul(g, b), value) if needs[1] else None, mul(mul(g, a), value) if needs[2] else None


# -- copies ------------------------------------------------------------------------------------------------------------


@op
def cast(x: Any, *, dtype: str) -> Any:
    """The elements in another dtype; the engine casts the gradient back."""
    return backend.cast(x, dtype)


@cast.rule()
def _(g, needs, *, dtype):
    return g


@op
def clone(x: Any) -> Any:
    """A copy of x in memory of its own, in the same memory order where that is dense."""
    return backend.clone(x)


@clone.rule()
def _(g, needs):
    return g


@op
def ordered(x: Any, *, order: tuple[int, ...]) -> Any:
    """A dense copy of x whose memory order is `order`, from the slowest dimension to the fastest."""
    return backend.ordered(x, order)


@ordered.rule()
def _(g, needs, *, order):
    return g
