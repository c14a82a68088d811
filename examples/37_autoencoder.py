"""Row 37: an auto-encoder gives digits back through a narrow layer, and a denoising one cleans them.

Lecture: "Unsupervised learning: (De-noising) Auto-Encoder". The data: MNIST; normal noise of deviation 0.4 on pixels from
0 to 1. The error is the mean square over pixels of test digits, of the noisy picture (cut to 0 … 1, which helps it) and
of what the network makes of it.
"""

import numpy as np
from _common import canvas, mnist, options, save, verdict

import ferrograd as fg
from ferrograd import models, nn, optim

args = options(__doc__)
NOISE, epochs, size = 0.4, 1 if args.quick else 20, 640 if args.quick else None
rng = np.random.default_rng(args.seed)
data = mnist()
x, test = (images.reshape(-1, 784)[:size] for images, _ in (data.train, data.test))
noisy = np.clip(test + NOISE * rng.standard_normal(test.shape), 0, 1).astype(np.float32)


def learned(noise):
    """An auto-encoder trained to give back whole digits, from digits with so much noise."""
    model = models.AutoEncoder((784, 256, 64), output_activation=nn.Sigmoid, noise=noise)
    optimizer = optim.Adam(model.parameters(), lr=2e-3)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    for _ in range(epochs):
        for rows in rng.permutation(len(x))[: len(x) // 64 * 64].reshape(-1, 64):
            loss = nn.functional.binary_cross_entropy(model(x[rows]), x[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    return model.eval()


def error(pictures):
    return float(((pictures - test) ** 2).mean())


plain, denoising = learned(0.0), learned(NOISE)
with fg.no_grad():
    shown = {
        "real": test,
        "plain": plain(test).numpy(),
        "noisy": noisy,
        "plain of noisy": plain(noisy).numpy(),
        "denoised": denoising(noisy).numpy(),
    }
errors = {name: error(pictures) for name, pictures in shown.items()}
print({name: f"{value:.4f}" for name, value in errors.items()})

figure, (left, right) = canvas(1, 2, size=(8, 4), width_ratios=[1, 1.6])
names = ["noisy", "plain of noisy", "denoised"]
left.bar(range(3), [errors[name] for name in names], color=["grey", "tab:orange", "tab:blue"])
left.axhline(errors["noisy"] / 2, color="black", linestyle=":", label="half the noisy one's")
left.set_xticks(range(3), ["noisy", "plain", "denoising"])
left.set(ylabel="mean square error", ylim=(0, 0.1), title="test digits")
left.legend()
rows = {"real": test, "noisy": noisy, "plain": shown["plain of noisy"], "denoising": shown["denoised"]}
right.imshow(
    np.block([[row[k].reshape(28, 28) for k in range(6)] for row in rows.values()]), cmap="Greys", vmin=0, vmax=1
)
right.set_yticks([14, 42, 70, 98], rows)
right.set(xticks=[], title="a code of 64 numbers between")
save(figure, args)
figures = "error {noisy:.3f} noisy, {denoised:.3f} denoised (by the plain one {plain of noisy:.3f})".format(**errors)
verdict(args, figures, "at most half the noisy one's", errors["denoised"] <= errors["noisy"] / 2)

# What to see: the denoising auto-encoder puts the strokes back that the noise hid; the plain one, which never saw noise,
# gives part of it back.
