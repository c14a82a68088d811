"""Recorded steps: a function whose backend calls are written down once and made again without Python.

A small training step spends most of its time in the interpreter: building the graph, walking it, calling the optimizer.
What reaches the kernels is the same list of calls each time. `fg.record` keeps that list and replays it.
"""

from __future__ import annotations

import functools
import threading
import types
from collections.abc import Callable
from operator import is_
from typing import Any

import numpy as np

from . import _core, _interpose, _recording, ops
from ._tensor import Tensor
from ._warn import warn
from .autograd import anomaly, graph

#: Calls whose results have shapes that depend on data; Python works on with those shapes.
DATA_DEPENDENT = {"nonzero"}
#: Recordings in a row that differ, each from the one before, until a step is given up; and forms of arguments.
TRIES, FORMS = 4, 64
#: Recordings in a row, none of them replayed, because something had changed each time, until that is said.
RESTLESS = 32


def record(function: Callable[..., Any]) -> RecordedStep:
    """A function that does what `function` does, and after a few calls does so without running its Python.

    The calls are recorded until two recordings in a row are the same: the second call of most inference functions, the
    third of most training steps, whose first makes the optimizer's state. From then on a call replays the list of
    kernels in one go. Results are bit-equal; gradients, parameters, optimizer state, running statistics and random
    numbers go on as they would.

    What changes from call to call has to be a tensor or an ndarray among the arguments, which reach the function as
    tensors. Learning rates may change between calls. Other arguments are part of the recording (a new number is a new
    recording), and so is everything that Python decides: branches, loops, numbers read from globals. Changed attributes
    of modules, `train()` and `eval()`, options of optimizers, hooks, `requires_grad` and other memory behind a parameter
    are noticed, and the step is recorded again.

    The results are constants: `backward` belongs inside the function. A function that cannot be replayed runs as it is,
    and a warning says why: it reads values in Python (`item()`, `float(loss)`, `print`), returns a graph, makes
    tensors from Python numbers that differ each time, or its shapes depend on data.

    Args:
        function: a training step, or a function of an inference.

    Example:
        >>> import ferrograd as fg
        >>> model = fg.nn.Linear(3, 1)
        >>> optimizer = fg.optim.SGD(model.parameters(), lr=0.1)
        >>> @fg.record
        ... def step(x, y):
        ...     loss = fg.nn.functional.mse_loss(model(x), y)
        ...     optimizer.zero_grad()
        ...     loss.backward()
        ...     optimizer.step()
        ...     return loss
        >>> x, y = fg.randn(8, 3), fg.randn(8, 1)
        >>> losses = [step(x, y).item() for _ in range(5)]
        >>> step.replays
        3
    """
    return RecordedStep(function)


