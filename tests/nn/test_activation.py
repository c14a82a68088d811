"""What a row of the layers' table cannot say of activations: extremes, kinks, in-place forms, random ones."""

from __future__ import annotations

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import nn
from ferrograd.nn import functional as F


def gradient(function, values):
    x = fg.tensor(values, requires_grad=True)
    function(x).backward(fg.ones(x.shape))
    return x.grad.tolist()


def test_far_values_neither_overflow_nor_cancel():
    x = fg.tensor([-1e4, -100.0, 100.0, 1e4])
    assert F.logsigmoid(x).tolist() == [-1e4, -100.0, pytest.approx(-np.exp(-100), rel=1e-5), 0.0]
    assert gradient(F.logsigmoid, [-1e4, 1e4]) == [1.0, 0.0]
    assert F.mish(x).tolist() == [0.0, pytest.approx(-100 * np.exp(-100), rel=1e-5), 100.0, 1e4]
    assert gradient(F.mish, [-1e4, 1e4]) == [0.0, 1.0]
    assert F.celu(x).tolist() == [-1.0, -1.0, 100.0, 1e4]
    assert F.softsign(x).tolist() == [pytest.approx(-0.9999), pytest.approx(-100 / 101), pytest.approx(100 / 101),
                                      pytest.approx(0.9999)]  # fmt: skip


@pytest.mark.parametrize(("function", "at", "want"), [
    (F.relu6, [0.0, 6.0], [0.0, 0.0]), (F.hardtanh, [-1.0, 1.0], [0.0, 0.0]), (F.hardsigmoid, [-3.0, 3.0], [0.0, 0.0]),
    (F.hardswish, [-3.0, 3.0], [0.0, 1.0]), (F.softshrink, [-0.5, 0.5], [0.0, 0.0]), (F.hardshrink, [-0.5, 0.5], [0, 0]),
    (F.celu, [0.0, -0.0], [1.0, 1.0]), (F.softsign, [0.0, -0.0], [1.0, 1.0]),
    (lambda x: F.threshold(x, 0.5, 1.0), [0.5], [0.0]), (lambda x: F.prelu(x, fg.tensor([0.25])), [0.0], [0.25]),
])  # fmt: skip
def test_gradients_at_the_kinks_are_pytorchs(function, at, want):
    assert gradient(function, at) == want


@pytest.mark.parametrize("function", [
    F.relu6, F.hardtanh, F.hardsigmoid, F.hardswish, F.softshrink, F.hardshrink, F.tanhshrink, F.softsign, F.logsigmoid,
    F.selu, F.celu, F.mish, F.rrelu, lambda x: F.threshold(x, 0.5, 1.0), lambda x: F.prelu(x, fg.tensor([0.25])),
])  # fmt: skip
def test_not_a_number_stays_one(function):
    assert np.isnan(function(fg.tensor([np.nan])).item())


IN_PLACE = [
    ("relu_", nn.ReLU, ()), ("relu6_", nn.ReLU6, ()), ("hardtanh_", nn.Hardtanh, ()), ("elu_", nn.ELU, ()),
    ("selu_", nn.SELU, ()), ("celu_", nn.CELU, (0.7,)), ("leaky_relu_", nn.LeakyReLU, ()), ("mish_", nn.Mish, ()),
    ("hardswish_", nn.Hardswish, ()), ("hardsigmoid_", nn.Hardsigmoid, ()), ("threshold_", nn.Threshold, (0.1, 3.0)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "layer", "args"), IN_PLACE, ids=[name for name, _, _ in IN_PLACE])
def test_in_place_forms(name, layer, args):
    values = [-1.0, 0.5, 7.0]
    want = layer(*args)(fg.tensor(values))
    x = fg.tensor(values)
    assert layer(*args, inplace=True)(x) is x
    assert x.tolist() == want.tolist()
    if hasattr(F, name):
        x = fg.tensor(values)
        assert getattr(F, name)(x, *args) is x
        assert x.tolist() == want.tolist()
    with pytest.raises(RuntimeError, match=f"{name}: a leaf tensor that requires grad"):
        layer(*args, inplace=True)(fg.tensor(values, requires_grad=True))
    assert gradient(lambda x: layer(*args, inplace=True)(x * 1.0), values) == gradient(layer(*args), values)


