"""Numerical functions made of ops."""

from __future__ import annotations

import numpy as np

import ferrograd as fg

from ._row import Arr, Bad, Row, Sample


def _renorm(x, *, p, dim, maxnorm):
    others = tuple(k for k in range(x.ndim) if k != dim)
    size = (np.abs(x) ** p).sum(others, keepdims=True) ** (1 / p)
    return x * np.where(size > maxnorm, maxnorm / (size + 1e-7), 1)


ROWS = [
    Row(
        "ldexp",
        lambda x, *, other: np.ldexp(x, other),
        [Sample((Arr((3,)),), {"other": 3}), Sample((Arr((2, 2)),), {"other": -1})],
        call=fg.ldexp,
    ),
    Row(
        "renorm",
        _renorm,
        [
            Sample((Arr((3, 4)),), {"p": 2.0, "dim": 0, "maxnorm": 1.5}),
            Sample((Arr((2, 3, 2)),), {"p": 1.0, "dim": 1, "maxnorm": 3.0}),
        ],
        [
            Bad(
                (Arr((3,)),),
                {"p": 0.0, "dim": 0, "maxnorm": 1.0},
                RuntimeError,
                r"renorm: p, maxnorm: expected p above 0",
            )
        ],
        call=fg.renorm,
        torch=lambda t, x, *, p, dim, maxnorm: t.renorm(x, p, dim, maxnorm),
        rtol=1e-5,
    ),
    Row(
        "vander",
        lambda x, *, N=None, increasing=False: np.vander(x, N, increasing),
        [Sample((Arr((3,)),), {}), Sample((Arr((2,)),), {"N": 4, "increasing": True}), Sample((Arr((2,)),), {"N": 0})],
        [Bad((Arr((2, 2)),), {}, fg.ShapeError, r"vander: x: expected a vector")],
        call=fg.vander,
        # PyTorch's has no working gradient.
    ),
]
