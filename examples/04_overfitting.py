"""Row 4: data = signal + noise. A large network learns the noise as well; early stopping and weight decay keep it from that.

Lecture: "Universal Approximator Theory is a double-edged sword". The data: a sine with noise, 30 points to train.
"""

import numpy as np
from _common import canvas, options, save, verdict

import ferrograd as fg
from ferrograd import nn, optim

NOISE = 0.3


def sample(n, rng):
    """Points of signal + noise, (n, 1) each."""
    x = rng.uniform(-3, 3, (n, 1)).astype(np.float32)
    return x, (np.sin(1.5 * x) + NOISE * rng.normal(size=(n, 1))).astype(np.float32)


def train(width, weight_decay=0.0, callbacks=()):
    """One hidden layer of this width, and another; the history and the network."""
    fg.manual_seed(args.seed)
    net = nn.Sequential(nn.Linear(1, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1))
    optimizer = optim.AdamW(net.parameters(), lr=5e-3, weight_decay=weight_decay)
    trainer = fg.train.Trainer(net, nn.MSELoss(), optimizer, callbacks=callbacks, progress=False)
    history = trainer.fit(data, dev, epochs=20 if args.quick else 2000, batch_size=400)
    return history, trainer


args = options(__doc__)
rng = np.random.default_rng(args.seed)
data, dev, test = sample(30, rng), sample(400, rng), sample(400, rng)
runs = {
    "small": train(3),
    "large": train(100),
    "large, early stopping": train(100, callbacks=fg.train.EarlyStopping(patience=200)),
    "large, weight decay": train(100, weight_decay=2.0),
}
gaps = {}
for name, (history, trainer) in runs.items():
    errors = [trainer.evaluate(part)["mse"] for part in (data, dev, test)]
    gaps[name] = errors[2] - errors[0]
    print(f"{name:22} {len(history):5} epochs, mean square error: training {errors[0]:.3f}, development {errors[1]:.3f}, "
          f"test {errors[2]:.3f}; what noise alone makes is {NOISE**2:.3f}")  # fmt: skip
print("diagnosis of the large one:", fg.train.diagnose(runs["large"][0]))

figure, (left, right) = canvas(1, 2, size=(9, 4))
for name, colour in (("small", "tab:blue"), ("large", "tab:red")):
    history = runs[name][0]
    left.plot(history["epoch"], history.train_error, color=colour, label=f"{name}: training")
    left.plot(history["epoch"], history.dev_error, "--", color=colour, linewidth=2, label=f"{name}: development")
stopped = runs["large, early stopping"][0]
left.plot(stopped["epoch"][stopped.best()], stopped.dev_error.min(), "*", color="black", markersize=14,
          label="early stopping goes back here")  # fmt: skip
decay = runs["large, weight decay"][0]
left.plot(decay["epoch"], decay.dev_error, ":", color="tab:green", linewidth=2, label="weight decay: development")
left.set(xscale="log", yscale="log", xlabel="epoch", ylabel="mean square error")
left.legend(fontsize=8)
x = np.linspace(-3, 3, 300, dtype=np.float32)[:, None]
right.plot(*data, "o", color="grey", markersize=5, label="signal + noise")
right.plot(x, np.sin(1.5 * x), color="black", linewidth=1, label="signal")
for name, style in (
    ("large", "tab:red"),
    ("large, early stopping", "tab:purple"),
    ("large, weight decay", "tab:green"),
):
    right.plot(x, runs[name][1].predict(x).numpy(), color=style, linewidth=2, label=name)
right.set(xlabel="x", ylabel="y", ylim=(-2.2, 3.2))
right.legend(fontsize=8, ncols=2)
save(figure, args)
closed = {name: 1 - gaps[name] / gaps["large"] for name in ("large, early stopping", "large, weight decay")}
text = ", ".join(f"{name.removeprefix('large, ')} closes {share:.0%}" for name, share in closed.items())
verdict(args, f"gap between training and test error: {text}", "each at least half", min(closed.values()) >= 0.5)

# What to see: the large network's two curves part: its training error falls far below the noise, its development error
# rises, and it bends through the noisy points. The small network's part less. Stopped at the star, or with weight decay, the
# large network follows the signal.
