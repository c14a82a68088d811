"""The array: views of any kind share memory and report the truth about it; basic indexing is NumPy's."""

from __future__ import annotations

import copy
import itertools
import pickle
from typing import Any

import numpy as np
import pytest

import ferrograd as fg

BASE = np.arange(24, dtype=np.float32).reshape(2, 3, 4)

VIEWS: dict[str, tuple[Any, Any]] = {
    "reshape": (lambda x: x.reshape(4, 6), lambda a: a.reshape(4, 6)),
    "reshape -1": (lambda x: x.reshape(-1, 2), lambda a: a.reshape(-1, 2)),
    "view": (lambda x: x.view(24), lambda a: a.reshape(24)),
    "flatten": (lambda x: x.flatten(1), lambda a: a.reshape(2, 12)),
    "unflatten": (lambda x: x.unflatten(2, (2, -1)), lambda a: a.reshape(2, 3, 2, 2)),
    "permute": (lambda x: x.permute(2, 0, 1), lambda a: a.transpose(2, 0, 1)),
    "transpose": (lambda x: x.transpose(0, -1), lambda a: a.swapaxes(0, -1)),
    "T": (lambda x: x.T, lambda a: a.T),
    "mT": (lambda x: x.mT, lambda a: a.swapaxes(-1, -2)),
    "movedim": (lambda x: x.movedim(0, 2), lambda a: np.moveaxis(a, 0, 2)),
    "unsqueeze": (lambda x: x.unsqueeze(1), lambda a: a[:, None]),
    "squeeze": (lambda x: x[:1].squeeze(0), lambda a: a[0]),
    "expand": (lambda x: x[:1].expand(5, 3, 4), lambda a: np.broadcast_to(a[:1], (5, 3, 4))),
    "expand with a new dimension": (lambda x: x.expand(2, -1, 3, 4), lambda a: np.broadcast_to(a, (2, 2, 3, 4))),
    "select": (lambda x: x.select(1, -1), lambda a: a[:, -1]),
    "narrow": (lambda x: x.narrow(2, 1, 2), lambda a: a[:, :, 1:3]),
    "detach": (lambda x: x.detach(), lambda a: a),
    "view of a view": (lambda x: x.T[::-2, 1:].transpose(0, 2), lambda a: a.T[::-2, 1:].swapaxes(0, 2)),
}


@pytest.mark.parametrize("name", VIEWS)
def test_views(name: str) -> None:
    view, reference = VIEWS[name]
    array = BASE.copy()
    x = fg.from_numpy(array)
    y, want = view(x), reference(array)
    assert y.shape == want.shape
    np.testing.assert_array_equal(y.numpy(), want)
    assert np.shares_memory(y.numpy(), array)
    assert y.data_ptr() == want.ctypes.data
    assert tuple(4 * s for s, d in zip(y.stride(), y.shape, strict=True) if d > 1) == tuple(
        s for s, d in zip(want.strides, want.shape, strict=True) if d > 1
    )
    assert y.is_contiguous() == want.flags.c_contiguous
    if 0 not in y.stride():
        y.numpy()[...] = 5
        np.testing.assert_array_equal(array, np.where(np.isin(BASE, reference(BASE)), 5, BASE))


@pytest.mark.parametrize("name", VIEWS)
def test_gradients_of_views(name: str) -> None:
    if name == "detach":
        pytest.skip("detached on purpose")
    view, reference = VIEWS[name]
    x = fg.tensor(BASE, requires_grad=True)
    y = view(x)
    weights = np.arange(1, y.numel() + 1, dtype=np.float32).reshape(y.shape)
    y.backward(fg.tensor(weights))
    place = reference(np.arange(24).reshape(2, 3, 4))
    want = np.zeros(24, np.float32)
    np.add.at(want, place.reshape(-1), weights.reshape(-1))
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), want.reshape(2, 3, 4))


ITEMS: list[Any] = [
    0, -1, slice(None), slice(1, None), slice(None, None, 2), slice(None, None, -1), slice(5, 1),
    slice(-100, 100, 3), None,
]  # fmt: skip


@pytest.mark.parametrize("first", ITEMS)
def test_basic_indexing(first: Any) -> None:
    x = fg.tensor(BASE)
    for rest in itertools.chain([()], itertools.product(ITEMS, [..., 1, slice(None, None, -2)])):
        index = (first, *rest)
        want = BASE[index]
        got = x[index]
        assert got.shape == want.shape, index
        np.testing.assert_array_equal(got.numpy(), want)
        if isinstance(want, np.ndarray) and want.size:
            assert got.data_ptr() - x.data_ptr() == want.ctypes.data - BASE.ctypes.data


def test_other_forms_of_an_index() -> None:
    x = fg.tensor(BASE)
    assert x[np.int64(1)].tolist() == BASE[1].tolist()
    assert x[..., -1].tolist() == BASE[..., -1].tolist()
    assert x[()].tolist() == BASE.tolist()
    assert [row.tolist() for row in x] == [row.tolist() for row in BASE]
    assert len(x) == 2


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (2, "index 2 is out of range for dimension 0 of size 2"),
        (-3, "index -3 is out of range for dimension 0 of size 2"),
        (2**70, "out of range for dimension 0"),
        ((0, 0, 0, 0), r"too many indices: the tensor of shape \(2, 3, 4\) has 3 dimensions, but 4 were indexed"),
        ((..., ...), "one ellipsis"),
    ],
)
def test_wrong_indices(index: Any, message: str) -> None:
    with pytest.raises(IndexError, match=message):
        fg.tensor(BASE)[index]


def test_a_step_of_zero() -> None:
    with pytest.raises(ValueError, match="zero"):
        fg.tensor(BASE)[::0]


