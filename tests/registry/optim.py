"""Optimizer steps over lists of parameters, in place: the rows give three parameters and return what was written."""

from __future__ import annotations

import itertools

import numpy as np

import ferrograd as fg
from ferrograd._core import backend

from ._row import Arr, Bad, Row, Sample

_SHAPES = [(3, 5), (), (300, 301)]
#: The learning rate of the steps below `sgd_step` and `adam_step`.
_LR = float(np.float32(0.01))


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


def _stepper(name, states, *, scalars=0):
    """Calls `backend.<name>` on copies: params, grads, then `states` lists; what was written, in that order.

    `absent` names lists that stay empty, `done` the steps before this one; the last `scalars` lists are 0-d arrays.
    """

    def call(*operands, done, absent=(), **options):
        shaped, single = (
            operands[: len(operands) - scalars * len(_SHAPES)],
            operands[len(operands) - scalars * len(_SHAPES) :],
        )
        n = len(shaped) // (2 + states)
        lists = [shaped[k * n : (k + 1) * n] for k in range(2 + states)]
        params, held = _copies(lists[0]), [_copies(part) for part in lists[2:]]
        held += [_copies(single[k * n : (k + 1) * n]) for k in range(scalars)]
        step = fg.tensor(float(done))
        given = [[] if k in absent else part for k, part in enumerate(held)]
        getattr(backend, name)(params, list(lists[1]), *given, fg.tensor(0.01), [step], **options)
        assert step.item() == done + 1
        return (*params, *itertools.chain.from_iterable(held))

    return call


def _reference(states, update, *, scalars=0):
    """The same by `update(t, lr, p, g, states, options)` for each parameter; it gives p and the states."""

    def reference(*operands, done, absent=(), **options):
        n = len(operands) // (2 + states + scalars)
        lists = [operands[k * n : (k + 1) * n] for k in range(2 + states + scalars)]
        found = [[] for _ in range(1 + states + scalars)]
        for p, g, *held in zip(*lists, strict=True):
            g = (-g if options["maximize"] else g) + (0 if options.get("decoupled") else options["weight_decay"]) * p
            if options.get("decoupled"):
                p = p * (1 - _LR * options["weight_decay"])
            for out, value in zip(found, update(done + 1, p, g, held, absent, options), strict=True):
                out.append(np.asarray(value))
        return tuple(itertools.chain.from_iterable(found))

    return reference


def _adagrad(t, p, g, held, absent, o):
    total = held[0] + g * g
    return p - _LR / (1 + (t - 1) * o["lr_decay"]) * g / (np.sqrt(total) + o["eps"]), total


def _adadelta(t, p, g, held, absent, o):
    v = o["rho"] * held[0] + (1 - o["rho"]) * g * g
    d = np.sqrt(held[1] + o["eps"]) / np.sqrt(v + o["eps"]) * g
    return p - _LR * d, v, o["rho"] * held[1] + (1 - o["rho"]) * d * d


def _rmsprop(t, p, g, held, absent, o):
    v, mean, buffer = held
    v = o["alpha"] * v + (1 - o["alpha"]) * g * g
    if 1 not in absent:
        mean = o["alpha"] * mean + (1 - o["alpha"]) * g
    step = g / (np.sqrt(v - (0 if 1 in absent else mean * mean)) + o["eps"])
    if 2 not in absent:
        step = buffer = o["momentum"] * buffer + step
    return p - _LR * step, v, mean, buffer


def _adamax(t, p, g, held, absent, o):
    m, u = o["beta1"] * held[0] + (1 - o["beta1"]) * g, np.maximum(o["beta2"] * held[1], np.abs(g) + o["eps"])
    return p - _LR / (1 - o["beta1"] ** t) * m / u, m, u


def _moments(g, held, o):
    return o["beta1"] * held[0] + (1 - o["beta1"]) * g, o["beta2"] * held[1] + (1 - o["beta2"]) * g * g


def _nadam(t, p, g, held, absent, o):
    m, v = _moments(g, held, o)
    mu, after = (o["beta1"] * (1 - 0.5 * 0.96 ** (n * o["momentum_decay"])) for n in (t, t + 1))
    product = held[2] * mu
    root = np.sqrt(v / (1 - o["beta2"] ** t)) + o["eps"]
    return p - _LR * ((1 - mu) / (1 - product) * g + after / (1 - product * after) * m) / root, m, v, product


def _radam(t, p, g, held, absent, o):
    m, v = _moments(g, held, o)
    longest, rest = 2 / (1 - o["beta2"]) - 1, 1 - o["beta2"] ** t
    length = longest - 2 * t * o["beta2"] ** t / rest
    step = m / (1 - o["beta1"] ** t)
    if length > 5:
        factor = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
        step = step * np.sqrt(factor) * np.sqrt(rest) / (np.sqrt(v) + o["eps"])
    return p - _LR * step, m, v


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

_PLAIN = {"eps": 1e-2, "weight_decay": 0.0, "maximize": False}
_DECAYED = {"eps": 1e-2, "weight_decay": 0.1, "maximize": True}
_BETAS = {"beta1": 0.9, "beta2": 0.99}
#: μ products, one a parameter.
_PRODUCTS = tuple(Arr((), low=0.3, high=0.9) for _ in _SHAPES)
#: Running squares above the square of any running mean.
_LARGE = tuple(Arr(s, low=5.0, high=9.0) for s in _SHAPES)
_ONE = Arr((3,))

