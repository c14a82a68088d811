"""What the registry cannot show of the special functions and norms: kinks, NaN, aliases, forms in place, wrong calls."""

from __future__ import annotations

import math

import numpy as np
import pytest

import ferrograd as fg

NAN, INF = float("nan"), float("inf")


def values(x: fg.Tensor) -> list:
    return x.detach()._numpy().tolist()


def gradient(f, *data) -> list:
    inputs = [fg.tensor(x, requires_grad=True) for x in data]
    f(*inputs).sum().backward()
    return [values(x.grad) for x in inputs]


ALIASES = {
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh",
    "arctan2": "atan2", "absolute": "abs", "negative": "neg", "multiply": "mul", "divide": "div", "true_divide": "div",
    "subtract": "sub", "greater": "gt", "greater_equal": "ge", "less": "lt", "less_equal": "le", "not_equal": "ne",
    "sgn": "sign", "fix": "trunc", "clamp": "clip",
}  # fmt: skip


@pytest.mark.parametrize("alias", ALIASES)
def test_aliases(alias):
    assert getattr(fg, alias) is getattr(fg, ALIASES[alias])
    assert getattr(fg.Tensor, alias) is getattr(fg.Tensor, ALIASES[alias])


@pytest.mark.parametrize(
    "name",
    ["tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "atanh", "log2", "log10", "exp2", "erfc", "erfinv", "lgamma",
     "digamma", "frac", "deg2rad", "rad2deg", "sgn", "nan_to_num", "arcsin", "square", "fix"],
)  # fmt: skip
def test_forms_in_place(name):
    x = fg.tensor([0.25, 0.5, -0.75])
    want = values(getattr(fg, name)(x))
    assert getattr(x, name + "_")() is x
    np.testing.assert_array_equal(values(x), want)


@pytest.mark.parametrize("name", ["atan2", "hypot", "fmod", "copysign", "xlogy"])
def test_binary_forms_in_place(name):
    x, y = fg.tensor([0.25, 0.5]), fg.tensor([2.0, 3.0])
    want = values(getattr(fg, name)(x, y))
    assert values(getattr(x, name + "_")(y)) == want


def test_angles_of_all_quadrants_and_at_the_origin():
    y, x = fg.tensor([1.0, 1.0, -1.0, -1.0]), fg.tensor([1.0, -1.0, -1.0, 1.0])
    np.testing.assert_allclose(values(fg.atan2(y, x)), np.array([1, 3, -3, -1]) * math.pi / 4, rtol=1e-6)
    assert gradient(fg.atan2, [0.0], [0.0]) == [[0.0], [0.0]]
    assert fg.atan2(fg.tensor([1, 2]), 1.0).dtype is fg.float32
    np.testing.assert_allclose(fg.rad2deg(fg.deg2rad(fg.tensor([90.0]))).item(), 90.0)


def test_signs():
    x = fg.tensor([0.0, -0.0, -3.0, NAN])
    assert fg.signbit(x).tolist()[:3] == [False, True, True]
    assert fg.tensor([-1, 0, 1]).signbit().tolist() == [True, False, False]
    assert values(fg.copysign(fg.tensor([1.0, -2.0, 0.0]), -0.0)) == [-1.0, -2.0, -0.0]
    assert gradient(lambda a: fg.copysign(a, -1.0), [2.0, -2.0, 0.0]) == [[-1.0, 1.0, 0.0]]
    assert values(fg.heaviside(fg.tensor([-1.0, 0.0, 2.0, NAN]), fg.tensor(0.5))) == [0.0, 0.5, 1.0, 0.0]
    with pytest.raises(fg.DTypeError, match="heaviside: values: expected float32"):
        fg.heaviside(x, fg.tensor(1))


def test_remainders_of_c_and_of_python():
    x = fg.tensor([-5.0, 5.0])
    assert values(fg.fmod(x, 3)) == [-2.0, 2.0]
    assert values(fg.remainder(x, 3)) == [1.0, 2.0]
    assert fg.fmod(fg.tensor([-5, 5]), 3).tolist() == [-2, 2]
    assert gradient(fg.fmod, [-5.0, 5.0], [3.0, 3.0]) == [[1.0, 1.0], [1.0, -1.0]]
    assert values(fg.frac(fg.tensor([-1.25, 1.25]))) == [-0.25, 0.25]
    with pytest.raises(ZeroDivisionError):
        fg.fmod(fg.tensor([1]), 0)


def test_what_stands_for_nan():
    largest = float(np.finfo(np.float32).max)
    x = fg.tensor([NAN, INF, -INF, 1.0], requires_grad=True)
    assert values(fg.nan_to_num(x)) == [0.0, largest, -largest, 1.0]
    assert values(x.nan_to_num(7.0, posinf=8.0, neginf=-8.0)) == [7.0, 8.0, -8.0, 1.0]
    x.nan_to_num().sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.0, 1.0]
    assert fg.nan_to_num(fg.tensor([1, 2])).tolist() == [1, 2]
    wide = fg.nan_to_num(fg.tensor([INF], dtype=fg.float64))
    assert wide.item() == np.finfo(np.float64).max


