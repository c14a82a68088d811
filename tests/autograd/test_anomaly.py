"""Anomaly mode: the op and the layer that first made a NaN, forward and backward."""

from __future__ import annotations

from typing import Any

import pytest

import ferrograd as fg
from ferrograd import nn
from ferrograd.autograd import anomaly, detect_anomaly, set_detect_anomaly
from ferrograd.nn import functional as F


class Log(nn.Module):
    def forward(self, x: Any) -> Any:
        return fg.log(x)


class Block(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.second = nn.Sequential(nn.Tanh(), layer)

    def forward(self, x: Any) -> Any:
        return self.second(self.first(x)) * 2


def model(layer: nn.Module) -> nn.Module:
    fg.manual_seed(0)
    net = nn.Sequential(Block(nn.ReLU()), Block(layer))
    with fg.no_grad():
        net[1].first.weight.zero_()
        net[1].first.bias.copy_(fg.tensor([-1.0, 1.0]))
    return net


def test_a_nan_loss_names_the_op_and_the_layer() -> None:
    net = model(Log())
    with detect_anomaly():
        loss = F.mse_loss(net(fg.ones(3, 2)), fg.ones(3, 2))
        with pytest.raises(
            RuntimeError,
            match=r"backward: outputs\[0\] is nan: first made by log in layer '1.second.1' \(Log\(\)\), at .*test_anomaly.py:\d+$",
        ):
            loss.backward()
    assert next(net.parameters()).grad is None


def test_a_nan_that_came_in() -> None:
    net = model(nn.ReLU())
    x = fg.ones(3, 2)
    x[0, 0] = float("nan")
    with detect_anomaly():
        loss = net(x).sum()
        with pytest.raises(
            RuntimeError,
            match=r"first made by linear in layer '0.first' \(Linear\(.*its operand '\w+' was nan already$",
        ):
            loss.backward()


class SafeRoot(nn.Module):
    """√x where x > 0, else 0: the value is right, the gradient 0 · ∞."""

    def forward(self, x: Any) -> Any:
        return fg.where(x > 0, fg.sqrt(x * 0), fg.zeros_like(x))


def test_a_nan_in_backward_names_the_op_and_the_layer() -> None:
    net = model(SafeRoot())
    with detect_anomaly():
        loss = net(fg.ones(3, 2)).sum()
        assert loss.item() == 0
        with pytest.raises(
            RuntimeError,
            match=r"backward of (sqrt|mul) in layer '1.second.1' \(SafeRoot\(\)\), at .*:\d+: returned nan values in its 0th output, the gradient of '\w+'$",
        ):
            loss.backward()


def test_a_nan_in_forward_that_the_loss_hides() -> None:
    x = fg.tensor([-1.0, 4.0], requires_grad=True)
    with detect_anomaly():
        y = fg.where(x > 0, fg.sqrt(x), 0.0).sum()
        assert y.item() == 2
        with pytest.raises(
            RuntimeError,
            match=r"backward of sqrt, at .*: returned nan values in its 0th output, the gradient of 'x'; in the forward pass a nan was first made by sqrt, at",
        ):
            y.backward()


def test_a_gradient_that_came_in_nan() -> None:
    x = fg.ones(2, requires_grad=True)
    with detect_anomaly():
        y = x * 2
        with pytest.raises(RuntimeError, match="backward of mul.*the gradient that came in was nan already"):
            y.backward(fg.tensor([1.0, float("nan")]))


def test_a_graph_made_before() -> None:
    x = fg.tensor([-1.0], requires_grad=True)
    y = fg.log(x).sum()
    with detect_anomaly(), pytest.raises(RuntimeError, match="is nan: made before anomaly mode was on"):
        y.backward()
    y.backward()


def test_all_is_well() -> None:
    plain, checked = model(nn.ReLU()), model(nn.ReLU())
    x = fg.randn(5, 2)
    plain(x).square().sum().backward()
    with detect_anomaly():
        checked(x).square().sum().backward()
    for a, b in zip(plain.parameters(), checked.parameters(), strict=True):
        assert a.grad.tolist() == b.grad.tolist()
    with detect_anomaly():
        (g,) = fg.autograd.grad(checked(x).square().sum(), checked[0].first.weight, create_graph=True)
        g.sum().backward()


def test_only_the_memory() -> None:
    x = fg.tensor([-1.0], requires_grad=True)
    with detect_anomaly(check_nan=False):
        fg.log(x).sum().backward()
        w = fg.ones(1)
        y = x * w
        w.numpy()[0] = 2
        with pytest.raises(RuntimeError, match="the memory of 'y' was changed after it was saved"):
            y.backward()


def test_switching() -> None:
    assert not anomaly.enabled
    set_detect_anomaly(True, check_nan=False)
    assert (anomaly.enabled, anomaly.check_nan) == (True, False)
    with set_detect_anomaly(False):
        assert not anomaly.enabled
    with detect_anomaly():
        assert (anomaly.enabled, anomaly.check_nan) == (True, True)
    assert (anomaly.enabled, anomaly.check_nan) == (True, False)
    set_detect_anomaly(False)
    assert (anomaly.enabled, anomaly.check_nan) == (False, True)
