"""Row 26: a learning rate that falls lets SGD begin with long steps and end without their noise.

Lecture: "Neural Networks Learning in practice", learning rates (annealing schedule). The data: scikit-learn's diabetes,
a linear layer, so that the lowest error is known.
"""

import math

import numpy as np
from _common import canvas, options, save, verdict
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

import ferrograd as fg
from ferrograd import nn, optim
from ferrograd.nn import functional as F
from ferrograd.optim import lr_scheduler as schedules

RATES = (0.001, 0.003, 0.01, 0.03, 0.1)


def warm_up(o):
    parts = [schedules.LinearLR(o, 0.1, total_iters=steps // 10), schedules.ExponentialLR(o, 0.01 ** (1 / steps))]
    return schedules.SequentialLR(o, parts, milestones=[steps // 10])


def one_cycle(part):
    # Up from 1/25 of the rate until 30% of the steps, down to 1/25 · 1e-4 of it, both along a cosine.
    top = 0.3 * steps - 1
    start, stop, at = (0.04, 1, part / top) if part <= top else (1, 4e-6, (part - top) / (steps - 1 - top))
    return stop + (start - stop) * (1 + math.cos(math.pi * at)) / 2


def train(schedule, lr, seed):
    """The rate of each step, and every 10 steps by how much the error is above the lowest."""
    fg.manual_seed(seed)
    rng, layer, rates, above = np.random.default_rng(seed), nn.Linear(10, 1), [], []
    scheduler = schedule(optimizer := optim.SGD(layer.parameters(), lr=lr))
    for step in range(steps):
        if step % 10 == 0:
            above.append(F.mse_loss(layer(x), t).item() - lowest)
        rates.append(optimizer.param_groups[0]["lr"])
        chosen = rng.integers(0, len(x), 10)
        optimizer.zero_grad()
        F.mse_loss(layer(x[chosen]), t[chosen]).backward()
        optimizer.step()
        scheduler.step(*[above[-1]] * isinstance(scheduler, schedules.ReduceLROnPlateau))
    return rates, above


args = options(__doc__)
steps = 40 if args.quick else 1500
measured, progression = load_diabetes(return_X_y=True)
measured, progression = measured / measured.std(0), (progression - progression.mean()) / progression.std()
x, t = fg.tensor(measured).float(), fg.tensor(progression[:, None]).float()
lowest = np.mean((progression - LinearRegression().fit(measured, progression).predict(measured)) ** 2)

# Each schedule, and the formula of its rate at step s as a share of the first.
kinds = {
    "constant": (lambda o: schedules.ConstantLR(o, 1.0), lambda s: 1.0),
    "step": (lambda o: schedules.StepLR(o, steps // 4, gamma=0.3), lambda s: 0.3 ** (s // (steps // 4))),
    "exponential": (lambda o: schedules.ExponentialLR(o, 0.01 ** (1 / steps)), lambda s: 0.01 ** (s / steps)),
    "cosine": (lambda o: schedules.CosineAnnealingLR(o, steps), lambda s: (1 + math.cos(math.pi * s / steps)) / 2),
    "warm-up": (warm_up, lambda s: 0.1 + 9 * s / steps if s < steps // 10 else 0.01 ** (s / steps - 0.1)),
    "one cycle": (lambda o: schedules.OneCycleLR(o, o.defaults["lr"], steps, cycle_momentum=False), one_cycle),
    "plateau": (lambda o: schedules.ReduceLROnPlateau(o, factor=0.3, patience=100), None),
}
seeds = range(args.seed, args.seed + (1 if args.quick else 3))
figure, (left, right) = canvas(1, 2, size=(6.8, 3.8))
final, apart = {}, 0.0
for name, (schedule, formula) in kinds.items():
    runs = {lr: [train(schedule, lr, seed) for seed in seeds] for lr in RATES}
    ends = {lr: np.mean([above[-10:] for _, above in found]) for lr, found in runs.items()}
    final[name], best = min((end, lr) for lr, end in ends.items())
    rates = np.array(runs[0.1][0][0]) / 0.1
    apart = max(apart, *abs(rates - [formula(s) for s in range(steps)]) if formula else [0.0])
    print(f"{name:12} best rate {best:<5g} error above the lowest {final[name]:.4f}; rates by formula to {apart:.0e}")
    left.plot(rates, linewidth=2)
    right.loglog(RATES, list(ends.values()), "o-", linewidth=4 if name == "constant" else 2, label=name)
left.set(xlabel="steps", ylabel="learning rate (share)", title="schedules")
right.set(xlabel="learning rate at first", ylabel="error above the lowest", title="at the end", ylim=(1e-3, 1))
figure.legend(loc="outside lower center", ncols=4)
save(figure, args)
worst = max(error for name, error in final.items() if name != "constant")
text = f"error above the lowest ≤ {worst:.4f} with a schedule, {final['constant']:.4f} without; rates to {apart:.0e}"
bar = "every schedule lower, each at its best of 5 rates; formulas to 1e-9"
verdict(args, text, bar, worst < final["constant"] and apart <= 1e-9)

# What to see: a constant rate has to be small, or the noise of the mini-batches holds the error up; a rate that falls may
# begin thirty times as large, ends lower than the best constant one, and is forgiving in its choice.
