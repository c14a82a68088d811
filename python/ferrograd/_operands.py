"""What is no array where one is expected: a TypeError that names it, in place of Python's AttributeError."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def takes_arrays(function: F) -> F:
    """Makes the function name an argument that is no array, where it reads an attribute of arrays from it.

    Kernels check their operands themselves; this is for functions that look at shapes or dtypes before they call one.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except AttributeError as error:
            import inspect  # only here: it takes a fifth of an import's time

            bound = inspect.signature(function).bind_partial(*args, **kwargs).arguments
            raise no_array(error, function.__name__, bound) from None

    return call  # type: ignore[return-value]


def no_array(error: AttributeError, name: str, arguments: dict[str, Any]) -> Exception:
    """The TypeError where `error` tells that one of the arguments is no array, else `error` itself."""
    from ._tensor import Tensor  # only here: it stands above the ops

    if not hasattr(Tensor, error.name or "") or hasattr(error.obj, "__array__"):
        return error
    for argument, value in arguments.items():
        parts = enumerate(value) if isinstance(value, (tuple, list)) else ()
        place = next((f"{argument}[{k}]" for k, part in parts if part is error.obj), None)
        if value is error.obj:
            place = argument
        if place is not None:
            return TypeError(f"{name}: {place}: expected a Tensor or an ndarray, got {type(error.obj).__name__}")
    return error
