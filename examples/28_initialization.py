"""Row 28: the range of the first weights decides what arrives at the last layer, and whether a deep network learns.

Lecture: "Neural Networks Initialization". The data: scikit-learn's digits.
"""

from itertools import pairwise

import numpy as np
from _common import canvas, options, save, verdict

import ferrograd as fg
from ferrograd import nn, optim
from ferrograd.nn import functional as F
from ferrograd.nn import init

WIDTH, DEPTH = 100, 10
STARTS = {
    "too small (U ±0.03)": lambda w: init.uniform_(w, -0.03, 0.03),
    "too large (U ±1)": lambda w: init.uniform_(w, -1, 1),
    "Glorot": init.xavier_uniform_,
    "orthogonal": init.orthogonal_,
}
# The variance that each way promises for a weight of 300 outputs and 200 inputs.
VARIANCES = {
    "uniform": (lambda w: init.uniform_(w, -0.1, 0.1), 0.2**2 / 12),
    "normal": (lambda w: init.normal_(w, 0, 0.1), 0.1**2),
    "Glorot uniform": (init.xavier_uniform_, 2 / 500),
    "Glorot normal": (init.xavier_normal_, 2 / 500),
    "He uniform": (lambda w: init.kaiming_uniform_(w, nonlinearity="relu"), 2 / 200),
    "He normal": (lambda w: init.kaiming_normal_(w, nonlinearity="relu"), 2 / 200),
    "orthogonal": (init.orthogonal_, 1 / 300),
}


def network(start):
    sizes = (64, *[WIDTH] * DEPTH)
    layers = [module for n, m in pairwise(sizes) for module in (nn.Linear(n, m), nn.Tanh())]
    layers.append(nn.Linear(WIDTH, 10))
    for layer in layers[::2]:
        start(layer.weight)
        init.zeros_(layer.bias)
    return nn.Sequential(*layers)


def deviations(model):
    """Of the activations and of the error signals, layer by layer."""
    z, outputs = x[:200], []
    for module in model:
        z = module(z)
        if isinstance(module, nn.Tanh):
            outputs.append(z)
    errors = fg.autograd.grad(F.cross_entropy(z, labels[:200], reduction="sum"), outputs)
    return [z.std().item() for z in outputs], [e.std().item() for e in errors]


def losses(model):
    optimizer, found = optim.SGD(model.parameters(), lr=0.05, momentum=0.9), []
    rng = np.random.default_rng(args.seed)
    for _ in range(10 if args.quick else 600):
        chosen = rng.integers(0, len(x), 100)
        loss = F.cross_entropy(model(x[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


args = options(__doc__)
images, classes = fg.data.datasets.digits().train
x, labels = fg.tensor((images - images.mean()).reshape(-1, 64) / images.std()), fg.tensor(classes)
worst = 0.0
for name, (start, promised) in VARIANCES.items():
    measured = start(fg.empty(300, 200)).var().item()
    worst = max(worst, abs(measured / promised - 1))
    print(f"{name:14} variance {measured:.3e}, by its formula {promised:.3e}")

figure, axes = canvas(2, 2, size=(5.6, 4.8))
axes = axes.ravel()
final = {}
for name, start in STARTS.items():
    model = network(start)
    forward, backward = deviations(model)
    curve = losses(model)
    final[name] = np.mean(curve[-50:])
    print(
        f"{name}: deviation of layer {DEPTH} {forward[-1]:.1e}, error at layer 1 {backward[0]:.1e}, loss {final[name]:.3f}"
    )
    axes[0].semilogy(range(1, DEPTH + 1), forward, "o-", linewidth=2)
    axes[1].semilogy(range(1, DEPTH + 1), backward, "o-", linewidth=2)
    axes[2].plot(np.convolve(curve, np.ones(10) / 10, "valid"), linewidth=3, label=name)
axes[0].set(xlabel="layer", ylabel="deviation", title="activations")
axes[1].set(xlabel="layer", title="error signals")
axes[2].set(xlabel="steps", ylabel="cross entropy", ylim=(-0.1, 5), title="training")
axes[3].axis("off")
axes[3].legend(*axes[2].get_legend_handles_labels(), loc="center")
save(figure, args)
small, large, glorot, orthogonal = final.values()
met = worst < 0.02 and small > 2.2 and max(glorot, orthogonal) < 0.05 and large > 2.2
text = f"variances to {100 * worst:.1f}%; loss {small:.2f} and {large:.2f} from bad ranges, {glorot:.3f} from Glorot's"
verdict(args, text, "variances to 2%; bad ranges stall (above 2.2; guessing is 2.30), Glorot's below 0.05", met)

# What to see: with small weights the activations die out towards the top and the errors towards the bottom, with large
# ones the activations sit at ±1; Glorot's range keeps both alive through ten layers, and only then the loss falls.
