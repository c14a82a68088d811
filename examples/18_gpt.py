"""Row 18: a character language model: a transformer that predicts each next character of Shakespeare, and then writes.

Lecture: "Transformers (I)" to "(III)", "Multi-head Transformers". The data: the tiny Shakespeare text, its last tenth to
validate. The sizes are nanoGPT's for a CPU, which reports a validation loss of 1.88; the learning rate rises higher here.
"""

import math

import numpy as np
from _common import canvas, options, parameters, save, text, verdict

import ferrograd as fg
from ferrograd import models, nn, optim

CONTEXT, BATCH, WARM, RATE = 64, 12, 100, 3e-3

args = options(__doc__)
corpus = text()
steps = 5 if args.quick else 2000
rng = np.random.default_rng(args.seed)
model = models.GPT(block_size=CONTEXT, vocab_size=len(corpus.vocabulary), n_layer=4, n_head=4, n_embd=128, bias=False)
print(f"{parameters(model):,} parameters, {len(corpus.train):,} characters to train")


def at(numbers: np.ndarray, starts: np.ndarray) -> tuple[fg.Tensor, fg.Tensor]:
    """The characters from each start on, and each one's next."""
    windows = numbers[starts[:, None] + np.arange(CONTEXT + 1)]
    return fg.tensor(windows[:, :-1]), fg.tensor(windows[:, 1:])


@fg.no_grad()
def validation(count: int) -> float:
    """The mean loss (nats a character) over windows of the last tenth, evenly spaced."""
    starts = np.linspace(0, len(corpus.dev) - CONTEXT - 1, count).astype(int)
    losses = [model(*at(corpus.dev, part))[1].item() for part in np.split(starts, max(1, count // 100))]
    return float(np.mean(losses))


def schedule(step: int) -> float:
    """Rises for 100 steps, then falls as a cosine to nothing."""
    return step / WARM if step < WARM else 0.5 + 0.5 * math.cos(math.pi * (step - WARM) / (2000 - WARM))


matrices = [p for p in model.parameters() if p.ndim > 1]
vectors = [p for p in model.parameters() if p.ndim == 1]
groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
optimizer = optim.AdamW(groups, lr=RATE, betas=(0.9, 0.99))
annealing = optim.lr_scheduler.LambdaLR(optimizer, schedule)
losses, validated = [], {}
for step in range(1, steps + 1):
    starts = rng.integers(0, len(corpus.train) - CONTEXT, BATCH)
    _, loss = model(*at(corpus.train, starts))
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    annealing.step()
    losses.append(loss.item())
    if step % 250 == 0:
        validated[step] = validation(200)
        print(f"step {step}: training {np.mean(losses[-250:]):.3f}, validation {validated[step]:.3f}", flush=True)
final = validation(20 if args.quick else 1700)
start = fg.tensor(corpus.encode("\n")[None])
written = corpus.decode(model.generate(start, 20 if args.quick else 300, temperature=0.8)[0].numpy())
print(written.strip())

figure, axes = canvas(size=(6.4, 4))
axes.plot(losses, linewidth=0.5, alpha=0.5, label="training, a batch each")
axes.plot(list(validated), list(validated.values()), "o-", label="validation")
axes.axhline(math.log(len(corpus.vocabulary)), color="gray", linestyle=":", label="all characters alike")
axes.axhline(1.9, color="black", linestyle="--", label="bar")
axes.set(
    xlabel="step", ylabel="cross entropy (nats per character)", title=f"validation loss {final:.2f}", ylim=(1, 4.4)
)
axes.legend()
sample = "\n".join(line[:44] for line in written.strip().splitlines()[:6])
axes.text(0.33, 0.42, sample, transform=axes.transAxes, family="monospace", fontsize=8)
save(figure, args)
verdict(args, f"validation loss {final:.3f}", "at most 1.90", final <= 1.90)

# What to see: the loss falls steeply while the model learns which characters there are, then slowly while it learns words
# and the form of a play; what it writes at last (in the picture and above) has speakers, lines and mostly real words.
