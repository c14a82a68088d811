"""Layer and batch normalisation."""

from __future__ import annotations

import numpy as np

import ferrograd as fg

from ._row import Arr, Bad, Row, Sample


def _layer_norm(x, weight, bias, *, normalized_shape, eps):
    dim = tuple(range(-len(normalized_shape), 0))
    mean = x.mean(axis=dim, keepdims=True)
    rstd = 1 / np.sqrt(x.var(axis=dim, keepdims=True) + eps)
    y = (x - mean) * rstd * (1.0 if weight is None else weight) + (0.0 if bias is None else bias)
    return y, mean.squeeze(dim), rstd.squeeze(dim)


def _by_channel(x, mean, var, weight, bias, eps, activation):
    def channels(a):
        return a.reshape((1, -1) + (1,) * (x.ndim - 2))

    y = (x - channels(mean)) / np.sqrt(channels(var) + eps)
    y = y if weight is None else y * channels(weight)
    y = y if bias is None else y + channels(bias)
    return np.maximum(y, 0) if activation == "relu" else y


def _batch_norm(x, weight, bias, running_mean, running_var, momentum, *, eps, activation):
    dim = (0, *range(2, x.ndim))
    mean, var = x.mean(axis=dim), x.var(axis=dim)
    return _by_channel(x, mean, var, weight, bias, eps, activation), mean, 1 / np.sqrt(var + eps)


def _batch_norm_eval(x, weight, bias, mean, var, *, eps, activation):
    return _by_channel(x, mean, var, weight, bias, eps, activation)


def _with_running(x, weight, bias, mean, var, momentum, *, eps, activation):
    """The running statistics after one call, from copies of those given."""
    mean, var = fg.tensor(np.asarray(mean)), fg.tensor(np.asarray(var))
    fg.ops.batch_norm(x, weight, bias, mean, var, momentum, eps=eps, activation=activation)
    return mean, var


def _running(x, weight, bias, running_mean, running_var, momentum, *, eps, activation):
    dim = (0, *range(2, x.ndim))
    mean, var = x.mean(axis=dim), x.var(axis=dim, ddof=1)
    return (1 - momentum) * running_mean + momentum * mean, (1 - momentum) * running_var + momentum * var


#: Rows and planes of channels, few and many, around vectors, strips and the serial threshold.
_SHAPES = [
    (5, 3),
    (2, 3, 4),
    (4, 5, 3, 3),
    (2, 3, 2, 3, 2),
    (3, 1, 9),
    (40, 33),
    (600, 40),
    (4, 7, 30, 40),
    (9, 40, 3, 3),
    (200, 60, 3),
]


def _rows(c, affine):
    return (Arr((c,), 0.5, 1.5), Arr((c,))) if affine else (None, None)


_BATCH = [
    Sample((Arr(shape), *_rows(shape[1], k % 2 == 0), None, None, 0.1), {"eps": 1e-5, "activation": None})
    for k, shape in enumerate(_SHAPES)
]
_LAYER = [
    ((4, 6), (6,)),
    ((1,), (1,)),
    ((2, 3, 5), (3, 5)),
    ((7, 33), (33,)),
    ((0, 4), (4,)),
    ((70, 513), (513,)),
    ((3000, 8), (8,)),
]


def _layer_samples():
    return [
        Sample(
            (Arr(shape), *((Arr(normalized, 0.5, 1.5), Arr(normalized)) if k % 2 == 0 else (None, None))),
            {"normalized_shape": normalized, "eps": 1e-5},
        )
        for k, (shape, normalized) in enumerate(_LAYER)
    ]


def _torch_batch(t, x, weight, bias, running_mean, running_var, momentum, *, eps, activation):
    y = t.nn.functional.batch_norm(x, None, None, weight, bias, True, 0.0, eps)
    return (t.relu(y) if activation == "relu" else y,)


def _two_sided(seed, shape):
    """Inputs far from the activation's kink once normalised: half of them low, half of them high."""
    rng = np.random.default_rng(seed)
    low, high = rng.uniform(-3, -2, shape), rng.uniform(2, 3, shape)
    return np.concatenate([low, high]).astype(np.float32).astype(np.float64)


_RELU = {"eps": 1e-5, "activation": "relu"}
_NO_BIAS = {"eps": 1e-5, "activation": None}

