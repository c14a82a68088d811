"""Every loss against PyTorch's golden arrays."""

from __future__ import annotations

import numpy as np
import pytest
from golden import golden, under
from golden.cases import LOSSES

import ferrograd as fg
from ferrograd import nn
from ferrograd.nn import functional as F

from .test_layers import close


@pytest.mark.parametrize("case", LOSSES.values(), ids=LOSSES)
def test_against_pytorch(case):
    arrays = golden("losses")[case.id]
    weights = {k: fg.tensor(v) for k, v in under(arrays, "weight").items()}
    loss = getattr(nn, case.name)(**weights, **case.kwargs)
    x = fg.tensor(arrays["in"], requires_grad=True)
    y = loss(x, fg.tensor(arrays["target"]))
    close(y, arrays["out"], "loss")
    y.backward(fg.tensor(arrays["g"]))
    close(x.grad, arrays["grad_in"], "gradient")


@pytest.mark.parametrize("case", LOSSES.values(), ids=LOSSES)
def test_ndarrays_go_in(case):
    arrays = golden("losses")[case.id]
    weights = {k: fg.tensor(v) for k, v in under(arrays, "weight").items()}
    close(getattr(nn, case.name)(**weights, **case.kwargs)(arrays["in"], arrays["target"]), arrays["out"], "loss")


def test_weights_are_buffers():
    loss = nn.CrossEntropyLoss(weight=fg.ones(3))
    assert list(loss.state_dict()) == ["weight"]
    assert loss.double().weight.dtype == fg.float64
    assert list(nn.NLLLoss().state_dict()) == []


def test_extreme_logits():
    x = fg.tensor([1e4, -1e4, 0.0], requires_grad=True)
    y = F.binary_cross_entropy_with_logits(x, fg.tensor([0.0, 0.0, 1.0]), reduction="none")
    assert y.tolist() == [1e4, 0.0, pytest.approx(np.log(2))]
    y.backward(fg.ones(3))
    assert x.grad.tolist() == [1.0, 0.0, -0.5]


def test_bce_at_the_ends():
    x = fg.tensor([0.0, 1.0], requires_grad=True)
    assert F.binary_cross_entropy(x, fg.tensor([1.0, 0.0]), reduction="none").tolist() == [100.0, 100.0]


def test_an_ignored_infinity_does_not_count():
    x = fg.tensor([[-np.inf, 0.0], [0.0, -np.inf]])
    assert F.nll_loss(x, fg.tensor([0, 0]), ignore_index=0, reduction="sum").item() == 0.0


def test_wrong_arguments():
    x = fg.ones(2, 3)
    with pytest.warns(UserWarning, match=r"mse_loss: target: expected the shape of the input, \(2, 3\), got \(3,\)"):
        F.mse_loss(x, fg.ones(3))
    with pytest.raises(ValueError, match="binary_cross_entropy: target: expected the shape of the input"):
        F.binary_cross_entropy(x * 0.5, fg.ones(3))
    with pytest.raises(RuntimeError, match=r"expected all elements between 0 and 1, got 2.0 to 2.0"):
        F.binary_cross_entropy(x * 2.0, x)
    with pytest.raises(ValueError, match="binary_cross_entropy_with_logits: target"):
        F.binary_cross_entropy_with_logits(x, fg.ones(3))
    with pytest.raises(ValueError, match=r"nll_loss: target: expected shape \(2,\) .* got \(3,\)"):
        F.nll_loss(x, fg.tensor([0, 1, 2]))
    with pytest.raises(IndexError, match="3"):
        F.nll_loss(x, fg.tensor([0, 3]))
    with pytest.raises(IndexError, match="3"):
        F.cross_entropy(x, fg.tensor([0, 3]))
    with pytest.raises(ValueError, match="class indices are integers"):
        F.cross_entropy(x, fg.ones(2))
    with pytest.raises(ValueError, match="label_smoothing: expected a number between 0 and 1, got 2"):
        F.cross_entropy(x, fg.tensor([0, 1]), label_smoothing=2)
    with pytest.raises(ValueError, match="reduction: expected 'mean', 'sum' or 'none', got 'all'"):
        F.l1_loss(x, x, reduction="all")
    with pytest.raises(ValueError, match="delta: expected a number above 0, got 0"):
        F.huber_loss(x, x, delta=0)
    with pytest.raises(ValueError, match="beta: expected a number of at least 0, got -1"):
        F.smooth_l1_loss(x, x, beta=-1)
