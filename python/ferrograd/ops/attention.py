"""Attention: fused, and as the products and the softmax it is made of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _core
from .._core import backend
from ._op import op
from .elementwise import add, logical_not, logical_or, mul, ne, where
from .join import split
from .linalg import matmul, transposed
from .random import dropout
from .reduce import any
from .softmax import softmax
from .view import permute, reshape


def causal_mask(rows: int, columns: int, dtype: str) -> Any:
    """-∞ above the diagonal, else 0: added to scores, it keeps the i-th row from seeing what comes after i."""
    return _core.from_numpy(np.where(np.tri(rows, columns, dtype=bool), 0.0, -math.inf).astype(dtype))


def attention_scores(q: Any, k: Any, mask: Any, *, scale: float, is_causal: bool) -> Any:
    """scale · q kᵀ, plus the mask: q (…, L, E), k (…, S, E), mask of floats that broadcasts to (…, L, S), or None."""
    scores = matmul(mul(q, scale), transposed(k))
    if is_causal:
        scores = add(scores, causal_mask(q.shape[-2], k.shape[-2], q._dtype))
    return scores if mask is None else add(scores, mask)


@op
def attention(q: Any, k: Any, v: Any, mask: Any, *, scale: float, is_causal: bool) -> Any:
    """softmax(scale · q kᵀ + mask) v: q (…, L, E), k (…, S, E), v (…, S, Ev) give (…, L, Ev).

    `mask` broadcasts to (…, L, S): of bools, True where a row sees a key; or of floats, which are added, and get no
    gradient. With `is_causal`, row i sees the keys up to i. A row that sees no key is 0, and so are its gradients.

    Returns the result, and what the gradient needs: of each row log Σ exp, and the weights where there are few keys.
    """
    return backend.attention(q, k, v, mask, scale, is_causal)


@attention.rule(saves=("q", "k", "v", "mask", "result0", "result1", "result2"))
def _(g, needs, q, k, v, mask, y, log_sums, weights, *, scale, is_causal):
    # With p = softmax(s) and h = g vᵀ: ∂Q/∂s = p ⊙ (h - Σ_j p_j h_j), and the sum is g · y.
    grads = backend.attention_grad(g[0], q, k, v, mask, y, log_sums, weights, scale, is_causal, needs[:3])
    return (*grads, None)


@attention.unfused
def _(q, k, v, mask, *, scale, is_causal):
    return _composed(q, k, v, mask, None, scale=scale, is_causal=is_causal, dropout_p=0.0), None, None


def attend(q: Any, k: Any, v: Any, mask: Any, state: Any, *, scale: float, is_causal: bool, dropout_p: float) -> Any:
    """As `attention`, with a mask that may want a gradient, and weights dropped with probability `dropout_p`.

    `state` is the generator's. In these two cases the weights are made in memory, else in the kernel only.
    """
    if dropout_p or (mask is not None and mask.requires_grad):
        return _composed(q, k, v, mask, state, scale=scale, is_causal=is_causal, dropout_p=dropout_p)
    return attention(q, k, v, mask, scale=scale, is_causal=is_causal)[0]


def _composed(q: Any, k: Any, v: Any, mask: Any, state: Any, *, scale: float, is_causal: bool, dropout_p: float) -> Any:
    seeing = None
    if mask is not None:
        # softmax over nothing but -∞ is NaN: such rows see every key, and their result is put aside.
        seen = mask if mask._dtype == "bool" else ne(mask, -math.inf)
        seeing = any(seen, dim=(len(mask.shape) - 1,), keepdim=True)
        if mask._dtype == "bool":
            mask = _core.from_numpy(np.zeros((), q._dtype))
            mask = where(logical_or(seen, logical_not(seeing)), mask, -math.inf)
        else:
            mask = where(seeing, mask, 0.0)
    scores = attention_scores(q, k, mask, scale=scale, is_causal=is_causal)
    weights = softmax(scores, dim=len(scores.shape) - 1)
    if dropout_p:
        weights = dropout(weights, state, p=dropout_p)[0]
    y = matmul(weights, v)
    return y if seeing is None else where(seeing, y, 0.0)


@op
def self_attention(x: Any, mask: Any, *, heads: int, scale: float, is_causal: bool) -> Any:
    """`attention` on queries, keys and values of all heads side by side: x (N, L, 3·E) gives (N, L, E).

    They are read, and their gradients written, where they stand: nothing is split, turned or joined. Returns what
    `attention` returns.
    """
    return backend.self_attention(x, mask, heads, scale, is_causal)


@self_attention.rule(saves=("x", "mask", "result0", "result1", "result2"))
def _(g, needs, x, mask, y, log_sums, weights, *, heads, scale, is_causal):
    return backend.self_attention_grad(g[0], x, mask, y, log_sums, weights, heads, scale, is_causal), None


@self_attention.unfused
def _(x, mask, *, heads, scale, is_causal):
    y = _apart(x, mask, None, heads=heads, scale=scale, is_causal=is_causal, dropout_p=0.0)
    return y, None, None


def self_attend(x: Any, mask: Any, state: Any, *, heads: int, scale: float, is_causal: bool, dropout_p: float) -> Any:
    """As `self_attention`, with a mask that may want a gradient, and dropped weights, as `attend` has them."""
    if dropout_p or (mask is not None and mask.requires_grad):
        return _apart(x, mask, state, heads=heads, scale=scale, is_causal=is_causal, dropout_p=dropout_p)
    return self_attention(x, mask, heads=heads, scale=scale, is_causal=is_causal)[0]


def _apart(x: Any, mask: Any, state: Any, *, heads: int, scale: float, is_causal: bool, dropout_p: float) -> Any:
    n, length, width = x.shape
    q, k, v = (split_heads(part, heads) for part in split(x, sizes=(width // 3,) * 3, dim=2))
    y = _composed(q, k, v, mask, state, scale=scale, is_causal=is_causal, dropout_p=dropout_p)
    return reshape(permute(y, dims=(0, 2, 1, 3)), shape=(n, length, width // 3))


def split_heads(x: Any, heads: int) -> Any:
    """(N, L, E) as (N, heads, L, E/heads)."""
    n, length, e = x.shape
    return permute(reshape(x, shape=(n, length, heads, e // heads)), dims=(0, 2, 1, 3))
