"""Row 38: a generative adversarial network draws digits that a trained classifier recognises.

Lecture: "Unsupervised learning: Generative Adversarial Networks". The data: MNIST. Recognised means: a LeNet trained on
the real training digits (its error on test digits is printed) is at least 90% sure of the class. A class counts where at
least 20 of 1,000 drawn pictures, not chosen in any way, are so recognised as it.
"""

import numpy as np
from _common import canvas, mnist, options, save, verdict

import ferrograd as fg
from ferrograd import models, nn, optim

args = options(__doc__)
epochs, steps, count = (1, 3, 50) if args.quick else (5, 2500, 1000)
rng = np.random.default_rng(args.seed)
data = mnist()
(x, digit), (test, answer) = data.train, data.test
if args.quick:
    (x, digit), (test, answer) = (x[:320], digit[:320]), (test[:100], answer[:100])


def batches():
    """Pictures 32 at a time, in a new order each time round."""
    while True:
        yield from rng.permutation(len(x))[: len(x) // 32 * 32].reshape(-1, 32)


judge, stream = models.lenet5(), batches()
optimizer = optim.Adam(judge.parameters(), lr=2e-3)
schedule = optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
for _ in range(epochs):
    for _ in range(len(x) // 32):
        rows = next(stream)
        loss = nn.functional.cross_entropy(judge(x[rows]), digit[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    schedule.step()
wrong = 100 * float((judge(test).argmax(1).numpy() != answer).mean())
print(f"the classifier: {wrong:.1f}% of {len(test)} test digits wrong")


def recognised(pictures):
    """The class of each picture, or -1 where the classifier is less than 90% sure."""
    with fg.no_grad():
        sure = nn.functional.softmax(judge((pictures + 1) / 2), 1).numpy()
    return np.where(sure.max(1) >= 0.9, sure.argmax(1), -1)


def found(classes):
    """How many of a thousand are recognised as each class."""
    return 1000 * np.bincount(classes[classes >= 0], minlength=10) / len(classes)


gan = models.DCGAN(latent=32, width=16)
d_optimizer, g_optimizer = (
    optim.Adam(part.parameters(), lr=1e-3, betas=(0.5, 0.99)) for part in (gan.discriminator, gan.generator)
)
before = found(recognised(gan.sample(count)))
for step in range(steps):
    d_loss, g_loss = gan.fit_step(2 * x[next(stream)] - 1, d_optimizer, g_optimizer)
    for optimizer in (d_optimizer, g_optimizer):
        optimizer.param_groups[0]["lr"] = 1e-3 * (1.02 - step / steps)
    if (step + 1) % 500 == 0:
        drawn = found(recognised(gan.sample(count)))
        print(f"update {step + 1}: losses {d_loss:.2f}, {g_loss:.2f}; {(drawn >= 20).sum()} classes")
pictures = gan.sample(count)
classes = recognised(pictures)
drawn = found(classes)
reached, at_first = int((drawn >= 20).sum()), int((before >= 20).sum())
print("recognised, of 1,000:", drawn.astype(int).tolist(), "before training:", before.astype(int).tolist())

figure, (left, right) = canvas(1, 2, size=(8, 4))
left.bar(range(10), drawn)
left.axhline(20, color="black", linestyle=":", label="20 of 1,000")
left.set(xlabel="class the classifier is sure of", ylabel="pictures of 1,000", title="recognised", xticks=range(10))
left.legend()
right.imshow(
    pictures.numpy()[:36, 0].reshape(6, 6, 28, 28).swapaxes(1, 2).reshape(168, 168), cmap="Greys", vmin=-1, vmax=1
)
right.set(xticks=[], yticks=[], title="the first 36 drawn")
save(figure, args)
figures = f"{reached} of 10 classes, {100 * (classes >= 0).mean():.0f}% of pictures (untrained: {at_first})"
verdict(args, figures, "at least 8; classifier below 4% wrong", reached >= 8 and wrong < 4)

# What to see: no picture was ever shown to the generator, only told how real its own looked; most of what it draws are
# digits, of all kinds.
