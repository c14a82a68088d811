"""Indexing by arrays. Assignments use indices that differ, because of several values for one place only the last stays."""

from __future__ import annotations

import numpy as np

import ferrograd as fg

from ._row import Arr, Bad, Row, Sample


def _distinct(shape, dim, size, seed=0):
    """Indices into a dimension of `size`, all different along `dim`; every other one counted from the end."""
    noise = np.random.default_rng(seed).random((*shape[:dim], size, *shape[dim + 1 :]))
    index = np.take(np.argsort(noise, axis=dim), np.arange(shape[dim]), axis=dim)
    return np.where(index % 2 == 0, index, index - size)


def _places(index, dim, shape):
    """The full index of each element along which `index` runs."""
    grid = list(np.indices(index.shape))
    grid[dim] = index
    return tuple(grid)


def _gather(x, index, *, dim):
    return x[()] * np.ones(index.shape) if x.ndim == 0 else x[_places(index, dim % x.ndim, x.shape)]


def _source(src, index):
    return src if src.ndim == 0 else src[tuple(slice(0, n) for n in index.shape)]


def _scatter(x, index, src, *, dim):
    out = np.array(x)
    out[_places(index, dim % x.ndim, x.shape)] = _source(np.asarray(src), index)
    return out


def _scatter_add(x, index, src, *, dim):
    out = np.array(x)
    np.add.at(out, _places(index, dim % x.ndim, x.shape), _source(np.asarray(src), index))
    return out


def _full(ndim, indices, dims):
    index = [slice(None)] * ndim
    for d, i in zip(dims, indices, strict=True):
        index[d] = i
    return tuple(index)


def _index_get(x, *indices, dims):
    return x[_full(x.ndim, indices, dims)]


def _index_get_grad(g, *indices, dims, shape):
    out = np.zeros(shape)
    np.add.at(out, _full(len(shape), indices, dims), g)
    return out


def _index_put(x, values, *indices, dims, accumulate):
    out = np.array(x)
    if accumulate:
        np.add.at(out, _full(x.ndim, indices, dims), values)
    else:
        out[_full(x.ndim, indices, dims)] = values
    return out


def _embedding_grad(g, index, *, num_embeddings, padding_idx):
    out = np.zeros((num_embeddings, g.shape[-1]))
    np.add.at(out, index, g)
    if padding_idx is not None:
        out[padding_idx] = 0
    return out


def _ints(shape, size):
    return Arr(shape, low=-size, high=size, kind="int")


#: (shape of x, [(shape of an index, dimension)]): neighbours, apart, broadcast, all dimensions, none.
_LISTS = [
    ((5, 4), [((3,), 0)]),
    ((4, 5), [((2, 3), 1)]),
    ((4, 3, 5), [((3, 1), 0), ((1, 2), 1)]),
    ((4, 3, 5), [((4,), 0), ((4,), 2)]),
    ((3, 4, 2, 3), [((2, 1), 1), ((2,), 3)]),
    ((3, 4), [((6,), 0), ((), 1)]),
    ((3, 4), [((0,), 0)]),
    ((0, 4), [((3,), 1)]),
    ((300, 70), [((30_000,), 0)]),
    ((60, 500), [((700,), 1)]),
    ((40, 9, 50), [((40, 900), 0), ((900,), 2)]),
]

_BAD_INDEX = [
    Bad(
        (Arr((4, 3)), np.array([1, 4])),
        {"dims": (0,)},
        IndexError,
        r"indices\[0\]: index 4 is out of bounds for dimension 0 with size 4",
    ),
    Bad((Arr((4, 3)), np.array([-5])), {"dims": (0,)}, IndexError, r"index -5 is out of bounds"),
    Bad(
        (Arr((4, 3)), np.array([0.5])),
        {"dims": (0,)},
        IndexError,
        r"expected an array of int64, int32 or bool, got float64",
    ),
    Bad((Arr((4, 3)), np.array([1, 0], np.uint8)), {"dims": (0,)}, IndexError, r"uint8; cast it with \.bool\(\)"),
    Bad((Arr((4, 3)), np.array([0])), {"dims": (2,)}, IndexError, r"too many indices"),
    Bad((Arr((4, 3)), np.array([0])), {"dims": ()}, ValueError, r"dims: expected 1 dimensions, one an index"),
    Bad(
        (Arr((4, 3)), np.array([0, 1]), np.array([0, 1, 2])),
        {"dims": (0, 1)},
        IndexError,
        r"indices\[1\]: expected a shape",
    ),
    Bad((Arr((4, 3)), np.ones(3, bool)), {"dims": (0,)}, IndexError, r"mask of shape \(3,\) does not match"),
]

