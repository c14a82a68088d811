"""The restricted Boltzmann machine against sums over all its states, in float64."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import models, nn, optim


def states(n):
    return np.array(list(itertools.product((0.0, 1.0), repeat=n)))


def filled(n_visible=5, n_hidden=3, scale=1.0, seed=0, **options):
    """The machine in float64, with normal parameters."""
    rng = np.random.default_rng(seed)
    rbm = models.RBM(n_visible, n_hidden, **options).double()
    for p in rbm.parameters():
        with fg.no_grad():
            p.copy_(fg.tensor(scale * rng.standard_normal(p.shape)))
    return rbm


def arrays(rbm):
    return [p.detach().numpy() for p in (rbm.weight, rbm.visible_bias, rbm.hidden_bias)]


def energies(rbm):
    """E(v, h) of all states of both kinds: (2^n_visible, 2^n_hidden)."""
    w, a, b = arrays(rbm)
    v, h = states(rbm.n_visible), states(rbm.n_hidden)
    return -(v @ a)[:, None] - h @ b - v @ w.T @ h.T


def log_likelihood(rbm, v):
    """The mean log p of the rows of v, with the sum over all states."""
    w, a, b = arrays(rbm.double())
    free = -states(rbm.n_visible) @ a - np.logaddexp(0, states(rbm.n_visible) @ w.T + b).sum(1)
    log_z = np.logaddexp.reduce(-free)
    return (v @ a + np.logaddexp(0, v @ w.T + b).sum(1) - log_z).mean()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_free_energy_is_the_sum_over_hidden_states():
    rbm = filled()
    e = energies(rbm)
    np.testing.assert_allclose(
        rbm.free_energy(states(5)).detach().numpy(), -np.logaddexp.reduce(-e, axis=1), rtol=1e-12
    )
    pairs = rbm.energy(states(5)[:, None, :] + np.zeros((1, 8, 1)), states(3)[None] + np.zeros((32, 1, 1)))
    np.testing.assert_allclose(pairs.detach().numpy(), e, rtol=1e-12, atol=1e-12)
    assert rbm.free_energy(states(5)[3]).shape == ()


def test_conditional_probabilities_are_those_of_the_energies():
    rbm = filled()
    p = np.exp(-energies(rbm))
    given_v = (p / p.sum(1, keepdims=True)) @ states(3)
    given_h = (p / p.sum(0)).T @ states(5)
    np.testing.assert_allclose(rbm.hidden(states(5)).detach().numpy(), given_v, rtol=1e-10)
    np.testing.assert_allclose(rbm(states(5)).detach().numpy(), given_v, rtol=1e-10)
    np.testing.assert_allclose(rbm.visible(states(3)).detach().numpy(), given_h, rtol=1e-10)
    w, a, _ = arrays(rbm)
    np.testing.assert_allclose(rbm.reconstruct(states(5)).detach().numpy(), sigmoid(given_v @ w + a), rtol=1e-10)


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("k", [1, 3])
def test_the_gradient_is_that_of_contrastive_divergence(persistent, k, rng):
    fg.manual_seed(0)
    rbm = filled(k=k, persistent=persistent, chains=7)
    v = rng.integers(0, 2, (9, 5)).astype(float)
    start = v if not persistent else rbm.chain.numpy().copy()
    drawn = rbm.gibbs(start, k, generator=fg.Generator().manual_seed(3)).numpy()
    assert set(np.unique(drawn)) <= {0.0, 1.0}
    assert drawn.shape == start.shape
    gap = rbm.contrastive_divergence(v, generator=fg.Generator().manual_seed(3))
    gap.backward()
    w, a, b = arrays(rbm)
    positive, negative = sigmoid(v @ w.T + b), sigmoid(drawn @ w.T + b)
    want = [
        negative.T @ drawn / len(drawn) - positive.T @ v / len(v),
        drawn.mean(0) - v.mean(0),
        negative.mean(0) - positive.mean(0),
    ]
    for p, g in zip((rbm.weight, rbm.visible_bias, rbm.hidden_bias), want, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), g, rtol=1e-10, atol=1e-14)

    def free(x):
        return (-x @ a - np.logaddexp(0, x @ w.T + b).sum(1)).mean()

    assert gap.item() == pytest.approx(free(v) - free(drawn), rel=1e-10)
    if persistent:
        np.testing.assert_array_equal(rbm.chain.numpy(), drawn)


def test_chains_arrive_at_the_distribution():
    rbm = filled(3, 2, seed=1)
    p = np.exp(-energies(rbm)).sum(1)
    p /= p.sum()
    assert p.min() < 0.05 < 0.3 < p.max()
    v = rbm.sample(4000, steps=40, generator=fg.Generator().manual_seed(0)).numpy()
    found = np.bincount((v @ [4, 2, 1]).astype(int), minlength=8) / 4000
    assert (np.abs(found - p) < 5 * np.sqrt(p * (1 - p) / 4000)).all()


@pytest.mark.parametrize("persistent", [False, True])
def test_learning_raises_the_likelihood_of_the_data(persistent):
    """Bars of two by three: six units, three patterns."""
    fg.manual_seed(0)
    v = np.repeat([[1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1]], 20, axis=0).astype(np.float32)
    rbm = models.RBM(6, 6, persistent=persistent, chains=30)
    optimizer = optim.SGD(rbm.parameters(), lr=0.1, momentum=0.5)
    before = log_likelihood(rbm, v)
    assert before == pytest.approx(-6 * np.log(2), abs=0.05)
    rbm.float()
    errors = [rbm.fit_step(v, optimizer) for _ in range(600)]
    # No machine does better than log(1/3).
    assert -np.log(3) >= log_likelihood(rbm, v) > -2.0
    assert errors[-1] < 0.2 * errors[0]


def test_a_step_is_the_optimizers_and_tells_the_error_before_it(rng):
    rbm = filled()
    v = rng.integers(0, 2, (9, 5)).astype(float)
    want = ((rbm.reconstruct(v).detach().numpy() - v) ** 2).sum(1).mean()
    twin = filled()
    twin.contrastive_divergence(v, 2, fg.Generator().manual_seed(1)).backward()
    error = rbm.fit_step(v, optim.SGD(rbm.parameters(), lr=0.5), 2, fg.Generator().manual_seed(1))
    assert error == pytest.approx(want, rel=1e-10)
    for p, q in zip(rbm.parameters(), twin.parameters(), strict=True):
        np.testing.assert_allclose(p.detach().numpy(), (q - 0.5 * q.grad).detach().numpy(), rtol=1e-12)


def test_real_visible_units_are_normal_given_the_hidden(rng):
    rbm = filled(2, 3, visible="gaussian")
    w, a, b = arrays(rbm)
    v = rng.standard_normal((4, 2))
    per_state = 0.5 * ((v - a) ** 2).sum(1)[:, None] - states(3) @ b - v @ w.T @ states(3).T
    np.testing.assert_allclose(
        rbm.free_energy(v).detach().numpy(), -np.logaddexp.reduce(-per_state, axis=1), rtol=1e-12
    )
    # A mixture of normals, one for each hidden state: its mean by weights exp(b·h + a·Wᵀh + ½‖Wᵀh‖²).
    shift = states(3) @ w
    weight = np.exp(states(3) @ b + shift @ a + 0.5 * (shift**2).sum(1))
    mean = (weight / weight.sum()) @ (a + shift)
    drawn = rbm.sample(4000, steps=40, generator=fg.Generator().manual_seed(0)).numpy()
    assert (np.abs(drawn.mean(0) - mean) < 5 * drawn.std(0) / np.sqrt(4000)).all()
    np.testing.assert_allclose(rbm.visible(states(3)).detach().numpy(), a + shift, rtol=1e-12)


def test_the_seed_decides_and_the_chains_are_saved():
    def trained():
        fg.manual_seed(4)
        rbm = models.RBM(6, 4, persistent=True, chains=5)
        optimizer = optim.SGD(rbm.parameters(), lr=0.1)
        for _ in range(3):
            rbm.fit_step(np.ones((4, 6), np.float32), optimizer)
        return rbm

    one, again = trained(), trained()
    assert list(one.state_dict()) == ["weight", "visible_bias", "hidden_bias", "chain"]
    assert list(models.RBM(6, 4).state_dict()) == ["weight", "visible_bias", "hidden_bias"]
    other = models.RBM(6, 4, persistent=True, chains=5)
    other.load_state_dict(one.state_dict())
    for rbm in (again, other):
        for key, value in one.state_dict().items():
            np.testing.assert_array_equal(rbm.state_dict()[key].numpy(), value.numpy())
    a, b, c = (rbm.sample(7, 3, fg.Generator().manual_seed(s)).numpy() for rbm, s in ((one, 0), (other, 0), (one, 1)))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()
    assert a.shape == (7, 6)


def test_a_machine_becomes_a_layer_of_a_network(rng):
    rbm = filled()
    network = nn.Sequential(rbm.to_linear(), nn.Sigmoid())
    v = rng.random((4, 5))
    np.testing.assert_allclose(network(v).detach().numpy(), rbm.hidden(v).detach().numpy(), rtol=1e-12)
    with fg.no_grad():
        network[0].weight.fill_(0.0)
    assert (rbm.weight.detach().numpy() != 0).all()


def test_starting_values_and_repr():
    rbm = models.RBM()
    w, a, b = arrays(rbm)
    assert w.shape == (128, 784)
    assert abs(w.std() / 0.01 - 1) < 0.02
    assert not a.any()
    assert not b.any()
    assert repr(rbm) == "RBM(784, 128)"
    text = "RBM(3, 2, k=5, persistent=True, chains=9, visible='gaussian')"
    assert repr(models.RBM(3, 2, k=5, persistent=True, chains=9, visible="gaussian")) == text


SMALL = models.RBM(3, 2)
ERRORS = [
    (lambda: models.RBM(0, 2), ValueError, "RBM: n_visible: expected a number of at least 1, got 0"),
    (lambda: models.RBM(3, 2.0), TypeError, "RBM: n_hidden: expected an int, got float"),
    (lambda: models.RBM(3, 2, k=True), TypeError, "RBM: k: expected an int, got bool"),
    (lambda: models.RBM(3, 2, visible="relu"), ValueError, "visible: expected 'binary' or 'gaussian', got 'relu'"),
    (lambda: SMALL(fg.ones(4, 2)), fg.ShapeError, r"v: expected 3 units in the last dimension, got shape \(4, 2\)"),
    (lambda: SMALL.visible(fg.ones(4, 3)), fg.ShapeError, r"h: expected 2 units in the last dimension, got shape \(4, 3\)"),
    (lambda: SMALL.energy(fg.ones(4, 3), fg.ones(4, 3)), fg.ShapeError, "h: expected 2 units"),
    (lambda: SMALL.free_energy(fg.tensor(1.0)), fg.ShapeError, r"expected 3 units in the last dimension, got shape \(\)"),
    (lambda: SMALL.gibbs(fg.ones(4, 3), 0), ValueError, "gibbs: steps: expected a number of at least 1, got 0"),
    (lambda: SMALL.sample(0), ValueError, "sample: n: expected a number of at least 1, got 0"),
    (lambda: SMALL.contrastive_divergence(fg.ones(4, 3), k=-1), ValueError, "steps: expected a number of at least 1"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "match"), ERRORS, ids=[m for _, _, m in ERRORS])
def test_wrong_arguments(call, error, match):
    with pytest.raises(error, match=match):
        call()
