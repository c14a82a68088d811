"""Recorded steps: a function whose backend calls are written down once and made again without Python.

A small training step spends most of its time in the interpreter: building the graph, walking it, calling the optimizer.
What reaches the kernels is the same list of calls each time. `fg.record` keeps that list and replays it.
"""

from __future__ import annotations

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

from .. import _core
from .._warn import warn
from ..autograd import anomaly, graph
from .forms import fixed, form_of, given, unhashable
from .ready import Ready
from .recorder import Recorder, inside

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
        form = form_of((args, kwargs) if kwargs else args, inputs)
        if anomaly.enabled or graph.packs() or inside():
            return self._plain(args, kwargs, inputs)
        key = form, _core.is_grad_enabled(), _core.is_inference_mode_enabled()
        try:
            entry = self._entries.get(key)
        except TypeError:
            raise TypeError(
                f"record: arguments: expected tensors, arrays and what can be hashed, got {unhashable((args, kwargs))}"
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
        if entry.reason is not None or not Recorder.lock.acquire(blocking=False):
            return self._plain(args, kwargs, inputs)
        try:
            return self._record(entry, args, kwargs, inputs)
        finally:
            Recorder.lock.release()

    def _plain(self, args: Any, kwargs: Any, inputs: list[Any]) -> Any:
        """The function itself, which gets tensors in place of arrays in any case."""
        args, kwargs = given((args, kwargs), iter(inputs))
        return self.function(*args, **kwargs)

    def _say(self, reason: str) -> None:
        warn(f"record: {self._name} is run as it is and not replayed: {reason}")

    def _record(self, entry: _Entry, args: Any, kwargs: Any, inputs: list[Any]) -> Any:
        entry.ready = None
        recorder = Recorder(inputs)
        result = recorder.run(self.function, *given((args, kwargs), iter(inputs)))
        self.recordings += 1
        before, entry.recorded = entry.recorded, recorder
        entry.reason = recorder.reason
        if entry.reason is None and before is not None:
            difference = recorder.difference(before)
            if difference is None:
                entry.ready = Ready.of(recorder, before)
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
        self.given = fixed((args, kwargs))
        self.recorded: Any = None
        self.ready: Ready | None = None
        self.reason: str | None = None
        self.tries = self.restless = 0
