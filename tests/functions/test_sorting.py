"""What the registry cannot show of scans, sorting and counting: ties, NaN, PyTorch's signatures, named results."""

from __future__ import annotations

import math

import numpy as np
import pytest

import ferrograd as fg

NAN, INF = float("nan"), float("inf")


def values(x: fg.Tensor) -> list:
    return x.detach()._numpy().tolist()


# -- scans -------------------------------------------------------------------------------------------------------------


def test_sums_and_products_choose_their_dtypes_as_pytorch_does():
    x = fg.tensor([1, 2, 3], dtype=fg.int32)
    assert x.cumsum(0).dtype is fg.int64
    assert (x > 1).cumsum(0).tolist() == [0, 1, 2]
    assert x.cumsum(0, dtype=fg.float32).dtype is fg.float32
    assert x.cumprod(axis=0).tolist() == [1, 2, 6]
    assert fg.tensor(5.0).cumsum(0).item() == 5.0
    with pytest.raises(TypeError, match="cumsum: dim: expected one dimension, got None"):
        x.cumsum()


def test_a_running_sum_is_added_up_in_double_precision():
    x = fg.full((100_000,), 0.1)
    assert abs(x.cumsum(0)[-1].item() - np.float32(0.1).astype(np.float64) * 100_000) < 1e-3


def test_the_gradient_of_a_product_with_zeros_is_exact():
    x = fg.tensor([2.0, 0.0, 3.0, 0.0, 5.0], requires_grad=True)
    x.cumprod(0).sum().backward()
    # d/dx_1 of (2, 2 x_1, 6 x_1, 0, 0): the second 0 hides what comes after it.
    assert x.grad.tolist() == [1.0, 2.0 + 6.0, 0.0, 0.0, 0.0]


def test_in_place_scans():
    x = fg.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert x.cumsum_(1) is x
    assert values(x) == [[1.0, 3.0], [3.0, 7.0]]
    assert values(x.cumprod_(0)) == [[1.0, 3.0], [3.0, 21.0]]


def test_running_extremes_on_ties_and_nan():
    x = fg.tensor([1.0, 3.0, 3.0, 2.0, NAN, 9.0], requires_grad=True)
    found = fg.cummax(x, 0)
    assert found.indices.tolist() == [0, 1, 2, 2, 4, 4]
    assert values(found.values[:4]) == [1.0, 3.0, 3.0, 3.0]
    assert math.isnan(found.values[5].item())
    found.values[:4].sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 2.0, 0.0, 0.0, 0.0]
    assert fg.cummin(fg.tensor([2, 1, 1, 3]), 0).indices.tolist() == [0, 1, 2, 2]


def test_logcumsumexp_of_infinities_and_its_gradient():
    x = fg.tensor([-INF, 0.0, -INF, 1000.0], dtype=fg.float64, requires_grad=True)
    y = x.logcumsumexp(0)
    assert values(y) == [-INF, 0.0, 0.0, 1000.0]
    y[1:].sum().backward()
    assert x.grad.tolist() == [0.0, 2.0, 0.0, 1.0]
    assert fg.logcumsumexp(fg.tensor([0, 0]), 0).dtype is fg.float32


def test_diff_puts_what_it_is_given_around():
    x = fg.tensor([[1, 4], [9, 16]])
    assert x.diff().tolist() == [[3], [7]]
    assert x.diff(dim=0, prepend=fg.tensor([[0, 0]]), append=fg.tensor([[9, 9]])).tolist() == [[1, 4], [8, 12], [0, -7]]
    assert fg.diff(fg.tensor([True, False, False])).tolist() == [True, False]
    with pytest.raises(RuntimeError, match="diff: n: expected a number from 0, got -1"):
        x.diff(-1)


# -- sorting -----------------------------------------------------------------------------------------------------------


def test_results_are_named_as_pytorchs():
    x = fg.tensor([[3.0, 1.0, 2.0]])
    for found in (x.sort(), x.topk(2), x.kthvalue(2), x.median(1), x.nanmedian(1), x.mode(1), x.max(1), x.cummax(1)):
        assert found._fields == ("values", "indices")
        assert found.indices.dtype is fg.int64
        v, i = found
        assert v is found.values
        assert i is found[1]


