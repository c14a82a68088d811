"""Every formula of the lecture's slides on differentiation and learning, derived by hand in NumPy.

Where a slide has a misprint the right formula is proved, and the slide's is shown to give another number. Second
derivatives are those of the formula, by hand as well.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import nn
from ferrograd.nn import functional as F

Array = Any


def leaf(x: Any) -> fg.Tensor:
    return fg.tensor(np.asarray(x, dtype=np.float64), requires_grad=True)


def close(found: Any, expected: Any, rtol: float = 1e-12, atol: float = 1e-13) -> None:
    np.testing.assert_allclose(
        found.detach().numpy() if isinstance(found, fg.Tensor) else found, expected, rtol=rtol, atol=atol
    )


def gradient(y: Any, x: Any, e: Any = None) -> Any:
    """∂Q/∂x, for the error signal e = ∂Q/∂y."""
    return fg.autograd.grad(y, x, None if e is None else fg.tensor(e), create_graph=True)[0]


def sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


def softmax(a: Array, axis: int = -1) -> Array:
    exp = np.exp(a - a.max(axis, keepdims=True))
    return exp / exp.sum(axis, keepdims=True)


def delta(k: int, n: int) -> Array:
    """δ(k − l) for l = 0 … n − 1."""
    return np.eye(n)[k]


# -- a fully connected linear layer: a = Wz + b ------------------------------------------------------------------------


def test_linear_layer(rng: np.random.Generator) -> None:
    """∂Q/∂z = Wᵀe, ∂Q/∂b = e; ∂Q/∂W = e zᵀ, where the slide has zᵀe, which is a number."""
    w, z, b, e = rng.standard_normal((3, 4)), rng.standard_normal(4), rng.standard_normal(3), rng.standard_normal(3)
    tw, tz, tb = leaf(w), leaf(z), leaf(b)
    a = F.linear(tz, tw, tb)
    close(a, w @ z + b)
    close(gradient(a, tz, e), w.T @ e)
    close(gradient(a, tw, e), np.outer(e, z))
    close(gradient(a, tb, e), e)
    # Second order: ∂Q/∂z is linear in W and e, and does not depend on z.
    u = rng.standard_normal(4)
    te = leaf(e)
    (gz,) = fg.autograd.grad(a, tz, te, create_graph=True)
    close(gradient(gz, tw, u), np.outer(e, u))
    close(gradient(gz, te, u), w @ u)
    assert fg.autograd.grad(gz, tz, fg.tensor(u), allow_unused=True, materialize_grads=True)[0].tolist() == [0] * 4


def test_linear_layer_over_a_mini_batch(rng: np.random.Generator) -> None:
    """The gradients of the samples are added up: ∂Q/∂W = Σ e_i z_iᵀ."""
    w, z, e = rng.standard_normal((3, 4)), rng.standard_normal((5, 4)), rng.standard_normal((5, 3))
    tw, tz, tb = leaf(w), leaf(z), leaf(np.zeros(3))
    a = F.linear(tz, tw, tb)
    close(gradient(a, tw, e), sum(np.outer(e[i], z[i]) for i in range(5)))
    close(gradient(a, tb, e), e.sum(0))
    close(gradient(a, tz, e), np.stack([w.T @ e[i] for i in range(5)]))


# -- activations ------------------------------------------------------------------------------------------------------


def test_sigmoid_layer(rng: np.random.Generator) -> None:
    """∂Q/∂a = z ⊙ (1 − z) ⊙ e with z = l(a); the slide's l(z)(1 − l(z)) applies l twice."""
    a, e, u = rng.standard_normal(7), rng.standard_normal(7), rng.standard_normal(7)
    ta = leaf(a)
    z = sigmoid(a)
    g = gradient(fg.sigmoid(ta), ta, e)
    close(g, z * (1 - z) * e)
    slide = sigmoid(z) * (1 - sigmoid(z)) * e
    assert np.abs(slide - g.detach().numpy()).min() > 1e-4
    # l″ = l(1 − l)(1 − 2l)
    close(gradient(g, ta, u), z * (1 - z) * (1 - 2 * z) * e * u)


def test_relu_layer() -> None:
    """∂Q/∂x = H(x) ⊙ e with H(x) = 1 where x > 0, else 0; at 0 it is 0."""
    x, e = np.array([-2.0, -0.0, 0.0, 1e-300, 3.0]), np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    tx = leaf(x)
    g = gradient(fg.relu(tx), tx, e)
    close(g, np.where(x > 0, 1.0, 0.0) * e)
    second = fg.autograd.grad(g.sum(), tx, allow_unused=True, materialize_grads=True)[0]
    assert second.tolist() == [0] * 5


