"""Recorded steps: a function whose backend calls are written down once and made again without Python.

A small training step spends most of its time in the interpreter: building the graph, walking it, calling the optimizer.
What reaches the kernels is the same list of calls each time. `fg.record` keeps that list and replays it.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import threading
import types
from collections.abc import Callable
from operator import is_
from typing import Any, NamedTuple

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
    recording), and so is everything that Python decides or does: branches, loops, numbers read from globals, lists that
    are appended to. Changed attributes, parameters, buffers and hooks of modules, `train()` and `eval()`, options, state
    and parameters of optimizers, `requires_grad` and other memory behind a parameter are noticed, and the step is
    recorded again.

    The results are constants: `backward` belongs inside the function. A function that cannot be replayed runs as it is,
    and a warning says why: it reads values in Python (`item()`, `float(loss)`, `print`), changes attributes of a module
    or options of an optimizer, returns a graph, makes tensors from Python numbers that differ each time, or its shapes
    depend on data.

    Args:
        function: a training step, or a function of an inference.

    Example:
        >>> import ferrograd as fg
        >>> model = fg.nn.Linear(3, 1)
        >>> optimizer = fg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        >>> @fg.record
        ... def step(x, y):
        ...     loss = fg.nn.functional.mse_loss(model(x), y)
        ...     optimizer.zero_grad()
        ...     loss.backward()
        ...     optimizer.step()
        ...     return loss
        >>> x, y = fg.randn(8, 3), fg.randn(8, 1)
        >>> losses = [step(x, y).item() for _ in range(5)]
        >>> step
        <recorded step: 3 recordings, 2 replays>
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
        self._full = False

    @property
    def _name(self) -> str:
        return getattr(self.function, "__qualname__", type(self.function).__name__)

    def __repr__(self) -> str:
        return f"<recorded {self._name}: {self.recordings} recordings, {self.replays} replays>"

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __reduce__(self) -> Any:
        # A copy has recordings of its own.
        return RecordedStep, (self.function,)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        inputs: list[Any] = []
        form = _form((args, kwargs) if kwargs else args, inputs)
        if anomaly.enabled or graph.packs() or _inside():
            return self._plain(args, kwargs, inputs)
        key = form, _core.is_grad_enabled(), _core.is_inference_mode_enabled()
        try:
            entry = self._entries.get(key)
        except TypeError:
            raise TypeError(
                f"record: arguments: expected tensors, arrays and what can be hashed, got {_unhashable((args, kwargs))}"
            ) from None
        if entry is None:
            if len(self._entries) >= FORMS:
                if not self._full:
                    self._full = True
                    self._say(f"its arguments had more than {FORMS} different forms")
                return self._plain(args, kwargs, inputs)
            entry = self._entries[key] = _Entry(args, kwargs)
        ready = entry.ready
        if ready is not None and ready.fits(inputs):
            self.replays += 1
            entry.restless = 0
            return ready.replay(inputs)
        if entry.reason is not None or not _Recorder.lock.acquire(blocking=False):
            return self._plain(args, kwargs, inputs)
        try:
            return self._record(entry, args, kwargs, inputs)
        finally:
            _Recorder.lock.release()

    def _plain(self, args: Any, kwargs: Any, inputs: list[Any]) -> Any:
        """The function itself, which gets tensors in place of arrays in any case."""
        args, kwargs = _given((args, kwargs), iter(inputs))
        return self.function(*args, **kwargs)

    def _say(self, reason: str) -> None:
        warn(f"record: {self._name} is run as it is and not replayed: {reason}")

    def _record(self, entry: _Entry, args: Any, kwargs: Any, inputs: list[Any]) -> Any:
        entry.ready = None
        recorder = _Recorder(inputs)
        result = recorder.run(self.function, *_given((args, kwargs), iter(inputs)))
        self.recordings += 1
        before, entry.recorded = entry.recorded, recorder
        entry.reason = recorder.reason
        if entry.reason is None and before is not None:
            difference = recorder.difference(before)
            if difference is None:
                entry.ready = _Ready.of(recorder, before)
                entry.tries = 0
            else:
                entry.tries += 1
                if entry.tries >= TRIES:
                    entry.reason = f"{TRIES + 1} recordings differed, each from the one before: {difference}"
        entry.restless += 1
        if entry.restless == RESTLESS and entry.reason is None:
            warn(
                f"record: {self._name} was recorded {RESTLESS} times in a row and never replayed, because attributes of "
                "modules or other settings changed between the calls"
            )
        if entry.reason is not None:
            entry.recorded = None
            self._say(entry.reason)
        return result


class _Entry:
    """What is known of the calls whose arguments have one form."""

    __slots__ = ("given", "ready", "reason", "recorded", "restless", "tries")

    def __init__(self, args: Any, kwargs: Any) -> None:
        #: Parameters among the arguments are told by their identity, which has to last.
        self.given = _fixed((args, kwargs))
        self.recorded: Any = None
        self.ready: _Ready | None = None
        self.reason: str | None = None
        self.tries = self.restless = 0


class _Optimizer(NamedTuple):
    """An optimizer as it was when its step was recorded."""

    optimizer: Any
    #: Each group, its options then, and the array that holds the learning rate.
    groups: list[tuple[dict[str, Any], dict[str, Any], Any]]
    own: list[dict[str, Any]]
    state: Any
    #: The parameters and their states, and with the options.
    states: Any
    whole: Any

    @classmethod
    def of(cls, optimizer: Any) -> _Optimizer:
        own = optimizer.param_groups
        lists, states = [own, *(g["params"] for g in own)], [optimizer.state, *optimizer.state.values()]
        return cls(
            optimizer,
            [(g, dict(g), _rate(optimizer, g)) for g in own],
            own,
            optimizer.state,
            _core.Snapshot.of(states, lists, None),
            _core.Snapshot.of([*states, *own], lists, "lr"),
        )

    def same(self) -> bool:
        """Whether it is as it was; a learning rate may differ, and is filled into the array that the recording reads."""
        optimizer = self.optimizer
        if optimizer.state is not self.state or optimizer.param_groups is not self.own:
            return False
        if not self.whole.same() and not self._equal():
            return False
        for group, _, rate in self.groups:
            if _rate(optimizer, group) is not rate:
                return False
        optimizer.__dict__["_opt_called"] = True
        return True

    def _equal(self) -> bool:
        """As `same`, where options may be other objects of the same value."""
        return self.states.same() and all(_same_options(group, before) for group, before, _ in self.groups)


def _rate(optimizer: Any, group: dict[str, Any]) -> Any:
    return optimizer._rate(group) if "lr" in group else None


def _identical(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two dictionaries have the same objects in the same order."""
    return len(a) == len(b) and all(map(is_, a, b)) and all(map(is_, a.values(), b.values()))