def test_rrelu_draws_slopes_from_its_range_and_follows_the_seed():
    layer = nn.RReLU(0.25, 0.5)
    x = fg.full((100, 100), -1.0, requires_grad=True)
    fg.manual_seed(3)
    y = layer(x)
    slopes = -y.detach().numpy()
    assert slopes.min() >= 0.25
    assert slopes.max() < 0.5
    assert abs(slopes.mean() - 0.375) < 5 * 0.25 / np.sqrt(12 * 10_000)
    y.backward(fg.ones(100, 100))
    np.testing.assert_array_equal(x.grad.numpy(), slopes)
    fg.manual_seed(3)
    assert (layer(x).detach().numpy() == -slopes).all()
    assert layer(fg.ones(2)).tolist() == [1.0, 1.0]
    assert layer.eval()(fg.tensor([-1.0])).tolist() == [-0.375]
    z = fg.tensor([-1.0, 2.0])
    assert F.rrelu_(z, 0.5, 0.5, True) is z
    assert z.tolist() == [-0.5, 2.0]


def test_gumbel_softmax_draws_from_the_distribution_of_its_logits():
    fg.manual_seed(0)
    p = np.array([0.2, 0.5, 0.3], np.float32)
    logits = fg.tensor(np.tile(np.log(p), (4000, 1)), requires_grad=True)
    hard = F.gumbel_softmax(logits, tau=0.7, hard=True)
    picked = hard.detach().numpy()
    np.testing.assert_allclose(np.sort(picked, 1), np.tile([0.0, 0.0, 1.0], (4000, 1)), atol=1e-6)
    assert (np.abs(picked.mean(0) - p) < 5 * np.sqrt(p * (1 - p) / 4000)).all()
    c = fg.tensor(np.array([1.0, -2.0, 0.5], np.float32))
    hard.backward(c.expand(4000, 3))
    fg.manual_seed(0)
    again = fg.tensor(logits.detach().numpy(), requires_grad=True)
    soft = F.gumbel_softmax(again, tau=0.7)
    np.testing.assert_allclose(soft.detach().numpy().sum(1), 1.0, rtol=1e-5)
    assert (soft.detach().numpy().argmax(1) == picked.argmax(1)).all()
    soft.backward(c.expand(4000, 3))
    np.testing.assert_array_equal(logits.grad.numpy(), again.grad.numpy())
    assert F.gumbel_softmax(np.zeros((2, 3), np.float64), dim=0).dtype == fg.float64


def test_integers_are_held_too():
    assert F.relu6(fg.tensor([-3, 5, 9])).tolist() == [0, 5, 6]
    assert F.hardtanh(fg.tensor([-3, 5, 9]), -1, 7).tolist() == [-1, 5, 7]
    assert F.threshold(fg.tensor([-3, 5]), 0, 2).tolist() == [2, 5]


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"Softmax2d: input: expected 3D or 4D input, got shape \(2, 3\)"):
        nn.Softmax2d()(fg.ones(2, 3))
    with pytest.raises(RuntimeError, match="rrelu: upper: expected a number of at least lower"):
        nn.RReLU(1.0, 0.5)(fg.ones(2))
    with pytest.raises(
        TypeError, match=r"prelu: weight: expected float64, .* got float32[\s\S]*layer.to\(fg.float64\)"
    ):
        nn.PReLU()(np.ones(3))
    with pytest.raises(TypeError, match=r"relu6_: inplace: expected a Tensor"):
        F.relu6(np.ones(2), inplace=True)
    with pytest.warns(FutureWarning, match="Hardtanh: min_value and max_value are deprecated"):
        assert nn.Hardtanh(min_value=-2.0)(fg.tensor([-3.0, 3.0])).tolist() == [-2.0, 1.0]
    with pytest.warns(UserWarning, match="softmin: dim"):
        F.softmin(fg.ones(2, 2))
