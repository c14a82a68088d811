"""Row 15: word embedding: each word becomes a vector that is learned, and words of one kind become neighbours.

Lecture: "Transformers (II)". The data: the tiny Shakespeare text. Each word is predicted from the two before and the two
after it (Mikolov et al. 2013, arXiv:1301.3781: continuous bag of words).
"""

import re
from collections import Counter

import numpy as np
from _common import canvas, difference, options, save, text, verdict

import ferrograd as fg
from ferrograd import nn, optim
from ferrograd.nn import functional as F

#: Words of one kind, to see afterwards whether they are neighbours; the training does not know of them.
KINDS = {
    "family": "father mother brother sister son daughter wife husband", "titles": "king queen duke prince lord",
    "may, will": "shall will would should could may can must", "possessive": "my thy his her our their your",
    "have": "hath has have hast had", "numbers": "two three ten twenty", "body": "eyes hand heart tongue face hands",
}  # fmt: skip
VOCABULARY, FEATURES, BATCH = 1000, 64, 512

args = options(__doc__)
rng = np.random.default_rng(args.seed)

# y = W[i], one row an index; its gradient adds up the error signals of each row's places.
table, i = nn.Embedding(50, 6), rng.integers(0, 50, (20, 30))
y, e = table(fg.tensor(i)), rng.normal(size=(20, 30, 6)).astype(np.float32)
y.backward(fg.tensor(e))
one_hot = np.eye(50)[i]
gradient = np.einsum("nti,ntf->if", one_hot, e)
worst = max(difference(y, one_hot @ table.weight.detach().numpy()), difference(table.weight.grad, gradient))
refused = 0
for wrong in (50, -1):
    try:
        table(fg.tensor([wrong]))
    except IndexError as error:
        print("IndexError:", error.args[0])
        refused += 1

# Shakespeare's 1,000 most frequent words; the others share one number.
words = re.findall(r"[a-z']+", text().text.lower())
vocabulary = ["?", *(word for word, _ in Counter(words).most_common(VOCABULARY - 1))]
number = {word: k for k, word in enumerate(vocabulary)}
sequence = np.array([number.get(word, 0) for word in words])

embedding, read = nn.Embedding(len(vocabulary), FEATURES), nn.Linear(FEATURES, len(vocabulary))
nn.init.normal_(embedding.weight, 0, 0.1)
steps = 20 if args.quick else 8 * len(sequence) // BATCH
optimizer = optim.Adam([*embedding.parameters(), *read.parameters()], lr=5e-3)
annealing = optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, steps)
for _ in range(steps):
    places = rng.integers(2, len(sequence) - 2, BATCH)
    around = embedding(fg.tensor(sequence[places[:, None] + [-2, -1, 1, 2]])).mean(1)
    loss = F.cross_entropy(read(around), fg.tensor(sequence[places]))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    annealing.step()

vectors = F.normalize(embedding.weight.detach(), dim=1)  # products are cosines
known = {word: kind for kind, those in KINDS.items() for word in those.split() if word in number}
beside = 0
for word, kind in known.items():
    nearest = [vocabulary[k] for k in (vectors @ vectors[number[word]]).topk(4).indices.tolist()[1:]]
    beside += known.get(nearest[0]) == kind
    if word in ("king", "father", "shall", "hath", "thy", "three"):
        print(f"{word}: {', '.join(nearest)}")
print(f"the nearest of {len(vocabulary):,} words is of the same kind for {beside} of {len(known)}")

figure, axes = canvas(size=(6.4, 4.8))
rows = [number[word] for word in known]
shown = axes.imshow(
    (vectors[rows] @ vectors[rows].T).numpy(), cmap="RdBu_r", vmin=-0.8, vmax=0.8, interpolation="nearest"
)
figure.colorbar(shown, label="cosine of two words' vectors")
edges = np.cumsum([0, *(list(known.values()).count(kind) for kind in KINDS)])
axes.set(xticks=edges - 0.5, xticklabels=[], yticks=(edges[1:] + edges[:-1] - 1) / 2, yticklabels=list(KINDS))
axes.vlines(edges - 0.5, -0.5, edges[-1] - 0.5, color="black", linewidth=0.5)
axes.hlines(edges - 0.5, -0.5, edges[-1] - 0.5, color="black", linewidth=0.5)
axes.set(title=f"{len(known)} words of {len(KINDS)} kinds", xlabel="the same words")
save(figure, args)
figures = f"{worst:.1e} from float64, {refused} of 2 wrong indices refused, {beside} of {len(known)} words beside kin"
met = worst <= 1e-5 and refused == 2 and 2 * beside >= len(known)
verdict(args, figures, "at most 1e-05, 2, half of the words", met)

# What to see: nobody told the network what is a title, a number or a part of the body, and yet the words of a kind have
# vectors in about the same direction (the red squares along the diagonal), since the same words stand around them.