ROWS = [
    Row(
        "layer_norm",
        _layer_norm,
        _layer_samples(),
        [
            Bad(
                (Arr((2, 4)), None, None),
                {"normalized_shape": (3,), "eps": 1e-5},
                fg.ShapeError,
                r"input: expected shape \(\*, 3\), got \(2, 4\)",
            ),
            Bad(
                (Arr((2, 4)), Arr((3,)), None),
                {"normalized_shape": (4,), "eps": 1e-5},
                fg.ShapeError,
                r"weight: expected shape \(4,\), got \(3,\)",
            ),
        ],
        rtol=5e-6,
        scaled=True,
    ),
    Row(
        "layer_norm",
        None,
        _layer_samples()[:4],
        id="layer_norm-torch",
        parts=(0,),
        torch=lambda t, x, w, b, *, normalized_shape, eps: (
            t.nn.functional.layer_norm(x, normalized_shape, w, b, eps),
        ),
    ),
    Row(
        "batch_norm",
        _batch_norm,
        _BATCH,
        [
            Bad(
                (Arr((1, 4)), None, None, None, None, 0.1),
                _NO_BIAS,
                ValueError,
                r"more than 1 value per channel when training",
            ),
            Bad(
                (Arr((3,)), None, None, None, None, 0.1),
                _NO_BIAS,
                fg.ShapeError,
                r"expected shape \(N, C\) or \(N, C, \*\), got \(3,\)",
            ),
            Bad(
                (Arr((2, 4)), Arr((3,)), None, None, None, 0.1),
                _NO_BIAS,
                fg.ShapeError,
                r"weight: expected shape \(4,\), got \(3,\)",
            ),
            Bad(
                (Arr((2, 4)), None, None, Arr((4,)), Arr((4,)), 0.1),
                _NO_BIAS,
                TypeError,
                r"running_mean: expected a Tensor",
            ),
            Bad(
                (Arr((2, 4)), None, None, None, None, 0.1),
                {"eps": 1e-5, "activation": "elu"},
                ValueError,
                r"activation",
            ),
        ],
        rtol=5e-6,
        scaled=True,
    ),
    Row("batch_norm", None, _BATCH[:6], id="batch_norm-torch", parts=(0,), torch=_torch_batch),
    Row(
        "batch_norm",
        _batch_norm,
        [
            Sample((_two_sided(c, shape), Arr((c,), 0.5, 1.5), Arr((c,), -0.1, 0.1), None, None, 0.1), _RELU)
            for c, shape in [(3, (2, 3, 4)), (20, (60, 20)), (5, (20, 5, 60))]
        ],
        id="batch_norm-relu",
        # The means here are sums that nearly cancel; the statistics are compared in the rows without activation.
        parts=(0,),
        rtol=5e-6,
        scaled=True,
    ),
    Row(
        "batch_norm",
        _running,
        [
            Sample((Arr(shape), None, None, Arr((shape[1],)), Arr((shape[1],), 0.5, 2.0), np.array(0.25)), _NO_BIAS)
            for shape in _SHAPES[:6]
        ],
        call=_with_running,
        id="batch_norm-running",
        scaled=True,
        differentiable=False,
    ),
    Row(
        "batch_norm_eval",
        _batch_norm_eval,
        [
            Sample(
                (
                    Arr(shape),
                    *_rows(shape[1], k % 2 == 0),
                    Arr((shape[1],), differentiable=False),
                    Arr((shape[1],), 0.5, 2.0, differentiable=False),
                ),
                _NO_BIAS,
            )
            for k, shape in enumerate([(0, 3), (1, 4), *_SHAPES])
        ],
        [
            Bad(
                (Arr((2, 4)), None, None, Arr((3,)), Arr((4,))),
                _NO_BIAS,
                fg.ShapeError,
                r"running_mean: expected shape \(4,\)",
            )
        ],
        rtol=5e-6,
        scaled=True,
        torch=lambda t, x, w, b, m, v, *, eps, activation: t.nn.functional.batch_norm(x, m, v, w, b, False, 0.0, eps),
    ),
    Row(
        "batch_norm_eval",
        _batch_norm_eval,
        [
            Sample(
                (
                    _two_sided(c, shape),
                    Arr((c,), 0.5, 1.5),
                    Arr((c,), -0.1, 0.1),
                    Arr((c,), -0.1, 0.1, differentiable=False),
                    Arr((c,), 0.5, 2.0, differentiable=False),
                ),
                _RELU,
            )
            for c, shape in [(3, (2, 3, 4)), (20, (60, 20))]
        ],
        id="batch_norm_eval-relu",
        rtol=5e-6,
        scaled=True,
    ),
]
