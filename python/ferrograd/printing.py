"""How tensors are shown: PyTorch's layout, digit for digit."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .creation import get_default_dtype

__all__ = ["get_printoptions", "printoptions", "set_printoptions"]


class _Options:
    def __init__(self) -> None:
        self.precision = 4
        self.threshold: float = 1000
        self.edgeitems = 3
        self.linewidth = 80
        self.sci_mode: bool | None = None


_options = _Options()
_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Says how tensors are shown.

    Args:
        precision: digits after the point; default 4.
        threshold: elements above which only the edges are shown; default 1000.
        edgeitems: elements at each edge; default 3.
        linewidth: characters a line; default 80.
        profile: "default", "short" or "full" sets all of these.
        sci_mode: whether floats have exponents; None: as the numbers ask for.
    """
    if profile is not None and profile not in _PROFILES:
        raise ValueError(f"set_printoptions: profile: expected one of {', '.join(_PROFILES)}, got {profile!r}")
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    chosen = {**_PROFILES.get(profile or "", {}), **{k: v for k, v in given.items() if v is not None}}
    for name, value in chosen.items():
        setattr(_options, name, value)
    _options.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The options in force, as `set_printoptions` takes them."""
    return dict(vars(_options))


@contextlib.contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Options of `set_printoptions` for the length of a `with`."""
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        set_printoptions(**before)


def _edges(array: Any) -> Any:
    """The elements that are shown of an array that is shown in part."""
    n = _options.edgeitems
    for axis, size in enumerate(array.shape):
        if size > 2 * n:
            array = np.take(array, [*range(n), *range(size - n, size)], axis)
    return array


def _style(shown: Any) -> tuple[int, Callable[[Any], str]]:
    """The width of an element, and how one is written."""
    if shown.dtype.kind != "f":
        return max((len(str(x)) for x in shown.ravel().tolist()), default=1), str
    numbers = [x for x in shown.ravel().tolist() if x != 0 and math.isfinite(x)]
    digits = _options.precision
    if not numbers:
        return 1, _whole
    sizes = [abs(x) for x in numbers]
    small, large = min(sizes), max(sizes)
    scientific = large / small > 1000 or large > 1e8 or small < 1e-4
    if scientific if _options.sci_mode is None else _options.sci_mode:
        written = f"{{:.{digits}e}}".format
    elif all(x == math.ceil(x) for x in numbers):
        return max(len(_whole(x)) for x in numbers), _whole
    else:
        written = f"{{:.{digits}f}}".format
    return max(len(written(x)) for x in numbers), written


def _whole(x: float) -> str:
    """A float without a fraction: '2.'."""
    return f"{x:.0f}." if math.isfinite(x) else f"{x:.0f}"


def _body(array: Any, indent: int, partly: bool, width: int, written: Callable[[Any], str]) -> str:
    if array.ndim == 0:
        return written(array.item()).rjust(width)
    n = _options.edgeitems
    cut = partly and len(array) > 2 * n
    if array.ndim == 1:
        if partly and n == 0:
            items = ["..."]
        else:
            parts = [array[:n], array[len(array) - n :]] if cut else [array]
            texts = [[written(x).rjust(width) for x in part.tolist()] for part in parts]
            items = [*texts[0], " ...", *texts[1]] if cut else texts[0]
        per_line = max(1, (_options.linewidth - indent) // (width + 2))
        lines = [", ".join(items[k : k + per_line]) for k in range(0, len(items), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    kept = [*range(n), None, *range(len(array) - n, len(array))] if cut else list(range(len(array)))
    rows: list[str] = ["..." if k is None else _body(array[k], indent + 1, partly, width, written) for k in kept]
    between: str = "," + "\n" * (array.ndim - 1) + " " * (indent + 1)
    return "[" + between.join(rows) + "]"


def text(tensor: Any, prefix: str, grad_fn: Any) -> str:
    """A tensor as `repr` shows it; `prefix` is 'tensor(' or the name of a subclass."""
    array: Any
    array, indent = tensor._readable(), len(prefix)
    suffixes = []
    dtype = tensor.dtype
    if array.size == 0:
        body = "[]"
        if array.ndim != 1:
            suffixes.append(f"size={array.shape}")
        if dtype is not get_default_dtype():
            suffixes.append(f"dtype={dtype!r}")
    else:
        partly = array.size > _options.threshold
        shown = _edges(array) if partly else array
        body = _body(array, indent, partly, *_style(shown))
        if not _options.edgeitems:
            suffixes.append(f"size={array.shape}")
        if dtype is not get_default_dtype() and dtype.name not in ("int64", "bool"):
            suffixes.append(f"dtype={dtype!r}")
    if grad_fn is not None:
        suffixes.append(f"grad_fn={grad_fn!r}")
    elif tensor.requires_grad:
        suffixes.append("requires_grad=True")
    out = prefix + body
    line = len(out) - out.rfind("\n") + 1
    for suffix in suffixes:
        if line + len(suffix) + 2 > _options.linewidth:
            out += ",\n" + " " * indent + suffix
            line = indent + len(suffix)
        else:
            out += ", " + suffix
            line += len(suffix) + 2
    return out + ")"
