"""Signs, fractions, remainders, and what stands for NaN."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .. import _core, ops
from ..creation import as_tensor
from ._method import in_place, method
from .arithmetic import into, sign, trunc

if TYPE_CHECKING:
    from .._tensor import Tensor


@method()
def fmod(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """The rest of input / other, of the sign of the input (C's rule; `remainder` follows Python's)."""
    return ops.fmod(input, other) if out is None else into(out, "fmod", input, other)  # type: ignore[no-any-return]


@method()
def copysign(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """|input| with the sign of `other`."""
    return ops.copysign(input, other) if out is None else into(out, "copysign", input, other)  # type: ignore[no-any-return]


@method()
def frac(input: Any, *, out: Any = None) -> Tensor:
    """The input less its whole part, of the sign of the input."""
    fraction = ops.sub(input, ops.trunc(input))
    return fraction if out is None else _core.backend.copy_(out, fraction)  # type: ignore[no-any-return]


@method()
def signbit(input: Any) -> Tensor:
    """The input has a minus sign, −0 included."""
    return ops.signbit(input)  # type: ignore[no-any-return]


@method()
def heaviside(input: Any, values: Any) -> Tensor:
    """0 below 0 and for NaN, 1 above, `values` at 0. It has no gradient."""
    x, values = ops.detach(as_tensor(input)), ops.detach(as_tensor(values))
    if x._dtype != values._dtype:
        raise _core.DTypeError(f"heaviside: values: expected {x._dtype}, as the input has, got {values._dtype}")
    step = ops.cast(ops.gt(x, 0), dtype=x._dtype)
    return ops.where(ops.eq(x, 0), values, step)  # type: ignore[no-any-return]


#: The largest finite number of each dtype.
_LARGEST = {
    "float64": float.fromhex("0x1.fffffffffffffp+1023"), "float32": float.fromhex("0x1.fffffep+127"),
}  # fmt: skip


@method()
def nan_to_num(
    input: Any, nan: float | None = None, posinf: float | None = None, neginf: float | None = None, *, out: Any = None
) -> Tensor:
    """Numbers in place of NaN (0 by default), ∞ and −∞ (by default the largest and smallest of the dtype)."""
    x = as_tensor(input)
    largest = _LARGEST.get(x._dtype)
    if largest is not None:
        replacements = (
            (ops.isnan(x), 0.0 if nan is None else nan),
            (ops.eq(x, math.inf), largest if posinf is None else posinf),
            (ops.eq(x, -math.inf), -largest if neginf is None else neginf),
        )
        for place, value in replacements:
            x = ops.where(place, ops.cast(value, dtype=x._dtype), x)
    else:
        x = ops.clone(x)
    return x if out is None else _core.backend.copy_(out, x)


method("sgn")(sign)
sgn, fix = sign, trunc

for _name, _function in (
    ("fmod_", fmod), ("copysign_", copysign), ("frac_", frac), ("nan_to_num_", nan_to_num), ("sgn_", sgn), ("fix_", fix),
):  # fmt: skip
    in_place(_name, _function)

__all__ = [
    "copysign", "fix", "fmod", "frac", "heaviside", "nan_to_num", "sgn", "signbit",
]  # fmt: skip
