"""Activations that are made of other ops."""

from __future__ import annotations

from typing import Any

import numpy as np

import ferrograd as fg
from ferrograd.nn import functional as F

from ._row import Arr, Bad, Row, Sample
from .activation import sigma

_STR = "expected a Tensor, an ndarray or a number, got str"


def composed(
    name: str, reference: Any, kinks: tuple[float, ...] = (), errors: Any = (), torch: bool = True, **attributes: Any
) -> Row:
    """A row of an activation by its name in `nn.functional`."""
    return Row(
        f"F.{name}",
        reference,
        [Sample((Arr(s, -5.0, 5.0, away_from=kinks),), attributes) for s in ((), (0, 3), (5, 7))],
        [Bad(("a",), attributes, TypeError, _STR), *errors],
        call=getattr(F, name),
        torch=(lambda t, x, **kw: getattr(t.nn.functional, name)(x, **kw)) if torch else None,
        scaled=True,
    )


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, x)


def _selu(x: np.ndarray) -> np.ndarray:
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return scale * np.where(x > 0, x, alpha * np.expm1(x))


def _prelu(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    slope = weight.reshape((-1,) + (1,) * (x.ndim - 2)) if weight.size > 1 else weight.reshape(())
    return np.where(x > 0, x, slope * x)


def _glu(x: np.ndarray, dim: int) -> np.ndarray:
    a, b = np.split(x, 2, dim)
    return a * sigma(b)


def _softmin(x: np.ndarray, dim: int) -> np.ndarray:
    e = np.exp(-x)
    return e / e.sum(dim, keepdims=True)


ROWS = [
    composed("relu6", lambda x: np.clip(x, 0, 6), (0.0, 6.0)),
    composed(
        "threshold", lambda x, threshold, value: np.where(x > threshold, x, value), (0.5,), threshold=0.5, value=-2.0
    ),
    # PyTorch's gradient in float64 has a sixth in float32 in it.
    composed("hardsigmoid", lambda x: np.clip(x / 6 + 0.5, 0, 1), (-3.0, 3.0), torch=False),
    composed("hardswish", lambda x: x * np.clip(x / 6 + 0.5, 0, 1), (-3.0, 3.0)),
    composed("hardshrink", lambda x, lambd: np.where(np.abs(x) > lambd, x, 0), (-0.75, 0.75), lambd=0.75),
    composed(
        "softshrink",
        lambda x, lambd: np.sign(x) * np.maximum(np.abs(x) - lambd, 0),
        (-0.75, 0.75),
        [
            Bad(
                (Arr((3,)),),
                {"lambd": -1.0},
                RuntimeError,
                "softshrink: lambd: expected a number of at least 0, got -1",
            )
        ],
        lambd=0.75,
    ),
    composed("tanhshrink", lambda x: x - np.tanh(x)),
    composed("softsign", lambda x: x / (1 + np.abs(x)), (0.0,)),
    composed("logsigmoid", lambda x: -_softplus(-x)),
    composed("selu", _selu, (0.0,)),
    composed(
        "celu",
        lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x / alpha)),
        (0.0,),
        [Bad((Arr((3,)),), {"alpha": 0}, RuntimeError, "celu: alpha: expected a number other than 0")],
        alpha=1.5,
    ),
    composed("mish", lambda x: x * np.tanh(_softplus(x))),
    composed(
        "rrelu",
        lambda x, lower, upper: np.where(x > 0, x, x * (lower + upper) / 2),
        (0.0,),
        [Bad((Arr((3,)),), {"lower": 0.5, "upper": 0.25}, RuntimeError, "rrelu: upper: expected a number of at least")],
        lower=0.125,
        upper=0.5,
    ),
    Row(
        "F.prelu",
        _prelu,
        [
            Sample((Arr(shape, away_from=(0.0,)), Arr(weight)))
            for shape, weight in (((), (1,)), ((5,), ()), ((4, 3), (3,)), ((2, 3, 2, 2), (3,)), ((0, 3), (3,)))
        ],
        [
            Bad(
                (Arr((2, 3)), Arr((2,))), {}, fg.ShapeError, r"prelu: weight: expected shape \(1,\) or \(3,\) .* \(2,\)"
            ),
            Bad((Arr((2, 3)), Arr((1, 3))), {}, RuntimeError, r"prelu: weight: expected shape .* got \(1, 3\)"),
        ],
        call=F.prelu,
        torch=lambda t, x, w: t.nn.functional.prelu(x, w.reshape(-1)),
    ),
    Row(
        "F.glu",
        _glu,
        [Sample((Arr(shape),), {"dim": dim}) for shape, dim in (((4,), 0), ((3, 6), -1), ((2, 4, 3), 1), ((0, 2), 1))],
        [
            Bad((Arr((2, 3)),), {"dim": 1}, fg.ShapeError, "glu: input: expected an even size in dimension 1, got 3"),
            Bad((Arr(()),), {"dim": 0}, RuntimeError, "glu: input: expected at least 1 dimension"),
            Bad((Arr((2,)),), {"dim": 1}, IndexError, "glu: dim: expected a dimension from -1 to 0, got 1"),
        ],
        call=F.glu,
        torch=lambda t, x, dim: t.nn.functional.glu(x, dim),
    ),
    Row(
        "F.softmin",
        _softmin,
        [Sample((Arr(shape),), {"dim": dim}) for shape, dim in (((5,), 0), ((3, 4), 1), ((2, 3, 2), -2))],
        [Bad((Arr((2, 3)),), {"dim": 2}, IndexError, "softmin: dim: expected a dimension")],
        call=F.softmin,
        torch=lambda t, x, dim: t.nn.functional.softmin(x, dim),
    ),
]