def test_tanh_layer(rng: np.random.Generator) -> None:
    """tanh(a) = 2l(2a) − 1, so its slope is 1 − tanh²."""
    a, e = rng.standard_normal(6), rng.standard_normal(6)
    ta = leaf(a)
    y = fg.tanh(ta)
    close(y, 2 * sigmoid(2 * a) - 1)
    g = gradient(y, ta, e)
    close(g, (1 - np.tanh(a) ** 2) * e)
    close(gradient(g, ta, np.ones(6)), -2 * np.tanh(a) * (1 - np.tanh(a) ** 2) * e)


def test_softmax_layer(rng: np.random.Generator) -> None:
    """∂Q/∂a = J e with J_ij = y_i(1 − y_i) on the diagonal and −y_i y_j off it; the slide lacks the sign."""
    a, e = rng.standard_normal(5), rng.standard_normal(5)
    ta = leaf(a)
    y = softmax(a)
    jacobian = np.diag(y) - np.outer(y, y)
    g = gradient(fg.softmax(ta, 0), ta, e)
    close(g, jacobian @ e)
    close(fg.func.jacrev(lambda a: fg.softmax(a, 0))(ta.detach()), jacobian)
    close(fg.func.jacfwd(lambda a: fg.softmax(a, 0))(ta.detach()), jacobian)
    assert np.abs(jacobian.sum(0)).max() < 1e-15  # the outputs always sum to 1
    slide = np.diag(y * (1 - y)) + np.outer(y, y) * (1 - np.eye(5))
    assert np.abs(slide @ e - jacobian @ e).max() > 1e-2
    # The derivative of J e: ∂/∂a_k Σ_j J_ij e_j = J_ik (e_i − yᵀe) − y_i (J e)_k
    second = jacobian * (e - y @ e)[:, None] - np.outer(y, jacobian @ e)
    close(fg.func.jacrev(fg.func.grad(lambda a: (fg.softmax(a, 0) * fg.tensor(e)).sum()))(ta.detach()), second)


# -- the multi-layer network of the slides: sigmoid layers, softmax, cross-entropy -------------------------------------


def test_error_of_the_softmax_layer(rng: np.random.Generator) -> None:
    """Q = −ln y_l gives e_k = y_k − δ(k − l); and the Hessian of Q is the Jacobian of the softmax."""
    a, label = rng.standard_normal(6), 2
    y = softmax(a)
    ta = leaf(a)
    for q in (-fg.log(fg.softmax(ta, 0)[label]), F.cross_entropy(ta, fg.tensor(label))):
        close(q, -math.log(y[label]))
        close(gradient(q, ta), y - delta(label, 6))
    found = fg.func.hessian(lambda a: F.cross_entropy(a, fg.tensor(label)))(ta.detach())
    close(found, np.diag(y) - np.outer(y, y))


def test_error_backpropagation_through_the_network(rng: np.random.Generator) -> None:
    """e⁽ˡ⁾ = z(1 − z) Σ_i e_i⁽ˡ⁺¹⁾ W_ik⁽ˡ⁺¹⁾ and ∂Q/∂W_ik⁽ˡ⁺¹⁾ = e_i⁽ˡ⁺¹⁾ z_k⁽ˡ⁾, layer by layer."""
    sizes, label = [4, 6, 5, 3], 1
    x = rng.standard_normal(sizes[0])
    weights = [rng.standard_normal((m, n)) for n, m in pairwise(sizes)]
    biases = [rng.standard_normal(m) for m in sizes[1:]]

    z = [x]
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        z.append(sigmoid(w @ z[-1] + b))
    y = softmax(weights[-1] @ z[-1] + biases[-1])
    errors = [y - delta(label, sizes[-1])]
    for layer in range(len(weights) - 1, 0, -1):
        following = errors[0]
        error = np.array(
            [z[layer][k] * (1 - z[layer][k]) * sum(following[i] * weights[layer][i, k] for i in range(len(following)))
             for k in range(sizes[layer])]
        )  # fmt: skip
        errors.insert(0, error)

    layers: list[nn.Module] = []
    for w, b in zip(weights, biases, strict=True):
        linear = nn.Linear(w.shape[1], w.shape[0]).double()
        linear.load_state_dict({"weight": fg.tensor(w), "bias": fg.tensor(b)})
        layers += [linear, nn.Sigmoid()]
    network = nn.Sequential(*layers[:-1])
    q = F.cross_entropy(network(fg.tensor(x)), fg.tensor(label))
    close(q, -math.log(y[label]))
    q.backward()
    for layer, error in enumerate(errors):
        close(network[2 * layer].weight.grad, np.outer(error, z[layer]))
        close(network[2 * layer].bias.grad, error)


