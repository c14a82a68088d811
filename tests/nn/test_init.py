"""Starting values."""

from __future__ import annotations

import math

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import nn
from ferrograd.nn import init

SHAPE = (64, 32, 5)  # fan_in 160, fan_out 320


@pytest.mark.parametrize(("draw", "mean", "std", "bound"), [
    (lambda t: init.uniform_(t, -1, 3), 1.0, 4 / math.sqrt(12), (-1, 3)),
    (lambda t: init.normal_(t, 2.0, 0.5), 2.0, 0.5, None),
    (lambda t: init.xavier_uniform_(t, 2.0), 0.0, 2 * math.sqrt(2 / 480), math.sqrt(3) * 2 * math.sqrt(2 / 480)),
    (lambda t: init.xavier_normal_(t), 0.0, math.sqrt(2 / 480), None),
    (lambda t: init.kaiming_uniform_(t), 0.0, math.sqrt(2 / 160), math.sqrt(6 / 160)),
    (lambda t: init.kaiming_uniform_(t, math.sqrt(5)), 0.0, math.sqrt(1 / 480), math.sqrt(1 / 160)),
    (lambda t: init.kaiming_normal_(t, mode="fan_out", nonlinearity="relu"), 0.0, math.sqrt(2 / 320), None),
    (lambda t: init.kaiming_normal_(t, nonlinearity="tanh"), 0.0, 5 / 3 / math.sqrt(160), None),
    (lambda t: init.trunc_normal_(t, 0.0, 1.0, -2.0, 2.0), 0.0, 0.8796, (-2, 2)),
], ids=["uniform", "normal", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_uniform-linear",
        "kaiming_normal-out", "kaiming_normal-tanh", "trunc_normal"])  # fmt: skip
@pytest.mark.parametrize("dtype", [fg.float32, fg.float64])
def test_moments(draw, mean, std, bound, dtype):
    fg.manual_seed(0)
    p = nn.Parameter(fg.empty(SHAPE, dtype=dtype))
    assert draw(p) is p
    assert p.requires_grad
    assert p.is_leaf
    x = p.detach().numpy()
    error = 5 * std / math.sqrt(x.size)
    assert abs(x.mean() - mean) < error
    assert abs(x.std() - std) < error
    if bound is not None:
        low, high = bound if isinstance(bound, tuple) else (-bound, bound)
        width = high - low
        assert low <= x.min() < low + 0.01 * width
        assert high - 0.01 * width < x.max() <= high


def test_the_seed_decides():
    draws = []
    for seed in (1, 1, 2):
        fg.manual_seed(seed)
        draws.append(nn.Linear(3, 3).weight.tolist())
    assert draws[0] == draws[1] != draws[2]


def test_a_generator_of_its_own():
    a, b = fg.Generator().manual_seed(3), fg.Generator().manual_seed(3)
    before = fg.get_rng_state().tolist()
    assert init.normal_(fg.empty(5), generator=a).tolist() == init.normal_(fg.empty(5), generator=b).tolist()
    assert fg.get_rng_state().tolist() == before
    state = a.get_state()
    first = init.uniform_(fg.empty(5), generator=a).tolist()
    a.set_state(state)
    assert init.uniform_(fg.empty(5), generator=a).tolist() == first
    assert a.initial_seed() == 3
    assert repr(a) == "<ferrograd.Generator seed=3>"
    assert a.seed() == a.initial_seed() != 3
    assert fg.Generator().manual_seed(2**64 - 1).initial_seed() == 2**64 - 1
    assert fg.Generator().manual_seed(-1).initial_seed() == 2**64 - 1
    with pytest.raises(TypeError, match="seed: expected an integer, got 'x'"):
        fg.manual_seed("x")
    with pytest.raises(RuntimeError, match="expected a number from"):
        fg.manual_seed(2**64)
    with pytest.raises(TypeError, match=r"expected int64 \[seed, counter\]"):
        a.set_state(np.zeros(3))


def test_constants():
    t = fg.empty(2, 3)
    assert init.constant_(t, 2.5).tolist() == [[2.5] * 3] * 2
    assert init.zeros_(t).tolist() == [[0.0] * 3] * 2
    assert init.ones_(t).tolist() == [[1.0] * 3] * 2
    assert init.eye_(t).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]


@pytest.mark.parametrize("shape", [(4, 4), (3, 7), (7, 3), (6, 2, 2)])
def test_orthogonal(shape):
    w = init.orthogonal_(fg.empty(shape), gain=2.0).numpy().reshape(shape[0], -1)
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-5)


