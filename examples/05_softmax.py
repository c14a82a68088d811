"""Row 5: the softmax layer turns scores into probabilities, y_i = exp(a_i) / Σ_j exp(a_j).

Lecture: "Fully-Connected (FC) Neural Networks", softmax layer. The data: scikit-learn's iris, its three species, two of
its four measurements. (The lecture's Jacobian has a misprint: off the diagonal it is -y_i y_j.)
"""

import numpy as np
from _common import canvas, difference, options, save, verdict
from sklearn.datasets import load_iris

import ferrograd as fg
from ferrograd import nn, optim

args = options(__doc__)

# The layer and its gradient, against the lecture's formulas in float64; scores of 1,000 do not overflow.
scores = np.random.default_rng(args.seed).normal(0, 3, (64, 10)) + [[0.0], [1000.0]] * 32
scores = scores.astype(np.float32).astype(np.float64)
e = np.random.default_rng(args.seed + 1).normal(size=scores.shape).astype(np.float32)
powers = np.exp(scores - scores.max(1, keepdims=True))
y = powers / powers.sum(1, keepdims=True)
jacobian = y[:, :, None] * (np.eye(10) - y[:, None, :])  # y_i (1 - y_i), and -y_i y_j off the diagonal
log_jacobian = np.eye(10) - y[:, None, :]
differences = {}
for layer, value, backward in (
    (nn.Softmax(dim=1), y, np.einsum("nij,ni->nj", jacobian, e)),
    (nn.LogSoftmax(dim=1), np.log(y), np.einsum("nij,ni->nj", log_jacobian, e)),
):
    a = fg.tensor(scores.astype(np.float32), requires_grad=True)
    z = layer(a)
    z.backward(fg.from_numpy(e))
    differences[f"{layer}"] = max(difference(z, value), difference(a.grad, backward))
    print(f"{layer}: values and gradients differ from float64 by {differences[f'{layer}']:.1e}")
worst = max(differences.values())

# A linear layer and a softmax: the probability of each species.
measured, species = load_iris(return_X_y=True)
x = fg.tensor(measured[:, 2:].astype(np.float32))
target = fg.tensor(species)
model = nn.Linear(2, 3)
optimizer = optim.Adam(model.parameters(), lr=0.1)
objective = nn.CrossEntropyLoss()  # log-softmax and negative log-likelihood in one
for _ in range(20 if args.quick else 1000):
    loss = objective(model(x), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
softmax = nn.Softmax(dim=1)
wrong = int((softmax(model(x)).argmax(1) != target).sum().item())
print(f"{wrong} of {len(x)} flowers wrong, mean -ln y {loss.item():.3f}")

figure, (left, right) = canvas(1, 2, size=(7.5, 3.75))
places = np.arange(3)
for k, temperature in enumerate((0.5, 1.0, 4.0)):
    y = fg.softmax(fg.tensor([1.0, 2.0, 3.0]) / temperature, 0)
    left.bar(places + 0.27 * (k - 1), y.numpy(), width=0.25, label=f"a / {temperature:g}")
left.set(xlabel="class i", ylabel="probability y", title="softmax of a = 1, 2, 3", xticks=places, ylim=(0, 1))
left.set_xticklabels(["a = 1", "a = 2", "a = 3"])
left.legend(loc="upper left")
length, width = np.meshgrid(np.linspace(0.5, 7.2, 42), np.linspace(0, 2.7, 42))
grid = fg.tensor(np.stack([length.ravel(), width.ravel()], 1).astype(np.float32))
probability = softmax(model(grid)).detach().numpy().reshape(42, 42, 3)
right.imshow(0.55 + 0.45 * probability, origin="lower", extent=(0.5, 7.2, 0, 2.7), aspect="auto")
for k, (name, color) in enumerate({"setosa": "darkred", "versicolor": "darkgreen", "virginica": "navy"}.items()):
    chosen = species == k
    right.scatter(measured[chosen, 2], measured[chosen, 3], s=12, color=color, label=name)
right.set(xlabel="petal length (cm)", ylabel="petal width (cm)", title="probabilities of three species")
right.legend(loc="upper left")
save(figure, args)
verdict(args, f"differs from float64 by {worst:.1e}", "at most 1e-05", worst <= 1e-5)

# What to see: on the left, whatever the scores, the probabilities are positive and sum to 1, and the highest score gains
# the more, the larger the scores' distances; on the right one species' colour goes over into the next one's where the
# flowers of the two lie among each other.
