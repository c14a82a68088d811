"""Row 10: the gradient of a plain recurrent network vanishes or explodes with the steps back; clipping it helps.

Lecture: "Recurrent Neural Networks (RNN)", gradient vanishing or exploding. The data: sequences of random symbols; the
first, which is marked, is to be named 20 steps later.
"""

import numpy as np
from _common import canvas, options, save, verdict

import ferrograd as fg
from ferrograd import nn, optim
from ferrograd.nn import functional as F

HIDDEN, BACK, SYMBOLS, STEPS = 64, 60, 8, 20
RATES = (0.03, 0.1, 0.3, 1.0)


def slopes(gain):
    """Norms of dQ/dh_t, t = BACK … 1, Q the sum of the last state: by the engine, and by hand in float64.

    By hand: e_t = W_hhᵀ (1 − h_{t+1}²) e_{t+1}, and dQ/dx_t = W_ihᵀ (1 − h_t²) e_t.
    """
    layer = nn.RNN(2, HIDDEN, bias=False).double()
    nn.init.orthogonal_(layer.weight_hh_l0, gain)
    x = (0.1 * fg.randn(BACK, 1, 2, dtype=fg.float64)).requires_grad_()
    h, _ = layer(x)
    h[-1].sum().backward()
    w_ih, w_hh = layer.weight_ih_l0.detach().numpy(), layer.weight_hh_l0.detach().numpy()
    states, error, norms, apart = h.detach().numpy()[:, 0], np.ones(HIDDEN), [], 0.0
    for t in reversed(range(BACK)):
        norms.append(np.linalg.norm(error))
        error = (1 - states[t] ** 2) * error
        expected = w_ih.T @ error
        apart = max(apart, np.abs(x.grad[t, 0].numpy() - expected).max() / np.abs(expected).max())
        error = w_hh.T @ error
    return np.array(norms) / norms[0], apart


def train(lr, limit, seed):
    """The mean loss of the last tenth of the updates."""
    fg.manual_seed(seed)
    rng, memory, read = np.random.default_rng(seed), nn.RNN(SYMBOLS + 1, HIDDEN), nn.Linear(HIDDEN, SYMBOLS)
    nn.init.orthogonal_(memory.weight_hh_l0, 1.1)
    parameters = [*memory.parameters(), *read.parameters()]
    optimizer, losses = optim.SGD(parameters, lr=lr), []
    for _ in range(5 if args.quick else 600):
        symbols = rng.integers(0, SYMBOLS, (STEPS, 32))
        x = np.eye(SYMBOLS + 1, dtype=np.float32)[symbols]
        x[0, :, SYMBOLS] = 1
        loss = F.cross_entropy(read(memory(fg.tensor(x))[0][-1]), fg.tensor(symbols[0]))
        optimizer.zero_grad()
        loss.backward()
        if limit:
            nn.utils.clip_grad_norm_(parameters, limit)
        optimizer.step()
        losses.append(loss.item())
    return np.mean(losses[-len(losses) // 10 :])


args = options(__doc__)
figure, (left, right) = canvas(1, 2, size=(6.8, 3.4))
ends, apart = {}, 0.0
for gain in (0.5, 1.0, 1.5, 2.0):
    norms, difference = slopes(gain)
    ends[gain], apart = norms[-1], max(apart, difference)
    left.semilogy(norms, linewidth=3, label=f"{gain:g}")
    print(f"W_hh = {gain:g} · orthogonal: after {BACK - 1} steps back the gradient is {norms[-1]:.1e} of the first")
left.set(xlabel="steps back", ylabel="gradient of a state (first = 1)", title="vanishes or explodes")
left.legend(title="size of W_hh")

seeds = range(args.seed, args.seed + (1 if args.quick else 3))
losses = {limit: np.array([[train(lr, limit, s) for lr in RATES] for s in seeds]) for limit in (None, 1.0)}
for limit, name in ((None, "not clipped"), (1.0, "clipped to norm 1")):
    right.loglog(RATES, losses[limit].mean(0), "o-", linewidth=3, markersize=8, label=name)
    means = dict(zip(RATES, losses[limit].mean(0), strict=True))
    print(f"{name}: loss by learning rate " + "  ".join(f"{lr:g}: {loss:.3g}" for lr, loss in means.items()))
right.axhline(np.log(SYMBOLS), color="gray", linestyle="--", label="guessing")
right.set(xlabel="learning rate", ylabel="cross entropy after training", title="clipping helps")
right.legend()
save(figure, args)
best = {limit: found.mean(0).min() for limit, found in losses.items()}
met = apart <= 1e-9 and ends[0.5] < 1e-6 and ends[2.0] > 1e3 and best[1.0] < best[None] / 2
text = f"gradient × {ends[0.5]:.0e} to × {ends[2.0]:.0e}, by hand to {apart:.0e}; "
text += f"loss {best[1.0]:.4f} clipped, {best[None]:.4f} not (each at its best rate)"
verdict(args, text, "below 1e-6 and above 1e3, by hand to 1e-9; clipped ≤ half of the other", met)

# What to see: on the left the gradient shrinks or grows by the same factor at each step back, by the size of W_hh; on
# the right clipping allows ten times the learning rate, at which the unclipped network guesses.
