"""Anomaly mode: where a NaN came from, and whether saved memory was written to; slow, for finding an error.

In the mode a node remembers in which layer and at which line its op ran, and whether its result held a NaN. `backward`
raises where what it is to differentiate is NaN, and where a rule makes a NaN of a gradient; both name the op and layer that
first made one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from .. import _core

enabled = False
check_nan = True

#: The modules whose calls are under way, the innermost first, and what to call the innermost. `nn` sets both.
running: Callable[[], Sequence[Any]] = list
describe: Callable[[Sequence[Any]], str] = lambda modules: ""  # noqa: E731

#: Files of the package, and the functions that it compiles for its ops.
_OURS = (os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep, "<op ")


class set_detect_anomaly:
    """Switches anomaly mode on or off: at once, and back again at the end of a `with`."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = (enabled, globals()["check_nan"])
        _switch(bool(mode), bool(check_nan))

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        _switch(*self._before)


class detect_anomaly:
    """Inside, what makes a NaN is named in an error, and saved memory that no op has written to must be unchanged.

    Both passes have to run inside. With `check_nan=False` only the memory is checked: writes through NumPy, which no op
    sees. Every value is read again and every saved byte twice, so this is for finding an error, not for training.

    Example:
        >>> import ferrograd as fg
        >>> x = fg.tensor([-1.0], requires_grad=True)
        >>> with fg.autograd.detect_anomaly():
        ...     try:
        ...         fg.log(x).sum().backward()
        ...     except RuntimeError as error:
        ...         print(str(error).split(", at")[0])
        backward: outputs[0] is nan: first made by log
    """

    def __init__(self, check_nan: bool = True) -> None:
        self._check_nan = bool(check_nan)
        self._before: list[tuple[bool, bool]] = []

    def __enter__(self) -> Self:
        self._before.append((enabled, check_nan))
        _switch(True, self._check_nan)
        return self

    def __exit__(self, *_: object) -> None:
        _switch(*self._before.pop())


def _switch(mode: bool, nan: bool) -> None:
    global enabled, check_nan
    enabled, check_nan = mode, nan


class Trace:
    """Where an op ran, what it saved, and whether a NaN went in and came out."""

    __slots__ = ("checksums", "given", "layers", "line", "nan")

    def __init__(self, node: Any, args: tuple[Any, ...], result: Any) -> None:
        self.checksums = [s.checksum() if type(s) is _core.Saved else None for s in node.saved]
        self.layers = running()
        self.line = _users_line()
        self.nan = check_nan and has_nan(result)
        #: The operand that held a NaN before the op ran.
        self.given = next((operand(node, k) for k, x in enumerate(args) if has_nan(x)), None) if self.nan else None

    def __str__(self) -> str:
        layer = describe(self.layers)
        return (f" in {layer}" if layer else "") + (f", at {self.line}" if self.line else "")


def has_nan(value: Any) -> bool:
    """Whether a tensor, or one of a tuple or list of them, holds a NaN."""
    if isinstance(value, (tuple, list)):
        return any(has_nan(part) for part in value)
    if isinstance(value, _core.TensorBase):
        return value._dtype in ("float32", "float64", "float16") and bool(np.isnan(value._numpy()).any())
    return isinstance(value, float) and value != value


def operand(node: Any, k: int) -> str:
    """What the k-th operand of a node is called."""
    names = getattr(node.op, "operands", ())
    return f"'{names[k]}'" if k < len(names) else f"operand {k}"


def _users_line() -> str:
    """The innermost line under way that is not this package's."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back  # type: ignore[assignment]
    return "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _first(nodes: Sequence[Any]) -> Any:
    """The earliest node behind these whose result held a NaN; None where there is none."""
    stack, seen, found = list(nodes), set(), None
    while stack:
        node = stack.pop()
        node = getattr(node, "node", node)
        if isinstance(node, _core.TensorBase) or id(node) in seen:
            continue
        seen.add(id(node))
        stack.extend(edge for edge in node.edges if edge is not None)
        if getattr(node, "trace", None) is not None and node.trace.nan and (found is None or node.order < found.order):
            found = node
    return found


def _story(node: Any) -> str:
    """Which op made a NaN, and of what."""
    given = f"; its operand {node.trace.given} was nan already" if node.trace.given else ""
    return f"first made by {node.name}{node.trace}{given}"


def check_outputs(outputs: Sequence[Any]) -> None:
    """Raises where a tensor that backward begins with holds a NaN."""
    for k, y in enumerate(outputs):
        if check_nan and has_nan(y):
            first = _first([y._node] if y._node is not None else [])
            story = _story(first) if first is not None else "made before anomaly mode was on, or given so"
            raise RuntimeError(f"backward: outputs[{k}] is nan: {story}")


def check_gradients(node: Any, g: Any, gradients: Sequence[Any]) -> None:
    """Raises where a rule returned a NaN."""
    if not check_nan:
        return
    for k, share in enumerate(gradients):
        if not has_nan(share):
            continue
        where = str(node.trace) if getattr(node, "trace", None) is not None else ""
        what = f"returned nan values in its {k}th output, the gradient of {operand(node, k)}"
        message = f"backward of {node.name}{where}: {what}"
        first = _first([node])
        if has_nan(g):
            message += "; the gradient that came in was nan already"
        elif first is not None:
            message += f"; in the forward pass a nan was {_story(first)}"
        raise RuntimeError(message)
