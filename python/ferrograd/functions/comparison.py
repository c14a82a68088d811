"""Comparisons, logic, bits, and the choice that they steer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core, ops
from ..creation import as_tensor
from ._method import in_place, in_place_of, method
from .arithmetic import into

if TYPE_CHECKING:
    from .._tensor import Tensor


@method()
def eq(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """input = other."""
    return ops.eq(input, other) if out is None else into(out, "eq", input, other)  # type: ignore[no-any-return]


@method("ne", "not_equal")
def ne(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """input ≠ other."""
    return ops.ne(input, other) if out is None else into(out, "ne", input, other)  # type: ignore[no-any-return]


def _operator(name: str, op: Any) -> None:
    """`==` and `!=`, which leave it to Python what a tensor has to do with None, a string or a list."""

    def compare(self: Any, other: Any) -> Any:
        try:
            return op(self, other)
        except TypeError:
            if isinstance(other, (int, float)) or hasattr(other, "__array__"):
                raise
            return NotImplemented

    compare.__name__ = compare.__qualname__ = name
    method(name)(compare)


_operator("__eq__", ops.eq)
_operator("__ne__", ops.ne)


@method("lt", "less", "__lt__")
def lt(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """input < other."""
    return ops.lt(input, other) if out is None else into(out, "lt", input, other)  # type: ignore[no-any-return]


@method("le", "less_equal", "__le__")
def le(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """input ≤ other."""
    return ops.le(input, other) if out is None else into(out, "le", input, other)  # type: ignore[no-any-return]


@method("gt", "greater", "__gt__")
def gt(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """input > other."""
    return ops.gt(input, other) if out is None else into(out, "gt", input, other)  # type: ignore[no-any-return]


@method("ge", "greater_equal", "__ge__")
def ge(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """input ≥ other."""
    return ops.ge(input, other) if out is None else into(out, "ge", input, other)  # type: ignore[no-any-return]


not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge


@method()
def logical_and(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """Both are not 0."""
    return ops.logical_and(input, other) if out is None else into(out, "logical_and", input, other)  # type: ignore[no-any-return]


@method()
def logical_or(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """One of the two is not 0, or both."""
    return ops.logical_or(input, other) if out is None else into(out, "logical_or", input, other)  # type: ignore[no-any-return]


@method()
def logical_xor(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """One of the two is not 0, not both."""
    return ops.logical_xor(input, other) if out is None else into(out, "logical_xor", input, other)  # type: ignore[no-any-return]


@method()
def logical_not(input: Any, *, out: Any = None) -> Tensor:
    """The input is 0."""
    return ops.logical_not(input) if out is None else into(out, "logical_not", input)  # type: ignore[no-any-return]


@method("bitwise_and", "__and__", "__rand__")
def bitwise_and(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """The bits set in both; of booleans, and."""
    return ops.bitwise_and(input, other) if out is None else into(out, "bitwise_and", input, other)  # type: ignore[no-any-return]


@method("bitwise_or", "__or__", "__ror__")
def bitwise_or(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """The bits set in either; of booleans, or."""
    return ops.bitwise_or(input, other) if out is None else into(out, "bitwise_or", input, other)  # type: ignore[no-any-return]


@method("bitwise_xor", "__xor__", "__rxor__")
def bitwise_xor(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """The bits set in one of the two; of booleans, exclusive or."""
    return ops.bitwise_xor(input, other) if out is None else into(out, "bitwise_xor", input, other)  # type: ignore[no-any-return]


@method("bitwise_not", "__invert__")
def bitwise_not(input: Any, *, out: Any = None) -> Tensor:
    """The bits not set; of booleans, not."""
    return ops.bitwise_not(input) if out is None else into(out, "bitwise_not", input)  # type: ignore[no-any-return]


method("__iand__")(in_place("bitwise_and_", bitwise_and))
method("__ior__")(in_place("bitwise_or_", bitwise_or))
method("__ixor__")(in_place("bitwise_xor_", bitwise_xor))

in_place("bitwise_not_", bitwise_not)
for _name, _function in (
    ("eq_", eq), ("ne_", ne), ("not_equal_", ne), ("lt_", lt), ("less_", lt), ("le_", le), ("less_equal_", le),
    ("gt_", gt), ("greater_", gt), ("ge_", ge), ("greater_equal_", ge), ("logical_and_", logical_and),
    ("logical_or_", logical_or), ("logical_xor_", logical_xor), ("logical_not_", logical_not),
):  # fmt: skip
    in_place_of(_name, _function)


@method()
def isnan(input: Any) -> Tensor:
    """The input is not a number."""
    return ops.isnan(input)  # type: ignore[no-any-return]


@method()
def isinf(input: Any) -> Tensor:
    """The input is ∞ or −∞."""
    return ops.isinf(input)  # type: ignore[no-any-return]


@method()
def isfinite(input: Any) -> Tensor:
    """The input is neither infinite nor NaN."""
    return ops.isfinite(input)  # type: ignore[no-any-return]


def where(condition: Any, input: Any = None, other: Any = None, *, out: Any = None) -> Any:
    """Input where the condition holds, else other; of a condition alone, the places where it holds, as `nonzero` has."""
    if input is None and other is None:
        places = ops.nonzero(condition)
        return tuple(ops.getitem(places, index=(slice(None), k)) for k in range(places.shape[1]))
    if input is None or other is None:
        raise TypeError("where: expected both input and other with the condition, or neither, got one of them")
    return ops.where(condition, input, other) if out is None else into(out, "where", condition, input, other)


@method("where")
def _where(self: Any, condition: Any, other: Any) -> Tensor:
    """The tensor where the condition holds, else `other`."""
    return ops.where(condition, self, other)  # type: ignore[no-any-return]


@method()
def masked_fill(input: Any, mask: Any, value: Any, *, out: Any = None) -> Tensor:
    """`value`, a number or a 0-d tensor, where the mask is set, else the input."""
    if getattr(value, "shape", ()) != ():
        raise _core.ShapeError(f"masked_fill: value: expected a number or a 0-d tensor, got shape {tuple(value.shape)}")
    if str(mask.dtype).rpartition(".")[2] != "bool":
        raise _core.DTypeError(f"masked_fill: mask: expected bool, got {mask.dtype}")
    value = ops.cast(value, dtype=as_tensor(input)._dtype)
    return ops.where(mask, value, input) if out is None else into(out, "where", mask, value, input)  # type: ignore[no-any-return]


in_place("masked_fill_", masked_fill)

__all__ = [
    "bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor", "eq", "ge", "greater", "greater_equal", "gt", "isfinite",
    "isinf", "isnan", "le", "less", "less_equal", "logical_and", "logical_not", "logical_or", "logical_xor", "lt",
    "masked_fill", "ne", "not_equal", "where",
]  # fmt: skip
