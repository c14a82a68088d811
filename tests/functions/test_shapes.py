"""Functions of shapes: names, views, and what has no gradient to test."""

from __future__ import annotations

import numpy as np
import pytest

import ferrograd as fg


def test_names_of_numpy_and_pytorch_mean_the_same():
    x = fg.arange(6.0).reshape(2, 3)
    for a, b in [
        (x.unsqueeze(1), fg.unsqueeze(x, axis=1)),
        (x.sum(1, keepdim=True), x.sum(axis=1, keepdims=True)),
        (fg.flip(x, dims=[1]), fg.flip(x, axis=1)),
        (x.flip(0, 1), x.flip((0, 1))),
        (fg.roll(x, 1, 0), fg.roll(x, 1, axis=0)),
        (fg.cat((x, x), dim=1), fg.cat((x, x), axis=1)),
        (fg.cat((x, x)), fg.concatenate((x, x))),
        (fg.repeat_interleave(x, 2, dim=1), fg.repeat_interleave(x, 2, axis=1)),
        (fg.permute(x, (1, 0)), fg.permute(x, dims=(1, 0))),
        (x.reshape(3, 2), fg.reshape(x, shape=(3, 2))),
        (x.swapaxes(0, 1), fg.transpose(x, 0, 1)),
        (fg.moveaxis(x, 0, 1), x.movedim(0, 1)),
        (x.ravel(), x.flatten()),
        (fg.tile(x, (2,)), fg.tile(x, dims=(2,))),
        (fg.rot90(x, 1, (0, 1)), fg.rot90(x, axes=(0, 1))),
        (x.expand(2, 3), x.expand(size=(2, -1))),
        (x.mT, x.H),
        (fg.tensordot(x, x.T, dims=1), fg.tensordot(x, x.T, axes=1)),
    ]:  # fmt: skip
        assert a.tolist() == b.tolist()
    assert [p.tolist() for p in fg.split(x, 2, axis=1)] == [p.tolist() for p in fg.chunk(x, 2, axis=1)]
    assert [p.tolist() for p in fg.unbind(x, axis=1)] == [p.tolist() for p in x.unbind(1)]


@pytest.mark.parametrize(
    "of",
    [lambda x: x, lambda x: x.T, lambda x: x[1:], lambda x: x.reshape(2, 2, 4)],
    ids=["contiguous", "transposed", "rows", "batch"],
)
@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_a_diagonal_is_a_view_where_memory_allows(of, offset):
    x = fg.arange(16.0).reshape(4, 4)
    view = of(x)
    dims = (-2, -1)
    want = np.diagonal(view.numpy(), offset, *dims)
    diagonal = fg.diagonal(view, offset, *dims)
    assert diagonal.tolist() == want.tolist()
    diagonal.fill_(-1.0)
    assert (np.diagonal(of(x).numpy(), offset, *dims) == -1).all()


def test_a_diagonal_of_what_does_not_lie_evenly_is_a_copy():
    x = fg.arange(16.0).reshape(4, 4)[:, :3]
    assert fg.diagonal(x).tolist() == [0, 5, 10]
    fg.diagonal(x).zero_()
    assert fg.diagonal(x).tolist() == [0, 5, 10]


def test_fill_diagonal():
    assert fg.zeros(2, 3).fill_diagonal_(1.0).tolist() == np.eye(2, 3).tolist()
    for wrap in (False, True):
        want = np.zeros((7, 3))
        np.fill_diagonal(want, 5.0, wrap)
        assert fg.zeros(7, 3).fill_diagonal_(5.0, wrap).tolist() == want.tolist()
    assert fg.zeros(2, 2, 2).fill_diagonal_(1.0).sum().item() == 2
    with pytest.raises(ValueError, match="fill_diagonal_: self: expected a matrix"):
        fg.zeros(3).fill_diagonal_(1.0)


def test_triangles_in_place_and_their_places():
    x = fg.ones(3, 3)
    assert x.tril_() is x
    assert x.tolist() == np.tri(3).tolist()
    assert fg.tensor([[float("nan"), 1.0], [2.0, 3.0]]).triu(1).tolist() == [[0, 1], [0, 0]]
    assert fg.tril_indices(3, 4, -1).tolist() == np.array(np.tril_indices(3, -1, 4)).tolist()
    mask = fg.ones(2, 2, dtype=fg.bool)
    assert [(m.tolist(), m.dtype) for m in (mask.triu(1), mask.tril())] == [
        ([[False, True], [False, False]], fg.bool), ([[True, False], [True, True]], fg.bool)
    ]  # fmt: skip
    assert mask.triu_(1).dtype is fg.bool
    assert fg.triu_indices(3, 4, 1).tolist() == np.array(np.triu_indices(3, 1, 4)).tolist()
    assert fg.tril_indices(0, 3).shape == (2, 0)