@pytest.mark.parametrize(
    ("call", "exception", "message"),
    [
        (lambda x: x.reshape(5, 5), fg.ShapeError, r"reshape: shape: expected sizes of 24 elements.*got \(5, 5\)"),
        (lambda x: x.reshape(-1, -1), fg.ShapeError, "at most one size of -1"),
        (lambda x: x.reshape(-1, 5), fg.ShapeError, "24 elements"),
        (lambda x: x.reshape(2**63 - 1, 2**63 - 1), fg.ShapeError, "24 elements"),
        (lambda x: x.T[:, :2].view(16), fg.ShapeError, r"view: shape: .*use reshape\(\)"),
        (lambda x: x.permute(0, 1), fg.ShapeError, "permute: dims: expected 3 dimensions"),
        (lambda x: x.permute(0, 0, 1), ValueError, "each dimension once"),
        (lambda x: x.transpose(0, 3), IndexError, "expected a dimension from -3 to 2, got 3"),
        (lambda x: x.expand(3, 3, 4), fg.ShapeError, r"expand: shape: expected a shape that \(2, 3, 4\) stretches to"),
        (lambda x: x.expand(3), fg.ShapeError, "expand: shape"),
        (lambda x: x.narrow(0, 1, 5), IndexError, "narrow: start, length: expected a range within size 2"),
        (lambda x: x.unsqueeze(5), IndexError, "unsqueeze: dim"),
        (lambda x: x[0, 0, 0].mT, RuntimeError, "mT: expected at least 2 dimensions"),
        (lambda x: len(x[0, 0, 0]), TypeError, "0-d"),
        (lambda x: iter(x[0, 0, 0]), TypeError, "0-d"),
        (lambda x: x.item(), RuntimeError, r"item: expected a tensor of one element, got shape \(2, 3, 4\)"),
        (lambda x: bool(x), RuntimeError, "ambiguous"),
        (lambda x: fg.tensor([[1.0], [1.0, 2.0]]), ValueError, "nested lists of equal lengths"),
        (lambda x: fg.tensor("text"), TypeError, "expected numbers"),
        (lambda x: fg.arange(0, 5, 0), ValueError, "arange: step"),
    ],
)  # fmt: skip
def test_wrong_calls(call: Any, exception: type[Exception], message: str) -> None:
    with pytest.raises(exception, match=message):
        call(fg.tensor(BASE))


def test_a_view_of_an_order_that_the_library_chose() -> None:
    """`view` first makes the tensor's own storage contiguous, then aliases it."""
    x = fg.tensor(BASE)
    y = x.T + x.T  # the result has the memory order of its operands
    assert not y.is_contiguous()
    flat = y.view(24)
    assert y.is_contiguous()
    assert flat.data_ptr() == y.data_ptr()
    flat[0] = 99.0
    assert y[0, 0, 0].item() == 99


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (1,), (1, 1), (3, 1)])
def test_small_shapes(shape: tuple[int, ...]) -> None:
    x = fg.ones(shape)
    assert x.shape == shape
    assert x.is_contiguous()
    assert x.numel() == int(np.prod(shape))
    assert x.T.shape == shape[::-1]
    assert (x + 1).tolist() == np.full(shape, 2.0).tolist()
    assert x.reshape(-1 if x.numel() else 0).shape == (x.numel(),)


def test_scalars() -> None:
    x = fg.tensor(2.5)
    assert (float(x), int(x), x.item()) == (2.5, 2, 2.5)
    assert bool(fg.tensor(0.0)) is False
    assert [10, 20, 30][fg.tensor(1)] == 20
    with pytest.raises(TypeError, match="only integer tensors of one element can be an index"):
        [1][fg.tensor(0.0)]


def test_what_data_becomes() -> None:
    assert fg.tensor([1, 2]).dtype is fg.int64
    assert fg.tensor([1.0, 2]).dtype is fg.float32
    assert fg.tensor([True]).dtype is fg.bool
    assert fg.tensor(np.ones(2)).dtype is fg.float64
    assert fg.tensor(np.float64(1)).dtype is fg.float64
    assert fg.tensor([]).dtype is fg.float32
    assert fg.tensor([fg.ones(2), fg.zeros(2)]).tolist() == [[1, 1], [0, 0]]
    assert fg.arange(5).tolist() == [0, 1, 2, 3, 4]
    assert fg.arange(1, 2, 0.25).dtype is fg.float32
    assert fg.linspace(0, 1, 5).tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert fg.eye(2, 3).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert fg.full((2,), 7).dtype is fg.int64


def test_copies() -> None:
    x = fg.tensor(BASE, requires_grad=True)
    (x * 2).backward(fg.ones(2, 3, 4))
    for y in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert y.requires_grad
        assert y.is_leaf
        assert y.tolist() == x.tolist()
        assert y.data_ptr() != x.data_ptr()
    assert copy.deepcopy(x).grad.tolist() == x.grad.tolist()
    with pytest.raises(RuntimeError, match=r"only leaf tensors can be copied; detach\(\)"):
        copy.deepcopy(x * 2)
    half = pickle.loads(pickle.dumps(fg.tensor([1.5], dtype=fg.bfloat16)))
    assert half.dtype is fg.bfloat16
    assert half.float().tolist() == [1.5]


def test_repr() -> None:
    assert repr(fg.tensor([1.0, 2.5])) == "tensor([1.0000, 2.5000])"
    assert repr(fg.tensor([1], dtype="uint8")) == "tensor([1], dtype=ferrograd.uint8)"
    assert repr(fg.ones(1, requires_grad=True)) == "tensor([1.], requires_grad=True)"
    assert repr(fg.tensor([1.5], dtype=fg.bfloat16)) == "tensor([1.5000], dtype=ferrograd.bfloat16)"
    assert len(repr(fg.zeros(1000, 1000))) < 1000
