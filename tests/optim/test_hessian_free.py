"""HessianFree: its products, conjugate gradients, damping, and what it reaches."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import nn, optim
from ferrograd.nn import functional as F
from ferrograd.optim._conjugate_gradient import conjugate_gradient
from ferrograd.optim.hessian_free import _evaluated, _gauss_newton, _hessian, _one, pull


def small(rng, loss=F.mse_loss, classes=False):
    """The closure of a small net in float64, its parameters, and its loss as a function of the outputs."""
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3)).double()
    for p in net.parameters():
        with fg.no_grad():
            p.copy_(fg.tensor(rng.standard_normal(p.shape)))
    x = rng.standard_normal((5, 3))
    target = fg.tensor(rng.integers(0, 3, 5) if classes else rng.uniform(0.1, 0.9, (5, 3)))

    def closure():
        y = net(x)
        return loss(y, target), y

    return closure, list(net.parameters()), lambda y: loss(y, target)


def flat(arrays):
    return np.concatenate([np.asarray(a).reshape(-1) for a in arrays])


def explicit_gauss_newton(outputs, params, loss):
    """Jᵀ H_L J, J by one backward pass an output and H_L by finite differences of the loss' gradient."""
    units = np.eye(outputs.numel()).reshape(-1, *outputs.shape)
    jacobian = [
        flat(g.numpy() for g in fg.autograd.grad(outputs, params, fg.tensor(unit), retain_graph=True)) for unit in units
    ]

    def slope(y):
        y = fg.tensor(y, requires_grad=True)
        return fg.autograd.grad(loss(y), [y])[0].numpy().reshape(-1)

    y, eps = outputs.detach().numpy(), 1e-6
    hessian = [(slope(y + eps * unit) - slope(y - eps * unit)) / (2 * eps) for unit in units]
    return np.array(jacobian).T @ np.array(hessian).T @ np.array(jacobian)


@pytest.mark.parametrize("kind", ["mse", "cross_entropy", "bce"])
def test_gauss_newton_products_are_those_of_the_explicit_matrix(kind, rng):
    loss = {"mse": F.mse_loss, "cross_entropy": F.cross_entropy, "bce": F.binary_cross_entropy_with_logits}[kind]
    closure, params, of_outputs = small(rng, loss, classes=kind == "cross_entropy")
    value, outputs = _evaluated(closure)
    matrix = explicit_gauss_newton(outputs[0], params, of_outputs)
    assert np.linalg.eigvalsh((matrix + matrix.T) / 2).min() > -1e-6
    multiply = _gauss_newton(value, outputs, params)
    for _ in range(3):
        v = [rng.standard_normal(p.shape) for p in params]
        got = flat(g.numpy() for g in multiply([fg.tensor(a) for a in v]))
        np.testing.assert_allclose(got, matrix @ flat(v), rtol=1e-5, atol=1e-7)


def test_hessian_products_are_finite_differences_of_the_gradient(rng):
    closure, params, _ = small(rng)
    loss = closure()[0]
    multiply = _hessian(pull([loss], params, [_one(loss)], create_graph=True), params)
    v = [rng.standard_normal(p.shape) for p in params]
    got = multiply([fg.tensor(a) for a in v])
    before = [p.detach().numpy().copy() for p in params]

    def gradient(eps):
        with fg.no_grad():
            for p, x, d in zip(params, before, v, strict=True):
                p.copy_(fg.tensor(x + eps * d))
        return [g.numpy() for g in fg.autograd.grad(closure()[0], params)]

    for g, up, down in zip(got, gradient(1e-5), gradient(-1e-5), strict=True):
        np.testing.assert_allclose(g.numpy(), (up - down) / 2e-5, rtol=1e-5, atol=1e-7)


def test_conjugate_gradients_solve_and_stop(rng):
    a = rng.standard_normal((20, 20))
    a = a @ a.T + np.eye(20)
    b = rng.standard_normal(20)
    matrix = fg.tensor(a)
    zeros = fg.zeros(20, dtype=fg.float64)

    def product(v):
        return matrix @ v

    whole = conjugate_gradient(product, fg.tensor(b), zeros, max_iterations=100, tolerance=0.0)
    np.testing.assert_allclose(whole.iterates[-1].numpy(), np.linalg.solve(a, b), rtol=1e-6, atol=1e-8)
    for x, value in zip(whole.iterates, whole.values, strict=True):
        x = x.numpy()
        np.testing.assert_allclose(value, 0.5 * x @ a @ x - b @ x, rtol=1e-9)
    assert (np.diff(whole.values) <= 1e-12).all(), "the model never grows"
    inverse = fg.tensor(1 / np.diag(a))
    other = conjugate_gradient(product, fg.tensor(b), zeros, max_iterations=100, tolerance=0.0, inverse=inverse)
    np.testing.assert_allclose(other.iterates[-1].numpy(), np.linalg.solve(a, b), rtol=1e-6, atol=1e-8)
    # By the rule of relative progress an ill-conditioned system is left before it is solved.
    steep = np.diag(np.logspace(0, 6, 200))
    steep_matrix, right = fg.tensor(steep), fg.tensor(rng.standard_normal(200))
    early = conjugate_gradient(
        lambda v: steep_matrix @ v, right, fg.zeros(200, dtype=fg.float64), max_iterations=200, tolerance=0.05
    )
    assert 10 < early.iterations < 200
    # Negative curvature ends it at once.
    stuck = conjugate_gradient(lambda v: -v, fg.tensor(b), zeros, max_iterations=9, tolerance=0.0)
    assert stuck.iterations == 0
    assert not stuck.iterates[-1].numpy().any()