def test_the_chain_rule_adds_up_the_uses(rng: np.random.Generator) -> None:
    """Q depends on x by way of u and of v: dQ/dx = ∂Q/∂u · u′ + ∂Q/∂v · v′."""
    x = rng.standard_normal(4)
    tx = leaf(x)
    u, v = fg.sin(tx), tx**2
    close(gradient((u * v).sum(), tx), x**2 * np.cos(x) + np.sin(x) * 2 * x)


# -- convolution: y = x * w -------------------------------------------------------------------------------------------


def test_convolution_layer_1d(rng: np.random.Generator) -> None:
    """y_i = Σ_m w_m x_{i+m} with n = d − f + 1 outputs; ∂Q/∂w_m = Σ_i e_i x_{i+m}, ∂Q/∂x_j = Σ_m w_m e_{j−m}."""
    d, f = 9, 3
    n = d - f + 1
    x, w, e = rng.standard_normal(d), rng.standard_normal(f), rng.standard_normal(n)
    tx, tw = leaf(x), leaf(w)
    y = F.conv1d(tx.reshape(1, 1, d), tw.reshape(1, 1, f)).reshape(n)
    close(y, [sum(w[m] * x[i + m] for m in range(f)) for i in range(n)])
    gw = gradient(y, tw, e)
    close(gw, [sum(e[i] * x[i + m] for i in range(n)) for m in range(f)])
    gx = gradient(y, tx, e)
    close(gx, [sum(w[m] * e[j - m] for m in range(f) if 0 <= j - m < n) for j in range(d)])
    # y is linear in each: the derivative of ∂Q/∂w by x is that of Σ u_m e_i x_{i+m}.
    u = rng.standard_normal(f)
    close(gradient(gw, tx, u), [sum(u[m] * e[j - m] for m in range(f) if 0 <= j - m < n) for j in range(d)])


def test_convolution_layer_2d(rng: np.random.Generator) -> None:
    """Several plies in, k kernels out, stride s and zero padding p: the error goes where each product came from."""
    plies, kernels, d, f, s, p = 2, 3, 6, 3, 2, 1
    x, w = rng.standard_normal((plies, d, d)), rng.standard_normal((kernels, plies, f, f))
    n = (d + 2 * p - f) // s + 1
    e = rng.standard_normal((kernels, n, n))
    padded = np.pad(x, ((0, 0), (p, p), (p, p)))
    y, gw, gx = np.zeros((kernels, n, n)), np.zeros_like(w), np.zeros_like(padded)
    for k in range(kernels):
        for i in range(n):
            for j in range(n):
                window = np.s_[:, i * s : i * s + f, j * s : j * s + f]
                y[k, i, j] = (w[k] * padded[window]).sum()
                gw[k] += e[k, i, j] * padded[window]
                gx[window] += e[k, i, j] * w[k]
    tx, tw, tb = leaf(x), leaf(w), leaf(np.zeros(kernels))
    found = F.conv2d(tx.reshape(1, plies, d, d), tw, tb, stride=s, padding=p).reshape(kernels, n, n)
    close(found, y)
    close(gradient(found, tw, e), gw)
    close(gradient(found, tx, e), gx[:, p:-p, p:-p])
    close(gradient(found, tb, e), e.sum((1, 2)))


def test_the_size_of_a_convolution() -> None:
    """A valid 2-D convolution of a d × d input by k kernels of f × f has (d − f + 1)² · k outputs."""
    assert F.conv2d(fg.zeros(1, 3, 28, 28), fg.zeros(8, 3, 5, 5)).shape == (1, 8, 24, 24)


# -- pooling and delay ------------------------------------------------------------------------------------------------


def test_max_pooling_layer(rng: np.random.Generator) -> None:
    """y = max over m × m; the error of a window goes to the element that was its maximum, 0 to the others."""
    m, n = 2, 3
    x, e = rng.permutation(np.arange(36.0)).reshape(6, 6), rng.standard_normal((n, n))
    expected, y = np.zeros((6, 6)), np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            window = x[i * m : i * m + m, j * m : j * m + m]
            y[i, j] = window.max()
            r, c = np.unravel_index(window.argmax(), window.shape)
            expected[i * m + r, j * m + c] = e[i, j]
    tx = leaf(x)
    found = F.max_pool2d(tx.reshape(1, 1, 6, 6), m).reshape(n, n)
    close(found, y)
    close(gradient(found, tx, e), expected)
    # Piecewise linear: the gradient is linear in e, and does not depend on x.
    te = leaf(e)
    (g,) = fg.autograd.grad(found, tx, te, create_graph=True)
    u = rng.standard_normal((6, 6))
    close(gradient(g, te, u), [[u[expected == e[i, j]].item() for j in range(n)] for i in range(n)])


