"""softmax and log-softmax, and their gradients."""

from __future__ import annotations

import numpy as np

import ferrograd as fg

from ._row import Arr, Bad, Row, Sample

#: Shape and dimension: rows and columns, short and long, around vectors, strips, segments and the serial threshold.
CASES = [
    ((), 0),
    ((1,), 0),
    ((7,), -1),
    ((3, 10), 1),
    ((10, 3), 0),
    ((2, 5, 33), 1),
    ((0, 3), 1),
    ((3, 0), 1),
    ((40, 1030), 1),
    ((300, 100), 0),
    ((4, 130, 70), 1),
]
_SAMPLES = [Sample((Arr(shape, -8, 8),), {"dim": dim}) for shape, dim in CASES]
_PAIRS = [Sample((Arr(shape), Arr(shape)), {"dim": dim}) for shape, dim in CASES]


def _softmax(x, *, dim):
    if x.ndim == 0:
        return np.ones(())
    e = np.exp(x - x.max(axis=dim, keepdims=True, initial=-np.inf))
    return e / e.sum(axis=dim, keepdims=True)


def _log_softmax(x, *, dim):
    if x.ndim == 0:
        return np.zeros(())
    if x.size == 0:
        return x
    shifted = x - x.max(axis=dim, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True))


def _along(x, dim):
    return x if x.ndim == 0 else x.sum(axis=dim, keepdims=True)


def _errors(name):
    return [
        Bad((Arr((2, 3)),), {"dim": 2}, IndexError, rf"{name}: dim: expected an integer from -2 to 1, got 2"),
        Bad((Arr((3,), kind="int"),), {"dim": 0}, fg.DTypeError, rf"{name}: input: expected a floating-point dtype"),
    ]


def _misfit(name):
    return [
        Bad(
            (Arr((2, 3)), Arr((3, 2))),
            {"dim": 0},
            fg.ShapeError,
            rf"{name}: grad: expected shape \(2, 3\), got \(3, 2\)",
        )
    ]


ROWS = [
    Row("softmax", _softmax, _SAMPLES, _errors("softmax"), rtol=5e-6, torch=lambda t, x, *, dim: t.softmax(x, dim)),
    Row(
        "log_softmax",
        _log_softmax,
        _SAMPLES,
        _errors("log_softmax"),
        scaled=True,
        torch=lambda t, x, *, dim: t.log_softmax(x, dim),
    ),
    Row(
        "softmax_grad", lambda y, g, *, dim: y * (g - _along(g * y, dim)), _PAIRS, _misfit("softmax_grad"), scaled=True
    ),
    Row(
        "log_softmax_grad",
        lambda y, g, *, dim: g - np.exp(y) * _along(g, dim),
        _PAIRS,
        _misfit("log_softmax_grad"),
        scaled=True,
    ),
]
