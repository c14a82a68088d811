"""Every form in place against the function it is of: values, the tensor itself, versions, leaves, gradients."""

from __future__ import annotations

import numpy as np
import pytest

import ferrograd as fg

A = [0.3, 0.6, 0.9]
OTHER = [0.5, 0.25, 1.5]

#: form: (values, other operands); lists become tensors.
FLOATS: dict[str, tuple] = {
    **{name: (A, ()) for name in (
        "abs_", "absolute_", "acos_", "arccos_", "arcsin_", "arctan_", "arctanh_", "asin_", "asinh_", "arcsinh_",
        "atan_", "atanh_", "ceil_", "cos_", "cosh_", "deg2rad_", "digamma_", "erf_", "erfc_", "erfinv_", "exp2_",
        "exp_", "expm1_", "fix_", "floor_", "frac_", "lgamma_", "log10_", "log1p_", "log2_", "log_", "logit_",
        "nan_to_num_", "neg_", "negative_", "rad2deg_", "reciprocal_", "relu_", "round_", "rsqrt_", "sgn_", "sigmoid_",
        "sign_", "sin_", "sinc_", "sinh_", "sqrt_", "square_", "tan_", "tanh_", "trunc_",
    )},
    "acosh_": ([1.3, 1.6, 1.9], ()), "arccosh_": ([1.3, 1.6, 1.9], ()),
    **{name: (A, (OTHER,)) for name in (
        "add_", "arctan2_", "atan2_", "copysign_", "div_", "divide_", "float_power_", "floor_divide_", "fmod_", "hypot_",
        "mul_", "multiply_", "pow_", "remainder_", "sub_", "subtract_", "true_divide_", "xlogy_",
    )},
    "clamp_": (A, (0.4, 0.8)), "clip_": (A, (0.4, 0.8)), "clamp_min_": (A, (0.5,)), "clamp_max_": (A, (0.5,)),
    "lerp_": (A, (OTHER, 0.25)), "addcmul_": (A, (OTHER, A)), "addcdiv_": (A, (OTHER, A)),
    "ldexp_": (A, (2.0,)), "renorm_": ([A, OTHER], (2, 0, 1.2)),
    "addmv_": (A, ([A, OTHER, A], OTHER)), "addmm_": ([A, OTHER, A], ([A] * 3, [OTHER] * 3)),
    "addr_": ([A, OTHER], ([1.0, 2.0], OTHER)),
    "addbmm_": ([A, OTHER], ([[[1.0, 2.0], [0.5, 1.5]]] * 2, [[A, OTHER]] * 2)),
    "baddbmm_": ([[A, OTHER]] * 2, ([[[1.0, 2.0], [0.5, 1.5]]] * 2, [[A, OTHER]] * 2)),
    "tril_": ([A, OTHER, A], (-1,)), "triu_": ([A, OTHER, A], (1,)),
}  # fmt: skip

INTEGERS: dict[str, tuple] = {
    "bitwise_and_": ([6, 5, -3], ([3, 4, 7],)), "bitwise_or_": ([6, 5, -3], ([3, 4, 7],)),
    "bitwise_xor_": ([6, 5, -3], ([3, 4, 7],)), "bitwise_not_": ([6, 5, -3], ()),
    "bitwise_left_shift_": ([6, 5, -3], ([1, 2, 3],)), "bitwise_right_shift_": ([6, 5, -3], (1,)),
    "gcd_": ([6, 5, -3], ([4, 10, 9],)), "lcm_": ([6, 5, -3], ([4, 10, 9],)),
    "logical_not_": ([6, 0, -3], ()), "logical_and_": ([6, 0, -3], ([0, 1, 2],)), "logical_or_": ([6, 0, 0], ([0, 0, 2],)),
    "logical_xor_": ([6, 0, -3], ([0, 1, 2],)),
    **{name: ([1, 2, 3], ([2, 2, 2],)) for name in (
        "eq_", "ne_", "not_equal_", "lt_", "less_", "le_", "less_equal_", "gt_", "greater_", "ge_", "greater_equal_",
    )},
}  # fmt: skip


def operands(arguments):
    return [fg.tensor(x) if isinstance(x, list) else x for x in arguments]


def test_every_form_in_place_is_in_a_table():
    elsewhere = {
        # Of data from elsewhere, of random numbers, of indices, of the tensor itself.
        "bernoulli_", "copy_", "detach_", "exponential_", "fill_", "fill_diagonal_", "geometric_", "index_add_",
        "index_copy_", "index_fill_", "index_put_", "index_reduce_", "log_normal_", "masked_fill_", "masked_scatter_",
        "normal_", "put_", "random_", "requires_grad_", "scatter_", "scatter_add_", "scatter_reduce_", "share_memory_",
        "squeeze_", "swapaxes_", "swapdims_", "t_", "transpose_", "uniform_", "unsqueeze_", "zero_",
    }  # fmt: skip
    forms = {name for name in dir(fg.Tensor) if name.endswith("_") and not name.startswith("_")}
    assert forms - elsewhere - FLOATS.keys() - INTEGERS.keys() <= {"cumsum_", "cumprod_"}


@pytest.mark.parametrize("name", [*FLOATS, *INTEGERS])
def test_values_and_versions(name):
    values, arguments = FLOATS.get(name) or INTEGERS[name]
    x = fg.tensor(values)
    want = getattr(x, name[:-1])(*operands(arguments))
    view, version = x[:], x._version
    assert getattr(x, name)(*operands(arguments)) is x
    np.testing.assert_allclose(x.numpy(), want.numpy().astype(x.numpy().dtype), rtol=1e-6)
    assert fg.equal(view, x)
    assert x._version > version


@pytest.mark.parametrize("name", FLOATS)
def test_gradients_and_leaves(name):
    values, arguments = FLOATS[name]
    leaf = fg.tensor(values, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf tensor that requires grad"):
        getattr(leaf, name)(*operands(arguments))
    found = []
    for form in (name[:-1], name):
        y = leaf * 1.0
        result = getattr(y, form)(*operands(arguments))
        (result * result).sum().backward()
        found.append(leaf.grad.tolist())
        leaf.grad = None
    assert found[0] == found[1]


def test_views_change_places():
    x = fg.arange(6.0).reshape(1, 2, 3)
    assert x.swapaxes_(1, 2).shape == (1, 3, 2)
    assert x.swapdims_(0, 1).shape == (3, 1, 2)
    assert x.swapdims(0, 2).shape == fg.swapdims(x, 0, 2).shape == (2, 1, 3)


def test_a_recorded_float_does_not_fit_into_integers():
    w = fg.ones(2, requires_grad=True)
    for write in (lambda x: x.addcdiv_(w, w), lambda x: x.ldexp_(w), lambda x: x.float_power_(w)):
        with pytest.raises(RuntimeError, match="result: expected what fits into int64, got float"):
            write(fg.tensor([1, 2]))


def test_nothing_is_overwritten_where_there_is_nothing():
    w = fg.ones(2, requires_grad=True)
    for write in (fg.Tensor.mul_, fg.Tensor.pow_, fg.Tensor.hypot_):
        x = fg.ones(0, 2)
        write(x, w).sum().backward()
        assert w.grad.tolist() == [0, 0]
