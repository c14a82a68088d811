"""Reductions."""

from __future__ import annotations

import numpy as np

import ferrograd as fg

from ._row import Arr, Bad, Row, Sample


def _axis(dim):
    return None if dim == () else dim


def _numpy(f):
    return lambda x, *, dim, keepdim: f(x, axis=_axis(dim), keepdims=keepdim)


def _torch(name):
    def call(torch, x, *, dim, keepdim):
        return getattr(torch, name)(x, dim=dim or tuple(range(x.ndim)), keepdim=keepdim)

    return call


#: Shape and dimensions; the sizes straddle vector widths, strips of columns, segments, tasks, and splits.
CASES = [
    ((), ()),
    ((1,), (0,)),
    ((7,), ()),
    ((5, 3), (0,)),
    ((5, 3), (-1,)),
    ((2, 3, 4), (0, 2)),
    ((2, 3, 4), (1,)),
    ((17, 33), (1,)),
    ((33, 17), (0,)),
    ((64, 9), (0,)),
    ((3, 0), (0,)),
    ((300, 130), (0,)),
    ((130, 300), (1,)),
    ((6, 7, 40), (0, 2)),
    ((70000,), ()),
    ((70000, 3), (0,)),
    ((3, 2, 40000), (2,)),
    ((2, 700, 50), (1,)),
]
#: The same, where there may be no result of nothing.
NONEMPTY = [((0, 3), (0,)), ((2, 0), ()), *CASES]


def _samples(cases, **options):
    return [
        Sample((Arr(shape, **options),), {"dim": dim, "keepdim": bool(k % 2)}) for k, (shape, dim) in enumerate(cases)
    ]


def _errors(name):
    return [
        Bad(
            (Arr((2, 3)),),
            {"dim": (2,), "keepdim": False},
            IndexError,
            rf"{name}: dim: expected .* from -2 to 1, got 2",
        ),
        Bad(
            (Arr((2, 3)),),
            {"dim": (0, -2), "keepdim": False},
            ValueError,
            rf"{name}: dim: expected each dimension once",
        ),
        Bad((fg.zeros(2, dtype="float16"),), {"dim": (), "keepdim": False}, fg.DTypeError, r"cast float16 to float32"),
    ]


def _not_empty(name):
    return Bad((Arr((0, 3)),), {"dim": (0,), "keepdim": False}, IndexError, rf"{name}: dim: expected .* non-zero size")


def _var(x, *, dim, correction, keepdim):
    count = x.size if dim == () else int(np.prod([x.shape[d] for d in dim]))
    squares = ((x - x.mean(axis=_axis(dim), keepdims=True)) ** 2).sum(axis=_axis(dim), keepdims=keepdim)
    return squares / max(0.0, count - correction)


def _var_samples(cases):
    return [
        Sample((Arr(shape),), {"dim": dim, "correction": float(k % 2), "keepdim": bool(k % 3 == 0)})
        for k, (shape, dim) in enumerate(cases)
        if np.prod([shape[d] for d in (dim or range(len(shape)))]) > 1
    ]


def _logsumexp(x, *, dim, keepdim):
    top = x.max(axis=_axis(dim), keepdims=True)
    total = np.log(np.exp(x - top).sum(axis=_axis(dim), keepdims=True)) + top
    return total if keepdim else total.squeeze(axis=_axis(dim)) if dim else total.reshape(())


def _along(values, indices):
    def reference(x, *, dim, keepdim):
        return values(x, axis=dim, keepdims=keepdim), indices(x, axis=dim, keepdims=keepdim)

    return reference


def _dim_samples(differentiable=True):
    shapes = [
        ((1,), 0),
        ((), 0),
        ((5, 3), 0),
        ((5, 3), -1),
        ((2, 40, 3), 1),
        ((40, 300), 0),
        ((300, 40), 1),
        ((3, 9000), 1),
    ]
    return [
        Sample((Arr(shape, distinct=True, low=-50, high=50),), {"dim": dim, "keepdim": bool(k % 2)})
        for k, (shape, dim) in enumerate(shapes)
        if shape or not differentiable
    ]


def _arg(f):
    return lambda x, *, dim, keepdim: np.asarray(f(x, axis=dim, keepdims=keepdim), dtype=np.int64)


_FLAT = [
    Sample((Arr((40, 30), distinct=True),), {"dim": None, "keepdim": False}),
    Sample((Arr((30, 4), kind="int", low=-9, high=9),), {"dim": 0, "keepdim": True}),
    Sample((Arr((300, 200), kind="int", low=-9, high=9),), {"dim": 1, "keepdim": False}),
]


def _truth(f):
    return lambda x, *, dim, keepdim: f(x, axis=_axis(dim), keepdims=keepdim)


def _truth_samples():
    cases = [
        ((), ()),
        ((5, 3), (0,)),
        ((2, 3, 4), (0, 2)),
        ((300, 200), (1,)),
        ((300, 200), (0,)),
        ((70000,), ()),
        ((0, 3), (0,)),
    ]
    return [
        Sample((Arr(shape, kind=kind, low=-1, high=2),), {"dim": dim, "keepdim": False})
        for shape, dim in cases
        for kind in ("bool", "int", "float")
    ]


_SMALL = {"low": 0.5, "high": 1.5}

