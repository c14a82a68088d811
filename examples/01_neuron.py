"""Row 1: one artificial neuron, a linear combination and an activation, separates two real classes.

Lecture: "Artificial Neuron: a simple math model". The data: scikit-learn's iris, setosa against the others, two of its
four measurements.
"""

import numpy as np
from _common import canvas, options, save, verdict
from sklearn.datasets import load_iris

import ferrograd as fg
from ferrograd import nn, optim

args = options(__doc__)
measured, species = load_iris(return_X_y=True)
x = fg.tensor(measured[:, [0, 2]].astype(np.float32))
target = fg.tensor((species == 0).astype(np.float32)[:, None])

neuron = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())
optimizer = optim.SGD(neuron.parameters(), lr=0.5)
objective = nn.BCELoss()
for _ in range(20 if args.quick else 500):
    loss = objective(neuron(x), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
wrong = int(((neuron(x) > 0.5) != (target > 0.5)).sum().item())

figure, (left, right) = canvas(1, 2, size=(8, 4))
a = fg.linspace(-4, 4, 200)
for name, activation in {"sigmoid": nn.Sigmoid(), "tanh": nn.Tanh(), "ReLU": nn.ReLU(), "GELU": nn.GELU()}.items():
    left.plot(a.numpy(), activation(a).numpy(), label=name, linewidth=2)
left.set(xlabel="linear combination a", ylabel="activation z", title="activations", ylim=(-1.2, 3))
left.legend()

(w1, w2), (b,) = neuron[0].weight.detach().numpy()[0], neuron[0].bias.detach().numpy()
for is_setosa, label in ((1, "setosa"), (0, "other species")):
    chosen = target.numpy()[:, 0] == is_setosa
    right.scatter(x.numpy()[chosen, 0], x.numpy()[chosen, 1], s=14, label=label)
edge = np.array([4.0, 8.0])
right.plot(edge, -(w1 * edge + b) / w2, color="black", label="neuron says 1/2")
right.set(xlabel="sepal length (cm)", ylabel="petal length (cm)", title="one neuron", ylim=(0, 7.5))
right.legend(loc="upper left")
save(figure, args)
verdict(args, f"{wrong} of {len(x)} flowers wrong", "0 wrong", wrong == 0)

# What to see: on the left the activations of the lecture; on the right one neuron's straight line has the setosas on one
# side and all other flowers on the other.
