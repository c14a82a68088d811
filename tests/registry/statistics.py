"""Quantiles, covariances, areas: functions made of ops."""

from __future__ import annotations

import numpy as np

import ferrograd as fg

from ._row import Arr, Bad, Sample
from .special import composed

_LINES = {"low": -5.0, "high": 5.0, "distinct": True}


def _quantile(f):
    def reference(x, q, dim=None, keepdim=False, interpolation="linear"):
        return f(x, np.asarray(q), axis=dim, keepdims=keepdim, method=interpolation)

    return reference


def _nan_lines():
    x = np.random.default_rng(11).uniform(-2, 2, (5, 7)).astype(np.float32).astype(np.float64)
    x[1, 2] = x[3, :3] = np.nan
    return x


def _torch(name):
    def call(t, x, q, **attributes):
        return getattr(t, name)(x, t.tensor(q, dtype=x.dtype), **attributes)

    return call


def _cov(x, correction=1):
    return np.cov(x, ddof=correction)


ROWS = [
    composed(
        "quantile",
        _quantile(np.quantile),
        [
            *[Sample((Arr((5, 7), **_LINES), 0.375), {"dim": dim, "keepdim": dim == 1}) for dim in (0, 1, None)],
            *[Sample((Arr((2, 9, 3), **_LINES), [0.0, 0.3125, 1.0]), {"dim": 1, "interpolation": how})
              for how in ("linear", "lower", "higher", "midpoint", "nearest")],
            Sample((Arr((1,)), 0.5)),
        ],
        [Bad((Arr((3,)), 1.5), {}, RuntimeError, "quantile: q: expected numbers from 0 to 1, got 1.5"),
         Bad((Arr((3,)), [[0.5]]), {}, RuntimeError, r"quantile: q: expected a number or a vector, got shape \(1, 1\)"),
         Bad((Arr((3,)), 0.5), {"interpolation": "cubic"}, RuntimeError, "quantile: interpolation: expected one of"),
         Bad((Arr((0,)), 0.5), {}, RuntimeError, "quantile: input: expected at least one element"),
         Bad((Arr((3,)), 0.5), {"dim": 1}, IndexError, "quantile: dim: expected a dimension from -1 to 0"),
         Bad((Arr((3,), kind="int"), 0.5), {}, fg.DTypeError, "quantile: input: expected float32 or float64, got int64")],
        torch=_torch("quantile"),
        scaled=True,
    ),
    composed(
        "nanquantile", _quantile(np.nanquantile), [Sample((_nan_lines(), [0.25, 0.75]), {"dim": dim}) for dim in (0, 1)],
        torch=_torch("nanquantile"), differentiable=False, scaled=True,
    ),
    composed("quantile", _quantile(np.quantile), [Sample((_nan_lines(), 0.25), {"dim": 1})], id="quantile-nan",
        torch=_torch("quantile"), differentiable=False, scaled=True),
    composed("fmax", np.fmax, [Sample((Arr((5, 7)), Arr((7,))))], [Bad((Arr((3,)), Arr((4,))), {}, fg.ShapeError, "where: ")]),
    composed("fmin", np.fmin, [Sample((Arr((5, 7)), Arr((7,))))]),
    composed("fmax", np.fmax, [Sample((_nan_lines(), _nan_lines()[::-1].copy()))], id="fmax-nan", differentiable=False),
    composed(
        "cov",
        _cov,
        [Sample((Arr((3, 9)),)), Sample((Arr((3, 9)),), {"correction": 0}), Sample((Arr((9,)),))],
        [Bad((Arr((2, 2, 2)),), {}, fg.ShapeError, "cov: input: expected at most two dimensions")],
        scaled=True,
    ),
    composed("corrcoef", np.corrcoef, [Sample((Arr((3, 9)),))], scaled=True),
    composed(
        "trapezoid",
        lambda y, x=None, dx=1.0, dim=-1: np.trapezoid(y, x, dx, dim),
        [Sample((Arr((4, 6)),), {"dim": 0, "dx": 0.5}), Sample((Arr((4, 6)), Arr((4,), distinct=True)), {"dim": 0}), Sample((Arr((4, 6)), Arr((4, 6))))],
        [Bad((Arr((4,)),), {"dim": 1}, IndexError, "trapezoid: dim: expected a dimension from -1 to 0, got 1")],
        scaled=True,
    ),
    composed(
        "cumulative_trapezoid",
        lambda y, dx=1.0, dim=-1: np.cumsum((np.delete(y, 0, dim) + np.delete(y, -1, dim)) / 2 * dx, axis=dim),
        [Sample((Arr((4, 6)),), {"dim": 0, "dx": 0.5})],
        scaled=True,
    ),
]  # fmt: skip
