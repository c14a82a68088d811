"""Every layer against PyTorch's golden arrays: values, gradients, buffers, state keys, repr."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from golden import golden, under
from golden.cases import INITS
from golden.layers import FAMILIES, leaves

import ferrograd as fg
from ferrograd import nn

RTOL = 1e-5


def close(got, want, what):
    """Equal up to float32's rounding, measured by the largest magnitude of the array."""
    got = np.asarray(got.detach() if isinstance(got, fg.Tensor) else got)
    assert got.shape == want.shape, what
    scale = float(np.abs(want).max(initial=0.0)) or 1.0
    np.testing.assert_allclose(got, want, rtol=RTOL, atol=RTOL * scale, err_msg=what)


ROWS = [(family, case) for family, rows in FAMILIES.items() for case in rows.values()]
every_layer = pytest.mark.parametrize(("family", "case"), ROWS, ids=[case.id for _, case in ROWS])
FLOATS = [(f, c) for f, c in ROWS if {kind for kind, _ in c.inputs} == {"float"}]
every_float_layer = pytest.mark.parametrize(("family", "case"), FLOATS, ids=[case.id for _, case in FLOATS])


def arrays_of(family, case):
    return golden(f"layers/{family}")[case.id]


def inputs_of(arrays):
    return list(under(arrays, "in").values())


def make(family, case):
    layer = getattr(nn, case.name)(*case.args, **case.kwargs)
    layer.load_state_dict(under(arrays_of(family, case), "state"))
    return layer.train(case.training)


@every_layer
def test_against_pytorch(family, case):
    arrays = arrays_of(family, case)
    layer = make(family, case)
    assert list(layer.state_dict()) == list(under(arrays, "state"))
    inputs = [fg.tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs_of(arrays)]
    results = leaves(case.run(layer, inputs))
    for k, (y, want) in enumerate(zip(results, under(arrays, "out").values(), strict=True)):
        close(y, want, f"output {k}")
    floats = [y for y in results if y.requires_grad]
    gradients = [fg.tensor(g) for g in under(arrays, "g").values()]
    assert len(floats) == len(gradients)
    if floats:
        fg.autograd.backward(floats, gradients)
    for k, want in under(arrays, "grad_in").items():
        close(inputs[int(k)].grad, want, f"gradient of input {k}")
    grads = under(arrays, "grad")
    for name, parameter in layer.named_parameters():
        assert (parameter.grad is None) == (name not in grads), name
        if name in grads:
            close(parameter.grad, grads[name], f"gradient of {name}")
    after = under(arrays, "after")
    for name, value in layer.state_dict().items():
        close(value, after.get(name, arrays[f"state/{name}"]), f"{name} afterwards")


@every_layer
@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's own, about its fast paths
def test_weights_go_both_ways(family, case, tmp_path):
    """A checkpoint of PyTorch's layer, as safetensors, is loaded strictly, and what we save has its names, dtypes, values."""
    from safetensors.numpy import load_file, save_file

    state = {name: np.asarray(x, order="C") for name, x in under(arrays_of(family, case), "state").items()}
    save_file(state, tmp_path / "theirs.safetensors")
    layer = getattr(nn, case.name)(*case.args, **case.kwargs)
    layer.load_state_dict(fg.load(tmp_path / "theirs.safetensors"))
    fg.save(layer.state_dict(), tmp_path / "ours.safetensors")
    back = load_file(tmp_path / "ours.safetensors")
    assert set(back) == set(state)
    for name, x in state.items():
        assert back[name].dtype == x.dtype, name
        np.testing.assert_array_equal(back[name], x, err_msg=name)
    if importlib.util.find_spec("torch"):
        import torch
        from safetensors.torch import load_file as load_torch

        theirs = getattr(torch.nn, case.name)(*case.args, **case.kwargs)
        theirs.load_state_dict(load_torch(tmp_path / "ours.safetensors"))


@every_layer
def test_repr_is_pytorchs(family, case):
    assert repr(make(family, case)) == str(arrays_of(family, case)["repr"])


@every_float_layer
def test_an_ndarray_goes_in(family, case):
    arrays = arrays_of(family, case)
    reversed_and_back = [np.ascontiguousarray(x[..., ::-1])[..., ::-1] for x in inputs_of(arrays)]
    y = leaves(case.run(make(family, case), reversed_and_back))[0]
    close(y, arrays["out/0"], "output")


@every_float_layer
def test_in_float64(family, case):
    arrays = arrays_of(family, case)
    inputs = [fg.tensor(x.astype(np.float64)) for x in inputs_of(arrays)]
    y = leaves(case.run(make(family, case).double(), inputs))[0]
    assert y.dtype == fg.float64
    close(y, arrays["out/0"].astype(np.float64), "output")