ROWS = [
    Row(
        "adagrad_step",
        _reference(1, _adagrad),
        [
            Sample(_many(3, _LOWS[1:]), {"done": 0, "lr_decay": 0.0, **_PLAIN}),
            Sample(_many(3, _LOWS[1:]), {"done": 5, "lr_decay": 0.1, **_DECAYED}),
        ],
        [
            Bad(
                (_ONE, _ONE, Arr((4,))),
                {"done": 0, "lr_decay": 0.0, **_PLAIN},
                fg.ShapeError,
                r"adagrad_step: sums\[0\]: expected the shape of params\[0\], \(3,\)",
            )
        ],
        call=_stepper("adagrad_step", 1),
        rtol=1e-5,
        scaled=True,
        differentiable=False,
    ),
    Row(
        "adadelta_step",
        _reference(2, _adadelta),
        [
            Sample(_many(4, (-2.0, -2.0, 0.1, 0.1)), {"done": 0, "rho": 0.9, **_PLAIN}),
            Sample(_many(4, (-2.0, -2.0, 0.1, 0.1)), {"done": 2, "rho": 0.3, **_DECAYED}),
        ],
        [
            Bad(
                (_ONE,) * 4,
                {"done": 0, "rho": 1.5, **_PLAIN},
                ValueError,
                r"adadelta_step: rho: expected a number from 0 to 1",
            )
        ],
        call=_stepper("adadelta_step", 2),
        rtol=1e-5,
        scaled=True,
        differentiable=False,
    ),
    Row(
        "rmsprop_step",
        _reference(3, _rmsprop),
        [
            Sample(
                (*_many(2), *_LARGE, *_many(2)),
                {"done": 1, "alpha": 0.9, "momentum": 0.8 if momentum else 0.0, "absent": absent, **options},
            )
            for momentum, absent, options in [
                (False, (1, 2), _PLAIN),
                (True, (1,), _DECAYED),
                (False, (2,), _DECAYED),
                (True, (), _PLAIN),
            ]
        ],
        [
            Bad(
                (_ONE,) * 5,
                {"done": 0, "alpha": 0.9, "momentum": 0.5, "absent": (2,), **_PLAIN},
                ValueError,
                r"rmsprop_step: momentum_buffers: expected 1 arrays, one a parameter, got 0",
            )
        ],
        call=_stepper("rmsprop_step", 3),
        rtol=1e-5,
        scaled=True,
        differentiable=False,
    ),
    Row(
        "adamax_step",
        _reference(2, _adamax),
        [
            Sample(_many(4, (-2.0, -2.0, -2.0, 0.1)), {"done": 0, **_BETAS, **_PLAIN}),
            Sample(_many(4, (-2.0, -2.0, -2.0, 0.1)), {"done": 3, "beta1": 0.3, "beta2": 0.5, **_DECAYED}),
        ],
        [
            Bad(
                (_ONE,) * 4,
                {"done": 0, "beta1": 1.0, "beta2": 0.5, **_PLAIN},
                ValueError,
                r"adamax_step: beta1: expected",
            )
        ],
        call=_stepper("adamax_step", 2),
        rtol=1e-5,
        scaled=True,
        differentiable=False,
    ),
    Row(
        "nadam_step",
        _reference(2, _nadam, scalars=1),
        [
            Sample(
                (*_many(4, (-2.0, -2.0, -2.0, 0.1)), *_PRODUCTS),
                {"done": done, "momentum_decay": 0.1, "decoupled": decoupled, **_BETAS, **options},
            )
            for done, decoupled, options in [(0, False, _PLAIN), (4, False, _DECAYED), (9, True, _DECAYED)]
        ],
        [
            Bad(
                (*[Arr((3,))] * 12, _ONE, _ONE, _ONE),
                {"done": 0, "momentum_decay": 0.1, "decoupled": False, **_BETAS, **_PLAIN},
                fg.ShapeError,
                r"nadam_step: mu_products\[0\]: expected a 0-d array, got \(3,\)",
            )
        ],
        call=_stepper("nadam_step", 2, scalars=1),
        rtol=1e-5,
        scaled=True,
        differentiable=False,
    ),
    Row(
        "radam_step",
        _reference(2, _radam),
        [
            Sample(
                _many(4, (-2.0, -2.0, -2.0, 0.1)),
                {"done": done, "decoupled": decoupled, **_BETAS, **options},
            )
            for done, decoupled, options in [(0, False, _PLAIN), (20, False, _DECAYED), (9, True, _DECAYED)]
        ],
        [
            Bad(
                (_ONE,) * 4,
                {"done": 0, "decoupled": False, "beta1": 0.9, "beta2": -0.1, **_PLAIN},
                ValueError,
                r"radam_step: beta2: expected a number from 0 to below 1",
            )
        ],
        call=_stepper("radam_step", 2),
        rtol=1e-5,
        scaled=True,
        differentiable=False,
    ),
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