@pytest.mark.parametrize(("name", "param", "gain"), [
    ("linear", None, 1.0), ("conv2d", None, 1.0), ("sigmoid", None, 1.0), ("tanh", None, 5 / 3),
    ("relu", None, math.sqrt(2)), ("leaky_relu", None, math.sqrt(2 / 1.0001)), ("leaky_relu", 1, 1.0),
    ("selu", None, 0.75), ("conv1d", None, 1.0), ("conv3d", None, 1.0), ("conv_transpose1d", None, 1.0),
    ("conv_transpose2d", None, 1.0), ("conv_transpose3d", None, 1.0),
])  # fmt: skip
def test_gain(name, param, gain):
    assert init.calculate_gain(name, param) == pytest.approx(gain)


@pytest.mark.parametrize(("call", "match"), [
    (lambda: init.xavier_uniform_(fg.empty(3)), "xavier_uniform_: tensor: expected at least 2 dimensions"),
    (lambda: init.kaiming_normal_(fg.empty(3, 3), mode="fan"), "mode: expected 'fan_in' or 'fan_out', got 'fan'"),
    (lambda: init.calculate_gain("swish"), "nonlinearity: expected linear"),
    (lambda: init.calculate_gain("leaky_relu", True), "param: expected a number, got True"),
    (lambda: init.eye_(fg.empty(3)), "eye_: tensor: expected 2 dimensions"),
    (lambda: init.orthogonal_(fg.empty(3)), "orthogonal_: tensor: expected at least 2 dimensions"),
    (lambda: init.trunc_normal_(fg.empty(3), a=1.0, b=0.0), r"b: expected a number above a \(1.0\), got 0.0"),
    (lambda: init.trunc_normal_(fg.empty(3), mean=100.0), "within six deviations"),
    (lambda: init.dirac_(fg.empty(3, 3)), "dirac_: tensor: expected 3 to 5 dimensions"),
    (lambda: init.dirac_(fg.empty(3, 3, 3), 2), "dirac_: groups: expected a divisor of 3 output channels, got 2"),
    (lambda: init.sparse_(fg.empty(3), 0.5), "sparse_: tensor: expected 2 dimensions"),
    (lambda: init.sparse_(fg.empty(3, 3), 1.5), "sparse_: sparsity: expected a share between 0 and 1, got 1.5"),
])  # fmt: skip
def test_wrong_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call()


@pytest.mark.parametrize(("conv", "groups"), [(nn.Conv1d, 1), (nn.Conv2d, 2), (nn.Conv3d, 1)])
def test_dirac_is_the_identity_of_a_convolution(conv, groups):
    layer = conv(4, 4, 3, padding="same", groups=groups, bias=False)
    assert init.dirac_(layer.weight, groups) is layer.weight
    spatial = layer.weight.ndim - 2
    x = np.random.default_rng(0).standard_normal((2, 4, *[5] * spatial)).astype(np.float32)
    np.testing.assert_array_equal(layer(x).detach().numpy(), x)


def test_sparse():
    fg.manual_seed(0)
    w = init.sparse_(fg.empty(50, 40), 0.31, std=0.5).numpy()
    assert ((w == 0).sum(0) == 16).all()
    assert len({tuple(np.nonzero(column)[0]) for column in w.T}) > 30, "other places in each column"
    assert abs(w[w != 0].std() - 0.5) < 5 * 0.5 / math.sqrt(2 * 34 * 40)


def test_former_names_warn():
    with pytest.warns(FutureWarning, match="init.xavier_uniform is deprecated; use init.xavier_uniform_"):
        assert init.xavier_uniform(fg.empty(2, 2)).shape == (2, 2)
    for former, arguments in ((init.sparse, (0.5,)), (init.orthogonal, ()), (init.eye, ()), (init.constant, (1.0,))):
        with pytest.warns(FutureWarning, match=f"init.{former.__name__.removesuffix('_')} is deprecated"):
            former(fg.empty(2, 2), *arguments)
    with pytest.warns(FutureWarning, match="init.dirac is deprecated"):
        assert init.dirac(fg.empty(1, 1, 3)).tolist() == [[[0.0, 1.0, 0.0]]]


@pytest.mark.parametrize(("make", "std"), [
    (lambda: nn.ConvTranspose2d(8, 16, 3), 1 / math.sqrt(3 * 16 * 9)), (lambda: nn.Bilinear(25, 8, 4), 0.2 / math.sqrt(3)),
    (lambda: nn.EmbeddingBag(50, 20), 1.0), (lambda: nn.Conv3d(4, 8, 2), 1 / math.sqrt(3 * 4 * 8)),
    (lambda: nn.Linear(100, 30), 1 / math.sqrt(3 * 100)),
])  # fmt: skip
def test_weights_of_layers_start_with_the_deviation_of_their_formula(make, std):
    fg.manual_seed(1)
    w = make().weight.detach().numpy()
    assert abs(w.std() - std) < 5 * std / math.sqrt(w.size)
    assert abs(w.mean()) < 5 * std / math.sqrt(w.size)
