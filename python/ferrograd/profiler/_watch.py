"""What runs is seen at three places, for as long as a profile is under way: backend calls, layers, nodes of backward.

The functions there are replaced by ones that note when they begin and end, so a program that is not profiled pays nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from time import perf_counter_ns
from typing import Any

from .. import _core, _interpose
from ..autograd import engine, graph
from ..nn._where import child_name
from ..nn.module import Module
from . import _costs


class Event:
    """Something that began and ended: a backend call, a layer's forward pass, or a node of the backward pass."""

    __slots__ = ("backward", "bytes", "flops", "kind", "layer", "name", "op", "seconds", "shapes", "start", "thread")

    def __init__(self, kind: str, name: str, layer: str, op: str, backward: bool, shapes: str = "") -> None:
        #: "call", "layer", "node" or "backward".
        self.kind = kind
        #: Of the backend's function, of the layer's class, or of the op.
        self.name = name
        #: The path of the layer inside which it ran, or for which: the outermost layer's class, then names.
        self.layer = layer
        #: The op whose gradient is computed, in the backward pass.
        self.op = op
        self.backward = backward
        self.shapes = shapes
        self.thread = threading.get_ident()
        self.flops = 0.0
        self.bytes = 0
        #: Seconds on the clock of `time.perf_counter`.
        self.start = 0.0
        self.seconds = 0.0


class _Place(threading.local):
    """Where a thread is."""

    def __init__(self) -> None:
        self.layers: list[tuple[Any, str]] = []
        #: The node whose gradient is under way, or was computed last: sums that make it fit belong to it.
        self.op, self.layer = "", ""
        self.backward = 0


_place = _Place()
_lock = threading.Lock()
_listeners: list[Callable[[Event], None]] = []
#: The path of the layer that recorded each node, by the node's number.
_recorded: dict[int, str] = {}
_names: dict[tuple[int, int], str] = {}
_undo: list[tuple[Any, str, Any]] = []


def listen(listener: Callable[[Event], None]) -> None:
    """Calls `listener` with every event from now on; it is noted at its end."""
    with _lock:
        if not _listeners:
            _install()
        _listeners.append(listener)


def ignore(listener: Callable[[Event], None]) -> None:
    """Ends what `listen` began."""
    with _lock:
        _listeners.remove(listener)
        if not _listeners:
            _interpose.remove(_call)
            while _undo:
                setattr(*_undo.pop())
            _recorded.clear()
            _names.clear()


def _replace(owner: Any, name: str, wrap: Callable[[Any], Any]) -> None:
    before = getattr(owner, name)
    _undo.append((owner, name, before))
    setattr(owner, name, wrap(before))


def _install() -> None:
    _interpose.add(_call)
    _replace(Module, "__call__", _layer)
    _replace(graph, "numbers", _Numbers)
    _replace(engine, "_gradients", _gradients)
    _replace(engine, "_walk", _walk)


def _tell(event: Event, started: int) -> None:
    ended = perf_counter_ns()
    event.start, event.seconds = started * 1e-9, (ended - started) * 1e-9
    for listener in _listeners:
        listener(event)


def _call(name: str, function: Any) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        started = perf_counter_ns()
        result = function(*args, **kwargs)
        ended = perf_counter_ns()
        place = _place
        if place.backward:
            event = Event("call", name, place.layer, place.op, True)
        else:
            event = Event("call", name, place.layers[-1][1] if place.layers else "", "", False)
        event.shapes = ", ".join(str(x.shape) for x in args if isinstance(x, _core.TensorBase))
        event.flops = _costs.flops(name, args, result)
        event.bytes = _costs.moved(name, args, kwargs, result)
        event.start, event.seconds = started * 1e-9, (ended - started) * 1e-9
        for listener in _listeners:
            listener(event)
        return result

    return call


def _path(module: Any) -> str:
    """The path of a module that is called now."""
    if not _place.layers:
        return type(module).__name__
    parent, path = _place.layers[-1]
    if parent is module:
        return path
    key = id(parent), id(module)
    if key not in _names:
        _names[key] = child_name(parent, module)
    return f"{path}.{_names[key]}"


def _layer(call: Any) -> Any:
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        path = _path(self)
        _place.layers.append((self, path))
        event, started = Event("layer", type(self).__name__, path, "", False), perf_counter_ns()
        try:
            return call(self, *args, **kwargs)
        finally:
            _place.layers.pop()
            _tell(event, started)

    return __call__


class _Numbers:
    """The numbers of nodes; which layer took one is noted."""

    def __init__(self, numbers: Iterator[int]) -> None:
        self._numbers = numbers

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        number = next(self._numbers)
        if _place.layers:
            _recorded[number] = _place.layers[-1][1]
        return number


def _gradients(gradients: Any) -> Any:
    def watched(node: Any, *args: Any) -> Any:
        _place.op, _place.layer = node.name, _recorded.get(node.order, "")
        event, started = Event("node", node.name, _place.layer, node.name, True), perf_counter_ns()
        try:
            return gradients(node, *args)
        finally:
            _tell(event, started)

    return watched


def _walk(walk: Any) -> Any:
    def watched(roots: Any, retain: bool, create: bool, on_leaf: Any, *rest: Any) -> None:
        def leaves(found: Any) -> None:
            _place.op, _place.layer = "", ""
            on_leaf(found)

        before = _place.op, _place.layer
        _place.op, _place.layer = "", ""
        _place.backward += 1
        event, started = Event("backward", "backward", "", "", True), perf_counter_ns()
        try:
            walk(roots, retain, create, leaves, *rest)
        finally:
            _place.backward -= 1
            _place.op, _place.layer = before
            _tell(event, started)

    return watched
