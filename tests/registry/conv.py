"""Convolutions. Sizes straddle tiles, panels of rows, blocks of points and the serial threshold."""

from __future__ import annotations

import itertools
import math

import numpy as np

import ferrograd as fg

from ._row import Arr, Bad, Row, Sample


def _sides(padding):
    return [(p, p) if isinstance(p, int) else p for p in padding]


def _taps(kernel, out, stride, dilation):
    """Each element of the kernel with the slices of the padded input that it meets."""
    for tap in itertools.product(*map(range, kernel)):
        yield (
            tap,
            tuple(
                slice(k * d, k * d + (o - 1) * s + 1, s) for k, d, o, s in zip(tap, dilation, out, stride, strict=True)
            ),
        )


def _out(size, kernel, stride, padding, dilation):
    sizes = zip(size, kernel, stride, _sides(padding), dilation, strict=True)
    return [(n + a + b - d * (k - 1) - 1) // s + 1 for n, k, s, (a, b), d in sizes]


def _grouped(groups, size):
    return [slice(g * (size // groups), (g + 1) * (size // groups)) for g in range(groups)]


def convolution(x, w, b, *, stride, padding, dilation, groups):
    """y[n, o, p] = b[o] + Σ_c Σ_k w[o, c, k] · x[n, c, p·stride + k·dilation - padding]."""
    out = _out(x.shape[2:], w.shape[2:], stride, padding, dilation)
    x = np.pad(x, [(0, 0), (0, 0), *_sides(padding)])
    y = np.zeros((x.shape[0], w.shape[0], *out))
    for tap, where in _taps(w.shape[2:], out, stride, dilation):
        for o, c in zip(_grouped(groups, w.shape[0]), _grouped(groups, x.shape[1]), strict=True):
            y[:, o] += np.einsum("oc,nc...->no...", w[(o, slice(None), *tap)], x[(slice(None), c, *where)])
    return y if b is None else y + b.reshape((-1,) + (1,) * len(out))


def conv_input_grad(e, w, *, input_shape, stride, padding, dilation, groups):
    sides = _sides(padding)
    padded = [n + a + b for n, (a, b) in zip(input_shape[2:], sides, strict=True)]
    gx = np.zeros((*input_shape[:2], *padded))
    for tap, where in _taps(w.shape[2:], e.shape[2:], stride, dilation):
        for o, c in zip(_grouped(groups, w.shape[0]), _grouped(groups, input_shape[1]), strict=True):
            gx[(slice(None), c, *where)] += np.einsum("oc,no...->nc...", w[(o, slice(None), *tap)], e[:, o])
    inner = (slice(a, a + n) for n, (a, _) in zip(input_shape[2:], sides, strict=True))
    return gx[(slice(None), slice(None), *inner)]


def conv_weight_grad(e, x, *, weight_shape, stride, padding, dilation, groups):
    x = np.pad(x, [(0, 0), (0, 0), *_sides(padding)])
    gw = np.zeros(weight_shape)
    points = math.prod(e.shape[2:])
    rows = e.reshape(*e.shape[:2], points)
    for tap, where in _taps(weight_shape[2:], e.shape[2:], stride, dilation):
        for o, c in zip(_grouped(groups, weight_shape[0]), _grouped(groups, x.shape[1]), strict=True):
            met = x[(slice(None), c, *where)].reshape(x.shape[0], weight_shape[1], points)
            gw[(o, slice(None), *tap)] = np.einsum("nop,ncp->oc", rows[:, o], met)
    return gw


_ACTIVATIONS = {
    None: lambda a: a,
    "relu": lambda a: np.maximum(a, 0),
    "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
    "tanh": np.tanh,
    "gelu": lambda a: a * 0.5 * (1 + np.vectorize(math.erf, otypes=[float])(a / np.sqrt(2))),
    "silu": lambda a: a / (1 + np.exp(-a)),
}


def _conv(x, w, b, *, activation=None, **moves):
    return _ACTIVATIONS[activation](convolution(x, w, b, **moves))


def _conv_transpose(x, w, b, *, stride, padding, output_padding, dilation, groups):
    sides = zip(x.shape[2:], w.shape[2:], stride, _sides(padding), output_padding, dilation, strict=True)
    size = [(n - 1) * s - a - c + d * (k - 1) + o + 1 for n, k, s, (a, c), o, d in sides]
    shape = (x.shape[0], w.shape[1] * groups, *size)
    moves = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    y = conv_input_grad(x, w, input_shape=shape, **moves)
    return y if b is None else y + b.reshape((-1,) + (1,) * len(size))


def _torch_conv(torch, x, w, b, *, stride, padding, dilation, groups):
    flat = [p for sides in reversed(_sides(padding)) for p in sides]
    f = torch.nn.functional
    conv = (f.conv1d, f.conv2d, f.conv3d)[x.ndim - 3]
    return conv(f.pad(x, flat), w, b, stride=stride, dilation=dilation, groups=groups)


def _torch_transpose(torch, x, w, b, **moves):
    f = torch.nn.functional
    return (f.conv_transpose1d, f.conv_transpose2d, f.conv_transpose3d)[x.ndim - 3](x, w, b, **moves)


def _moves(spatial, stride=1, padding=0, dilation=1, groups=1):
    def each(v):
        return v if isinstance(v, tuple) else (v,) * spatial

    return {"stride": each(stride), "padding": each(padding), "dilation": each(dilation), "groups": groups}


#: (input, weight, bias, moves)
_CASES = [
    # One, two and three dimensions; stride that leaves a tail, padding on one side, dilation.
    ((2, 3, 8), (4, 3, 3), True, _moves(1)),
    ((2, 3, 9), (4, 3, 3), False, _moves(1, stride=2, padding=((2, 0),), dilation=2)),
    ((2, 2, 5, 6), (3, 2, 3, 2), True, _moves(2, padding=1)),
    ((1, 2, 8, 7), (3, 2, 2, 3), False, _moves(2, stride=(3, 2), padding=((0, 1), 2), dilation=(1, 2))),
    ((2, 2, 3, 4, 5), (3, 2, 2, 2, 3), True, _moves(3, padding=(1, 0, 1))),
    ((1, 2, 5, 4, 4), (2, 2, 2, 2, 2), False, _moves(3, stride=2, dilation=(2, 1, 1), padding=1)),
    # Stride beyond the kernel, groups, depthwise, its multiples, 1 × 1.
    ((2, 2, 9, 9), (3, 2, 2, 1), True, _moves(2, stride=(4, 3))),
    ((2, 4, 6, 5), (6, 2, 3, 3), True, _moves(2, padding=1, groups=2)),
    ((2, 5, 6, 5), (5, 1, 3, 3), True, _moves(2, padding=1, groups=5)),
    ((2, 3, 7, 5), (6, 1, 3, 2), False, _moves(2, stride=2, groups=3)),
    ((2, 5, 4, 3), (7, 5, 1, 1), True, _moves(2)),
    ((1, 5, 4, 3), (7, 5, 1, 1), True, _moves(2)),
    ((2, 5, 4, 3), (7, 5, 1, 1), False, _moves(2, stride=2)),
    ((2, 4, 6), (6, 2, 1), True, _moves(1, groups=2)),
    # Nothing to compute, nothing to sum.
    ((0, 3, 5, 5), (2, 3, 3, 3), True, _moves(2)),
    ((2, 0, 5, 5), (2, 0, 3, 3), True, _moves(2)),
    # Several blocks, panels and threads.
    ((3, 9, 25, 22), (37, 9, 3, 3), True, _moves(2, padding=1)),
    ((2, 40, 40, 41), (40, 1, 3, 3), True, _moves(2, padding=1, groups=40)),
    ((2, 6, 700), (20, 6, 5), True, _moves(1, padding=2, dilation=2)),
    ((3, 33, 12, 11), (50, 33, 1, 1), True, _moves(2)),
    # Winograd's algorithm in float32.
    ((3, 32, 24, 21), (33, 32, 3, 3), True, _moves(2, padding=1)),
    ((2, 20, 30, 30), (34, 10, 3, 3), False, _moves(2, stride=2, padding=1, groups=2)),
]


def _samples(cases, **more):
    return [
        Sample((Arr(x, -1, 1), Arr(w, -1, 1), Arr(w[:1]) if b else None), {**moves, **more}) for x, w, b, moves in cases
    ]


def _gradient_samples(weight):
    for x, w, _, moves in _CASES:
        e = (x[0], w[0], *_out(x[2:], w[2:], moves["stride"], moves["padding"], moves["dilation"]))
        if weight:
            yield Sample((Arr(e, -1, 1), Arr(x, -1, 1)), {"weight_shape": w, **moves})
        else:
            yield Sample((Arr(e, -1, 1), Arr(w, -1, 1)), {"input_shape": x, **moves})


_X, _W = Arr((2, 3, 5, 5)), Arr((4, 3, 3, 3))

ROWS = [
    Row(
        "convolution",
        convolution,
        _samples([case for case in _CASES if case[0][1]]),
        [
            Bad((Arr((2, 4, 5, 5)), _W, None), _moves(2), fg.ShapeError, r"conv: input: expected 3 channels.*got 4"),
            Bad((Arr((3, 5)), Arr((4, 3)), None), _moves(0), fg.ShapeError, r"conv: input: expected 3 to 5 dimensions"),
            Bad((_X, Arr((4, 3, 3)), None), _moves(2), fg.ShapeError, r"conv: weight: expected 4 dimensions"),
            Bad((_X, Arr((4, 3, 6, 3)), None), _moves(2), fg.ShapeError, r"conv: input: .*at least 6.*got 5"),
            Bad(
                (_X, Arr((4, 3, 0, 3)), None),
                _moves(2),
                fg.ShapeError,
                r"conv: weight: expected a kernel of at least 1",
            ),
            Bad((_X, _W, Arr((3,))), _moves(2), fg.ShapeError, r"conv: bias: expected \(4,\), got \(3,\)"),
            Bad((Arr((2, 9, 5, 5)), _W, None), _moves(2, groups=3), fg.ShapeError, r"conv: weight: .*3 groups.*got 4"),
            Bad((_X, _W, None), _moves(2, stride=0), ValueError, r"conv: stride: expected a number from 1.*got 0"),
            Bad((_X, _W, None), _moves(2, dilation=-1), ValueError, r"conv: dilation: expected .*got -1"),
            Bad((_X, _W, None), _moves(2, padding=-1), ValueError, r"conv: padding: expected .*got -1"),
            Bad((_X, _W, None), _moves(2, groups=0), ValueError, r"conv: groups: expected .*got 0"),
            Bad((_X, _W, None), _moves(1), ValueError, r"conv: stride: expected 2 numbers"),
            Bad((np.ones((2, 3, 5, 5)), _W, None), _moves(2), fg.DTypeError, r"conv: weight: .*float64.*got float32"),
            Bad((_X, _W, np.ones(4)), _moves(2), fg.DTypeError, r"conv: bias: .*float32.*got float64"),
            Bad(
                (np.ones((1, 3, 5, 5), np.int64), np.ones((4, 3, 3, 3), np.int64), None),
                _moves(2),
                fg.DTypeError,
                r"conv: input: expected float32 or float64.*got int64",
            ),
        ],
        rtol=5e-6,
        scaled=True,
        torch=_torch_conv,
    ),
    # Of no channels PyTorch makes a result of no channels; here it is the sum of nothing, and the bias.
    Row(
        "convolution",
        convolution,
        _samples([case for case in _CASES if not case[0][1]]),
        id="convolution-of-nothing",
    ),
    *[
        Row(
            "convolution_activation",
            _conv,
            _samples([_CASES[k] for k in (0, 3, 8, 10, 15)], activation=activation),
            [Bad((_X, _W, None), {**_moves(2), "activation": "x"}, ValueError, r"conv: activation: .*got 'x'")],
            rtol=5e-6,
            scaled=True,
            id=f"convolution-{activation}",
        )
        for activation in ("relu", "sigmoid", "tanh", "gelu", "silu")
    ],
    Row(
        "conv_input_grad",
        conv_input_grad,
        list(_gradient_samples(weight=False)),
        [
            Bad(
                (Arr((2, 4, 3, 2)), _W),
                {"input_shape": (2, 3, 5, 5), **_moves(2)},
                fg.ShapeError,
                r"conv_input_grad: grad: expected \(2, 4, 3, 3\), got \(2, 4, 3, 2\)",
            ),
            Bad(
                (Arr((2, 4, 3, 3)), _W),
                {"input_shape": (2, 4, 5, 5), **_moves(2)},
                fg.ShapeError,
                r"conv_input_grad: input_shape: expected 3 channels",
            ),
        ],
        rtol=5e-6,
        scaled=True,
    ),
    Row(
        "conv_weight_grad",
        conv_weight_grad,
        list(_gradient_samples(weight=True)),
        [
            Bad(
                (Arr((2, 4, 3, 2)), _X),
                {"weight_shape": (4, 3, 3, 3), **_moves(2)},
                fg.ShapeError,
                r"conv_weight_grad: grad: expected \(2, 4, 3, 3\), got \(2, 4, 3, 2\)",
            ),
        ],
        rtol=5e-6,
        scaled=True,
    ),
    Row(
        "conv_transpose",
        _conv_transpose,
        [
            Sample(
                (Arr((2, 3, 5)), Arr((3, 4, 3)), Arr((4,))), {**_moves(1, stride=2, padding=1), "output_padding": (1,)}
            ),
            Sample((Arr((1, 4, 3, 4)), Arr((4, 2, 2, 3)), None), {**_moves(2, groups=2), "output_padding": (0, 0)}),
            Sample(
                (Arr((1, 2, 2, 3, 2)), Arr((2, 3, 2, 2, 2)), Arr((3,))),
                {**_moves(3, stride=(2, 1, 3), dilation=(1, 2, 1)), "output_padding": (1, 0, 2)},
            ),
            Sample(
                (Arr((1, 2, 4, 3)), Arr((2, 3, 2, 2)), Arr((3,))),
                {**_moves(2, padding=(1, 3), dilation=(4, 3)), "output_padding": (3, 2)},
            ),
        ],
        [
            Bad(
                (_X, Arr((3, 4, 3)), None),
                {**_moves(2), "output_padding": (0, 0)},
                fg.ShapeError,
                r"conv_transpose: input",
            ),
            Bad(
                (_X, Arr((3, 4, 3, 3)), None),
                {**_moves(2, stride=2), "output_padding": (2, 0)},
                ValueError,
                r"conv_transpose: output_padding: expected .*less than the stride 2 or the dilation 1, got 2",
            ),
            Bad(
                (_X, Arr((3, 4, 1, 1)), None),
                {**_moves(2, padding=3), "output_padding": (0, 0)},
                fg.ShapeError,
                r"conv_transpose: input: expected a result of at least 1",
            ),
        ],
        rtol=5e-6,
        scaled=True,
        torch=_torch_transpose,
    ),
]
