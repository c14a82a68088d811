"""Numerical functions made of others: integrals, moments of several variables, shifts, divisors, extremes without NaN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core, ops
from ..creation import as_tensor
from ._method import in_place_of, method
from .shape import normalize_dim

if TYPE_CHECKING:
    from .._tensor import Tensor

__all__ = [
    "bitwise_left_shift", "bitwise_right_shift", "corrcoef", "cov", "cumulative_trapezoid", "fmax", "fmin", "gcd",
    "isneginf", "isposinf", "isreal", "lcm", "ldexp", "renorm", "trapezoid", "trapz", "unravel_index", "vander",
]  # fmt: skip


def _without_nan(input: Any, other: Any, choose: Any) -> Any:
    a, b = as_tensor(input), as_tensor(other)
    if not (a.is_floating_point() or b.is_floating_point()):
        return choose(a, b)
    return ops.where(ops.isnan(a), b, ops.where(ops.isnan(b), a, choose(a, b)))


@method()
def fmax(input: Any, other: Any) -> Tensor:
    """The larger of the two; a number wins over NaN."""
    return _without_nan(input, other, ops.maximum)  # type: ignore[no-any-return]


@method()
def fmin(input: Any, other: Any) -> Tensor:
    """The smaller of the two; a number wins over NaN."""
    return _without_nan(input, other, ops.minimum)  # type: ignore[no-any-return]


@method()
def isposinf(input: Any) -> Tensor:
    """The input is ∞."""
    return ops.eq(input, float("inf"))  # type: ignore[no-any-return]


@method()
def isneginf(input: Any) -> Tensor:
    """The input is −∞."""
    return ops.eq(input, float("-inf"))  # type: ignore[no-any-return]


@method()
def isreal(input: Any) -> Tensor:
    """True everywhere: there are no complex numbers."""
    return _core.backend.full(tuple(input.shape), True, "bool")  # type: ignore[no-any-return]


@method()
def ldexp(input: Any, other: Any) -> Tensor:
    """input · 2^other."""
    return ops.mul(input, ops.pow(2.0, other))  # type: ignore[no-any-return]


def _integers(name: str, **operands: Any) -> None:
    for argument, x in operands.items():
        kind = as_tensor(x)._dtype
        if kind == "bool" or "float" in kind:
            raise _core.DTypeError(f"{name}: {argument}: expected an integer dtype, got {kind}")


@method("bitwise_left_shift", "__lshift__")
def bitwise_left_shift(input: Any, other: Any) -> Tensor:
    """The bits moved up by `other` places: input · 2^other."""
    _integers("bitwise_left_shift", input=input, other=other)
    return ops.mul(input, ops.pow(2, other))  # type: ignore[no-any-return]


@method("bitwise_right_shift", "__rshift__")
def bitwise_right_shift(input: Any, other: Any) -> Tensor:
    """The bits moved down by `other` places, keeping the sign: ⌊input / 2^other⌋."""
    _integers("bitwise_right_shift", input=input, other=other)
    return ops.floor_divide(input, ops.pow(2, other))  # type: ignore[no-any-return]


@method()
def gcd(input: Any, other: Any) -> Tensor:
    """The greatest common divisor, by Euclid; of 0 and 0 it is 0."""
    _integers("gcd", input=input, other=other)
    a, b = (ops.abs(as_tensor(x)) for x in (input, other))
    shape = np.broadcast_shapes(a.shape, b.shape)
    a, b = ops.expand(a, shape=shape), ops.expand(b, shape=shape)
    while bool(ops.any(b, dim=(), keepdim=False)):
        done = ops.eq(b, 0)
        a, b = ops.where(done, a, b), ops.where(done, 0, ops.remainder(a, ops.where(done, 1, b)))
    return ops.clone(a)  # type: ignore[no-any-return]


@method()
def lcm(input: Any, other: Any) -> Tensor:
    """The least common multiple; 0 where either is 0."""
    common = gcd(input, other)
    share = ops.floor_divide(input, ops.where(ops.eq(common, 0), 1, common))
    return ops.abs(ops.mul(share, other))  # type: ignore[no-any-return]


for _name, _function in (
    ("bitwise_left_shift_", bitwise_left_shift), ("bitwise_right_shift_", bitwise_right_shift), ("gcd_", gcd),
    ("lcm_", lcm), ("ldexp_", ldexp),
):  # fmt: skip
    in_place_of(_name, _function)
in_place_of("__ilshift__", bitwise_left_shift)
in_place_of("__irshift__", bitwise_right_shift)


def _steps(name: str, y: Any, x: Any, dx: Any, dim: int) -> tuple[int, Any, Any, Any]:
    """The dimension, the neighbours along it, and their distance."""
    y = as_tensor(y)
    if x is not None and dx is not None:
        raise TypeError(f"{name}: dx: expected x or dx, got both")
    d = normalize_dim(name, dim, y.ndim)
    lead = (slice(None),) * d
    before, after = ((*lead, slice(0, -1)), (*lead, slice(1, None)))
    width: Any = 1.0 if dx is None else dx
    if x is not None:
        x = as_tensor(x)
        if x.ndim == 1:
            width = ops.sub(ops.getitem(x, index=(slice(1, None),)), ops.getitem(x, index=(slice(0, -1),)))
            width = ops.reshape(width, shape=(-1, *(1,) * (y.ndim - 1 - d)))
        else:
            width = ops.sub(ops.getitem(x, index=after), ops.getitem(x, index=before))
    return d, ops.getitem(y, index=before), ops.getitem(y, index=after), width


def trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The integral of y along `dim` by the trapezoidal rule, at the places x or in steps of dx (default 1)."""
    d, a, b, width = _steps("trapezoid", y, x, dx, dim)
    return ops.sum(ops.mul(ops.mul(ops.add(a, b), 0.5), width), dim=(d,), keepdim=False)  # type: ignore[no-any-return]


