"""Optimizer steps over lists of parameters, in place: the rows give three parameters and return what was written."""

from __future__ import annotations

import numpy as np

import ferrograd as fg
from ferrograd._core import backend

from ._row import Arr, Bad, Row, Sample

_SHAPES = [(3, 5), (), (300, 301)]


def _copies(xs):
    return [fg.tensor(np.array(x._readable() if isinstance(x, fg.Tensor) else x)) for x in xs]


def _sgd(*operands, t, **sgd):
    n = len(operands) // 3
    params, buffers = _copies(operands[:n]), _copies(operands[2 * n :])
    step = fg.tensor(t)
    backend.sgd_step(
        params, list(operands[n : 2 * n]), buffers if sgd["momentum"] else [], 0.1, [step],
        sgd["momentum"], sgd["dampening"], sgd["weight_decay"], sgd["nesterov"], sgd["maximize"],
    )  # fmt: skip
    assert step.item() == t + 1
    return (*params, *buffers)


def _sgd_reference(*operands, t, momentum, dampening, weight_decay, nesterov, maximize):
    n = len(operands) // 3
    params, buffers = [], []
    for p, g, b in zip(operands[:n], operands[n : 2 * n], operands[2 * n :], strict=True):
        g = (-g if maximize else g) + weight_decay * p
        if momentum:
            b = g if t == 0 else momentum * b + (1 - dampening) * g
            g = g + momentum * b if nesterov else b
        params.append(p - 0.1 * g)
        buffers.append(b)
    return (*params, *buffers)


def _adam(*operands, t, beta1, beta2, eps, weight_decay, decoupled, amsgrad, maximize):
    n = len(operands) // 5
    lists = [operands[k * n : (k + 1) * n] for k in range(5)]
    p, m, v, largest = (_copies(lists[k]) for k in (0, 2, 3, 4))
    step = fg.tensor(float(t))
    backend.adam_step(
        p, list(lists[1]), m, v, largest if amsgrad else [], fg.tensor(0.01), [step],
        beta1, beta2, eps, weight_decay, decoupled, maximize,
    )  # fmt: skip
    assert step.item() == t + 1
    return (*p, *m, *v, *largest)


def _adam_reference(*operands, t, beta1, beta2, eps, weight_decay, decoupled, amsgrad, maximize):
    n, t, lr = len(operands) // 5, t + 1, float(np.float32(0.01))
    found = [[], [], [], []]
    for p, g, m, v, largest in zip(*[operands[k * n : (k + 1) * n] for k in range(5)], strict=True):
        g = -g if maximize else g
        if decoupled:
            p = p * (1 - lr * weight_decay)
        else:
            g = g + weight_decay * p
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        largest = np.maximum(largest, v) if amsgrad else largest
        root = np.sqrt((largest if amsgrad else v) / (1 - beta2**t)) + eps
        for out, value in zip(found, (p - lr * (m / (1 - beta1**t)) / root, m, v, largest), strict=True):
            out.append(value)
    return tuple(np.asarray(y) for part in found for y in part)


def _norm(*grads, norm_type):
    return backend.grad_norm(list(grads), norm_type)


def _scale(*grads, factor):
    grads = _copies(grads)
    backend.scale_grads(grads, factor)
    return tuple(grads)


def _many(lists, low=()):
    return tuple(Arr(s, low=low[k] if k < len(low) else -2.0) for k in range(lists) for s in _SHAPES)


_SGD = {"momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False, "maximize": False}
_ADAM = {
    "beta1": 0.9,
    "beta2": 0.999,
    "eps": 1e-8,
    "weight_decay": 0.0,
    "decoupled": False,
    "amsgrad": False,
    "maximize": False,
}
#: Second moments are not negative.
_LOWS = (-2.0, -2.0, -2.0, 0.1, 0.1)

ROWS = [
    Row(
        "sgd_step",
        _sgd_reference,
        [
            Sample(_many(3), {"t": 3, **_SGD, "weight_decay": 0.1}),
            Sample(_many(3), {"t": 0, **_SGD, "momentum": 0.9, "dampening": 0.5}),
            Sample(_many(3), {"t": 2, **_SGD, "momentum": 0.9, "dampening": 0.5, "maximize": True}),
            Sample(_many(3), {"t": 2, **_SGD, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        ],
        [
            Bad(
                (Arr((3,)), Arr((4,)), Arr((3,))),
                {"t": 0, **_SGD},
                fg.ShapeError,
                r"sgd_step: grads\[0\]: expected the shape of params\[0\], \(3,\)",
            ),
            Bad(
                (Arr((3,)), np.ones(3), Arr((3,))),
                {"t": 0, **_SGD},
                TypeError,
                r"sgd_step: grads\[0\]: expected float32, got float64",
            ),
            Bad(
                (Arr((3,)), Arr((3,)), Arr((3,))),
                {"t": 0, **_SGD, "nesterov": True},
                ValueError,
                r"sgd_step: nesterov: expected momentum",
            ),
        ],
        call=_sgd,
        rtol=5e-6,
        scaled=True,
        differentiable=False,
    ),
    Row(
        "adam_step",
        _adam_reference,
        [
            Sample(_many(5, _LOWS), {"t": 0, **_ADAM}),
            Sample(_many(5, _LOWS), {"t": 4, **_ADAM, "weight_decay": 0.1, "amsgrad": True, "maximize": True}),
            Sample(_many(5, _LOWS), {"t": 9, **_ADAM, "weight_decay": 0.1, "decoupled": True}),
        ],
        [
            Bad(
                (Arr((3,)), Arr((3,)), Arr((3,)), Arr((2,)), Arr((3,))),
                {"t": 0, **_ADAM},
                fg.ShapeError,
                r"adam_step: exp_avg_sqs\[0\]: expected the shape",
            ),
            Bad(
                (Arr((3,)),) * 5,
                {"t": 0, **_ADAM, "beta2": 1.0},
                ValueError,
                r"adam_step: beta2: expected a number from 0 to below 1",
            ),
        ],
        call=_adam,
        rtol=1e-5,
        scaled=True,
        differentiable=False,
    ),
    Row(
        "grad_norm",
        lambda *grads, norm_type: np.asarray(np.linalg.norm(np.concatenate([g.reshape(-1) for g in grads]), norm_type)),
        [Sample(_many(1), {"norm_type": n}) for n in (1.0, 2.0, float("inf"))],
        [Bad((Arr((3,)),), {"norm_type": 3.0}, ValueError, r"grad_norm: norm_type: expected 1, 2 or infinity, got 3")],
        call=_norm,
        differentiable=False,
    ),
    Row(
        "scale_grads",
        lambda *grads, factor: tuple(g * factor for g in grads),
        [Sample(_many(1), {"factor": 0.25})],
        [Bad((Arr((3,)),), {"factor": np.ones(2)}, fg.ShapeError, r"scale_grads: factor: expected a 0-d array")],
        call=_scale,
        differentiable=False,
    ),
]
