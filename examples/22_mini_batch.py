"""Row 22: mini-batch stochastic gradient descent, and what the size of the mini-batch, 10 to 1000, changes.

Lecture: "Mini-batch Stochastic Gradient Descent", W ← W − ε ∂Q/∂W. The data: MNIST.
"""

import time

import numpy as np
from _common import canvas, difference, mnist, options, save, verdict

import ferrograd as fg
from ferrograd import nn, optim
from ferrograd.data import DataLoader, TensorDataset

args = options(__doc__)
split = mnist()
images, labels = (part[: 500 if args.quick else 7200] for part in split.train)
x, target = fg.from_numpy(images.reshape(len(images), -1)), fg.from_numpy(labels)
rng = np.random.default_rng(args.seed)
objective, RATE = nn.CrossEntropyLoss(), 0.1


def new_network():
    """The same weights each time."""
    fg.manual_seed(args.seed)
    return nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))


def by_hand(weights, picked):
    """The step of the lecture in NumPy, float64."""
    w1, b1, w2, b2 = weights
    inputs = images[picked].reshape(len(picked), -1).astype(np.float64)
    z = np.maximum(inputs @ w1.T + b1, 0)
    y = np.exp(z @ w2.T + b2)
    e2 = (y / y.sum(1, keepdims=True) - np.eye(10)[labels[picked]]) / len(picked)
    e1 = (e2 @ w2) * (z > 0)
    gradients = e1.T @ inputs, e1.sum(0), e2.T @ z, e2.sum(0)
    return [w - RATE * g for w, g in zip(weights, gradients, strict=True)]


network = new_network()
optimizer = optim.SGD(network.parameters(), lr=RATE)
weights = [p.detach().numpy().astype(np.float64) for p in network.parameters()]
for _ in range(5 if args.quick else 100):
    picked = rng.choice(len(images), 100, replace=False)
    optimizer.zero_grad()
    objective(network(x[picked]), target[picked]).backward()
    optimizer.step()
    weights = by_hand(weights, picked)
apart = max(difference(p, w) for p, w in zip(network.parameters(), weights, strict=True))

sizes, epochs, draws = [10, 32, 100, 316, 1000], (1 if args.quick else 10), (5 if args.quick else 100)
curves, noise = {}, []
for size in sizes:
    network = new_network()
    optimizer = optim.SGD(network.parameters(), lr=RATE)
    gradients = []
    for _ in range(draws):  # with replacement, of the weights before training
        picked = rng.integers(0, len(images), size)
        optimizer.zero_grad()
        objective(network(x[picked]), target[picked]).backward()
        gradients.append(network[0].weight.grad.numpy().ravel().copy())
    noise.append(np.sqrt(np.var(gradients, 0, ddof=1).sum()))
    curves[size], started = [objective(network(x), target).item()], time.perf_counter()
    for _ in range(epochs):
        for inputs, classes in DataLoader(TensorDataset(x, target), batch_size=size, shuffle=True):
            loss = objective(network(inputs), classes)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        curves[size].append(objective(network(x), target).item())
    seconds = (time.perf_counter() - started) / epochs
    print(f"batches of {size:4}: objective {curves[size][-1]:.3f}, {seconds:.2f} s an epoch, noise {noise[-1]:.3f}")

figure, (left, right) = canvas(1, 2, size=(8, 4))
for size, curve in curves.items():
    left.semilogy(curve, linewidth=2, marker=".", label=f"{size}")
left.set(xlabel="epoch", ylabel="objective (nats)", title=f"the same learning rate, {RATE}")
left.legend(title="mini-batch")
right.loglog(sizes, noise, marker="o", linewidth=2, label="measured")
right.loglog(sizes, noise[0] * np.sqrt(sizes[0] / np.array(sizes)), "k:", label="∝ 1/√size")
right.set(xlabel="size of the mini-batch", ylabel="standard deviation", title="noise of the gradient")
right.legend()
save(figure, args)
slope = float(np.polyfit(np.log(sizes), np.log(noise), 1)[0])
said = f"100 steps: {apart:.1e} from NumPy's in float64; noise ∝ size^{slope:.2f}"
verdict(args, said, "≤ 1e-05; exponent −0.5 ± 0.05", apart <= 1e-5 and abs(slope + 0.5) <= 0.05)

# What to see: with one learning rate, small mini-batches get much further in an epoch, for they take more steps; the noise
# of their gradients is larger, and falls with the square root of the size.
