"""Row 25: Hessian-free optimization leaves the plateau of a deep auto-encoder on which gradient descent stalls.

Lecture: "Other Optimization Algorithms". The data: scikit-learn's digits through eight sigmoid layers and a code of four.
"""

import numpy as np
from _common import canvas, difference, options, race, save, verdict

import ferrograd as fg
from ferrograd import nn, optim
from ferrograd.nn import functional as F
from ferrograd.nn.utils import parameters_to_vector

RATES = (0.003, 0.01, 0.03, 0.1, 0.3)  # for Hessian-free, which has none, the damping at the start


def auto_encoder():
    model = fg.models.AutoEncoder((64, 48, 24, 12, 4), activation=nn.Sigmoid)
    model.encoder.append(nn.Sigmoid())
    for p in model.parameters():  # a gain, for the slope of a sigmoid is below 1
        nn.init.xavier_uniform_(p, gain=2) if p.ndim == 2 else nn.init.zeros_(p)
    return model


def loss_of(model, x):
    return F.mse_loss(y := model(x), x, reduction="sum") / len(x), y


def contender(name, make):
    def run(rate, seed, clock):
        rng, model, curve = np.random.default_rng(seed), auto_encoder(), []
        optimizer = make(model.parameters(), rate)
        while clock.runs():
            if name == "Hessian-free":  # the gradient of all samples, the curvature of 200
                part = x[rng.integers(0, len(x), 200)]
                loss = optimizer.step(lambda: loss_of(model, x), curvature=lambda part=part: loss_of(model, part))
            else:
                optimizer.zero_grad()
                loss, _ = loss_of(model, x[rng.integers(0, len(x), 100)])
                loss.backward()
                optimizer.step()
            curve.append((clock.part() * clock.seconds, loss.item()))
        (dev, _), (test, y) = loss_of(model, x_dev), loss_of(model, x_test)
        shown[name, test.item()] = np.array(curve), y[:6].detach().numpy()
        return dev.item(), test.item()

    return run


def hessian_product():  # by differentiating the gradient, against finite differences of the gradient
    model, part = auto_encoder().double(), x[:50].double()
    weights = list(model.parameters())
    v = [fg.randn_like(w) for w in weights]

    def slopes(step):
        for w, direction in zip(weights, v, strict=True):
            w.data += step * direction
        return parameters_to_vector(fg.autograd.grad(loss_of(model, part)[0], weights, create_graph=True))

    found = fg.autograd.grad(slopes(0) @ parameters_to_vector(v), weights)
    return difference(parameters_to_vector(found), ((slopes(1e-5) - slopes(-2e-5)) / 2e-5).detach())


args = options(__doc__)
split, shown = fg.data.datasets.digits(), {}
mean = split.train[0].mean(0)
x, x_dev, x_test = (fg.tensor((x - mean).reshape(-1, 64)) for x, _ in (split.train, split.dev, split.test))
methods = {
    "SGD": lambda p, rate: optim.SGD(p, lr=rate), "momentum": lambda p, rate: optim.SGD(p, lr=rate, momentum=0.9),
    "Hessian-free": lambda p, rate: optim.HessianFree(p, damping=rate, cg_max_iter=40),
}  # fmt: skip
losses, apart = race({n: contender(n, m) for n, m in methods.items()}, RATES, args, seconds=1.8), hessian_product()
figure, (left, right) = canvas(1, 2, size=(6.8, 3.4))
rows = [x_test[:6].numpy(), *(shown[name, found[0]][1] for name, found in losses.items())]
for name, found in losses.items():
    curve, _ = shown[name, found[0]]
    left.plot(*curve[:: max(1, len(curve) // 60)].T, linewidth=3, label=name)
left.legend(loc="upper right")
left.set(xlabel="time (s)", ylabel="squared error an image", ylim=(1, 6), title="training, first seed")
tiles = np.pad((np.array(rows) + mean.reshape(-1)).reshape(4, 6, 8, 8), ((0, 0), (0, 0), (0, 1), (0, 1)))
right.imshow(tiles.transpose(0, 2, 1, 3).reshape(36, 54), cmap="gray_r", vmin=0, vmax=1)
right.set(title="digits through the code", xticks=[], yticks=np.arange(4, 36, 9), yticklabels=["data", *losses])
save(figure, args)
wins = sum(ours < min(others) for *others, ours in zip(*losses.values(), strict=True))
text = ", ".join(f"{name} {np.mean(found):.2f}" for name, found in losses.items())
bar = "H v to 1e-5; Hessian-free lowest on ≥ 4 of 5 seeds (same network, same time, best of 5 rates)"
verdict(args, f"{text}: wins on {wins} of {len(found)} seeds; H v to {apart:.0e}", bar, wins >= 4 and apart <= 1e-5)

# What to see: gradient descent stays near the error of the mean image (4.7) and draws nearly that; in the same seconds
# Hessian-free optimization is through the plateau, and its digits can be told apart.
