"""Optimizers and schedules on a small network, as they are compared over 100 steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from golden.schedules import SCHEDULES, advance

from .runs import Run, run
from .systems import System, classify, pictures


def network(lib: Any) -> Any:
    nn = lib.nn
    return nn.Sequential(nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 5))


SYSTEM = System(network, pictures(24, 12, classes=5), classify)

#: `make(lib, parameters)`.
OPTIMIZERS: dict[str, Callable[[Any, Any], Any]] = {
    "sgd": lambda lib, p: lib.optim.SGD(p, lr=0.2),
    "sgd-momentum": lambda lib, p: lib.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.1),
    "sgd-nesterov": lambda lib, p: lib.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "sgd-weight-decay": lambda lib, p: lib.optim.SGD(p, lr=0.1, momentum=0.5, weight_decay=0.01),
    "sgd-maximize": lambda lib, p: lib.optim.SGD(p, lr=0.003, maximize=True),
    "adagrad": lambda lib, p: lib.optim.Adagrad(p, lr=0.1, lr_decay=0.01, initial_accumulator_value=0.1),
    "adadelta": lambda lib, p: lib.optim.Adadelta(p, lr=2.0, weight_decay=0.001),
    "rmsprop": lambda lib, p: lib.optim.RMSprop(p, lr=0.003),
    "rmsprop-centered": lambda lib, p: lib.optim.RMSprop(p, lr=0.001, momentum=0.9, centered=True),
    "adam": lambda lib, p: lib.optim.Adam(p, lr=0.01),
    "adam-weight-decay": lambda lib, p: lib.optim.Adam(p, lr=0.01, betas=(0.8, 0.99), weight_decay=0.01),
    "adam-amsgrad": lambda lib, p: lib.optim.Adam(p, lr=0.02, amsgrad=True),
    "adamw": lambda lib, p: lib.optim.AdamW(p, lr=0.01, weight_decay=0.1),
    "adamax": lambda lib, p: lib.optim.Adamax(p, lr=0.01),
    "nadam": lambda lib, p: lib.optim.NAdam(p, lr=0.01),
    "radam": lambda lib, p: lib.optim.RAdam(p, lr=0.03),
}


def two_groups(lib: Any, parameters: Any) -> Any:
    """What the schedules of tests/golden/schedules.py are made for."""
    groups = [{"params": parameters[:2], "lr": 0.1}, {"params": parameters[2:], "lr": 0.02}]
    return lib.optim.SGD(groups, lr=0.1, momentum=0.9)


def train(lib: Any, name: str, dtype: str) -> Run:
    """The run of an optimizer or a schedule."""
    if name in OPTIMIZERS:
        return run(lib, "training", SYSTEM, dtype, OPTIMIZERS[name])
    return run(lib, "training", SYSTEM, dtype, two_groups, SCHEDULES[name], advance)


NAMES = [*OPTIMIZERS, *SCHEDULES]
