"""Our own ops and steps under pytest-benchmark; `make bench` saves each run and compares it with the one before."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import nn

sys.path.insert(0, str(Path(__file__).resolve().parent))
from workloads import BRIEF, ferrograd_

F = nn.functional


def normal(*shape: int) -> Any:
    return fg.from_numpy(np.random.default_rng(0).standard_normal(shape, np.float32))


def both(function: Callable[..., Any], *operands: Any) -> Callable[[], Any]:
    """Forward and backward of a function, for a fixed gradient of its result."""
    for x in operands:
        x.requires_grad_()
    g = normal(*function(*operands).shape)
    return lambda: fg.autograd.grad(function(*operands), operands, g)


#: Memory-bound ops on 4 Mi elements (16 MiB, past the caches), forward and backward.
OPS: dict[str, Callable[[], Callable[[], Any]]] = {
    "relu": lambda: both(F.relu, normal(2048, 2048)),
    "gelu": lambda: both(F.gelu, normal(2048, 2048)),
    "add": lambda: both(fg.add, normal(2048, 2048), normal(2048, 2048)),
    "sum": lambda: both(fg.sum, normal(2048, 2048)),
    "softmax": lambda: both(lambda x: F.softmax(x, dim=-1), normal(2048, 2048)),
    "layer_norm": lambda: both(
        lambda x, w, b: F.layer_norm(x, (2048,), w, b), normal(2048, 2048), normal(2048), normal(2048)
    ),
    "max_pool2d": lambda: both(lambda x: F.max_pool2d(x, 2), normal(32, 64, 32, 32)),
}


@pytest.mark.parametrize("name", OPS)
def test_op(benchmark: Any, name: str) -> None:
    benchmark.group = "ops"
    benchmark(OPS[name]())


@pytest.mark.parametrize("name", BRIEF)
def test_step(benchmark: Any, name: str) -> None:
    benchmark.group = "steps"
    benchmark(ferrograd_.STEPS[name]())
