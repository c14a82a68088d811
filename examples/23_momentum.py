"""Row 23: momentum and Nesterov's form of it accelerate along a valley and dampen the zig-zag across it.

Lecture: "Momentum" with its two images, and "Other Optimization Algorithms" for Nesterov. The data: a quadratic valley.
"""

import numpy as np
from _common import canvas, difference, options, save, verdict

import ferrograd as fg
from ferrograd import optim

CURVATURES = np.array([1.0, 40.0])
START, STEPS = np.array([-2.0, 0.9]), 150
METHODS = {
    "SGD without momentum": {"lr": 0.045},
    "SGD with momentum": {"lr": 0.045, "momentum": 0.7},
    "Nesterov": {"lr": 0.025, "momentum": 0.8, "nesterov": True},
}


def by_engine(settings):
    """The way of W down Q(W) = ½ Σ c W²."""
    w = fg.tensor(START, requires_grad=True)
    optimizer, way = optim.SGD([w], **settings), [START]
    for _ in range(STEPS):
        optimizer.zero_grad()
        (fg.tensor(CURVATURES) * w**2 / 2).sum().backward()
        optimizer.step()
        way.append(w.detach().numpy().copy())
    return fg.tensor(np.array(way))


def by_formula(lr, momentum=0.0, nesterov=False):
    """ΔW ← ∂Q/∂W + η ΔW, W ← W − ε ΔW; Nesterov's step is ∂Q/∂W + η ΔW with the new ΔW."""
    w, velocity, way = START, np.zeros(2), [START]
    for _ in range(STEPS):
        slope = CURVATURES * w
        velocity = slope + momentum * velocity
        w = w - lr * (slope + momentum * velocity if nesterov else velocity)
        way.append(w)
    return np.array(way)


args = options(__doc__)
ways = {name: by_engine(settings) for name, settings in METHODS.items()}
apart = max(difference(way, by_formula(**METHODS[name])) for name, way in ways.items())
figure, axes = canvas(3, 1, size=(4.8, 5.2), sharex=True)
a, b = np.meshgrid(np.linspace(-2.2, 0.7, 80), np.linspace(-1.05, 1.05, 60))
needed, turns = {}, {}
for axis, (name, way) in zip(axes, ways.items(), strict=True):
    way = way.numpy()
    needed[name] = int(np.argmax(np.append((CURVATURES * way**2 / 2).sum(1) < 1e-3, True)))
    turns[name] = int((np.abs(way[:, 1]) > 0.05).sum())
    print(
        f"{name}: {needed[name]} steps until Q < 0.001, {turns[name]} of them further than 0.05 from the valley's floor"
    )
    axis.contour(
        a, b, CURVATURES[0] * a**2 / 2 + CURVATURES[1] * b**2 / 2, levels=[0.05, 0.4, 2, 6, 13], colors="silver"
    )
    axis.plot(*way.T, "o-", color="firebrick", markersize=4)
    axis.plot(0, 0, "*", color="black", markersize=12)
    axis.set(ylabel="$W_2$", title=f"{name}: {needed[name]} steps")
axes[-1].set(xlabel="$W_1$")
save(figure, args)
plain, momentum, nesterov = needed.values()
text = f"{plain} steps without, {momentum} with momentum, {nesterov} with Nesterov's; formulas to {apart:.0e}"
verdict(
    args, text, "at most half of the steps; formulas to 1e-9", 2 * max(momentum, nesterov) <= plain and apart <= 1e-9
)

# What to see: without momentum the way jumps from wall to wall and creeps along the valley; with momentum it swings
# out and runs along the floor, and Nesterov's look ahead takes the swings away as well.
