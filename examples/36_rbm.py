"""Row 36: a restricted Boltzmann machine learns digits without labels, draws its own, and pre-trains a deep network.

Lecture: "Unsupervised learning: Restricted Boltzmann Machine (RBM)". The data: MNIST, black and white; persistent
contrastive divergence. The gap of free energy is the mean of F over the machine's own draws (its chains, noise at first)
less the mean over digits that it has not seen: near 0 where a draw is as likely as a real digit.
"""

import numpy as np
from _common import canvas, mnist, options, save, verdict

import ferrograd as fg
from ferrograd import models, nn, optim

args = options(__doc__)
epochs, size = (1, 1000) if args.quick else (12, None)
rng = np.random.default_rng(args.seed)
data = mnist()
(x, digit), (dev, _), (test, answer) = (
    ((images.reshape(-1, 784) > 0.5).astype(np.float32)[:size], labels[:size])
    for images, labels in (data.train, data.dev, data.test)
)
shuffled = rng.permuted(dev, axis=1)


def pretrain(rbm, v, watch=None):
    """Persistent contrastive divergence, its learning rate falling to 0."""
    optimizer = optim.SGD(rbm.parameters(), lr=0.05, momentum=0.5)
    updates = epochs * (len(v) // 64)
    schedule = optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, total_iters=updates)
    batches = (rows for _ in range(epochs) for rows in rng.permutation(len(v))[: len(v) // 64 * 64].reshape(-1, 64))
    for update, rows in enumerate(batches, start=1):
        rbm.fit_step(v[rows], optimizer)
        schedule.step()
        if watch and (update in (14, 28, 56, updates) or update % 112 == 0):
            watch(update)


def watch(update):
    with fg.no_grad():
        error = ((first.reconstruct(dev) - dev) ** 2).sum(1).mean().item()
        real, drawn, chaos = (first.free_energy(v).mean().item() for v in (dev, first.chain, shuffled))
    seen.append((update, error, drawn - real, chaos - real))
    print("update {}: reconstruction error {:.1f}, gap of free energy {:.1f}, pixels shuffled {:.1f}".format(*seen[-1]))


def fine_tuned(layers):
    """The mean test error in percent, three times, of a network with these layers trained with 300 labels."""
    wrong = []
    for _ in range(1 if args.quick else 3):
        (a, b), steps = layers(), 3 if args.quick else 500
        network = nn.Sequential(a, nn.Sigmoid(), b, nn.Sigmoid(), nn.Linear(64, 10))
        optimizer = optim.Adam(network.parameters(), lr=3e-3)
        for rows in rng.integers(0, 300, (steps, 50)):
            loss = nn.functional.cross_entropy(network(x[rows]), digit[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        wrong.append(100 * float((network(test).argmax(1).numpy() != answer).mean()))
    return float(np.mean(wrong))


seen = []
first, second = (models.RBM(*sizes, persistent=True, chains=128) for sizes in ((784, 128), (128, 64)))
pretrain(first, x, watch)
pretrain(second, first.hidden(x).detach().numpy())
drawn = first.reconstruct(first.sample(36, steps=3 if args.quick else 200)).detach().numpy()
random = fine_tuned(lambda: (nn.Linear(784, 128), nn.Linear(128, 64)))
trained = fine_tuned(lambda: (first.to_linear(), second.to_linear()))

updates, errors, gaps, chaos = np.array(seen).T
figure, (left, right) = canvas(1, 2, size=(8, 4))
left.semilogx(updates, chaos, color="grey", label="gap: pixels shuffled (nats)")
left.semilogx(updates, gaps, marker="s", label="gap: its own draws (nats)")
left.semilogx(updates, errors, marker="o", label="reconstruction error (pixels)")
left.set(xlabel="updates", ylabel="nats, or pixels", ylim=(0, None), title="digits not seen")
left.legend()
right.imshow(drawn.reshape(6, 6, 28, 28).swapaxes(1, 2).reshape(168, 168), cmap="Greys")
right.set(xticks=[], yticks=[], title="drawn by the machine")
save(figure, args)
change = f"error {errors[0]:.0f} to {errors[-1]:.0f}, gap {gaps[0]:.0f} to {gaps[-1]:.0f}"
met = errors[-1] < errors[0] / 2 and gaps[-1] < gaps[0] / 2 and trained < random
figures = f"{change}, deep net with 300 labels {random:.1f}% wrong, pre-trained {trained:.1f}%"
verdict(args, figures, "both fall by half; pre-training helps", met)

# What to see: a draw soon costs hardly more than a digit, while the same pixels shuffled cost more and more; the machine,
# never told of classes, draws digits; and a deep network that starts from its weights makes fewer errors.
