"""The p-norm of vectors, as several functions need it."""

from __future__ import annotations

import math
from typing import Any

from ... import ops


def vector_norm(x: Any, p: float, dim: tuple[int, ...], keepdim: bool) -> Any:
    """(Σ |xᵢ|ᵖ)^(1/p) along `dim`; a vector of zeros has gradient 0, as in PyTorch."""
    if p == 0:
        return ops.sum(ops.cast(ops.ne(x, 0.0), dtype=ops.abs(x)._dtype), dim=dim, keepdim=keepdim)
    if p == 1:
        return ops.sum(ops.abs(x), dim=dim, keepdim=keepdim)
    if math.isinf(p):
        return (ops.amax if p > 0 else ops.amin)(ops.abs(x), dim=dim, keepdim=keepdim)
    powers = ops.square(x) if p == 2 else ops.pow(ops.abs(x), float(p))
    total = ops.sum(powers, dim=dim, keepdim=keepdim)
    # The root's slope at 0 is infinite: there the root is taken of 1, and not used.
    nothing = ops.eq(total, 0.0)
    filled = ops.where(nothing, 1.0, total)
    return ops.where(nothing, 0.0, ops.sqrt(filled) if p == 2 else ops.pow(filled, 1.0 / p))
