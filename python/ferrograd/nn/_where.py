"""Says in which layer an error was raised, while it unwinds through the modules that called each other."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import _core
from ..autograd import anomaly

if TYPE_CHECKING:
    from .module import Module


class _Trail:
    """What is known so far: the error's own words, the layer that raised, and the names on the way to it."""

    __slots__ = ("last", "layer", "message", "names", "noted")

    def __init__(self, error: BaseException, module: Module) -> None:
        plain = len(error.args) == 1 and isinstance(error.args[0], str) and str(error) == error.args[0]
        self.message: str | None = error.args[0] if plain else None
        self.names: list[str] = []
        self.layer = _line(module)
        self.last = module
        self.noted = False


def locate(error: Exception, module: Module, args: tuple[Any, ...]) -> None:
    """Adds `module` to the path that the error's message ends with."""
    trail = getattr(error, "_layer_trail", None)
    if trail is None:
        trail = _Trail(error, module)
        if isinstance(error, _core.DTypeError):
            _name_the_cure(trail, module, args)
        error._layer_trail = trail  # type: ignore[attr-defined]
    elif trail.last is not module:
        trail.names.append(child_name(module, trail.last))
        trail.last = module
    path = ".".join(reversed(trail.names))
    place = f"  in layer '{path}' ({trail.layer})" if path else f"  in {trail.layer}"
    if trail.message is not None:
        error.args = (f"{trail.message}\n{place}",)
        if str(error) == error.args[0]:
            return
        # A class with words of its own: leave them, say it in a note.
        error.args, trail.message = (trail.message,), None
    if trail.noted:
        error.__notes__.pop()
    error.add_note(place)
    trail.noted = True


def running() -> list[Module]:
    """The modules whose calls are under way on this thread, the innermost first."""
    found: list[Module] = []
    frame: Any = sys._getframe(1)
    while frame is not None:
        if frame.f_code is _call:
            module = frame.f_locals["self"]
            if not found or found[-1] is not module:
                found.append(module)
        frame = frame.f_back
    return found


def describe(modules: Sequence[Module]) -> str:
    """The innermost of modules that called each other, with its path below the outermost."""
    if not modules:
        return ""
    pairs = zip(modules[1:], modules[:-1], strict=True)
    path = ".".join(reversed([child_name(parent, child) for parent, child in pairs]))
    return f"layer '{path}' ({_line(modules[0])})" if path else _line(modules[0])


_call: Any = None


def watch_calls(call: Any) -> None:
    """Tells anomaly mode, which is below the layers, how to see which of them are running."""
    global _call
    _call = call.__code__
    anomaly.running, anomaly.describe = running, describe


def _line(module: Module) -> str:
    """A layer in one line; only its class where it holds others or cannot say what it is."""
    name = type(module).__name__
    if module.__dict__.get("_modules", True):
        return name
    try:
        return f"{name}({module.extra_repr()})"
    except Exception:  # a half-made module: its own error is the one to show
        return name


def child_name(parent: Module, child: Module) -> str:
    """The name of `child` below `parent`; its class where the parent made it on the way."""
    for name, module in parent.named_modules(remove_duplicate=False):
        if module is child and name:
            return name
    return type(child).__name__


def _name_the_cure(trail: _Trail, module: Module, args: tuple[Any, ...]) -> None:
    """What to write where the input's floating dtype is not the layer's."""
    parameters = module.__dict__.get("_parameters") or {}
    own = next((p._dtype for p in parameters.values() if p is not None), None)
    given = getattr(args[0], "dtype", None) if args else None
    name = getattr(given, "name", None)
    if trail.message is None or own is None or name is None or name == own:
        return
    trail.message += (
        f"\n  the input is {name}, the layer's parameters are {own}: "
        f"convert the input with x.{'astype' if not isinstance(args[0], _core.TensorBase) else 'to'}"
        f"({'fg.' + own if isinstance(args[0], _core.TensorBase) else repr(own)})"
    )
    if name in ("float32", "float64"):
        trail.message += f" or the layer with layer.to(fg.{name})"
