"""Checkpoints that a killed run goes on from, to the last bit."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..serialization import save
from .callbacks import Best, Callback

if TYPE_CHECKING:
    from .trainer import Trainer


class Checkpoint(Callback):
    """Keeps a run's state in a folder, so that `fit(..., resume=True)` of the same script goes on where it was killed.

    `last.safetensors` is the whole state: model, optimizer, schedule, callbacks, history, the place in the data and all
    random streams. Whenever the process is killed, within an epoch or while the file is written too, the resumed run ends
    with the same bits as one that was never killed (the history's seconds excepted). `best.safetensors` is the model's
    state of the best epoch, for `model.load_state_dict(fg.load(...))`. A file appears as a whole or not at all, and a
    model that holds nan or inf is not written, so the last good file stays.

    Args:
        folder: where the files go; made if need be.
        every: epochs between two writings; the last epoch is always written.
        every_steps: steps between two writings within an epoch; default: none.
        monitor: the column of the history that says which epoch is best; default: as `Trainer.monitored` says.
        mode: 'min' or 'max', what is better; default: 'max' for accuracies, else 'min'.
        keep_best: whether `best.safetensors` is written.

    Raises:
        OSError: a file cannot be written, because the disk is full for example; what was written before stays.
    """

    # After all that changes the state at an epoch's end.
    order = 1

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        every: int = 1,
        every_steps: int | None = None,
        monitor: str | None = None,
        mode: str | None = None,
        keep_best: bool = True,
    ) -> None:
        for name, count in (("every", every), ("every_steps", every_steps)):
            if count is not None and count < 1:
                raise ValueError(f"Checkpoint: {name}: expected a number of at least 1, got {count}")
        self.folder = Path(folder)
        self.last, self.best = self.folder / "last.safetensors", self.folder / "best.safetensors"
        self.every, self.every_steps = every, every_steps
        self._options = (monitor, mode)
        self._best = Best(*self._options) if keep_best else None

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Begins anew, and removes what a killed run left half written."""
        if self._best is not None:
            self._best = Best(*self._options)
        self.folder.mkdir(parents=True, exist_ok=True)
        for file in (self.last, self.best):
            for half in self.folder.glob(f".{file.name}.*.tmp"):
                with contextlib.suppress(OSError):
                    half.unlink()

    def on_step_end(self, trainer: Trainer) -> None:
        """Writes the state within an epoch."""
        if self.every_steps is not None and trainer.step % self.every_steps == 0:
            self._write(trainer, trainer.state_dict(), self.last)
            trainer.last_good = str(self.last)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Writes the best model first: a run that is killed between the two files comes here again."""
        if self._best is not None and self._best.improved(trainer):
            name, value = trainer.monitored(self._best.monitor)
            self._write(
                trainer, trainer.model.state_dict(), self.best, {"epoch": str(trainer.epoch), name: repr(value)}
            )
        if trainer.epoch % self.every == 0 or trainer.finished:
            self._write(trainer, trainer.state_dict(), self.last)
            trainer.last_good = str(self.last)

    def _write(self, trainer: Trainer, state: Any, path: Path, metadata: dict[str, str] | None = None) -> None:
        bad = next((name for name, value in trainer.model.state_dict().items() if not _finite(value)), None)
        if bad is not None:
            raise FloatingPointError(f"Checkpoint: '{bad}' of the model holds nan or inf{_kept(trainer)}")
        try:
            save(state, path, metadata=metadata)
        except OSError as why:
            reason = why.strerror or str(why)
            raise type(why)(why.errno, f"Checkpoint: {reason}{_kept(trainer)}", str(path)) from None

    def state_dict(self) -> dict[str, Any]:
        """The best figure so far."""
        return {} if self._best is None else {"value": self._best.value, "epoch": self._best.epoch}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes over what `state_dict` gave."""
        if self._best is not None and state:
            self._best.value, self._best.epoch = state["value"], state["epoch"]


def _kept(trainer: Trainer) -> str:
    return f"; the last good checkpoint is kept: {trainer.last_good}" if trainer.last_good else "; there is none before"


def _finite(value: Any) -> bool:
    return (
        not hasattr(value, "is_floating_point")
        or not value.is_floating_point()
        or bool(np.isfinite(value.detach()._readable()).all())
    )
