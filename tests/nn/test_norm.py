"""What a row of the layers' table cannot say of norms: statistics over several steps, wrong arguments, zero vectors."""

from __future__ import annotations

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import nn
from ferrograd.nn import functional as F


def test_momentum_none_is_the_average_of_all_batches():
    layer = nn.BatchNorm1d(2, momentum=None)
    batches = np.random.default_rng(0).standard_normal((4, 6, 2)).astype(np.float32)
    for k, batch in enumerate(batches, 1):
        layer(fg.tensor(batch))
        assert layer.num_batches_tracked.item() == k
        np.testing.assert_allclose(layer.running_mean.numpy(), batches[:k].mean((0, 1)), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(layer.running_var.numpy(), batches[:k].var(1, ddof=1).mean(0), rtol=1e-5)
    layer.reset_running_stats()
    assert layer.num_batches_tracked.item() == 0
    assert layer.running_mean.tolist() == [0.0, 0.0]
    assert layer.running_var.tolist() == [1.0, 1.0]


def test_evaluation_does_not_change_statistics_and_untracked_layers_have_none():
    layer = nn.BatchNorm1d(2).eval()
    layer(fg.ones(3, 2) * 5)
    assert layer.num_batches_tracked.item() == 0
    assert layer.running_mean.tolist() == [0.0, 0.0]
    untracked = nn.BatchNorm1d(2, track_running_stats=False)
    assert untracked.running_mean is None
    assert list(untracked.state_dict()) == ["weight", "bias"]
    x = fg.tensor([[1.0, 2.0], [3.0, 5.0]])
    assert untracked(x).tolist() == untracked.eval()(x).tolist()


def test_instance_norm_follows_the_mean_over_samples():
    layer = nn.InstanceNorm1d(2, momentum=0.5, track_running_stats=True)
    x = np.random.default_rng(1).standard_normal((3, 2, 5)).astype(np.float32)
    layer(fg.tensor(x))
    np.testing.assert_allclose(layer.running_mean.numpy(), 0.5 * x.mean((0, 2)), rtol=1e-5)
    np.testing.assert_allclose(layer.running_var.numpy(), 0.5 + 0.5 * x.var(2, ddof=1).mean(0), rtol=1e-5)
    assert layer.num_batches_tracked.item() == 0, "as in PyTorch, it is not counted"


def test_group_norm_of_one_group_is_layer_norm_and_of_all_is_instance_norm():
    x = np.random.default_rng(2).standard_normal((3, 4, 5)).astype(np.float32)
    one = F.group_norm(x, 1).numpy()
    np.testing.assert_array_equal(one, F.layer_norm(x.reshape(3, 20), (20,)).numpy().reshape(x.shape))
    np.testing.assert_array_equal(F.group_norm(x, 4).numpy(), F.instance_norm(x).numpy())


def test_rms_norm_without_eps_takes_that_of_the_dtype():
    for dtype, eps in ((np.float32, np.finfo(np.float32).eps), (np.float64, np.finfo(np.float64).eps)):
        x = np.full((1, 2), 1e-8, dtype)
        np.testing.assert_allclose(F.rms_norm(x, (2,)).numpy(), x / np.sqrt(1e-16 + eps), rtol=1e-6)


def test_normalize_of_zeros():
    x = fg.tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    y = F.normalize(x)
    assert y.tolist() == [[0.0, 0.0], [pytest.approx(0.6), pytest.approx(0.8)]]
    y.backward(fg.ones(2, 2))
    np.testing.assert_allclose(x.grad.numpy(), [[1e12, 1e12], [0.032, -0.024]], rtol=1e-5)
    place = fg.empty(1, 2)
    assert F.normalize(fg.tensor([[3.0, 4.0]]), out=place) is place
    assert place.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)]]
    assert F.normalize(fg.ones(2, 2), dim=(0, 1)).tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert F.normalize(fg.tensor([[0.0, 2.0, 2.0]]), p=0).tolist() == [[0.0, 1.0, 1.0]]


def test_a_norm_of_nothing():
    assert F.local_response_norm(fg.ones(2, 0, 3), 2).shape == (2, 0, 3)
    assert F.group_norm(fg.ones(0, 4, 3), 2).shape == (0, 4, 3)


ERRORS = [
    (lambda: nn.GroupNorm(2, 3), ValueError, r"GroupNorm: num_channels: expected a multiple of num_groups \(2\), got 3"),
    (lambda: nn.InstanceNorm2d(3)(fg.ones(2, 3)), ValueError, r"InstanceNorm2d: input: expected 3D or 4D input \(got 2D"),
    (lambda: nn.InstanceNorm2d(3, affine=True)(fg.ones(1, 4, 2, 2)), ValueError, "input: expected 3 channels, got shape"),
    (lambda: nn.InstanceNorm2d(3)(fg.ones(1, 3, 1, 1)), ValueError, "more than 1 spatial element"),
    (lambda: F.instance_norm(fg.ones(1, 3, 2), use_input_stats=False), RuntimeError, "running_mean and running_var"),
    (lambda: nn.BatchNorm1d(3)(fg.ones(2, 4)), RuntimeError, "batch_norm: "),
    (lambda: F.batch_norm(fg.ones(2, 3), None, None), RuntimeError, "running_mean and running_var in evaluation mode"),
    (lambda: nn.BatchNorm1d(3, track_running_stats=False).eval()(fg.ones(1, 3)), ValueError, "more than 1 value"),
    (lambda: nn.GroupNorm(2, 4)(np.ones((2, 4))), TypeError, "group_norm: weight: expected float64, .* got float32"),
    (lambda: nn.InstanceNorm1d(2, affine=True)(np.ones((2, 4))), TypeError, "instance_norm: weight: expected float64"),
    (lambda: nn.RMSNorm(4)(np.ones((2, 4))), TypeError, "rms_norm: weight: expected float64"),
    (lambda: F.layer_norm(fg.ones(2, 3), ()), RuntimeError, "layer_norm: "),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "match"), ERRORS, ids=[m for _, _, m in ERRORS])
def test_wrong_arguments(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_another_number_of_channels_without_affine_warns():
    with pytest.warns(UserWarning, match="InstanceNorm1d: input: expected 3 channels, got 2"):
        nn.InstanceNorm1d(3)(fg.ones(1, 2, 4))
