"""Functions of shapes that are made of views, copies and index ops."""

from __future__ import annotations

import numpy as np

import ferrograd as fg

from ._row import Arr, Bad, Row, Sample


def _stacked(name):
    return lambda *xs: getattr(np, name)(xs)


def _windows(x, *, dimension, size, step):
    n = x.shape[dimension]
    return np.stack(
        [
            np.moveaxis(np.take(x, np.arange(k, k + size), dimension), dimension, -1)
            for k in range(0, n - size + 1, step)
        ],
        dimension % x.ndim,
    )


def _block_diag(*xs):
    xs = [np.atleast_2d(x) for x in xs]
    out = np.zeros((sum(x.shape[0] for x in xs), sum(x.shape[1] for x in xs)))
    r = c = 0
    for x in xs:
        out[r : r + x.shape[0], c : c + x.shape[1]] = x
        r, c = r + x.shape[0], c + x.shape[1]
    return out


def _diag_embed(x, *, offset=0, dim1=-2, dim2=-1):
    n = x.shape[-1] + abs(offset)
    out = np.zeros((*x.shape[:-1], n, n))
    k = np.arange(x.shape[-1])
    out[..., k + max(-offset, 0), k + max(offset, 0)] = x
    return np.moveaxis(out, (-2, -1), (dim1, dim2))


def _diagonal_scatter(x, src, *, offset=0, dim1=0, dim2=1):
    out = np.array(x)
    view = np.diagonal(out, offset, dim1, dim2)
    view.flags.writeable = True
    view[...] = src
    return out


def _permuted_diagonal(x):
    return fg.diagonal(fg.permute(x, 2, 0, 1), 1, 0, 2)


