"""Activations. Their gradients are ops too; the second-order tests differentiate those."""

from __future__ import annotations

from typing import Any

import numpy as np

import ferrograd as fg

from ._row import Arr, Bad, Row, Sample
from .elementwise import SHAPES, erf


def activation(name: str, reference: Any, torch: Any, kinks: tuple[float, ...] = (), **attributes: Any) -> Row:
    """A row of an activation, its gradient covered by it."""
    samples = [Sample((Arr(s, low=-4.0, high=4.0, away_from=kinks),), dict(attributes)) for s in SHAPES]
    errors = [
        Bad(
            ("a",),
            dict(attributes),
            TypeError,
            rf"{name}\w*: input: expected a Tensor, an ndarray or a number, got str",
        )
    ]
    if attributes or name in ("silu",):
        expected = rf"{name}\w*: input: expected float32 or float64, got int64"
        errors.append(Bad((Arr((3,), kind="int"),), dict(attributes), fg.DTypeError, expected))
    return Row(name, reference, samples, errors, torch=torch, covers=(f"{name}_grad",), scaled=True)


def sigma(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def gelu(x: np.ndarray, approximate: str) -> np.ndarray:
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + erf(x / np.sqrt(2)))


ROWS = [
    activation("relu", lambda x: np.maximum(x, 0), lambda t, x: t.relu(x), (0.0,)),
    activation("sigmoid", sigma, lambda t, x: t.sigmoid(x)),
    activation("tanh", np.tanh, lambda t, x: t.tanh(x)),
    activation("silu", lambda x: x * sigma(x), lambda t, x: t.nn.functional.silu(x)),
    activation(
        "leaky_relu",
        lambda x, negative_slope: np.where(x > 0, x, negative_slope * x),
        lambda t, x, negative_slope: t.nn.functional.leaky_relu(x, negative_slope),
        (0.0,),
        negative_slope=0.125,
    ),
    activation(
        "elu",
        lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x)),
        lambda t, x, alpha: t.nn.functional.elu(x, alpha),
        (0.0,),
        alpha=1.5,
    ),
    activation(
        "softplus",
        lambda x, beta, threshold: np.where(beta * x > threshold, x, np.logaddexp(0, beta * x) / beta),
        lambda t, x, beta, threshold: t.nn.functional.softplus(x, beta, threshold),
        (2.5,),
        beta=2.0,
        threshold=5.0,
    ),
    activation(
        "hardtanh",
        lambda x, min_val, max_val: np.clip(x, min_val, max_val),
        lambda t, x, min_val, max_val: t.nn.functional.hardtanh(x, min_val, max_val),
        (-1.0, 2.0),
        min_val=-1.0,
        max_val=2.0,
    ),
    activation(
        "gelu", gelu, lambda t, x, approximate: t.nn.functional.gelu(x, approximate=approximate), approximate="none"
    ),
    activation(
        "gelu", gelu, lambda t, x, approximate: t.nn.functional.gelu(x, approximate=approximate), approximate="tanh"
    ),
]
ROWS[-1].id = "gelu-tanh"
