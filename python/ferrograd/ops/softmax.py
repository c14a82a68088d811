"""softmax and log-softmax along one dimension."""

from __future__ import annotations

from typing import Any

from .._core import backend
from ._op import op
from .elementwise import exp, mul, neg, sub
from .reduce import sum


@op
def softmax(x: Any, *, dim: int) -> Any:
    """y_i = exp(x_i) / Σ_j exp(x_j) along `dim`."""
    return backend.softmax(x, dim)


@softmax.rule(saves=("result",))
def _(g, needs, y, *, dim):
    return softmax_grad(y, g, dim=dim)


@op
def softmax_grad(y: Any, g: Any, *, dim: int) -> Any:
    """y_i · (g_i − Σ_j g_j y_j): the gradient of softmax from its result."""
    return backend.softmax_grad(y, g, dim)


@softmax_grad.rule(saves=("y", "g"))
def _(h, needs, y, g, *, dim):
    def along(a: Any) -> Any:
        return sum(a, dim=(dim,), keepdim=True)

    to_y = sub(mul(h, sub(g, along(mul(g, y)))), mul(g, along(mul(h, y)))) if needs[0] else None
    return to_y, softmax_grad(y, h, dim=dim) if needs[1] else None


@op
def log_softmax(x: Any, *, dim: int) -> Any:
    """y_i = x_i − log Σ_j exp(x_j) along `dim`."""
    return backend.log_softmax(x, dim)


@log_softmax.rule(saves=("result",))
def _(g, needs, y, *, dim):
    return log_softmax_grad(y, g, dim=dim)


@op
def log_softmax_grad(y: Any, g: Any, *, dim: int) -> Any:
    """g_i − exp(y_i) · Σ_j g_j: the gradient of log-softmax from its result."""
    return backend.log_softmax_grad(y, g, dim)


@log_softmax_grad.rule(saves=("y", "g"))
def _(h, needs, y, g, *, dim):
    p = exp(y)
    to_y = neg(mul(mul(h, p), sum(g, dim=(dim,), keepdim=True))) if needs[0] else None
    return to_y, sub(h, sum(mul(h, p), dim=(dim,), keepdim=True)) if needs[1] else None
