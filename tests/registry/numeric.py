"""Integrals, covariances and other functions made of ops."""

from __future__ import annotations

import numpy as np

import ferrograd as fg

from ._row import Arr, Bad, Row, Sample


def _renorm(x, *, p, dim, maxnorm):
    others = tuple(k for k in range(x.ndim) if k != dim)
    size = (np.abs(x) ** p).sum(others, keepdims=True) ** (1 / p)
    return x * np.where(size > maxnorm, maxnorm / (size + 1e-7), 1)


def _cumulative(y, *, dx=1.0, dim=-1):
    y = np.moveaxis(y, dim, -1)
    return np.moveaxis(np.cumsum((y[..., 1:] + y[..., :-1]) / 2 * dx, -1), -1, dim)


_WEIGHTS = {"fweights": np.array([1, 2, 1, 3, 1]), "aweights": np.array([0.5, 1.0, 2.0, 1.5, 1.0])}

ROWS = [
    Row(
        "trapezoid",
        lambda y, x: np.trapezoid(y, x),
        [Sample((Arr((3, 4)), Arr((4,)))), Sample((Arr((3, 4)), Arr((3, 4)))), Sample((Arr((1,)), Arr((1,))))],
        call=fg.trapezoid,
        torch=lambda t, y, x: t.trapezoid(y, x),
        scaled=True,
    ),
    Row(
        "trapezoid",
        lambda y, *, dx=1.0, dim=-1: np.trapezoid(y, dx=dx, axis=dim),
        [Sample((Arr((3, 4)),), {"dx": 0.5, "dim": 0}), Sample((Arr((5,)),), {})],
        [Bad((Arr((3,)),), {"dim": 1}, IndexError, r"trapezoid: dim")],
        call=fg.trapezoid,
        torch=lambda t, y, **kwargs: t.trapezoid(y, **kwargs),
        scaled=True,
        id="trapezoid-dx",
    ),
    Row(
        "cumulative_trapezoid",
        _cumulative,
        [Sample((Arr((3, 4)),), {"dx": 0.5, "dim": 0}), Sample((Arr((5,)),), {})],
        call=fg.cumulative_trapezoid,
        torch=lambda t, y, **kwargs: t.cumulative_trapezoid(y, **kwargs),
        scaled=True,
    ),
    Row(
        "cov",
        lambda x, *, correction=1: np.cov(x, ddof=correction),
        [Sample((Arr((3, 5)),), {}), Sample((Arr((2, 4)),), {"correction": 0}), Sample((Arr((6,)),), {})],
        [Bad((Arr((2, 2, 2)),), {}, fg.ShapeError, r"cov: input: expected at most 2 dimensions")],
        call=fg.cov,
        torch=lambda t, x, **kwargs: t.cov(x, **kwargs),
        rtol=1e-5,
        scaled=True,
    ),
    Row(
        "cov",
        lambda x, *, which: np.cov(x, **{k: _WEIGHTS[k] for k in which}),
        [
            Sample((Arr((3, 5)),), {"which": which})
            for which in (("fweights",), ("aweights",), ("fweights", "aweights"))
        ],
        [Bad((Arr((2, 4)),), {"which": ("fweights",)}, fg.ShapeError, r"cov: fweights: expected shape \(4,\)")],
        call=lambda x, *, which: fg.cov(x, **{k: _WEIGHTS[k] for k in which}),
        torch=lambda t, x, *, which: t.cov(x, **{k: t.tensor(_WEIGHTS[k]) for k in which}),
        rtol=1e-5,
        scaled=True,
        id="cov-weights",
    ),
    Row(
        "corrcoef",
        np.corrcoef,
        [Sample((Arr((3, 5)),))],
        # The diagonal is 1 whatever x is, but for the last bit: on either side of the bound of clip.
        call=lambda x: (
            fg.tril(fg.corrcoef(x), -1) + fg.triu(fg.corrcoef(x), 1) + fg.eye(3, dtype=fg.as_tensor(x).dtype)
        ),
        torch=lambda t, x: t.tril(t.corrcoef(x), -1) + t.triu(t.corrcoef(x), 1) + t.eye(3),
        rtol=1e-5,
        scaled=True,
    ),
    *[
        Row(
            name,
            getattr(np, name),
            [Sample((Arr((3, 4), distinct=True), Arr((3, 1), low=-1.93, high=1.87, distinct=True)))],
            call=getattr(fg, name),
            torch=lambda t, a, b, name=name: getattr(t, name)(a, b),
        )
        for name in ("fmax", "fmin")
    ],
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
