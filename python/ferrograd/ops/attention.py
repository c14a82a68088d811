"""Attention, as the products and the softmax it is made of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._core import from_numpy
from .elementwise import add, logical_not, logical_or, mul, ne, where
from .linalg import matmul, transposed
from .random import dropout
from .reduce import any
from .softmax import softmax


def causal_mask(rows: int, columns: int, dtype: str) -> Any:
    """-∞ above the diagonal, else 0: added to scores, it keeps the i-th row from seeing what comes after i."""
    return from_numpy(np.where(np.tri(rows, columns, dtype=bool), 0.0, -math.inf).astype(dtype))


def attention_scores(q: Any, k: Any, mask: Any, *, scale: float, is_causal: bool) -> Any:
    """scale · q kᵀ, plus the mask: q (…, L, E), k (…, S, E), mask of floats that broadcasts to (…, L, S), or None."""
    scores = matmul(mul(q, scale), transposed(k))
    if is_causal:
        scores = add(scores, causal_mask(q.shape[-2], k.shape[-2], q._dtype))
    return scores if mask is None else add(scores, mask)


def attention(q: Any, k: Any, v: Any, mask: Any, state: Any, *, scale: float, is_causal: bool, dropout_p: float) -> Any:
    """softmax(scale · q kᵀ + mask) v: q (…, L, E), k (…, S, E), v (…, S, Ev) give (…, L, Ev).

    `mask` broadcasts to (…, L, S): of bools, True where a row sees a key; or of floats, which are added. With
    `is_causal`, row i sees the keys up to i. A row that sees no key is 0, and so are its gradients. Weights are dropped
    with probability `dropout_p`; `state` is the generator's.
    """
    seeing = None
    if mask is not None:
        # softmax over nothing but -∞ is NaN: such rows see every key, and their result is put aside.
        seen = mask if mask._dtype == "bool" else ne(mask, -math.inf)
        seeing = any(seen, dim=(len(mask.shape) - 1,), keepdim=True)
        if mask._dtype == "bool":
            mask = from_numpy(np.zeros((), q._dtype))
            mask = where(logical_or(seen, logical_not(seeing)), mask, -math.inf)
        else:
            mask = where(seeing, mask, 0.0)
    scores = attention_scores(q, k, mask, scale=scale, is_causal=is_causal)
    weights = softmax(scores, dim=len(scores.shape) - 1)
    if dropout_p:
        weights = dropout(weights, state, p=dropout_p)[0]
    y = matmul(weights, v)
    return y if seeing is None else where(seeing, y, 0.0)