def test_pieces_are_views():
    x = fg.arange(6.0).reshape(2, 3)
    for part in (*fg.hsplit(x, 3), *fg.vsplit(x, 2), *fg.tensor_split(x, (1,), 1), *x.unbind(), *x.split([1, 2], 1)):
        part.add_(1)
    assert x.tolist() == (np.arange(6).reshape(2, 3) + 5).tolist()
    assert [p.shape for p in fg.dsplit(fg.zeros(1, 1, 4), [1, 3])] == [(1, 1, 1), (1, 1, 2), (1, 1, 1)]
    with pytest.raises(RuntimeError, match="hsplit: sections: expected a divisor of the size 3, got 2"):
        fg.hsplit(x, 2)
    with pytest.raises(RuntimeError, match="vsplit: input: expected at least 2 dimensions"):
        fg.vsplit(fg.zeros(3), 1)


def test_at_least_so_many_dimensions():
    assert fg.atleast_1d(fg.tensor(1.0)).shape == (1,)
    assert [x.shape for x in fg.atleast_2d(fg.tensor(1.0), fg.zeros(3))] == [(1, 1), (1, 3)]
    assert [x.shape for x in fg.atleast_3d([fg.zeros(3), fg.zeros(2, 3)])] == [(1, 3, 1), (2, 3, 1)]


def test_broadcast_shapes():
    assert fg.broadcast_shapes((2, 1), (3,), 1) == (2, 3)
    with pytest.raises(ValueError, match=r"got \(2,\), \(3,\)"):
        fg.broadcast_shapes((2,), (3,))


def test_combinations():
    assert fg.combinations(fg.tensor([1, 2, 3])).tolist() == [[1, 2], [1, 3], [2, 3]]
    assert fg.combinations(fg.tensor([1, 2]), 2, with_replacement=True).tolist() == [[1, 1], [1, 2], [2, 2]]
    assert fg.combinations(fg.tensor([1]), 2).shape == (0, 2)


def test_repeat_interleave_of_counts_alone():
    assert fg.repeat_interleave(fg.tensor([2, 0, 1])).tolist() == [0, 0, 2]


def test_views_in_place():
    x = fg.arange(6.0).reshape(1, 2, 3)
    base = x[:]
    assert x.squeeze_(0) is x
    x.transpose_(0, 1).unsqueeze_(-1)
    assert x.shape == (3, 2, 1)
    x.zero_()
    assert base.sum().item() == 0
    w = fg.ones(2, 3, requires_grad=True)
    y = w * fg.arange(3.0)
    y.t_()
    (y[0] * 2 + y[2]).sum().backward()
    assert w.grad.tolist() == [[0, 0, 2], [0, 0, 2]]
    with pytest.raises(RuntimeError, match="t_: a leaf tensor that requires grad keeps its shape"):
        w.t_()


def test_view_as_a_dtype_reads_the_same_bytes():
    x = fg.tensor([1.0, -2.0])
    assert x.view(fg.int32).tolist() == np.array([1, -2], np.float32).view(np.int32).tolist()
    assert x.view(dtype=fg.float64).shape == (1,)
    assert x.view(fg.uint8).shape == (8,)
    x.view(fg.int32).zero_()
    assert x.tolist() == [0, 0]
    with pytest.raises(RuntimeError, match="view: dtype: expected a last dimension without gaps"):
        fg.zeros(3).view(fg.float64)
    with pytest.raises(RuntimeError, match="the bytes of a tensor have no gradient"):
        fg.zeros(2, requires_grad=True).view(fg.int32)


