"""Row 31: batch, layer, weight, group and RMS normalization: deep networks learn that do not without.

Lecture: "Neural Networks Learning in practice", the last of the tricks. The data: scikit-learn's digits.
"""

import numpy as np
from _common import canvas, difference, options, save, verdict

import ferrograd as fg
from ferrograd import nn, optim
from ferrograd.nn.utils.parametrizations import weight_norm

args = options(__doc__)
rng, far = np.random.default_rng(args.seed), []


def compare(layer: nn.Module, y: np.ndarray, gradient: np.ndarray) -> None:
    """How far a layer's values and gradient are from float64's."""
    ours = fg.tensor(x, dtype=fg.float32, requires_grad=True)
    (result := layer(ours)).backward(fg.tensor(e).float())
    far.extend([difference(result, y), difference(ours.grad, gradient)])


# y = (x - mean) / deviation over the axes that a norm takes together, ∂Q/∂x = (e - mean(e) - y mean(y e)) / deviation.
x, e = (rng.normal(1, 2, (8, 6, 5, 5)).astype(np.float32).astype(np.float64) for _ in range(2))
batch, rms, rows, places = nn.BatchNorm2d(6), nn.RMSNorm(x.shape[1:], eps=1e-5), (1, 2, 3), (0, 2, 3)
cases = (batch, x.shape, places), (nn.LayerNorm(x.shape[1:]), x.shape, rows), (nn.GroupNorm(3, 6), (8, 3, 50), 2)
for layer, shape, axes in (*cases, (rms, x.shape, rows)):
    u, v, centred = x.reshape(shape), e.reshape(shape), layer is not rms
    u = u - centred * u.mean(axes, keepdims=True)
    deviation = np.sqrt((u**2).mean(axes, keepdims=True) + 1e-5)
    y = u / deviation
    gradient = (v - centred * v.mean(axes, keepdims=True) - y * (y * v).mean(axes, keepdims=True)) / deviation
    compare(layer, y.reshape(x.shape), gradient.reshape(x.shape))
deviation = np.sqrt(0.9 + 0.1 * x.var(places, ddof=1, keepdims=True) + 1e-5)  # running variance and mean, from 1 and 0
compare(batch.eval(), (x - 0.1 * x.mean(places, keepdims=True)) / deviation, e / deviation)
linear = weight_norm(nn.Linear(5, 5, bias=False))  # W = g v / |v|, row by row; g becomes 3
v = nn.init.normal_(linear.parametrizations.weight.original1).detach().numpy().astype(np.float64)
nn.init.constant_(linear.parametrizations.weight.original0, 3.0)
w = 3 * v / np.linalg.norm(v, axis=1, keepdims=True)
compare(linear, x @ w.T, e @ w)

images, labels = map(fg.tensor, fg.data.datasets.digits().train)
images = images.flatten(1)
NORMS = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm, "group": lambda n: nn.GroupNorm(8, n), "RMS": nn.RMSNorm}
RATES = (3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)[: 1 if args.quick else None]


def network(norm: str) -> nn.Module:
    """Twelve hidden layers, each normalized before its ReLU; with weight norm they start with rows of length √2."""
    fg.manual_seed(args.seed)
    layers = []
    for _ in range(12):
        layers += [nn.Linear(64, 64), NORMS.get(norm, nn.Identity)(64), nn.ReLU()]
        if norm == "weight":
            nn.init.constant_(weight_norm(layers[-3]).parametrizations.weight.original0, 2**0.5)
    return nn.Sequential(*layers, nn.Linear(64, 10))


def training_error(norm: str, lr: float) -> float:
    """In %, after 300 steps of SGD."""
    model, order = network(norm), np.random.default_rng(args.seed)
    optimizer, objective = optim.SGD(model.parameters(), lr=lr), nn.CrossEntropyLoss()
    for _ in range(3 if args.quick else 300):
        chosen = order.integers(0, len(labels), 64)
        loss = objective(model(images[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return 100 * (model.eval()(images).argmax(1) != labels).float().mean().item()


errors = {norm: [training_error(norm, lr) for lr in RATES] for norm in ("none", *NORMS, "weight")}
figure, (left, right) = canvas(1, 2, size=(8, 3.8))
for norm, error in errors.items():
    print(f"norm {norm}: training errors {np.round(error, 1)}% with learning rates {RATES}")
    deviations = [network(norm)[: 3 * k](images).std(0).mean().item() for k in range(1, 13)]
    style = {"label": norm} | ({"color": "black", "linestyle": "--"} if norm == "none" else {})
    left.semilogy(range(1, 13), deviations, **style)
    right.semilogx(RATES, error, marker="o", **style)
left.set(xlabel="layer", ylabel="deviation between images", title="before training")
right.set(xlabel="learning rate", ylabel="training error (%)", title="after 300 steps")
right.legend(title="norm", fontsize="small")
save(figure, args)
plain, learned = min(errors.pop("none")), sum(min(error) < 15 for error in errors.values())
verdict(args, f"differs from float64 by {max(far):.1e}; training error below 15% with {learned} norms, {plain:.0f}% without",
        "at most 1e-05; with all 5, above 50% without", max(far) <= 1e-5 and learned == 5 and plain > 50)  # fmt: skip

# What to see: without a norm each layer makes the images more alike, until after twelve nothing is left to tell them by and
# no learning rate helps; each norm keeps them apart and the network learns, batch norm with learning rates from 0.01 to 1.