def test_time_delayed_layer(rng: np.random.Generator) -> None:
    """y_t = x_{t−k}, 0 before the start; the gradient is the advance: ∂Q/∂x_t = e_{t+k}."""
    time, features = 7, 3
    x, e = rng.standard_normal((time, features)), rng.standard_normal((time, features))
    for k in (1, 3):
        tx = leaf(x)
        for y in (nn.TimeDelay(k)(tx), fg.cat([fg.zeros(k, features, dtype=fg.float64), tx[:-k]])):
            close(y, np.vstack([np.zeros((k, features)), x[:-k]]))
            close(gradient(y, tx, e), np.vstack([e[k:], np.zeros((k, features))]))


# -- attention --------------------------------------------------------------------------------------------------------


def test_attention_layer(rng: np.random.Generator) -> None:
    """C = V softmax(g(Q, K)) with columns as vectors and g = KᵀQ, without a scale.

    With P = softmax(KᵀQ), column by column, and E = ∂Q/∂C: ∂/∂V = E Pᵀ; S = ∂/∂(KᵀQ) has the columns J_t Vᵀe_t;
    ∂/∂Q = K S and ∂/∂K = Q Sᵀ.
    """
    d, n, t, dv = 4, 5, 3, 2
    q, k, v = rng.standard_normal((d, t)), rng.standard_normal((d, n)), rng.standard_normal((dv, n))
    e = rng.standard_normal((dv, t))
    p = softmax(k.T @ q, axis=0)
    s = np.stack([(np.diag(p[:, c]) - np.outer(p[:, c], p[:, c])) @ v.T @ e[:, c] for c in range(t)], axis=1)
    tq, tk, tv = leaf(q), leaf(k), leaf(v)
    by_formula = tv @ fg.softmax(tk.T @ tq, 0)
    fused = F.scaled_dot_product_attention(tq.T[None], tk.T[None], tv.T[None], scale=1.0)[0].T
    for c in (by_formula, fused):
        close(c, v @ p)
        close(gradient(c, tv, e), e @ p.T)
        close(gradient(c, tq, e), k @ s)
        close(gradient(c, tk, e), q @ s.T)
    # Second order of the fused op agrees with that of the formula.
    u = rng.standard_normal((d, t))
    for x in (tq, tk, tv):
        close(
            gradient(gradient(fused, tq, e), x, u),
            gradient(gradient(by_formula, tq, e), x, u).detach().numpy(),
            atol=1e-12,
        )


def test_self_attention(rng: np.random.Generator) -> None:
    """Z = softmax(XA (XB)ᵀ) XC, with rows as vectors and the softmax over each row."""
    x = rng.standard_normal((5, 4))
    a, b, c = (rng.standard_normal((4, 3)) for _ in range(3))
    expected = softmax((x @ a) @ (x @ b).T) @ (x @ c)
    tx = leaf(x)
    found = F.scaled_dot_product_attention(*((tx @ fg.tensor(m))[None] for m in (a, b, c)), scale=1.0)[0]
    close(found, expected)


# -- errors -----------------------------------------------------------------------------------------------------------


def test_mean_square_error(rng: np.random.Generator) -> None:
    """Q = Σ (y − t)², a sum on the slide: ∂Q/∂y = 2(y − t), and the Hessian is 2I."""
    y, t = rng.standard_normal((3, 2)), rng.standard_normal((3, 2))
    ty = leaf(y)
    q = F.mse_loss(ty, fg.tensor(t), reduction="sum")
    close(q, ((y - t) ** 2).sum())
    close(gradient(q, ty), 2 * (y - t))
    close(gradient(F.mse_loss(ty, fg.tensor(t)), ty), 2 * (y - t) / 6)
    h = fg.func.hessian(lambda y: F.mse_loss(y, fg.tensor(t[0]), reduction="sum"))(fg.tensor(y[0]))
    close(h, 2 * np.eye(2))


