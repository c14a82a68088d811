"""Elementary and special functions beyond those of `elementwise.py`, functions made of ops, and norms."""

from __future__ import annotations

import math

import numpy as np

import ferrograd as fg

from ._row import Arr, Bad, Row, Sample
from .elementwise import _MISFIT, NONZERO, NOT_WHOLE, POSITIVE, WIDE, binary, erf, plain, unary

_lgamma = np.vectorize(math.lgamma, otypes=[np.float64])
_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def _erfinv(y):
    """Newton's rule on erf."""
    y, x = np.asarray(y), np.zeros(np.shape(y))
    for _ in range(60):
        x = x - (erf(x) - y) * (math.sqrt(math.pi) / 2) * np.exp(x**2)
    return x


def _polygamma(x, *, order):
    """−Euler + Σ_k x−1 / ((k+1)(k+x)), or ± n! Σ_k (k + x)^(−n−1): the first 20,000 terms, then the integral."""
    x, n = np.asarray(x, np.float64), 20_000
    k = np.arange(n, dtype=np.float64).reshape(-1, *[1] * x.ndim)
    end, s = n + x - 0.5, order + 1
    if order == 0:
        return np.log(end) - (1 / (k + x)).sum(0) + 1 / (24 * end**2)
    tail = end ** (-order) / order - s / 24 * end ** (-s - 1)
    return (-1) ** s * math.factorial(order) * ((k + x) ** -float(s)).sum(0) + (-1) ** s * math.factorial(order) * tail


_UNIT = {"low": -0.9, "high": 0.9}

UNARY = [
    unary("tan", np.tan, lambda t, a: a.tan(), {"low": -1.3, "high": 1.3}, rtol=5e-6),
    unary("asin", np.arcsin, lambda t, a: a.asin(), _UNIT),
    unary("acos", np.arccos, lambda t, a: a.acos(), _UNIT),
    unary("atan", np.arctan, lambda t, a: a.atan(), {"low": -6.0, "high": 6.0}),
    unary("sinh", np.sinh, lambda t, a: a.sinh(), WIDE),
    unary("cosh", np.cosh, lambda t, a: a.cosh(), WIDE),
    unary("asinh", np.arcsinh, lambda t, a: a.asinh(), {"low": -6.0, "high": 6.0}),
    unary("acosh", np.arccosh, lambda t, a: a.acosh(), {"low": 1.2, "high": 6.0}),
    unary("atanh", np.arctanh, lambda t, a: a.atanh(), _UNIT),
    unary("log2", np.log2, lambda t, a: a.log2(), POSITIVE),
    unary("log10", np.log10, lambda t, a: a.log10(), POSITIVE),
    unary("exp2", np.exp2, lambda t, a: a.exp2(), {"low": -5.0, "high": 5.0}),
    unary("erfc", _erfc, lambda t, a: a.erfc(), WIDE),
    unary("erfinv", _erfinv, lambda t, a: a.erfinv(), {"low": -0.95, "high": 0.95}),
    unary("lgamma", _lgamma, lambda t, a: a.lgamma(), {"low": 0.3, "high": 9.0}, scaled=True, covers=("polygamma",)),
    Row(
        "lgamma",
        _lgamma,
        [Sample((Arr((40,), low=-3.0, high=0.0, away_from=(-3.0, -2.0, -1.0, 0.0), gap=0.15),))],
        scaled=True,
        id="lgamma-below",
        torch=lambda t, a: a.lgamma(),
    ),
    *[
        Row(
            "polygamma",
            _polygamma,
            [Sample((Arr(shape, low=0.4, high=9.0),), {"order": order}) for shape in ((), (0, 3), (21,))],
            [Bad(("a",), {"order": order}, TypeError, "polygamma: input: expected a Tensor")],
            scaled=True,
            id=f"polygamma-{order}",
            # PyTorch's own are right to 1e-9 only for order 1.
            torch=(lambda t, a, *, order: t.polygamma(order, a)) if order != 1 else None,
        )
        for order in (0, 1, 2)
    ],
    Row(
        "signbit",
        np.signbit,
        [
            Sample((np.array([1.0, -0.0, 0.0, -2.0, np.inf, -np.inf] * 9),)),
            Sample((Arr((70,), kind="int", low=-5, high=6),)),
            Sample((Arr((0,), kind="bool"),)),
        ],
        [Bad(("a",), {}, TypeError, "signbit: input")],
        torch=lambda t, a: t.signbit(a),
        **plain(),
    ),
]

