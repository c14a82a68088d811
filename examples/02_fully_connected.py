"""Row 2: a fully connected network, 784-256-128-10 with ReLU and softmax, learns to read digits.

Lecture: "Fully-Connected (FC) Neural Networks". The data: MNIST; of its 10,000 test images 8,000 to train (a tenth of them
held out to develop) and 2,000 to test, or the whole of it where its training images are there too.
"""

import numpy as np
from _common import canvas, mnist, options, save, verdict

import ferrograd as fg
from ferrograd import nn, optim
from ferrograd.data import DataLoader, TensorDataset

args = options(__doc__)
split = mnist()
limit = 500 if args.quick else None

network = nn.Sequential(
    nn.Flatten(),
    nn.Linear(784, 256), nn.ReLU(),
    nn.Linear(256, 128), nn.ReLU(),
    nn.Linear(128, 10),  # the softmax is part of the cross entropy
)  # fmt: skip
optimizer = optim.Adam(network.parameters(), lr=1e-3)
objective = nn.CrossEntropyLoss()
images, labels = (part[:limit] for part in split.train)
loader = DataLoader(TensorDataset(images, labels), batch_size=64, shuffle=True)


def classes(images):
    """What the network reads."""
    with fg.no_grad():
        return network(fg.from_numpy(images)).argmax(1).numpy()


def error(part):
    """The share of images, in percent, that the network reads wrongly."""
    return 100 * np.mean(classes(part[0][:limit]) != part[1][:limit])


epochs = 1 if args.quick else 15
curves = {"training": [], "development": []}
for epoch in range(epochs):
    for x, target in loader:
        loss = objective(network(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    curves["training"].append(error(split.train))
    curves["development"].append(error(split.dev))
    print(f"epoch {epoch + 1:2}: " + ", ".join(f"{name} error {curve[-1]:.2f} %" for name, curve in curves.items()))
test_error = error(split.test)

figure, (left, right) = canvas(1, 2, size=(8, 4))
for name, curve in curves.items():
    left.plot(range(1, epochs + 1), curve, linewidth=2, marker=".", label=name)
left.axhline(4, color="black", linestyle=":", label="bar of the test error")
left.set(xlabel="epoch", ylabel="error (%)", title="MNIST, 784-256-128-10", ylim=(0, 12))
left.legend()

read = classes(split.test[0])
wrong = np.flatnonzero(read != split.test[1])[:12]
right.imshow(np.vstack([np.hstack(split.test[0][row, 0]) for row in np.resize(wrong, (3, 4))]), cmap="gray_r")
for k, which in enumerate(wrong):
    right.text(28 * (k % 4) + 1, 28 * (k // 4) + 6, f"{read[which]}", color="red", fontsize=14, weight="bold")
right.set(title="what it misreads", xticks=[], yticks=[], xlabel="red: what the network says")
save(figure, args)
verdict(args, f"test error {test_error:.2f} %", "≤ 4 %", test_error <= 4)

# What to see: the training error falls to nothing, the development error stays near 4 %; many digits that the network
# misreads are hard for people too.