def test_a_number_in_a_cast_keeps_its_digits():
    assert fg.ops.cast(0.1, dtype="float64").item() == 0.1
    x = fg.zeros(2, dtype=fg.float64).masked_fill(fg.tensor([True, False]), 0.1)
    assert x.tolist() == [0.1, 0.0]


def test_logarithms_that_need_no_large_numbers():
    assert values(fg.logaddexp(fg.tensor([1000.0, -INF, INF]), fg.tensor([1000.0, -INF, -INF]))) == [
        pytest.approx(1000.0 + math.log(2)), -INF, INF
    ]  # fmt: skip
    assert values(fg.logaddexp2(fg.tensor([3.0]), fg.tensor([3.0]))) == [4.0]
    assert values(fg.xlogy(fg.tensor([0.0, 0.0, 2.0]), fg.tensor([0.0, NAN, 1.0])))[::2] == [0.0, 0.0]
    assert gradient(fg.xlogy, [0.0, 2.0], [0.0, 1.0])[0] == [0.0, 0.0]
    assert values(fg.log2(fg.tensor([8.0, 0.0, 0.125]))) == [3.0, -INF, -3.0]
    assert values(fg.exp2(fg.tensor([10.0, -1.0, 999.0]))) == [1024.0, 0.5, INF]
    assert values(fg.logit(fg.tensor([0.5, 1.0]))) == [0.0, INF]
    assert values(fg.logit(fg.tensor([0.0, 1.0]), eps=0.5)) == [0.0, 0.0]
    assert fg.float_power(fg.tensor([2, 3]), 2).tolist() == [4.0, 9.0]
    assert fg.float_power(fg.tensor([2.0]), 2).dtype is fg.float64


def test_gamma_and_its_derivatives():
    assert values(fg.lgamma(fg.tensor([1.0, 2.0, 5.0, 0.0, -1.0]))) == [0.0, 0.0, pytest.approx(math.log(24)), INF, INF]
    assert fg.polygamma(1, fg.tensor([1.0], dtype=fg.float64)).item() == pytest.approx(math.pi**2 / 6, rel=1e-13)
    assert fg.tensor([1.0]).polygamma(0).item() == fg.digamma(fg.tensor([1.0])).item()
    with pytest.raises(ValueError, match="polygamma: n: expected a number from 0, got -1"):
        fg.polygamma(-1, fg.ones(1))


def test_sinc_at_zero():
    assert values(fg.sinc(fg.tensor([0.0, 0.5]))) == [1.0, pytest.approx(2 / math.pi)]
    assert gradient(fg.sinc, [0.0]) == [[0.0]]


def test_gradients_of_norms_at_zero_and_among_ties():
    for p in (0.5, 1, 2, 3, INF):
        assert gradient(lambda x, p=p: x.norm(p), [0.0, 0.0]) == [[0.0, 0.0]]
    assert gradient(lambda x: x.norm(), [3.0, 0.0, 4.0]) == [[pytest.approx(0.6), 0.0, pytest.approx(0.8)]]
    assert gradient(lambda x: x.norm(INF), [-2.0, 1.0, 2.0]) == [[-0.5, 0.0, 0.5]]


def test_norms_by_pytorchs_signatures():
    x = fg.tensor([[3.0, -4.0], [0.0, 0.0]])
    assert (
        x.norm().item() == fg.norm(x, p=2).item() == fg.linalg.norm(x).item() == fg.linalg.norm(x, "fro").item() == 5.0
    )
    assert values(x.norm(1, dim=1, keepdim=True)) == [[7.0], [0.0]]
    assert values(fg.norm(x, axis=0)) == values(fg.linalg.vector_norm(x, dim=0)) == [3.0, 4.0]
    assert x.norm(0).item() == 2.0
    assert x.norm(dtype=fg.float64).dtype is fg.float64
    assert fg.linalg.matrix_norm(x, INF).item() == 7.0
    assert fg.linalg.matrix_norm(x, 1, keepdim=True).shape == (1, 1)
    assert fg.dist(x, x + 1, 1).item() == 4.0
    with pytest.raises(ValueError, match="norm: p: expected a number, 'fro' or None, got 'nuc'"):
        x.norm("nuc")
    with pytest.raises(fg.DTypeError, match=r"vector_norm: x: expected a floating-point dtype, got .*int64"):
        fg.tensor([1, 2]).norm()
    with pytest.raises(TypeError, match="vector_norm: ord: expected a number, got 'fro'"):
        fg.linalg.vector_norm(x, "fro")


