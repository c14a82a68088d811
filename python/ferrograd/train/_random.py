"""All streams of random numbers that a run draws from: found, read and set again."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .. import _core
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
        self._left = _MOST
        for name, root in roots.items():
            self._look(name, root, _DEEPEST)

    def _look(self, path: str, value: Any, depth: int) -> None:
        if id(value) in self._seen or value is None or isinstance(value, (str, bytes, int, float, type)):
            return
        self._seen.add(id(value))
        if isinstance(value, _KINDS):
            self._found[path] = value
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
        """The states of all, as what a checkpoint can hold."""
        states: dict[str, Any] = {name: _state(stream) for name, stream in self._found.items()}
        # NumPy's global stream, which older code draws from.
        return states | {"python": _plain(random.getstate()), "numpy": _plain(np.random.get_state())}  # noqa: NPY002

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
        random.setstate(_tuples(states["python"]))
        np.random.set_state(_numpy_global(states["numpy"]))  # noqa: NPY002

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """What is drawn inside leaves all streams as they were."""
        states = self.get()
        try:
            yield
        finally:
            self.set(states)


def _state(stream: Any) -> Any:
    if isinstance(stream, Generator):
        return _plain(stream.get_state().numpy())
    if isinstance(stream, np.random.Generator):
        return _plain(stream.bit_generator.state)
    return _plain(stream.getstate() if isinstance(stream, random.Random) else stream.get_state())


def _restore(stream: Any, state: Any) -> None:
    if isinstance(stream, Generator):
        stream.set_state(np.array(state, np.int64))
    elif isinstance(stream, np.random.Generator):
        stream.bit_generator.state = _like(stream.bit_generator.state, state)
    elif isinstance(stream, random.Random):
        stream.setstate(_tuples(state))
    else:
        stream.set_state(_numpy_global(state))


def _plain(value: Any) -> Any:
    """A state in numbers, strings, lists and dicts."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value.item() if isinstance(value, np.generic) else value


def _tuples(value: Any) -> Any:
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value


def _numpy_global(state: Any) -> Any:
    name, key, *rest = state
    return (name, np.array(key, np.uint32), *rest)


def _like(now: Any, state: Any) -> Any:
    """The state with arrays where a bit generator has them now."""
    if isinstance(now, Mapping):
        return {name: _like(part, state[name]) for name, part in now.items()}
    return np.array(state, now.dtype) if isinstance(now, np.ndarray) else state