BINARY = [
    binary("atan2", np.arctan2, lambda t, a, b: t.atan2(*_both(t, a, b)), NONZERO, NONZERO, number=1.5),
    binary("hypot", np.hypot, lambda t, a, b: t.hypot(*_both(t, a, b)), NONZERO, NONZERO, number=1.5),
    binary("copysign", np.copysign, lambda t, a, b: t.copysign(*_both(t, a, b)), NONZERO, NONZERO, number=-1.5),
    binary(
        "fmod",
        np.fmod,
        lambda t, a, b: t.fmod(a, b),
        {"low": -1.9, "high": 1.9, "away_from": (0.0,)},
        {"low": 2.0, "high": 3.0},
    ),
    Row(
        "fmod",
        np.fmod,
        [Sample((Arr((70,), kind="int", low=-9, high=10), n)) for n in (3, -4)],
        [Bad((Arr((3,), kind="int"), 0), {}, ZeroDivisionError, "fmod: other: ZeroDivisionError")],
        id="fmod-int",
        torch=lambda t, a, b: t.fmod(a, b),
        **plain(),
    ),
    binary("logaddexp", np.logaddexp, lambda t, a, b: t.logaddexp(*_both(t, a, b)), WIDE, WIDE, number=1.5, scaled=True),
    binary("xlogy", lambda a, b: a * np.log(b), lambda t, a, b: t.xlogy(a, b), WIDE, POSITIVE, number=1.5, scaled=True),
]  # fmt: skip


def _both(t, a, b):
    """Operands as tensors of one dtype, which some of PyTorch's functions insist on."""
    dtype = next(x.dtype for x in (a, b) if isinstance(x, t.Tensor))
    return [x if isinstance(x, t.Tensor) else t.tensor(x, dtype=dtype) for x in (a, b)]


def _nan_at(shape, *places):
    x = np.random.default_rng(7).uniform(-2, 2, shape).astype(np.float32).astype(np.float64)
    x[tuple(zip(*places, strict=True))] = np.nan
    return x


def composed(name, reference, samples, errors=(), torch=None, **more):
    """A row of a function that is made of ops; operands may be ndarrays."""
    return Row(name, reference, samples, errors, call=getattr(fg, name), torch=torch or (lambda t, *a, **k: getattr(t, name)(*a, **k)), **more)  # fmt: skip


COMPOSED = [
    composed("frac", lambda x: x - np.trunc(x), [Sample((Arr((67,), **NOT_WHOLE),)), Sample((Arr(()),))], scaled=True),
    composed("deg2rad", np.deg2rad, [Sample((Arr((67,)),))]),
    composed("rad2deg", np.rad2deg, [Sample((Arr((67,)),))]),
    composed("sinc", np.sinc, [Sample((Arr((67,), low=0.2, high=3.0),)), Sample((Arr((0,)),))], scaled=True),
    composed("digamma", lambda x: _polygamma(x, order=0), [Sample((Arr((9,), low=0.5, high=5.0),))], scaled=True),
    composed("logaddexp2", np.logaddexp2, [Sample((Arr((5, 7)), Arr((7,))))], [_MISFIT], scaled=True),
    composed(
        "logit", lambda x, eps=None: np.log(x / (1 - x)), [Sample((Arr((67,), low=0.1, high=0.9),)), Sample((Arr((4,), low=0.1, high=0.9),), {"eps": 0.05})], scaled=True,
    ),
    composed("float_power", lambda x, y: np.asarray(x) ** y, [Sample((Arr((20,), **POSITIVE), 1.5))], [Bad((Arr((3,)), "a"), {}, TypeError, "expected a Tensor, an ndarray or a number")]),
    composed("nan_to_num", lambda x, nan=0.0: np.nan_to_num(x, nan=nan),
        [Sample((_nan_at((5, 6), (1, 2), (3, 3)),), {"nan": 2.0})], differentiable=False),
    composed("nansum", lambda x, dim=None, keepdim=False: np.nansum(x, axis=dim, keepdims=keepdim),
        [Sample((_nan_at((5, 6), (1, 2), (3, 3)),), {"dim": dim}) for dim in (0, 1)], differentiable=False, scaled=True),
    composed("nanmean", lambda x, dim=None, keepdim=False: np.nanmean(x, axis=dim, keepdims=keepdim),
        [Sample((_nan_at((5, 6), (1, 2), (3, 3)),), {"dim": dim, "keepdim": True}) for dim in (0, 1)], differentiable=False, scaled=True),
    composed("nansum", lambda x, dim=None: x.sum(axis=dim), [Sample((Arr((5, 6)),), {"dim": 1})], id="nansum-plain", scaled=True),
    composed("nanmean", lambda x, dim=None: x.mean(axis=dim), [Sample((Arr((5, 6)),), {"dim": 1})], id="nanmean-plain", scaled=True),
    composed("count_nonzero", lambda x, dim=None: np.count_nonzero(x, axis=dim),
        [Sample((Arr((5, 6), kind="int", low=-1, high=2),), {"dim": 1}), Sample((Arr((5,), kind="bool"),))], differentiable=False),
    composed("std_mean", lambda x, dim, correction: (x.std(axis=dim, ddof=correction), x.mean(axis=dim)),
        [Sample((Arr((5, 6)),), {"dim": 1, "correction": c}) for c in (0, 1)], scaled=True),
    composed("var_mean", lambda x, dim, correction: (x.var(axis=dim, ddof=correction), x.mean(axis=dim)),
        [Sample((Arr((5, 6)),), {"dim": 0, "correction": c}) for c in (0, 1)], scaled=True),
    composed("aminmax", lambda x, dim: (x.min(axis=dim), x.max(axis=dim)), [Sample((Arr((5, 6), distinct=True),), {"dim": 1})]),
    composed("addmm", lambda x, a, b, beta=1, alpha=1: beta * x + alpha * (a @ b),
        [Sample((Arr((3, 5)), Arr((3, 4)), Arr((4, 5))), {"beta": 0.5, "alpha": -2.0}), Sample((Arr((5,)), Arr((3, 4)), Arr((4, 5))))],
        [Bad((Arr((2, 5)), Arr((3, 4)), Arr((4, 5))), {}, fg.ShapeError, r"addmm: input: expected a shape that broadcasts to \(3, 5\), got \(2, 5\)"),
         Bad((Arr((5,)), Arr((3,)), Arr((4, 5))), {}, fg.ShapeError, "mm: input: expected 2 dimensions")], scaled=True),
    composed("addmv", lambda x, a, v, beta=1, alpha=1: beta * x + alpha * (a @ v), [Sample((Arr((3,)), Arr((3, 4)), Arr((4,))), {"alpha": 2.0})], scaled=True),
    composed("addr", lambda x, v, w, beta=1, alpha=1: beta * x + alpha * np.outer(v, w), [Sample((Arr((3, 4)), Arr((3,)), Arr((4,))), {"beta": 3.0})], scaled=True),
    composed("baddbmm", lambda x, a, b, beta=1, alpha=1: beta * x + alpha * (a @ b),
        [Sample((Arr((2, 3, 5)), Arr((2, 3, 4)), Arr((2, 4, 5))), {"beta": 0.5, "alpha": -2.0})], scaled=True),
    composed("addbmm", lambda x, a, b, beta=1, alpha=1: beta * x + alpha * (a @ b).sum(0),
        [Sample((Arr((3, 5)), Arr((2, 3, 4)), Arr((2, 4, 5))), {"beta": 0.5, "alpha": -2.0})], scaled=True),
]  # fmt: skip