def test_a_quadratic_is_solved_in_one_step(rng):
    x, y = rng.standard_normal((30, 4)), rng.standard_normal((30, 2))
    layer = nn.Linear(4, 2).double()
    optimizer = optim.HessianFree(layer.parameters(), damping=0.0, cg_tolerance=0.0)

    def closure():
        out = layer(x)
        return F.mse_loss(out, fg.tensor(y), reduction="sum"), out

    optimizer.step(closure)
    design = np.hstack([x, np.ones((30, 1))])
    best, *_ = np.linalg.lstsq(design, y, rcond=None)
    np.testing.assert_allclose(layer.weight.detach().numpy(), best[:4].T, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(layer.bias.detach().numpy(), best[4], rtol=1e-6, atol=1e-8)
    assert optimizer.report["step_size"] == 1.0
    assert optimizer.report["rho"] == pytest.approx(1.0)


def test_weight_decay_is_part_of_the_objective(rng):
    x, y, decay = rng.standard_normal((30, 4)), rng.standard_normal((30, 1)), 3.0
    layer = nn.Linear(4, 1, bias=False).double()
    optimizer = optim.HessianFree(layer.parameters(), damping=0.0, weight_decay=decay, cg_tolerance=0.0)

    def closure():
        out = layer(x)
        return 0.5 * F.mse_loss(out, fg.tensor(y), reduction="sum"), out

    optimizer.step(closure)
    ridge = np.linalg.solve(x.T @ x + decay * np.eye(4), x.T @ y)
    np.testing.assert_allclose(layer.weight.detach().numpy(), ridge.T, rtol=1e-6, atol=1e-8)


def auto_encoder(seed):
    """A deep auto-encoder, its data (points near a curve in 12 dimensions), and its loss."""
    rng = np.random.default_rng(seed)
    t = rng.uniform(-1, 1, (64, 2))
    mix = rng.standard_normal((5, 12))
    x = np.tanh(np.stack([t[:, 0], t[:, 1], t[:, 0] * t[:, 1], t[:, 0] ** 2, np.sin(3 * t[:, 1])], 1) @ mix)
    x = fg.tensor(x.astype(np.float32))
    fg.manual_seed(seed)
    sizes = [12, 10, 6, 2, 6, 10, 12]
    layers = [m for a, b in itertools.pairwise(sizes) for m in (nn.Linear(a, b), nn.Tanh())]
    net = nn.Sequential(*layers[:-1])

    def closure():
        y = net(x)
        return F.mse_loss(y, x), y

    return net, closure


def test_a_deep_auto_encoder_gets_further_than_with_sgd():
    def products(steps, net, closure):
        optimizer = optim.HessianFree(net.parameters(), damping=0.1, cg_max_iter=40)
        work = 0
        for _ in range(steps):
            optimizer.step(closure)
            assert optimizer.report["loss_after"] <= optimizer.report["loss"] + 1e-6
            # A product costs about two gradients, a look at the loss half of one.
            work += 2 * optimizer.report["cg_iterations"] + 10
        return float(closure()[0].item()), work

    net, closure = auto_encoder(0)
    start = copy.deepcopy(net.state_dict())
    first = float(closure()[0].item())
    reached, work = products(15, net, closure)
    assert reached < 0.5 * first
    by_sgd = []
    for lr in (0.03, 0.1, 0.3, 1.0, 3.0):
        net.load_state_dict(start)
        sgd = optim.SGD(net.parameters(), lr=lr)
        for _ in range(min(work, 1500)):
            sgd.zero_grad()
            closure()[0].backward()
            sgd.step()
        by_sgd.append(float(closure()[0].item()))
    assert reached < 0.8 * np.nanmin(by_sgd), f"{reached} against {by_sgd} after {work} gradients"


def test_damping_follows_the_trust(rng):
    closure, params, _ = small(rng)
    optimizer = optim.HessianFree(params, damping=100.0)
    optimizer.step(closure)
    assert optimizer.report["rho"] > 0.75, "so short a step is as the model says"
    assert optimizer.param_groups[0]["damping"] == pytest.approx(100.0 * 2 / 3)

    # A loss that grows where the model falls: no step, and more damping.
    w = nn.Parameter(fg.tensor([1.0], dtype=fg.float64))

    def misleading():
        value = float(w.detach().numpy()[0])
        loss = (w - 0.0).square().sum()
        return (loss if value == 1.0 else loss + 100.0), w

    optimizer = optim.HessianFree([w], damping=1.0)
    optimizer.step(misleading)
    assert w.tolist() == [1.0]
    assert optimizer.report["step_size"] == 0.0
    assert optimizer.param_groups[0]["damping"] == 1.5


def test_the_hessian_alone_and_a_curvature_batch(rng):
    w = nn.Parameter(fg.tensor(rng.standard_normal(3)))
    scale = fg.tensor([1.0, 10.0, 100.0], dtype=fg.float64)
    optimizer = optim.HessianFree([w], damping=0.0, cg_tolerance=0.0)
    optimizer.step(lambda: (scale * (w - 2.0).square()).sum())
    np.testing.assert_allclose(w.detach().numpy(), 2.0, rtol=1e-9)
    closure, params, _ = small(rng)
    before = float(closure()[0].item())
    optimizer = optim.HessianFree(params, damping=0.1)
    for _ in range(3):
        optimizer.step(closure, curvature=closure)
    assert float(closure()[0].item()) < before
    optimizer.step(closure, curvature=lambda: closure()[0])


def test_a_preconditioner_changes_the_way_not_the_end(rng):
    x, y = rng.standard_normal((30, 4)) * [1, 10, 100, 0.1], rng.standard_normal((30, 1))
    found = []
    for diagonal in (None, lambda: [fg.tensor((x**2).sum(0)[None])]):
        layer = nn.Linear(4, 1, bias=False).double()
        optimizer = optim.HessianFree(
            layer.parameters(), damping=1e-9, cg_tolerance=0.0, cg_max_iter=2000, preconditioner=diagonal
        )

        def closure(layer=layer):
            out = layer(x)
            return F.mse_loss(out, fg.tensor(y), reduction="sum"), out

        optimizer.step(closure)
        found.append((layer.weight.detach().numpy(), optimizer.report["cg_iterations"]))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-4)


