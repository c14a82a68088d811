"""A run's figures written down while it goes on: a CSV file, TensorBoard's event files."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .callbacks import Callback

if TYPE_CHECKING:
    from .trainer import Trainer


class CSVLogger(Callback):
    """Adds a line to a CSV file after each epoch: the history's columns, as `History.to_csv` writes them.

    A new run replaces the file, a resumed one goes on with it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._columns: list[str] | None = None

    def on_fit_begin(self, trainer: Trainer) -> None:
        """The file is begun with the first epoch: what a killed run has written after its checkpoint goes."""
        self._columns = None

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Adds the epoch's line; where it has other columns than before, the file is written anew."""
        try:
            text = trainer.history.to_csv()
            if self._columns == trainer.history.columns:
                with open(self.path, "a", encoding="utf-8") as file:
                    file.write(text.splitlines(keepends=True)[-1])
            else:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self.path.write_text(text, encoding="utf-8")
                self._columns = trainer.history.columns
        except OSError as why:
            raise failed(why, "CSVLogger", self.path, trainer) from None


class TensorBoard(Callback):
    """Writes the history's columns into TensorBoard's event files: `tensorboard --logdir FOLDER` shows them.

    The figures of the three curves stand under 'objective', 'error/train' and so on, at the number of the epoch; with
    `every_steps` the objective, gradient norm and learning rate of each so many steps under 'step/…'.

    Raises:
        ImportError: the package is not installed.
    """

    def __init__(self, folder: str | os.PathLike[str], *, every_steps: int | None = None) -> None:
        if every_steps is not None and every_steps < 1:
            raise ValueError(f"TensorBoard: every_steps: expected a number of at least 1, got {every_steps}")
        try:
            from tensorboard.compat.proto import event_pb2, summary_pb2
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError:
            raise ImportError(
                "TensorBoard: the package tensorboard is not installed: pip install 'ferrograd[tensorboard]'"
            ) from None
        self.folder, self.every_steps = Path(folder), every_steps
        self._events, self._summaries, self._open = event_pb2, summary_pb2, EventFileWriter
        self._writer: Any = None
        self._written = 0

    def on_fit_begin(self, trainer: Trainer) -> None:
        """A file of its own for each call of `fit`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._writer, self._written = self._open(str(self.folder)), -1

    def on_step_end(self, trainer: Trainer) -> None:
        """The numbers of the step."""
        if self.every_steps is not None and trainer.step % self.every_steps == 0:
            self._add(
                trainer.step, {f"step/{name}": value for name, value in trainer.history.last_step.items()}, trainer
            )

    def on_epoch_end(self, trainer: Trainer) -> None:
        """The figures of the epoch."""
        record = trainer.history[-1]
        self._add(trainer.epoch, {tag(name): value for name, value in record.items() if name != "epoch"}, trainer)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Closes the file."""
        self._writer.close()

    def _add(self, step: int, values: dict[str, float], trainer: Trainer) -> None:
        now, event = time.time(), self._events.Event
        try:
            if self._written < 0:
                # What a killed run wrote from here on is not shown.
                start = self._events.SessionLog(status=self._events.SessionLog.START)
                self._writer.add_event(event(wall_time=now, step=step, session_log=start))
            self._written = step
            for name, value in values.items():
                summary = self._summaries.Summary(value=[self._summaries.Summary.Value(tag=name, simple_value=value)])
                self._writer.add_event(event(wall_time=now, step=step, summary=summary))
            self._writer.flush()
        except OSError as why:
            raise failed(why, "TensorBoard", self.folder, trainer) from None


def tag(column: str) -> str:
    """A column's name in TensorBoard, where figures of one name stand in one group: 'train error' as 'error/train'."""
    for part in ("train", "dev"):
        if column.startswith(f"{part} "):
            return f"{column.removeprefix(f'{part} ')}/{part}"
    return column


def failed(why: OSError, what: str, path: Path, trainer: Trainer) -> OSError:
    """The error of a file that cannot be written, which says what is kept."""
    kept = f"; last good checkpoint: {trainer.last_good}" if trainer.last_good else ""
    return type(why)(why.errno, f"{what}: cannot be written: {why.strerror or why}{kept}", str(path))
