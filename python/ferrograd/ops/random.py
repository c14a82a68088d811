"""Random numbers from a counter-based generator (Philox4x32-10, Salmon et al. 2011).

`state` is an int64 tensor `[seed, counter]`; each call moves the counter on, in place, by what it used. The numbers are
a function of the state alone: not of threads, instruction set or memory layout. They have no gradient.
"""

from __future__ import annotations

from typing import Any

from .._core import backend
from ._op import op


@op
def uniform(state: Any, *, shape: tuple[int, ...], low: float, high: float, dtype: str) -> Any:
    """Numbers evenly spread over [low, high)."""
    return backend.uniform(state, shape, low, high, dtype)


@op
def normal(state: Any, *, shape: tuple[int, ...], mean: float, std: float, dtype: str) -> Any:
    """Numbers of the normal distribution: mean + std · √(-2 ln u) · (cos, sin)(2π t) for uniform u and t."""
    return backend.normal(state, shape, mean, std, dtype)


@op
def randint(state: Any, *, shape: tuple[int, ...], low: int, high: int) -> Any:
    """Integers evenly spread over [low, high), int64."""
    return backend.randint(state, shape, low, high)


@op
def randperm(state: Any, *, n: int) -> Any:
    """0, …, n - 1 in random order, int64."""
    return backend.randperm(state, n)


@op
def bernoulli(p: Any, state: Any) -> Any:
    """1 with probability p_i, else 0; in the shape and dtype of `p`."""
    return backend.bernoulli(p, state)


@op
def dropout(x: Any, state: Any, *, p: float) -> Any:
    """(y, mask): mask_i is true with probability 1 - p, y_i = x_i · mask_i / (1 - p)."""
    return backend.dropout(x, state, p)


@dropout.rule(saves=("result1",))
def _(g, needs, mask, *, p):
    return dropout_grad(g[0], mask, p=p), None


@op
def dropout_grad(g: Any, mask: Any, *, p: float) -> Any:
    """g_i · mask_i / (1 - p)."""
    return backend.dropout_grad(g, mask, p)


@dropout_grad.rule(saves=("mask",))
def _(g, needs, mask, *, p):
    return dropout_grad(g, mask, p=p), None