def test_a_run_goes_on_where_it_stopped(rng):
    closure, params, _ = small(rng)
    optimizer = optim.HessianFree(params, damping=1.0)
    for _ in range(2):
        assert optimizer.step(closure).item() > 0
    state, weights = copy.deepcopy(optimizer.state_dict()), [p.detach().numpy().copy() for p in params]
    assert list(state["state"][0]) == ["direction"]
    optimizer.step(closure)
    want = [p.detach().numpy().copy() for p in params]
    with fg.no_grad():
        for p, w in zip(params, weights, strict=True):
            p.copy_(fg.tensor(w))
    resumed = optim.HessianFree(params, damping=77.0)
    resumed.load_state_dict(state)
    resumed.step(closure)
    for p, w in zip(params, want, strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), w)


W = nn.Parameter(fg.ones(2))
ERRORS = [
    (lambda: optim.HessianFree([W], damping=-1.0), ValueError, "HessianFree: damping: invalid value -1.0"),
    (lambda: optim.HessianFree([W], cg_decay=2.0), ValueError, "cg_decay: expected a number from 0 to 1"),
    (lambda: optim.HessianFree([{"params": [W]}, {"params": []}]), ValueError, "expected one group"),
    (lambda: optim.HessianFree([W, nn.Parameter(fg.ones(1, dtype=fg.float64))]), ValueError, "expected one dtype"),
    (lambda: optim.HessianFree([W]).step(), TypeError, "closure: expected a function, got NoneType"),
    (lambda: optim.HessianFree([W]).step(lambda: W * W), ValueError, r"a loss of one element .* got shape \(2,\)"),
    (lambda: optim.HessianFree([W]).step(lambda: 3.0), ValueError, "a loss of one element .* got float"),
    (lambda: optim.HessianFree([W]).step(lambda: fg.ones(())), RuntimeError, "a loss that depends on parameters"),
    (
        lambda: optim.HessianFree([W], preconditioner=lambda: [fg.ones(3)]).step(lambda: (W * W).sum()),
        ValueError,
        r"preconditioner: expected a tensor of each parameter's shape, got shapes \[\(3,\)\]",
    ),
]


@pytest.mark.parametrize(("call", "error", "match"), ERRORS, ids=[m for _, _, m in ERRORS])
def test_wrong_options(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_an_error_in_the_closure_leaves_the_parameters(rng):
    closure, params, _ = small(rng)
    before = [p.detach().numpy().copy() for p in params]
    calls = []

    def failing():
        calls.append(1)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return closure()

    with pytest.raises(KeyboardInterrupt):
        optim.HessianFree(params).step(failing)
    for p, x in zip(params, before, strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), x)
