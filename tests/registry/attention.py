"""Attention. Lengths straddle vectors and blocks; masks of every shape that broadcasts, rows that see nothing among them."""

from __future__ import annotations

import numpy as np

import ferrograd as fg
from ferrograd.nn import functional as F

from ._row import Arr, Bad, Row, Sample

_NOTHING_IN_ROW_1 = np.array([[True, False, True], [False, False, False], [True, True, True], [False, True, False]])
_FLOATS = np.where(_NOTHING_IN_ROW_1, [[0.5, -1.0, 2.0]], -np.inf)


def _attention(q, k, v, mask=None, *, is_causal=False, scale=None, enable_gqa=False):
    if enable_gqa:
        k, v = (np.repeat(x, q.shape[-3] // x.shape[-3], axis=-3) for x in (k, v))
    scale = 1 / np.sqrt(max(q.shape[-1], 1)) if scale is None else scale
    scores = scale * (q @ np.swapaxes(k, -1, -2))
    if is_causal:
        mask = np.tri(*scores.shape[-2:], dtype=bool)
    if mask is not None:
        scores = scores + (np.where(mask, 0.0, -np.inf) if mask.dtype == bool else mask)
    highest = scores.max(axis=-1, keepdims=True, initial=-np.inf)
    e = np.exp(scores - np.where(np.isfinite(highest), highest, 0.0))
    total = e.sum(axis=-1, keepdims=True)
    return e / np.where(total > 0, total, 1.0) @ v


def _self_attention(x, mask, *, heads, scale, is_causal):
    n, length, width = x.shape
    q, k, v = np.moveaxis(x.reshape(n, length, 3, heads, width // 3 // heads), (2, 3), (0, 2))
    y = _attention(q, k, v, mask, is_causal=is_causal, scale=scale)
    return y.swapaxes(1, 2).reshape(n, length, width // 3)


_PACKED = {"heads": 2, "scale": 1.0, "is_causal": False}


def _sample(q, k, v, mask=None, **attributes):
    mask = Arr(mask) if isinstance(mask, tuple) else mask
    return Sample((Arr(q), Arr(k), Arr(v), mask), attributes)


def _bad(q, k, v, mask, attributes, exception, match):
    return Bad((Arr(q), Arr(k), Arr(v), mask), attributes, exception, match)


_QKV = (4, 5), (3, 5), (3, 2)

ROWS = [
    Row(
        "attention",
        _attention,
        [
            _sample(*_QKV),
            _sample(*_QKV, scale=1.0),
            _sample(*_QKV, scale=-0.4),
            _sample(*_QKV, is_causal=True),
            _sample((3, 5), (4, 5), (4, 2), is_causal=True),
            _sample(*_QKV, _NOTHING_IN_ROW_1),
            _sample(*_QKV, _FLOATS),
            _sample(*_QKV, (4, 3)),
            _sample(*_QKV, (3,)),
            _sample(*_QKV, Arr((), differentiable=False)),
            _sample((2, 3, 4, 5), (2, 3, 6, 5), (2, 3, 6, 4), (2, 1, 1, 6)),
            _sample((2, 3, 4, 5), (2, 3, 3, 5), (2, 3, 3, 4), _NOTHING_IN_ROW_1),
            _sample((2, 1, 4, 5), (3, 3, 5), (1, 3, 3, 4), np.array([[True], [False], [True], [True]])),
            _sample((2, 4, 3, 5), (2, 2, 4, 5), (2, 2, 4, 3), enable_gqa=True),
            _sample((4, 3, 5), (2, 4, 5), (4, 4, 3), (3, 4), enable_gqa=True),
            _sample((0, 5), (3, 5), (3, 2)),
            _sample((4, 5), (0, 5), (0, 2)),
            _sample((4, 0), (3, 0), (3, 2)),
            _sample((0, 4, 5), (0, 3, 5), (0, 3, 2), is_causal=True),
            _sample((2, 3, 65, 33), (2, 3, 70, 33), (2, 3, 70, 17), is_causal=True),
            _sample((2, 2, 40, 64), (2, 2, 130, 64), (2, 2, 130, 64), (2, 1, 1, 130)),
            _sample((1, 300, 24), (1, 300, 24), (1, 300, 24), is_causal=True),
        ],
        [
            _bad(
                *_QKV, _NOTHING_IN_ROW_1, {"is_causal": True}, RuntimeError, "attn_mask: expected None with is_causal"
            ),
            _bad((5,), *_QKV[1:], None, {}, fg.ShapeError, r"expected at least 2 dimensions, got query \(5,\)"),
            _bad((4, 5), (3, 4), (3, 2), None, {}, fg.ShapeError, "key: expected query's last size 5"),
            _bad((4, 5), (3, 5), (4, 2), None, {}, fg.ShapeError, "value: expected key's length 3"),
            _bad((2, 4, 5), (3, 3, 5), (3, 3, 2), None, {}, fg.ShapeError, "leading dimensions that broadcast"),
            _bad(*_QKV, Arr((4, 4)), {}, fg.ShapeError, r"broadcasts to \(4, 3\), got \(4, 4\)"),
            _bad(*_QKV, Arr((2, 4, 3)), {}, fg.ShapeError, r"broadcasts to \(4, 3\), got \(2, 4, 3\)"),
            _bad(*_QKV, Arr((4, 3), kind="int"), {}, fg.DTypeError, "attn_mask: expected bool or query's float32"),
            _bad(*_QKV, None, {"dropout_p": 1.5}, ValueError, "p: expected a probability between 0 and 1, got 1.5"),
            _bad((4, 3, 5), (3, 3, 5), (3, 3, 5), None, {"enable_gqa": True}, fg.ShapeError, "heads of key and value"),
            Bad(
                (Arr((4, 5)), np.ones((3, 5)), Arr((3, 2)), None),
                {},
                fg.DTypeError,
                "expected one floating-point dtype, got float32, float64 and float32",
            ),
            Bad(
                tuple(Arr((2, 2), kind="int") for _ in range(3)), {}, fg.DTypeError, "expected one floating-point dtype"
            ),
        ],
        call=F.scaled_dot_product_attention,
        rtol=5e-6,
        scaled=True,
        torch=lambda t, *operands, **attributes: t.nn.functional.scaled_dot_product_attention(*operands, **attributes),
    ),
    Row(
        "self_attention",
        _self_attention,
        [
            Sample((Arr((2, 4, 18)), None), {"heads": 2, "scale": 0.6, "is_causal": False}),
            Sample((Arr((1, 5, 6)), None), {"heads": 1, "scale": 1.0, "is_causal": True}),
            Sample((Arr((2, 4, 12)), np.eye(4, dtype=bool)), {"heads": 4, "scale": 1.0, "is_causal": False}),
            Sample(
                (Arr((2, 3, 12)), Arr((2, 1, 1, 3), differentiable=False)),
                {"heads": 2, "scale": 1.0, "is_causal": False},
            ),
            Sample((Arr((0, 4, 6)), None), {"heads": 2, "scale": 1.0, "is_causal": False}),
            Sample((Arr((2, 0, 6)), None), {"heads": 2, "scale": 1.0, "is_causal": True}),
            Sample((Arr((3, 70, 72)), None), {"heads": 3, "scale": 0.3, "is_causal": True}),
            Sample((Arr((2, 150, 24)), None), {"heads": 2, "scale": 0.5, "is_causal": False}),
        ],
        [
            Bad((Arr((2, 4, 8)), None), _PACKED, fg.ShapeError, "multiple of 3 x 2 heads"),
            Bad((Arr((4, 12)), None), _PACKED, fg.ShapeError, "self_attention: input: expected shape"),
            Bad((Arr((2, 4, 12)), Arr((3, 3))), _PACKED, fg.ShapeError, "mask: expected a shape that broadcasts"),
            Bad((Arr((2, 4, 12), kind="int"), None), _PACKED, fg.DTypeError, "expected a floating-point dtype"),
        ],
        rtol=5e-6,
        scaled=True,
        parts=(0,),
    ),
]
