"""Row 29: dropout is noise in training, nothing in use, and keeps a large network from learning a small set by heart.

Lecture: "Dropout". The data: scikit-learn's diabetes, 300 patients to train and 142 to test.
"""

import numpy as np
from _common import canvas, options, save, verdict
from sklearn.datasets import load_diabetes

import ferrograd as fg
from ferrograd import nn, optim
from ferrograd.nn import functional as F

PROBABILITIES, STEPS, EVERY = (0.0, 0.2, 0.35, 0.5, 0.7), 1500, 100


def checks():
    """What is not as the formula says: y = x · mask / (1 − p) in training, y = x in use."""
    wrong, x, layer = [], fg.rand(200_000, requires_grad=True), nn.Dropout(0.3)
    fg.manual_seed(5)
    y = layer(x)
    y.sum().backward()
    kept = y.numpy() != 0
    if not np.allclose(y.numpy(), x.numpy() * kept / 0.7, rtol=1e-6) or abs(kept.mean() - 0.7) > 0.005:
        wrong.append("training")
    if not np.allclose(x.grad.numpy(), kept / 0.7, rtol=1e-6):
        wrong.append("gradient")
    fg.manual_seed(5)
    if not np.array_equal(layer(x).numpy(), y.numpy()) or np.array_equal(layer(x).numpy(), y.numpy()):
        wrong.append("same seed, same mask; the next mask is another")
    if not np.array_equal(layer.eval()(x).numpy(), x.numpy()):
        wrong.append("in use")
    for kind, shape in ((nn.Dropout1d, (9, 8, 5)), (nn.Dropout2d, (9, 8, 5, 5)), (nn.Dropout3d, (9, 8, 5, 5, 5))):
        maps = (kind(0.5)(fg.ones(shape)).numpy() != 0).reshape(72, -1)
        if not (maps == maps[:, :1]).all() or len(np.unique(maps)) < 2:
            wrong.append(f"whole maps in {kind.__name__}")
    return wrong


def train(p, seed):
    """[(error on the training part, on the test part)] every EVERY steps; 1 is what the mean as answer gives."""
    fg.manual_seed(seed)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(measured))
    x, t = fg.tensor(measured[order]), fg.tensor(progression[order])
    hidden = [module for n in (10, 128) for module in (nn.Linear(n, 128), nn.ReLU(), nn.Dropout(p))]
    network = nn.Sequential(*hidden, nn.Linear(128, 1))
    optimizer, curve = optim.Adam(network.parameters(), lr=1e-3), []
    for step in range(1, (EVERY if args.quick else STEPS) + 1):
        chosen = rng.integers(0, 300, 32)
        optimizer.zero_grad()
        F.mse_loss(network(x[chosen]), t[chosen]).backward()
        optimizer.step()
        if step % EVERY == 0:
            with fg.no_grad():
                y = network.eval()(x)
            curve.append([F.mse_loss(y[part], t[part]).item() for part in (slice(300), slice(300, None))])
            network.train()
    return curve


args = options(__doc__)
wrong = checks()
print("not as the formula:", wrong or "nothing")
measured, progression = load_diabetes(return_X_y=True)
measured = (measured / measured.std(0)).astype(np.float32)
progression = ((progression - progression.mean()) / progression.std())[:, None].astype(np.float32)
seeds = range(args.seed, args.seed + (1 if args.quick else 5))
curves = {p: np.array([train(p, seed) for seed in seeds]) for p in PROBABILITIES}

figure, (left, right) = canvas(1, 2, size=(6.8, 3.4))
for p, color in ((0.0, "firebrick"), (0.5, "steelblue")):
    steps, (fit, test) = EVERY * np.arange(1, curves[p].shape[1] + 1), curves[p].mean(0).T
    left.plot(steps, test, linewidth=3, color=color, label=f"p = {p:g}, test")
    left.plot(steps, fit, linewidth=2, color=color, linestyle="--", label=f"p = {p:g}, training")
left.set(xlabel="steps", ylabel="squared error (variance = 1)", ylim=(0, 1.4), title="diabetes, 300 patients")
left.legend(fontsize=8)
last = {p: found[:, -1, 1] for p, found in curves.items()}
better = int((last[0.5] < last[0.0]).sum())
right.plot(PROBABILITIES, list(last.values()), color="silver")
right.plot(PROBABILITIES, [end.mean() for end in last.values()], "o-", color="black", linewidth=3, label="mean")
right.legend()
right.set(xlabel="probability p of dropping", ylabel="test error at the end", title="the more, the less by heart")
save(figure, args)
text = f"as the formula: {'no' if wrong else 'yes'}; test error {last[0.0].mean():.2f} without, {last[0.5].mean():.2f} "
text += f"with p = 0.5, lower on {better} of {len(seeds)} seeds"
verdict(args, text, "as the formula; lower on all seeds", not wrong and better == len(seeds))

# What to see: without dropout the network learns the training part by heart and its test error rises from the first
# hundreds of steps on; with dropout it stays near its lowest. On the right, each gray line is a seed.
