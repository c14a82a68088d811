"""Elementwise functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import ops
from ._method import in_place, method

if TYPE_CHECKING:
    from .._tensor import Tensor


def _into(out: Any, name: str, *args: Any) -> Any:
    """A backend call that writes into `out`."""
    from .. import _core

    return getattr(_core.backend, name)(*args, out)


@method("add", "__radd__")
def add(input: Any, other: Any, *, alpha: float = 1, out: Any = None) -> Tensor:
    """input + alpha · other."""
    if alpha != 1:
        other = ops.mul(other, alpha)
    return ops.add(input, other) if out is None else _into(out, "add", input, other)  # type: ignore[no-any-return]


@method("mul", "multiply", "__rmul__")
def mul(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """input · other."""
    return ops.mul(input, other) if out is None else _into(out, "mul", input, other)  # type: ignore[no-any-return]


method("__add__")(ops.add)
method("__mul__")(ops.mul)
in_place("add_", add)
in_place("mul_", mul)
method("__iadd__")(in_place("add_", add))
method("__imul__")(in_place("mul_", mul))


@method()
def clone(input: Any) -> Tensor:
    """A copy in memory of its own, part of the graph."""
    return ops.clone(input)  # type: ignore[no-any-return]
