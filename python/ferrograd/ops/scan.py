"""Scans: each element of a result depends on those before it along one dimension, in reverse on those after it."""

from __future__ import annotations

import math
from typing import Any

from .._core import backend
from ._op import op
from .elementwise import eq, exp, mul, sub, where
from .index import scatter_add
from .join import pad


def _shifted(x: Any, dim: int, by: int, value: float) -> Any:
    """x moved along `dim` by one place, forward or back; `value` stands where nothing comes from."""
    padding = [(0, 0)] * len(x.shape)
    padding[dim] = (by, -by)
    return pad(x, padding=tuple(padding), value=value)


@op
def cumsum(x: Any, *, dim: int, reverse: bool) -> Any:
    """y_i = Σ_{j ≤ i} x_j along `dim`, over j ≥ i in reverse; integers and booleans are summed as int64."""
    return backend.cumsum(x, dim, reverse)


@cumsum.rule()
def _(g, needs, *, dim, reverse):
    return cumsum(g, dim=dim, reverse=not reverse)


@op
def linear_scan(decay: Any, x: Any, *, dim: int, reverse: bool) -> Any:
    """The recurrence y_i = decay_i y_{i−1} + x_i along `dim` from y_{−1} = 0; in reverse y_i = decay_i y_{i+1} + x_i.

    The first decay of a line (the last in reverse) is multiplied with nothing.
    """
    return backend.linear_scan(decay, x, dim, reverse)


@linear_scan.rule(saves=("decay", "result"))
def _(g, needs, decay, y, *, dim, reverse):
    if not y.shape:
        return mul(g, 0.0), g
    # ∂/∂x_i gathers what every later y makes of it: the same recurrence from the other end.
    back = -1 if reverse else 1
    along = linear_scan(_shifted(decay, dim, -back, 0.0), g, dim=dim, reverse=not reverse)
    return mul(along, _shifted(y, dim, back, 0.0)) if needs[0] else None, along


@op
def cumprod(x: Any, *, dim: int, reverse: bool) -> Any:
    """y_i = Π_{j ≤ i} x_j along `dim`, over j ≥ i in reverse; integers and booleans are multiplied as int64."""
    return backend.cumprod(x, dim, reverse)


@cumprod.rule(saves=("x", "result"))
def _(g, needs, x, y, *, dim, reverse):
    if not x.shape:
        return g
    # Σ_{i ≥ j} g_i Π_{k ≤ i, k ≠ j} x_k = Π_{k < j} x_k · Σ_{i ≥ j} g_i Π_{j < k ≤ i} x_k: nothing is divided by x.
    back = -1 if reverse else 1
    after = linear_scan(_shifted(x, dim, -back, 0.0), g, dim=dim, reverse=not reverse)
    return mul(_shifted(y, dim, back, 1.0), after)


@op
def logcumsumexp(x: Any, *, dim: int) -> Any:
    """y_i = log Σ_{j ≤ i} exp(x_j) along `dim`, without overflow."""
    return backend.logcumsumexp(x, dim)


@logcumsumexp.rule(saves=("x", "result"))
def _(g, needs, x, y, *, dim):
    if not x.shape:
        return g
    # exp(x_j − y_j) · Σ_{i ≥ j} g_i exp(y_j − y_i): y grows, so no exponent is above 0.
    later = _shifted(y, dim, -1, 0.0)
    decay = exp(where(eq(y, later), 0.0, sub(y, later)))
    own = exp(where(eq(x, -math.inf), -math.inf, sub(x, y)))
    return mul(own, linear_scan(decay, g, dim=dim, reverse=True))


@op
def cummax(x: Any, *, dim: int) -> Any:
    """The largest element so far along `dim` and its index, the last of equal ones; the gradient goes there."""
    return backend.cummax(x, dim)


@cummax.rule(saves=("x.shape", "result1"))
def _(g, needs, shape, index, *, dim):
    return scatter_add(backend.full(shape, 0, g[0]._dtype), index, g[0], dim=dim)


@op
def cummin(x: Any, *, dim: int) -> Any:
    """The smallest element so far along `dim` and its index, the last of equal ones; the gradient goes there."""
    return backend.cummin(x, dim)


@cummin.rule(saves=("x.shape", "result1"))
def _(g, needs, shape, index, *, dim):
    return scatter_add(backend.full(shape, 0, g[0]._dtype), index, g[0], dim=dim)
