"""Row 34: sequence to sequence with attention, strings are reversed and dates written in ISO's form.

Lecture: "Sequence to sequence modeling". The data: random strings of 3 to 10 letters and their reverse; dates as people
write them, "March 3, 1998" or "the 3rd of March 1998", and as ISO 8601 does, "1998-03-03" (`fg.data.synthetic`). The
network is judged by 500 pairs of each that it has not seen: every character of an answer has to be right.
"""

import numpy as np
from _common import canvas, options, save, verdict

from ferrograd import models, nn, optim
from ferrograd.data import synthetic

args = options(__doc__)
PAD, EOS = 0, 2
steps, pairs = (3, 200) if args.quick else (500, 8000)


def encoded(texts, known, end=()):
    """Rows of numbers, 0 beyond a text's end: letters are numbered from 3."""
    rows = np.full((len(texts), max(map(len, texts)) + len(end)), PAD)
    for row, text in zip(rows, texts, strict=True):
        row[: len(text) + len(end)] = [known.index(c) + 3 for c in text] + list(end)
    return rows


def right(written, target):
    """Whether each answer is right to its last character."""
    width = max(written.shape[1], target.shape[1])
    written, target = (np.pad(rows, ((0, 0), (0, width - rows.shape[1]))) for rows in (written, target))
    return (written == target).all(1)


def learn(texts, answers):
    """A network that has learned the pairs, the share of right answers among those kept back, and how it came there."""
    known, written = (sorted(set("".join(some))) for some in (texts, answers))
    source, target = encoded(texts, known), encoded(answers, written, [EOS])
    (seen, asked), (wanted, answer) = ((rows[:-500], rows[-500:]) for rows in (source, target))
    model = models.Seq2Seq(len(known) + 3, len(written) + 3, embedding=32, hidden=96)
    optimizer, curve = optim.Adam(model.parameters(), lr=4e-3), []
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for step in range(steps):
        rows = rng.integers(0, len(seen), 64)
        loss = model.loss(seen[rows], wanted[rows])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % 50 == 0 or step + 1 == steps:
            share = right(model.generate(asked, target.shape[1]).numpy(), answer).mean()
            curve.append((step + 1, 100 * share))
    return model, curve, (texts[-1], source[-1:], written)


rng = np.random.default_rng(args.seed)
tasks = {
    "reverse": synthetic.reverse_strings(pairs + 500, (3, 10), seed=args.seed),
    "dates": synthetic.dates(pairs + 500, seed=args.seed),
}
figure, (left, look) = canvas(1, 2, size=(9, 4.2))
reached = {}
for name, task in tasks.items():
    model, curve, (text, source, written) = learn(*task)
    reached[name] = curve[-1][1]
    left.plot(*np.array(curve).T, marker="o", label=f"{name}: {reached[name]:.1f}%")
    tokens, weights = model.generate(source, 15, need_weights=True)
    answer = "".join(written[k - 3] if k > 2 else "." for k in tokens.tolist()[0])
    print(f"{name}: {text!r} -> {answer.rstrip('.')!r}; exact {reached[name]:.1f}%")
left.axhline(95, color="black", linestyle=":", label="95%")
left.set(xlabel="updates", ylabel="exact answers (%)", ylim=(0, 102), title="answers never seen before")
left.legend(loc="lower right")
look.imshow(weights.numpy()[0, :, : len(text)], cmap="Greys", vmin=0, vmax=1, aspect="auto")
look.set_xticks(range(len(text)), list(text))
look.set_yticks(range(len(answer)), list(answer.replace(".", "end")) if len(answer) < 2 else [*answer[:-1], "end"])
look.set(xlabel="source: where it looks", ylabel="what it writes", title="attention")
save(figure, args)
figures = ", ".join(f"{name} {share:.1f}%" for name, share in reached.items())
verdict(args, f"exact match: {figures}", "each at least 95%", min(reached.values()) >= 95)

# What to see: both tasks are learned to the last character; the dark squares show where the decoder looked for each
# character that it wrote: at the year first, then at the month's name, then at the day.