def test_cross_entropy_is_the_kl_divergence_but_for_a_constant(rng: np.random.Generator) -> None:
    """−Σ t ln y = KL(t ‖ y) + H(t): both have the gradient y − t by the softmax's input."""
    a, t = rng.standard_normal(4), softmax(rng.standard_normal(4))
    ta = leaf(a)
    entropy = -(t * np.log(t)).sum()
    cross = -(fg.tensor(t) * fg.log_softmax(ta, 0)).sum()
    kl = F.kl_div(fg.log_softmax(ta, 0), fg.tensor(t), reduction="sum")
    close(cross - kl, entropy)
    close(gradient(cross, ta), softmax(a) - t)
    close(gradient(kl, ta), softmax(a) - t)


# -- updates ----------------------------------------------------------------------------------------------------------


def steps(optimizer: Any, w: Any, gradients: Array) -> Array:
    """The values of w after each step with these gradients."""
    path = []
    for g in gradients:
        w.grad = fg.tensor(g)
        optimizer.step()
        path.append(w.detach().numpy().copy())
    return np.array(path)


def test_update_of_stochastic_gradient_descent(rng: np.random.Generator) -> None:
    """W ← W − ε ∂Q/∂W."""
    w, gradients, lr = rng.standard_normal(5), rng.standard_normal((10, 5)), 0.1
    tw = leaf(w)
    found = steps(fg.optim.SGD([tw], lr=lr), tw, gradients)
    close(found, w - lr * np.cumsum(gradients, axis=0))


def test_update_with_momentum(rng: np.random.Generator) -> None:
    """ΔW ← ∂Q/∂W + η ΔW, W ← W − ε ΔW."""
    w, gradients, lr, eta = rng.standard_normal(5), rng.standard_normal((10, 5)), 0.1, 0.9
    tw = leaf(w)
    found = steps(fg.optim.SGD([tw], lr=lr, momentum=eta), tw, gradients)
    velocity, expected = np.zeros(5), []
    for g in gradients:
        velocity = g + eta * velocity
        w = w - lr * velocity
        expected.append(w)
    close(found, expected)


def test_update_with_weight_decay(rng: np.random.Generator) -> None:
    """W ← W − ε ∂Q/∂W − λW: the slide's λ is not scaled by the learning rate, so it is lr · weight_decay."""
    w, gradients, lr, decay = rng.standard_normal(5), rng.standard_normal((10, 5)), 0.1, 0.3
    slides_lambda = lr * decay
    tw = leaf(w)
    found = steps(fg.optim.SGD([tw], lr=lr, weight_decay=decay), tw, gradients)
    expected = []
    for g in gradients:
        w = w - lr * g - slides_lambda * w
        expected.append(w)
    close(found, expected)


def test_weight_decay_is_the_penalty_of_the_squared_norm(rng: np.random.Generator) -> None:
    """The gradient of weight_decay/2 · ‖W‖² is weight_decay · W: the norm has to be squared, which the slide's is not."""
    w = rng.standard_normal(5)
    lr, decay = 0.1, 0.3
    by_decay, by_penalty = leaf(w), leaf(w)
    by_decay.grad = fg.zeros(5, dtype=fg.float64)
    (decay / 2 * (by_penalty**2).sum()).backward()
    for p, settings in ((by_decay, {"weight_decay": decay}), (by_penalty, {})):
        fg.optim.SGD([p], lr=lr, **settings).step()
    close(by_decay, by_penalty.detach().numpy())
    by_norm = leaf(w)
    g = gradient(fg.sqrt((by_norm**2).sum()), by_norm)
    close(g, w / np.linalg.norm(w))


def test_uniform_initialization_after_glorot_and_bengio() -> None:
    """W ~ U[−√6/√(n_j + n_{j+1}), √6/√(n_j + n_{j+1})], so its variance is 2/(n_j + n_{j+1})."""
    fg.manual_seed(0)
    w = nn.init.xavier_uniform_(fg.empty(300, 200)).numpy()
    bound = math.sqrt(6) / math.sqrt(300 + 200)
    assert 0.999 * bound < np.abs(w).max() <= bound
    assert w.var() == pytest.approx(2 / 500, rel=0.02)


def test_dropout_keeps_the_expectation() -> None:
    """Nodes are dropped in training, and the others scaled by 1/(1 − p), so that testing needs no change."""
    fg.manual_seed(0)
    x = fg.ones(100_000)
    y = F.dropout(x, 0.3).numpy()
    kept = y != 0
    assert kept.mean() == pytest.approx(0.7, abs=0.01)
    np.testing.assert_allclose(y[kept], 1 / 0.7, rtol=1e-6)
    assert F.dropout(x, 0.3, training=False).numpy().tobytes() == x.numpy().tobytes()