@pytest.mark.parametrize("key", INITS)
def test_starting_values(key):
    fg.manual_seed(0)
    name, args = INITS[key]
    drawn = {}
    for _ in range(20):
        for parameter, p in getattr(nn, name)(*args).named_parameters():
            drawn.setdefault(parameter, []).append(p.detach().numpy())
    wanted = golden("inits")[key]
    assert set(drawn) == set(wanted)
    for parameter, values in drawn.items():
        lowest, highest, mean, std = wanted[parameter]
        values = np.array(values)
        # Both are samples: five standard errors of the mean and of the deviation.
        error = 5 * std / np.sqrt(values.size)
        assert abs(values.mean() - mean) <= 2 * error, parameter
        assert abs(values.std() - std) <= 2 * error, parameter
        if key != "embedding":
            assert values.min() >= lowest - 0.02 * abs(lowest), parameter
            assert values.max() <= highest + 0.02 * abs(highest), parameter


def test_padding_row_of_an_embedding():
    layer = nn.Embedding(5, 3, padding_idx=2)
    assert layer.weight[2].tolist() == [0.0] * 3
    assert layer.weight[1].tolist() != [0.0] * 3
    again = nn.Embedding.from_pretrained(layer.weight.detach(), padding_idx=2)
    assert not again.weight.requires_grad
    assert again(fg.tensor([2])).tolist() == [[0.0] * 3]


def test_dropout_drops_its_share_and_follows_the_seed():
    layer = nn.Dropout(0.25)
    x = fg.ones(200, 200, requires_grad=True)
    fg.manual_seed(7)
    y = layer(x)
    kept = y.detach().numpy() != 0
    assert abs(kept.mean() - 0.75) < 5 * np.sqrt(0.25 * 0.75 / 40_000)
    assert np.unique(y.detach().numpy()).tolist() == [0.0, np.float32(1 / 0.75)]
    y.backward(fg.ones(200, 200))
    np.testing.assert_array_equal(x.grad.numpy() != 0, kept)
    fg.manual_seed(7)
    np.testing.assert_array_equal(layer(x).detach().numpy(), y.detach().numpy())
    assert (layer(x).detach().numpy() != y.detach().numpy()).any(), "the stream goes on"
    assert layer.eval()(x) is x
    assert nn.Dropout(0.0)(x) is x
    assert nn.Dropout(1.0)(x).detach().numpy().any() == np.False_


@pytest.mark.parametrize(("layer", "shape"), [
    (nn.Dropout1d, (40, 50, 6)), (nn.Dropout2d, (40, 50, 3, 2)), (nn.Dropout3d, (2000, 1, 3, 2)),
])  # fmt: skip
def test_channel_dropout(layer, shape):
    fg.manual_seed(0)
    y = layer(0.5)(fg.ones(shape)).numpy().reshape(shape[0], shape[1], -1)
    assert (y == y[:, :, :1]).all(), "channels are dropped as a whole"
    assert abs((y[:, :, 0] == 0).mean() - 0.5) < 5 * 0.5 / np.sqrt(2000)
    assert np.unique(y).tolist() == [0.0, 2.0]


def test_in_place_activations():
    for make, name in [(nn.ReLU, "relu_"), (nn.SiLU, "silu_"), (nn.LeakyReLU, "leaky_relu_"), (nn.ELU, "elu_"),
                       (nn.Hardtanh, "hardtanh_")]:  # fmt: skip
        x = fg.tensor([-1.0, 0.5, 3.0])
        want = make()(x).tolist()
        assert make(inplace=True)(x) is x
        assert x.tolist() == want
        leaf = fg.tensor([-1.0, 0.5, 3.0], requires_grad=True)
        y = leaf * 2.0
        expected = make()(leaf * 2.0)
        assert make(inplace=True)(y) is y
        assert y.tolist() == expected.tolist()
        y.backward(fg.ones(3))
        got, leaf.grad = leaf.grad, None
        expected.backward(fg.ones(3))
        assert got.tolist() == leaf.grad.tolist()
        with pytest.raises(RuntimeError, match=f"{name}: a leaf tensor that requires grad"):
            make(inplace=True)(leaf)