class RecordedStep:
    """What `fg.record` makes of a function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        if not callable(function):
            raise TypeError(f"record: function: expected a callable, got {type(function).__name__}")
        functools.update_wrapper(self, function, updated=())
        self.function = function
        #: How many calls were recorded, and how many were replayed.
        self.recordings = self.replays = 0
        self._entries: dict[Any, _Entry] = {}

    def __repr__(self) -> str:
        name = getattr(self.function, "__qualname__", type(self.function).__name__)
        return f"<recorded {name}: {self.recordings} recordings, {self.replays} replays>"

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if anomaly.enabled or graph.packs() or _inside():
            return self.function(*args, **kwargs)
        inputs: list[Any] = []
        form = _form((args, kwargs) if kwargs else args, inputs)
        key = form, _core.is_grad_enabled(), _core.is_inference_mode_enabled()
        try:
            entry = self._entries.get(key)
        except TypeError:
            raise TypeError(
                f"record: arguments: expected tensors, arrays and what can be hashed, got {_unhashable((args, kwargs))}"
            ) from None
        if entry is None:
            entry = self._new(key, inputs)
        if entry.reason is not None:
            return self.function(*args, **kwargs)
        tape = entry.tape
        if tape is not None and entry.changes == _recording.changes and tape.fits() and entry.options_are_same():
            if entry.gaps:
                inputs = [_core.backend.clone(x) for x in inputs]
            outputs = tape.replay(inputs, _core.backend if _interpose.watched() else None)
            self.replays += 1
            entry.restless = 0
            return outputs[0] if entry.single else _rebuilt(entry.recorded.result, outputs)
        return self._record(entry, args, kwargs)

    def _new(self, key: Any, inputs: list[Any]) -> _Entry:
        entry = self._entries[key] = _Entry()
        entry.gaps = any(not x._form[4] for x in inputs)
        if len(self._entries) > FORMS:
            entry.reason = f"its arguments had more than {FORMS} different forms"
            self._give_up(entry)
        return entry

    def _give_up(self, entry: _Entry) -> None:
        entry.tape = entry.recorded = None
        name = getattr(self.function, "__qualname__", type(self.function).__name__)
        warn(f"record: {name} is run as it is and not replayed: {entry.reason}")

    def _record(self, entry: _Entry, args: Any, kwargs: Any) -> Any:
        recorder = _Recorder()
        result = recorder.run(self.function, args, kwargs)
        self.recordings += 1
        before, entry.recorded, entry.tape = entry.recorded, recorder, None
        entry.reason = recorder.reason
        if entry.reason is None and before is not None:
            difference = recorder.difference(before)
            if difference is None:
                entry.adopt(recorder)
                entry.tries = 0
            else:
                entry.tries += 1
                if entry.tries >= TRIES:
                    entry.reason = f"{TRIES + 1} recordings differed, each from the one before: {difference}"
        entry.restless += 1
        if entry.restless == RESTLESS and entry.reason is None:
            warn(
                f"record: {getattr(self.function, '__qualname__', self.function)} was recorded {RESTLESS} times in a row "
                "and never replayed, because attributes of modules or other settings changed between the calls"
            )
        if entry.reason is not None:
            self._give_up(entry)
        return result


class _Entry:
    """What is known of the calls whose arguments have one form."""

    __slots__ = ("changes", "gaps", "options", "reason", "recorded", "restless", "single", "tape", "tries")

    def __init__(self) -> None:
        self.recorded: Any = None
        self.tape: Any = None
        self.reason: str | None = None
        self.changes = 0
        self.tries = self.restless = 0
        self.single = self.gaps = False
        self.options: list[tuple[Any, list[dict[str, Any]]]] = []

    def adopt(self, recorder: _Recorder) -> None:
        """Trusts a recording that is the same as the one before."""
        self.tape = recorder.tape()
        self.changes = _recording.changes
        self.options = recorder.options
        self.single = recorder.result == ("tensor", 0)
        recorder.trim()

    def options_are_same(self) -> bool:
        """Whether the options of the optimizers are those of the recording; learning rates are brought up to date."""
        for optimizer, groups in self.options:
            if len(optimizer.param_groups) != len(groups):
                return False
            for group, before in zip(optimizer.param_groups, groups, strict=True):
                if len(group) == len(before) and _identical(group, before):
                    continue
                if group.keys() != before.keys():
                    return False
                for name, value in group.items():
                    known = before[name]
                    if known is value:
                        continue
                    if _is_tensor(value) or _is_tensor(known) or (name != "lr" and known != value):
                        return False
                    before[name] = value
                optimizer._rate(group)
        return True


def _identical(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two dictionaries have the same objects in the same order."""
    return all(map(is_, a, b)) and all(map(is_, a.values(), b.values()))


def _is_tensor(x: Any) -> bool:
    return isinstance(x, _core.TensorBase)


def _inside() -> bool:
    """Whether this thread is recording: a step inside a step is part of it."""
    recorder = _recording.active
    return recorder is not None and recorder.thread == threading.get_ident()


def _form(value: Any, inputs: list[Any]) -> Any:
    """What a recording depends on of an argument; its tensors and arrays are put into `inputs`."""
    if isinstance(value, np.ndarray):
        value = _core.from_numpy(value)
    if isinstance(value, _core.TensorBase):
        if value.requires_grad:  # a parameter: always the same
            return Tensor, id(value)
        inputs.append(value)
        return value._form
    kind = type(value)
    if isinstance(value, (tuple, list)):
        return kind, *[_form(part, inputs) for part in value]
    if isinstance(value, dict):
        return kind, *[(key, _form(part, inputs)) for key, part in value.items()]
    return kind, value


def _given(value: Any, inputs: Any) -> Any:
    """The argument with the tensors of an iterator in place of those that `_form` found."""
    if isinstance(value, np.ndarray) or (_is_tensor(value) and not value.requires_grad):
        return next(inputs)
    if isinstance(value, (tuple, list)):
        parts = [_given(part, inputs) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, dict):
        return type(value)((key, _given(part, inputs)) for key, part in value.items())
    return value


def _unhashable(value: Any) -> str:
    """The type of the first argument that cannot be hashed."""
    for part in value.values() if isinstance(value, dict) else value:
        if isinstance(part, (tuple, list, dict)):
            found = _unhashable(part)
            if found:
                return found
        elif getattr(type(part), "__hash__", None) is None and not isinstance(part, np.ndarray):
            return type(part).__name__
    return ""


