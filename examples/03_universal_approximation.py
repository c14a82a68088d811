"""Row 3: one hidden layer of N sigmoids comes as near to a continuous function as wanted, if N is large enough.

Lecture: "Neural Networks: (a bit) theory", Cybenko 1989, Hornik 1991: F(x) = Σ vᵢ φ(wᵢ x + bᵢ). The data: a curve over [0, 1]
with ever finer ripples.
"""

import numpy as np
from _common import canvas, options, save, verdict

import ferrograd as fg
from ferrograd import nn, optim

args = options(__doc__)
rng = np.random.default_rng(args.seed)


def curve(x):
    """Seven sines, each twice as fast and half as high as the one before."""
    return sum(np.sin(2 * np.pi * 2**k * x + k) / 2**k for k in range(7))


x = np.linspace(0, 1, 1001, dtype=np.float32)[:, None]
between = np.linspace(0, 1, 4001, dtype=np.float32)[:, None]  # the error counts between the trained places too
steps = 20 if args.quick else 2500


def approximation(n):
    """F on the fine grid, after training with n sigmoids that start side by side, up or down at random."""
    network = nn.Sequential(nn.Linear(1, n), nn.Sigmoid(), nn.Linear(n, 1))
    weight = 2 * n * rng.choice([-1, 1], n)
    places = (np.arange(n) + 0.5) / n
    with fg.no_grad():
        network[0].weight.copy_(fg.tensor(weight[:, None]))
        network[0].bias.copy_(fg.tensor(-weight * places))
    optimizer = optim.Adam(network.parameters(), lr=0.02)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    objective = nn.MSELoss()
    inputs, target = fg.tensor(x), fg.tensor(curve(x))
    for _ in range(steps):
        loss = objective(network(inputs), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with fg.no_grad():
        return network(fg.tensor(between)).numpy()


sizes = [4, 8, 16, 32, 64, 128, 256]
found = {n: approximation(n) for n in sizes}
errors = [float(np.abs(found[n] - curve(between)).max()) for n in sizes]
for n, error in zip(sizes, errors, strict=True):
    print(f"N = {n:3}: largest error {error:.4f}")

figure, (left, right) = canvas(1, 2, size=(8, 4))
left.plot(between, curve(between), color="black", linewidth=3, label="f(x)")
for n in (4, 16, 256):
    left.plot(between, found[n], linewidth=1.5, label=f"F(x), N = {n}")
left.set(xlabel="x", ylabel="value", title="one hidden layer of N sigmoids")
left.legend()
right.loglog(sizes, errors, marker="o", linewidth=2, label="trained")
right.loglog(sizes, errors[0] * sizes[0] / np.array(sizes), color="black", linestyle=":", label="∝ 1/N")
right.set(xlabel="number N of sigmoids", ylabel="largest error |F − f|", title="the error falls as N grows")
right.set_xticks(sizes, sizes, minor=False)
right.minorticks_off()
right.legend()
save(figure, args)
falls = all(np.diff(errors) < 0)
said = f"largest error {errors[0]:.2g} with 4, {errors[-1]:.2g} with 256 sigmoids"
verdict(args, said, "falls at each doubling", falls)

# What to see: four sigmoids follow only the coarse shape of the curve, 256 its finest ripples; each doubling of N brings the
# largest error down, about as 1/N.
