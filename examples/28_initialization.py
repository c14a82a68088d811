"""Row 28: the range of the first weights decides what arrives at the last layer, and whether a deep network learns.

Lecture: "Neural Networks Initialization". The data: scikit-learn's digits.
"""

from functools import partial
from itertools import pairwise

import numpy as np
from _common import canvas, options, save, verdict

import ferrograd as fg
from ferrograd import nn, optim
from ferrograd.nn import functional as F
from ferrograd.nn import init

WIDTH, DEPTH = 100, 10
STARTS = {
    "too small (U ±0.03)": partial(init.uniform_, a=-0.03, b=0.03), "too large (U ±1)": partial(init.uniform_, a=-1),
    "Glorot": init.xavier_uniform_, "orthogonal": init.orthogonal_,
}  # fmt: skip
# The variance that each way promises for a weight of 300 outputs and 200 inputs.
VARIANCES = {
    "Glorot uniform": (init.xavier_uniform_, 2 / 500), "Glorot normal": (init.xavier_normal_, 2 / 500),
    "orthogonal": (init.orthogonal_, 1 / 300),
    "He uniform": (partial(init.kaiming_uniform_, nonlinearity="relu"), 2 / 200),
    "He normal": (partial(init.kaiming_normal_, nonlinearity="relu"), 2 / 200),
    "uniform": (partial(init.uniform_, a=-0.1, b=0.1), 0.2**2 / 12), "normal": (partial(init.normal_, std=0.1), 0.1**2),
}  # fmt: skip


def network(start):
    sizes = (64, *[WIDTH] * DEPTH, 10)
    layers = [module for n, m in pairwise(sizes) for module in (nn.Linear(n, m), nn.Tanh())][:-1]
    for layer in layers[::2]:
        start(layer.weight)
        init.zeros_(layer.bias)
    return nn.Sequential(*layers)


def deviations(model):
    outputs = [x[:200]]
    for module in model:
        outputs.append(module(outputs[-1]))
    activations = outputs[2:-1:2]
    signals = fg.autograd.grad(F.cross_entropy(outputs[-1], labels[:200], reduction="sum"), activations)
    return [z.std().item() for z in activations], [e.std().item() for e in signals]


def losses(model):
    optimizer, found = optim.SGD(model.parameters(), lr=0.05, momentum=0.9), []
    for _ in range(10 if args.quick else 600):
        chosen = fg.randint(len(x), (100,))
        optimizer.zero_grad()
        (loss := F.cross_entropy(model(x[chosen]), labels[chosen])).backward()
        optimizer.step()
        found.append(loss.item())
    return found


args = options(__doc__)
images, classes = fg.data.datasets.digits().train
x, labels = fg.tensor((images - images.mean()).reshape(-1, 64) / images.std()), fg.tensor(classes)
worst, final = 0.0, {}
for name, (start, promised) in VARIANCES.items():
    measured = start(fg.empty(300, 200)).var().item()
    worst = max(worst, abs(measured / promised - 1))
    print(f"{name:14} variance {measured:.3e}, by its formula {promised:.3e}")

figure, ((activations, errors), (training, names)) = canvas(2, 2, size=(5.6, 4.8))
for name, start in STARTS.items():
    (forward, backward), curve = deviations(model := network(start)), losses(model)
    final[name] = np.mean(curve[-50:])
    print(f"{name}: activations of layer {DEPTH} {forward[-1]:.0e}, errors at layer 1 {backward[0]:.0e}")
    activations.semilogy(range(1, DEPTH + 1), forward, "o-", linewidth=2)
    errors.semilogy(range(1, DEPTH + 1), backward, "o-", linewidth=2)
    training.plot(np.convolve(curve, np.ones(10) / 10, "valid"), linewidth=3, label=name)
activations.set(xlabel="layer", ylabel="deviation", title="activations")
errors.set(xlabel="layer", title="error signals")
training.set(xlabel="steps", ylabel="cross entropy", ylim=(-0.1, 5), title="training")
names.axis("off")
names.legend(*training.get_legend_handles_labels(), loc="center")
save(figure, args)
small, large, glorot, _ = final.values()
met = worst < 0.02 and min(small, large) > 2.2 and glorot < 0.05
text = f"variances to {100 * worst:.1f}%; loss {small:.2f} and {large:.2f} from bad ranges, {glorot:.3f} from Glorot's"
verdict(args, text, "variances to 2%; bad ranges stall (above 2.2; guessing is 2.30), Glorot's below 0.05", met)

# What to see: with small weights the activations die out towards the top and the errors towards the bottom, with large
# ones the activations sit at ±1; Glorot's range keeps both alive through ten layers, and only then the loss falls.
