"""ferrograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import ferrograd as fg
from ferrograd import nn, optim

from . import SHAPES


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return fg.from_numpy(rng().standard_normal(shape, np.float32))


def labels(n: int, classes: int) -> Any:
    return fg.from_numpy(rng().integers(0, classes, n))


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
    return step(model, optim.Adam(model.parameters()), normal(64, 1, 28, 28), labels(64, 10))


def conv() -> Callable[[], Any]:
    x, w = normal(8, 64, 32, 32).requires_grad_(), normal(64, 64, 3, 3).requires_grad_()
    g = normal(8, 64, 32, 32)
    return lambda: fg.autograd.grad(nn.functional.conv2d(x, w, padding=1), [x, w], g)


def sgd(parameters: Any) -> Any:
    return optim.SGD(parameters, lr=0.01, momentum=0.9)


STEPS: dict[str, Callable[[], Callable[[], Any]]] = {
    **{name: (lambda shape=shape: gemm(shape)) for name, shape in SHAPES.items()},
    "add 16 recorded": add,
    "mlp tiny": lambda: mlp([4, 16, 3], 16, sgd),
    "mlp sgd": lambda: mlp([784, 512, 512, 10], 128, sgd),
    "mlp adam": lambda: mlp([784, 512, 512, 10], 128, optim.Adam),
    "lenet adam": lenet,
    "vgg conv 64": conv,
}


def version() -> str:
    return f"ferrograd {fg.__version__}"


def set_threads(n: int) -> None:
    fg.set_num_threads(n)


def machine() -> dict[str, Any]:
    """The peaks of the machine, measured in this run, and the instruction set."""
    from ferrograd import _core

    n = fg.get_num_threads()
    peaks = {"fma_peak": _core.fma_peak(n), "copy": _core.copy_bandwidth(n), "region": _core.empty_region()}
    return {"isa": _core.isa(), **peaks}


def steady_state() -> dict[str, Any]:
    """Page faults, misses of the memory pool and growth over 1,000 training steps after a warm-up."""
    import gc
    import resource

    once = mlp([784, 512, 512, 10], 128, optim.Adam)
    for _ in range(50):
        once()
    gc.collect()
    gc.disable()
    before, memory = resource.getrusage(resource.RUSAGE_SELF), fg.memory_stats()
    for _ in range(1000):
        once()
    after, now = resource.getrusage(resource.RUSAGE_SELF), fg.memory_stats()
    gc.enable()
    return {
        "faults": after.ru_minflt - before.ru_minflt,
        "misses": now["misses"] - memory["misses"],
        "growth_kib": after.ru_maxrss - before.ru_maxrss,
        "in_use_bytes": now["in_use"] - memory["in_use"],
    }