_PUT = [
    ((5, 4), (3, 4), [(_distinct((3,), 0, 5), 0)]),
    ((4, 6), (4, 2, 3), [(_distinct((6,), 0, 6).reshape(2, 3), 1)]),
    ((4, 3, 5), (), [(_distinct((2,), 0, 4), 0), (np.array(1), 2)]),
    ((4, 3, 5), (3, 1), [(np.array([0, 2, 3]), 0), (np.array([4, -1, 0]), 2)]),
    ((3, 4), (0, 4), [(np.zeros(0, np.int64), 0)]),
    ((900, 70), (600, 70), [(_distinct((600,), 0, 900), 0)]),
    ((120, 500), (120, 300), [(_distinct((300,), 0, 500), 1)]),
]

_NO_PADDING = {"padding_idx": None}

ROWS = [
    Row(
        "gather",
        _gather,
        [
            Sample((Arr((4, 5)), _ints((4, 3), 5)), {"dim": 1}),
            Sample((Arr((4, 5)), _ints((6, 5), 4)), {"dim": -2}),
            Sample((Arr((3, 4, 5)), _ints((2, 7, 4), 4)), {"dim": 1}),
            Sample((Arr(()), np.array(0)), {"dim": 0}),
            Sample((Arr((4, 5)), _ints((0, 5), 4)), {"dim": 0}),
            Sample((Arr((200, 301)), _ints((190, 301), 200)), {"dim": 0}),
            Sample((Arr((30, 40, 60)), _ints((30, 40, 33), 60)), {"dim": 2}),
        ],
        [
            Bad(
                (Arr((4, 5)), np.array([[5]])),
                {"dim": 1},
                IndexError,
                r"gather: index: index 5 is out of bounds for dimension 1 with size 5",
            ),
            Bad((Arr((4, 5)), np.array([[0.0]])), {"dim": 1}, TypeError, r"gather: index: expected int64 or int32"),
            Bad((Arr((4, 5)), np.array([0])), {"dim": 1}, fg.ShapeError, r"gather: index: expected as many dimensions"),
            Bad(
                (Arr((4, 5)), np.zeros((5, 1), np.int64)),
                {"dim": 1},
                fg.ShapeError,
                r"gather: index: expected at most 4",
            ),
            Bad(
                (Arr((4, 5)), np.array([[0]])),
                {"dim": 2},
                IndexError,
                r"gather: dim: expected a dimension from -2 to 1",
            ),
        ],
    ),
    Row(
        "scatter",
        _scatter,
        [
            Sample((Arr((4, 5)), _distinct((4, 3), 1, 5), Arr((4, 3))), {"dim": 1}),
            Sample((Arr((6, 5)), _distinct((3, 4), 0, 6), Arr((5, 5))), {"dim": 0}),
            Sample((Arr((4, 5)), _distinct((4, 3), 1, 5), Arr(())), {"dim": -1}),
            Sample((Arr((0, 5)), np.zeros((0, 2), np.int64), Arr((0, 2))), {"dim": 1}),
            Sample((Arr((150, 301)), _distinct((140, 301), 0, 150), Arr((140, 301))), {"dim": 0}),
            Sample((Arr((300, 90)), _distinct((300, 80), 1, 90), Arr((300, 80))), {"dim": 1}),
        ],
        [
            Bad((Arr((4, 5)), np.array([[7]]), Arr((1, 1))), {"dim": 1}, IndexError, r"scatter: index: index 7 is out"),
            Bad(
                (Arr((4, 5)), np.zeros((2, 2), np.int64), Arr((1, 2))),
                {"dim": 1},
                fg.ShapeError,
                r"scatter: src: expected at least",
            ),
            Bad(
                (Arr((4, 5)), np.zeros((2, 2), np.int64), np.ones((2, 2))),
                {"dim": 1},
                fg.DTypeError,
                r"scatter: src: expected float32",
            ),
        ],
    ),
    Row(
        "scatter_add",
        _scatter_add,
        [
            Sample((Arr((4, 5)), _ints((4, 8), 5), Arr((4, 8))), {"dim": 1}),
            Sample((Arr((3, 5)), _ints((9, 4), 3), Arr((10, 5))), {"dim": 0}),
            Sample((Arr((7,)), _ints((40,), 7), Arr(())), {"dim": 0}),
            Sample((Arr((4, 0)), np.zeros((0, 0), np.int64), Arr((0, 0))), {"dim": 0}),
            Sample((Arr((11, 301)), _ints((140, 301), 11), Arr((140, 301))), {"dim": 0}),
        ],
        [
            Bad(
                (Arr((4, 5)), np.array([[-6]]), Arr((1, 1))),
                {"dim": 1},
                IndexError,
                r"scatter_add: index: index -6 is out",
            )
        ],
        rtol=1e-5,
        scaled=True,
    ),
    Row(
        "index_get",
        _index_get,
        [
            Sample((Arr(shape), *[_ints(s, shape[d]) for s, d in parts]), {"dims": tuple(d for _, d in parts)})
            for shape, parts in _LISTS
        ],
        _BAD_INDEX,
        covers=("index_get_grad",),
        rtol=1e-5,
        scaled=True,
    ),
    Row(
        "index_get",
        lambda x, mask, *, dims: x[mask],
        [
            Sample((Arr((4, 5)), Arr((4,), kind="bool")), {"dims": (0,)}),
            Sample((Arr((60, 70)), Arr((60, 70), kind="bool")), {"dims": (0,)}),
        ],
        id="index_get-mask",
    ),
    Row(
        "index_get_grad",
        _index_get_grad,
        [
            Sample(
                (
                    Arr(
                        np.zeros(shape)[
                            _full(len(shape), [np.zeros(s, int) for s, _ in parts], [d for _, d in parts])
                        ].shape
                    ),
                    *[_ints(s, shape[d]) for s, d in parts],
                ),
                {"dims": tuple(d for _, d in parts), "shape": shape},
            )
            for shape, parts in _LISTS
        ],
        [
            Bad(
                (Arr((4, 3)), np.array([0, 1])),
                {"dims": (0,), "shape": (5, 3)},
                fg.ShapeError,
                r"index_get_grad: grad: expected what is indexed, \(2, 3\)",
            )
        ],
        rtol=1e-5,
        scaled=True,
    ),
    Row(
        "index_put",
        _index_put,
        [
            Sample(
                (Arr(shape), Arr(values), *[i for i, _ in parts]),
                {"dims": tuple(d for _, d in parts), "accumulate": accumulate},
            )
            for shape, values, parts in _PUT
            for accumulate in (False, True)
        ]
        + [Sample((Arr((3, 4)), Arr((90, 4)), _ints((90,), 3)), {"dims": (0,), "accumulate": True})],
        [
            Bad(
                (Arr((4, 3)), Arr((2,)), np.array([0, 1])),
                {"dims": (0,), "accumulate": False},
                fg.ShapeError,
                r"index_put: values: expected a shape that broadcasts to what is indexed, \(2, 3\)",
            ),
            Bad(
                (Arr((4, 3)), 1.0, np.array([4])),
                {"dims": (0,), "accumulate": False},
                IndexError,
                r"index_put: indices\[0\]: index 4",
            ),
        ],
        rtol=1e-5,
        scaled=True,
    ),
    Row(
        "nonzero",
        lambda x: np.argwhere(x),
        [
            Sample((Arr((4, 5), kind="bool"),)),
            Sample((Arr((3, 4, 2), low=-1, high=2, kind="int"),)),
            Sample((Arr((0, 3), kind="bool"),)),
            Sample((Arr((200, 301), kind="bool"),)),
        ],
        differentiable=False,
        torch=lambda t, x: t.nonzero(x),
    ),
    Row(
        "embedding",
        lambda w, index, *, padding_idx: w[index],
        [
            Sample((Arr((6, 3)), _ints((4, 5), 6)), _NO_PADDING),
            Sample((Arr((6, 3)), np.array(2)), _NO_PADDING),
            Sample((Arr((6, 3)), np.zeros((0, 2), np.int64)), _NO_PADDING),
            Sample((Arr((300, 67)), _ints((40, 50), 300)), _NO_PADDING),
            Sample((Arr((50, 3)), _ints((300, 100), 50)), _NO_PADDING),
        ],
        [
            Bad(
                (Arr((6, 3)), np.array([1, 6])),
                _NO_PADDING,
                IndexError,
                r"embedding: index: index 6 is out of bounds for dimension 0 with size 6",
            ),
            Bad((Arr((6,)), np.array([1])), _NO_PADDING, fg.ShapeError, r"embedding: weight: expected 2 dimensions"),
            Bad((Arr((6, 2)), np.array([1.5])), _NO_PADDING, TypeError, r"embedding: index: expected int64 or int32"),
        ],
        covers=("embedding_grad",),
        rtol=1e-5,
        scaled=True,
    ),
    Row(
        "embedding_grad",
        _embedding_grad,
        [
            Sample((Arr((4, 5, 3)), _ints((4, 5), 6)), {"num_embeddings": 6, "padding_idx": None}),
            Sample((Arr((8, 3)), _ints((8,), 4)), {"num_embeddings": 4, "padding_idx": -1}),
            Sample((Arr((0, 3)), np.zeros(0, np.int64)), {"num_embeddings": 4, "padding_idx": None}),
            Sample((Arr((900, 67)), _ints((900,), 150)), {"num_embeddings": 150, "padding_idx": 3}),
        ],
        [
            Bad(
                (Arr((2, 3)), np.array([0, 4])),
                {"num_embeddings": 4, "padding_idx": None},
                IndexError,
                r"embedding_grad: index: index 4 is out",
            ),
            Bad(
                (Arr((2, 3)), np.array([0, 1])),
                {"num_embeddings": 4, "padding_idx": 4},
                ValueError,
                r"padding_idx: expected a row of the table of 4",
            ),
        ],
        rtol=1e-5,
        scaled=True,
    ),
]
