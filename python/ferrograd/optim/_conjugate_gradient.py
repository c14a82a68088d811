"""Conjugate gradients as Hessian-free optimization runs them (Martens 2010, sections 4.3 and 4.4)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import _core, ops

#: Iterates are kept at the iterations that are the next power of this.
SPREAD = 1.3


class Solution:
    """What a run gave: iterates and the values φ(x) = ½ xᵀAx - bᵀx at them, and how many iterations there were."""

    def __init__(self, iterates: list[Any], values: list[float], iterations: int) -> None:
        self.iterates = iterates
        self.values = values
        self.iterations = iterations


def dot(a: Any, b: Any) -> float:
    """aᵀb of two vectors."""
    return float(_core.backend.matmul(a, b).item())


def conjugate_gradient(
    product: Callable[[Any], Any],
    b: Any,
    start: Any,
    *,
    max_iterations: int,
    tolerance: float,
    inverse: Any | None = None,
) -> Solution:
    """Minimizes φ(x) = ½ xᵀAx - bᵀx from `start` on.

    It stops after iteration i where φ(x_i) < 0 and the progress of the last k = max(10, i/10) iterations is below
    k · tolerance of φ(x_i); where a direction has no positive curvature; and where the residual is zero.

    Args:
        product: v ↦ A v for vectors.
        b: the right side.
        start: where x begins.
        max_iterations: how many products at most, that of the start left out.
        tolerance: the relative progress an iteration has to make.
        inverse: the inverse of a diagonal preconditioner.
    """
    x = start
    r = ops.sub(product(x), b)
    y = r if inverse is None else ops.mul(inverse, r)
    p, ry = ops.neg(y), dot(r, y)
    values, kept, next_kept = [0.5 * dot(ops.sub(r, b), x)], Solution([], [], 0), 1.0
    i = 0
    while i < max_iterations and ry > 0.0:
        ap = product(p)
        curvature = dot(p, ap)
        if not curvature > 0.0 or not math.isfinite(curvature):
            break
        i += 1
        alpha = ry / curvature
        x = ops.add(x, ops.mul(p, alpha))
        r = ops.add(r, ops.mul(ap, alpha))
        y = r if inverse is None else ops.mul(inverse, r)
        before, ry = ry, dot(r, y)
        p = ops.sub(ops.mul(p, ry / before), y)
        values.append(0.5 * dot(ops.sub(r, b), x))
        k = max(10, i // 10)
        done = i > k and values[-1] < 0.0 and values[-1] - values[-1 - k] > k * tolerance * values[-1]
        if i >= next_kept or done:
            kept.iterates.append(x)
            kept.values.append(values[-1])
            next_kept = max(next_kept * SPREAD, i + 1.0)
        if done:
            break
    if not kept.values or kept.iterates[-1] is not x:
        kept.iterates.append(x)
        kept.values.append(values[-1])
    kept.iterations = i
    return kept
