"""All streams of random numbers that a run draws from: found, read and set again."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .. import _core, nn
from ..random import Generator, default_generator

#: Objects that hold a stream.
_KINDS = (Generator, np.random.Generator, np.random.RandomState, random.Random)
#: How many objects are looked into, and how deep: a data set may hold millions.
_MOST, _DEEPEST = 2000, 6


class Streams:
    """The default generator, Python's and NumPy's global ones, and every generator found in the given objects.

    An object's attributes are looked through, and lists, tuples and dicts among them; what stands in a closure is not
    found and has to be given by itself.
    """

    def __init__(self, **roots: Any) -> None:
        self._found: dict[str, Any] = {"ferrograd": default_generator}
        self._seen: set[int] = {id(default_generator)}
        for name, root in roots.items():
            self._left = _MOST
            self._look(name, root, _DEEPEST)

    def _look(self, path: str, value: Any, depth: int) -> None:
        if id(value) in self._seen or value is None or isinstance(value, (str, bytes, int, float, type)):
            return
        self._seen.add(id(value))
        if isinstance(value, _KINDS):
            self._found[path] = value
            return
        if isinstance(value, nn.Module):
            # A deep model has more objects than are looked into; layers hold a stream themselves, if at all.
            for name, module in value.named_modules():
                for attribute, part in module.__dict__.items():
                    if isinstance(part, _KINDS):
                        self._look(f"{path}.{name}.{attribute}", part, 0)
            return
        self._left -= 1
        if depth == 0 or self._left < 0 or isinstance(value, (np.ndarray, _core.TensorBase)):
            return
        if isinstance(value, Mapping):
            parts = list(value.items())
        elif isinstance(value, (list, tuple)):
            parts = list(enumerate(value))
        else:
            parts = list(getattr(value, "__dict__", {}).items())
        for name, part in parts[:_MOST]:
            self._look(f"{path}.{name}", part, depth - 1)

    def get(self) -> dict[str, Any]:
        """The states of all."""
        states = {name: _state(stream) for name, stream in self._found.items()}
        # NumPy's global stream, which older code draws from.
        return states | {"python": random.getstate(), "numpy": np.random.get_state()}  # noqa: NPY002

    def set(self, states: Mapping[str, Any]) -> None:
        """Goes on where `get` was called.

        Raises:
            ValueError: the streams are not those of then.
        """
        own = {*self._found, "python", "numpy"}
        if own != set(states):
            raise ValueError(
                f"generators: expected those of the checkpoint, {sorted(states)}, got {sorted(own)}: build the model, the "
                "data and the trainer as in the run that is to go on"
            )
        for name, stream in self._found.items():
            _restore(stream, states[name])
        random.setstate(states["python"])
        np.random.set_state(states["numpy"])  # noqa: NPY002

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """What is drawn inside leaves all streams as they were."""
        states = self.get()
        try:
            yield
        finally:
            self.set(states)


def _state(stream: Any) -> Any:
    if isinstance(stream, np.random.Generator):
        return stream.bit_generator.state
    return stream.getstate() if isinstance(stream, random.Random) else stream.get_state()


def _restore(stream: Any, state: Any) -> None:
    if isinstance(stream, np.random.Generator):
        stream.bit_generator.state = state
    elif isinstance(stream, random.Random):
        stream.setstate(state)
    else:
        stream.set_state(state)


def packed(state: Any) -> Any:
    """A state as numbers, strings, lists and dicts, which a checkpoint can hold."""
    if isinstance(state, (np.ndarray, _core.TensorBase)):
        values = np.asarray(state)
        return {"array": values.tolist(), "dtype": values.dtype.name}
    if isinstance(state, dict):
        return {name: packed(part) for name, part in state.items()}
    if isinstance(state, tuple):
        # Python's own state is 625 plain numbers.
        return tuple(packed(part) if isinstance(part, (np.ndarray, tuple)) else part for part in state)
    return state


def unpacked(state: Any) -> Any:
    """What was `packed`."""
    if isinstance(state, dict):
        if set(state) == {"array", "dtype"}:
            return np.array(state["array"], state["dtype"])
        return {name: unpacked(part) for name, part in state.items()}
    return tuple(map(unpacked, state)) if isinstance(state, tuple) else state
