"""Whether ops are recorded: a mode of each thread, switched by `with` blocks, decorators, or at once."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Generator
from typing import Any, Self

from . import _core
from ._core import set_grad_mode

#: The flag of a generator function's code (`inspect.CO_GENERATOR`; `inspect` itself is a fifth of an import's time).
_GENERATOR = 0x20


class _Mode(contextlib.ContextDecorator):
    """A mode of this thread, as a context manager or a decorator; it can be entered again while it is in force."""

    def __init__(self) -> None:
        self._before: list[tuple[bool, bool]] = []

    def __enter__(self) -> Self:
        self._before.append((_core.is_grad_enabled(), _core.is_inference_mode_enabled()))
        self._switch()
        return self

    def __exit__(self, *_: object) -> None:
        recording, inference = self._before.pop()
        set_grad_mode(recording)
        _core.set_inference_mode(inference)

    def _switch(self) -> None:
        raise NotImplementedError

    def _again(self) -> _Mode:
        """A mode like this one: what is decorated may run on several threads."""
        return type(self)()

    def __call__(self, function: Any) -> Any:
        if getattr(getattr(function, "__code__", None), "co_flags", 0) & _GENERATOR:
            return functools.wraps(function)(lambda *args, **kwargs: self._steps(function(*args, **kwargs)))

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return function(*args, **kwargs)

        return inside

    def _steps(self, generator: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """The generator, in the mode while it runs and out of it while its caller does."""
        step: Callable[[], Any] = functools.partial(next, generator)
        while True:
            try:
                with self._again():
                    value = step()
            except StopIteration as end:
                return end.value
            try:
                step = functools.partial(generator.send, (yield value))
            except GeneratorExit:
                with self._again():
                    generator.close()
                raise
            except BaseException as raised:
                step = functools.partial(generator.throw, raised)


class _Plain(_Mode):
    """A mode without arguments, which also decorates without parentheses."""

    def __new__(cls, function: Any = None) -> Any:
        # Made without the function, the mode decorates it; what comes back is no mode, and is not initialised.
        return super().__new__(cls) if function is None else cls()(function)

    def __init__(self, function: Any = None) -> None:
        super().__init__()


class no_grad(_Plain):
    """Ops inside are not recorded: `with fg.no_grad(): ...` or `@fg.no_grad()`."""

    def _switch(self) -> None:
        set_grad_mode(False)


class enable_grad(_Plain):
    """Ops inside are recorded, also within `no_grad`."""

    def _switch(self) -> None:
        set_grad_mode(True)


class set_grad_enabled(_Mode):
    """Switches recording on or off: at once, and back again at the end of a `with`."""

    def __init__(self, mode: bool) -> None:
        super().__init__()
        self.mode = bool(mode)
        self._outer: bool | None = set_grad_mode(self.mode)

    def __enter__(self) -> Self:
        if self._outer is not None:
            set_grad_mode(self._outer)
            self._outer = None
        return super().__enter__()

    def _switch(self) -> None:
        set_grad_mode(self.mode)

    def _again(self) -> _Mode:
        mode: _Mode = enable_grad() if self.mode else no_grad()
        return mode

    def __call__(self, function: Any) -> Any:
        if self._outer is not None:
            set_grad_mode(self._outer)
            self._outer = None
        return super().__call__(function)


class inference_mode(_Mode):
    """As `no_grad`, and tensors made inside can never enter a graph; `inference_mode(False)` records again."""

    def __new__(cls, mode: Any = True) -> Any:
        return cls()(mode) if callable(mode) else super().__new__(cls)

    def __init__(self, mode: bool = True) -> None:
        super().__init__()
        self.mode = bool(mode)

    def _switch(self) -> None:
        set_grad_mode(not self.mode)
        _core.set_inference_mode(self.mode)

    def _again(self) -> _Mode:
        return type(self)(self.mode)
