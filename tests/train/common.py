"""A small task that every test of the trainer can afford."""

from __future__ import annotations

from typing import Any

import numpy as np

import ferrograd as fg
from ferrograd import data, nn, optim


def task(n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three classes of points in 4 dimensions, not quite apart."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    points = rng.normal(size=(n, 4)) + 2.0 * np.eye(4)[labels]
    return points.astype(np.float32), labels.astype(np.int64)


def network(hidden: int = 8, **options: Any) -> nn.Sequential:
    """With all that has a state: batch normalization's buffers, dropout's random numbers."""
    return nn.Sequential(
        nn.Linear(4, hidden, **options), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(0.2), nn.Linear(hidden, 3)
    )


def trainer(seed: int = 1, lr: float = 0.01, **options: Any) -> fg.train.Trainer:
    """Adam on the network, no bars."""
    fg.manual_seed(seed)
    model = network()
    optimizer = optim.Adam(model.parameters(), lr=lr)
    return fg.train.Trainer(model, nn.CrossEntropyLoss(), optimizer, **{"progress": False, **options})


def loader(n: int = 60, batch: int = 10, **options: Any) -> data.DataLoader:
    """The task in batches, shuffled."""
    return data.DataLoader(data.TensorDataset(*task(n)), batch, **{"shuffle": True, **options})
