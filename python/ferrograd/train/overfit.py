"""The first thing to try with a new model: whether it can learn a few samples by heart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..creation import as_tensor
from ..functions import cat
from ._modes import rehearsal
from .feed import Feed
from .history import History

if TYPE_CHECKING:
    from .trainer import Trainer


def overfit_batch(trainer: Trainer, train: Any, n: int, steps: int) -> History:
    """What `Trainer.overfit_batch` does."""
    for name, value in (("n", n), ("steps", steps)):
        if value < 1:
            raise ValueError(f"overfit_batch: {name}: expected a number of at least 1, got {value}")
    feed = Feed("overfit_batch: train", train, n, shuffle=False)
    with rehearsal(trainer, feed) as beside:
        parts: list[Any] = []
        for batch in feed.batches():
            parts.append([as_tensor(part) for part in batch])
            if sum(len(part[-1]) for part in parts) >= n:
                break
        few = tuple(cat(list(part))[:n] for part in zip(*parts, strict=True))
        return beside.fit([few], epochs=steps)
