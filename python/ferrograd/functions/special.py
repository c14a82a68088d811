"""Logarithms and powers to other bases, the error function and its kin, the gamma function and its derivatives."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .. import ops
from ..creation import get_default_dtype
from ..dtypes import dtype_name
from ._method import in_place, in_place_of, method
from .arithmetic import clip, div, into
from .reduction import _is_float

if TYPE_CHECKING:
    from .._tensor import Tensor


@method()
def log2(input: Any, *, out: Any = None) -> Tensor:
    """The logarithm to base 2."""
    return ops.log2(input) if out is None else into(out, "log2", input)  # type: ignore[no-any-return]


@method()
def log10(input: Any, *, out: Any = None) -> Tensor:
    """The logarithm to base 10."""
    return ops.log10(input) if out is None else into(out, "log10", input)  # type: ignore[no-any-return]


@method()
def exp2(input: Any, *, out: Any = None) -> Tensor:
    """2 to the power of the input."""
    return ops.exp2(input) if out is None else into(out, "exp2", input)  # type: ignore[no-any-return]


@method()
def erfc(input: Any, *, out: Any = None) -> Tensor:
    """1 − erf(input), accurate where that is small."""
    return ops.erfc(input) if out is None else into(out, "erfc", input)  # type: ignore[no-any-return]


@method()
def erfinv(input: Any, *, out: Any = None) -> Tensor:
    """The inverse of erf; ±∞ at ±1, NaN beyond."""
    return ops.erfinv(input) if out is None else into(out, "erfinv", input)  # type: ignore[no-any-return]


@method()
def lgamma(input: Any, *, out: Any = None) -> Tensor:
    """log |Γ(input)|."""
    return ops.lgamma(input) if out is None else into(out, "lgamma", input)  # type: ignore[no-any-return]


@method()
def digamma(input: Any, *, out: Any = None) -> Tensor:
    """The derivative of lgamma."""
    return ops.polygamma(input, order=0) if out is None else into(out, "polygamma", input, 0)  # type: ignore[no-any-return]


def polygamma(n: int, input: Any, *, out: Any = None) -> Tensor:
    """The n-th derivative of digamma."""
    if n < 0:
        raise ValueError(f"polygamma: n: expected a number from 0, got {n}")
    return ops.polygamma(input, order=n) if out is None else into(out, "polygamma", input, n)  # type: ignore[no-any-return]


@method("polygamma")
def _polygamma(self: Any, n: int) -> Tensor:
    """The n-th derivative of digamma."""
    return polygamma(n, self)


@method()
def logaddexp(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """log(e^input + e^other), without overflow."""
    return ops.logaddexp(input, other) if out is None else into(out, "logaddexp", input, other)  # type: ignore[no-any-return]


@method()
def logaddexp2(input: Any, other: Any) -> Tensor:
    """log2(2^input + 2^other), without overflow."""
    scale = math.log(2)
    return ops.div(ops.logaddexp(ops.mul(input, scale), ops.mul(other, scale)), scale)  # type: ignore[no-any-return]


@method()
def xlogy(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """input · log(other), 0 where the input is 0 unless `other` is NaN."""
    return ops.xlogy(input, other) if out is None else into(out, "xlogy", input, other)  # type: ignore[no-any-return]


@method()
def logit(input: Any, eps: float | None = None) -> Tensor:
    """log(input / (1 − input)), the inverse of sigmoid; the input is first brought between eps and 1 − eps."""
    x = input if _is_float(input) else ops.cast(input, dtype=dtype_name(get_default_dtype()))
    x = x if eps is None else clip(x, eps, 1 - eps)
    return ops.log(div(x, ops.sub(1, x)))  # type: ignore[no-any-return]


@method()
def float_power(input: Any, exponent: Any) -> Tensor:
    """The input to a power, in float64."""
    return ops.pow(*(ops.cast(x, dtype="float64") for x in (input, exponent)))  # type: ignore[no-any-return]


for _name, _function in (
    ("log2_", log2), ("log10_", log10), ("exp2_", exp2), ("erfc_", erfc), ("erfinv_", erfinv), ("lgamma_", lgamma),
    ("digamma_", digamma), ("xlogy_", xlogy),
):  # fmt: skip
    in_place(_name, _function)

in_place_of("logit_", logit)
in_place_of("float_power_", float_power)

__all__ = [
    "digamma",
    "erfc",
    "erfinv",
    "exp2",
    "float_power",
    "lgamma",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "logit",
    "polygamma",
    "xlogy",
]  # fmt: skip
