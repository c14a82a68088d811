"""Reductions over any dimensions. `dim` is a tuple; an empty one means all dimensions."""

from __future__ import annotations

import math
from typing import Any

from .._core import backend
from ._op import op
from .elementwise import abs, add, cast, div, eq, exp, mul, pow, sign, sub, where
from .index import scatter_add
from .view import expand, getitem, getitem_grad, permute, reshape


def _over(dim: tuple[int, ...], ndim: int) -> set[int]:
    return {d % ndim for d in dim} if dim and ndim else set(range(ndim))


def _kept(shape: tuple[int, ...], dim: tuple[int, ...]) -> tuple[int, ...]:
    """`shape` with the reduced dimensions as 1."""
    over = _over(dim, len(shape))
    return tuple(1 if k in over else d for k, d in enumerate(shape))


def _count(shape: tuple[int, ...], dim: tuple[int, ...]) -> int:
    return math.prod(shape[k] for k in _over(dim, len(shape)))


def _keep(y: Any, shape: tuple[int, ...], dim: tuple[int, ...]) -> Any:
    """A result over `dim` of an array of `shape`, its reduced dimensions kept as 1."""
    return reshape(y, shape=_kept(shape, dim))


def _spread(y: Any, shape: tuple[int, ...], dim: tuple[int, ...]) -> Any:
    """A result over `dim`, stretched to `shape` again."""
    return expand(_keep(y, shape, dim), shape=shape)


@op
def sum(x: Any, *, dim: tuple[int, ...], keepdim: bool) -> Any:
    """Σ x over `dim`; integers and booleans are summed as int64."""
    return backend.sum(x, dim, keepdim)


@sum.rule(saves=("x.shape",))
def _(g, needs, shape, *, dim, keepdim):
    return _spread(g, shape, dim)


@op
def sum_to(x: Any, *, shape: tuple[int, ...]) -> Any:
    """The sum that undoes broadcasting from `shape`."""
    return backend.sum_to(x, shape)


@sum_to.rule(saves=("x.shape",))
def _(g, needs, shape_of_x, *, shape):
    return expand(g, shape=shape_of_x)


@op
def mean(x: Any, *, dim: tuple[int, ...], keepdim: bool) -> Any:
    """Σ x / n over `dim`, n the number of elements of a result; of none, NaN."""
    return backend.mean(x, dim, keepdim)


@mean.rule(saves=("x.shape",))
def _(g, needs, shape, *, dim, keepdim):
    return _spread(div(g, float(_count(shape, dim) or math.nan)), shape, dim)


@op
def var(x: Any, *, dim: tuple[int, ...], correction: float, keepdim: bool) -> Any:
    """Σ (x − mean)² / max(0, n − correction) over `dim`."""
    return backend.var(x, dim, correction, keepdim)


@var.rule(saves=("x",))
def _(g, needs, x, *, dim, correction, keepdim):
    n = max(0.0, _count(x.shape, dim) - correction)
    slope = mul(g, 2 / n if n else math.inf)
    return mul(sub(x, mean(x, dim=dim, keepdim=True)), _spread(slope, x.shape, dim))


@op
def std(x: Any, *, dim: tuple[int, ...], correction: float, keepdim: bool) -> Any:
    """The square root of `var`; where it is 0 its gradient is taken to be 0."""
    return backend.sqrt(backend.var(x, dim, correction, keepdim))


@std.rule(saves=("x", "result"))
def _(g, needs, x, y, *, dim, correction, keepdim):
    n = max(0.0, _count(x.shape, dim) - correction)
    slope = where(eq(y, 0.0), 0.0, mul(div(g, y), 1 / n if n else math.inf))
    return mul(sub(x, mean(x, dim=dim, keepdim=True)), _spread(slope, x.shape, dim))


@op
def prod(x: Any, *, dim: tuple[int, ...], keepdim: bool) -> Any:
    """Π x over `dim`; integers and booleans are multiplied as int64."""
    return backend.prod(x, dim, keepdim)


@prod.rule(saves=("x",))
def _(g, needs, x, *, dim, keepdim):
    shape = x.shape
    over = sorted(_over(dim, len(shape)))
    order = [k for k in range(len(shape)) if k not in over] + over
    front = tuple(shape[k] for k in order[: len(shape) - len(over)])
    others = _product_of_others(reshape(permute(x, dims=tuple(order)), shape=(*front, _count(shape, dim))))
    others = reshape(others, shape=tuple(shape[k] for k in order))
    back = tuple(order.index(k) for k in range(len(shape)))
    return mul(permute(others, dims=back), _spread(g, shape, dim))


def _product_of_others(x: Any) -> Any:
    """y_i = Π_{j ≠ i} x_j along the last dimension: exact where elements are 0, and differentiable again.

    The elements are paired, the pairs' products are the same problem of half the size, and each element's result is its
    partner times the result of its pair.
    """
    n = x.shape[-1]
    if n < 2:
        return backend.full(x.shape, 1, x._dtype)
    half = n // 2
    left, right, rest = (
        getitem(x, index=(..., part)) for part in (slice(half), slice(half, 2 * half), slice(2 * half, n))
    )
    pairs = _product_of_others(_side_by_side(mul(left, right), rest))
    of_pairs = getitem(pairs, index=(..., slice(half)))
    of_rest = getitem(pairs, index=(..., slice(half, half + rest.shape[-1])))
    return _side_by_side(_side_by_side(mul(of_pairs, right), mul(of_pairs, left)), of_rest)


