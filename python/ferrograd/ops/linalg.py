"""Matrix products."""

from __future__ import annotations

import math
from typing import Any

from .._core import backend, is_grad_enabled
from ._activation import NEEDS_INPUT, activated, before_activation, with_product
from ._op import sparing
from .elementwise import mul
from .view import getitem, permute, reshape

_NEW_LAST = (..., None)
_NEW_BEFORE_LAST = (..., None, slice(None))


def transposed(x: Any) -> Any:
    """The last two dimensions swapped."""
    n = len(x.shape)
    return permute(x, dims=(*range(n - 2), n - 1, n - 2))


def _as_rows(x: Any) -> Any:
    """All leading dimensions as one."""
    shape = x.shape
    return x if len(shape) == 2 else reshape(x, shape=(math.prod(shape[:-1]), shape[-1]))


@sparing(input="wanted(other)", other="wanted(input)")
def matmul(input: Any, other: Any) -> Any:
    """x · y: (…, m, k) · (…, k, n), leading dimensions broadcast; a vector is a row on the left, a column on the right."""
    return backend.matmul(input, other)


@matmul.rule(saves=("input", "other", "input.shape", "other.shape"))
def _(g, needs, x, y, shape_of_x, shape_of_y):
    # ∂Q/∂X = E · Yᵀ and ∂Q/∂Y = Xᵀ · E; the engine sums over batches that were broadcast.
    nx, ny = len(shape_of_x), len(shape_of_y)
    if nx == 1 and ny == 1:
        return mul(g, y) if needs[0] else None, mul(g, x) if needs[1] else None
    if ny == 1:
        column = getitem(g, index=_NEW_LAST)
        gy = getitem(matmul(transposed(x), column), index=(..., 0)) if needs[1] else None
        return mul(column, y) if needs[0] else None, gy
    if nx == 1:
        gx = getitem(matmul(y, getitem(g, index=_NEW_LAST)), index=(..., 0)) if needs[0] else None
        gy = mul(getitem(x, index=_NEW_LAST), getitem(g, index=_NEW_BEFORE_LAST)) if needs[1] else None
        return gx, gy
    gx = matmul(g, transposed(y)) if needs[0] else None
    gy = None
    if needs[1]:
        if ny == 2:
            # One product over all batches, not a sum of products.
            x, g = _as_rows(x), _as_rows(g)
        gy = matmul(transposed(x), g)
    return gx, gy


@sparing(x=f"wanted(w) or {NEEDS_INPUT}", result="activation is not None")
def linear(x: Any, w: Any, b: Any, *, activation: str | None = None) -> Any:
    """activation(x · wᵀ + b) for x (*, in), w (out, in), b (out,) or None."""
    return backend.linear(x, w, b, activation)


@linear.rule(saves=("x", "w", "b", "result"))
def _(g, needs, x, w, b, result, *, activation=None):
    # With e = ∂Q/∂a, the gradient before the activation: ∂Q/∂x = Wᵀe, ∂Q/∂W = e·xᵀ, ∂Q/∂b = e, summed over all rows.
    if not is_grad_enabled():
        return backend.linear_grad(g, x, w, b, result, activation, *needs)
    e = before_activation(g, activation, result, lambda: linear(x, w, b))
    gw = matmul(permute(_as_rows(e), dims=(1, 0)), _as_rows(x)) if needs[1] else None
    return matmul(e, w) if needs[0] else None, gw, e if needs[2] else None


def affine(x: Any, w: Any, b: Any, *, activation: str | None = None) -> Any:
    """`linear`, in one op or two, whichever is faster forward and backward together."""
    if activation is None or with_product(activation, x, w, b):
        return linear(x, w, b, activation=activation)
    return activated(linear(x, w, b), activation)
