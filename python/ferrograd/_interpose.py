"""Functions put around every function of the backend: how a profile and a recording see what is called.

They are there only while somebody looks, so a program that nobody looks at pays nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from . import _core

#: Makes of a function's name and the function what is called in its place.
Around = Callable[[str, Callable[..., Any]], Callable[..., Any]]

_lock = threading.Lock()
_around: list[Around] = []
_plain: dict[str, Callable[..., Any]] = {}


def add(around: Around) -> None:
    """Puts `around` outermost around every function of the table, until `remove`."""
    with _lock:
        _around.append(around)
        _install()


def remove(around: Around) -> None:
    """Takes it away again; the others stay."""
    with _lock:
        _around.remove(around)
        _install()


def plain(name: str) -> Callable[..., Any]:
    """The function of the table, without what is around it."""
    return _plain.get(name) or getattr(_core.backend, name)


def _install() -> None:
    if not _plain:
        names = [name for name in dir(_core.backend) if not name.startswith("_")]
        _plain.update({name: f for name in names if callable(f := getattr(_core.backend, name))})
    for name, function in _plain.items():
        for around in _around:
            function = around(name, function)
        setattr(_core.backend, name, function)


def watched() -> bool:
    """Whether there is anything around the functions."""
    return bool(_around)