def _side_by_side(a: Any, b: Any) -> Any:
    """The last dimensions of two arrays, one after the other."""
    if b.shape[-1] == 0:
        return a
    n, m = a.shape[-1], b.shape[-1]
    shape = (*a.shape[:-1], n + m)
    first = getitem_grad(a, shape=shape, index=(..., slice(n)))
    second = getitem_grad(b, shape=shape, index=(..., slice(n, n + m)))
    return add(first, second)


def _share_among_ties(g: Any, x: Any, y: Any, dim: tuple[int, ...]) -> Any:
    """The gradient of an extreme: equal shares for all elements that have its value."""
    ties = cast(eq(x, _keep(y, x.shape, dim)), dtype=x._dtype)
    return mul(div(ties, sum(ties, dim=dim, keepdim=True)), _spread(g, x.shape, dim))


@op
def amax(x: Any, *, dim: tuple[int, ...], keepdim: bool) -> Any:
    """The largest element over `dim`, NaN where there is one; its gradient is shared equally among ties."""
    return backend.amax(x, dim, keepdim)


@amax.rule(saves=("x", "result"))
def _(g, needs, x, y, *, dim, keepdim):
    return _share_among_ties(g, x, y, dim)


@op
def amin(x: Any, *, dim: tuple[int, ...], keepdim: bool) -> Any:
    """The smallest element over `dim`, NaN where there is one; its gradient is shared equally among ties."""
    return backend.amin(x, dim, keepdim)


@amin.rule(saves=("x", "result"))
def _(g, needs, x, y, *, dim, keepdim):
    return _share_among_ties(g, x, y, dim)


@op
def max_dim(x: Any, *, dim: int, keepdim: bool) -> Any:
    """The largest elements along `dim` and their first indices; the gradient goes to those."""
    return backend.max_dim(x, dim, keepdim)


@max_dim.rule(saves=("x.shape", "result1"))
def _(g, needs, shape, index, *, dim, keepdim):
    return _to_index(g[0], shape, index, dim)


@op
def min_dim(x: Any, *, dim: int, keepdim: bool) -> Any:
    """The smallest elements along `dim` and their first indices; the gradient goes to those."""
    return backend.min_dim(x, dim, keepdim)


@min_dim.rule(saves=("x.shape", "result1"))
def _(g, needs, shape, index, *, dim, keepdim):
    return _to_index(g[0], shape, index, dim)


def _to_index(g: Any, shape: tuple[int, ...], index: Any, dim: int) -> Any:
    """Zeros of `shape` with `g` at `index` along `dim`."""
    g, index = _keep(g, shape, (dim,)), _keep(index, shape, (dim,))
    return scatter_add(backend.full(shape, 0, g._dtype), index, g, dim=dim)


@op
def argmax(x: Any, *, dim: int | None, keepdim: bool) -> Any:
    """The first index of the largest element along `dim`, or in the flattened array; that of the first NaN if any."""
    return backend.argmax(x, dim, keepdim)


@op
def argmin(x: Any, *, dim: int | None, keepdim: bool) -> Any:
    """The first index of the smallest element along `dim`, or in the flattened array; that of the first NaN if any."""
    return backend.argmin(x, dim, keepdim)


@op
def any(x: Any, *, dim: tuple[int, ...], keepdim: bool) -> Any:
    """Whether an element over `dim` is not 0."""
    return backend.any(x, dim, keepdim)


@op
def all(x: Any, *, dim: tuple[int, ...], keepdim: bool) -> Any:
    """Whether no element over `dim` is 0."""
    return backend.all(x, dim, keepdim)


@op
def logsumexp(x: Any, *, dim: tuple[int, ...], keepdim: bool) -> Any:
    """log Σ exp(x) over `dim`, without overflow."""
    return backend.logsumexp(x, dim, keepdim)


@logsumexp.rule(saves=("x", "result"))
def _(g, needs, x, y, *, dim, keepdim):
    return mul(exp(sub(x, _keep(y, x.shape, dim))), _spread(g, x.shape, dim))


@op
def vector_norm(x: Any, *, ord: float, dim: tuple[int, ...], keepdim: bool) -> Any:
    """(Σ |x|^p)^(1/p) over `dim`, p = `ord`: the largest |x| for ∞, the smallest for −∞, how many are not 0 for 0.

    Its gradient is taken to be 0 where x or the norm is; among equal extremes it is shared.
    """
    if ord == 2:
        return backend.sqrt(backend.sum(backend.square(x), dim, keepdim))
    size = backend.abs(x)
    if ord == 0:
        return backend.sum(backend.cast(backend.ne(size, 0), size._dtype), dim, keepdim)
    if ord == math.inf:
        return backend.amax(size, dim, keepdim)
    if ord == -math.inf:
        return backend.amin(size, dim, keepdim)
    return (
        backend.sum(size, dim, keepdim)
        if ord == 1
        else backend.pow(backend.sum(backend.pow(size, ord), dim, keepdim), 1 / ord)
    )


@vector_norm.rule(saves=("x", "result"))
def _(g, needs, x, y, *, ord, dim, keepdim):
    if math.isinf(ord):
        return mul(sign(x), _share_among_ties(g, abs(x), y, dim))
    g, y = _spread(g, x.shape, dim), _spread(y, x.shape, dim)
    if ord == 1:
        return mul(g, sign(x))
    y = where(eq(y, 0), 1, y)
    if ord == 2:
        return mul(g, div(x, y))
    flat = eq(x, 0)
    ratio = div(where(flat, 1, x), y)
    return mul(g, where(flat, 0, mul(sign(x), pow(abs(ratio), ord - 1))))
