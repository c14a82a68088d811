"""Training runs that are made wrong on purpose (row 33), or well: small models on small data, in a fraction of a second."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
from sklearn import datasets

import ferrograd as fg
from ferrograd import nn, optim

FAULTS = (
    "learning rate too high", "learning rate too low", "under-fitting", "over-fitting", "dead units",
    "exploding gradient", "vanishing gradient",
)  # fmt: skip


# -- the data: (N, F) standardized features, (N,) classes ---------------------------------------------------------------


def blobs() -> Any:
    """Five classes in 20 dimensions, two clouds each."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 600)
    centres = rng.normal(size=(5, 2, 20))
    return centres[labels, rng.integers(0, 2, 600)] * 1.1 + rng.normal(size=(600, 20)), labels


def waves() -> Any:
    """Four frequencies of noisy waves, sampled at 32 places."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, 500)
    angle = np.linspace(0, 2 * np.pi, 32) * (1 + labels[:, None]) + rng.uniform(0, 2 * np.pi, (500, 1))
    return np.sin(angle) + 0.3 * rng.normal(size=(500, 32)), labels


#: The thresholds of `diagnose` were set on runs of the first line; the second line's are to be named rightly.
DEVELOPMENT = {"iris": lambda: datasets.load_iris(return_X_y=True), "blobs": blobs, "waves": waves}
DATA = {
    "digits": lambda: datasets.load_digits(return_X_y=True),
    "wine": lambda: datasets.load_wine(return_X_y=True),
    "breast cancer": lambda: datasets.load_breast_cancer(return_X_y=True),
}


def split(name: str, seed: int, few: int | None = None) -> tuple[Any, Any, int]:
    """Two thirds to train (at most 256, or so few), the others to develop; and the number of classes."""
    x, y = (DEVELOPMENT | DATA)[name]()
    order = np.random.default_rng(seed).permutation(len(y))
    x = ((x - x.mean(0)) / (x.std(0) + 1e-3))[order].astype(np.float32)
    y = y[order].astype(np.int64)
    n = min(256, 2 * len(y) // 3)
    return (x[: few or n], y[: few or n]), (x[n : n + 150], y[n : n + 150]), int(y.max()) + 1


# -- the models --------------------------------------------------------------------------------------------------------


def mlp(features: int, classes: int, width: int, depth: int, activation: Any) -> nn.Sequential:
    """Linear layers."""
    layers: list[nn.Module] = []
    for k in range(depth):
        layers += [nn.Linear(width if k else features, width), activation()]
    return nn.Sequential(*layers, nn.Linear(width, classes))


def cnn(features: int, classes: int, width: int, depth: int, activation: Any) -> nn.Sequential:
    """Convolutions over the row of features, and one linear layer."""
    channels = max(4, width // 4)
    layers: list[nn.Module] = [nn.Unflatten(1, (1, features))]
    for k in range(depth):
        layers += [nn.Conv1d(channels if k else 1, channels, 3, padding=1), activation()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * features, classes))


class Recurrent(nn.Module):
    """A recurrent network that reads the features in 4 pieces, and layers on its last state."""

    def __init__(self, features: int, classes: int, width: int, depth: int, activation: Any) -> None:
        super().__init__()
        self.piece = -(-features // 4)
        kind = "relu" if activation is nn.ReLU else "tanh"
        self.rnn = nn.RNN(self.piece, width, nonlinearity=kind, batch_first=True)
        self.head = mlp(width, classes, width, depth - 1, activation)

    def forward(self, x: Any) -> Any:
        """(N, F) to (N, classes)."""
        x = nn.functional.pad(x, (0, 4 * self.piece - x.shape[1]))
        states, _ = self.rnn(x.reshape(len(x), 4, self.piece))
        return self.head(states[:, -1])


DEVELOPMENT_MODELS = {
    "wide": lambda *shape: mlp(*shape), "convolutions": lambda *shape: cnn(*shape),
    "recurrent tanh": lambda f, c, w, d, a: Recurrent(f, c, w, d, nn.Tanh if a is nn.ReLU else a),
}  # fmt: skip
MODELS = {"fully connected": mlp, "convolutional": cnn, "recurrent": Recurrent}


# -- the runs ----------------------------------------------------------------------------------------------------------


def run(model: str, data: str, fault: str | None, seed: int) -> tuple[fg.train.History, nn.Module]:
    """Trains as the fault wants it, or well where there is none; gives the history and the trained model."""
    fg.manual_seed(seed)
    rng = np.random.default_rng(seed)
    adam = seed % 2 == 0
    train, dev, classes = split(data, seed, 40 if fault == "over-fitting" else None)
    features = train[0].shape[1]
    width, depth, activation, epochs, decay = 32, 2, nn.ReLU, 25, 1e-3
    lr = 3e-3 if adam else 0.05
    if fault == "learning rate too high":
        lr *= 100
    elif fault == "learning rate too low":
        lr /= 300
    elif fault == "under-fitting":
        decay = 0.5 if adam else 0.3
    elif fault == "over-fitting":
        width, epochs, decay = 64, 60, 0.0
        noisy = rng.random(40) < 0.3
        train[1][noisy] = rng.integers(0, classes, int(noisy.sum()))
    elif fault == "exploding gradient":
        depth = 5
    elif fault == "vanishing gradient":
        depth, activation = 8, nn.Sigmoid
    net = (DEVELOPMENT_MODELS | MODELS)[model](features, classes, width, depth, activation)
    with fg.no_grad():
        for p in net.parameters():
            if fault == "exploding gradient" and p.ndim > 1:
                p.mul_(6.0)
            if fault == "dead units" and p.ndim == 1 and p.shape[0] != classes:
                p.sub_(4.0)
    optimizer: Any = (
        optim.Adam(net.parameters(), lr, weight_decay=decay)
        if adam
        else optim.SGD(net.parameters(), lr, momentum=0.9, weight_decay=decay)
    )
    trainer = fg.train.Trainer(net, nn.CrossEntropyLoss(), optimizer, progress=False)
    with contextlib.suppress(FloatingPointError):  # The history says so.
        trainer.fit(train, dev, epochs=epochs, batch_size=8 if fault == "over-fitting" else 32)
    return trainer.history, net
