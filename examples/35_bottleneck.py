"""Row 35: bottleneck features, what passes a narrow layer that learned one question, answer another with few labels.

Lecture: "Bottleneck features". The data: MNIST. A network with a layer of 24 learns which digit a picture shows. Then a
second classifier is to say whether the digit is a prime number, from 100 labelled pictures only: it is given the narrow
layer's 24 features, and the time of both trainings is counted. The other contender gets the same 100 pictures themselves:
as many parameters in all, the same time, each the best of five learning rates, five seeds.
"""

import numpy as np
from _common import canvas, mnist, options, parameters, race, save, verdict

import ferrograd as fg
from ferrograd import models, nn, optim

args = options(__doc__)
data = mnist()
parts = [(images.reshape(-1, 784), labels) for images, labels in (data.train, data.dev, data.test)]
(x, digit), (dev, dev_digit), (test, test_digit) = parts
NARROW, PRIMES = 24, (2, 3, 5, 7)
prime, dev_prime, test_prime = (np.isin(labels, PRIMES).astype(np.int64) for _, labels in parts)
kept, sizes = {}, {}


def fit(model, inputs, answers, lr, rng, clock, until=1.0):
    """Trains while the clock's part is below `until`."""
    optimizer, start = optim.Adam(model.parameters(), lr), clock.part()
    while clock.part() < until and clock.runs():
        rows = rng.integers(0, len(inputs), 50)
        loss = nn.functional.cross_entropy(model(inputs[rows]), answers[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.param_groups[0]["lr"] = lr * max(0.02, (until - clock.part()) / (until - start))
        optimizer.step()


def wrong(model, inputs, answers):
    with fg.no_grad():
        return 100 * float((model(inputs).argmax(1).numpy() != answers).mean())


def few(rng):
    """A hundred pictures, ten of each digit."""
    return np.concatenate([rng.choice(np.flatnonzero(digit == d), 10, replace=False) for d in range(10)])


def with_features(lr, seed, clock):
    rows = few(rng := np.random.default_rng(seed))
    first = models.BottleneckNet((784, 128, NARROW), num_classes=10, after=())
    fit(first, x, digit, 3e-3, rng, clock, until=0.7)
    second = nn.Sequential(nn.Linear(NARROW, 64), nn.ReLU(), nn.Linear(64, 2))
    with fg.no_grad():
        narrow, *others = (first.features(images).numpy() for images in (x[rows], dev, test))
    fit(second, narrow, prime[rows], lr, rng, clock)
    kept["features"], sizes["features"] = others[1], parameters(first.extractor) + parameters(second)
    return wrong(second, others[0], dev_prime), wrong(second, others[1], test_prime)


def with_pictures(lr, seed, clock):
    rows = few(rng := np.random.default_rng(seed))
    model = models.BottleneckNet((784, 128, NARROW), num_classes=2, after=(64,))
    fit(model, x[rows], prime[rows], lr, rng, clock)
    sizes["pictures"] = parameters(model)
    return wrong(model, dev, dev_prime), wrong(model, test, test_prime)


contenders = {"features": with_features, "pictures": with_pictures}
best = race(contenders, (3e-4, 1e-3, 3e-3, 1e-2, 3e-2), args, seconds=2.4)
wins = sum(a < b for a, b in zip(best["features"], best["pictures"], strict=True))
print(sizes, "parameters")

figure, (left, right) = canvas(1, 2, size=(8, 4))
for place, errors in enumerate(best.values()):
    left.bar(place, np.mean(errors), width=0.6, alpha=0.4)
    left.scatter([place] * len(errors), errors, color="black", zorder=2)
left.set_xticks([0, 1], ["bottleneck\nfeatures", "pictures\nthemselves"])
left.set(ylabel="test error (%)", ylim=(0, None), title="prime or not, from 100 labels")
centred = kept["features"] - kept["features"].mean(0)
plane = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
for place, d in list(zip(plane, test_digit, strict=True))[:200]:
    right.text(*place, str(d), color="tab:red" if d in PRIMES else "tab:gray", fontsize=9, clip_on=True)
right.set(xlabel="1st principal axis", ylabel="2nd principal axis", title="the 24 features (red: prime)")
right.set(xlim=np.percentile(plane[:, 0], [1, 99]), ylim=np.percentile(plane[:, 1], [1, 99]))
save(figure, args)
ours, theirs = (np.mean(errors) for errors in best.values())
figures = f"error {ours:.1f}% against {theirs:.1f}%, features win {wins} of {len(best['features'])}"
verdict(args, figures, "wins 4 of 5 seeds", wins >= 4)

# What to see: the narrow layer was never asked about primes, but it holds what tells digits apart, so 100 labels are
# enough; from the pictures themselves the same 100 labels teach less.
