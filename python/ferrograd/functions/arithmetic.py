"""Arithmetic: sums, products, powers, roundings, what lies between bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core, autograd, ops
from ..dtypes import preserve_format
from ._method import in_place, in_place_of, method
from .shape import memory_order

if TYPE_CHECKING:
    from .._tensor import Tensor


def into(out: Any, name: str, *args: Any) -> Any:
    """A backend call that writes into `out`."""
    return getattr(_core.backend, name)(*args, out=out)


@method("add", "__radd__")
def add(input: Any, other: Any, *, alpha: float = 1, out: Any = None) -> Tensor:
    """input + alpha · other."""
    if alpha != 1:
        other = ops.mul(other, alpha)
    return ops.add(input, other) if out is None else into(out, "add", input, other)  # type: ignore[no-any-return]


@method("sub", "subtract")
def sub(input: Any, other: Any, *, alpha: float = 1, out: Any = None) -> Tensor:
    """input − alpha · other."""
    if alpha != 1:
        other = ops.mul(other, alpha)
    return ops.sub(input, other) if out is None else into(out, "sub", input, other)  # type: ignore[no-any-return]


subtract = sub


@method("mul", "multiply", "__rmul__")
def mul(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """input · other."""
    return ops.mul(input, other) if out is None else into(out, "mul", input, other)  # type: ignore[no-any-return]


multiply = mul


@method("div", "divide", "true_divide")
def div(input: Any, other: Any, *, rounding_mode: str | None = None, out: Any = None) -> Tensor:
    """input / other, in floats; with `rounding_mode` 'floor' or 'trunc' the whole quotient."""
    if rounding_mode == "floor":
        return floor_divide(input, other, out=out)
    if rounding_mode == "trunc":
        whole = ops.trunc(ops.div(input, other))
        dtype = ops.add(input, other)._dtype
        whole = whole if whole._dtype == dtype else ops.cast(whole, dtype=dtype)
        return whole if out is None else _core.backend.copy_(out, whole)  # type: ignore[no-any-return]
    if rounding_mode is not None:
        raise ValueError(f"div: rounding_mode: expected None, 'floor' or 'trunc', got {rounding_mode!r}")
    return ops.div(input, other) if out is None else into(out, "div", input, other)  # type: ignore[no-any-return]


divide = true_divide = div


@method("pow", "__pow__")
def pow(input: Any, exponent: Any, *, out: Any = None) -> Tensor:
    """Input to the power `exponent`."""
    return ops.pow(input, exponent) if out is None else into(out, "pow", input, exponent)  # type: ignore[no-any-return]


@method("floor_divide", "__floordiv__")
def floor_divide(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """⌊input / other⌋."""
    return ops.floor_divide(input, other) if out is None else into(out, "floor_divide", input, other)  # type: ignore[no-any-return]


@method("remainder", "__mod__")
def remainder(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """Input modulo other, of the sign of `other`."""
    return ops.remainder(input, other) if out is None else into(out, "remainder", input, other)  # type: ignore[no-any-return]


@method()
def maximum(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """The larger of the two; NaN wins."""
    return ops.maximum(input, other) if out is None else into(out, "maximum", input, other)  # type: ignore[no-any-return]


@method()
def minimum(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """The smaller of the two; NaN wins."""
    return ops.minimum(input, other) if out is None else into(out, "minimum", input, other)  # type: ignore[no-any-return]


for _name, _op in (("__add__", ops.add), ("__sub__", ops.sub), ("__mul__", ops.mul), ("__truediv__", ops.div)):
    method(_name)(_op)


@method("__rsub__")
def _rsub(self: Any, other: Any) -> Tensor:
    return ops.sub(other, self)  # type: ignore[no-any-return]


@method("__rtruediv__")
def _rdiv(self: Any, other: Any) -> Tensor:
    return ops.div(other, self)  # type: ignore[no-any-return]


@method("__rpow__")
def _rpow(self: Any, other: Any) -> Tensor:
    return ops.pow(other, self)  # type: ignore[no-any-return]


@method("__rfloordiv__")
def _rfloordiv(self: Any, other: Any) -> Tensor:
    return ops.floor_divide(other, self)  # type: ignore[no-any-return]


@method("__rmod__")
def _rmod(self: Any, other: Any) -> Tensor:
    return ops.remainder(other, self)  # type: ignore[no-any-return]


for _name, _function, _operator in (
    ("add_", add, "__iadd__"),
    ("sub_", sub, "__isub__"),
    ("mul_", mul, "__imul__"),
    ("div_", div, "__itruediv__"),
    ("pow_", pow, "__ipow__"),
    ("floor_divide_", floor_divide, "__ifloordiv__"),
    ("remainder_", remainder, "__imod__"),
):
    method(_operator)(in_place(_name, _function))

for _name, _function in (
    ("subtract_", sub), ("multiply_", mul), ("divide_", div), ("true_divide_", div),
):  # fmt: skip
    in_place(_name, _function)


for _name, _function in (
    ("subtract_", sub), ("multiply_", mul), ("divide_", div), ("true_divide_", div),
):  # fmt: skip
    in_place(_name, _function)


# -- one operand -------------------------------------------------------------------------------------------------------


@method("neg", "negative", "__neg__")
def neg(input: Any, *, out: Any = None) -> Tensor:
    """−input."""
    return ops.neg(input) if out is None else into(out, "neg", input)  # type: ignore[no-any-return]


negative = neg


@method("positive", "__pos__")
def positive(input: Any) -> Tensor:
    """The tensor itself."""
    return input  # type: ignore[no-any-return]


@method("abs", "absolute", "__abs__")
def abs(input: Any, *, out: Any = None) -> Tensor:
    """|input|."""
    return ops.abs(input) if out is None else into(out, "abs", input)  # type: ignore[no-any-return]


absolute = abs


@method()
def square(input: Any, *, out: Any = None) -> Tensor:
    """input²."""
    return ops.square(input) if out is None else into(out, "square", input)  # type: ignore[no-any-return]


@method()
def sqrt(input: Any, *, out: Any = None) -> Tensor:
    """√input."""
    return ops.sqrt(input) if out is None else into(out, "sqrt", input)  # type: ignore[no-any-return]


@method()
def rsqrt(input: Any, *, out: Any = None) -> Tensor:
    """1 / √input."""
    return ops.rsqrt(input) if out is None else into(out, "rsqrt", input)  # type: ignore[no-any-return]


@method()
def reciprocal(input: Any, *, out: Any = None) -> Tensor:
    """1 / input."""
    return ops.reciprocal(input) if out is None else into(out, "reciprocal", input)  # type: ignore[no-any-return]


@method()
def sign(input: Any, *, out: Any = None) -> Tensor:
    """−1, 0 or 1; 0 for NaN."""
    return ops.sign(input) if out is None else into(out, "sign", input)  # type: ignore[no-any-return]


@method()
def floor(input: Any, *, out: Any = None) -> Tensor:
    """The largest whole number not above the input."""
    return ops.floor(input) if out is None else into(out, "floor", input)  # type: ignore[no-any-return]


@method()
def ceil(input: Any, *, out: Any = None) -> Tensor:
    """The smallest whole number not below the input."""
    return ops.ceil(input) if out is None else into(out, "ceil", input)  # type: ignore[no-any-return]


@method("trunc", "fix")
def trunc(input: Any, *, out: Any = None) -> Tensor:
    """The input without its fraction."""
    return ops.trunc(input) if out is None else into(out, "trunc", input)  # type: ignore[no-any-return]


@method("round", "__round__")
def round(input: Any, decimals: int = 0, *, out: Any = None) -> Tensor:
    """The nearest number of so many decimals; of two, the even one."""
    if not decimals:
        return ops.round(input) if out is None else into(out, "round", input)  # type: ignore[no-any-return]
    scaled = ops.round(ops.mul(input, 10.0**decimals))
    rounded = ops.div(scaled, 10.0**decimals)
    return rounded if out is None else _core.backend.copy_(out, rounded)  # type: ignore[no-any-return]


for _name, _unary in (
    ("neg_", neg), ("negative_", neg), ("abs_", abs), ("absolute_", abs), ("square_", square),
    ("sqrt_", sqrt), ("rsqrt_", rsqrt),
    ("reciprocal_", reciprocal), ("sign_", sign), ("floor_", floor), ("ceil_", ceil), ("trunc_", trunc),
    ("round_", round), ("negative_", neg), ("absolute_", abs),
):  # fmt: skip
    in_place(_name, _unary)


# -- three operands ----------------------------------------------------------------------------------------------------


@method("clip", "clamp")
def clip(input: Any, min: Any = None, max: Any = None, *, out: Any = None) -> Tensor:
    """min(max(input, min), max); a bound that is None does not hold."""
    return ops.clip(input, min, max) if out is None else into(out, "clip", input, min, max)  # type: ignore[no-any-return]


clamp = clip
in_place("clip_", clip)
in_place("clamp_", clip)


@method()
def clamp_min(input: Any, min: Any, *, out: Any = None) -> Tensor:
    """max(input, min)."""
    return clip(input, min, None, out=out)


@method()
def clamp_max(input: Any, max: Any, *, out: Any = None) -> Tensor:
    """min(input, max)."""
    return clip(input, None, max, out=out)


@method()
def lerp(input: Any, end: Any, weight: Any, *, out: Any = None) -> Tensor:
    """input + weight · (end − input)."""
    return ops.lerp(input, end, weight) if out is None else into(out, "lerp", input, end, weight)  # type: ignore[no-any-return]


@method()
def addcmul(input: Any, tensor1: Any, tensor2: Any, *, value: float = 1, out: Any = None) -> Tensor:
    """input + value · tensor1 · tensor2."""
    if "float" not in _core.result_type(input, tensor1, tensor2):
        return add(input, ops.mul(tensor1, tensor2), alpha=value, out=out)
    if out is None:
        return ops.addcmul(input, tensor1, tensor2, value=float(value))  # type: ignore[no-any-return]
    return into(out, "addcmul", input, tensor1, tensor2, float(value))  # type: ignore[no-any-return]


@method()
def addcdiv(input: Any, tensor1: Any, tensor2: Any, *, value: float = 1, out: Any = None) -> Tensor:
    """input + value · tensor1 / tensor2."""
    quotient = ops.div(tensor1, tensor2)
    return add(input, quotient, alpha=value, out=out)


in_place("clamp_min_", clamp_min)
in_place("clamp_max_", clamp_max)
in_place("lerp_", lerp)
in_place("addcmul_", addcmul)
in_place_of("addcdiv_", addcdiv)


# -- copies ------------------------------------------------------------------------------------------------------------


@method()
def clone(input: Any, *, memory_format: Any = None) -> Tensor:
    """A copy in memory of its own, part of the graph, in the order of dimensions of the input or in the given one."""
    if memory_format is None or memory_format is preserve_format:
        return ops.clone(input)  # type: ignore[no-any-return]
    order = memory_order("clone", len(input.shape), memory_format)
    return ops.contiguous(input) if order is None else ops.ordered(input, order=order)  # type: ignore[no-any-return]


@method("copy_")
def _copy(self: Any, src: Any, non_blocking: bool = False) -> Tensor:
    """Writes `src`, broadcast and converted, into this tensor; returns the tensor itself."""
    recorded = autograd.is_grad_enabled() and (
        self.requires_grad or (isinstance(src, _core.TensorBase) and src.requires_grad)
    )
    if not recorded:
        return _core.backend.copy_(self, src)  # type: ignore[no-any-return]
    _core.before_write("copy_", self, True)
    source = src if isinstance(src, _core.TensorBase) else ops.cast(src, dtype=self._dtype)
    value = ops.cast(ops.expand(source, shape=self.shape), dtype=self._dtype)
    _core.backend.copy_(self, value, True)
    self._node = value._node
    return self  # type: ignore[no-any-return]


@method("fill_")
def _fill(self: Any, value: Any) -> Tensor:
    """Writes one value into every element; returns the tensor itself."""
    return _copy(self, value)


@method("zero_")
def _zero(self: Any) -> Tensor:
    """Writes 0 into every element; returns the tensor itself."""
    return _copy(self, 0)


__all__ = [
    "abs", "absolute", "add", "addcdiv", "addcmul", "ceil", "clamp", "clamp_max", "clamp_min", "clip", "clone", "div",
    "divide", "floor", "floor_divide", "lerp", "maximum", "minimum", "mul", "multiply", "neg", "negative", "positive",
    "pow", "reciprocal", "remainder", "round", "rsqrt", "sign", "sqrt", "square", "sub", "subtract", "true_divide",
    "trunc",
]  # fmt: skip
