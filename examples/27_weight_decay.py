"""Row 27: weight decay subtracts λ W in each step, is the same as a penalty of ‖W‖², and keeps a network from overfitting.

Lecture: "Weight Decay". The slide's λ is not scaled by the learning rate: λ = lr · weight_decay. The data:
scikit-learn's diabetes, 300 patients to train and 142 to test.
"""

import numpy as np
from _common import canvas, difference, options, save, verdict
from sklearn.datasets import load_diabetes

import ferrograd as fg
from ferrograd import nn, optim
from ferrograd.nn import functional as F

DECAYS, JUDGED, STEPS = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0), 0.03, 1500


def update_formula():
    """How far SGD's decay and the penalty's gradient are from W ← W − ε ∂Q/∂W − λ W after 100 steps of least squares."""
    lr, decay = 0.05, 0.3
    x, t = measured[:50].astype(np.float64), progression[:50, 0].astype(np.float64)
    w = np.random.default_rng(args.seed).standard_normal(10)
    by_decay, by_penalty = (fg.tensor(w, requires_grad=True) for _ in range(2))
    optimizers = [optim.SGD([by_decay], lr=lr, weight_decay=decay), optim.SGD([by_penalty], lr=lr)]
    for _ in range(100):
        for optimizer in optimizers:
            optimizer.zero_grad()
        F.mse_loss(fg.tensor(x) @ by_decay, fg.tensor(t)).backward()
        (F.mse_loss(fg.tensor(x) @ by_penalty, fg.tensor(t)) + decay / 2 * (by_penalty**2).sum()).backward()
        for optimizer in optimizers:
            optimizer.step()
        w = w - lr * (2 / 50 * x.T @ (x @ w - t)) - lr * decay * w
    return max(difference(by_decay, w), difference(by_penalty, w))


def train(decay, seed):
    """Mean square errors on both parts, the mean over the last steps, and the norm of the weights."""
    fg.manual_seed(seed)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(measured))
    x, t = fg.tensor(measured[order]), fg.tensor(progression[order])
    network = nn.Sequential(nn.Linear(10, 128), nn.Tanh(), nn.Linear(128, 128), nn.Tanh(), nn.Linear(128, 1))
    optimizer = optim.SGD(network.parameters(), lr=0.05, momentum=0.9, weight_decay=decay)
    steps, errors = 20 if args.quick else STEPS, []
    for step in range(steps):
        chosen = rng.integers(0, 300, 32)
        optimizer.zero_grad()
        F.mse_loss(network(x[chosen]), t[chosen]).backward()
        optimizer.step()
        if step >= steps - 20:
            with fg.no_grad():
                y = network(x)
            errors.append([F.mse_loss(y[part], t[part]).item() for part in (slice(300), slice(300, None))])
    norm = nn.utils.parameters_to_vector(network.parameters()).norm().item()
    return [*np.mean(errors, axis=0), norm]


args = options(__doc__)
measured, progression = (a.astype(np.float32) for a in load_diabetes(return_X_y=True))
measured = measured / measured.std(0)
progression = ((progression - progression.mean()) / progression.std())[:, None]
apart = update_formula()
print(f"weight_decay, the penalty and the slide's formula differ by {apart:.0e} after 100 steps")
seeds = range(args.seed, args.seed + (1 if args.quick else 3))
found = np.array([[train(decay, seed) for seed in seeds] for decay in DECAYS])
for decay, (fit, test, norm) in zip(DECAYS, found.mean(1), strict=True):
    print(f"weight_decay {decay:<6g} training {fit:.2f}  test {test:.2f}  norm of the weights {norm:.1f}")

figure, (left, right) = canvas(1, 2, size=(6.8, 3.4))
places, names = np.arange(len(DECAYS)), [f"{decay:g}" for decay in DECAYS]
left.plot(places, found.mean(1)[:, 1], "o-", linewidth=3, label="test")
left.plot(places, found.mean(1)[:, 0], "s--", linewidth=3, label="training")
left.set(xlabel="weight_decay", ylabel="squared error (variance = 1)", title="diabetes, 300 patients", ylim=(0, 1.2))
left.legend()
right.plot(places, found.mean(1)[:, 2], "o-", linewidth=3, color="dimgray")
right.set(xlabel="weight_decay", ylabel="norm of the weights", title="weights shrink")
for axis in (left, right):
    axis.set_xticks(places, names)
save(figure, args)
none, *_ = tests = found[:, :, 1]
with_decay = tests[DECAYS.index(JUDGED)]
wins = int((with_decay < none).sum())
text = f"test error {none.mean():.2f} without, {with_decay.mean():.2f} with decay {JUDGED}, lower on {wins} of {len(seeds)}"
verdict(
    args, f"{text}; formula to {apart:.0e}", "lower on all seeds; formula to 1e-9", wins == len(none) and apart <= 1e-9
)

# What to see: with little decay the training error falls and the test error does not; with much the weights vanish and
# both errors are that of a constant; between them the two lie together, and the test error is lowest.
