"""Row 14: feed-forward sequential memory, tapped delay lines that are learned, remembers without feedback.

Lecture: "FSMN". The data: MNIST, averaged to 14 x 14 pixels and read pixel by pixel: 196 steps of one number, and after
the last the network says which digit it was. The other network is a plain RNN, with feedback: as many parameters, the
same time, each the best of five learning rates, five seeds.
"""

from functools import partial

import numpy as np
from _common import canvas, difference, mnist, options, parameters, race, save, verdict

import ferrograd as fg
from ferrograd import models, nn, optim

args = options(__doc__)


def pixels(part):
    return part[0].reshape(-1, 14, 2, 14, 2).mean((2, 4)).reshape(-1, 196, 1), part[1]


data = mnist()
(x, digit), dev, test = map(pixels, (data.train, data.dev, data.test))
dev, test = [(images[:50], labels[:50]) if args.quick else (images, labels) for images, labels in (dev, test)]


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.output = nn.RNN(1, 74, batch_first=True), nn.Linear(74, 10)

    def forward(self, x):
        return self.output(self.rnn(x)[0])


dfsmn = partial(models.DFSMN, hidden_size=48, proj_size=20, num_layers=3, dense_layers=0, batch_first=True)
kinds = {"FSMN": partial(dfsmn, 1, 10, lookback=16, stride=5), "RNN": Recurrent}
print({name: parameters(make()) for name, make in kinds.items()}, "parameters")
memory = nn.FSMN(20, lookback=16, stride=5)
signal = np.random.default_rng(0).standard_normal((196, 20))
padded, taps = np.concatenate([np.zeros((80, 20)), signal]), memory.weight.detach().numpy()
formula = signal + sum(taps[i] * padded[80 - 5 * i : 276 - 5 * i] for i in range(17))
off = difference(memory(signal.astype(np.float32)), formula)
print(f"y_t = x_t + sum of a_i x_(t-5i): largest difference from float64 NumPy {off:.1g}")


def error(model, part):
    with fg.no_grad():
        said = [model(rows)[:, -1].argmax(1).numpy() for rows in np.array_split(part[0], 4)]
    return 100 * float(np.mean(np.concatenate(said) != part[1]))


def run(name, lr, seed, clock):
    model = kept[name] = kinds[name]()
    optimizer, rng = optim.Adam(model.parameters(), lr), np.random.default_rng(seed)
    while clock.runs():
        rows = rng.integers(0, len(x), 32)
        loss = nn.functional.cross_entropy(model(x[rows])[:, -1], digit[rows])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.param_groups[0]["lr"] = lr * (1.02 - clock.part())
        optimizer.step()
    return error(model, dev), error(model, test)


kept = {}
best = race({name: partial(run, name) for name in kinds}, (3e-4, 1e-3, 3e-3, 1e-2, 3e-2), args, seconds=2.4)
wins = sum(a < b for a, b in zip(best["FSMN"], best["RNN"], strict=True))

figure, (left, right) = canvas(1, 2, size=(8, 4))
for place, errors in enumerate(best.values()):
    left.bar(place, np.mean(errors), width=0.6, alpha=0.4)
    left.scatter([place] * len(errors), errors, color="black", zorder=2)
left.set_xticks([0, 1], ["FSMN\n(no feedback)", "RNN\n(feedback)"])
left.set(ylabel="test error (%)", ylim=(0, 100), title="digits read pixel by pixel")
coefficients = kept["FSMN"].memory.layer0.memory.weight.detach().numpy()
for k in np.argsort(-abs(coefficients[1:]).max(0))[:4]:
    right.plot(5 * np.arange(17), coefficients[:, k], marker="o")
right.axhline(0, color="black", linewidth=0.8)
right.set(xlabel="delay (steps)", ylabel="coefficient $a_i$", title="what the memory learned\n(4 of its 20 features)")
save(figure, args)
ours, theirs = (np.mean(errors) for errors in best.values())
figures = f"error {ours:.0f}% against {theirs:.0f}%, FSMN wins {wins} of {len(best['RNN'])}"
verdict(args, figures, "wins 4 of 5 seeds; difference < 1e-5", wins >= 4 and off < 1e-5)

# What to see: the plain RNN has to carry what it saw through 196 products, and learns little in the time; the FSMN looks
# straight back through its delay lines, whose coefficients (right) it learned, and needs no feedback for it.
