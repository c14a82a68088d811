"""Averages of weights: the mean, the exponential one, buffers, batch norm."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import nn
from ferrograd.optim import swa_utils


def states(model, rng, n):
    """`n` times new weights for the model, as arrays; each is set in turn."""
    for _ in range(n):
        values = {k: rng.standard_normal(p.shape).astype(np.float32) for k, p in model.named_parameters()}
        with fg.no_grad():
            for k, p in model.named_parameters():
                p.copy_(fg.tensor(values[k]))
        yield values


@pytest.mark.parametrize("way", ["mean", "mean of lists", "exponential", "exponential of lists"])
def test_weights_are_averaged(way, rng):
    model = nn.Linear(3, 2)
    options = {
        "mean": {},
        "mean of lists": {"multi_avg_fn": swa_utils.get_swa_multi_avg_fn()},
        "exponential": {"avg_fn": swa_utils.get_ema_avg_fn(0.8)},
        "exponential of lists": {"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(0.8)},
    }[way]
    averaged = swa_utils.AveragedModel(model, **options)
    seen = []
    for values in states(model, rng, 5):
        averaged.update_parameters(model)
        seen.append(values["weight"])
    want = seen[0]
    for k, w in enumerate(seen[1:], 1):
        want = want + (w - want) / (k + 1) if way.startswith("mean") else 0.8 * want + 0.2 * w
    np.testing.assert_allclose(averaged.module.weight.detach().numpy(), want, rtol=1e-5, atol=1e-6)
    assert averaged.n_averaged.item() == 5
    assert sorted(averaged.state_dict()) == ["module.bias", "module.weight", "n_averaged"]
    x = fg.ones(1, 3)
    np.testing.assert_array_equal(averaged(x).detach().numpy(), averaged.module(x).detach().numpy())
    assert not np.array_equal(model.weight.detach().numpy(), want), "the model itself stays as it is"


def test_buffers_are_copied_or_averaged(rng):
    model = nn.BatchNorm1d(2)
    copied, mean = swa_utils.AveragedModel(model), swa_utils.AveragedModel(model, use_buffers=True)
    for value in (1.0, 4.0):
        model.running_mean.copy_(fg.full((2,), value))
        copied.update_parameters(model)
        mean.update_parameters(model)
    assert copied.module.running_mean.tolist() == [4.0, 4.0]
    assert mean.module.running_mean.tolist() == [2.5, 2.5]


def test_update_bn_takes_the_mean_over_the_batches(rng):
    model = nn.Sequential(nn.BatchNorm1d(2, momentum=0.3), nn.Linear(2, 1)).eval()
    batches = [rng.standard_normal((6, 2)).astype(np.float32) for _ in range(4)]
    swa_utils.update_bn([(fg.tensor(x), None) for x in batches], model)
    np.testing.assert_allclose(
        model[0].running_mean.numpy(), np.mean([x.mean(0) for x in batches], 0), rtol=1e-5, atol=1e-6
    )
    want = np.mean([x.var(0, ddof=1) for x in batches], 0)
    np.testing.assert_allclose(model[0].running_var.numpy(), want, rtol=1e-5)
    assert model[0].momentum == 0.3
    assert not model.training
    before = copy.deepcopy(model[0].state_dict())
    with pytest.raises(ZeroDivisionError):
        swa_utils.update_bn((fg.tensor(x / 0) for x in [1]), model)
    assert model[0].momentum == 0.3, "also where the loader fails"
    assert before["num_batches_tracked"].item() == 4
    swa_utils.update_bn(iter(()), nn.Linear(1, 1))


def test_wrong_options():
    model = nn.Linear(1, 1)
    with pytest.raises(AssertionError, match="only one of avg_fn and multi_avg_fn"):
        swa_utils.AveragedModel(model, avg_fn=swa_utils.get_swa_avg_fn(), multi_avg_fn=swa_utils.get_swa_multi_avg_fn())
    for make in (swa_utils.get_ema_avg_fn, swa_utils.get_ema_multi_avg_fn):
        with pytest.raises(ValueError, match="decay: expected a number from 0 to 1, got 1.5"):
            make(1.5)
    sgd = fg.optim.SGD(model.parameters())
    with pytest.raises(ValueError, match="SWALR: anneal_strategy: expected 'cos' or 'linear', got 'up'"):
        swa_utils.SWALR(sgd, 0.1, anneal_strategy="up")
    with pytest.raises(ValueError, match="anneal_epochs: expected an integer of at least 0, got -1"):
        swa_utils.SWALR(sgd, 0.1, anneal_epochs=-1)
