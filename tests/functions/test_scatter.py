"""Scatter and its like where a registry row does not reach: ties, NaN, zeros, in place."""

from __future__ import annotations

import math

import numpy as np
import pytest

import ferrograd as fg


def test_the_gradient_of_an_extreme_is_shared_among_equals():
    x = fg.tensor([1.0, 5.0], requires_grad=True)
    src = fg.tensor([1.0, 0.0, 1.0, 2.0], requires_grad=True)
    y = x.scatter_reduce(0, fg.tensor([0, 0, 0, 1]), src, "amax")
    y.backward(fg.tensor([3.0, 1.0]))
    assert y.tolist() == [1, 5]
    assert x.grad.tolist() == [1, 1]
    assert src.grad.tolist() == [1, 0, 1, 0]


def test_nan_wins_and_infinities_count():
    index = fg.tensor([0, 0, 1, 1])
    src = fg.tensor([1.0, math.nan, math.inf, -math.inf])
    high = fg.zeros(2).scatter_reduce(0, index, src, "amax", include_self=False).tolist()
    low = fg.zeros(2).scatter_reduce(0, index, src, "amin", include_self=False).tolist()
    assert math.isnan(high[0])
    assert math.isnan(low[0])
    assert (high[1], low[1]) == (math.inf, -math.inf)


def test_products_keep_the_gradients_of_zeros():
    src = fg.tensor([0.0, 2.0, 3.0], requires_grad=True)
    y = fg.ones(1).scatter_reduce(0, fg.tensor([0, 0, 0]), src, "prod")
    y.backward()
    assert src.grad.tolist() == [6, 0, 0]


def test_integers():
    y = fg.tensor([1, 7]).scatter_reduce(0, fg.tensor([0, 0, 1]), fg.tensor([4, -2, 2]), "mean")
    assert y.tolist() == [1, 4]
    assert y.dtype == fg.int64


def test_many_to_one_place_agree_with_a_reduction(rng):
    src = rng.standard_normal(3000)
    for reduce, want in (("prod", np.prod(src[:30])), ("amax", src.max()), ("amin", src.min())):
        values = src[:30] if reduce == "prod" else src
        got = fg.zeros(1, dtype=fg.float64).scatter_reduce(
            0, fg.zeros(len(values), dtype=fg.int64), fg.tensor(values), reduce, include_self=False
        )
        np.testing.assert_allclose(got.numpy(), [want], rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("scatter", (0, fg.tensor([1]), fg.tensor([9.0]))),
        ("scatter_add", (0, fg.tensor([1, 1]), fg.tensor([9.0, 1.0]))),
        ("scatter_reduce", (0, fg.tensor([1]), fg.tensor([9.0]), "amax")),
        ("index_add", (0, fg.tensor([1, 1]), fg.tensor([9.0, 1.0]))),
        ("index_copy", (0, fg.tensor([1]), fg.tensor([9.0]))),
        ("index_fill", (0, fg.tensor([1]), 7.0)),
        ("index_put", ((fg.tensor([1]),), fg.tensor(9.0))),
        ("put", (fg.tensor([1]), fg.tensor([9.0]))),
        ("masked_scatter", (fg.tensor([False, True, False]), fg.tensor([9.0]))),
        ("masked_fill", (fg.tensor([False, True, False]), 7.0)),
    ],
)
def test_in_place_forms(name, arguments):
    start = fg.tensor([1.0, 2.0, 3.0])
    want = getattr(start, name)(*arguments)
    x = start.clone()
    view = x[:]
    before = x._version
    assert getattr(x, name + "_")(*arguments) is x
    assert x.tolist() == view.tolist() == want.tolist() != start.tolist()
    assert x._version > before

    leaf = start.clone().requires_grad_()
    with pytest.raises(RuntimeError, match=rf"{name}_: a leaf tensor that requires grad"):
        getattr(leaf, name + "_")(*arguments)
    weights = fg.tensor([1.0, 10.0, 100.0])
    (leaf * 2).__getattribute__(name)(*arguments).backward(weights)
    want = leaf.grad.tolist()
    leaf.grad = None
    y = leaf * 2
    getattr(y, name + "_")(*arguments).backward(weights)
    assert leaf.grad.tolist() == want


def test_a_saved_value_written_in_place_is_noticed():
    x = fg.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    z = y * y
    y.index_add_(0, fg.tensor([0]), fg.tensor([1.0]))
    with pytest.raises(RuntimeError, match="in place|in-place"):
        z.sum().backward()


def test_a_plain_tensor_takes_part_in_the_graph_when_written_to():
    src = fg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    out = fg.zeros(2)
    out.scatter_add_(0, fg.tensor([0, 1, 1]), src)
    out.backward(fg.tensor([1.0, 10.0]))
    assert out.tolist() == [1, 5]
    assert src.grad.tolist() == [1, 10, 10]


def test_where_of_a_condition_alone():
    rows, columns = fg.where(fg.tensor([[True, False], [False, True]]))
    assert (rows.tolist(), columns.tolist()) == ([0, 1], [0, 1])
    with pytest.raises(TypeError, match="where: expected both input and other"):
        fg.where(fg.tensor([True]), 1.0)


def test_what_cannot_be_filled():
    x = fg.zeros(2)
    with pytest.raises(ValueError, match="masked_fill: value: expected a number or a 0-d tensor"):
        x.masked_fill(fg.tensor([True, False]), fg.ones(2))
    with pytest.raises(TypeError, match="masked_fill: mask: expected bool, got"):
        x.masked_fill(fg.tensor([1, 0]), 0.0)
    with pytest.raises(TypeError, match="scatter: src: expected a tensor"):
        x.scatter(0, fg.tensor([0]))


@pytest.mark.parametrize(
    "call",
    [
        lambda x, index: fg.gather(x, 0, index),
        lambda x, index: x.index_select(0, index),
        lambda x, index: x.scatter(0, index, 1.0),
        lambda x, index: x.scatter_(0, index, x[:1]),
        lambda x, index: x.scatter_add(0, index, x[:1]),
        lambda x, index: x.scatter_reduce(0, index, x[:1], "amax"),
        lambda x, index: x.index_add(0, index, x[:1]),
        lambda x, index: x.index_copy(0, index, x[:1]),
        lambda x, index: x.index_reduce(0, index, x[:1], "amax"),
        lambda x, index: fg.nn.functional.embedding(index, x[:, None]),
    ],
)
def test_indices_do_not_count_from_the_end(call):
    x = fg.arange(3.0)
    call(x, fg.tensor([2]))
    with pytest.raises(IndexError, match=": (index|input): expected indices of at least 0, got -1"):
        call(x, fg.tensor([-1]))


def test_indices_count_from_the_end_where_pytorch_has_it_so():
    x = fg.arange(3.0)
    assert x.take(fg.tensor([-1])).tolist() == x[fg.tensor([-1])].tolist() == [2]
    assert x.index_fill(0, fg.tensor([-1]), 9.0).tolist() == [0, 1, 9]
