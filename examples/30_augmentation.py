"""Row 30: data augmentation, images shifted and turned at random, makes much of few images.

Lecture: "Dropout", a relevant technique: data augmentation. The data: 200 of MNIST's images to train, others for each seed;
2,000 to test.
"""

import math

import numpy as np
from _common import Clock, canvas, mnist, options, race, save, verdict

import ferrograd as fg
from ferrograd import nn, optim
from ferrograd.data import transforms
from ferrograd.nn import functional as F

args = options(__doc__)
split = mnist()
COUNT, BATCH, RATES = 200, 32, (1e-3, 2e-3, 4e-3, 8e-3, 16e-3)
augment = transforms.Compose(
    [transforms.RandomCrop(28, padding=2), transforms.RandomRotation(10, interpolation="bilinear")]
)


def new_network():
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2), nn.ReLU(),
        nn.Conv2d(8, 16, 5, stride=2), nn.ReLU(),
        nn.Flatten(), nn.Linear(16 * 4 * 4, 10),
    )  # fmt: skip


def contender(change, steps):
    """Trains on 200 images, each batch changed by `change`; counts steps, so that every run gives the same figures."""

    def run(lr, seed, _):
        clock = Clock(0, 3 if args.quick else steps)
        rng = np.random.default_rng(seed)
        chosen = rng.choice(len(split.train[1]), COUNT, replace=False)
        images, labels = (part[chosen] for part in split.train)
        network = new_network()
        optimizer = optim.Adam(network.parameters(), lr=lr)
        while clock.runs():
            optimizer.param_groups[0]["lr"] = lr * (1 + math.cos(math.pi * clock.part())) / 2
            batch = rng.integers(0, COUNT, BATCH)
            loss = F.cross_entropy(network(fg.from_numpy(change(images[batch]))), fg.from_numpy(labels[batch]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with fg.no_grad():
            read = (network(fg.from_numpy(part[0])).argmax(1).numpy() != part[1] for part in (split.dev, split.test))
            dev, test = (100 * wrong.mean() for wrong in read)
        return dev, test

    return run


# Augmented steps take about twice the time; without there are 2.5 times as many of them, and so no less time.
plain, augmented = "200 images as they are", "shifted and turned"
contenders = {plain: contender(lambda images: images, 750), augmented: contender(augment, 300)}
errors = race(contenders, RATES, args, seconds=0)

figure, (left, right) = canvas(1, 2, size=(8, 4))
for k, (name, found) in enumerate(errors.items()):
    left.bar(np.arange(len(found)) + 0.4 * k, found, width=0.38, label=name)
left.set_xticks(np.arange(len(errors[plain])) + 0.2, range(args.seed, args.seed + len(errors[plain])))
left.set(
    xlabel="seed",
    ylabel="test error (%)",
    title=f"{len(split.test[1]):,} digits to test",
    ylim=(0, 1.5 * max(errors[plain])),
)
left.legend()
shown = split.train[0][:4]
rows = [np.hstack([image[0], *(augment(image)[0] for _ in range(5))]) for image in shown]
right.imshow(np.vstack(rows), cmap="gray_r")
right.axvline(27.5, color="red", linewidth=2)
right.set(title="an image | what becomes of it", xticks=[], yticks=[])
save(figure, args)
wins = sum(ours < other for ours, other in zip(errors[augmented], errors[plain], strict=True))
means = {name: np.mean(found) for name, found in errors.items()}
said = f"test error {means[augmented]:.1f} % with, {means[plain]:.1f} % without; lower on {wins} of 5 seeds"
verdict(args, said, "lower on at least 4 of 5 seeds", wins >= 4)

# What to see: on each seed the network that never sees the same image twice makes far fewer errors; both have the same
# size, no less time, and their own best learning rate.
