"""Padding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _core, functions, ops

if TYPE_CHECKING:
    from ..._tensor import Tensor

__all__ = ["pad"]


def pad(input: Any, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    """The input with elements added around it.

    Args:
        input: x of any shape.
        pad: how many, in pairs (before, after), the last dimension first; negative numbers take away ('constant').
        mode: 'constant', 'reflect' (mirrored, the edge once), 'replicate' (the edge), 'circular' (from the other side).
        value: what is added in the mode 'constant'; default 0.
    """
    shape = tuple(input.shape)
    counts = [p.__index__() for p in pad]
    if len(counts) % 2:
        raise ValueError(f"pad: pad: expected pairs (before, after), got {len(counts)} numbers")
    if len(counts) // 2 > len(shape):
        raise ValueError(f"pad: pad: expected at most {len(shape)} pairs for shape {shape}, got {len(counts) // 2}")
    pairs = [(0, 0)] * (len(shape) - len(counts) // 2)
    pairs += [(counts[k], counts[k + 1]) for k in range(len(counts) - 2, -1, -2)]
    if mode == "constant":
        return ops.pad(input, padding=tuple(pairs), value=0.0 if value is None else value)  # type: ignore[no-any-return]
    if mode not in ("reflect", "replicate", "circular"):
        raise ValueError(f"pad: mode: expected 'constant', 'reflect', 'replicate' or 'circular', got {mode!r}")
    if value is not None:
        raise ValueError(f"pad: value: expected None for the mode {mode!r}, got {value}")
    for dim, (before, after) in enumerate(pairs):
        if before or after:
            index = (slice(None),) * dim + (_places(mode, shape[dim], before, after),)
            input = functions.getitem(input, index)
    return input  # type: ignore[no-any-return]


def _places(mode: str, size: int, before: int, after: int) -> Any:
    """Which element of a dimension stands at each place of the padded one."""
    most = {"reflect": size - 1, "replicate": None if size else 0, "circular": size}[mode]
    if min(before, after) < 0 or (most is not None and max(before, after) > most):
        raise _core.ShapeError(
            f"pad: pad: expected 0 to {'any number' if most is None else most} elements for a dimension of size {size} "
            f"in the mode {mode!r}, got ({before}, {after})"
        )
    numpy_mode = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode]
    return np.pad(np.arange(size), (before, after), mode=numpy_mode)  # type: ignore[call-overload]