ROWS = [
    Row(
        "repeat",
        lambda x, *, sizes: np.tile(x, sizes),
        [
            Sample((Arr((2, 3)),), {"sizes": (2, 1, 2)}),
            Sample((Arr((3,)),), {"sizes": (0,)}),
            Sample((Arr(()),), {"sizes": (2, 3)}),
            Sample((Arr((2, 0)),), {"sizes": (1, 1)}),
            Sample((Arr((40, 30)),), {"sizes": (3, 2)}),
        ],
        [
            Bad((Arr((2, 3)),), {"sizes": (2,)}, fg.ShapeError, r"repeat: sizes: expected a number for each of 2"),
            Bad((Arr((2,)),), {"sizes": (-1,)}, RuntimeError, r"repeat: sizes: expected numbers of at least 0"),
        ],
        call=lambda x, *, sizes: fg.as_tensor(x).repeat(*sizes),
        torch=lambda t, x, *, sizes: x.repeat(*sizes),
    ),
    Row(
        "tile",
        lambda x, *, dims: np.tile(x, dims),
        [Sample((Arr((2, 3, 2)),), {"dims": (2, 2)}), Sample((Arr((2,)),), {"dims": (3, 1)})],
        call=fg.tile,
        torch=lambda t, x, *, dims: t.tile(x, dims),
    ),
    Row(
        "repeat_interleave",
        lambda x, *, repeats, dim: np.repeat(x, repeats, dim),
        [
            Sample((Arr((2, 3)),), {"repeats": 2, "dim": 1}),
            Sample((Arr((2, 3)),), {"repeats": (1, 0, 3), "dim": -1}),
            Sample((Arr((2, 3)),), {"repeats": 2, "dim": None}),
            Sample((Arr((0, 2)),), {"repeats": 3, "dim": 1}),
        ],
        [
            Bad((Arr((3,)),), {"repeats": (1, 2), "dim": 0}, fg.ShapeError, r"repeats: expected a number, or 3 as"),
            Bad((Arr((3,)),), {"repeats": -1, "dim": 0}, RuntimeError, r"expected numbers of at least 0"),
            Bad((Arr((3,)),), {"repeats": 1.5, "dim": 0}, TypeError, r"expected integers, got float64"),
        ],
        call=lambda x, *, repeats, dim: fg.repeat_interleave(x, np.asarray(repeats), dim=dim),
        torch=lambda t, x, *, repeats, dim: t.repeat_interleave(x, t.tensor(repeats), dim=dim),
    ),
    Row(
        "unfold",
        _windows,
        [
            Sample((Arr((3, 7)),), {"dimension": 1, "size": 3, "step": 2}),
            Sample((Arr((7, 2)),), {"dimension": -2, "size": 2, "step": 1}),
            Sample((Arr((60, 50)),), {"dimension": 0, "size": 5, "step": 7}),
        ],
        [
            Bad((Arr((3,)),), {"dimension": 0, "size": 4, "step": 1}, RuntimeError, r"unfold: size: expected at most"),
            Bad((Arr((3,)),), {"dimension": 0, "size": 2, "step": 0}, RuntimeError, r"unfold: step: expected a number"),
            Bad((Arr((3,)),), {"dimension": 1, "size": 2, "step": 1}, IndexError, r"unfold: dim"),
        ],
        call=lambda x, *, dimension, size, step: fg.as_tensor(x).unfold(dimension, size, step),
        torch=lambda t, x, *, dimension, size, step: x.unfold(dimension, size, step),
    ),
    Row(
        "rot90",
        lambda x, *, k, dims: np.rot90(x, k, dims),
        [
            Sample((Arr((2, 3, 2)),), {"k": k, "dims": dims})
            for k, dims in [(1, (0, 1)), (2, (2, 0)), (-1, (1, 2)), (4, (0, 1))]
        ],
        [
            Bad((Arr((3, 2)),), {"k": 1, "dims": (0, 0)}, RuntimeError, r"rot90: dims: expected two different"),
            Bad((Arr((3,)),), {"k": 1, "dims": (0, 1)}, RuntimeError, r"rot90: dims: expected 2 of at least 2"),
        ],
        call=fg.rot90,
        torch=lambda t, x, *, k, dims: t.rot90(x, k, dims),
    ),
    Row("fliplr", np.fliplr, [Sample((Arr((2, 3, 2)),))], call=fg.fliplr, torch=lambda t, x: t.fliplr(x)),
    Row("flipud", np.flipud, [Sample((Arr((3,)),))], call=fg.flipud, torch=lambda t, x: t.flipud(x)),
    Row(
        "roll",
        lambda x, *, shifts, dims: np.roll(x, shifts, dims),
        [
            Sample((Arr((3, 4)),), {"shifts": (1, -2), "dims": (0, 1)}),
            Sample((Arr((3, 4)),), {"shifts": 5, "dims": None}),
            Sample((Arr((0, 4)),), {"shifts": 1, "dims": 0}),
        ],
        [Bad((Arr((3,)),), {"shifts": (1, 2), "dims": (0,)}, RuntimeError, r"roll: dims: expected 2 dimensions")],
        call=fg.roll,
        torch=lambda t, x, *, shifts, dims: t.roll(x, shifts, dims),
    ),
    Row(
        "tril",
        lambda x, *, diagonal: np.tril(x, diagonal),
        [
            Sample((Arr((3, 4)),), {"diagonal": 0}),
            Sample((Arr((2, 4, 3)),), {"diagonal": -1}),
            Sample((Arr((3, 3)),), {"diagonal": 2}),
            Sample((Arr((0, 3)),), {"diagonal": 0}),
            Sample((Arr((70, 60)),), {"diagonal": 3}),
        ],
        [Bad((Arr((3,)),), {"diagonal": 0}, fg.ShapeError, r"tril: input: expected at least 2 dimensions")],
        call=fg.tril,
        torch=lambda t, x, *, diagonal: t.tril(x, diagonal),
    ),
    Row(
        "triu",
        lambda x, *, diagonal: np.triu(x, diagonal),
        [Sample((Arr((3, 4)),), {"diagonal": k}) for k in (-4, -1, 0, 1, 5)],
        call=fg.triu,
        torch=lambda t, x, *, diagonal: t.triu(x, diagonal),
    ),
    Row(
        "diagonal",
        lambda x, *, offset=0, dim1=0, dim2=1: np.diagonal(x, offset, dim1, dim2),
        [
            Sample((Arr((3, 4)),), {"offset": 1}),
            Sample((Arr((4, 3)),), {"offset": -2}),
            Sample((Arr((3, 4)),), {"offset": 7}),
            Sample((Arr((2, 3, 4)),), {"offset": 0, "dim1": 2, "dim2": 0}),
            Sample((Arr((2, 3, 4)),), {"offset": 1, "dim1": -2, "dim2": -1}),
            Sample((Arr((0, 3)),), {}),
        ],
        [
            Bad((Arr((3,)),), {}, fg.ShapeError, r"diagonal: input: expected at least 2"),
            Bad((Arr((3, 3)),), {"dim1": 1, "dim2": -1}, RuntimeError, r"diagonal: dim2: expected another"),
        ],
        call=fg.diagonal,
        torch=lambda t, x, **kwargs: t.diagonal(x, **kwargs),
    ),
    Row(
        "diagonal",
        lambda x: np.diagonal(x.transpose(2, 0, 1), 1, 0, 2),
        [Sample((Arr((2, 5, 3)),))],
        call=_permuted_diagonal,
        id="diagonal-permuted",
    ),
    Row(
        "diag_embed",
        _diag_embed,
        [
            Sample((Arr((2, 3)),), {}),
            Sample((Arr((3,)),), {"offset": -2}),
            Sample((Arr((2, 3)),), {"offset": 1, "dim1": 0, "dim2": 2}),
            Sample((Arr((2, 3)),), {"offset": 1, "dim1": 2, "dim2": 0}),
            Sample((Arr((0,)),), {}),
        ],
        [Bad((Arr(()),), {}, fg.ShapeError, r"diag_embed: input: expected at least 1")],
        call=fg.diag_embed,
        torch=lambda t, x, **kwargs: t.diag_embed(x, **kwargs),
    ),
    Row(
        "diag",
        np.diag,
        [Sample((Arr((3,)),)), Sample((Arr((3, 4)),)), Sample((Arr((0,)),))],
        [Bad((Arr((2, 2, 2)),), {}, fg.ShapeError, r"diag: input: expected a vector or a matrix")],
        call=fg.diag,
        torch=lambda t, x: t.diag(x),
    ),
    Row("diagflat", np.diagflat, [Sample((Arr((2, 2)),))], call=fg.diagflat, torch=lambda t, x: t.diagflat(x)),
    Row(
        "diagonal_scatter",
        _diagonal_scatter,
        [
            Sample((Arr((3, 4)), Arr((3,))), {"offset": 1}),
            Sample((Arr((2, 3, 2)), Arr((3, 2))), {"dim1": 0, "dim2": 2}),
        ],
        [Bad((Arr((3, 4)), Arr((4,))), {}, fg.ShapeError, r"diagonal_scatter: src: expected shape \(3,\)")],
        call=fg.diagonal_scatter,
        torch=lambda t, x, src, **kwargs: t.diagonal_scatter(x, src, **kwargs),
    ),
    Row(
        "trace",
        np.trace,
        [Sample((Arr((3, 4)),)), Sample((Arr((0, 0)),)), Sample((Arr((50, 60)),))],
        [Bad((Arr((3,)),), {}, fg.ShapeError, r"trace: input: expected a matrix")],
        call=fg.trace,
        torch=lambda t, x: t.trace(x),
    ),
    *[
        Row(
            name,
            _stacked(name),
            [Sample(tuple(Arr(shape) for shape in shapes)) for shapes in samples],
            call=lambda *xs, name=name: getattr(fg, name)(xs),
            torch=lambda t, *xs, name=name: getattr(t, name)(xs),
        )
        for name, samples in [
            ("hstack", [((2, 3), (2, 1)), ((3,), (1,)), ((), ())]),
            ("vstack", [((2, 3), (3,)), ((3,), (3,))]),
            ("dstack", [((2, 3), (2, 3)), ((3,), (3,)), ((2, 3, 1), (2, 3, 2))]),
            ("column_stack", [((2, 3), (2,)), ((3,), (3,))]),
        ]
    ],
    Row(
        "block_diag",
        _block_diag,
        [Sample((Arr((2, 3)), Arr((1, 2)), Arr((2,)), Arr(()))), Sample((Arr((2, 2)),))],
        [Bad((Arr((2, 2, 2)),), {}, fg.ShapeError, r"block_diag: tensors\[0\]: expected at most 2")],
        call=fg.block_diag,
        torch=lambda t, *xs: t.block_diag(*xs),
    ),
    Row(
        "meshgrid",
        lambda *xs, indexing: tuple(np.meshgrid(*xs, indexing=indexing)),
        [
            Sample((Arr((2,)), Arr((3,)), Arr((2,))), {"indexing": "ij"}),
            Sample((Arr((2,)), Arr((3,)), Arr((4,))), {"indexing": "xy"}),
            Sample((Arr((2,)),), {"indexing": "xy"}),
        ],
        [
            Bad((Arr((2,)),), {"indexing": "yx"}, RuntimeError, r"meshgrid: indexing: expected 'ij' or 'xy'"),
            Bad((Arr((2, 2)),), {"indexing": "ij"}, fg.ShapeError, r"meshgrid: tensors\[0\]: expected a vector"),
        ],
        call=fg.meshgrid,
        torch=lambda t, *xs, indexing: t.meshgrid(*xs, indexing=indexing),
    ),
    Row(
        "cartesian_prod",
        lambda *xs: np.stack([g.ravel() for g in np.meshgrid(*xs, indexing="ij")], -1),
        [Sample((Arr((2,)), Arr((3,)))), Sample((Arr((2,)), Arr((1,)), Arr((2,))))],
        [Bad((Arr((2, 2)),), {}, fg.ShapeError, r"cartesian_prod: tensors\[0\]: expected a vector")],
        call=fg.cartesian_prod,
        torch=lambda t, *xs: t.cartesian_prod(*xs),
    ),
    Row(
        "broadcast_tensors",
        lambda *xs: tuple(np.broadcast_arrays(*xs)),
        [Sample((Arr((2, 1)), Arr((3,))))],
        [Bad((Arr((2,)), Arr((3,))), {}, fg.ShapeError, r"broadcast_shapes: shapes: expected sizes that agree")],
        call=fg.broadcast_tensors,
        torch=lambda t, *xs: t.broadcast_tensors(*xs),
    ),
    *[
        Row(
            "tensor_split",
            lambda x, *, cut, dim: tuple(np.array_split(x, cut, dim)),
            [Sample((Arr((7, 3)),), {"cut": cut, "dim": 0}), Sample((Arr((2, 7)),), {"cut": cut, "dim": -1})],
            call=lambda x, *, cut, dim: fg.tensor_split(x, cut, dim),
            torch=lambda t, x, *, cut, dim: t.tensor_split(x, cut, dim),
            id=f"tensor_split-{k}",
        )
        for k, cut in enumerate([3, 1, (2, 5), (5, 2)])
    ],
    Row(
        "movedim",
        lambda x, *, source, destination: np.moveaxis(x, source, destination),
        [
            Sample((Arr((2, 3, 4)),), {"source": (0, 2), "destination": (1, 0)}),
            Sample((Arr((2, 3)),), {"source": 0, "destination": -1}),
        ],
        [
            Bad(
                (Arr((2, 3)),),
                {"source": (0, 0), "destination": (0, 1)},
                RuntimeError,
                r"movedim: source: expected diff",
            )
        ],
        call=fg.movedim,
        torch=lambda t, x, *, source, destination: t.movedim(x, source, destination),
    ),
]
