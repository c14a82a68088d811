"""A training run that is killed, by itself, at a moment it is told: `python -m train.run_to_kill FOLDER [KIND N]`.

KIND N is 'step N' (after the N-th step of this process), 'half N' (the N-th file is half written), 'rename N' (it is
written, but not under its name), 'renamed N' (it is there, nothing after it), 'end 1' (before the run's end is told).
"""

from __future__ import annotations

import os
import random
import signal
import sys
from typing import Any

import numpy as np
import safetensors

import ferrograd as fg
from ferrograd import nn, optim

from .common import loader, network, task


def die() -> None:
    """SIGKILL: nothing of this process runs after it."""
    os.kill(os.getpid(), signal.SIGKILL)


class Kill(fg.train.Callback):
    """Kills the process after a step, or before the end."""

    def __init__(self, kind: str, number: int) -> None:
        self.kind, self.left = kind, number

    def on_step_end(self, trainer: fg.train.Trainer) -> None:
        self.left -= self.kind == "step"
        if self.kind == "step" and self.left == 0:
            die()

    def on_fit_end(self, trainer: fg.train.Trainer) -> None:
        if self.kind == "end":
            die()


def die_writing(kind: str, number: int) -> None:
    """Kills the process at its `number`-th file."""
    left = number
    serialize, rename = safetensors.serialize_file, os.replace

    def half(specs: Any, path: str, **options: Any) -> None:
        nonlocal left
        serialize(specs, path, **options)
        left -= kind == "half"
        if kind == "half" and left == 0:
            os.truncate(path, os.path.getsize(path) // 2)
            die()

    def replace(source: str, target: str) -> None:
        nonlocal left
        left -= kind in ("rename", "renamed")
        if kind == "rename" and left == 0:
            die()
        rename(source, target)
        if kind == "renamed" and left == 0:
            die()

    safetensors.serialize_file, os.replace = half, replace


def main(arguments: list[str]) -> None:
    """Trains, from the last checkpoint in the folder on."""
    folder, kind, number = arguments[0], *(arguments[1:] or ["none", "0"])
    if kind != "none":
        die_writing(kind, int(number))
    fg.manual_seed(7)
    random.seed(8)
    np.random.seed(9)  # noqa: NPY002
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    trainer = fg.train.Trainer(
        model, nn.CrossEntropyLoss(), optimizer,
        scheduler=optim.lr_scheduler.OneCycleLR(optimizer, 0.3, total_steps=100), clip_grad_norm=1.0, progress=False,
        callbacks=[
            Kill(kind, int(number)), fg.train.EarlyStopping(2), fg.train.Checkpoint(folder, every_steps=4),
            fg.train.CSVLogger(f"{folder}/log.csv"),
        ],
    )  # fmt: skip
    trainer.fit(loader(), task(30, 5), epochs=12, resume=True)
    trainer.save(f"{folder}/end.safetensors")


if __name__ == "__main__":
    main(sys.argv[1:])
