"""Clipping of gradients, and parameters as a vector."""

from __future__ import annotations

import math

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import nn
from ferrograd.nn import utils


def parameters():
    a, b, c = (nn.Parameter(fg.ones(n)) for n in (2, 1, 3))
    a.grad, b.grad = fg.tensor([3.0, -4.0]), fg.tensor([12.0])
    return [a, b, c]


@pytest.mark.parametrize(("p", "norm"), [(2, 13.0), (1, 19.0), (math.inf, 12.0), (3, (27 + 64 + 1728) ** (1 / 3))])
def test_clip_grad_norm(p, norm):
    params = parameters()
    total = utils.clip_grad_norm_(params, 1.3, p)
    assert total.item() == pytest.approx(norm, rel=1e-6)
    scale = 1.3 / (norm + 1e-6)
    np.testing.assert_allclose(params[0].grad.numpy(), [3 * scale, -4 * scale], rtol=1e-6)
    np.testing.assert_allclose(params[1].grad.numpy(), [12 * scale], rtol=1e-6)
    assert params[2].grad is None


def test_small_gradients_stay():
    params = parameters()
    utils.clip_grad_norm_(params, 100.0)
    assert params[0].grad.tolist() == [3.0, -4.0]
    assert utils.clip_grad_norm_([params[2]], 1.0).item() == 0.0
    assert utils.clip_grad_norm_(params[1], 6.0).item() == 12.0, "one tensor in place of many"


def test_gradients_that_are_not_finite():
    params = parameters()
    params[1].grad = fg.tensor([math.inf])
    with pytest.raises(RuntimeError, match="cannot be clipped"):
        utils.clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
    assert utils.clip_grad_norm_(params, 1.0).item() == math.inf


def test_clip_grad_value():
    params = parameters()
    utils.clip_grad_value_(params, 3.5)
    assert params[0].grad.tolist() == [3.0, -3.5]
    assert params[1].grad.tolist() == [3.5]


def test_vectors():
    net = nn.Linear(3, 2)
    vector = utils.parameters_to_vector(net.parameters())
    assert vector.tolist() == [*net.weight.reshape(-1).tolist(), *net.bias.tolist()]
    assert vector.requires_grad
    (vector * vector).sum().backward()
    np.testing.assert_allclose(net.bias.grad.numpy(), 2 * net.bias.detach().numpy())
    weight = net.weight
    utils.vector_to_parameters(fg.arange(8, dtype=fg.float32), net.parameters())
    assert net.weight is weight
    assert net.weight.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert net.bias.tolist() == [6.0, 7.0]
    with pytest.raises(ValueError, match=r"vec: expected shape \(8,\), got \(7,\)"):
        utils.vector_to_parameters(fg.zeros(7), net.parameters())
    with pytest.raises(TypeError, match="vec: expected a Tensor, got list"):
        utils.vector_to_parameters([0.0], net.parameters())


def test_clipping_by_a_norm_of_ones_own_and_the_former_name():
    params = parameters()
    utils.clip_grads_with_norm_(params, 2.0, fg.tensor(4.0))
    np.testing.assert_allclose(params[1].grad.numpy(), [6.0], rtol=1e-6)
    assert utils.get_total_norm(params[1].grad, foreach=False).item() == pytest.approx(6.0, rel=1e-6)
    with pytest.warns(FutureWarning, match="clip_grad_norm is deprecated"):
        utils.clip_grad_norm(params, 1.0, foreach=True)
    with pytest.raises(ValueError, match="norm_type: expected a number other than 0"):
        utils.clip_grad_norm_(params, 1.0, 0)
