"""Row 31: batch, layer, weight, group and RMS normalization: deep networks learn that do not without.

Lecture: "Neural Networks Learning in practice", the last of the tricks. The data: scikit-learn's digits.
"""

import numpy as np
from _common import canvas, difference, options, save, verdict

import ferrograd as fg
from ferrograd import nn, optim
from ferrograd.nn import functional as F
from ferrograd.nn.utils.parametrizations import weight_norm

args = options(__doc__)
rng = np.random.default_rng(args.seed)
found = {}


def agrees(name: str, layer: nn.Module, x: np.ndarray, e: np.ndarray, y: np.ndarray, gradient: np.ndarray) -> None:
    """Notes how far a layer's values and gradient are from float64's."""
    ours = fg.tensor(x.astype(np.float32), requires_grad=True)
    result = layer(ours)
    result.backward(fg.tensor(e.astype(np.float32)))
    found[name] = max(difference(result, y), difference(ours.grad, gradient))


# y = (x - mean) / deviation over the axes that a norm takes together, and ∂Q/∂x = (e - mean(e) - y mean(y e)) / deviation.
x, e = (rng.normal(1, 2, (8, 6, 5, 5)).astype(np.float32).astype(np.float64) for _ in range(2))
batch = nn.BatchNorm2d(6)
for name, layer, shape, axes in (
    ("batch norm, training", batch, x.shape, (0, 2, 3)),
    ("layer norm", nn.LayerNorm(x.shape[1:]), x.shape, (1, 2, 3)),
    ("group norm", nn.GroupNorm(3, 6), (8, 3, 50), 2),
    ("RMS norm", nn.RMSNorm(x.shape[1:], eps=1e-5), x.shape, (1, 2, 3)),
):
    u, v = x.reshape(shape), e.reshape(shape)
    centre = 0 if name == "RMS norm" else 1
    mean = centre * u.mean(axes, keepdims=True)
    deviation = np.sqrt(((u - mean) ** 2).mean(axes, keepdims=True) + 1e-5)
    y = (u - mean) / deviation
    gradient = (v - centre * v.mean(axes, keepdims=True) - y * (y * v).mean(axes, keepdims=True)) / deviation
    agrees(name, layer, x, e, y.reshape(x.shape), gradient.reshape(x.shape))
mean, variance = 0.1 * x.mean((0, 2, 3)), 0.9 + 0.1 * x.var((0, 2, 3), ddof=1)  # running, from 0 and 1
deviation = np.sqrt(variance + 1e-5)[:, None, None]
agrees("batch norm, evaluation", batch.eval(), x, e, (x - mean[:, None, None]) / deviation, e / deviation)
layer = weight_norm(nn.Linear(5, 7))  # W = g v / |v|, row by row
g, v, b = (p.detach().numpy().astype(np.float64) for p in (*layer.parametrizations.weight.parameters(), layer.bias))
w, e = 3 * g * v / np.linalg.norm(v, axis=1, keepdims=True), rng.normal(size=(8, 6, 5, 7))
with fg.no_grad():
    layer.parametrizations.weight.original0 *= 3
agrees("weight norm", layer, x, e, x @ w.T + b, e.astype(np.float32) @ w)
print("differences from float64: " + ", ".join(f"{name} {far:.1e}" for name, far in found.items()))

# Twelve layers on digits, with each norm and several learning rates.
split = fg.data.datasets.digits()
images, labels = fg.tensor(split.train[0]).flatten(1), fg.tensor(split.train[1])
NORMS = {
    "none": lambda layer: [layer],
    "batch": lambda layer: [layer, nn.BatchNorm1d(64)],
    "layer": lambda layer: [layer, nn.LayerNorm(64)],
    "group": lambda layer: [layer, nn.GroupNorm(8, 64)],
    "RMS": lambda layer: [layer, nn.RMSNorm(64)],
    "weight": lambda layer: [weight_norm(layer)],
}
RATES = (3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)


def network(norm: str) -> nn.Module:
    """Twelve hidden layers, each normalized before its ReLU; with weight norm they start with rows of length √2."""
    fg.manual_seed(args.seed)
    layers = [part for _ in range(12) for part in (*NORMS[norm](nn.Linear(64, 64)), nn.ReLU())]
    for layer in layers if norm == "weight" else []:
        if isinstance(layer, nn.Linear):
            nn.init.constant_(layer.parametrizations.weight.original0, 2**0.5)
    return nn.Sequential(*layers, nn.Linear(64, 10))


def training_error(norm: str, lr: float) -> float:
    """In %, after 300 steps of SGD."""
    model, order = network(norm), np.random.default_rng(args.seed)
    optimizer = optim.SGD(model.parameters(), lr=lr)
    for _ in range(3 if args.quick else 300):
        chosen = fg.tensor(order.integers(0, len(labels), 64))
        loss = F.cross_entropy(model(images[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return 100 * (model.eval()(images).argmax(1) != labels).float().mean().item()


print(f"learning rates {RATES}")
errors = {norm: [training_error(norm, lr) for lr in RATES] for norm in NORMS}
figure, (left, right) = canvas(1, 2, size=(8, 3.8))
for norm, error in errors.items():
    print(f"norm {norm}: training errors {np.round(error, 1)}%")
    signal, deviations = images, []
    for layer in network(norm)[:-1]:
        signal = layer(signal)
        if isinstance(layer, nn.ReLU):
            deviations.append(signal.std(0).mean().item())
    style = {"label": norm, "color": "black" if norm == "none" else None, "linestyle": "--" if norm == "none" else "-"}
    left.semilogy(range(1, 13), deviations, **style)
    right.semilogx(RATES, error, marker="o", **style)
left.set(xlabel="layer", ylabel="deviation between images", title="before training")
right.set(xlabel="learning rate", ylabel="training error (%)", title="after 300 steps")
right.legend(title="norm", fontsize="small")
save(figure, args)
worst, plain = max(found.values()), min(errors.pop("none"))
learned = sum(min(error) < 15 for error in errors.values())
verdict(
    args,
    f"differs from float64 by {worst:.1e}; training error below 15% with {learned} norms, {plain:.0f}% without",
    "at most 1e-05; with all 5, above 50% without",
    worst <= 1e-5 and learned == 5 and plain > 50,
)

# What to see: without a norm each layer makes the images more alike, until after twelve nothing is left to tell them by and
# no learning rate helps; each norm keeps them apart and the network learns, batch norm with learning rates from 0.01 to 1.
