"""Row 21: automatic differentiation of each kind of layer against its formula, first and second order.

Lecture: "Auto Differentiation for various layers f(x)". The data: random numbers in float64.
"""

import numpy as np
from _common import canvas, difference, options, save, verdict

import ferrograd as fg
from ferrograd import nn
from ferrograd.nn import functional as F

args = options(__doc__)
normal = np.random.RandomState(args.seed).randn


def softmax(a):
    return np.exp(a) / np.exp(a).sum(-1, keepdims=True)


def jacobian(y, e):
    # J_ij = y_i (δ_ij − y_j); the slide has a plus off the diagonal.
    return y * (e - (y * e).sum(-1, keepdims=True))


def attention_backward(q, k, v, e):
    s = jacobian(p := softmax(q @ k.T), e @ v.T)
    return s @ k, s.T @ q, p.T @ e


def pooling_backward(x, e):
    pairs = x.reshape(-1, 2)
    return ((pairs.real == pairs.real.max(1, keepdims=True)) * e[:, None]).reshape(-1)


layers = {
    "linear": (F.linear, (normal(3, 5), normal(4, 5), normal(4)), lambda z, w, b, e: (e @ w, e.T @ z, e.sum(0))),
    "convolution": (
        lambda x, w: F.conv1d(x.reshape(1, 1, 9), w.reshape(1, 1, 3)).reshape(7), (normal(9), normal(3)),
        lambda x, w, e: (np.convolve(e, w), np.convolve(x, e[::-1], "valid")),
    ),
    "attention": (
        lambda q, k, v: F.scaled_dot_product_attention(q[None], k[None], v[None], scale=1.0)[0],
        (normal(4, 3), normal(6, 3), normal(6, 2)), attention_backward,
    ),
    "ReLU": (F.relu, (normal(9),), lambda a, e: ((a.real > 0) * e,)),
    "sigmoid": (F.sigmoid, (normal(9),), lambda a, e: (e * np.exp(-a) / (1 + np.exp(-a)) ** 2,)),
    "softmax": (lambda a: F.softmax(a, -1), (normal(9),), lambda a, e: (jacobian(softmax(a), e),)),
    "max pooling": (
        lambda x: F.max_pool1d(x.reshape(1, 1, 8), 2).reshape(4), (normal(8),), lambda x, e: (pooling_backward(x, e),)
    ),
    "time delay": (nn.TimeDelay(2), (normal(7, 3),), lambda x, e: (np.vstack([e[2:], 0 * e[:2]]),)),
}  # fmt: skip
first, second = {}, {}
for name, (layer, inputs, backward) in layers.items():
    tensors = [fg.tensor(x, requires_grad=True) for x in inputs]
    y = layer(*tensors)
    error = fg.tensor(e := normal(*y.shape), requires_grad=True)
    gradients = fg.autograd.grad(y, tensors, error, create_graph=True)
    first[name] = max(map(difference, gradients, backward(*inputs, e)))
    # Second order: along a direction v, the formula's own derivative is exact by a step into the complex plane.
    v, u = [normal(*x.shape) for x in (*inputs, e)], [normal(*x.shape) for x in inputs]
    slope = sum((g * fg.tensor(d)).sum() for g, d in zip(gradients, u, strict=True))
    bent = fg.autograd.grad(slope, [*tensors, error], allow_unused=True)
    found = sum((g.numpy() * d).sum() for g, d in zip(bent, v, strict=True) if g is not None)
    moved = backward(*(x + 1e-30j * d for x, d in zip((*inputs, e), v, strict=True)))
    expected = sum((g.imag / 1e-30 * d).sum() for g, d in zip(moved, u, strict=True))
    second[name] = abs(found - expected) / abs(expected)
    print(f"{name:12} gradient to {first[name]:.0e}, second order to {second[name]:.0e}")

figure, (left, right) = canvas(1, 2, size=(7.2, 3.4))
places = np.arange(len(layers))
left.barh(places + 0.2, list(first.values()), 0.4, label="first order")
left.barh(places - 0.2, list(second.values()), 0.4, label="second order")
left.set(xscale="log", xlim=(1e-17, 1e-10), xlabel="relative difference", yticks=places, yticklabels=list(layers))
left.axvline(2**-52, color="black", linestyle=":", label="float64's precision")
left.legend(title="engine against formula")
a = fg.linspace(-6, 6, 200, dtype=fg.float64, requires_grad=True)
curve = fg.sigmoid(a)
for name in ("sigmoid", "1st", "2nd", "3rd"):
    right.plot(a.detach().numpy(), curve.detach().numpy(), linewidth=3, label=name)
    curve = fg.autograd.grad(curve.sum(), a, create_graph=True)[0]
right.set(xlabel="a", title="derivatives of derivatives")
right.legend()
save(figure, args)
text = f"{len(layers)} layers: gradients to {max(first.values()):.0e}, second order to {max(second.values()):.0e}"
verdict(args, text, "both to 1e-9", max(*first.values(), *second.values()) <= 1e-9)

# What to see: every bar ends near the precision of the numbers themselves, and where there is none the numbers are
# equal; on the right the engine's derivatives of the sigmoid, each the derivative of the one before.
