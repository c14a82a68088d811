"""Parametrizations, weight and spectral norm in both forms, batch norm folded into the layer before it."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import nn
from ferrograd.nn import utils
from ferrograd.nn.utils import parametrizations, parametrize

pytestmark = pytest.mark.filterwarnings("ignore:weight_norm is deprecated")


class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).mT

    def right_inverse(self, w):
        return w.triu()


def norms(v, dim):
    if dim is None:
        return np.sqrt((v**2).sum())
    return np.sqrt((v**2).sum(axis=tuple(k for k in range(v.ndim) if k != dim % v.ndim), keepdims=True))


@pytest.mark.parametrize("make", [parametrizations.weight_norm, utils.weight_norm], ids=["parametrization", "former"])
@pytest.mark.parametrize("dim", [0, 1, None])
def test_weight_norm(make, dim):
    fg.manual_seed(0)
    plain = nn.Conv1d(3, 4, 2).double()
    w = plain.weight.detach().numpy().copy()
    layer = make(copy.deepcopy(plain), "weight", dim)
    former = make is utils.weight_norm
    names = ["weight_g", "weight_v"] if former else [f"parametrizations.weight.original{k}" for k in (0, 1)]
    assert list(layer.state_dict()) == ["bias", *names]
    g, v = (layer.get_parameter(name) for name in names)
    np.testing.assert_allclose(g.detach().numpy(), norms(w, dim), rtol=1e-12)
    np.testing.assert_allclose(layer.weight.detach().numpy(), w, rtol=1e-12)
    with fg.no_grad():
        g *= 2.0
    x = np.random.default_rng(0).standard_normal((2, 3, 5))
    y = layer(x)
    np.testing.assert_allclose(layer.weight.detach().numpy(), 2 * w, rtol=1e-12)
    y.square().sum().backward()
    # Along v the weight does not change: its gradient is orthogonal to each slice.
    product = v.grad.numpy() * v.detach().numpy()
    axes = None if dim is None else tuple(k for k in range(3) if k != dim)
    np.testing.assert_allclose(product.sum(axis=axes), 0.0, atol=1e-10)
    assert g.grad.shape == g.shape
    remove = utils.remove_weight_norm if former else parametrize.remove_parametrizations
    assert remove(layer, "weight") is layer
    assert sorted(layer.state_dict()) == ["bias", "weight"]
    assert isinstance(layer.weight, nn.Parameter)
    assert type(layer) is nn.Conv1d
    np.testing.assert_allclose(layer(x).detach().numpy(), y.detach().numpy(), rtol=1e-12)


def test_weight_norm_trains_inside_a_sequence_and_former_keys_load():
    fg.manual_seed(0)
    old = nn.Sequential(utils.weight_norm(nn.Linear(2, 3)), nn.ReLU())
    new = nn.Sequential(parametrizations.weight_norm(nn.Linear(2, 3)), nn.ReLU())
    x = fg.randn(4, 2)
    with fg.no_grad():
        old[0].weight_g *= 3.0
    new.load_state_dict(old.state_dict())
    np.testing.assert_allclose(new(x).detach().numpy(), old(x).detach().numpy(), rtol=1e-6)
    before = new[0].weight.detach().numpy().copy()
    optimizer = fg.optim.SGD(new.parameters(), lr=0.1)
    new(x).sum().backward()
    optimizer.step()
    assert (new[0].weight.detach().numpy() != before).any()


@pytest.mark.parametrize(
    "make", [parametrizations.spectral_norm, utils.spectral_norm], ids=["parametrization", "former"]
)
@pytest.mark.parametrize(
    "layer", [lambda: nn.Linear(4, 6), lambda: nn.Conv2d(2, 3, 2), lambda: nn.ConvTranspose1d(2, 5, 2)]
)
def test_spectral_norm_has_largest_singular_value_1(make, layer):
    fg.manual_seed(0)
    plain = layer().double()
    w = plain.weight.detach().numpy().copy()
    normed = make(plain, n_power_iterations=5)
    x = np.random.default_rng(0).standard_normal((2, *{"Linear": (4,), "Conv2d": (2, 3, 3), "ConvTranspose1d": (2, 3)}[
        layer().__class__.__name__]))  # fmt: skip
    for _ in range(40):
        normed(x)
    matrix = np.moveaxis(w, 1 if isinstance(normed, nn.ConvTranspose1d) else 0, 0)
    sigma = np.linalg.svd(matrix.reshape(len(matrix), -1), compute_uv=False)[0]
    normed.eval()
    normed(x).sum().backward()
    np.testing.assert_allclose(normed.weight.detach().numpy(), w / sigma, rtol=1e-6)
    u = normed.weight_u if make is utils.spectral_norm else normed.parametrizations.weight[0]._u
    before = u.numpy().copy()
    normed(x)
    assert u.tolist() == before.tolist(), "no steps in evaluation"
    if make is utils.spectral_norm:
        assert list(normed.state_dict()) == ["bias", "weight_orig", "weight_u", "weight_v"]
        utils.remove_spectral_norm(normed)
    else:
        assert list(normed.state_dict()) == [
            "bias", *(f"parametrizations.weight.{k}" for k in ("original", "0._u", "0._v")),
        ]  # fmt: skip
        parametrize.remove_parametrizations(normed, "weight")
    assert sorted(normed.state_dict()) == ["bias", "weight"]
    np.testing.assert_allclose(normed.weight.detach().numpy(), w / sigma, rtol=1e-6)


def test_two_forwards_before_one_backward_of_a_spectral_norm():
    fg.manual_seed(0)
    layer = parametrizations.spectral_norm(nn.Linear(3, 3))
    (layer(fg.ones(1, 3)) - layer(fg.zeros(1, 3))).sum().backward()
    assert np.isfinite(layer.parametrizations.weight.original.grad.numpy()).all()


def test_spectral_norm_of_a_vector_is_its_length():
    layer = nn.Linear(2, 2)
    parametrizations.spectral_norm(layer, "bias")
    assert np.linalg.norm(layer.bias.detach().numpy()) == pytest.approx(1, rel=1e-6)


def test_parametrizations_of_ones_own():
    layer = nn.Linear(3, 3)
    w = layer.weight.detach().numpy().copy()
    assert parametrize.register_parametrization(layer, "weight", Symmetric()) is layer
    assert parametrize.is_parametrized(layer)
    assert parametrize.is_parametrized(layer, "weight")
    assert not parametrize.is_parametrized(layer, "bias")
    assert type(layer).__name__ == "ParametrizedLinear"
    assert parametrize.type_before_parametrizations(layer) is nn.Linear
    np.testing.assert_array_equal(layer.weight.detach().numpy(), np.triu(w) + np.triu(w, 1).T)
    assert list(layer.state_dict()) == ["bias", "parametrizations.weight.original"]
    layer(fg.ones(2, 3)).sum().backward()
    assert layer.parametrizations.weight.original.grad is not None
    target = np.array([[1, 2, 3], [2, 4, 5], [3, 5, 6]], np.float32)
    layer.weight = fg.tensor(target)
    np.testing.assert_array_equal(layer.weight.detach().numpy(), target)
    twin = copy.deepcopy(layer)
    twin.weight = fg.zeros(3, 3)
    np.testing.assert_array_equal(layer.weight.detach().numpy(), target)
    with pytest.raises(RuntimeError, match="a parametrized module cannot be pickled"):
        pickle.dumps(layer)
    parametrize.register_parametrization(layer, "weight", nn.Tanh())
    np.testing.assert_allclose(layer.weight.detach().numpy(), np.tanh(target), rtol=1e-6)
    with pytest.raises(RuntimeError, match="right_inverse: Tanh does not implement it"):
        layer.weight = fg.zeros(3, 3)
    with parametrize.cached():
        assert layer.weight is layer.weight
    assert layer.weight is not layer.weight
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    np.testing.assert_array_equal(layer.weight.detach().numpy(), np.triu(target))
    assert type(layer) is nn.Linear
    parametrize.register_parametrization(layer, "weight", nn.Tanh())
    parametrize.remove_parametrizations(layer, "weight")
    np.testing.assert_allclose(layer.weight.detach().numpy(), np.tanh(np.triu(target)), rtol=1e-6)


def test_a_buffer_can_be_parametrized():
    layer = nn.BatchNorm1d(2)
    parametrize.register_parametrization(layer, "running_mean", nn.ReLU())
    assert "parametrizations.running_mean.original" in layer.state_dict()
    assert len(list(layer.parameters())) == 2


@pytest.mark.parametrize("dim", [1, 2])
def test_batch_norm_folds_into_a_convolution(dim):
    fg.manual_seed(0)
    for transpose in (False, True):
        conv = getattr(nn, f"Conv{'Transpose' if transpose else ''}{dim}d")(2, 3, 2, bias=not transpose)
        bn = getattr(nn, f"BatchNorm{dim}d")(3)
        x = fg.randn(4, 2, *[4] * dim)
        bn(conv(x))
        with fg.no_grad():
            bn.weight.uniform_(0.5, 2.0)
            bn.bias.uniform_(-1.0, 1.0)
        fused = utils.fuse_conv_bn_eval(conv.eval(), bn.eval(), transpose)
        np.testing.assert_allclose(fused(x).detach().numpy(), bn(conv(x)).detach().numpy(), rtol=1e-4, atol=1e-5)
        assert type(fused) is type(conv)


def test_folding_takes_what_is_not_there_for_zeros_and_ones():
    w, mean, var = fg.tensor([[2.0], [4.0]]), fg.tensor([1.0, 2.0]), fg.tensor([4.0, 16.0])
    weight, bias = utils.fuse_linear_bn_weights(w, None, mean, var, 0.0, None, None)
    assert weight.tolist() == [[1.0], [1.0]]
    assert bias.tolist() == [-0.5, -0.5]
    scale, shift = fg.tensor([2.0, 1.0]), fg.tensor([0.0, 1.0])
    weight, bias = utils.fuse_conv_bn_weights(
        fg.ones(1, 2, 1), fg.ones(2), mean, var, 0.0, scale, shift, transpose=True
    )
    assert weight.tolist() == [[[1.0], [0.25]]]
    assert bias.tolist() == [0.0, 0.75]


def test_batch_norm_folds_into_a_linear_layer():
    fg.manual_seed(0)
    linear, bn = nn.Linear(3, 2), nn.BatchNorm1d(2, affine=False)
    x = fg.randn(5, 3)
    bn(linear(x))
    fused = utils.fuse_linear_bn_eval(linear.eval(), bn.eval())
    np.testing.assert_allclose(fused(x).detach().numpy(), bn(linear(x)).detach().numpy(), rtol=1e-4, atol=1e-5)


ERRORS = [
    (lambda: utils.remove_weight_norm(nn.Linear(1, 1)), ValueError, "remove_weight_norm: name: Linear has no weight_norm of"),
    (lambda: utils.weight_norm(utils.weight_norm(nn.Linear(1, 1))), RuntimeError, "weight_norm: name: 'weight' has one"),
    (lambda: utils.weight_norm(nn.Linear(1, 1), "w"), ValueError, "weight_norm: name: expected a parameter of Linear, got 'w'"),
    (lambda: utils.weight_norm(nn.Linear(1, 1), dim=2), IndexError, "weight_norm: dim: expected a dimension from -2 to 1"),
    (lambda: utils.spectral_norm(nn.Linear(1, 1), n_power_iterations=0), ValueError, "n_power_iterations: expected"),
    (lambda: parametrizations.spectral_norm(nn.Linear(1, 1), "w"), ValueError, "spectral_norm: name: expected a parameter"),
    (lambda: parametrizations.spectral_norm(nn.Linear(1, 1), dim=3), IndexError, "spectral_norm: dim: expected"),
    (lambda: parametrize.register_parametrization(nn.Linear(1, 1), "w", nn.Tanh()), ValueError, "tensor_name: expected a"),
    (lambda: parametrize.register_parametrization(nn.Linear(2, 2), "weight", nn.Flatten(0)), ValueError,
     r"keeps the shape \(2, 2\), got \(4,\)"),
    (lambda: parametrize.remove_parametrizations(nn.Linear(1, 1), "weight"), ValueError, "no parametrization of 'weight'"),
    (lambda: parametrize.remove_parametrizations(parametrizations.weight_norm(nn.Linear(1, 1)), "weight", False),
     ValueError, "leave_parametrized: expected True"),
    (lambda: utils.fuse_conv_bn_eval(nn.Conv1d(1, 1, 1), nn.BatchNorm1d(1)), RuntimeError, "expected both layers in eval"),
    (lambda: utils.fuse_linear_bn_eval(nn.Linear(1, 2).eval(), nn.BatchNorm1d(3).eval()), ValueError, "expected 2 features"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "match"), ERRORS, ids=[m for _, _, m in ERRORS])
def test_wrong_arguments(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_the_former_function_warns():
    with pytest.warns(FutureWarning, match="use nn.utils.parametrizations.weight_norm"):
        utils.weight_norm(nn.Linear(1, 1))


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_live_against_pytorch():
    """States, outputs and gradients of all four forms over three training steps."""
    torch = pytest.importorskip("torch")
    for path in ("weight_norm", "spectral_norm", "parametrizations.weight_norm", "parametrizations.spectral_norm"):
        models = []
        for library in (torch.nn, nn):
            function = library.utils
            for name in path.split("."):
                function = getattr(function, name)
            models.append(
                library.Sequential(function(library.Conv1d(2, 3, 2)), library.ReLU(), function(library.Linear(3, 2)))
            )
        theirs, ours = models
        assert repr(ours) == repr(theirs)
        assert list(ours.state_dict()) == list(theirs.state_dict())
        ours.load_state_dict(theirs.state_dict())
        x = np.random.default_rng(0).standard_normal((4, 2, 4)).astype(np.float32)
        for _ in range(3):
            a, b = theirs(torch.tensor(x)), ours(x)
            np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=1e-4, atol=1e-5)
            a.square().sum().backward()
            b.square().sum().backward()
            for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
                np.testing.assert_allclose(
                    p.grad.numpy(), q.grad.numpy(), rtol=1e-3, atol=1e-4, err_msg=f"{path} {name}"
                )
        for (name, p), q in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
            np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-4, atol=1e-5, err_msg=f"{path} {name}")
