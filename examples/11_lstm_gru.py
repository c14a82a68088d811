"""Row 11: LSTM and GRU learn what lies many steps apart, where a plain recurrent network learns nothing.

Lecture: "Recurrent Neural Networks (RNN)", LSTM and GRU. The data: 100 random numbers, of which two are marked; their
sum is to be given at the end (the adding problem of Hochreiter and Schmidhuber 1997).
"""

import numpy as np
from _common import canvas, difference, options, parameters, save, verdict
from scipy.special import expit as sigma

import ferrograd as fg
from ferrograd import nn, optim
from ferrograd.nn import functional as F

STEPS, UPDATES = 100, 1800


def batch(rng, count=32):
    x = np.zeros((STEPS, count, 2), np.float32)
    x[:, :, 0] = rng.uniform(0, 1, (STEPS, count))
    for n in range(count):
        x[[rng.integers(STEPS // 2), rng.integers(STEPS // 2, STEPS)], n, 1] = 1
    return fg.tensor(x), fg.tensor(x.prod(2).sum(0))


class Sum(nn.Module):
    def __init__(self, memory):
        super().__init__()
        self.memory = memory
        self.read = nn.Linear(memory.hidden_size, 1)

    def forward(self, x):
        return self.read(self.memory(x)[0][-1])[:, 0]


def by_formula(layer, x):
    """The last state in float64: i, f, o = σ(·), g = tanh(·), c ← f c + i g, h = o tanh c, or the GRU's r, z, n."""
    w_i, w_h, b_i, b_h = (p.detach().numpy().astype(np.float64) for p in layer.parameters())
    h = c = np.zeros((x.shape[1], layer.hidden_size))
    for t in x:
        a, b = t @ w_i.T + b_i, h @ w_h.T + b_h
        if isinstance(layer, nn.LSTM):
            i, f, g, o = np.split(a + b, 4, axis=1)
            c = sigma(f) * c + sigma(i) * np.tanh(g)
            h = sigma(o) * np.tanh(c)
        else:
            r, z = np.split(sigma(a + b)[:, : 2 * h.shape[1]], 2, axis=1)
            n = np.tanh(np.split(a, 3, axis=1)[2] + r * np.split(b, 3, axis=1)[2])
            h = (1 - z) * n + z * h
    return h


args = options(__doc__)
figure, axes = canvas(size=(5, 3.4))
final, apart = {}, 0.0
for name, memory, size in (("plain RNN", nn.RNN, 64), ("LSTM", nn.LSTM, 32), ("GRU", nn.GRU, 36)):
    best = (np.inf, [])
    for lr in (3e-3, 1e-2):
        fg.manual_seed(args.seed)
        rng, model, curve = np.random.default_rng(args.seed), Sum(memory(2, size)), []
        if name == "LSTM":
            nn.init.ones_(model.memory.bias_ih_l0.data[32:64])  # forget gates that begin open
        optimizer = optim.Adam(model.parameters(), lr=lr)
        for _ in range(3 if args.quick else UPDATES):
            x, total = batch(rng)
            optimizer.zero_grad()
            (loss := F.mse_loss(model(x), total)).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            curve.append(loss.item())
        x, total = batch(np.random.default_rng(args.seed + 1000), 1000)
        with fg.no_grad():
            best = min(best, (F.mse_loss(model(x), total).item(), curve))
    final[name] = best[0]
    print(f"{name}: {parameters(model):,} parameters, mean square error on new sequences {best[0]:.4f}")
    axes.semilogy(np.convolve(best[1], np.ones(50) / 50, "valid"), linewidth=3, label=name)
    if name != "plain RNN":
        apart = max(apart, difference(model.memory(x)[0][-1], by_formula(model.memory, x.numpy())))
print(f"largest difference from the float64 formulas after {STEPS} steps: {apart:.1e}")
axes.axhline(1 / 6, color="gray", linestyle="--", label="guessing the mean")
axes.set(xlabel="updates", ylabel="mean square error", title=f"sum of two of {STEPS} numbers")
axes.legend()
save(figure, args)
met = final["plain RNN"] > 0.1 and max(final["LSTM"], final["GRU"]) <= 0.01 and apart <= 1e-5
text = ", ".join(f"{name} {error:.4f}" for name, error in final.items())
verdict(args, f"{text}; formulas to {apart:.0e}", "LSTM and GRU ≤ 0.01, plain RNN > 0.1; formulas to 1e-5", met)

# What to see: the error of the LSTM and of the GRU falls by more than a factor of ten; that of the plain network stays
# on the gray line, what a constant answer gives.
