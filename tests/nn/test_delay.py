"""Layers over delayed copies of a sequence, against plain NumPy in float64."""

from __future__ import annotations

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import nn, optim


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def filled(layer, seed=0):
    """The layer in float64, with normal parameters."""
    rng = np.random.default_rng(seed)
    layer = layer.double()
    layer.load_state_dict({k: rng.standard_normal(v.shape) for k, v in layer.state_dict().items()})
    return layer


def shifted(x, by):
    """x_{t+by} along the first dimension, 0 outside."""
    y = np.zeros_like(x)
    for t in range(len(x)):
        if 0 <= t + by < len(x):
            y[t] = x[t + by]
    return y


def forms(x, layer_of):
    """The results for x (T, N, F) in each form that a sequence layer takes, as (T, N, F)."""
    yield layer_of(False)(x).detach().numpy()
    yield np.swapaxes(layer_of(True)(np.swapaxes(x, 0, 1)).detach().numpy(), 0, 1)
    yield np.stack([layer_of(True)(x[:, n]).detach().numpy() for n in range(x.shape[1])], axis=1)


@pytest.mark.parametrize("delay", [0, 1, 3, 5, 9, -2, -7])
def test_the_gradient_of_a_delay_is_the_advance(delay):
    x, e = normal(5, 2, 3), normal(5, 2, 3, seed=1)
    for y in forms(x, lambda first: nn.TimeDelay(delay, batch_first=first)):
        np.testing.assert_array_equal(y, shifted(x, -delay))
    leaf = fg.tensor(x, requires_grad=True)
    nn.TimeDelay(delay)(leaf).backward(fg.tensor(e))
    np.testing.assert_array_equal(leaf.grad.numpy(), shifted(e, delay))
    assert repr(nn.TimeDelay(2)) == "TimeDelay(delay=2)"


@pytest.mark.parametrize("context", [[-2, -1, 0, 1, 2], [0], [-3, 0, 3], [-7, -2, 0, 1], [-3, -1], [1, 2, 6], [2, 4]])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_tdnn_is_a_sum_over_its_context(context, padding):
    x = normal(12, 2, 3)
    layer = filled(nn.TDNN(3, 4, context, padding=padding))
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    want = sum(shifted(x, c) @ weight[:, :, k].T for k, c in enumerate(context)) + bias
    if padding == "valid":
        # Every step whose whole context is in the sequence; where none of it is t itself, t may lie outside.
        steps = 12 - (context[-1] - context[0])
        padded = np.concatenate([np.zeros((9, 2, 3)), x, np.zeros((9, 2, 3))])
        want = sum(shifted(padded, c) @ weight[:, :, k].T for k, c in enumerate(context)) + bias
        want = want[9 - context[0] :][:steps]

    def layer_of(first):
        other = nn.TDNN(3, 4, context, padding=padding, batch_first=first).double()
        other.load_state_dict(layer.state_dict())
        return other

    for y in forms(x, layer_of):
        np.testing.assert_allclose(y, want, rtol=1e-12, atol=1e-12)


def test_tdnn_is_a_dilated_convolution():
    conv = nn.Conv1d(3, 4, 5, dilation=2)
    layer = nn.TDNN(3, 4, kernel_size=5, dilation=2, batch_first=True)
    assert layer.context == (-4, -2, 0, 2, 4)
    layer.load_state_dict(conv.state_dict())
    x = fg.tensor(normal(2, 14, 3).astype(np.float32), requires_grad=True)
    y = layer(x)
    y.sum().backward()
    mine, x.grad = x.grad.tolist(), None
    z = conv(x.permute(0, 2, 1))
    z.sum().backward()
    np.testing.assert_array_equal(y.detach().numpy(), z.detach().numpy().transpose(0, 2, 1))
    np.testing.assert_allclose(mine, x.grad.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.weight.grad.numpy(), conv.weight.grad.numpy(), rtol=1e-5, atol=1e-5)
    assert repr(layer) == "TDNN(3, 4, context=[-4, -2, 0, 2, 4], batch_first=True)"
    bound = 1 / np.sqrt(15)
    fresh = nn.TDNN(30, 40, [0, 1]).weight.detach().numpy()
    assert 0.95 * np.sqrt(1 / 60) < np.abs(fresh).max() <= np.sqrt(1 / 60)
    assert np.abs(layer.weight.detach().numpy()).max() <= bound


def memory_of(x, weight, ahead, stride):
    y = x.copy()
    for i, a in enumerate(weight):
        y += a * shifted(x, -stride * i)
    for j, c in enumerate([] if ahead is None else ahead, start=1):
        y += c * shifted(x, stride * j)
    return y


CASES = [(3, 0, 1), (2, 2, 1), (0, 3, 2), (4, 1, 3), (0, 0, 1), (9, 9, 2)]


