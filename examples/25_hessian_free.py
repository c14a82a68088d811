"""Row 25: Hessian-free optimization leaves the plateau of a deep auto-encoder on which gradient descent stalls.

Lecture: "Other Optimization Algorithms". The data: scikit-learn's digits, 8 × 8 pixels, through nine sigmoid layers and
a code of four numbers.
"""

from itertools import pairwise

import numpy as np
from _common import canvas, options, race, save, verdict

import ferrograd as fg
from ferrograd import nn, optim
from ferrograd.nn import functional as F

SIZES = (64, 48, 24, 12, 4, 12, 24, 48, 64)
RATES = (0.003, 0.01, 0.03, 0.1, 0.3)  # of gradient descent; of Hessian-free, which has none, the damping at the start


def auto_encoder():
    """Glorot's weights, twice as large, for the slope of a sigmoid is below 1."""
    layers = [module for n, m in pairwise(SIZES) for module in (nn.Linear(n, m), nn.Sigmoid())]
    for layer in layers[::2]:
        nn.init.xavier_uniform_(layer.weight, gain=2)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers[:-1])


def loss_of(model, x):
    y = model(x)
    return F.mse_loss(y, x, reduction="sum") / len(x), y


def contender(name, make, step):
    def run(rate, seed, clock):
        rng, model, curve = np.random.default_rng(seed), auto_encoder(), []
        optimizer = make(model.parameters(), rate)
        while clock.runs():
            curve.append((clock.part() * clock.seconds, step(model, optimizer, rng)))
        with fg.no_grad():
            dev, test = (loss_of(model, part)[0].item() for part in (x_dev, x_test))
            shown[name, test] = np.array(curve), model(x_test[:6]).numpy()
        return dev, test

    return run


def hessian_free_step(model, optimizer, rng):
    """The gradient of all samples, the curvature of 200."""
    part = x[rng.permutation(len(x))[:200]]
    return optimizer.step(lambda: loss_of(model, x), curvature=lambda: loss_of(model, part)).item()


def gradient_step(model, optimizer, rng):
    loss, _ = loss_of(model, x[rng.integers(0, len(x), 100)])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def hessian_product():
    """The relative difference of H v, by differentiating the gradient, from finite differences of the gradient."""
    model, part = auto_encoder().double(), x[:50].double()
    weights = list(model.parameters())
    here = nn.utils.parameters_to_vector(weights).detach()
    v = fg.randn(len(here), dtype=fg.float64)

    def slope(at, **keywords):
        nn.utils.vector_to_parameters(at, weights)
        return nn.utils.parameters_to_vector(fg.autograd.grad(loss_of(model, part)[0], weights, **keywords))

    found = fg.autograd.grad((slope(here, create_graph=True) * v).sum(), weights)
    expected = (slope(here + 1e-5 * v) - slope(here - 1e-5 * v)) / 2e-5
    return ((nn.utils.parameters_to_vector(found) - expected).norm() / expected.norm()).item()


args = options(__doc__)
split = fg.data.datasets.digits()
mean = split.train[0].mean(0)
x, x_dev, x_test = (
    fg.tensor((images - mean).reshape(len(images), -1)) for images, _ in (split.train, split.dev, split.test)
)
apart = hessian_product()
print(f"Hessian times a vector differs from finite differences by {apart:.0e}")
shown = {}
methods = {
    "SGD": (lambda p, rate: optim.SGD(p, lr=rate), gradient_step),
    "momentum": (lambda p, rate: optim.SGD(p, lr=rate, momentum=0.9), gradient_step),
    "Hessian-free": (lambda p, rate: optim.HessianFree(p, damping=rate, cg_max_iter=40), hessian_free_step),
}
losses = race({name: contender(name, *how) for name, how in methods.items()}, RATES, args, seconds=1.8)

figure, (left, right) = canvas(1, 2, size=(6.8, 3.4))
rows = [x_test[:6].numpy()]
for name, found in losses.items():
    curve, images = shown[name, found[0]]
    left.plot(*curve[:: max(1, len(curve) // 60)].T, linewidth=3, label=name)
    rows.append(images)
left.set(xlabel="time (s)", ylabel="squared error an image", ylim=(2, 6), title="training, seed 0")
left.legend(loc="lower left")
tiles = np.pad((np.array(rows) + mean.reshape(-1)).reshape(4, 6, 8, 8), ((0, 0), (0, 0), (0, 1), (0, 1)))
right.imshow(tiles.transpose(0, 2, 1, 3).reshape(36, 54), cmap="gray_r", vmin=0, vmax=1)
right.set(title="digits through the code", xticks=[], yticks=np.arange(4, 36, 9), yticklabels=["data", *losses])
save(figure, args)
wins = sum(ours < min(others) for *others, ours in zip(*losses.values(), strict=True))
text = ", ".join(f"{name} {np.mean(found):.2f}" for name, found in losses.items())
bar = "H v to 1e-5; Hessian-free lowest on ≥ 4 of 5 seeds (same network, same time, best of 5 rates)"
verdict(args, f"{text}: wins on {wins} of {len(found)} seeds; H v to {apart:.0e}", bar, wins >= 4 and apart <= 1e-5)

# What to see: both forms of gradient descent stay near the error of the mean image (4.7) and draw nearly that; in the
# same seconds Hessian-free optimization is through the plateau, and its digits can be told apart.
