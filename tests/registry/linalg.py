"""Matrix products. Sizes straddle tiles, vectors and blocks; products are compared against the largest result."""

from __future__ import annotations

import numpy as np

import ferrograd as fg

from ._row import Arr, Bad, Row, Sample


def _linear(x, w, b, *, activation=None):
    y = x @ w.T + (0 if b is None else b)
    return {
        None: lambda a: a,
        "relu": lambda a: np.maximum(a, 0),
        "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
        "tanh": np.tanh,
        "gelu": lambda a: a * 0.5 * (1 + np.vectorize(_erf, otypes=[float])(a / np.sqrt(2))),
        "silu": lambda a: a / (1 + np.exp(-a)),
    }[activation](y)


def _constant(x, w, b):
    """The third product with the same weights, which were packed for the second."""
    with fg.no_grad():
        return [fg.ops.linear(x, w, b) for _ in range(3)][-1]


def _erf(x: float) -> float:
    import math

    return math.erf(x)


_SHAPES = [
    ((4,), (4,)),
    ((3, 4), (4,)),
    ((4,), (4, 3)),
    ((3, 4), (4, 5)),
    ((2, 3, 4), (4, 5)),
    ((3, 1, 2, 4), (2, 4, 5)),
    ((2, 3, 4), (4,)),
    ((0, 3), (3, 2)),
    ((2, 0), (0, 3)),
    ((3, 1), (1, 4)),
    ((130, 100), (100, 70)),
    ((1, 300), (300, 200)),
    ((200, 300), (300, 1)),
    ((6, 40, 33), (6, 33, 50)),
]

#: m·n·k of tall, wide, deep and flat products.
_LARGE = [
    ((1000, 600), (600, 3)),
    ((3, 600), (600, 1000)),
    ((1000, 60), (60, 40)),
    ((40, 60), (60, 1000)),
    ((1000, 1500), (1500, 12)),
    ((12, 1500), (1500, 1000)),
    ((1000, 3000), (3000, 6)),
    ((6, 3000), (3000, 1000)),
    ((300, 900), (900, 100)),
    ((700, 1), (1, 600)),
    ((1200, 900), (900,)),
    ((5000, 300), (300,)),
    ((900,), (900, 1200)),
    ((40, 6000), (6000, 50)),
]


def _reordered(x, how):
    """The same values: as they are (0), column by column in memory (1), or with gaps between them (2)."""
    ops = fg.ops
    if how == 0 or len(x.shape) < 2:
        return x
    if how == 1:
        return ops.permute(ops.contiguous(ops.permute(x, dims=(1, 0))), dims=(1, 0))
    wide = ops.stack(x, x, dim=2)
    return ops.getitem(wide, index=(slice(None), slice(None), 0))


ROWS = [
    Row(
        "matmul",
        np.matmul,
        [Sample((Arr(a), Arr(b))) for a, b in _SHAPES],
        [
            Bad((Arr((3, 4)), Arr((5, 6))), {}, fg.ShapeError, r"matmul"),
            Bad((Arr((3, 4)), Arr(())), {}, fg.ShapeError, r"matmul"),
            Bad((Arr((3, 4)), 2.0), {}, fg.ShapeError, r"matmul: other: expected at least 1 dimension"),
            Bad((Arr((3, 4)), np.ones((4, 2))), {}, fg.DTypeError, r"matmul: other: expected float32.*got float64"),
            Bad((Arr((2, 3, 4)), Arr((3, 4, 5))), {}, fg.ShapeError, r"matmul"),
        ],
        rtol=5e-6,
        scaled=True,
        torch=lambda t, a, b: a @ b,
    ),
    Row(
        "matmul",
        np.matmul,
        [Sample((Arr((5, 7), kind="int", low=-9, high=9), Arr((7, 4), kind="int", low=-9, high=9)))],
        differentiable=False,
        id="matmul-int",
    ),
    *[
        # Every strategy of the matrix product, past the serial threshold: both operands in either memory order.
        Row(
            "matmul",
            np.matmul,
            [Sample((Arr(a), Arr(b))) for a, b in _LARGE],
            call=lambda x, y, flip=flip: fg.ops.matmul(_reordered(x, flip[0]), _reordered(y, flip[1])),
            id=f"matmul-{name}",
            rtol=1e-5,
            scaled=True,
            second=False,
        )
        for name, flip in {"NN": (0, 0), "NT": (0, 1), "TN": (1, 0), "TT": (1, 1), "SS": (2, 2)}.items()
    ],
    Row(
        "linear",
        _linear,
        [
            Sample((Arr((70, 130), -0.3, 0.3), Arr((165, 130), -0.3, 0.3), Arr((165,)))),
            Sample((Arr((300, 300), -0.3, 0.3), Arr((400, 300), -0.3, 0.3), None)),
        ],
        call=_constant,
        id="linear-constant",
        rtol=5e-6,
        scaled=True,
        differentiable=False,
    ),
    *[
        Row(
            "linear",
            _linear,
            [
                Sample((Arr((5, 4)), Arr((3, 4)), Arr((3,))), {"activation": activation}),
                Sample((Arr((4,)), Arr((3, 4)), None), {"activation": activation}),
                Sample((Arr((2, 3, 4)), Arr((5, 4)), Arr((5,))), {"activation": activation}),
                Sample((Arr((0, 4)), Arr((3, 4)), Arr((3,))), {"activation": activation}),
                Sample((Arr((70, 130), -0.3, 0.3), Arr((65, 130), -0.3, 0.3), Arr((65,))), {"activation": activation}),
            ],
            [
                Bad((Arr((5, 4)), Arr((3, 5)), None), {}, fg.ShapeError, r"linear"),
                Bad((Arr((5, 4)), Arr((3, 4)), Arr((4,))), {}, fg.ShapeError, r"linear: bias"),
                Bad(
                    (np.ones((5, 4)), Arr((3, 4)), None),
                    {},
                    fg.DTypeError,
                    r"linear: weight: expected float64.*float32",
                ),
                Bad(
                    (Arr((5, 4)), Arr((3, 4)), None), {"activation": "x"}, ValueError, r"linear: activation: .*got 'x'"
                ),
            ],
            rtol=5e-6,
            scaled=True,
            # relu has kinks wherever the sum crosses 0; with random sums none is within the step.
            id=f"linear-{activation}",
        )
        for activation in (None, "relu", "sigmoid", "tanh", "gelu", "silu")
    ],
]
