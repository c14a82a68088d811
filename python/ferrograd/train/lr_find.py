"""The learning-rate range test (Smith 2017, Cyclical learning rates for training neural networks)."""

from __future__ import annotations

import contextlib
import itertools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..optim.lr_scheduler.base import put
from ._modes import rehearsal
from .callbacks import Callback
from .feed import Feed

if TYPE_CHECKING:
    from .trainer import Trainer

#: Weight of the past in the smoothed loss; where it has risen to so many times its lowest value the test ends.
SMOOTHING, DIVERGED = 0.9, 4.0


@dataclass
class LRFound:
    """The losses over rising learning rates.

    `suggestion` is a tenth of the rate with the lowest smoothed loss: the largest rates that still lower the loss stand
    there, and a training run needs some room. `steepest` is the rate at which the loss fell fastest.
    """

    lrs: Any
    losses: Any
    smoothed: Any
    #: Whether the largest rates made the loss rise; if not, try a larger `end`.
    diverged: bool

    @property
    def suggestion(self) -> float:
        """A tenth of the rate with the lowest smoothed loss."""
        return float(self.lrs[int(np.argmin(self.smoothed))]) / 10

    @property
    def steepest(self) -> float:
        """The rate at which the smoothed loss fell fastest over the logarithm of the rate."""
        lowest = max(2, int(np.argmin(self.smoothed)) + 1)
        slopes = np.gradient(self.smoothed[:lowest], np.log(self.lrs[:lowest]))
        return float(self.lrs[int(np.argmin(slopes))])

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draws the loss over the learning rate, and the suggestion; returns matplotlib's figure."""
        from ._picture import rates

        return rates(self, path)


class Enough(Exception):
    """The test has seen what it wants to see."""


class RaiseRate(Callback):
    """Multiplies the learning rate after each step; takes down the losses."""

    def __init__(self, start: float, end: float, steps: int) -> None:
        self.factor, self.steps = (end / start) ** (1 / (steps - 1)), steps
        self.start = start
        self.lrs: list[float] = []
        self.losses: list[float] = []
        self.smoothed: list[float] = []
        self._mean = 0.0

    def on_fit_begin(self, trainer: Trainer) -> None:
        """The groups' rates keep their ratios; the first one's begins at `start`."""
        first = trainer.lr
        for group in trainer.optimizer.param_groups:
            put(group, "lr", self.start * (float(group["lr"]) / first if first else 1.0))

    def on_step_end(self, trainer: Trainer) -> None:
        """The next rate."""
        step = trainer.history.last_step
        self._mean = SMOOTHING * self._mean + (1 - SMOOTHING) * step["objective"]
        self.lrs.append(step["lr"])
        self.losses.append(step["objective"])
        self.smoothed.append(self._mean / (1 - SMOOTHING ** len(self.lrs)))
        if self.diverged or len(self.lrs) == self.steps:
            raise Enough
        for group in trainer.optimizer.param_groups:
            put(group, "lr", float(group["lr"]) * self.factor)

    @property
    def diverged(self) -> bool:
        """Whether the loss has risen far above where it was lowest."""
        lowest, first, now = min(self.smoothed), self.smoothed[0], self.smoothed[-1]
        # A loss may be below 0 (a log-likelihood) or near 0: what counts then is how far it has fallen.
        return now > lowest + (DIVERGED - 1) * max(abs(lowest), first - lowest)

    def found(self) -> LRFound:
        """What has been seen."""
        if len(self.lrs) < 3:
            raise ValueError(
                f"lr_find: start: expected a rate at which the loss stays finite, got {self.start} ({len(self.lrs)} steps)"
            )
        diverged = self.diverged or len(self.lrs) < self.steps
        return LRFound(np.array(self.lrs), np.array(self.losses), np.array(self.smoothed), diverged)


def lr_find(trainer: Trainer, train: Any, start: float, end: float, steps: int, batch_size: int) -> LRFound:
    """What `Trainer.lr_find` does."""
    if not 0 < start < end or steps < 10:
        raise ValueError(
            f"lr_find: start, end, steps: expected 0 < start < end and 10 steps or more, got {start}, {end}, {steps}"
        )
    feed, rising = Feed("lr_find: train", train, batch_size, shuffle=True), RaiseRate(start, end, steps)
    with rehearsal(trainer, feed, rising) as beside, contextlib.suppress(Enough, FloatingPointError):
        batches = itertools.chain.from_iterable(feed.batches() for _ in itertools.count())
        beside.fit(batches, train_error=False)
    return rising.found()
