"""Elementwise ops."""

from __future__ import annotations

import numpy as np

import ferrograd as fg

from ._row import Arr, Bad, Row, Sample

#: Pairs of shapes that broadcast; the sizes straddle vector widths, tiles, and the serial threshold.
PAIRS = [
    ((), ()),
    ((1,), (17,)),
    ((3, 5), (3, 5)),
    ((4, 1, 3), (2, 1)),
    ((0, 3), (1, 3)),
    ((33,), ()),
    ((31, 257), (257,)),
    ((300, 301), (300, 1)),
]

_MISFIT = Bad((Arr((3,)), Arr((4,))), {}, fg.ShapeError, r"\w+: other: expected a shape that broadcasts with \(3,\)")
_NOT_A_NUMBER = Bad((Arr((3,)), "a"), {}, TypeError, r"\w+: other: expected a Tensor, an ndarray or a number, got str")

ROWS = [
    Row("add", np.add, [Sample((Arr(a), Arr(b))) for a, b in PAIRS], [_MISFIT, _NOT_A_NUMBER], torch=lambda t, a, b: a + b),
    Row("mul", np.multiply, [Sample((Arr(a), Arr(b))) for a, b in PAIRS], [_MISFIT, _NOT_A_NUMBER], torch=lambda t, a, b: a * b),
]