def test_memory_formats():
    x = fg.zeros(2, 3, 4, 5)
    y = x.contiguous(memory_format=fg.channels_last)
    assert y.stride() == (60, 1, 15, 3)
    assert y.is_contiguous(memory_format=fg.channels_last)
    assert not y.is_contiguous()
    assert y.contiguous(memory_format=fg.channels_last) is y
    assert y.clone().stride() == y.to(fg.float64).stride() == y.stride()
    assert y.clone(memory_format=fg.contiguous_format).is_contiguous()
    assert x.to(memory_format=fg.channels_last).stride() == y.stride()
    with pytest.raises(RuntimeError, match="channels_last has 4 dimensions, the tensor 2"):
        fg.zeros(2, 2).contiguous(memory_format=fg.channels_last)
    with pytest.raises(TypeError, match="memory_format: expected fg.contiguous_format or such"):
        x.contiguous(memory_format="channels_last")


def test_distances_have_no_infinite_gradients():
    x = fg.tensor([[1.0, 2.0], [1.0, 2.0]], requires_grad=True)
    for p in (0.5, 1.0, 1.5, 2.0, 3.0, float("inf")):
        (fg.cdist(x, x, p=p).sum() + fg.pdist(x, p=p).sum()).backward()
        assert x.grad.isfinite().all().item(), p
        assert not x.grad.any().item(), p
    assert fg.cdist(x, x + 1, p=0).tolist() == [[2, 2], [2, 2]]


def test_a_vector_without_elements_joins_anything():
    x = fg.ones(2, 3)
    assert fg.cat([fg.tensor([]), x], 1).tolist() == x.tolist()
    assert fg.cat([fg.tensor([]), fg.ones(2, 2, dtype=fg.int64)]).dtype == fg.float32
    assert fg.cat([fg.tensor([]), fg.tensor([])]).shape == (0,)
    assert fg.cat(fg.ones(k) for k in (0, 1, 2)).shape == (3,)
    with pytest.raises(ValueError, match="concatenate: tensors"):
        fg.cat([fg.zeros(0, 2), x])


def test_0d_tensors():
    x = fg.tensor(3.0)
    assert fg.movedim(x, 0, -1).tolist() == x.flip(0).tolist() == fg.roll(x, 1, 0).tolist() == 3
    assert [p.tolist() for p in fg.nonzero(x, as_tuple=True)] == [[0]]
    assert x.unfold(0, 1, 1).tolist() == [3]
    for call in (lambda: x.split(1), lambda: x.chunk(1), lambda: x.narrow(0, 0, 1), lambda: x.unflatten(0, (1,))):
        with pytest.raises(RuntimeError, match=r"input: expected at least 1 dimension, got shape \(\)"):
            call()


def test_edges_of_dimensions():
    assert [p.shape for p in fg.zeros(0, 2).chunk(3)] == [(0, 2)] * 3
    with pytest.raises(RuntimeError, match="squeeze: dim: expected each dimension once"):
        fg.zeros(1, 2).squeeze((0, -2))
    with pytest.raises(ValueError, match="permute: dims: expected 2 dimensions"):
        fg.zeros(1, 2).permute(0)


def test_second_names_and_small_forms():
    x = fg.arange(6.0).reshape(2, 3)
    assert fg.concat((x, x)).tolist() == fg.row_stack((x, x)).tolist() == fg.vstack((x, x)).tolist()
    assert fg.mv(x, fg.ones(3)).tolist() == x.mv(fg.ones(3)).tolist() == [3, 12]
    assert fg.ger(fg.ones(2), fg.ones(2)).tolist() == fg.ones(2).ger(fg.ones(2)).tolist() == [[1, 1]] * 2
    assert fg.chain_matmul(x, x.T, x).tolist() == (x @ x.T @ x).tolist()
    assert fg.trapz(fg.tensor([1.0, 2.0, 3.0])).item() == 4
    assert fg.linalg.vecdot(x, fg.ones(3)).tolist() == [3, 12]
    assert fg.masked_select(x, x > 3).tolist() == x.masked_select(x > 3).tolist() == [4, 5]
    assert x.view_as(fg.zeros(3, 2)).shape == x.reshape_as(fg.zeros(3, 2)).shape == (3, 2)
    assert fg.ones(3).expand_as(x).shape == (2, 3)
    assert x.mH.shape == (3, 2)
    assert x[1].storage_offset() == 3
    assert (x.is_meta, x.is_mps, x.is_pinned()) == (False, False, False)
    assert fg.get_default_dtype() is fg.float32
    y = fg.ones(1, requires_grad=True) * 1
    y.retain_grad()
    assert y.retains_grad
