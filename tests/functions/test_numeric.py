"""Integers, NaN and infinities in numerical functions."""

from __future__ import annotations

import math

import numpy as np
import pytest

import ferrograd as fg


def test_divisors_and_multiples(rng):
    a, b = rng.integers(-60, 60, (7, 1)), rng.integers(-60, 60, 9)
    a[0] = b[0] = 0
    assert fg.gcd(fg.tensor(a), fg.tensor(b)).tolist() == np.gcd(a, b).tolist()
    assert fg.lcm(fg.tensor(a), fg.tensor(b)).tolist() == np.lcm(a, b).tolist()
    with pytest.raises(TypeError, match="gcd: other: expected an integer dtype, got float32"):
        fg.gcd(fg.tensor(1), fg.tensor(1.0))


def test_shifts():
    x = fg.tensor([1, -5, 12])
    assert (x << 2).tolist() == [4, -20, 48]
    assert (x >> 1).tolist() == [0, -3, 6]
    assert fg.bitwise_right_shift(x, fg.tensor([0, 1, 2])).tolist() == [1, -3, 3]
    x <<= 1
    x >>= fg.tensor(1)
    assert x.tolist() == [1, -5, 12]
    assert (1 << fg.tensor([3, 0])).tolist() == [8, 1]
    assert (-5 >> fg.tensor([1, 0])).tolist() == [-3, -5]
    with pytest.raises(TypeError, match="bitwise_left_shift: input: expected an integer dtype"):
        fg.ones(2) << 1


def test_a_number_wins_over_nan():
    a, b = fg.tensor([math.nan, 1.0, math.nan]), fg.tensor([2.0, math.nan, math.nan])
    assert fg.fmax(a, b).tolist()[:2] == fg.fmin(a, b).tolist()[:2] == [2, 1]
    assert fg.fmax(a, b).isnan().tolist() == [False, False, True]
    assert fg.fmax(fg.tensor([1, 5]), fg.tensor(3)).tolist() == [3, 5]


def test_infinities():
    x = fg.tensor([math.inf, -math.inf, math.nan, 1.0])
    assert fg.isposinf(x).tolist() == [True, False, False, False]
    assert x.isneginf().tolist() == [False, True, False, False]
    assert x.isreal().all().item()


def test_places_of_flat_indices():
    rows, columns = fg.unravel_index(fg.tensor([0, 5, 3]), (2, 3))
    assert (rows.tolist(), columns.tolist()) == ([0, 1, 1], [0, 2, 0])
    with pytest.raises(ValueError, match="unravel_index: indices: expected numbers from 0 to 5"):
        fg.unravel_index(fg.tensor([6]), (2, 3))


def test_sum_to_size():
    assert fg.ones(2, 3).sum_to_size(2, 1).tolist() == [[3], [3]]
    with pytest.raises(ValueError, match="sum_to_size: size: expected a shape that broadcasts"):
        fg.ones(2, 3).sum_to_size(4, 3)


def test_in_place_forms_as_functions():
    x = fg.tensor([-1.0, 4.0])
    assert fg.relu_(x) is x
    assert fg.sqrt_(x).tolist() == [0, 2]
    assert fg.fill_(x, 3.0) is x
    assert fg.zero_(x).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("hann_window", [0, 0.5, 1, 0.5]),
        ("hamming_window", [0.08, 0.54, 1, 0.54]),
        ("blackman_window", [0, 0.34, 1, 0.34]),
        ("bartlett_window", [0, 0.5, 1, 0.5]),
    ],
)
def test_windows(name, values):
    window = getattr(fg, name)
    np.testing.assert_allclose(window(4).numpy(), values, atol=1e-6)
    np.testing.assert_allclose(window(5, periodic=False).numpy(), [*values, values[0]], atol=1e-6)
    assert window(1).tolist() == [1]
    assert window(0).shape == (0,)
    assert window(4, dtype=fg.float64).dtype == fg.float64
    with pytest.raises(RuntimeError, match=f"{name}: window_length"):
        window(-1)


def test_the_kaiser_window_and_its_bounds():
    window = fg.kaiser_window(5, periodic=False, beta=2.0).tolist()
    np.testing.assert_allclose(window, np.kaiser(5, 2.0), rtol=1e-6)
    assert fg.kaiser_window(4, beta=2.0).tolist() == window[:4]


@pytest.mark.parametrize("reduce", ["prod", "mean", "amax", "amin"])
def test_index_reduce_is_scatter_reduce_of_whole_slices(reduce, rng):
    x, source = fg.tensor(rng.standard_normal((4, 3))), fg.tensor(rng.standard_normal((3, 3)))
    index = fg.tensor([1, 1, 3])
    wide = index.reshape(-1, 1).expand(3, 3)
    for include_self in (True, False):
        want = x.scatter_reduce(0, wide, source, reduce, include_self=include_self)
        assert fg.equal(fg.index_reduce(x, 0, index, source, reduce, include_self=include_self), want)
    y = x.clone()
    assert y.index_reduce_(1, fg.tensor([2]), source.new_ones(4, 1), reduce) is y
    assert not fg.equal(x, y) or reduce == "prod"
    with pytest.raises(RuntimeError, match="index_reduce: reduce: expected one of prod"):
        x.index_reduce(0, index, source, "sum")