def test_nan_is_the_largest_and_equal_numbers_keep_their_order():
    x = fg.tensor([NAN, 1.0, -0.0, 0.0, -INF, INF, 1.0])
    assert x.argsort().tolist() == [4, 2, 3, 1, 6, 5, 0]
    assert x.argsort(descending=True).tolist() == [0, 5, 1, 6, 2, 3, 4]
    assert values(x.sort().values)[:3] == [-INF, -0.0, 0.0]
    assert fg.tensor([3, 1, 3, 1]).sort(descending=True).indices.tolist() == [0, 2, 1, 3]
    assert x.topk(2).indices.tolist() == [0, 5]
    assert x.sort(dim=0, stable=True).indices.tolist() == x.argsort(axis=0).tolist()
    assert fg.msort(fg.tensor([[2, 1], [1, 3]])).tolist() == [[1, 1], [2, 3]]


def test_the_gradient_of_a_sort_goes_where_an_element_came_from():
    x = fg.tensor([3.0, 1.0, 2.0], requires_grad=True)
    (x.sort().values * fg.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert x.grad.tolist() == [100.0, 1.0, 10.0]


def test_medians():
    x = fg.tensor([[4.0, 1.0, 3.0, 2.0], [NAN, 5.0, 6.0, 7.0]], requires_grad=True)
    assert x[0].median().item() == 2.0
    assert math.isnan(x.median().item())
    assert x.nanmedian().item() == 4.0
    along = x.nanmedian(1, keepdim=True)
    assert values(along.values) == [[2.0], [6.0]]
    assert along.indices.tolist() == [[3], [2]]
    assert x.median(1).indices.tolist() == [3, 0]
    along.values.sum().backward()
    assert x.grad.tolist() == [[0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0]]
    assert math.isnan(fg.zeros(0).median().item())


def test_the_mode_is_the_smallest_of_the_most_frequent():
    x = fg.tensor([[1, 2, 2, 1, 3], [5, 4, 3, 2, 1]])
    found = x.mode()
    assert found.values.tolist() == [1, 1]
    assert found.indices.tolist() == [3, 4]


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda x: x.topk(3), RuntimeError, "topk: k: expected at most 2, the size of dimension 1, got 3"),
        (lambda x: x.topk(-1), RuntimeError, "topk: k: expected a number from 0, got -1"),
        (lambda x: x.kthvalue(0), RuntimeError, "kthvalue: k: expected 1 to 2"),
        (lambda x: x.kthvalue(1.5), TypeError, "kthvalue: k: expected an integer, got 1.5"),
        (lambda x: x.sort(2), IndexError, "sort: dim: expected a dimension from -2 to 1, got 2"),
        (lambda x: x.sort(True), TypeError, "sort: dim: expected an integer, got True"),
        (lambda x: x.median(dim=3), IndexError, "median: dim: expected a dimension from -2 to 1, got 3"),
        (lambda x: x.half().sort(), fg.DTypeError, "sort: input: expected a dtype that is computed with, got float16"),
    ],
)
def test_wrong_calls(call, kind, message):
    with pytest.raises(kind, match=message):
        call(fg.ones(2, 2))


# -- sets and counts ---------------------------------------------------------------------------------------------------


def test_unique_elements():
    x = fg.tensor([[3, 1, 3], [2, 1, 3]], requires_grad=False)
    assert x.unique().tolist() == [1, 2, 3]
    found, inverse, counts = fg.unique(x, return_inverse=True, return_counts=True)
    assert found[inverse].tolist() == x.tolist()
    assert counts.tolist() == [2, 1, 3]
    assert not fg.tensor([1.0, 1.0], requires_grad=True).unique().requires_grad
    assert fg.zeros(0).unique().shape == (0,)
    assert len(fg.tensor([NAN, NAN]).unique().tolist()) == 2


@pytest.mark.parametrize("dim", [0, 1, -1, 2])
def test_unique_slices_are_numpys(dim):
    x = np.random.default_rng(dim + 5).integers(0, 2, (4, 5, 2))
    want, inverse, counts = np.unique(x, axis=dim, return_inverse=True, return_counts=True)
    got = fg.unique(fg.tensor(x), dim=dim, return_inverse=True, return_counts=True)
    for y, w in zip(got, (want, inverse.reshape(-1), counts), strict=True):
        np.testing.assert_array_equal(y.numpy(), w)
    assert fg.zeros(0, 3).unique(dim=0).shape == (0, 3)