@pytest.mark.parametrize("memory", ["scalar", "vector"])
@pytest.mark.parametrize(("lookback", "lookahead", "stride"), CASES)
def test_fsmn_is_the_formula(memory, lookback, lookahead, stride):
    options = dict(memory=memory, lookback=lookback, lookahead=lookahead, stride=stride)
    layer = filled(nn.FSMN(3, **options))
    width = (3,) if memory == "vector" else ()
    assert layer.weight.shape == (lookback + 1, *width)
    x, e = normal(8, 2, 3), normal(8, 2, 3, seed=1)
    ahead = None if layer.weight_ahead is None else layer.weight_ahead.detach().numpy()
    weight = layer.weight.detach().numpy()

    def layer_of(first):
        other = nn.FSMN(3, batch_first=first, **options).double()
        other.load_state_dict(layer.state_dict())
        return other

    for y in forms(x, layer_of):
        np.testing.assert_allclose(y, memory_of(x, weight, ahead, stride), rtol=1e-12, atol=1e-12)
    leaf = fg.tensor(x, requires_grad=True)
    layer(leaf).backward(fg.tensor(e))
    want = e.copy()
    for i, a in enumerate(weight):
        want += a * shifted(e, stride * i)
        grad = (e * shifted(x, -stride * i)).sum(axis=(0, 1) if width else None)
        np.testing.assert_allclose(layer.weight.grad.numpy()[i], grad, rtol=1e-10, atol=1e-10)
    for j, c in enumerate([] if ahead is None else ahead, start=1):
        want += c * shifted(e, -stride * j)
        grad = (e * shifted(x, stride * j)).sum(axis=(0, 1) if width else None)
        np.testing.assert_allclose(layer.weight_ahead.grad.numpy()[j - 1], grad, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(leaf.grad.numpy(), want, rtol=1e-12, atol=1e-12)


def test_deep_fsmn_by_the_formula():
    layer = filled(nn.DFSMN(3, 5, 2, num_layers=3, lookback=2, lookahead=1, stride=2))
    w = {k: v.numpy() for k, v in layer.state_dict().items()}
    x = normal(9, 2, 3)
    h, before = x, 0.0
    for k in range(3):
        p = h @ w[f"layer{k}.project.weight"].T
        before = before + memory_of(p, w[f"layer{k}.memory.weight"], w[f"layer{k}.memory.weight_ahead"], 2)
        h = np.maximum(before @ w[f"layer{k}.expand.weight"].T + w[f"layer{k}.expand.bias"], 0)
    np.testing.assert_allclose(layer(x).detach().numpy(), h, rtol=1e-10, atol=1e-10)
    assert repr(layer.layer1.memory) == "FSMN(2, memory='vector', lookback=2, lookahead=1, stride=2)"


@pytest.mark.parametrize("memory", ["scalar", "vector"])
def test_fsmn_learns_to_remember_without_feedback(memory):
    """The product of what came 2 and 5 steps before: a net without memory cannot do better than the variance."""
    fg.manual_seed(0)
    rng = np.random.default_rng(0)
    net = nn.DFSMN(2, 24, 8, num_layers=2, memory=memory, lookback=6)
    head = nn.Linear(24, 1)
    parameters = [*net.parameters(), *head.parameters()]
    optimizer = optim.Adam(parameters, lr=0.01)
    losses = []
    for _ in range(200):
        signs = rng.choice([-1.0, 1.0], (24, 16, 2)).astype(np.float32)
        target = np.zeros((24, 16, 1), np.float32)
        target[5:, :, 0] = signs[3:-2, :, 0] * signs[:-5, :, 1]
        loss = ((head(net(signs)) - target)[5:] ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[:5]) > 0.9
    assert np.mean(losses[-10:]) < 0.1


ERRORS = [
    (lambda: nn.TimeDelay(1.5), TypeError, "TimeDelay: delay: expected an int, got float"),
    (lambda: nn.TimeDelay()(fg.ones(3)), ValueError, r"TimeDelay: input: expected 2D or 3D input, got shape \(3,\)"),
    (lambda: nn.TDNN(3, 4, [0, 0]), ValueError, r"TDNN: context: expected rising steps, got \[0, 0\]"),
    (lambda: nn.TDNN(3, 4, []), TypeError, "TDNN: context: expected integers"),
    (lambda: nn.TDNN(3, 4, [0], kernel_size=3), ValueError, "expected either a context or a kernel_size, got both"),
    (lambda: nn.TDNN(3, 4, kernel_size=0), ValueError, "TDNN: kernel_size: expected a number of at least 1, got 0"),
    (lambda: nn.TDNN(3, 4, padding="full"), ValueError, "TDNN: padding: expected 'valid' or 'same', got 'full'"),
    (lambda: nn.TDNN(3, 4)(fg.ones(4, 3)), RuntimeError, "TDNN: input: expected more than 4 steps"),
    (lambda: nn.TDNN(3, 4)(fg.ones(9, 2)), RuntimeError, "TDNN: input: expected 3 features in the last dimension"),
    (lambda: nn.FSMN(3, "matrix"), ValueError, "FSMN: memory: expected 'scalar' or 'vector', got 'matrix'"),
    (lambda: nn.FSMN(3, lookback=-1), ValueError, "FSMN: lookback: expected a number of at least 0, got -1"),
    (lambda: nn.FSMN(3, stride=0), ValueError, "FSMN: stride: expected a number of at least 1, got 0"),
    (lambda: nn.FSMN(3, lookahead=1.0), TypeError, "FSMN: lookahead: expected an int, got float"),
    (lambda: nn.FSMN(3)(fg.ones(4, 2)), RuntimeError, "FSMN: input: expected 3 features"),
    (lambda: nn.DFSMN(3, 4, 2, num_layers=0), ValueError, "DFSMN: num_layers: expected a number of at least 1"),
]


@pytest.mark.parametrize(("call", "exception", "message"), ERRORS)
def test_errors(call, exception, message):
    with pytest.raises(exception, match=message):
        call()
