"""Scans along a dimension."""

from __future__ import annotations

import numpy as np

import ferrograd as fg

from ._row import Arr, Bad, Row, Sample

#: Shape and dimension: along rows and along strips of columns, short and long, around tasks.
CASES = [
    ((1,), 0),
    ((7,), -1),
    ((3, 10), 1),
    ((10, 3), 0),
    ((2, 5, 33), 1),
    ((4, 0), 1),
    ((0, 4), 1),
    ((70, 300), 1),
    ((300, 70), 0),
]


def _samples(**options):
    return [
        Sample((Arr(shape, **options),), {"dim": dim, "reverse": bool(k % 2)}) for k, (shape, dim) in enumerate(CASES)
    ]


def _running(f, start):
    def reference(x, *, dim, reverse):
        if reverse:
            return np.flip(f(np.flip(x, dim), axis=dim), dim)
        return f(x, axis=dim)

    return reference


def _linear(decay, x, *, dim, reverse):
    decay, x = (np.moveaxis(a, dim, 0)[:: -1 if reverse else 1] for a in (decay, x))
    y = np.zeros_like(x)
    for i in range(x.shape[0]):
        y[i] = x[i] + (decay[i] * y[i - 1] if i else 0.0)
    return np.moveaxis(y[:: -1 if reverse else 1], 0, dim)


def _extreme(f, better):
    def reference(x, *, dim):
        values, lines = f(x, axis=dim), np.moveaxis(x, dim, 0)
        indices, best = np.zeros(lines.shape, np.int64), np.zeros(lines.shape[1:], np.int64)
        for i in range(lines.shape[0]):
            best = np.where(better(lines[i], np.take_along_axis(lines, best[None], 0)[0]), i, best)
            indices[i] = best
        return values, np.moveaxis(indices, 0, dim)

    return reference


def _errors(name, **attributes):
    return [
        Bad(
            (Arr((2, 3)),),
            {"dim": 2, **attributes},
            IndexError,
            rf"{name}: dim: expected an integer from -2 to 1, got 2",
        ),
        Bad(
            (fg.zeros(2, dtype="float16"),),
            {"dim": 0, **attributes},
            fg.DTypeError,
            rf"{name}: input: expected .*float16",
        ),
    ]


def _torch(name):
    def call(t, x, *, dim, reverse):
        f = getattr(t, name)
        return t.flip(f(t.flip(x, [dim]), dim), [dim]) if reverse else f(x, dim)

    return call


_INTS = [
    Sample((Arr(shape, kind=kind, low=-3, high=4),), {"dim": dim, "reverse": reverse})
    for shape, dim in [((9,), 0), ((5, 40), 0)]
    for kind in ("int", "bool")
    for reverse in (False, True)
]


def _int(f):
    return lambda x, *, dim, reverse: _running(f, 0)(x.astype(np.int64), dim=dim, reverse=reverse)


ROWS = [
    Row("cumsum", _running(np.cumsum, 0), _samples(), _errors("cumsum", reverse=False), scaled=True, torch=_torch("cumsum")),
    Row("cumsum", _int(np.cumsum), _INTS, id="cumsum-int", differentiable=False),
    Row("cumprod", _running(np.cumprod, 1), _samples(low=0.8, high=1.2), _errors("cumprod", reverse=False), rtol=1e-5, scaled=True, torch=_torch("cumprod")),
    Row("cumprod", _int(np.cumprod), _INTS, id="cumprod-int", differentiable=False),
    # The gradient is exact where elements are 0, one or several in a line.
    Row(
        "cumprod",
        _running(np.cumprod, 1),
        [
            Sample((np.array([[1.5, 0.0, 2.0, -1.0], [0.0, 3.0, 0.0, 2.0], [0.0, 0.0, 0.0, 1.0]]),), {"dim": dim, "reverse": reverse})
            for dim in (0, 1)
            for reverse in (False, True)
        ],
        id="cumprod-zeros",
        torch=_torch("cumprod"),
    ),
    Row(
        "linear_scan",
        _linear,
        [Sample((Arr(shape, low=-0.9, high=0.9), Arr(shape)), {"dim": dim, "reverse": bool(k % 2)}) for k, (shape, dim) in enumerate(CASES)],
        [
            Bad((Arr((2, 3)), Arr((3, 2))), {"dim": 0, "reverse": False}, fg.ShapeError, r"linear_scan: decay: expected shape \(3, 2\)"),
            Bad((Arr((2,)), Arr((2,))), {"dim": 1, "reverse": False}, IndexError, r"linear_scan: dim"),
        ],
        scaled=True,
    ),
    Row(
        "logcumsumexp",
        lambda x, *, dim: np.logaddexp.accumulate(x, axis=dim),
        [Sample((Arr(shape, -8, 8),), {"dim": dim}) for shape, dim in CASES],
        [
            _errors("logcumsumexp")[0],
            Bad((Arr((3,), kind="int"),), {"dim": 0}, fg.DTypeError, "logcumsumexp: input: expected a floating-point dtype"),
        ],
        scaled=True,
        torch=lambda t, x, *, dim: t.logcumsumexp(x, dim),
    ),
    *[
        Row(
            name,
            _extreme(f, better),
            [
                *[Sample((Arr(shape, -50, 50, distinct=True),), {"dim": dim}) for shape, dim in CASES],
                Sample((Arr((6, 40), kind="int", low=-3, high=4),), {"dim": 1}),
                Sample((Arr((40, 6), kind="bool"),), {"dim": 0}),
            ],
            _errors(name),
            torch=lambda t, x, *, dim, f=name: tuple(getattr(t, f)(x, dim)),
        )
        for name, f, better in (
            ("cummax", np.maximum.accumulate, np.greater_equal),
            ("cummin", np.minimum.accumulate, np.less_equal),
        )
    ],
    Row(
        "diff",
        lambda x, *, n, dim: np.diff(x, n, axis=dim),
        [Sample((Arr(shape),), {"n": n, "dim": dim}) for shape, n, dim in (((7,), 1, 0), ((5, 6), 2, 0), ((5, 6), 1, 1), ((3,), 4, 0), ((4, 3), 0, 1))],
        [Bad((Arr(()),), {"n": 1, "dim": 0}, fg.ShapeError, "diff: input: expected at least one dimension")],
        call=lambda x, **attributes: fg.diff(x if isinstance(x, fg.Tensor) else fg.from_numpy(x), **attributes),
        torch=lambda t, x, *, n, dim: t.diff(x, n, dim),
    ),
]  # fmt: skip