def _rebuilt(code: Any, outputs: list[Any]) -> Any:
    """The result of a step from what `_Recorder.outline` made of it."""
    kind, content, *more = code
    if kind == "tensor":
        return outputs[content]
    if kind == "sequence":
        parts = [_rebuilt(part, outputs) for part in more[0]]
        return content(*parts) if hasattr(content, "_fields") else content(parts)
    if kind == "dict":
        return content((key, _rebuilt(part, outputs)) for key, part in more[0])
    return content


class _Recorder:
    """Stands around the backend while a step runs and writes down its calls.

    A tensor is told by its place: which memory it shows, and how. That memory is an input's, or was made by a call of
    the step, or was there before; a tensor of memory that is none of these was made behind the recorder's back.
    """

    _lock = threading.RLock()

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        #: Why the step cannot be replayed, if so.
        self.reason: str | None = None
        self.calls: list[tuple[Any, ...]] = []
        self.slots = self.inputs = 0
        #: What stands for the tensor of a place, with whether it requires a gradient: ("slot", k) or ("external", k).
        self.known: dict[tuple[Any, bool], tuple[str, int]] = {}
        #: Tensors that were there before, and those that the step makes of NumPy's arrays.
        self.externals: list[Any] = []
        self.constants: dict[int, Any] = {}
        #: The gradient that each external leaf had when it was first seen, and the leaves whose gradient is forgotten.
        self.leaves: dict[int, tuple[Any, Any]] = {}
        self.forgotten: dict[int, Any] = {}
        self.options: list[tuple[Any, list[dict[str, Any]]]] = []
        self.result: Any = None
        self.outputs: list[Any] = []
        self.gradients: list[tuple[Any, Any, Any]] = []

    # -- running a step ------------------------------------------------------------------------------------------------

    def run(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Calls the function and records it; returns what it returned, outside the graph where it can be replayed."""
        given: list[Any] = []
        _form((args, kwargs), given)
        self.start = _core.buffers_made()
        # Copies: what the step does with an argument is told from what it does with the same memory by another way.
        copies = [_core.backend.clone(x) for x in given]
        for copy in copies:
            self.known[copy._place, False] = "slot", self.slots
            self.slots += 1
        self.inputs = self.slots
        versions = [copy._version for copy in copies]
        args, kwargs = _given((args, kwargs), iter(copies))
        with self._lock:
            undo = self._install()
            try:
                result = function(*args, **kwargs)
                self.finish(result)
            finally:
                _recording.active = None
                _interpose.remove(self.around)
                for owner, name, before in undo:
                    if before is None:
                        delattr(owner, name)
                    else:
                        setattr(owner, name, before)
        for x, copy, version in zip(given, copies, versions, strict=True):
            if copy._version != version:
                if not x._form[4]:
                    self.unfit("it writes into an argument that has gaps in memory")
                _core.backend.copy_(x, copy)
        back = {id(copy): x for x, copy in zip(given, copies, strict=True)}
        return self._outside(result, back)

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
                self.constants[len(self.externals)] = result
                self.known[result._place, False] = "external", len(self.externals)
                self.externals.append(result)
            return result

        return call

    def _refusing(self, function: Any, what: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if self.here():
                self.unfit(what)
            return function(*args, **kwargs)

        return call

    # -- what the library tells ----------------------------------------------------------------------------------------

    def unfit(self, reason: str) -> None:
        """The step cannot be replayed; the first reason is kept."""
        if self.reason is None and self.here():
            self.reason = reason

    def forgets(self, leaf: Any) -> None:
        """The gradient of a leaf is set to None."""
        gradient = leaf._grad
        if self.here() and (gradient is None or gradient._place[0] < self.start):
            self.forgotten[id(leaf)] = leaf

    def steps(self, optimizer: Any) -> None:
        """An optimizer makes a step."""
        if self.here():
            if any(optimizer is other for other, _ in self.options):
                return
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
        return "value", value

    def tensor(self, x: Any) -> tuple[str, int]:
        """What stands for a tensor."""
        place, requires_grad = x._place, x.requires_grad
        code = self.known.get((place, requires_grad))
        if code is not None:
            return code
        code = self.known.get((place, not requires_grad))
        if code is not None:
            if code[0] == "external":
                self.unfit("it changes whether a tensor from outside requires a gradient")
            elif requires_grad:
                slot, self.slots = self.slots, self.slots + 1
                self.calls.append(("requiring", [code], {}, (True, False), (slot, place[2], place[4])))
                code = self.known[place, True] = "slot", slot
            return code
        if place[0] >= self.start:
            self.unfit("a tensor was made, or its values were read, by something that is no op")
        code = self.known[place, requires_grad] = "external", len(self.externals)
        self.externals.append(x)
        if requires_grad and x.is_leaf:
            self.leaves[id(x)] = x, x._grad
        elif requires_grad:
            self.unfit("it goes on with a graph that was begun outside of it")
        return code

    def made(self, name: str, result: Any, arguments: list[Any]) -> Any:
        """Which slots a result fills."""
        if result is None:
            return None
        if isinstance(result, _core.TensorBase):
            if any(result is argument for argument in arguments):
                return None
            place = result._place
            slot, self.slots = self.slots, self.slots + 1
            self.known[place, result.requires_grad] = "slot", slot
            return slot, place[2], place[4]
        if isinstance(result, (tuple, list)):
            return [self.made(name, part, arguments) for part in result]
        self.unfit(f"{name} gives a Python {type(result).__name__}")
        return None

    # -- the end of a step ---------------------------------------------------------------------------------------------

    def finish(self, result: Any) -> None:
        """Writes down what the step leaves behind: its result, and the gradients of leaves."""
        self.result = self.outline(result)
        for optimizer, groups in self.options:
            now = [dict(group) for group in optimizer.param_groups]
            if any(a.keys() != b.keys() or any(a[k] is not b[k] for k in a) for a, b in zip(now, groups, strict=False)):
                self.unfit("it changes an optimizer's options: change them outside, a learning rate's schedule too")
        leaves = {key: leaf for key, (leaf, _) in self.leaves.items()} | self.forgotten
        for key, leaf in leaves.items():
            before = "forgotten" if key in self.forgotten else self.leaves[key][1]
            gradient = leaf._grad
            made = gradient is not None and gradient._place[0] >= self.start
            code = self.tensor(gradient) if made else None
            if code is not None and code[0] != "slot":
                self.unfit("a gradient was made by something that is no op")
            self.gradients.append((leaf, before, code[1] if code else None))

    def outline(self, value: Any) -> Any:
        """The structure of a result; its tensors are put into `outputs`."""
        if isinstance(value, _core.TensorBase):
            if value.requires_grad and value._node is not None and _alive(value._node):
                self.unfit("it returns a tensor whose graph is alive: call backward inside, or detach() the tensor")
            self.outputs.append(self.tensor(value))
            return "tensor", len(self.outputs) - 1
        if isinstance(value, (tuple, list)):
            return "sequence", type(value), [self.outline(part) for part in value]
        if isinstance(value, dict):
            return "dict", type(value), [(key, self.outline(part)) for key, part in value.items()]
        if value is not None and not isinstance(value, (bool, int, float, complex, str)):
            self.unfit(
                f"it returns a {type(value).__name__}: expected tensors, numbers, strings and containers of them"
            )
        return "value", value

    def _outside(self, value: Any, back: dict[int, Any]) -> Any:
        """A result as a replay would give it: constants, and arguments themselves in place of their copies."""
        if isinstance(value, _core.TensorBase):
            if id(value) in back:
                return back[id(value)]
            return ops.detach(value) if value.requires_grad and value._node is not None and not self.reason else value
        if isinstance(value, (tuple, list)):
            parts = [self._outside(part, back) for part in value]
            return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
        if isinstance(value, dict):
            return type(value)((key, self._outside(part, back)) for key, part in value.items())
        return value

    # -- two recordings ------------------------------------------------------------------------------------------------

    def difference(self, before: _Recorder) -> str | None:
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
            elif not _same_elements(*constants):
                return f"{self._user(k)} works on values of shape {x.shape} that Python makes anew each time"
        leaves = [[(id(leaf), b if b in ("forgotten", None) else id(b), a) for leaf, b, a in r.gradients]
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
        return _core.Tape.of(calls, self.inputs, self.slots, outputs, self.externals, self.gradients)

    def trim(self) -> None:
        """Forgets what only the recording needed; what `difference` compares stays."""
        self.known.clear()
        self.leaves.clear()
        self.forgotten.clear()


def _function(name: str) -> Any:
    return _core.requiring if name == "requiring" else _interpose.plain(name)


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


def _same_elements(x: Any, y: Any) -> bool:
    """Whether two tensors are equal to the bit."""
    a, b = x._numpy(), y._numpy()
    return bool(a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes())


def _same(a: Any, b: Any) -> bool:
    """Whether two arguments as data are the same."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray):
        return bool(a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes())
    return bool(a == b) or (a != a and b != b)


def _leaves_of(code: Any) -> list[Any]:
    """The codes of tensors and values in nested ones."""
    if isinstance(code, dict):
        return [leaf for part in code.values() for leaf in _leaves_of(part)]
    if isinstance(code, tuple) and len(code) == 2 and code[0] in ("slot", "external", "value"):
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
            return "other tensors"
    return "other results"