ROWS = [
    Row("sum", _numpy(np.sum), _samples(NONEMPTY), _errors("sum"), scaled=True, torch=_torch("sum")),
    Row(
        "sum",
        lambda x, *, dim, keepdim: x.sum(axis=_axis(dim), keepdims=keepdim, dtype=np.int64),
        [
            Sample((Arr(shape, kind=kind, low=-100, high=100),), {"dim": dim, "keepdim": False})
            for shape, dim in [((5, 3), (0,)), ((40, 200), (1,)), ((90000,), ()), ((9000, 20), (0,))]
            for kind in ("int", "bool")
        ],
        id="sum-int",
        differentiable=False,
    ),
    Row(
        "sum_to",
        lambda x, *, shape: x.sum(
            axis=tuple(
                k for k in range(x.ndim) if k < x.ndim - len(shape) or shape[k - x.ndim + len(shape)] != x.shape[k]
            )
        ).reshape(shape),
        [
            Sample((Arr((2, 3, 4)),), {"shape": (4,)}),
            Sample((Arr((2, 3, 4)),), {"shape": (3, 1)}),
            Sample((Arr((2, 3, 4)),), {"shape": ()}),
            Sample((Arr((2, 3, 4)),), {"shape": (2, 3, 4)}),
            Sample((Arr((0, 3)),), {"shape": (1, 3)}),
            Sample((Arr((128, 512)),), {"shape": (512,)}),
        ],
        [
            Bad(
                (Arr((2, 3)),),
                {"shape": (2,)},
                fg.ShapeError,
                r"sum_to: shape: expected a shape that broadcasts to \(2, 3\)",
            )
        ],
        scaled=True,
    ),
    Row("mean", _numpy(np.mean), _samples(CASES), _errors("mean"), scaled=True, torch=_torch("mean")),
    Row(
        "var",
        _var,
        _var_samples(CASES),
        [
            Bad(
                (Arr((3,), kind="int"),),
                {"dim": (), "correction": 1.0, "keepdim": False},
                fg.DTypeError,
                r"var: input: .* int64",
            )
        ],
        scaled=True,
        torch=lambda t, x, *, dim, correction, keepdim: t.var(x, dim or None, correction=correction, keepdim=keepdim),
    ),
    Row(
        "std",
        lambda x, **attributes: np.sqrt(_var(x, **attributes)),
        _var_samples(CASES[:12]),
        scaled=True,
        torch=lambda t, x, *, dim, correction, keepdim: t.std(x, dim or None, correction=correction, keepdim=keepdim),
    ),
    Row("prod", _numpy(np.prod), _samples(NONEMPTY[:12], **_SMALL), _errors("prod"), rtol=1e-5),
    Row(
        "prod",
        _numpy(np.prod),
        [
            Sample((np.array([[0.0, 2.0, 3.0], [0.0, 0.0, 5.0], [1.5, 2.0, -4.0]]),), {"dim": (1,), "keepdim": False}),
            Sample((np.array([0.0, 2.0, 3.0, 0.5, 1.5]),), {"dim": (), "keepdim": False}),
        ],
        id="prod-zeros",
        torch=lambda t, x, *, dim, keepdim: t.prod(x, dim[0], keepdim=keepdim) if dim else t.prod(x),
    ),
    Row(
        "amax",
        _numpy(np.max),
        _samples(CASES, distinct=True, low=-50, high=50),
        [*_errors("amax"), _not_empty("amax")],
        torch=_torch("amax"),
    ),
    Row(
        "amin",
        _numpy(np.min),
        _samples(CASES, distinct=True, low=-50, high=50),
        [*_errors("amin"), _not_empty("amin")],
        torch=_torch("amin"),
    ),
    Row(
        "amax",
        _numpy(np.max),
        [
            Sample((Arr((40, 50), kind=kind, low=-99, high=99),), {"dim": (d,), "keepdim": False})
            for d in (0, 1)
            for kind in ("int", "bool")
        ],
        id="amax-int",
        differentiable=False,
    ),
    Row(
        "max_dim",
        _along(np.max, np.argmax),
        _dim_samples(),
        [Bad((Arr((0, 3)),), {"dim": 0, "keepdim": False}, IndexError, r"max: dim: expected .* non-zero size")],
        torch=lambda t, x, *, dim, keepdim: tuple(t.max(x, dim, keepdim)),
    ),
    Row(
        "min_dim",
        _along(np.min, np.argmin),
        _dim_samples(),
        [Bad((Arr((0, 3)),), {"dim": 0, "keepdim": False}, IndexError, r"min: dim: expected .* non-zero size")],
        torch=lambda t, x, *, dim, keepdim: tuple(t.min(x, dim, keepdim)),
    ),
    Row(
        "argmax",
        _arg(np.argmax),
        [
            *_dim_samples(False)[2:],
            *_FLAT,
            # Past the serial threshold, along rows and along columns.
            Sample((Arr((700, 900)),), {"dim": 1, "keepdim": False}),
            Sample((Arr((700, 900)),), {"dim": 0, "keepdim": False}),
        ],
        [
            Bad(
                (fg.zeros(3, dtype="bool"),),
                {"dim": 0, "keepdim": False},
                fg.DTypeError,
                r"argmax: input: expected a number, got bool",
            )
        ],
        differentiable=False,
    ),
    Row(
        "argmin",
        _arg(np.argmin),
        [*_dim_samples(False)[2:], *_FLAT],
        [Bad((Arr((0,)),), {"dim": None, "keepdim": False}, IndexError, r"argmin: dim: expected .* non-zero size")],
        differentiable=False,
    ),
    Row("any", _truth(np.any), _truth_samples(), differentiable=False),
    Row("all", _truth(np.all), _truth_samples(), differentiable=False),
    Row("logsumexp", _logsumexp, _samples(CASES), _errors("logsumexp")[:2], scaled=True, torch=_torch("logsumexp")),
]
