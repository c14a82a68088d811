"""Row 13: tapped delay lines, z⁻¹: a network without feedback remembers as many steps as its line has taps.

Lecture: "Artificial Neural Network Construction" (tapped-delay-lines), "Auto Differentiation for various layers"
(time-delayed layers, y = z⁻¹(x)). The data: the tiny Shakespeare text, character by character.
"""

import numpy as np
from _common import canvas, difference, options, save, text, verdict

import ferrograd as fg
from ferrograd import nn, optim
from ferrograd.nn import functional as F

args = options(__doc__)
rng = np.random.default_rng(args.seed)

# A time-delay layer is a dilated convolution, y_t = Σ_k W_k x_{t+c_k} + b.
worst = 0.0
for taps, dilation in ((2, 1), (3, 2), (5, 3), (4, 4)):
    context = [dilation * (k - taps + 1) for k in range(taps)]  # …, -2d, -d, 0
    layer, convolution = nn.TDNN(6, 5, context), nn.Conv1d(6, 5, taps, dilation=dilation)
    convolution.load_state_dict(layer.state_dict())
    x = rng.normal(size=(30, 2, 6)).astype(np.float32)  # (T, N, F)
    w, b = (p.detach().numpy().astype(np.float64) for p in (layer.weight, layer.bias))
    steps = range(-context[0], 30)
    formula = np.stack([sum(x[t + c] @ w[:, :, k].T for k, c in enumerate(context)) + b for t in steps])
    ours, theirs = fg.tensor(x, requires_grad=True), fg.tensor(x, requires_grad=True)
    y, z = layer(ours), convolution(theirs.permute(1, 2, 0)).permute(2, 0, 1)
    (y + z).backward(fg.randn(y.shape))
    pairs = (y, formula), (z, formula), (ours.grad, theirs.grad), (layer.weight.grad, convolution.weight.grad)
    worst = max(worst, *(difference(a, b) for a, b in pairs))
print(f"time-delay layers, dilated convolutions and float64 differ by {worst:.1e}")

# The gradient of the delay is the advance: ∂Q/∂x_t = e_{t+3}.
pulse, e = fg.zeros(12, 1), fg.zeros(12, 1)
pulse[2], e[8] = 1.0, 1.0
x = pulse.clone().requires_grad_()
y = nn.TimeDelay(3)(x)
y.backward(e)
advances = bool((y[3:] == x[:-3]).all() and (x.grad[:-3] == e[3:]).all() and (x.grad[-3:] == 0).all())
print(f"z⁻³ moves a pulse from step 2 to {int(y.argmax())}, its error signal from step 8 to {int(x.grad.argmax())}")

# The next character of a text from the last K: what more taps remember, helps.
corpus = text()
characters = len(corpus.vocabulary)
CONTEXT, SIZES = 64, (1, 2, 3, 4, 6, 8)


def windows(numbers: np.ndarray, starts: np.ndarray, taps: int) -> tuple[fg.Tensor, fg.Tensor]:
    """The characters before and within 64 places, and the 64 that follow each."""
    chosen = numbers[starts[:, None] + np.arange(-taps + 1, CONTEXT + 1)]
    return fg.tensor(chosen[:, :-1]), fg.tensor(chosen[:, taps:])


def validation_loss(taps: int) -> float:
    """Trains a network with a line of `taps` characters; its loss on the text's last tenth."""
    fg.manual_seed(args.seed)
    line = nn.TDNN(16, 128, context=range(-taps + 1, 1), batch_first=True)
    model = nn.Sequential(nn.Embedding(characters, 16), line, nn.ReLU(), nn.Linear(128, characters))
    steps = 10 if args.quick else 800
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    annealing = optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        x, target = windows(corpus.train, rng.integers(16, len(corpus.train) - CONTEXT, 32), taps)
        loss = F.cross_entropy(model(x).flatten(0, 1), target.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        annealing.step()
    with fg.no_grad():
        x, target = windows(corpus.dev, np.arange(16, len(corpus.dev) - CONTEXT, 4 * CONTEXT), taps)
        return F.cross_entropy(model(x).flatten(0, 1), target.flatten()).item()


losses = [validation_loss(taps) for taps in SIZES]
print(f"validation loss with {SIZES} taps: {np.round(losses, 2)}")

figure, (left, right) = canvas(1, 2, size=(8, 3.6))
for k, (signal, label) in enumerate(((pulse, "x"), (y, "y = z⁻³ x"), (e, "∂Q/∂y"), (x.grad, "∂Q/∂x"))):
    left.step(np.arange(12), 3 * 1.3 - 1.3 * k + signal.detach().numpy()[:, 0], where="mid", linewidth=2, label=label)
left.set(xlabel="time (steps)", title="the delay, and its gradient", yticks=[], ylim=(-0.3, 6.6))
left.legend(ncol=2, loc="upper center")
right.plot(SIZES, losses, "o-")
right.set(xlabel="taps K (characters)", ylabel="validation loss (nats)", title="next character of Shakespeare")
save(figure, args)
verdict(args, f"differs by {worst:.1e}, gradient {'is' if advances else 'IS NOT'} the advance",
        "at most 1e-05, is", worst <= 1e-5 and advances)  # fmt: skip

# What to see: on the left the layer moves a pulse three steps on, and the error signal the same three steps back; on the
# right each further tap tells a small network more of the text, by less each time, and with four it knows what it can.