def _same_options(group: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether the options that are part of a recording are equal."""
    if group.keys() != before.keys():
        return False
    for name, value in group.items():
        known = before[name]
        if known is value:
            continue
        if name == "params" or _is_tensor(value) or _is_tensor(known) or (name != "lr" and known != value):
            return False
    return True


class _Ready(NamedTuple):
    """A recording that is trusted."""

    tape: Any
    #: What the result looks like, and whether it is one tensor.
    result: Any
    single: bool
    #: Where an argument showed the same memory in both recordings, its place: only there it cannot be told from the same
    #: memory reached by another way.
    places: list[tuple[int, Any]]
    changes: int
    optimizers: list[_Optimizer]

    @classmethod
    def of(cls, recorder: _Recorder, before: _Recorder) -> _Ready:
        free = before.free | {k for k, (a, b) in enumerate(zip(recorder.places, before.places, strict=True)) if a != b}
        recorder.free = free
        places = [(k, place) for k, place in enumerate(recorder.places) if k not in free]
        optimizers = [_Optimizer.of(optimizer) for optimizer, _ in recorder.options]
        result = recorder.result
        recorder.trim()
        return cls(recorder.tape(), result, result == ("tensor", 0), places, _recording.changes, optimizers)

    def fits(self, inputs: list[Any]) -> bool:
        """Whether everything that the recording took for granted still holds."""
        if self.changes != _recording.changes or not self.tape.fits():
            return False
        for k, place in self.places:
            if inputs[k]._place != place:
                return False
        return all(optimizer.same() for optimizer in self.optimizers)

    def replay(self, inputs: list[Any]) -> Any:
        outputs = self.tape.replay(inputs, _core.backend if _interpose.watched() else None)
        return outputs[0] if self.single else _rebuilt(self.result, outputs)


def _is_tensor(x: Any) -> bool:
    return isinstance(x, _core.TensorBase)


def _inside() -> bool:
    """Whether this thread is recording: a step inside a step is part of it."""
    recorder = _recording.active
    return recorder is not None and recorder.thread == threading.get_ident()


# -- arguments and results ---------------------------------------------------------------------------------------------


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
    # 0.0 and -0.0 are equal, and NaN is not.
    return kind, value.hex() if kind is float else value


def _fixed(value: Any) -> list[Any]:
    """The tensors that `_form` tells by their identity."""
    if isinstance(value, _core.TensorBase):
        return [value] if value.requires_grad else []
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (tuple, list)) else ()
    return [x for part in parts for x in _fixed(part)]


def _given(value: Any, inputs: Any) -> Any:
    """The argument with the tensors of an iterator in place of those that `_form` found."""
    if isinstance(value, np.ndarray) or (_is_tensor(value) and not value.requires_grad):
        return next(inputs)
    if isinstance(value, (tuple, list)):
        return _refilled(value, [_given(part, inputs) for part in value])
    if isinstance(value, dict):
        return _refilled(value, [(key, _given(part, inputs)) for key, part in value.items()])
    return value


def _refilled(container: Any, parts: list[Any]) -> Any:
    """A container of the same class with other parts, which for a dictionary are pairs."""
    kind = type(container)
    if isinstance(container, tuple):
        return kind(*parts) if hasattr(container, "_fields") else kind(parts)
    if kind in (list, dict):
        return kind(parts)
    made = copy.copy(container)
    if isinstance(made, list):
        made[:] = parts
    else:
        for key, value in parts:
            made[key] = value
    return made


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
        return _refilled(content, [_rebuilt(part, outputs) for part in more[0]])
    if kind == "dict":
        return _refilled(content, [(key, _rebuilt(part, outputs)) for key, part in more[0]])
    return content


# -- recording ---------------------------------------------------------------------------------------------------------


class _Recorder:
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
        return _rebuilt(self.result, [self._outside(x, code) for x, code in zip(found, self.outputs, strict=True)])

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
            if len(now) != len(groups) or not all(map(_identical, now, groups)):
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
            return "sequence", _refilled(value, [None] * len(parts)), parts
        if isinstance(value, dict):
            parts = [(key, self.outline(part, found)) for key, part in value.items()]
            return "dict", _refilled(value, [(key, None) for key in value]), parts
        if value is not None and not isinstance(value, (bool, int, float, complex, str)):
            self.unfit(
                f"it returns a {type(value).__name__}: expected tensors, numbers, strings and containers of them"
            )
        return "value", value

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
