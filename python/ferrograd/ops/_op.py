"""How an op is written: its forward and its gradient rule side by side.

    @op
    def exp(x):
        \"\"\"exp(x)_i = e^(x_i).\"\"\"
        return backend.exp(x)

    @exp.rule(saves=("result",))
    def _(g, needs, y):
        return mul(g, y)

Operands (tensors, arrays, numbers, None) are positional, attributes are keywords. A rule gets the gradient `g` of the
result, `needs` (which operands want a gradient), what it saved, and the attributes; it returns one gradient for each
operand, or a single one where the op has a single operand, or None where an operand gets none.

`saves` names operands, `"result"`, or the shape of an operand as `"x.shape"`; `"*xs"` and `"*xs.shape"` are the tuples of
what a `*xs` holds. The engine sums a gradient over the
dimensions along which its operand was broadcast and casts it to the operand's dtype: rules need not.

An op may return a tuple; `"result0"`, `"result1"`, … name its parts, and `g` is then a list, with None for parts that
nothing depends on. Parts that are not differentiable come from the backend without `requires_grad`.

A fused op whose gradient is one kernel names all its operands in `saves` and gives the ops it is made of:

    @layer_norm.unfused
    def _(x, weight, bias, *, eps): ...

They are run from the saved operands when the gradient itself is to be differentiated (`create_graph=True`).
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

from .._operands import no_array
from ..autograd.graph import Output, record


class Op:
    """What the engine knows of an op: its name, its rule, and what the rule asks for."""

    __slots__ = ("forward", "gaps", "name", "operands", "saves", "spec", "unfused", "variadic", "vjp")

    def __init__(self, forward: Callable[..., Any]) -> None:
        code = forward.__code__
        self.forward = forward
        self.name = forward.__name__
        self.operands = list(code.co_varnames[: code.co_argcount])
        self.variadic = bool(code.co_flags & _VARARGS)
        self.vjp: Callable[..., Any] | None = None
        self.unfused: Callable[..., Any] | None = None
        self.saves: tuple[str, ...] = ()
        self.spec: tuple[int, ...] = ()
        #: Where among what is saved the rule gets None for what is not; see `sparing`.
        self.gaps: tuple[int, ...] = ()

    def position(self, what: str) -> int:
        """How `_core.capture` is told to save `what`."""
        if what.startswith("result"):
            return -1 - int(what[len("result") :] or 0)
        name, _, shape = what.partition(".")
        if name.startswith("*"):
            return len(self.operands) + (300 if shape == "shape" else 200)
        return self.operands.index(name) + (100 if shape == "shape" else 0)


#: The flag of code that takes `*args` (`inspect.CO_VARARGS`).
_VARARGS = 0x04

#: Every op by name: what the test registry has to cover.
OPS: dict[str, Op] = {}


def op(forward: Callable[..., Any]) -> Any:
    """Makes an op of a function over one backend call."""
    return _declared(forward, {})


def sparing(**unless: str) -> Callable[[Callable[..., Any]], Any]:
    """As `op`, but what is named is saved only where an expression of the operands and attributes holds.

    Elsewhere the rule gets None for it. What is not saved takes no memory, and may be changed in place before backward.
    `wanted(x)` in an expression says whether the operand x requires a gradient.
    """
    return lambda forward: _declared(forward, unless)


def wanted(x: Any) -> bool:
    """Whether an operand, which may be a number or None, requires a gradient."""
    return getattr(x, "requires_grad", False)


def _declared(forward: Callable[..., Any], unless: dict[str, str]) -> Any:
    # One form of the op for each choice of what is saved; the first saves nothing of what can be spared, the last all.
    forms = [Op(forward) for _ in range(1 << len(unless))]
    this = forms[-1]
    OPS[this.name] = this

    call = functools.wraps(forward)(_caller(forms, unless))

    def rule(saves: tuple[str, ...] = ()) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def declare(vjp: Callable[..., Any]) -> Callable[..., Any]:
            for choice, form in enumerate(forms):
                spared = {what for k, what in enumerate(unless) if not choice >> k & 1}
                form.vjp = vjp
                form.saves = tuple(what for what in saves if what not in spared)
                form.spec = tuple(form.position(what) for what in form.saves)
                form.gaps = tuple(k for k, what in enumerate(saves) if what in spared)
            return vjp

        return declare

    def unfused(composition: Callable[..., Any]) -> Callable[..., Any]:
        for form in forms:
            form.unfused = composition
        return composition

    call.rule = rule  # type: ignore[attr-defined]
    call.unfused = unfused  # type: ignore[attr-defined]
    call.op = this  # type: ignore[attr-defined]
    return call


#: The attributes of an op that has none.
_NONE: dict[str, Any] = {}

#: What calls an op, with the op's own signature: that costs half of what `*args` and `**attributes` do, and an op on a few
#: elements takes hardly longer than its call. Their tuple and dictionary are made for the graph only. It is compiled at
#: the op's first call: hundreds of ops would otherwise make half of the time of an import.
_CALLER = """
def {name}({signature}):
    try:
        result = forward({arguments})
    except AttributeError as error:
        raise no_array(error, "{name}", {named}) from None
    if type(result) is tuple:
        record_parts({this}, ({operands}), {attributes}, result)
    elif result.requires_grad:
        result._node = record({this}, ({operands}), {attributes}, result)
    return result
