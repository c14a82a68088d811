"""What the registry cannot show of elementwise functions: dtypes, kinks, NaN, operators, writing in place."""

from __future__ import annotations

import numpy as np
import pytest

import ferrograd as fg

NAN, INF = float("nan"), float("inf")


def values(x: fg.Tensor) -> list:
    return x.detach()._numpy().tolist()


def gradient(f, *data, g=1.0) -> list:
    """The gradients of the sum of g · f."""
    inputs = [fg.tensor(x, requires_grad=True) for x in data]
    y = f(*inputs)
    y.backward(fg.full(y.shape, g))
    return [values(x.grad) for x in inputs]


# -- dtypes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["exp", "log", "sqrt", "rsqrt", "reciprocal", "sin", "cos", "tanh", "sigmoid", "erf", "log1p", "expm1"]
)
def test_integers_become_floats(name):
    x = fg.tensor([1, 2, 3])
    y = getattr(fg, name)(x)
    assert y.dtype is fg.float32
    np.testing.assert_array_equal(y.numpy(), getattr(fg, name)(x.float()).numpy())


def test_division_is_true():
    assert values(fg.tensor([1, 2]) / fg.tensor([2, 2])) == [0.5, 1.0]
    assert (fg.tensor([1, 2]) / 2).dtype is fg.float32
    assert (fg.tensor([True]) / fg.tensor([True])).dtype is fg.float32
    assert (fg.tensor([1.0], dtype=fg.float64) / 2).dtype is fg.float64
    assert values(fg.div(fg.tensor([7, -7]), 2, rounding_mode="floor")) == [3, -4]
    assert values(fg.div(fg.tensor([7, -7]), 2, rounding_mode="trunc")) == [3, -3]
    assert fg.div(fg.tensor([7, -7]), 2, rounding_mode="trunc").dtype is fg.int64
    with pytest.raises(ValueError, match="div: rounding_mode: expected None, 'floor' or 'trunc', got 'up'"):
        fg.div(1.0, fg.tensor(2.0), rounding_mode="up")


def test_promotion_of_numbers_and_choices():
    assert (fg.tensor([1, 2]) + 0.5).dtype is fg.float32
    assert (fg.tensor([1, 2], dtype=fg.uint8) + 3).dtype is fg.uint8
    assert (fg.tensor([True, False]) + 1).dtype is fg.int64
    assert fg.where(fg.tensor([True, False]), 1, 2.5).dtype is fg.float32
    assert values(fg.clip(fg.tensor([1, 5]), 0.5, 2)) == [1.0, 2.0]
    assert values(fg.tensor([1, 3]) == fg.tensor([1.0, 2.5])) == [True, False]


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda b: b - b, "sub: input: expected"),
        (lambda b: -b, "neg: input: expected"),
        (lambda b: b**b, "pow: input: expected"),
        (lambda b: b // b, "floor_divide: input: expected"),
        (lambda b: fg.relu(b), "relu: input: expected"),
        (lambda b: b.half() + b.half(), r"add: input: expected .*cast with \.float\(\) first.*, got float16"),
        (lambda b: b.float() & b.float(), "bitwise_and: input: expected bool or an integer dtype, got float32"),
        (lambda b: fg.where(b.long(), 1.0, 2.0), "where: condition: expected bool, got int64"),
    ],
)
def test_dtypes_that_an_op_does_not_take(f, message):
    with pytest.raises(fg.DTypeError, match=message):
        f(fg.tensor([True, False]))