def trapz(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """As `trapezoid`."""
    return trapezoid(y, x, dx=dx, dim=dim)


def cumulative_trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The integrals of y along `dim` from its first element to each later one, by the trapezoidal rule."""
    d, a, b, width = _steps("cumulative_trapezoid", y, x, dx, dim)
    return ops.cumsum(ops.mul(ops.mul(ops.add(a, b), 0.5), width), dim=d, reverse=False)  # type: ignore[no-any-return]


@method()
def cov(input: Any, *, correction: float = 1, fweights: Any = None, aweights: Any = None) -> Tensor:
    """The covariances of variables (rows) over observations (columns): (d, n) gives (d, d), one variable its variance.

    Σ w (x_i − m_i)(x_j − m_j) / (Σ w − correction) with w = fweights · aweights, m the weighted mean; with aweights the
    correction is scaled by Σ w aweights / Σ w.
    """
    x = as_tensor(input)
    if x.ndim > 2:
        raise _core.ShapeError(f"cov: input: expected at most 2 dimensions, got shape {x.shape}")
    rows = ops.reshape(x, shape=(1, -1)) if x.ndim < 2 else x
    n = rows.shape[1]
    weights = None
    for name, w in (("fweights", fweights), ("aweights", aweights)):
        if w is None:
            continue
        w = as_tensor(w)
        if w.shape != (n,):
            raise _core.ShapeError(f"cov: {name}: expected shape {(n,)}, one an observation, got {w.shape}")
        w = ops.cast(w, dtype=rows._dtype)
        weights = w if weights is None else ops.mul(weights, w)
    if weights is None:
        total: Any = float(n)
        mean = ops.mean(rows, dim=(1,), keepdim=True)
        scaled = centred = ops.sub(rows, mean)
        norm: Any = max(total - correction, 0.0)
    else:
        total = ops.sum(weights, dim=(), keepdim=False)
        mean = ops.div(ops.sum(ops.mul(rows, weights), dim=(1,), keepdim=True), total)
        centred = ops.sub(rows, mean)
        scaled = ops.mul(centred, weights)
        share: Any = correction
        if aweights is not None and correction:
            both = ops.sum(ops.mul(weights, ops.cast(as_tensor(aweights), dtype=rows._dtype)), dim=(), keepdim=False)
            share = ops.mul(ops.div(both, total), correction)
        norm = ops.maximum(ops.sub(total, share), 0.0)
    result = ops.div(ops.matmul(scaled, ops.permute(centred, dims=(1, 0))), norm)
    return ops.reshape(result, shape=()) if rows.shape[0] == 1 else result  # type: ignore[no-any-return]


@method()
def corrcoef(input: Any) -> Tensor:
    """The correlations of variables (rows) over observations (columns), within ±1."""
    c = cov(input)
    if not c.ndim:
        return ops.div(c, c)  # type: ignore[no-any-return]
    size = ops.sqrt(ops.index_get(c, *[np.arange(c.shape[0])] * 2, dims=(0, 1)))
    scaled = ops.div(ops.div(c, ops.reshape(size, shape=(-1, 1))), size)
    return ops.clip(scaled, -1.0, 1.0)  # type: ignore[no-any-return]


@method()
def renorm(input: Any, p: float, dim: int, maxnorm: float) -> Tensor:
    """Each slice of dimension `dim` whose p-norm is above `maxnorm` scaled down to it."""
    x = as_tensor(input)
    d = normalize_dim("renorm", dim, x.ndim)
    if p <= 0 or maxnorm < 0:
        raise RuntimeError(f"renorm: p, maxnorm: expected p above 0 and maxnorm of at least 0, got {p} and {maxnorm}")
    others = tuple(k for k in range(x.ndim) if k != d)
    size = ops.vector_norm(x, ord=float(p), dim=others, keepdim=True)
    factor = ops.where(ops.gt(size, maxnorm), ops.div(float(maxnorm), ops.add(size, 1e-7)), 1.0)
    return ops.mul(x, factor)  # type: ignore[no-any-return]


in_place_of("renorm_", renorm)


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Tensor:
    """Powers x^(N − 1), …, x, 1 of a vector's elements as columns; in rising order with `increasing`."""
    v = as_tensor(x)
    if v.ndim != 1:
        raise _core.ShapeError(f"vander: x: expected a vector, got shape {v.shape}")
    n = v.shape[0] if N is None else N
    if n < 0:
        raise RuntimeError(f"vander: N: expected a number of at least 0, got {n}")
    powers = [k if increasing else n - 1 - k for k in range(n)]
    if not n:
        return _core.backend.empty((v.shape[0], 0), v._dtype)  # type: ignore[no-any-return]
    return ops.stack(*[ops.pow(v, k) for k in powers], dim=1)  # type: ignore[no-any-return]


def unravel_index(indices: Any, shape: Any) -> tuple[Tensor, ...]:
    """Places in the flattened tensor as indices of each dimension of `shape`."""
    shape = (shape,) if hasattr(shape, "__index__") else tuple(shape)
    flat = as_tensor(indices)
    _integers("unravel_index", indices=flat)
    size = int(np.prod(shape, dtype=np.int64))
    if flat.numel() and not (
        int(ops.amin(flat, dim=(), keepdim=False)) >= 0 and int(ops.amax(flat, dim=(), keepdim=False)) < size
    ):
        raise ValueError(f"unravel_index: indices: expected numbers from 0 to {size - 1}, got others")
    parts = []
    for n in reversed(shape):
        parts.append(ops.remainder(flat, n))
        flat = ops.floor_divide(flat, n)
    return tuple(reversed(parts))
