"""Views and copies."""

from __future__ import annotations

import numpy as np

import ferrograd as fg

from ._row import Arr, Bad, Row, Sample


def _put(shape, index, value):
    out = np.zeros(shape)
    out[index] = value
    return out


def _set(x, value, *, index):
    out = np.array(x)
    out[index] = value
    return out


_INDICES = [
    (slice(1, None, 2), None, -1),
    (..., slice(None, None, -1)),
    (slice(3, 1, -1), slice(2, 2)),
    (0, ..., None),
]

ROWS = [
    Row(
        "reshape",
        lambda x, *, shape: x.reshape(shape),
        [
            Sample((Arr((3, 4)),), {"shape": (2, 6)}),
            Sample((Arr((3, 4)),), {"shape": (-1,)}),
            Sample((Arr(()),), {"shape": (1, 1)}),
            Sample((Arr((0, 3)),), {"shape": (3, 0, 5)}),
            Sample((Arr((64, 33, 17)),), {"shape": (33, -1)}),
        ],
        [
            Bad((Arr((3, 4)),), {"shape": (5, -1)}, fg.ShapeError, r"reshape: shape: expected sizes of 12 elements"),
            Bad((Arr((3, 4)),), {"shape": (-1, -1)}, ValueError, r"reshape: shape: expected at most one size of -1"),
            Bad((Arr((3, 4)),), {"shape": (2**40, 2**40)}, RuntimeError, r"reshape: shape"),
        ],
    ),
    Row(
        "view",
        lambda x, *, shape: x.reshape(shape),
        [Sample((Arr((3, 4)),), {"shape": (2, 6)}), Sample((Arr((2, 3, 5)),), {"shape": (6, 5)})],
        # A view exists only for some layouts, so the layouts are tested with copies.
        call=lambda x, *, shape: fg.ops.view(fg.ops.contiguous(x) if not _dense(x) else x, shape=shape),
    ),
    Row(
        "view",
        lambda x, *, shape: x.reshape(shape),
        [],
        [Bad((Arr((3, 4)).make(0).T,), {"shape": (12,)}, fg.ShapeError, r"view: shape: .*use reshape\(\)")],
        id="view-errors",
    ),
    Row("alias", lambda x: x, [Sample((Arr((3, 4)),)), Sample((Arr((0,)),)), Sample((Arr(()),))]),
    Row(
        "permute",
        lambda x, *, dims: x.transpose(dims),
        [
            Sample((Arr((2, 3, 4)),), {"dims": (2, 0, 1)}),
            Sample((Arr((0, 3)),), {"dims": (1, 0)}),
            Sample((Arr(()),), {"dims": ()}),
            Sample((Arr((40, 50, 20)),), {"dims": (1, 2, 0)}),
        ],
        [
            Bad((Arr((2, 3)),), {"dims": (0,)}, fg.ShapeError, r"permute: dims: expected 2 dimensions"),
            Bad((Arr((2, 3)),), {"dims": (0, 0)}, ValueError, r"permute: dims: expected each dimension once"),
            Bad(
                (Arr((2, 3)),), {"dims": (0, 2)}, IndexError, r"permute: dim: expected a dimension from -2 to 1, got 2"
            ),
        ],
    ),
    Row(
        "expand",
        lambda x, *, shape: np.broadcast_to(x, shape),
        [
            Sample((Arr((3, 1)),), {"shape": (2, 3, 4)}),
            Sample((Arr(()),), {"shape": (3,)}),
            Sample((Arr((1, 2)),), {"shape": (0, 2)}),
        ],
        [Bad((Arr((3, 2)),), {"shape": (3, 4)}, fg.ShapeError, r"expand: shape: expected a shape that \(3, 2\)")],
    ),
    *[
        Row(
            "getitem",
            lambda x, *, index: x[index],
            [Sample((Arr((5, 4, 3)),), {"index": index}), Sample((Arr((41, 33, 20)),), {"index": index})],
            covers=("getitem_grad",),
            id=f"getitem-{k}",
        )
        for k, index in enumerate(_INDICES)
    ],
    Row(
        "getitem",
        lambda x, *, index: x[index],
        [Sample((Arr((0, 3)),), {"index": (slice(None), 1)}), Sample((Arr(()),), {"index": (None,)})],
        [
            Bad((Arr((3, 2)),), {"index": (3,)}, IndexError, r"index 3 is out of range for dimension 0 of size 3"),
            Bad((Arr((3, 2)),), {"index": (0, 0, 0)}, IndexError, r"too many indices: .* 2 dimensions, but 3"),
            Bad((Arr((3, 2)),), {"index": (..., ...)}, IndexError, r"one ellipsis"),
            Bad((Arr((3, 2)),), {"index": ("a",)}, TypeError, r"getitem: expected integers, slices"),
        ],
        id="getitem-edges",
    ),
    *[
        Row(
            "getitem_grad",
            lambda g, *, shape, index: _put(shape, index, g),
            [Sample((Arr(np.zeros((5, 4, 3))[index].shape),), {"shape": (5, 4, 3), "index": index})],
            id=f"getitem_grad-{k}",
        )
        for k, index in enumerate(_INDICES)
    ],
    Row(
        "setitem",
        _set,
        [
            Sample((Arr((5, 4, 3)), Arr((2, 1, 3))), {"index": _INDICES[0]}),
            Sample((Arr((5, 4)), Arr(())), {"index": (slice(None), 2)}),
            Sample((Arr((0, 4)), Arr((4,))), {"index": (...,)}),
            Sample((Arr((130, 140)), Arr((65, 140))), {"index": (slice(None, None, -2),)}),
        ],
        [Bad((Arr((3, 2)), Arr((3,))), {"index": (0,)}, fg.ShapeError, r"setitem: source: .*broadcasts to \(2,\)")],
    ),
    Row(
        "contiguous",
        lambda x: x,
        [Sample((Arr((3, 4)),)), Sample((Arr(()),)), Sample((Arr((0, 2)),)), Sample((Arr((60, 70, 9)),))],
    ),
    Row("clone", lambda x: x, [Sample((Arr((3, 4)),)), Sample((Arr(()),)), Sample((Arr((0, 2)),))]),
    Row(
        "cast",
        lambda x, *, dtype: x.astype(dtype),
        [
            Sample((Arr((3, 4), kind="int", low=-5, high=5),), {"dtype": "float64"}),
            Sample((Arr((3, 4), kind="bool"),), {"dtype": "int32"}),
            Sample((Arr((3, 4)),), {"dtype": "int64"}),
            Sample((Arr((0,)),), {"dtype": "uint8"}),
        ],
        [Bad((Arr((3,)),), {"dtype": "complex64"}, TypeError, r"no dtype is called 'complex64'")],
        differentiable=False,
    ),
    Row("cast", lambda x, *, dtype: x, [Sample((Arr((3, 4)),), {"dtype": "float64"})], id="cast-float"),
]


def _dense(x) -> bool:
    return isinstance(x, fg.Tensor) and x.is_contiguous()
