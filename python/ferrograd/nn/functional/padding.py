"""Padding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _core, functions, ops
from ..._operands import takes_arrays

if TYPE_CHECKING:
    from ..._tensor import Tensor

__all__ = ["pad"]


@takes_arrays
def pad(input: Any, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    """The input with elements added around it, in any of its dimensions (PyTorch: in the last one to three).

    Args:
        input: x of any shape.
        pad: how many, in pairs (before, after), the last dimension first; negative numbers take away.
        mode: 'constant', 'reflect' (mirrored, the edge once), 'replicate' (the edge), 'circular' (from the other side).
        value: what is added in the mode 'constant'; default 0.
    """
    shape = tuple(input.shape)
    counts = [_count(p) for p in pad]
    if len(counts) % 2:
        raise _core.ShapeError(f"pad: pad: expected pairs (before, after), got {len(counts)} numbers")
    if len(counts) // 2 > len(shape):
        raise _core.ShapeError(
            f"pad: pad: expected at most {len(shape)} pairs for shape {shape}, got {len(counts) // 2}"
        )
    pairs = [(0, 0)] * (len(shape) - len(counts) // 2)
    pairs += [(counts[k], counts[k + 1]) for k in range(len(counts) - 2, -1, -2)]
    if mode == "constant":
        for size, taken in zip(shape, pairs, strict=True):
            if size + min(taken[0], 0) + min(taken[1], 0) < 0:
                raise _core.ShapeError(
                    f"pad: pad: expected to take at most {size} elements of shape {shape}, got {taken}"
                )
        return ops.pad(input, padding=tuple(pairs), value=0.0 if value is None else value)  # type: ignore[no-any-return]
    if mode not in _NUMPY_MODES:
        raise ValueError(f"pad: mode: expected 'constant', 'reflect', 'replicate' or 'circular', got {mode!r}")
    if value:
        raise _core.ShapeError(f"pad: value: expected none for the mode {mode!r}, got {value}")
    for dim, (before, after) in enumerate(pairs):
        if before or after:
            index = (slice(None),) * dim + (_places(mode, shape[dim], before, after),)
            input = functions.getitem(input, index)
    return input  # type: ignore[no-any-return]


_NUMPY_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _count(p: Any) -> int:
    if not hasattr(p, "__index__"):
        raise TypeError(f"pad: pad: expected integers, got {p!r}")
    return int(p.__index__())


def _places(mode: str, size: int, before: int, after: int) -> Any:
    """Which element of a dimension stands at each place of the padded one."""
    places = np.arange(size)
    if mode == "circular":
        # What is taken away does not come back at the other side.
        places = places[max(-before, 0) : size - max(-after, 0)]
    most = {"reflect": size - 1, "replicate": None if size else 0, "circular": len(places)}[mode]
    if size + before + after < 0 or (most is not None and max(before, after) > most):
        raise _core.ShapeError(
            f"pad: pad: expected at most {'any number of' if most is None else most} elements for a dimension of size "
            f"{size} in the mode {mode!r}, and no fewer than it has taken away, got ({before}, {after})"
        )
    places = np.pad(places, (max(before, 0), max(after, 0)), mode=_NUMPY_MODES[mode])  # type: ignore[call-overload]
    if mode == "circular":
        return places
    return places[max(-before, 0) : len(places) - max(-after, 0)]
