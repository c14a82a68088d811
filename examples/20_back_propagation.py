"""Row 20: gradient descent by error back-propagation, written out by hand, and the same numbers from the engine.

Lecture: "Gradient Descent" and "Error Back-propagation (BP)": sigmoid layers, softmax, cross entropy. The data:
scikit-learn's digits.
"""

from itertools import pairwise

import numpy as np
from _common import canvas, difference, options, save, verdict

import ferrograd as fg
from ferrograd import nn, optim
from ferrograd.nn import functional as F

SIZES, RATE = (64, 40, 30, 10), 1.0


def forward(weights, biases, x):
    """[z⁽⁰⁾, …, z⁽ᴸ⁾, y] of samples in rows."""
    z = [x]
    for w, b in zip(weights, biases, strict=True):
        z.append(1 / (1 + np.exp(-(z[-1] @ w.T + b))))
    a = z[-2] @ weights[-1].T + biases[-1]
    y = np.exp(a - a.max(1, keepdims=True))
    return [*z[:-1], y / y.sum(1, keepdims=True)]


def by_hand(weights, biases, x, labels):
    """The lecture's errors and gradients, the mean over the samples, from the last layer to the first."""
    *z, y = forward(weights, biases, x)
    e = y - np.eye(SIZES[-1])[labels]  # e_k = y_k − δ(k − l)
    errors, gradients = [], []
    for layer in reversed(range(len(weights))):
        errors.insert(0, np.abs(e).mean())
        gradients.insert(0, (e.T @ z[layer] / len(x), e.mean(0)))  # ∂Q/∂W_ik = e_i z_k
        e = z[layer] * (1 - z[layer]) * (e @ weights[layer])  # e_k = z_k (1 − z_k) Σ_i e_i W_ik
    return gradients, errors


args = options(__doc__)
split = fg.data.datasets.digits()
(x, labels), (x_test, labels_test) = (
    (a.reshape(len(a), -1).astype(np.float64), l) for a, l in (split.train, split.test)
)

layers = [module for n, m in pairwise(SIZES) for module in (nn.Linear(n, m), nn.Sigmoid())]
network = nn.Sequential(*layers[:-1]).double()
optimizer = optim.SGD(network.parameters(), lr=RATE)
weights = [layer.weight.detach().numpy().copy() for layer in network[::2]]
biases = [layer.bias.detach().numpy().copy() for layer in network[::2]]
largest, curves, sizes = 0.0, {"engine": [], "by hand": []}, []
rng = np.random.default_rng(args.seed)
for step in range(20 if args.quick else 2000):
    chosen = rng.integers(0, len(x), 50)
    gradients, errors = by_hand(weights, biases, x[chosen], labels[chosen])
    optimizer.zero_grad()
    F.cross_entropy(network(fg.tensor(x[chosen])), fg.tensor(labels[chosen])).backward()
    for layer, w, b, (dw, db) in zip(network[::2], weights, biases, gradients, strict=True):
        largest = max(largest, difference(layer.weight.grad, dw), difference(layer.bias.grad, db))
        w -= RATE * dw
        b -= RATE * db
    optimizer.step()
    sizes.append(errors)
    if step % 10 == 0:
        curves["engine"].append(100 * (network(fg.tensor(x_test)).numpy().argmax(1) != labels_test).mean())
        curves["by hand"].append(100 * (forward(weights, biases, x_test)[-1].argmax(1) != labels_test).mean())
apart = max(difference(layer.weight, w) for layer, w in zip(network[::2], weights, strict=True))
print(f"gradients of {step + 1} steps differ by {largest:.0e} at most, the weights after them by {apart:.0e}")

figure, (left, right) = canvas(1, 2, size=(6.8, 3.4))
steps = 10 * np.arange(len(curves["engine"]))
left.plot(steps, curves["engine"], linewidth=6, color="lightskyblue", label="engine")
left.plot(steps, curves["by hand"], linewidth=2, color="black", linestyle=":", label="by hand, float64")
left.set(xlabel="steps", ylabel="test error (%)", title="the same curve")
left.legend()
for layer, error in enumerate(np.array(sizes).T, 1):
    smooth = error[: len(error) // 20 * 20].reshape(-1, 20).mean(1)
    right.semilogy(20 * np.arange(len(smooth)), smooth, linewidth=3, label=f"layer {layer}")
right.set(xlabel="steps", ylabel="mean |e| of the layer", title="error signals")
right.legend()
save(figure, args)
text = (
    f"gradients to {largest:.0e}, weights after {step + 1} steps to {apart:.0e}, test error {curves['engine'][-1]:.1f}%"
)
verdict(args, text, "gradients and weights of hand and engine to 1e-8", max(largest, apart) <= 1e-8)

# What to see: on the left the two curves lie upon each other; on the right the error signal at the start is ten times
# smaller with each layer that it has passed, for a sigmoid multiplies it by z(1 − z) ≤ 1/4, until the weights grow.
