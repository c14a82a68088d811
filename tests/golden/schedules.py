"""Schedules as they are compared with PyTorch: how each is made, by an id, for the maker and the tests."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

STEPS = 100
#: The metric that ReduceLROnPlateau sees: it falls, stays, falls again, and grows.
METRICS = [1.0 / (1 + min(k, 12)) if k < 50 else 0.05 + abs(k - 60) * 0.002 for k in range(STEPS)]


def swa(lr_scheduler: Any) -> Any:
    """The module `swa_utils` beside `lr_scheduler`."""
    return importlib.import_module(lr_scheduler.__name__.replace("lr_scheduler", "swa_utils"))


def falling(epoch: int) -> float:
    return 0.95**epoch


def waving(epoch: int) -> float:
    return 1.0 + 0.1 * (-1) ** epoch


#: `make(lr_scheduler, optimizer)`; the optimizer has two groups with rates 0.1 and 0.02, and momentum 0.9 (SGD).
SCHEDULES: dict[str, Callable[[Any, Any], Any]] = {
    "lambda": lambda s, o: s.LambdaLR(o, [falling, waving]),
    "multiplicative": lambda s, o: s.MultiplicativeLR(o, waving),
    "step": lambda s, o: s.StepLR(o, 15, 0.5),
    "multistep": lambda s, o: s.MultiStepLR(o, [10, 10, 40, 75], 0.3),
    "constant": lambda s, o: s.ConstantLR(o, 0.25, 20),
    "linear": lambda s, o: s.LinearLR(o, 0.1, 0.8, 30),
    "linear-default": lambda s, o: s.LinearLR(o),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.97),
    "polynomial": lambda s, o: s.PolynomialLR(o, 60, 2.0),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 30, 0.001),
    "restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 10, 2, 0.001),
    "restarts-even": lambda s, o: s.CosineAnnealingWarmRestarts(o, 13),
    "cyclic": lambda s, o: s.CyclicLR(o, 0.01, [0.1, 0.2], 10, 15),
    "cyclic-2": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 12, mode="triangular2", base_momentum=0.5, max_momentum=0.95),
    "cyclic-exp": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 8, mode="exp_range", gamma=0.98, cycle_momentum=False),
    "cyclic-own": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 9, scale_fn=falling, scale_mode="iterations"),
    "one-cycle": lambda s, o: s.OneCycleLR(o, [0.5, 1.0], total_steps=STEPS + 1),
    "one-cycle-linear": lambda s, o: s.OneCycleLR(
        o,
        0.5,
        epochs=11,
        steps_per_epoch=10,
        pct_start=0.4,
        anneal_strategy="linear",
        three_phase=True,
        div_factor=10.0,
    ),
    "plateau": lambda s, o: s.ReduceLROnPlateau(o, patience=4, cooldown=3, factor=0.5, min_lr=[0.001, 0.01]),
    "plateau-max": lambda s, o: s.ReduceLROnPlateau(o, "max", 0.7, 8, 0.01, "abs", eps=1e-4),
    "sequential": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.05, total_iters=10), s.CosineAnnealingLR(o, 50), s.ExponentialLR(o, 0.9)], [10, 60]
    ),
    "swa": lambda s, o: swa(s).SWALR(o, [0.05, 0.001], 12),
    "swa-linear": lambda s, o: swa(s).SWALR(o, 0.03, 30, "linear"),
    "swa-at-once": lambda s, o: swa(s).SWALR(o, 0.03, 0),
    "chained": lambda s, o: s.ChainedScheduler([s.LinearLR(o, 0.2, total_iters=8), s.ExponentialLR(o, 0.98)]),
}


def advance(schedule: Any, step: int) -> None:
    """A step of the schedule, with the metric where it wants one."""
    if type(schedule).__name__ == "ReduceLROnPlateau":
        schedule.step(METRICS[step])
    else:
        schedule.step()


def settings(optimizer: Any) -> list[float]:
    """What a schedule may set: rates and momenta of the groups."""
    return [float(group[name]) for group in optimizer.param_groups for name in ("lr", "momentum")]
