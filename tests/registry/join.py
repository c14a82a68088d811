"""Concatenation, stacking, padding."""

from __future__ import annotations

import numpy as np

import ferrograd as fg

from ._row import Arr, Bad, Row, Sample


def _pad(x, *, padding, value):
    # Negative numbers take elements away.
    x = x[tuple(slice(max(-b, 0), n - max(-a, 0)) for (b, a), n in zip(padding, x.shape, strict=True))]
    return x if x.ndim == 0 else np.pad(x, [(max(b, 0), max(a, 0)) for b, a in padding], constant_values=value)


def _torch_pad(t, x, *, padding, value):
    return t.nn.functional.pad(x, [n for pair in reversed(padding) for n in pair], value=value)


def _pieces(x, *, sizes, dim):
    return tuple(np.split(x, np.cumsum(sizes)[:-1], dim))


ROWS = [
    Row(
        "split",
        _pieces,
        [
            Sample((Arr((5, 3)),), {"sizes": (2, 1, 2), "dim": 0}),
            Sample((Arr((2, 6, 4)),), {"sizes": (2, 0, 4), "dim": 1}),
            Sample((Arr((4,)),), {"sizes": (4,), "dim": 0}),
            Sample((Arr((64, 96, 30)),), {"sizes": (32, 32, 32), "dim": 1}),
        ],
        [
            Bad(
                (3.0,),
                {"sizes": (1,), "dim": 0},
                IndexError,
                r"getitem: too many indices: the tensor of shape \(\) has 0 dimensions",
            )
        ],
        torch=lambda t, x, *, sizes, dim: t.split(x, list(sizes), dim),
    ),
    Row(
        "unbind",
        lambda x, *, dim: tuple(np.moveaxis(x, dim, 0)),
        [
            Sample((Arr((3, 2)),), {"dim": 0}),
            Sample((Arr((2, 3, 4)),), {"dim": 2}),
            Sample((Arr((3, 40, 50, 60)),), {"dim": 0}),
        ],
        [Bad((Arr(()),), {"dim": 0}, IndexError, r"tuple index out of range")],
        torch=lambda t, x, *, dim: t.unbind(x, dim),
    ),
    Row(
        "concatenate",
        lambda *xs, dim: np.concatenate(xs, dim),
        [
            Sample((Arr((2, 3)), Arr((4, 3)), Arr((1, 3))), {"dim": 0}),
            Sample((Arr((2, 3)), Arr((2, 0)), Arr((2, 5))), {"dim": -1}),
            Sample((Arr((3,)),), {"dim": 0}),
            Sample((Arr((0, 2)), Arr((0, 2))), {"dim": 0}),
            Sample((Arr((40, 30, 20)), Arr((40, 33, 20))), {"dim": 1}),
            Sample((Arr((200, 301)), Arr((170, 301))), {"dim": 0}),
        ],
        [
            Bad(
                (Arr((2, 3)), Arr((2, 4))),
                {"dim": 0},
                fg.ShapeError,
                r"concatenate: tensors\[1\]: expected the shape of tensors\[0\], \(2, 3\)",
            ),
            Bad((), {"dim": 0}, ValueError, r"concatenate: tensors: expected at least one"),
            Bad((Arr(()), Arr(())), {"dim": 0}, fg.ShapeError, r"stack joins 0-d arrays"),
            Bad((Arr((2,)),), {"dim": 1}, IndexError, r"concatenate: dim: expected a dimension from -1 to 0, got 1"),
        ],
        torch=lambda t, *xs, dim: t.cat(xs, dim),
    ),
    Row(
        "split",
        lambda x, sizes, dim: tuple(np.split(x, np.cumsum(sizes)[:-1], dim)),
        [
            Sample((Arr((5, 3)),), {"sizes": (2, 3), "dim": 0}),
            Sample((Arr((2, 6)),), {"sizes": (1, 0, 5), "dim": 1}),
            Sample((Arr((4,)),), {"sizes": (4,), "dim": 0}),
            Sample((Arr((40, 33, 20)),), {"sizes": (11, 11, 11), "dim": 1}),
        ],
        torch=lambda t, x, *, sizes, dim: t.split(x, sizes, dim),
    ),
    Row(
        "stack",
        lambda *xs, dim: np.stack(xs, dim),
        [
            Sample((Arr((2, 3)), Arr((2, 3))), {"dim": 0}),
            Sample((Arr((2, 3)), Arr((2, 3)), Arr((2, 3))), {"dim": -1}),
            Sample((Arr(()), Arr(())), {"dim": 0}),
            Sample((Arr((0, 2)),), {"dim": 1}),
            Sample((Arr((130, 301)), Arr((130, 301))), {"dim": 1}),
        ],
        [
            Bad(
                (Arr((2, 3)), Arr((3, 2))),
                {"dim": 0},
                fg.ShapeError,
                r"stack: tensors\[1\]: expected the shape of tensors\[0\]",
            ),
            Bad((Arr((2, 3)),), {"dim": 3}, IndexError, r"stack: dim: expected a dimension from -3 to 2, got 3"),
        ],
        torch=lambda t, *xs, dim: t.stack(xs, dim),
    ),
    Row(
        "pad",
        _pad,
        [
            Sample((Arr((3, 4)),), {"padding": ((1, 2), (0, 3)), "value": 0.5}),
            Sample((Arr((3, 4)),), {"padding": ((-1, 2), (2, -3)), "value": 0.0}),
            Sample((Arr(()),), {"padding": (), "value": 0.0}),
            Sample((Arr((0, 2)),), {"padding": ((1, 1), (0, 0)), "value": -1.0}),
            Sample((Arr((5, 6, 50, 50)),), {"padding": ((0, 0), (0, 0), (1, 1), (2, 2)), "value": 0.0}),
            Sample((Arr((100,)),), {"padding": ((200_000, 3),), "value": 2.0}),
        ],
        [
            Bad(
                (Arr((3,)),),
                {"padding": ((-2, -2),), "value": 0.0},
                fg.ShapeError,
                r"pad: padding: expected at most the size 3 taken away",
            ),
            Bad(
                (Arr((3,)),),
                {"padding": (), "value": 0.0},
                fg.ShapeError,
                r"pad: padding: expected a pair for each of 1",
            ),
            Bad((Arr((3,)),), {"padding": ((2**62, 2**62),), "value": 0.0}, MemoryError, r"pad|array"),
        ],
        torch=_torch_pad,
    ),
]
