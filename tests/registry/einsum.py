"""Einsum, and products that are made of it and of matmul; distances."""

from __future__ import annotations

import numpy as np

import ferrograd as fg

from ._row import Arr, Bad, Row, Sample


def _einsum(*shapes, eq):
    return Sample(tuple(Arr(shape) for shape in shapes), {"eq": eq})


def _cdist(a, b, *, p, compute_mode=None):
    d = np.abs(a[..., :, None, :] - b[..., None, :, :])
    return d.max(-1) if p == np.inf else (d**p).sum(-1) ** (1 / p)


def _cosine(a, b, *, dim=1, eps=1e-8):
    def length(x):
        return np.maximum(np.sqrt((x * x).sum(dim)), eps)

    return (a * b).sum(dim) / (length(a) * length(b))


ROWS = [
    Row(
        "einsum",
        lambda *xs, eq: np.einsum(eq, *xs),
        [
            _einsum((2, 3, 4), (2, 4, 5), eq="bij,bjk->bik"),
            _einsum((2, 3), (3,), eq="ij,j"),
            _einsum((2, 3), eq="ba"),
            _einsum((3, 3), eq="ii"),
            _einsum((3, 3, 2), eq="iij->ji"),
            _einsum((2, 3), (2, 3), eq="ij,ij->"),
            _einsum((2,), (3,), eq="i,j->ji"),
            _einsum((2, 1, 3, 2), (4, 5, 2), eq="...ij,...kj->...ik"),
            _einsum((2, 3), (3, 4), (4, 2), eq="ab,bc,cd->ad"),
            _einsum((2, 3), (2, 3), (2,), (3,), eq="ab,ab,a,b->b"),
            _einsum((2, 0), (0, 3), eq="ij,jk->ik"),
            _einsum((), (2,), eq=",i->i"),
            _einsum((2, 3, 4), eq="i...->..."),
            _einsum((2, 9, 3, 20), (2, 40, 3, 20), eq="bqhd,bkhd->bhqk"),
            _einsum((70, 60), (60, 50), eq="ij,jk->ki"),
        ],
        [
            Bad(
                (Arr((2, 3)), Arr((2, 3))),
                {"eq": "ij,jk->ik"},
                fg.ShapeError,
                r"einsum: operands\[1\]: expected size 3 or 1 of index 'j', got 2",
            ),
            Bad(
                (Arr((2, 3)),),
                {"eq": "i->i"},
                fg.ShapeError,
                r"einsum: operands\[0\]: expected 1 dimensions, .* got shape \(2, 3\)",
            ),
            Bad(
                (Arr((2,)),),
                {"eq": "...ij->ij"},
                fg.ShapeError,
                r"einsum: operands\[0\]: expected at least 2 dimensions",
            ),
            Bad(
                (Arr((2,)),),
                {"eq": "i,i->i"},
                RuntimeError,
                r"einsum: operands: expected 2, as the equation has, got 1",
            ),
            Bad(
                (Arr((2,)),), {"eq": "i->ii"}, RuntimeError, r"einsum: equation: expected each index once in the output"
            ),
            Bad(
                (Arr((2,)),),
                {"eq": "i->k"},
                RuntimeError,
                r"einsum: equation: index 'k' of the output is in no operand",
            ),
            Bad((Arr((2,)),), {"eq": "i1->i"}, RuntimeError, r"einsum: equation: expected letters, .*, got '1'"),
            Bad((Arr((2,)),), {"eq": "......->"}, RuntimeError, r"at most one '...' an operand"),
            Bad((), {"eq": "i->"}, ValueError, r"einsum: operands: expected at least one"),
        ],
        call=lambda *xs, eq: fg.einsum(eq, *xs),
        torch=lambda t, *xs, eq: t.einsum(eq, *xs),
        rtol=1e-5,
        scaled=True,
    ),
    Row(
        "einsum",
        lambda x, y: np.einsum(x, [0, ..., 1], y, [..., 1, 2], [..., 2, 0]),
        [Sample((Arr((2, 5, 3)), Arr((5, 3, 4))))],
        call=lambda x, y: fg.einsum(x, [0, ..., 1], y, [..., 1, 2], [..., 2, 0]),
        torch=lambda t, x, y: t.einsum(x, [0, ..., 1], y, [..., 1, 2], [..., 2, 0]),
        rtol=1e-5,
        id="einsum-sublists",
    ),
    Row(
        "tensordot",
        lambda a, b, *, dims: np.tensordot(a, b, dims),
        [
            Sample((Arr((2, 3, 4)), Arr((3, 4, 2))), {"dims": 2}),
            Sample((Arr((2, 3)), Arr((4,))), {"dims": 0}),
            Sample((Arr((2, 3, 4)), Arr((4, 2))), {"dims": ((0, 2), (1, 0))}),
        ],
        [
            Bad(
                (Arr((2, 3)), Arr((2, 3))),
                {"dims": 1},
                fg.ShapeError,
                r"tensordot: dims: expected dimensions of one size, got 3",
            ),
            Bad((Arr((2, 3)), Arr((3,))), {"dims": 2}, RuntimeError, r"tensordot: dims: expected a number from 0 to 1"),
            Bad((Arr((2, 3)), Arr((3,))), {"dims": ((0, 1), (0,))}, RuntimeError, r"as many different dimensions"),
        ],
        call=fg.tensordot,
        torch=lambda t, a, b, *, dims: t.tensordot(a, b, dims),
        rtol=1e-5,
        scaled=True,
    ),
    Row(
        "inner",
        np.inner,
        [Sample((Arr((2, 3)), Arr((4, 3)))), Sample((Arr((3,)), Arr((3,)))), Sample((Arr(()), Arr((2,))))],
        [Bad((Arr((2, 3)), Arr((2,))), {}, fg.ShapeError, r"inner: other: expected the last size of input, 3, got 2")],
        call=fg.inner,
        torch=lambda t, a, b: t.inner(a, b),
        rtol=1e-5,
        scaled=True,
    ),
    Row(
        "multi_dot",
        lambda *xs: np.linalg.multi_dot(xs),
        [
            Sample((Arr((2, 5)), Arr((5, 1)), Arr((1, 4)), Arr((4, 3)))),
            Sample((Arr((5,)), Arr((5, 4)), Arr((4,)))),
            Sample((Arr((2, 3)), Arr((3, 2)))),
        ],
        [
            Bad((Arr((2, 3)),), {}, RuntimeError, r"multi_dot: tensors: expected at least 2, got 1"),
            Bad((Arr((2, 3)), Arr((2, 3))), {}, fg.ShapeError, r"multi_dot: tensors\[1\]: expected 3 rows"),
            Bad(
                (Arr((2, 3)), Arr((3,)), Arr((3, 2))),
                {},
                fg.ShapeError,
                r"multi_dot: tensors\[1\]: expected 2 dimensions",
            ),
        ],
        call=lambda *xs: fg.linalg.multi_dot(xs),
        torch=lambda t, *xs: t.linalg.multi_dot(xs),
        rtol=1e-5,
        scaled=True,
    ),
    Row(
        "matrix_power",
        lambda x, *, n: np.linalg.matrix_power(x, n),
        [Sample((Arr((2, 3, 3), low=-1, high=1),), {"n": n}) for n in (0, 1, 2, 5)],
        [
            Bad((Arr((2, 3)),), {"n": 2}, fg.ShapeError, r"matrix_power: input: expected square matrices"),
            Bad((Arr((3, 3)),), {"n": -1}, RuntimeError, r"matrix_power: n: expected a number of at least 0"),
        ],
        call=fg.matrix_power,
        torch=lambda t, x, *, n: t.matrix_power(x, n),
        rtol=1e-5,
        scaled=True,
    ),
    Row(
        "kron",
        np.kron,
        [Sample((Arr((2, 3)), Arr((3, 2)))), Sample((Arr((2,)), Arr((2, 2)))), Sample((Arr(()), Arr((2,))))],
        call=fg.kron,
        torch=lambda t, a, b: t.kron(a, b),
    ),
    Row(
        "cross",
        lambda a, b, *, dim: np.cross(a, b, axis=dim),
        [Sample((Arr((2, 3)), Arr((2, 3))), {"dim": 1}), Sample((Arr((3, 2)), Arr((3, 2))), {"dim": 0})],
        [
            Bad(
                (Arr((2, 3)), Arr((2, 3))),
                {"dim": 0},
                RuntimeError,
                r"cross: dim: expected dimensions of size 3, got 2",
            ),
            Bad(
                (Arr((2, 2)), Arr((2, 2))), {"dim": None}, RuntimeError, r"cross: input: expected a dimension of size 3"
            ),
        ],
        call=fg.cross,
        torch=lambda t, a, b, *, dim: t.cross(a, b, dim=dim),
        rtol=1e-5,
        scaled=True,
    ),
    Row(
        "cdist",
        _cdist,
        [
            Sample((Arr((3, 4)), Arr((2, 4))), {"p": 2.0}),
            Sample((Arr((2, 3, 4)), Arr((2, 4))), {"p": 1.0}),
            Sample((Arr((3, 4), distinct=True), Arr((2, 4), distinct=True)), {"p": np.inf}),
            Sample((Arr((3, 4)), Arr((2, 4))), {"p": 3.0}),
            Sample((Arr((30, 4)), Arr((5, 4))), {"p": 2.0}),
            Sample((Arr((3, 4)), Arr((2, 4))), {"p": 2.0, "compute_mode": "use_mm_for_euclid_dist"}),
            Sample((Arr((0, 4)), Arr((2, 4))), {"p": 2.0}),
        ],
        [
            Bad((Arr((3, 4)), Arr((2, 3))), {"p": 2.0}, fg.ShapeError, r"cdist: x2: expected rows of 4"),
            Bad((Arr((3,)), Arr((2, 3))), {"p": 2.0}, fg.ShapeError, r"cdist: x1: expected at least 2 dimensions"),
            Bad((Arr((3, 2)), Arr((2, 2))), {"p": -1.0}, RuntimeError, r"cdist: p: expected a number of at least 0"),
            Bad((Arr((3, 2)), Arr((2, 2))), {"p": 2.0, "compute_mode": "mm"}, ValueError, r"cdist: compute_mode"),
        ],
        call=fg.cdist,
        torch=lambda t, a, b, **kwargs: t.cdist(a, b, **kwargs),
        rtol=2e-5,
        scaled=True,
        # PyTorch has no second order of it; ours is the composition's.
    ),
    Row(
        "pdist",
        lambda x, *, p: _cdist(x, x, p=p)[np.triu_indices(len(x), 1)],
        [Sample((Arr((4, 3)),), {"p": 2.0}), Sample((Arr((1, 3)),), {"p": 1.0})],
        [Bad((Arr((3,)),), {"p": 2.0}, fg.ShapeError, r"pdist: input: expected 2 dimensions")],
        call=fg.pdist,
        torch=lambda t, x, *, p: t.pdist(x, p),
        rtol=1e-5,
    ),
    Row(
        "pairwise_distance",
        lambda a, b, *, p=2.0, eps=1e-6, keepdim=False: (np.abs(a - b + eps) ** p).sum(-1, keepdims=keepdim) ** (1 / p),
        [
            Sample((Arr((3, 4)), Arr((4,))), {}),
            Sample((Arr((3, 4)), Arr((3, 4))), {"p": 1.0, "keepdim": True}),
            Sample((Arr((3, 4)), Arr((3, 4))), {"p": 2.5, "eps": 0.1}),
        ],
        call=fg.pairwise_distance,
        torch=lambda t, a, b, **kwargs: t.nn.functional.pairwise_distance(a, b, **kwargs),
        rtol=1e-5,
    ),
    Row(
        "cosine_similarity",
        _cosine,
        [
            Sample((Arr((3, 4)), Arr((3, 4))), {}),
            Sample((Arr((2, 3, 4)), Arr((3, 1))), {"dim": -2}),
        ],
        [Bad((Arr((3, 4)), Arr((3, 4))), {"dim": 2}, IndexError, r"cosine_similarity: dim")],
        call=fg.cosine_similarity,
        torch=lambda t, a, b, **kwargs: t.cosine_similarity(a, b, **kwargs),
        rtol=1e-5,
        scaled=True,
    ),
    Row(
        "cosine_similarity",
        _cosine,
        # Where eps holds, PyTorch's gradient is not that of the formula.
        [Sample((Arr((3, 4), low=-1e-3, high=1e-3), Arr((3, 4))), {"eps": 0.1})],
        call=fg.cosine_similarity,
        rtol=1e-5,
        scaled=True,
        id="cosine_similarity-eps",
    ),
]
