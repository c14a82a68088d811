"""Losses that are ops."""

from __future__ import annotations

import numpy as np

import ferrograd as fg

from ._row import Arr, Bad, Row, Sample


def _cross_entropy(x, target, weight, *, reduction, ignore_index, label_smoothing):
    dim = 1 if x.ndim > 1 else 0
    classes = x.shape[dim]
    x = np.moveaxis(x, dim, -1)
    shifted = x - x.max(axis=-1, keepdims=True, initial=-np.inf)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    w = np.ones(classes) if weight is None else weight
    valid = target != ignore_index
    t = np.where(valid, target, 0)
    of_target = np.take_along_axis(log_p, t[..., None], -1)[..., 0]
    loss = -(1 - label_smoothing) * w[t] * of_target - label_smoothing / classes * (w * log_p).sum(-1)
    loss = np.where(valid, loss, 0.0)
    if reduction == "none":
        return loss
    return loss.sum() if reduction == "sum" else loss.sum() / np.where(valid, w[t], 0.0).sum()


def _torch(t, x, target, weight, **attributes):
    return t.nn.functional.cross_entropy(x, target, weight, **attributes)


def _sample(shape, reduction, weighted, label_smoothing, ignore_index=-100):
    classes = shape[1] if len(shape) > 1 else shape[0]
    rest = (shape[0], *shape[2:]) if len(shape) > 1 else ()
    weight = Arr((classes,), 0.1, 2.0, differentiable=False) if weighted else None
    attributes = {"reduction": reduction, "ignore_index": ignore_index, "label_smoothing": label_smoothing}
    return Sample((Arr(shape, -5, 5), Arr(rest, 0, classes, "int"), weight), attributes)


_SHAPES = [(3,), (5, 3), (4, 7, 3), (2, 5, 3, 2), (17, 10), (6, 40), (600, 10), (200, 130), (3, 21, 700)]
_PLAIN = {"reduction": "mean", "ignore_index": -100, "label_smoothing": 0.0}

ROWS = [
    Row(
        "cross_entropy",
        _cross_entropy,
        [
            _sample(shape, reduction, k % 2 == 1, 0.1 * (k % 3 == 0), 1 if k % 4 == 0 else -100)
            for k, (shape, reduction) in enumerate((s, r) for s in _SHAPES for r in ("mean", "sum", "none"))
        ],
        [
            Bad(
                (Arr((3, 4)), np.array([0, 5, 1]), None),
                _PLAIN,
                IndexError,
                r"from 0 to 3 \(4 classes\), got class 5 at position \(1,\)",
            ),
            Bad((Arr((3, 4)), np.array([0, -1, 1]), None), _PLAIN, IndexError, r"got class -1 at position \(1,\)"),
            Bad(
                (Arr((3, 4)), np.array([0, 1]), None),
                _PLAIN,
                fg.ShapeError,
                r"cross_entropy: target: expected shape \(3,\)",
            ),
            Bad(
                (Arr((3, 4)), Arr((3,)), None), _PLAIN, fg.DTypeError, r"cross_entropy: target: expected class indices"
            ),
            Bad(
                (Arr((3, 4)), np.array([0, 1, 2]), Arr((3,))),
                _PLAIN,
                fg.ShapeError,
                r"cross_entropy: weight: expected shape \(4,\)",
            ),
            Bad(
                (Arr((3, 4)), np.array([0, 1, 2]), None),
                {**_PLAIN, "reduction": "all"},
                ValueError,
                r"reduction: expected one of",
            ),
            Bad(
                (Arr((3, 4)), np.array([0, 1, 2]), None),
                {**_PLAIN, "label_smoothing": 2.0},
                ValueError,
                r"label_smoothing",
            ),
        ],
        scaled=True,
        torch=_torch,
    ),
    Row(
        "binary_cross_entropy",
        lambda x, t: -t * np.log(x) - (1 - t) * np.log(1 - x),
        [Sample((Arr(shape, 0.05, 0.95), Arr(shape, 0.0, 1.0))) for shape in ((), (0, 2), (5,), (3, 4))],
        [Bad((Arr((3,)), "a"), {}, TypeError, "expected a Tensor, an ndarray or a number, got str")],
        torch=lambda t, x, y: t.nn.functional.binary_cross_entropy(x, y, reduction="none"),
        rtol=1e-5,
    ),
    *(
        Row(
            "huber",
            lambda x, y, delta, scale: scale * (h := np.clip(x - y, -delta, delta)) * ((x - y) / 2 + (x - y - h) / 2),
            [
                Sample((Arr((3, 4), -1, 1), Arr((3, 4), 2.5, 3.5)), {"delta": delta, "scale": 2.0}),
                Sample((Arr((3, 4), -1, 1), Arr((4,), -1, 1)), {"delta": 2.5, "scale": 1.0}),
                Sample((Arr((0, 3)), Arr((0, 3))), {"delta": 1.0, "scale": 1.0}),
                Sample((Arr((130, 301), 0, 1), Arr((130, 301), 1.5, 4.0)), {"delta": 0.25, "scale": 0.5}),
            ],
            id=f"huber-{delta}",
        )
        for delta in (0.5, 1e9)
    ),
    Row(
        "huber_grad",
        lambda g, x, y, delta, scale: scale * g * np.clip(x - y, -delta, delta),
        [
            Sample((Arr((3, 4)), Arr((3, 4), -1, 1), Arr((3, 4), 2.5, 3.5)), {"delta": 0.5, "scale": 2.0}),
            Sample((Arr(()), Arr((3, 4), -1, 1), Arr((3, 4), -1, 1)), {"delta": 3.0, "scale": 1.0}),
            Sample((Arr((130, 301)), Arr((130, 301), 0, 1), Arr((130, 301), 1.5, 4.0)), {"delta": 0.25, "scale": 0.5}),
        ],
    ),
]
