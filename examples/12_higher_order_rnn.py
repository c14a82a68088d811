"""Row 12: feedback from several past steps remembers longer than a plain recurrent network of the same size.

Lecture: "Recurrent Neural Networks (RNN)", higher-order RNNs. The data: sequences of random symbols; the first, which is
marked, is to be named at the end.
"""

import numpy as np
from _common import canvas, options, parameters, race, save, verdict

import ferrograd as fg
from ferrograd import nn, optim
from ferrograd.nn import functional as F

SYMBOLS, STEPS, ORDER = 8, 80, 8
RATES = (3e-4, 6e-4, 1.2e-3, 2.4e-3, 4.8e-3)


class Recall(nn.Module):
    def __init__(self, memory):
        super().__init__()
        self.memory = memory
        self.read = nn.Linear(memory.hidden_size, SYMBOLS)

    def forward(self, x):
        return self.read(self.memory(x)[0][-1])


def batch(rng, count=32):
    symbols = rng.integers(0, SYMBOLS, (STEPS, count))
    x = np.eye(SYMBOLS + 1, dtype=np.float32)[symbols]
    x[0, :, SYMBOLS] = 1
    return fg.tensor(x), fg.tensor(symbols[0])


def contender(make):
    def run(lr, seed, clock):
        rng, model = np.random.default_rng(seed), Recall(make())
        optimizer = optim.Adam(model.parameters(), lr=lr)
        while clock.runs():
            x, first = batch(rng)
            optimizer.zero_grad()
            F.cross_entropy(model(x), first).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        with fg.no_grad():
            sets = (batch(np.random.default_rng(1000 + part), 1000) for part in range(2))
            dev, test = (100 * (model(x).argmax(1) != first).float().mean().item() for x, first in sets)
        return dev, test

    return run


def slopes(make):
    """How much the last state moves with the input of each step, at the start of the training."""
    x = fg.randn(STEPS, 64, SYMBOLS + 1, requires_grad=True)
    make()(x)[0][-1].sum().backward()
    return x.grad.norm(dim=(1, 2)).numpy()[::-1]


args = options(__doc__)
makes = {
    "plain RNN": lambda: nn.RNN(SYMBOLS + 1, 40),
    f"order {ORDER}": lambda: nn.HigherOrderRNN(SYMBOLS + 1, 16, order=ORDER),
}
sizes = {name: parameters(Recall(make())) for name, make in makes.items()}
fair = max(sizes.values()) <= 1.05 * min(sizes.values())
first_order, plain, x = nn.HigherOrderRNN(5, 7, order=1), nn.RNN(5, 7), fg.randn(20, 3, 5)
first_order.load_state_dict(plain.state_dict())
equal = fg.equal(first_order(x)[0], plain(x)[0])
print("parameters:", sizes, "order 1 gives the plain RNN's numbers:", equal)
errors = race({name: contender(make) for name, make in makes.items()}, RATES, args, seconds=2.4)

figure, (left, right) = canvas(1, 2, size=(6.8, 3.4))
for k, (name, make) in enumerate(makes.items()):
    left.plot(errors[name], "os"[k], markersize=10, label=name)
    right.semilogy(slopes(make), linewidth=3, label=name)
left.axhline(100 - 100 / SYMBOLS, color="gray", linestyle="--", label="guessing")
left.set(xlabel="seed", ylabel="test error (%)", ylim=(-5, 145), title=f"recall after {STEPS} steps")
left.legend(loc="upper right")
right.set(xlabel="steps back", ylabel="gradient of the last state", title="why: before training")
right.legend()
save(figure, args)
plain, higher = errors.values()
wins = sum(a < b for a, b in zip(higher, plain, strict=True))
bar = "equal at order 1; order 8 wins on ≥ 4 of 5 seeds (same size, same time, best of 5 rates)"
text = f"order 1 {'equal' if equal else 'DIFFERS'}; wins on {wins} of {len(plain)} seeds, mean error "
verdict(args, text + f"{np.mean(higher):.1f}% against {np.mean(plain):.1f}%", bar, equal and wins >= 4 and fair)

# What to see: on the left the higher-order network names more and more of the symbols where the plain one stays near
# guessing; on the right the reason, its gradient shrinks a step less quickly, for it can go back eight steps at a time.
