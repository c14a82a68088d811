"""The recipe of `08_lenet.py` in PyTorch: prints its five test errors in %, which stand in the example.

    python examples/peers/08_torch.py FOLDER_OF_MNIST

Needs PyTorch, and MNIST's files in a folder as `$FERROGRAD_DATA` names one. PyTorch 2.13.0 (CPU) gave the figures there.
"""

import sys

import numpy as np
import torch
from torch import nn

from ferrograd.data import datasets

EPOCHS, BATCH, RATE = 8, 50, 3e-3

split = datasets.mnist(sys.argv[1])
images, labels = (torch.from_numpy(np.concatenate(pair)) for pair in zip(split.train, split.dev, strict=True))
test_images, test_labels = map(torch.from_numpy, split.test)
train_set = torch.utils.data.TensorDataset(images, labels)


def lenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def test_error(seed: int) -> float:
    torch.manual_seed(seed)
    model = lenet()
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    loader = torch.utils.data.DataLoader(train_set, BATCH, shuffle=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS * len(loader))
    objective = nn.CrossEntropyLoss()
    for _ in range(EPOCHS):
        for x, target in loader:
            loss = objective(model(x), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        return 100 * (model(test_images).argmax(1) != test_labels).float().mean().item()


print(torch.__version__, [round(test_error(seed), 2) for seed in range(5)])