def test_what_complex_numbers_would_change():
    x = fg.tensor([-1.0, 0.0, 2.0, math.nan])
    for same in (x.conj(), fg.real(x), x.conj_physical(), fg.resolve_conj(x), fg.resolve_neg(x), x.to_dense()):
        assert same is x
    assert not x.is_conj()
    assert not fg.is_neg(x)
    assert fg.angle(x).tolist()[:3] == [pytest.approx(math.pi), 0, 0]
    assert math.isnan(fg.angle(x)[3].item())
    assert fg.angle(fg.tensor([-1])).dtype == fg.float32


def test_adjoint_and_subclasses():
    x = fg.arange(6.0).reshape(1, 2, 3)
    assert fg.adjoint(x).shape == (1, 3, 2)
    with pytest.raises(RuntimeError, match="adjoint: input: expected at least 2 dimensions"):
        fg.adjoint(fg.ones(2))

    class Mine(fg.Tensor):
        pass

    mine = x.as_subclass(Mine)
    assert type(mine) is Mine
    assert mine.data_ptr() == x.data_ptr()
    with pytest.raises(TypeError, match="as_subclass: cls: expected a subclass of Tensor"):
        x.as_subclass(int)


def test_functions_of_layers_that_pytorch_keeps_beside_tensors_too():
    F = fg.nn.functional
    for name in (
        "adaptive_avg_pool1d", "avg_pool1d", "bilinear", "celu_", "channel_shuffle", "conv1d", "conv2d", "conv3d",
        "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "hardshrink", "pixel_shuffle", "pixel_unshuffle",
        "prelu", "rrelu_", "selu_", "threshold_",
    ):  # fmt: skip
        assert getattr(fg, name) is getattr(F, name)
    assert fg.vmap is fg.func.vmap


def test_sums_and_products_have_the_dtype_that_is_asked_for():
    x = fg.tensor([1, 2, 4], dtype=fg.int32)
    assert x.sum().dtype is fg.int64
    for function in (fg.sum, fg.prod, fg.nansum):
        assert function(x, dtype=fg.int32).dtype is fg.int32
        assert function(x, 0, dtype=fg.float64).dtype is fg.float64
    assert fg.sum(x, dtype=fg.bool).item() is True
    assert fg.nansum(fg.tensor([1.5, math.nan, 1.5]), dtype=fg.float64).item() == 3


def test_shifts_by_a_number_keep_the_dtype():
    for shifted in (fg.tensor(5, dtype=fg.uint8) >> 1, fg.tensor(1, dtype=fg.uint8) << 1):
        assert (shifted.item(), shifted.dtype) == (2, fg.uint8)


def test_products_of_two_dtypes_promote_where_pytorch_does():
    outer = fg.outer(fg.tensor([1, 2]), fg.tensor([0.5, 1.0], dtype=fg.float64))
    assert (outer.tolist(), outer.dtype) == ([[0.5, 1], [1, 2]], fg.float64)
    x = fg.addcmul(fg.tensor([1, 2]), fg.tensor([3, 4]), fg.tensor([5, 6], dtype=fg.int32), value=2)
    assert (x.tolist(), x.dtype) == ([31, 50], fg.int64)
    assert fg.tensor([1]).addcmul_(fg.tensor([2]), fg.tensor([3])).tolist() == [7]
    with pytest.raises(TypeError, match="mm: mat2: expected a tensor, got int"):
        fg.mm(fg.ones(2, 2), 2)


def test_integers_are_measured_as_floats():
    assert fg.logit(fg.tensor([1, 0], dtype=fg.uint8)).tolist() == [math.inf, -math.inf]
    assert math.isnan(fg.logit(fg.tensor(2, dtype=fg.uint8)).item())
    assert fg.cov(fg.tensor([[1, 2], [3, 7]])).tolist() == [[0.5, 2], [2, 8]]
    assert fg.cov(fg.tensor([[1.0, 3.0]])).shape == fg.corrcoef(fg.tensor([[1.0, 3.0]])).shape == ()


def test_ranges():
    assert fg.arange(end=3).tolist() == fg.arange(3).tolist() == fg.arange(0, end=3).tolist() == [0, 1, 2]
    assert fg.arange(-1.5, 2.5, dtype=fg.int64).tolist() == [-1, 0, 1]
    assert fg.arange(-1.5, 2.5, dtype=fg.int32).tolist() == [-1, 0, 1, 2]
    assert fg.arange(5, 0, -2, dtype=fg.int32).tolist() == [5, 3, 1]
    with pytest.raises(TypeError, match="arange: end: expected a number, got None"):
        fg.arange()


def test_numbers_beyond_an_integer_dtype_raise():
    for number, dtype in (
        (2**31, fg.int32),
        (-(2**31) - 1, fg.int32),
        (256, fg.uint8),
        (1e10, fg.int32),
        (math.nan, fg.int64),
    ):
        with pytest.raises(RuntimeError, match="tensor: data: expected numbers that u?int"):
            fg.tensor([0, number], dtype=dtype)
    assert fg.tensor([-1, 255], dtype=fg.uint8).tolist() == [255, 255]
    assert fg.tensor([-(2**31), 2**31 - 1], dtype=fg.int32).tolist() == [-(2**31), 2**31 - 1]


def test_no_elements_at_a_time():
    assert fg.combinations(fg.tensor([1, 2]), 0).shape == (0,)


def test_the_larger_of_two_by_name():
    a, b = fg.tensor([1, 5]), fg.tensor([3.0, 2.0])
    assert fg.max(a, other=b).tolist() == a.max(other=b).tolist() == [3, 5]
    assert fg.min(a, other=b).tolist() == [1, 2]
