"""Row 24: Adagrad, Adadelta, RMSprop, Adam and AdamW give every weight a step of its own.

Lecture: "Other Optimization Algorithms". The data: scikit-learn's wine, 13 measurements each in its own unit, so that
one is a thousand times another; one softmax layer, all samples in each step.
"""

import numpy as np
from _common import canvas, difference, options, save, verdict
from sklearn.datasets import load_wine

import ferrograd as fg
from ferrograd import nn, optim
from ferrograd.nn import functional as F

RATES, STEPS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0), 300


def sgd(w, g, s, t, lr):
    return w - lr * g


def adagrad(w, g, s, t, lr):
    s["squares"] = s.get("squares", 0) + g**2
    return w - lr * g / (np.sqrt(s["squares"]) + 1e-10)


def adadelta(w, g, s, t, lr):
    s["squares"] = 0.9 * s.get("squares", 0) + 0.1 * g**2
    step = np.sqrt(s.get("steps", 0) + 1e-6) / np.sqrt(s["squares"] + 1e-6) * g
    s["steps"] = 0.9 * s.get("steps", 0) + 0.1 * step**2
    return w - lr * step


def rmsprop(w, g, s, t, lr):
    s["squares"] = 0.99 * s.get("squares", 0) + 0.01 * g**2
    return w - lr * g / (np.sqrt(s["squares"]) + 1e-8)


def adam(w, g, s, t, lr):
    s["mean"] = 0.9 * s.get("mean", 0) + 0.1 * g
    s["squares"] = 0.999 * s.get("squares", 0) + 0.001 * g**2
    return w - lr * s["mean"] / (1 - 0.9**t) / (np.sqrt(s["squares"] / (1 - 0.999**t)) + 1e-8)


def adamw(w, g, s, t, lr):
    return adam((1 - 0.01 * lr) * w, g, s, t, lr)


def train(make, lr, formula, steps):
    """The losses, and how far the weights are from the formula's after 100 steps in float64."""
    fg.manual_seed(args.seed)
    layer, losses, state = nn.Linear(x.shape[1], 3).double(), [], {}
    optimizer, w = make(layer.parameters(), lr=lr), layer.weight.detach().numpy().copy()
    apart = 0.0
    for t in range(1, steps + 1):
        loss = F.cross_entropy(layer(fg.tensor(x)), fg.tensor(kind))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if t <= 100:
            w = formula(w, layer.weight.grad.numpy(), state, t, lr)
            apart = max(apart, difference(layer.weight, w))
    return losses, apart


args = options(__doc__)
x, kind = load_wine(return_X_y=True)
x = x / x.std()
methods = {
    "SGD": (optim.SGD, sgd), "Adagrad": (optim.Adagrad, adagrad), "Adadelta": (optim.Adadelta, adadelta),
    "RMSprop": (optim.RMSprop, rmsprop), "Adam": (optim.Adam, adam), "AdamW": (optim.AdamW, adamw),
}  # fmt: skip
figure, axes = canvas(size=(5.4, 3.8))
final, apart = {}, 0.0
for name, (make, formula) in methods.items():
    runs = {lr: train(make, lr, formula, 10 if args.quick else STEPS) for lr in RATES}
    best = min(runs, key=lambda lr: runs[lr][0][-1])
    final[name], apart = runs[best][0][-1], max(apart, *(found for _, found in runs.values()))
    axes.plot(runs[best][0], linewidth=3, label=f"{name}, rate {best:g}")
    print(f"{name:8} rate {best:<5g} loss {final[name]:.3f}; weights by formula to {apart:.0e}")
axes.set(xlabel="steps", ylabel="cross entropy", ylim=(0, 1.3), title="wine, each at its best of 6 rates")
axes.legend(ncols=2, fontsize=9)
save(figure, args)
worst = max(loss for name, loss in final.items() if name != "SGD")
text = f"100 steps of 5 methods to {apart:.0e}; losses ≤ {worst:.2f}, SGD's {final['SGD']:.2f}"
verdict(args, text, "formulas to 1e-8; all below SGD's", apart <= 1e-8 and worst < final["SGD"])

# What to see: SGD has to keep its one step small for the largest measurement and crawls for the others; the methods
# that divide by the size of each weight's own gradients go on.
