"""Ops that work element by element, broadcast. The engine sums gradients over broadcast dimensions."""

from __future__ import annotations

from typing import Any

from .._core import backend
from ._op import op


@op
def add(x: Any, y: Any) -> Any:
    """x_i + y_i."""
    return backend.add(x, y)


@add.rule()
def _(g, needs):
    return g, g


@op
def mul(x: Any, y: Any) -> Any:
    """x_i · y_i."""
    return backend.mul(x, y)


@mul.rule(saves=("x", "y"))
def _(g, needs, x, y):
    return mul(g, y) if needs[0] else None, mul(g, x) if needs[1] else None


@op
def cast(x: Any, *, dtype: str) -> Any:
    """The elements in another dtype; the engine casts the gradient back."""
    return backend.cast(x, dtype)


@cast.rule()
def _(g, needs, *, dtype):
    return g


@op
def clone(x: Any) -> Any:
    """A copy of x in memory of its own."""
    return backend.contiguous(x)


@clone.rule()
def _(g, needs):
    return g