ERRORS = [
    (
        lambda: nn.Conv2d(3, 4, 3, groups=2),
        ValueError,
        r"Conv2d: in_channels: expected a multiple of groups \(2\), got 3",
    ),
    (lambda: nn.Conv2d(4, 3, 3, groups=2), ValueError, "out_channels: expected a multiple of groups"),
    (lambda: nn.Conv2d(4, 4, 3, groups=0), ValueError, "groups: expected a positive number, got 0"),
    (lambda: nn.Conv2d(4, 4, 3, padding_mode="mirror"), ValueError, "padding_mode: expected one of"),
    (
        lambda: nn.Conv2d(4, 4, 3, padding="some"),
        ValueError,
        "padding: expected 'same', 'valid' or numbers, got 'some'",
    ),
    (
        lambda: nn.Conv2d(4, 4, 3, padding="same", stride=2),
        ValueError,
        "'same' is not defined for a stride other than 1",
    ),
    (lambda: nn.Conv2d(4, 4, (3, 3, 3)), ValueError, r"kernel_size: expected an int or 2 of them, got \(3, 3, 3\)"),
    (lambda: nn.Conv2d(4, 4, 3, stride=0), ValueError, "stride: expected numbers of at least 1, got 0"),
    (lambda: nn.Conv2d(4, 4, 1.5), TypeError, "kernel_size: expected integers, got 1.5"),
    (
        lambda: nn.Conv2d(1, 1, 1)(fg.ones(2, 3)),
        ValueError,
        r"conv2d: input: expected 3D .* or 4D .* got shape \(2, 3\)",
    ),
    (lambda: nn.MaxPool2d(2)(fg.ones(2, 3)), ValueError, "max_pool2d: input: expected 3D"),
    (lambda: nn.Dropout(1.5), ValueError, "Dropout: p: expected a probability between 0 and 1, got 1.5"),
    (lambda: nn.BatchNorm2d(3)(fg.ones(2, 3)), ValueError, r"BatchNorm2d: input: expected 4D input \(got 2D input\)"),
    (lambda: nn.BatchNorm1d(3)(fg.ones(2)), ValueError, r"expected 2D or 3D input \(got 1D input\)"),
    (lambda: nn.BatchNorm1d(3)(fg.ones(1, 3)), ValueError, "more than 1 value per channel when training"),
    (lambda: nn.Embedding(3, 2, padding_idx=3), ValueError, "padding_idx: expected an index of 3 embeddings, got 3"),
    (lambda: nn.Embedding(3, 2)(fg.tensor([3])), IndexError, "embedding: "),
    (lambda: nn.Embedding(3, 2)(fg.ones(2)), TypeError, "embedding: "),
    (lambda: nn.Embedding.from_pretrained(fg.ones(2)), ValueError, "expected 2 dimensions"),
    (lambda: nn.Hardtanh(1.0, -1.0), ValueError, "Hardtanh: max_val: expected a number above min_val"),
    (lambda: nn.GELU("erf"), ValueError, "GELU: approximate: expected 'none' or 'tanh', got 'erf'"),
    (lambda: nn.Softmax(3)(fg.ones(2, 2)), IndexError, "softmax: dim: expected a dimension from -2 to 1, got 3"),
    (lambda: nn.LayerNorm(4)(fg.ones(2, 3)), ValueError, "layer_norm: "),
    (lambda: nn.Unflatten(1, (2, 2))(fg.ones(2, 3)), ValueError, "unflatten: sizes: "),
    (lambda: nn.Unflatten("a", (2, 2)), TypeError, "dim: expected an integer, got str"),
    (
        lambda: nn.MSELoss(reduction="avg"),
        ValueError,
        "MSELoss: reduction: expected 'mean', 'sum' or 'none', got 'avg'",
    ),
]


@pytest.mark.parametrize(("call", "error", "match"), ERRORS, ids=[m for _, _, m in ERRORS])
def test_wrong_arguments(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_softmax_without_dim_warns():
    with pytest.warns(UserWarning, match="softmax: dim"):
        y = nn.Softmax()(fg.ones(2, 4))
    assert y.tolist() == [[0.25] * 4] * 2


def test_live_against_pytorch():
    """The weights of a PyTorch model, taken over as they are, give its results."""
    torch = pytest.importorskip("torch")

    def build(nn):
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(64, 10), nn.GELU(), nn.LayerNorm(10), nn.Linear(10, 3),
        )  # fmt: skip

    theirs, ours = build(torch.nn), build(nn)
    ours.load_state_dict(theirs.state_dict())
    x = np.random.default_rng(0).standard_normal((5, 1, 8, 8), np.float32)
    xt = torch.tensor(x)
    target = np.array([0, 1, 2, 1, 0])
    torch.nn.CrossEntropyLoss()(theirs(xt), torch.tensor(target)).backward()
    loss = nn.CrossEntropyLoss()(ours(x), target)
    loss.backward()
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=2e-4, atol=2e-6, err_msg=name)
    for (name, a), b in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6, err_msg=name)
    assert repr(ours) == repr(theirs)
