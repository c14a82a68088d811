"""Adaptive softmax."""

from __future__ import annotations

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import nn


def make(**options):
    fg.manual_seed(0)
    return nn.AdaptiveLogSoftmaxWithLoss(8, 10, [3, 6], div_value=2.0, **options)


def test_keys_and_shapes():
    layer = make(head_bias=True)
    assert {k: tuple(v.shape) for k, v in layer.state_dict().items()} == {
        "head.weight": (5, 8), "head.bias": (5,), "tail.0.0.weight": (4, 8), "tail.0.1.weight": (3, 4),
        "tail.1.0.weight": (2, 8), "tail.1.1.weight": (4, 2),
    }  # fmt: skip


def test_probabilities_add_up_and_agree_with_the_loss():
    layer, x = make().double(), fg.randn(10, 8, dtype=fg.float64)
    log_p = layer.log_prob(x).detach().numpy()
    np.testing.assert_allclose(np.exp(log_p).sum(1), 1.0, rtol=1e-12)
    target = np.array([9, 0, 3, 5, 6, 2, 1, 9, 4, 8])
    output, loss = layer(x, fg.tensor(target))
    np.testing.assert_allclose(output.detach().numpy(), log_p[np.arange(10), target], rtol=1e-12)
    assert loss.item() == pytest.approx(-log_p[np.arange(10), target].mean())
    assert layer.predict(x).tolist() == log_p.argmax(1).tolist()
    single = layer(x[0], fg.tensor(9))
    assert single.output.shape == ()
    assert single.loss.item() == pytest.approx(-log_p[0, 9])


def test_gradients_are_those_of_the_whole_distribution():
    layer, x = make().double(), np.random.default_rng(0).standard_normal((6, 8))
    target = fg.tensor([9, 0, 3, 5, 6, 2])
    layer(x, target).loss.backward()
    got = {name: p.grad.numpy().copy() for name, p in layer.named_parameters()}
    layer.zero_grad()
    nn.functional.nll_loss(layer.log_prob(x), target).backward()
    for name, p in layer.named_parameters():
        np.testing.assert_allclose(got[name], p.grad.numpy(), rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("cutoffs", [[], [0, 3], [3, 3], [5, 3], [3, 10], [2.5]])
def test_wrong_cutoffs(cutoffs):
    with pytest.raises(ValueError, match="cutoffs: expected rising integers between 1 and n_classes - 1"):
        nn.AdaptiveLogSoftmaxWithLoss(8, 10, cutoffs)


def test_wrong_targets():
    with pytest.raises(IndexError, match="target: expected classes from 0 to 9, got 1 to 10"):
        make()(fg.ones(2, 8), fg.tensor([1, 10]))
    with pytest.raises(ValueError, match=r"target: expected shape \(N,\) .* got \(3,\) for \(2, 8\)"):
        make()(fg.ones(2, 8), fg.tensor([1, 2, 3]))


def test_live_against_pytorch():
    torch = pytest.importorskip("torch")
    theirs, ours = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 10, [3, 6], div_value=2.0), make()
    ours.load_state_dict(theirs.state_dict())
    assert repr(ours) == repr(theirs)
    x, target = np.random.default_rng(0).standard_normal((6, 8)).astype(np.float32), np.array([9, 0, 3, 5, 6, 2])
    want, got = theirs(torch.tensor(x), torch.tensor(target)), ours(x, target)
    want.loss.backward()
    got.loss.backward()
    np.testing.assert_allclose(got.output.detach().numpy(), want.output.detach().numpy(), rtol=1e-5)
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-4, atol=1e-6, err_msg=name)
