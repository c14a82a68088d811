"""PyTorch, eager, with its fused optimizers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from . import SHAPES


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def normal(*shape: int) -> torch.Tensor:
    return torch.from_numpy(rng().standard_normal(shape, np.float32))


def labels(n: int, classes: int) -> torch.Tensor:
    return torch.from_numpy(rng().integers(0, classes, n))


def gemm(shape: tuple[int, int, int]) -> Callable[[], Any]:
    m, n, k = shape
    a, b = normal(m, k), normal(k, n)
    return lambda: a @ b


def add() -> Callable[[], Any]:
    a, b = normal(16).requires_grad_(), normal(16).requires_grad_()
    return lambda: a + b


def step(model: Any, optimizer: Any, x: Any, y: Any) -> Callable[[], Any]:
    loss_of = nn.CrossEntropyLoss()

    def once() -> float:
        loss = loss_of(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return once


def mlp(sizes: list[int], batch: int, make: Callable[[Any], Any]) -> Callable[[], Any]:
    layers: list[Any] = []
    for a, b in zip(sizes, sizes[1:], strict=False):
        layers += [nn.Linear(a, b), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    return step(model, make(model.parameters()), normal(batch, sizes[0]), labels(batch, sizes[-1]))


def lenet() -> Callable[[], Any]:
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    return step(model, torch.optim.Adam(model.parameters(), fused=True), normal(64, 1, 28, 28), labels(64, 10))


def conv() -> Callable[[], Any]:
    x, w = normal(8, 64, 32, 32).requires_grad_(), normal(64, 64, 3, 3).requires_grad_()
    g = normal(8, 64, 32, 32)
    return lambda: torch.autograd.grad(nn.functional.conv2d(x, w, padding=1), [x, w], g)


def sgd(parameters: Any) -> Any:
    return torch.optim.SGD(parameters, lr=0.01, momentum=0.9, fused=True)


STEPS: dict[str, Callable[[], Callable[[], Any]]] = {
    **{name: (lambda shape=shape: gemm(shape)) for name, shape in SHAPES.items()},
    "add 16 recorded": add,
    "mlp tiny": lambda: mlp([4, 16, 3], 16, sgd),
    "mlp sgd": lambda: mlp([784, 512, 512, 10], 128, sgd),
    "mlp adam": lambda: mlp([784, 512, 512, 10], 128, lambda p: torch.optim.Adam(p, fused=True)),
    "lenet adam": lenet,
    "vgg conv 64": conv,
}


def version() -> str:
    return f"PyTorch {torch.__version__}"


def set_threads(n: int) -> None:
    torch.set_num_threads(n)