def test_moments_take_unbiased_where_pytorch_does():
    x = fg.tensor([[1.0, 2.0], [3.0, 6.0]])
    for f in (fg.var, fg.std):
        assert f(x, False).item() == f(x, unbiased=False).item() == f(x, correction=0).item()
    for f, g in ((fg.var_mean, fg.var), (fg.std_mean, fg.std)):
        spread, mean = f(x, False)
        assert (spread.item(), mean.item()) == (g(x, False).item(), 3.0)
        assert values(f(x, dim=0, keepdim=True)[0]) == values(g(x, dim=0, keepdim=True))


def test_reductions_that_leave_nan_out():
    x = fg.tensor([[1.0, NAN], [NAN, NAN]], requires_grad=True)
    assert x.nansum().item() == 1.0
    assert values(x.nanmean(1, keepdim=True))[0] == [1.0]
    assert math.isnan(x.nanmean(1)[1].item())
    x.nansum().backward()
    assert x.grad.tolist() == [[1.0, 0.0], [0.0, 0.0]]
    assert fg.nansum(fg.tensor([1, 2])).item() == 3
    assert fg.count_nonzero(fg.tensor([[0, 1], [2, 3]]), dim=1).tolist() == [1, 2]
    low, high = fg.aminmax(fg.tensor([[1, 5], [0, 3]]), dim=1)
    assert (low.tolist(), high.tolist()) == ([1, 0], [5, 3])
    with pytest.raises(fg.DTypeError, match="nanmean: input: expected a floating-point dtype"):
        fg.nanmean(fg.tensor([1]))


def test_products_added_to_an_input():
    x, a, b = fg.full((2, 2), NAN), fg.ones(2, 3), fg.ones(3, 2)
    assert values(fg.addmm(x, a, b, beta=0)) == [[3.0, 3.0], [3.0, 3.0]]
    y = fg.zeros(2, 2)
    assert y.addmm_(a, b, alpha=2) is y
    assert values(y) == [[6.0, 6.0], [6.0, 6.0]]
    assert values(fg.addr(fg.zeros(2, 2), fg.tensor([1.0, 2.0]), fg.tensor([3.0, 4.0]))) == [[3.0, 4.0], [6.0, 8.0]]
    assert fg.vdot(fg.ones(3), fg.ones(3)).item() == 3.0
    with pytest.raises(fg.ShapeError, match="bmm: mat2: expected a batch of 1, got 2"):
        fg.baddbmm(y, fg.ones(1, 2, 3), fg.ones(2, 3, 2))


def test_powers_of_both_precisions():
    x = np.array([2.0, -2.0, 0.0, 9.0, INF, -8.0], np.float64)
    y = np.array([10.0, 3.0, -1.5, 0.25, -2.0, 1 / 3], np.float64)
    with np.errstate(all="ignore"):
        want = x**y
    np.testing.assert_allclose(fg.pow(fg.tensor(x), fg.tensor(y)).numpy(), want, rtol=4e-16)
    single = fg.pow(fg.tensor(x.astype(np.float32)), fg.tensor(y.astype(np.float32))).numpy()
    np.testing.assert_allclose(single, want.astype(np.float32), rtol=3e-7)


def test_forms_in_place_of_composed_functions_keep_what_they_need():
    x = fg.ones(2, 2, requires_grad=True)
    y = x * 2
    y.addmm_(fg.ones(2, 3), fg.ones(3, 2), beta=0.5)
    y.addcdiv_(y, x, value=3.0)
    assert values(y) == [[16.0, 16.0], [16.0, 16.0]]
    y.sum().backward()
    # y = (x + 3) (1 + 3 / x)
    assert x.grad.tolist() == [[4.0 - 12.0, -8.0], [-8.0, -8.0]]


def test_weighted_covariances():
    x = np.random.default_rng(3).normal(size=(3, 6))
    often, much = np.array([1, 2, 1, 3, 1, 1]), np.array([0.5, 1.0, 2.0, 1.0, 0.25, 1.0])
    want = np.cov(x, fweights=often, aweights=much)
    got = fg.cov(fg.tensor(x), fweights=fg.tensor(often), aweights=fg.tensor(much))
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-12)
    np.testing.assert_allclose(fg.cov(fg.tensor(x), fweights=fg.tensor(often)).numpy(), np.cov(x, fweights=often))
    with pytest.raises(fg.ShapeError, match=r"cov: fweights: expected shape \(6,\), got \(2,\)"):
        fg.cov(fg.tensor(x), fweights=fg.tensor([1, 2]))


def test_python_floats_keep_their_digits_in_float64():
    assert fg.tensor(0.1, dtype=fg.float64).item() == 0.1
    assert fg.tensor([[0.1]], dtype="float64").tolist() == [[0.1]]
    assert fg.as_tensor(0.1, dtype=fg.float64).item() == 0.1
    assert fg.tensor(0.1).dtype is fg.float32