def _norm(x, *, ord, dim, keepdim):
    size, axis = np.abs(x), dim or None
    if np.isinf(ord):
        return (np.max if ord > 0 else np.min)(size, axis=axis, keepdims=keepdim)
    if ord == 0:
        return np.asarray((x != 0).sum(axis=axis, keepdims=keepdim), dtype=np.float64)
    return (size**ord).sum(axis=axis, keepdims=keepdim) ** (1 / ord)


_MATRICES = {"low": -5.0, "high": 5.0, "away_from": (0.0,)}

NORMS = [
    *[
        Row(
            "vector_norm",
            _norm,
            [Sample((Arr(shape, **_MATRICES),), {"ord": ord, "dim": dim, "keepdim": bool(k % 2)})
             for k, (shape, dim) in enumerate([((7,), ()), ((5, 6), (1,)), ((2, 3, 40), (0, 2)), ((40, 60), ())])],
            [Bad((Arr((2, 3)),), {"ord": ord, "dim": (2,), "keepdim": False}, IndexError, "dim: expected .* from -2 to 1, got 2")],
            rtol=1e-5,
            scaled=True,
            id=f"vector_norm-{ord}",
            torch=lambda t, x, *, ord, dim, keepdim: t.linalg.vector_norm(x, ord, dim or None, keepdim),
        )
        for ord in (2.0, 1.0, math.inf, -math.inf, 3.0, 0.5)
    ],
    Row("vector_norm", _norm, [Sample((np.array([[0.0, 1.0, 0.0], [2.0, 0.0, 3.0]]),), {"ord": 0.0, "dim": (1,), "keepdim": False})],
        id="vector_norm-0", differentiable=False, torch=lambda t, x, *, ord, dim, keepdim: t.linalg.vector_norm(x, ord, dim, keepdim)),
    *[
        Row(
            "linalg_norm",
            lambda x, *, ord, dim: np.linalg.norm(x, ord, dim),
            [Sample((Arr(shape, away_from=(0.0,)),), {"ord": ord, "dim": dim}) for shape, dim in (((5, 6), None), ((2, 3, 4), (0, 2)), ((2, 3, 4), (2, 0)))],
            [Bad((Arr((2, 3)),), {"ord": "nuc", "dim": None}, ValueError, "matrix_norm: ord: expected 'fro'"),
             Bad((Arr((2, 3, 4)),), {"ord": 1, "dim": None}, fg.ShapeError, "linalg.norm: A: expected one or two dimensions"),
             Bad((Arr((2, 3)),), {"ord": 1, "dim": (0, 0)}, fg.ShapeError, "matrix_norm: dim: expected two dimensions")],
            call=fg.linalg.norm,
            rtol=1e-5,
            scaled=True,
            id=f"linalg_norm-{ord}",
            torch=lambda t, x, *, ord, dim: t.linalg.norm(x, ord, dim),
        )
        for ord in ("fro", 1, -1, math.inf, -math.inf)
    ],
]  # fmt: skip

ROWS = [*UNARY, *BINARY, *COMPOSED, *NORMS]
