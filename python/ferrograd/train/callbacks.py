"""What happens beside the loop: at the beginning and end of a run, after each step, after each epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .. import ops
from .history import higher_is_better

if TYPE_CHECKING:
    from .trainer import Trainer


class Callback:
    """The base: a subclass overrides what it wants to be told; `trainer.history` has the figures.

    A plain function of the trainer does as well, and is called after each epoch. What has to survive a kill goes into
    `state_dict`.
    """

    #: Callbacks are called in their order in the trainer's list, those with a larger number after all others.
    order = 0

    def on_fit_begin(self, trainer: Trainer) -> None:
        """A run begins, or goes on; in the latter case the saved state is loaded after this call."""

    def on_step_end(self, trainer: Trainer) -> None:
        """The weights were updated."""

    def on_epoch_end(self, trainer: Trainer) -> None:
        """The epoch's record stands in the history; `trainer.stop(reason)` makes it the last."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """The run is over."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors, numbers and strings (in lists and dicts) that a resumed run needs."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes over what `state_dict` gave."""


class AfterEpoch(Callback):
    """A function of the trainer, called after each epoch."""

    def __init__(self, function: Callable[[Trainer], Any]) -> None:
        self.function = function

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Calls it."""
        self.function(trainer)


class Best:
    """The best figure of a column so far, and the epoch that it comes from."""

    def __init__(self, monitor: str | None, mode: str | None, min_delta: float = 0.0) -> None:
        if mode not in (None, "min", "max"):
            raise ValueError(f"mode: expected 'min', 'max' or None, got {mode!r}")
        if min_delta < 0:
            raise ValueError(f"min_delta: expected a number of at least 0, got {min_delta}")
        self.monitor, self.mode, self.min_delta = monitor, mode, min_delta
        self.value: float | None = None
        self.epoch: int | None = None

    def improved(self, trainer: Trainer) -> bool:
        """Whether the epoch that has just ended is the best; if so it is taken down."""
        name, value = trainer.monitored(self.monitor)
        rises = higher_is_better(name) if self.mode is None else self.mode == "max"
        if math.isnan(value):
            return False
        if self.value is not None and (value - self.value if rises else self.value - value) <= self.min_delta:
            return False
        self.value, self.epoch = value, trainer.epoch
        return True


class EarlyStopping(Callback):
    """Ends a run that has not become better for `patience` epochs, and goes back to the weights of the best epoch.

    (Prechelt, Early stopping - but when?, 1998; lecture: over-fitting, the development curve.)

    Args:
        patience: epochs without getting better that are allowed.
        monitor: a column of the history; default: the development error, as `Trainer.monitored` says.
        min_delta: by how much a figure has to be better than the best.
        mode: 'min' or 'max', what is better; default: 'max' for accuracies, else 'min'.
        restore_best: whether the model ends with the weights (and buffers) of its best epoch.
    """

    def __init__(
        self,
        patience: int = 10,
        monitor: str | None = None,
        *,
        min_delta: float = 0.0,
        mode: str | None = None,
        restore_best: bool = True,
    ) -> None:
        if patience < 1:
            raise ValueError(f"EarlyStopping: patience: expected a number of at least 1, got {patience}")
        self.patience, self.restore_best = patience, restore_best
        self._options = (monitor, mode, min_delta)
        self.best = Best(*self._options)
        self._waited = 0
        self._weights: dict[str, Any] | None = None

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Begins anew."""
        self.best, self._waited, self._weights = Best(*self._options), 0, None

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Takes down the best epoch's weights, or counts."""
        if self.best.improved(trainer):
            self._waited = 0
            if self.restore_best:
                self._weights = copied(trainer.model.state_dict())
            return
        self._waited += 1
        if self._waited >= self.patience:
            name, _ = trainer.monitored(self.best.monitor)
            trainer.stop(f"{name} was best in epoch {self.best.epoch}, {self._waited} epochs ago")

    def on_fit_end(self, trainer: Trainer) -> None:
        """Goes back to the best."""
        if self._weights is not None:
            trainer.model.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        """The best figure and weights, and how long ago."""
        return {"value": self.best.value, "epoch": self.best.epoch, "waited": self._waited, "weights": self._weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes over what `state_dict` gave."""
        self.best.value, self.best.epoch = state["value"], state["epoch"]
        self._waited, self._weights = state["waited"], state["weights"]


def copied(state: Mapping[str, Any]) -> dict[str, Any]:
    """A state dict whose tensors have memory of their own."""
    return {
        name: ops.contiguous(value.detach()) if hasattr(value, "detach") else value for name, value in state.items()
    }


def made(callbacks: Any) -> list[Callback]:
    """The callbacks that a trainer was given, in the order of their calls."""
    given = [callbacks] if isinstance(callbacks, Callback) or callable(callbacks) else list(callbacks)
    found: list[Callback] = []
    for k, callback in enumerate(given):
        if isinstance(callback, Callback):
            found.append(callback)
        elif callable(callback) and not isinstance(callback, type):
            found.append(AfterEpoch(callback))
        else:
            raise TypeError(
                f"Trainer: callbacks[{k}]: expected a Callback or a function of the trainer, got {callback!r}"
            )
    return sorted(found, key=lambda callback: callback.order)
