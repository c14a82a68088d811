"""Norms that are made of other ops."""

from __future__ import annotations

import numpy as np

import ferrograd as fg
from ferrograd.nn import functional as F

from ._row import Arr, Bad, Row, Sample


def _affine(y, weight, bias):
    def channels(a):
        return a.reshape((-1,) + (1,) * (y.ndim - 2))

    y = y if weight is None else y * channels(weight)
    return y if bias is None else y + channels(bias)


def _standard(x, axis, eps):
    return (x - x.mean(axis, keepdims=True)) / np.sqrt(x.var(axis, keepdims=True) + eps)


def _group_norm(x, weight, bias, *, num_groups, eps=1e-5):
    grouped = x.reshape(x.shape[0], num_groups, x[0, 0].size * x.shape[1] // num_groups if x.size else 0)
    return _affine(_standard(grouped, -1, eps).reshape(x.shape), weight, bias)


def _instance_norm(x, weight, bias, *, eps=1e-5):
    return _affine(_standard(x, tuple(range(2, x.ndim)), eps), weight, bias)


def _rms_norm(x, weight, *, normalized_shape, eps=1e-2):
    axis = tuple(range(-len(normalized_shape), 0))
    y = x / np.sqrt((x * x).mean(axis, keepdims=True) + eps)
    return y if weight is None else y * weight


def _local_response_norm(x, *, size, alpha, beta, k):
    total = np.zeros_like(x)
    for c in range(x.shape[1]):
        total[:, c] = (x[:, max(c - size // 2, 0) : c + (size - 1) // 2 + 1] ** 2).sum(1)
    return x / (k + alpha / size * total) ** beta


def _normalize(x, *, p, dim, eps=1e-12):
    return x / np.maximum(np.linalg.norm(x, p, axis=dim, keepdims=True), eps)


ROWS = [
    Row(
        "F.group_norm",
        _group_norm,
        [
            Sample((Arr((3, 10)), Arr((10,)), Arr((10,))), {"num_groups": 2}),
            Sample((Arr((2, 6, 5)), Arr((6,)), None), {"num_groups": 3, "eps": 0.1}),
            Sample((Arr((2, 3, 2, 2)), None, None), {"num_groups": 1}),
        ],
        [
            Bad(
                (Arr((2, 3)), None, None),
                {"num_groups": 2},
                RuntimeError,
                "num_groups: expected a divisor of 3 .* got 2",
            ),
            Bad((Arr((3,)), None, None), {"num_groups": 3}, RuntimeError, "group_norm: input: expected at least 2 dim"),
            Bad(
                (Arr((1, 3)), None, None),
                {"num_groups": 3},
                ValueError,
                "group_norm: input: expected more than 1 value",
            ),
            Bad(
                (Arr((2, 4)), Arr((3,)), None),
                {"num_groups": 2},
                fg.ShapeError,
                r"group_norm: weight: expected .*\(4,\)",
            ),
        ],
        call=lambda x, weight, bias, *, num_groups, eps=1e-5: F.group_norm(x, num_groups, weight, bias, eps),
        torch=lambda t, x, weight, bias, *, num_groups, eps=1e-5: t.nn.functional.group_norm(
            x, num_groups, weight, bias, eps
        ),
        scaled=True,
    ),
    Row(
        "F.instance_norm",
        _instance_norm,
        [
            Sample((Arr((3, 2, 5)), Arr((2,)), Arr((2,)))),
            Sample((Arr((2, 3, 2, 2)), None, Arr((3,))), {"eps": 0.1}),
        ],
        [
            Bad(
                (Arr((2, 3, 1)), None, None),
                {},
                ValueError,
                "instance_norm: input: expected more than 1 spatial element",
            ),
            Bad((Arr((2, 3)), None, None), {}, fg.ShapeError, "instance_norm: input: expected at least 3 dimensions"),
            Bad(
                (Arr((2, 3, 2)), None, Arr((2,))), {}, fg.ShapeError, r"instance_norm: bias: expected shape \(3,\), got"
            ),
        ],
        call=lambda x, weight, bias, *, eps=1e-5: F.instance_norm(x, weight=weight, bias=bias, eps=eps),
        torch=lambda t, x, weight, bias, *, eps=1e-5: t.nn.functional.instance_norm(
            x, None, None, weight, bias, eps=eps
        ),
        scaled=True,
    ),
    Row(
        "F.rms_norm",
        _rms_norm,
        [
            Sample((Arr((3, 5)), Arr((5,))), {"normalized_shape": (5,)}),
            Sample((Arr((2, 2, 3)), Arr((2, 3))), {"normalized_shape": (2, 3), "eps": 0.5}),
            Sample((Arr((4,)), None), {"normalized_shape": (4,)}),
            Sample((Arr((0, 3)), None), {"normalized_shape": (3,)}),
        ],
        [
            Bad(
                (Arr((2, 3)), None),
                {"normalized_shape": (2,)},
                RuntimeError,
                r"rms_norm: input: expected .* ends in \(2,\)",
            ),
            Bad((Arr((2, 3)), None), {"normalized_shape": ()}, RuntimeError, "of at least 1 dimension"),
            Bad(
                (Arr((2, 3)), Arr((2,))),
                {"normalized_shape": (3,)},
                RuntimeError,
                r"rms_norm: weight: expected shape \(3,\)",
            ),
        ],
        call=lambda x, weight, *, normalized_shape, eps=1e-2: F.rms_norm(x, normalized_shape, weight, eps),
        torch=lambda t, x, weight, *, normalized_shape, eps=1e-2: t.nn.functional.rms_norm(
            x, normalized_shape, weight, eps
        ),
        scaled=True,
    ),
    Row(
        "F.local_response_norm",
        _local_response_norm,
        [
            Sample((Arr((2, 5, 3)),), {"size": 3, "alpha": 0.5, "beta": 0.75, "k": 1.0}),
            Sample((Arr((1, 4, 2, 2)),), {"size": 2, "alpha": 1.0, "beta": 2.0, "k": 0.5}),
        ],
        [
            Bad((Arr((2, 3)),), {"size": 2}, ValueError, "local_response_norm: input: expected at least 3 dimensions"),
            Bad(
                (Arr((2, 3, 4)),), {"size": 0}, ValueError, "local_response_norm: size: expected a number of at least 1"
            ),
        ],
        call=F.local_response_norm,
        torch=lambda t, x, **kw: t.nn.functional.local_response_norm(x, **kw),
    ),
    Row(
        "F.normalize",
        _normalize,
        [
            Sample((Arr((3, 4), away_from=(0.0,), distinct=True),), {"p": p, "dim": dim})
            for p, dim in ((2.0, 1), (1.0, 0), (3.0, -1), (float("inf"), 1))
        ],
        [Bad((Arr((2, 3)),), {"p": 2.0, "dim": 2}, IndexError, "normalize: dim: expected a dimension from -2 to 1")],
        call=F.normalize,
        torch=lambda t, x, **kw: t.nn.functional.normalize(x, **kw),
    ),
]
