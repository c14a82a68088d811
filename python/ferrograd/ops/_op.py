"""How an op is written: its forward and its gradient rule side by side.

    @op
    def exp(x):
        \"\"\"exp(x)_i = e^(x_i)\"\"\"
        return backend.exp(x)

    @exp.rule(saves=("result",))
    def _(g, needs, y):
        return mul(g, y)

Operands (tensors, arrays, numbers) are positional, attributes are keywords. A rule gets the gradient `g` of the result,
`needs` (which operands want a gradient), what it saved, and the attributes; it returns one gradient for each operand,
or a single one where the op has a single operand. `saves` names operands, `"result"`, or the shape of an operand as
`"x.shape"`. The engine sums a gradient over the dimensions along which its operand was broadcast and casts it to the
operand's dtype: rules need not.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from .._core import capture
from ..autograd import Node

#: Every op by name: what the test registry has to cover.
OPS: dict[str, Op] = {}


class Op:
    """What the engine knows of an op: its name, its rule, and what the rule asks for."""

    __slots__ = ("forward", "name", "saves", "spec", "unfused", "vjp")

    def __init__(self, forward: Callable[..., Any]) -> None:
        self.forward = forward
        self.name = forward.__name__
        self.vjp: Callable[..., Any] | None = None
        self.unfused: Callable[..., Any] | None = None
        self.saves: tuple[str, ...] = ()
        self.spec: list[int] = []


def _position(names: list[str], variadic: str | None, what: str) -> int:
    name, _, shape = what.partition(".")
    if name == "result":
        return -1
    return names.index(name) + (100 if shape == "shape" else 0)


def op(forward: Callable[..., Any]) -> Any:
    """Makes a differentiable op of a function over one backend call."""
    this = Op(forward)
    OPS[this.name] = this
    parameters = inspect.signature(forward).parameters.values()
    names = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD or p.kind is p.POSITIONAL_ONLY]

    @functools.wraps(forward)
    def call(*args: Any, **attributes: Any) -> Any:
        result = forward(*args, **attributes)
        if result.requires_grad:
            result._node = Node(this, args, attributes, result)
        return result

    def rule(saves: tuple[str, ...] = ()) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def declare(vjp: Callable[..., Any]) -> Callable[..., Any]:
            this.vjp = vjp
            this.saves = saves
            this.spec = [_position(names, None, what) for what in saves]
            return vjp

        return declare

    call.rule = rule  # type: ignore[attr-defined]
    call.op = this  # type: ignore[attr-defined]
    return call