def test_runs_of_equal_elements():
    x = fg.tensor([1, 1, 2, 2, 2, 1])
    found, inverse, counts = x.unique_consecutive(return_inverse=True, return_counts=True)
    assert (found.tolist(), inverse.tolist(), counts.tolist()) == ([1, 2, 1], [0, 0, 1, 1, 1, 2], [2, 3, 1])
    rows = fg.tensor([[1, 1, 2], [3, 3, 3]])
    assert fg.unique_consecutive(rows, dim=1).tolist() == [[1, 2], [3, 3]]


def test_places_in_sorted_lines():
    s = fg.tensor([1.0, 2.0, 2.0, 5.0])
    assert fg.searchsorted(s, fg.tensor([0.0, 2.0, 9.0, NAN])).tolist() == [0, 1, 4, 4]
    assert fg.searchsorted(s, fg.tensor([2.0]), side="right", out_int32=True).dtype is fg.int32
    assert fg.searchsorted(s, 2.0, right=True).item() == 3
    assert fg.searchsorted(fg.tensor([5.0, 1.0]), fg.tensor([3.0]), sorter=fg.tensor([1, 0])).tolist() == [1]
    assert fg.bucketize(fg.tensor([[1, 3], [7, 9]]), fg.tensor([3, 7])).tolist() == [[0, 0], [1, 2]]
    assert fg.bucketize(fg.tensor([3]), fg.tensor([3, 7]), right=True).tolist() == [1]
    with pytest.raises(ValueError, match="searchsorted: side: expected 'left' or 'right', got 'up'"):
        fg.searchsorted(s, s, side="up")
    with pytest.raises(ValueError, match="expected 'right' with right=True"):
        fg.searchsorted(s, s, side="left", right=True)
    with pytest.raises(fg.ShapeError, match="searchsorted: sorter: expected shape"):
        fg.searchsorted(s, s, sorter=fg.tensor([0]))
    with pytest.raises(fg.ShapeError, match="bucketize: boundaries: expected one dimension"):
        fg.bucketize(s, fg.ones(2, 2))


def test_counts_of_whole_numbers():
    x = fg.tensor([1, 4, 1])
    assert x.bincount().tolist() == [0, 2, 0, 0, 1]
    assert x.bincount(minlength=7).tolist() == [0, 2, 0, 0, 1, 0, 0]
    weights = fg.tensor([0.5, 1.0, 2.0], requires_grad=True)
    y = fg.bincount(x, weights)
    assert (y.dtype, values(y)) == (fg.float32, [0.0, 2.5, 0.0, 0.0, 1.0])
    y[1].backward()
    assert weights.grad.tolist() == [1.0, 0.0, 1.0]
    assert fg.bincount(x, fg.tensor([1, 2, 3])).dtype is fg.float64
    assert fg.bincount(fg.zeros(0, dtype="int64")).shape == (0,)
    for call, kind in [
        (lambda: fg.bincount(fg.tensor([-1])), ValueError),
        (lambda: fg.bincount(fg.tensor([0.5])), fg.DTypeError),
        (lambda: fg.bincount(fg.tensor([[1]])), fg.ShapeError),
        (lambda: fg.bincount(x, fg.ones(2)), fg.ShapeError),
        (lambda: fg.bincount(x, minlength=-1), ValueError),
    ]:
        with pytest.raises(kind, match="bincount: "):
            call()


def test_histograms():
    x = fg.tensor([0.0, 0.5, 1.0, 2.0, 2.0, NAN])
    assert fg.histc(x, 4, 0, 2).tolist() == [1.0, 1.0, 1.0, 2.0]
    assert fg.histc(x[:5], 2).tolist() == [2.0, 3.0]
    assert fg.histc(x, 2, 0.25, 1).tolist() == [1.0, 1.0]
    assert fg.histc(fg.ones(3), 3).tolist() == [0.0, 3.0, 0.0]
    for call, message in [
        (lambda: fg.histc(x, 0), "bins: expected a number above 0"),
        (lambda: fg.histc(x, 2, 3, 1), "expected finite numbers min < max"),
        (lambda: fg.histc(x), "expected finite numbers"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()


def test_isin():
    x = fg.tensor([[1, 2], [3, 4]])
    assert fg.isin(x, fg.tensor([2, 4, 9])).tolist() == [[False, True], [False, True]]
    assert fg.isin(x, [2, 4], invert=True).tolist() == [[True, False], [True, False]]
    assert fg.isin(x, fg.zeros(0)).tolist() == [[False, False], [False, False]]
    assert fg.isin(fg.tensor([NAN]), fg.tensor([NAN])).tolist() == [False]
    assert fg.isin(2, x).item() is True