def test_integers_divided_by_zero():
    x = fg.tensor([1, 2])
    for f in (fg.floor_divide, fg.remainder):
        for kind in (ZeroDivisionError, RuntimeError):
            with pytest.raises(kind, match="ZeroDivisionError"):
                f(x, 0)
    lowest = fg.tensor([-(2**63)])
    assert values(lowest // -1) == [-(2**63)]
    assert values(lowest % -1) == [0]
    assert values(fg.tensor([1.0, -1.0]) // 0.0) == [INF, -INF]


# -- numbers at the edge -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nan_wins(dtype):
    x, y = fg.tensor([NAN, 1.0, NAN], dtype=dtype), fg.tensor([1.0, NAN, NAN], dtype=dtype)
    for f in (fg.maximum, fg.minimum):
        assert np.isnan(f(x, y).numpy()).all()
    assert np.isnan(fg.clip(fg.tensor([NAN], dtype=dtype), 0, 1).numpy()).all()
    assert np.isnan(fg.clip(fg.tensor([0.5], dtype=dtype), NAN, 1).numpy()).all()
    assert np.isnan(fg.relu(fg.tensor([NAN], dtype=dtype)).numpy()).all()
    assert values(fg.sign(fg.tensor([NAN, -0.0, -3.0], dtype=dtype))) == [0.0, 0.0, -1.0]
    assert values(fg.isnan(x)) == [True, False, True]
    assert values(fg.isfinite(fg.tensor([INF, -INF, 0.0, NAN], dtype=dtype))) == [False, False, True, False]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_powers_follow_c(dtype):
    special = [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, 3.0, -3.0, 2.5, INF, -INF, NAN]
    x, y = np.meshgrid(np.array(special, dtype), np.array(special, dtype))
    with np.errstate(all="ignore"):
        got, want = fg.pow(x, y).numpy(), np.power(x, y)
    # NumPy's own powers are off by a unit in the last place.
    np.testing.assert_allclose(got, want, rtol=2 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(np.signbit(got[~np.isnan(want)]), np.signbit(want[~np.isnan(want)]))


def test_bounds_that_cross_give_the_upper_one():
    assert values(fg.clip(fg.tensor([0.0, 1.5, 3.0]), 2.0, 1.0)) == [1.0, 1.0, 1.0]


# -- kinks: PyTorch's subgradients -------------------------------------------------------------------------------------


def test_subgradients():
    x = [-1.0, 0.0, 1.0]
    assert gradient(fg.relu, x, g=3.0) == [[0.0, 0.0, 3.0]]
    assert gradient(fg.abs, x, g=3.0) == [[-3.0, 0.0, 3.0]]
    assert gradient(fg.sign, x) == [[0.0, 0.0, 0.0]]
    assert gradient(fg.maximum, x, [0.0, 0.0, 0.0]) == [[0.0, 0.5, 1.0], [1.0, 0.5, 0.0]]
    assert gradient(fg.minimum, x, [0.0, 0.0, 0.0]) == [[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]]
    assert gradient(lambda a: fg.clip(a, -1.0, 0.0), x) == [[1.0, 1.0, 0.0]]
    assert gradient(lambda a: fg.clip(a, 0.0, None), x) == [[0.0, 1.0, 1.0]]
    assert gradient(lambda a: a**0, x) == [[0.0, 0.0, 0.0]]
    assert gradient(lambda a: a**2, x) == [[-2.0, 0.0, 2.0]]
    assert gradient(fg.pow, [0.0, 2.0], [0.0, 0.0])[0] == [0.0, 0.0]
    assert gradient(fg.pow, [0.0, 1.0], [2.0, 3.0])[1] == [0.0, 0.0]
    assert gradient(lambda a: 0.0**a, [1.0, 0.0]) == [[0.0, 0.0]]


def test_gradients_of_bounds():
    x, low, high = [-2.0, 0.0, 2.0], [-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]
    assert gradient(fg.clip, x, low, high) == [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]


def test_a_number_to_the_power_keeps_double_precision():
    x = fg.tensor([0.5], dtype=fg.float64, requires_grad=True)
    (2**x).backward()
    assert x.grad.item() == pytest.approx(2**0.5 * np.log(2), rel=1e-15)


# -- operators and places ----------------------------------------------------------------------------------------------


def test_operators():
    x = fg.tensor([1.0, 2.0, 4.0])
    assert values(3 - x) == [2.0, 1.0, -1.0]
    assert values(8 / x) == [8.0, 4.0, 2.0]
    assert values(2**x) == [2.0, 4.0, 16.0]
    assert values(7 // x) == [7.0, 3.0, 1.0]
    assert values(7 % x) == [0.0, 1.0, 3.0]
    assert values(-x) == [-1.0, -2.0, -4.0]
    assert values(abs(-x)) == values(+x) == [1.0, 2.0, 4.0]
    assert values(x > 1.5) == [False, True, True]
    assert values((x > 1.5) & (x < 3)) == [False, True, False]
    assert values(~(x > 1.5)) == [True, False, False]
    assert values(x != 2.0) == [True, False, True]
    assert values(round(x / 4)) == [0.0, 0.0, 1.0]
    assert values(fg.round(fg.tensor([0.125, 2.675]), 1)) == pytest.approx([0.1, 2.7])
    assert values(fg.add(x, x, alpha=0.5)) == [1.5, 3.0, 6.0]
    assert values(fg.sub(x, 1, alpha=2)) == [-1.0, 0.0, 2.0]
    assert values(fg.addcdiv(x, fg.ones(3), fg.full((3,), 2.0), value=4.0)) == [3.0, 4.0, 6.0]
    assert values(x.masked_fill(x > 1.5, -1)) == [1.0, -1.0, -1.0]


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (lambda x: x.sub_(1), [0.0, 1.0, 3.0]),
        (lambda x: x.div_(2), [0.5, 1.0, 2.0]),
        (lambda x: x.pow_(2), [1.0, 4.0, 16.0]),
        (lambda x: x.neg_(), [-1.0, -2.0, -4.0]),
        (lambda x: x.clamp_(1.5, 3), [1.5, 2.0, 3.0]),
        (lambda x: x.sqrt_(), [1.0, 2**0.5, 2.0]),
        (lambda x: x.relu_(), [1.0, 2.0, 4.0]),
        (lambda x: x.lerp_(fg.zeros(3), 0.5), [0.5, 1.0, 2.0]),
        (lambda x: x.addcmul_(fg.ones(3), fg.ones(3), value=2), [3.0, 4.0, 6.0]),
        (lambda x: x.copy_(fg.tensor([9])), [9.0, 9.0, 9.0]),
        (lambda x: x.fill_(5), [5.0, 5.0, 5.0]),
        (lambda x: x.zero_(), [0.0, 0.0, 0.0]),
        (lambda x: x.masked_fill_(x > 1.5, 0), [1.0, 0.0, 0.0]),
    ],
)
def test_in_place(f, expected):
    x = fg.tensor([1.0, 2.0, 4.0])
    before, version = x.data_ptr(), x._version
    assert f(x) is x
    assert x.data_ptr() == before
    assert x._version > version
    np.testing.assert_allclose(x.numpy(), np.array(expected, np.float32))


def test_operators_in_place():
    x = y = fg.tensor([1.0, 2.0, 4.0])
    x += 1
    x -= 2
    x *= 3
    x /= 2
    x **= 2
    x //= 2
    x %= 3
    assert x is y
    assert values(x) == [0.0, 1.0, 1.0]
    m = fg.tensor([True, False, True])
    m &= fg.tensor([True, True, False])
    m |= fg.tensor([False, True, False])
    m ^= fg.tensor([True, True, True])
    assert values(m) == [False, False, True]


def test_in_place_keeps_to_the_dtype():
    x = fg.tensor([1, 2])
    with pytest.raises(
        fg.DTypeError, match="div: out: expected a dtype that a result of float32 can be cast to, got int64"
    ):
        x /= 2
    with pytest.raises(fg.DTypeError, match="add: out"):
        x += 0.5
    x += 1
    assert values(x) == [2, 3]
    y = fg.tensor([1.0, 2.0])
    y += fg.tensor([0.5, 0.5], dtype=fg.float64)
    assert (y.dtype, values(y)) == (fg.float32, [1.5, 2.5])


def test_overlap_is_read_before_it_is_written():
    x = fg.tensor([1.0, 2.0, 3.0, 4.0])
    fg.add(x[:-1], x[1:], out=x[1:])
    assert values(x) == [1.0, 3.0, 5.0, 7.0]
    a = np.arange(5, dtype=np.float32)
    t, reverse = fg.from_numpy(a), fg.from_numpy(a[::-1])
    t.copy_(reverse)
    assert a.tolist() == [4.0, 3.0, 2.0, 1.0, 0.0]


def test_out_cannot_be_differentiated():
    x = fg.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="exp: out: .*has no gradient"):
        fg.exp(x, out=fg.empty(3))
    out = fg.empty(3)
    with fg.no_grad():
        assert fg.exp(x, out=out) is out


def test_recorded_in_place_writes_rebind_the_graph():
    x = fg.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    y.exp_().sub_(1)
    y.backward(fg.ones(2))
    np.testing.assert_allclose(x.grad.numpy(), 3 * np.exp([3.0, 6.0]), rtol=1e-6)
    z = fg.zeros(2)
    z.copy_(x)
    z.backward(fg.tensor([2.0, 3.0]))
    np.testing.assert_allclose(x.grad.numpy(), 3 * np.exp([3.0, 6.0]) + [2, 3], rtol=1e-6)
    with pytest.raises(RuntimeError, match="leaf"):
        x.mul_(2)


def test_clone_keeps_the_memory_order():
    x = fg.from_numpy(np.moveaxis(np.arange(24.0).reshape(2, 3, 4), 1, -1))
    assert x.clone().stride() == x.stride()
    assert x.clone().data_ptr() != x.data_ptr()
    np.testing.assert_array_equal(x.clone().numpy(), x.numpy())
