"""Recording a step: its backend calls and what it leaves behind as data, and in what two recordings differ."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from operator import is_
from typing import Any

import numpy as np

from .. import _core, _interpose, _recording, ops
from .._tensor import Tensor
from ..autograd import graph
from .forms import rebuilt, refilled

#: Calls whose results have shapes that depend on data; Python works on with those shapes.
DATA_DEPENDENT = {"nonzero"}


def inside() -> bool:
    """Whether this thread is recording: a step inside a step is part of it."""
    recorder = _recording.active
    return recorder is not None and recorder.thread == threading.get_ident()


def identical(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two dictionaries have the same objects in the same order."""
    return len(a) == len(b) and all(map(is_, a, b)) and all(map(is_, a.values(), b.values()))


class Recorder:
    """Stands around the backend while a step runs and writes down its calls.

    A tensor is told by its place: which memory it shows, and how. That memory is an input's, or was made by a call of
    the step, or was there before; a tensor of memory that is none of these was made behind the recorder's back.
    """

    lock = threading.RLock()

    def __init__(self, inputs: list[Any]) -> None:
        self.thread = threading.get_ident()
        self.start = _core.buffers_made()
        #: Why the step cannot be replayed, if so.
        self.reason: str | None = None
        self.calls: list[tuple[Any, ...]] = []
        #: What stands for the tensor of a place, with whether it requires a gradient: ("slot", k) or ("external", k).
        self.known: dict[tuple[Any, bool], tuple[str, int]] = {}
        self.given = inputs
        self.places = [x._place for x in inputs]
        for k, place in enumerate(self.places):
            self.known.setdefault((place, False), ("slot", k))
        self.inputs = self.slots = len(inputs)
        #: Inputs that two recordings have seen with different memory.
        self.free: set[int] = set()
        #: Tensors that were there before, and those that the step makes of NumPy's arrays, with their elements then.
        self.externals: list[Any] = []
        self.constants: dict[int, tuple[Any, int]] = {}
        #: The gradient that each external leaf had when it was first seen; the leaves whose gradient was looked at in the
        #: step, and those whose gradient it forgot unseen.
        self.leaves: dict[int, tuple[Any, Any]] = {}
        self.looked_at: set[int] = set()
        self.forgotten: dict[int, tuple[Any, str]] = {}
        self.options: list[tuple[Any, list[dict[str, Any]]]] = []
        self.result: Any = None
        self.outputs: list[Any] = []
        self.gradients: list[tuple[Any, Any, Any]] = []

    # -- running a step ------------------------------------------------------------------------------------------------

    def run(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Calls the function and records it; returns what it returned, outside the graph where it can be replayed."""
        undo = self._install()
        try:
            result = function(*args, **kwargs)
        finally:
            _recording.active = None
            _interpose.remove(self.around)
            for owner, name, before in undo:
                if before is None:
                    delattr(owner, name)
                else:
                    setattr(owner, name, before)
        found = self.finish(result)
        if self.reason is not None:
            return result
        return rebuilt(self.result, [self._outside(x, code) for x, code in zip(found, self.outputs, strict=True)])

    def _outside(self, x: Any, code: tuple[str, int]) -> Any:
        """A tensor of the result as a replay gives it: what the step made is a constant."""
        made = code[0] == "slot" and code[1] >= self.inputs
        return ops.detach(x) if made and x.requires_grad else x

    def _install(self) -> list[tuple[Any, str, Any]]:
        undo: list[tuple[Any, str, Any]] = []

        def replace(owner: Any, name: str, new: Any) -> None:
            undo.append((owner, name, vars(owner).get(name)))
            setattr(owner, name, new)

        for name in ("from_numpy", "from_dlpack"):
            replace(_core, name, self._importing(getattr(_core, name)))
        for name, what in (
            ("_numpy", "it reads the values of a tensor in Python"),
            ("__dlpack__", "it gives a tensor to another library"),
            ("_set_data", "it gives a tensor other memory"),
        ):
            replace(Tensor, name, self._refusing(getattr(Tensor, name), what))
        _interpose.add(self.around)
        _recording.active = self
        return undo

    def here(self) -> bool:
        """Whether this is the thread that is recorded."""
        return threading.get_ident() == self.thread

    def _importing(self, function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            if self.here():
                self.constants[len(self.externals)] = _digest(_core.TensorBase._numpy(result)), result._version
                self.known[result._place, False] = "external", len(self.externals)
                self.externals.append(result)
            return result

        return call

    def _refusing(self, function: Any, what: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.unfit(what)
            return function(*args, **kwargs)

        return call

    # -- what the library tells ----------------------------------------------------------------------------------------

    def unfit(self, reason: str) -> None:
        """The step cannot be replayed; the first reason is kept."""
        if self.reason is None and self.here():
            self.reason = reason

    def looks_at(self, leaf: Any) -> None:
        """The gradient of a leaf is read in Python, which may decide by whether there is one."""
        if self.here() and leaf.requires_grad and leaf.is_leaf:
            self.looked_at.add(id(leaf))
            if id(leaf) not in self.leaves:
                self.leaves[id(leaf)] = leaf, leaf._grad

    def forgets(self, leaf: Any) -> None:
        """The gradient of a leaf is set to None."""
        gradient = leaf._grad
        if not self.here() or (gradient is not None and gradient._place[0] >= self.start):
            return
        if id(leaf) not in self.looked_at:
            self.forgotten[id(leaf)] = leaf, "forgotten"
        elif gradient is not None and (gradient._place, False) not in self.known:
            # Python has seen that there is one, and no more of it.
            self.forgotten[id(leaf)] = leaf, "present"
        if id(leaf) in self.forgotten:
            # The old gradient's memory is free from here on, as in a step that is not recorded.
            self.leaves[id(leaf)] = leaf, None

    def steps(self, optimizer: Any) -> None:
        """An optimizer makes a step."""
        if not self.here():
            return
        for group in optimizer.param_groups:
            for p in group["params"]:
                self.looks_at(p)
        if not any(optimizer is other for other, _ in self.options):
            self.options.append((optimizer, [dict(group) for group in optimizer.param_groups]))

    # -- calls ---------------------------------------------------------------------------------------------------------

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """What stands in place of a function of the backend."""

        def call(*args: Any, **kwargs: Any) -> Any:
            if not self.here() or self.reason is not None:
                return function(*args, **kwargs)
            if name in DATA_DEPENDENT or (name.startswith("index_") and _has_mask(args)):
                self.unfit(f"the shape of what {name} gives depends on the data")
            positional = [self.encode(value) for value in args]
            named = {key: self.encode(value) for key, value in kwargs.items()}
            modes = _core.is_grad_enabled(), _core.is_inference_mode_enabled()
            result = function(*args, **kwargs)
            made = self.made(name, result, [*args, *kwargs.values()])
            self.calls.append((name, positional, named, modes, made))
            return result

        return call

    def encode(self, value: Any) -> Any:
        """An argument as data."""
        if isinstance(value, _core.TensorBase):
            return self.tensor(value)
        if type(value) in (list, tuple):
            return type(value).__name__, [self.encode(part) for part in value]
        if isinstance(value, np.ndarray):
            return "array", (value, _digest(value))
        return "value", value

    def tensor(self, x: Any) -> tuple[str, int]:
        """What stands for a tensor."""
        place, requires_grad = x._place, x.requires_grad
        code = self.known.get((place, requires_grad))
        if code is not None:
            if code[0] == "external":
                self._watch(x)
            return code
        code = self.known.get((place, not requires_grad))
        if code is not None:
            if code[0] == "external":
                self.unfit("it changes whether a tensor from outside requires a gradient")
                return code
            # By requires_grad_, detach_ or an op in place the same memory is part of the graph now, or no more.
            name = "requiring" if requires_grad else "detach"
            self.calls.append((name, [code], {}, (True, False), self._slot(place, requires_grad)))
            return self.known[place, requires_grad]
        if place[0] >= self.start:
            self.unfit("a tensor was made, or its values were read, by something that is no op")
        code = self.known[place, requires_grad] = "external", len(self.externals)
        self.externals.append(x)
        self._watch(x)
        return code

    def _watch(self, x: Any) -> None:
        """A tensor that was there before: its gradient is one of those that the step may change."""
        if not x.requires_grad:
            return
        if not x.is_leaf:
            self.unfit("it goes on with a graph that was begun outside of it")
        elif id(x) not in self.leaves:
            self.leaves[id(x)] = x, x._grad

    def _slot(self, place: Any, requires_grad: bool) -> tuple[int, Any, Any]:
        """A new slot for what shows `place`."""
        slot, self.slots = self.slots, self.slots + 1
        # A view of the whole is read as what it shows: an op in place is one on its base.
        self.known.setdefault((place, requires_grad), ("slot", slot))
        return slot, place[2], place[4]

    def made(self, name: str, result: Any, arguments: list[Any]) -> Any:
        """Which slots a result fills."""
        if result is None:
            return None
        if isinstance(result, _core.TensorBase):
            if any(result is argument for argument in arguments):
                return None
            return self._slot(result._place, result.requires_grad)
        if isinstance(result, (tuple, list)):
            return [self.made(name, part, arguments) for part in result]
        self.unfit(f"{name} gives a Python {type(result).__name__}")
        return None

    # -- the end of a step ---------------------------------------------------------------------------------------------

    def finish(self, result: Any) -> list[Any]:
        """Writes down what the step leaves behind, its result and the gradients of leaves; returns the result's tensors."""
        found: list[Any] = []
        if self.reason is not None:
            return found
        self.result = self.outline(result, found)
        for optimizer, groups in self.options:
            now = optimizer.param_groups
            if len(now) != len(groups) or not all(map(identical, now, groups)):
                self.unfit(_recording.OPTIONS)
        for k, (_, version) in self.constants.items():
            if self.externals[k]._version != version:
                self.unfit("it writes into a tensor that it makes of an array")
        for leaf, before in (self.leaves | self.forgotten).values():
            gradient = leaf._grad
            made = gradient is not None and gradient._place[0] >= self.start
            if made and gradient.requires_grad:
                self.unfit("it leaves gradients that are part of a graph: create_graph needs its backward inside")
            code = self.tensor(gradient) if made else None
            if code is not None and code[0] != "slot":
                self.unfit("a gradient was made by something that is no op")
            self.gradients.append((leaf, before, code[1] if code else None))
        return found

    def outline(self, value: Any, found: list[Any]) -> Any:
        """The structure of a result; its tensors are put into `found`, what stands for them into `outputs`."""
        if isinstance(value, _core.TensorBase):
            if value.requires_grad and value._node is not None and _alive(value._node):
                self.unfit("it returns a tensor whose graph is alive: call backward inside, or detach() the tensor")
            code = self.tensor(value)
            if code[0] == "external" and code[1] in self.constants:
                # Each call gives a tensor of its own.
                value = _core.backend.clone(value)
                made = self._slot(value._place, False)
                self.calls.append(("clone", [code], {}, (False, False), made))
                code = "slot", made[0]
            found.append(value)
            self.outputs.append(code)
            return "tensor", len(found) - 1
        if isinstance(value, (tuple, list)):
            parts = [self.outline(part, found) for part in value]
            return "sequence", refilled(value, [None] * len(parts)), parts
        if isinstance(value, dict):
            parts = [(key, self.outline(part, found)) for key, part in value.items()]
            return "dict", refilled(value, [(key, None) for key in value]), parts
        if value is not None and not isinstance(value, (bool, int, float, complex, str)):
            self.unfit(
                f"it returns a {type(value).__name__}: expected tensors, numbers, strings and containers of them"
            )
        return "value", value

    # -- two recordings ------------------------------------------------------------------------------------------------

    def difference(self, before: Recorder) -> str | None:
        """In what this recording differs from another one; None if they are the same."""
        for k, (now, then) in enumerate(zip(self.calls, before.calls, strict=False)):
            if now[0] != then[0]:
                return f"call {k} was {then[0]} and is {now[0]}"
            if not _same(now[1:], then[1:]):
                return f"call {k}, {now[0]}, has other arguments: {_first_difference(now, then)}"
        if len(self.calls) != len(before.calls):
            return f"there were {len(before.calls)} calls and are {len(self.calls)}"
        for k, (x, y) in enumerate(zip(self.externals, before.externals, strict=False)):
            constants = self.constants.get(k), before.constants.get(k)
            if None in constants:
                if x._place != y._place or x.requires_grad != y.requires_grad:
                    return f"{self._user(k)} works on a tensor of shape {x.shape} that is another one each time"
            elif constants[0][0] != constants[1][0]:  # type: ignore[index]
                return f"{self._user(k)} works on values of shape {x.shape} that Python makes anew each time"
        leaves = [[(id(leaf), b if b is None or isinstance(b, str) else id(b), a) for leaf, b, a in r.gradients]
                  for r in (self, before)]  # fmt: skip
        if leaves[0] != leaves[1]:
            return "other gradients are set, or forgotten"
        if not _same(self.result, before.result) or self.outputs != before.outputs:
            return "it returns something else in Python"
        return None

    def _user(self, external: int) -> str:
        """The name of the first call that reads an external tensor."""
        return next((call[0] for call in self.calls if ("external", external) in _leaves_of(call[1:3])), "it")

    def tape(self) -> Any:
        """The recording in the form that is replayed."""

        def argument(code: Any) -> Any:
            kind, content = code
            if kind == "external":
                return "fixed", self.externals[content]
            if kind == "array":
                return "fixed", content[0]
            if kind == "value":
                return "fixed", content
            if kind in ("list", "tuple"):
                parts = [argument(part) for part in content]
                if all(part[0] == "fixed" for part in parts):
                    values = [part[1] for part in parts]
                    return "fixed", values if kind == "list" else tuple(values)
                return kind, parts
            return code

        calls = [
            (name, _function(name), [argument(x) for x in positional],
             {key: argument(x) for key, x in named.items()}, modes, made)
            for name, positional, named, modes, made in self.calls
        ]  # fmt: skip
        outputs = [argument(code) for code in self.outputs]
        # Leaves too: several may show the memory of one external tensor.
        watched = {id(x): x for x in [*self.externals, *(leaf for leaf, _, _ in self.gradients)]}
        return _core.Tape.of(calls, self.inputs, self.slots, outputs, list(watched.values()), self.gradients)

    def trim(self) -> None:
        """Forgets what only the recording needed; what `difference` compares stays."""
        self.given = []
        for kept in (self.known, self.leaves, self.forgotten, self.looked_at):
            kept.clear()


def _function(name: str) -> Any:
    return _core.requiring if name == "requiring" else _interpose.plain(name)


def _digest(array: Any) -> Any:
    """What tells an array's elements; the memory may hold others later."""
    return array.shape, array.dtype.str, hashlib.blake2b(array.tobytes()).digest()


def _has_mask(value: Any) -> bool:
    """Whether there is a boolean tensor or array among nested arguments."""
    if isinstance(value, (tuple, list)):
        return any(_has_mask(part) for part in value)
    if isinstance(value, _core.TensorBase):
        return bool(value._dtype == "bool")
    return isinstance(value, np.ndarray) and value.dtype == bool


def _alive(node: Any) -> bool:
    """Whether a graph can still be walked: some node of it has what it saved."""
    seen, stack = set(), [graph.target(node)]
    while stack:
        at = stack.pop()
        if id(at) in seen or not isinstance(at, graph.Node):
            continue
        seen.add(id(at))
        if at.saved:
            return True
        stack.extend(graph.target(edge) for edge in at.edges if edge is not None)
    return False


def _same(a: Any, b: Any) -> bool:
    """Whether two arguments as data are the same."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, (tuple, list)):
        if len(a) == 2 and a[0] == "array" == b[0]:
            return bool(a[1][1] == b[1][1])
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    return bool(a == b) or (a != a and b != b)


def _leaves_of(code: Any) -> list[Any]:
    """The codes of tensors and values in nested ones."""
    if isinstance(code, dict):
        return [leaf for part in code.values() for leaf in _leaves_of(part)]
    if isinstance(code, tuple) and len(code) == 2 and code[0] in ("slot", "external", "value", "array"):
        return [code]
    if isinstance(code, (tuple, list)):
        return [leaf for part in code for leaf in _leaves_of(part)]
    return []


def _first_difference(now: Any, then: Any) -> str:
    """The first two values, or kinds of tensors, that differ between two calls."""
    for a, b in zip(_leaves_of(now[1:3]), _leaves_of(then[1:3]), strict=False):
        if not _same(a, b):
            if a[0] == b[0] == "value":
                return f"{b[1]!r}, then {a[1]!r}"
            return "other arrays" if a[0] == b[0] == "array" else "other tensors"
    return "other results"