"""


def _first_call(*args: Any, **attributes: Any) -> Any:
    """The code of a caller until its first call, which puts the compiled one in its place; the names are its globals."""
    specialise()  # type: ignore[name-defined]  # noqa: F821
    return caller(*args, **attributes)  # type: ignore[name-defined]  # noqa: F821


def _caller(forms: list[Op], unless: dict[str, str]) -> Any:
    scope: dict[str, Any] = {
        "forward": forms[0].forward, "this": forms[0], "forms": forms, "record": record, "record_parts": _record_parts,
        "wanted": wanted, "none": _NONE, "no_array": no_array,
    }  # fmt: skip
    call: Any = types.FunctionType(_first_call.__code__, scope, forms[0].name)

    def specialise() -> None:
        compiled = _compiled(forms[0], unless, scope)
        call.__defaults__, call.__kwdefaults__ = compiled.__defaults__, compiled.__kwdefaults__
        call.__code__ = compiled.__code__

    scope["specialise"], scope["caller"] = specialise, call
    return call


def _compiled(this: Op, unless: dict[str, str], scope: dict[str, Any]) -> Any:
    import inspect  # a fifth of an import's time, where nothing else has loaded it

    signature = inspect.signature(this.forward)
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    signature = signature.replace(parameters=bare, return_annotation=inspect.Signature.empty)
    operands = "".join(
        f"{'*' if p.kind is p.VAR_POSITIONAL else ''}{p.name}, " for p in bare if p.kind is not p.KEYWORD_ONLY
    )
    keywords = [p.name for p in bare if p.kind is p.KEYWORD_ONLY]
    choice = " | ".join(f"({condition}) << {k}" for k, condition in enumerate(unless.values()))
    source = _CALLER.format(
        name=this.name, signature=str(signature)[1:-1], operands=operands,
        arguments=operands + ", ".join(f"{name}={name}" for name in keywords),
        named="{" + ", ".join(f"'{p.name}': {p.name}" for p in bare) + "}",
        attributes="{" + ", ".join(f"'{name}': {name}" for name in keywords) + "}" if keywords else "none",
        this=f"forms[{choice}]" if unless else "this",
    )  # fmt: skip
    made: dict[str, Any] = {}
    exec(compile(source, f"<op {this.name}>", "exec"), scope, made)
    return made[this.name]


def _record_parts(this: Op, args: tuple[Any, ...], attributes: dict[str, Any], parts: tuple[Any, ...]) -> None:
    differentiable = [k for k, part in enumerate(parts) if part is not None and part.requires_grad]
    if differentiable:
        node = record(this, args, attributes, parts)
        for k in differentiable:
            parts[k]._node = Output(node, k, parts[k])
