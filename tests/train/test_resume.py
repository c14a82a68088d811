"""A run that is killed, at whatever moment, and goes on ends with the same bits as one that never was."""

from __future__ import annotations

import contextlib
import math
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import data, nn, optim
from ferrograd.optim import lr_scheduler as schedules
from ferrograd.train._random import Streams, packed, unpacked

from . import run_to_kill
from .common import loader, network, task


@pytest.fixture(autouse=True)
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process leaves its files to the system, so nothing has to reach the disk."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


class Killed(BaseException):
    """Stands for the kill, within one process."""


class KillAt(fg.train.Callback):
    """Ends the run after a step, without a word to anybody."""

    def __init__(self, step: int | None) -> None:
        self.step = step

    def on_step_end(self, trainer: fg.train.Trainer) -> None:
        if trainer.step == self.step:
            raise Killed


def differences(a: Any, b: Any, path: str = "") -> list[str]:
    """Where two states differ in any bit; seconds may."""
    if isinstance(a, dict):
        if list(a) != list(b):
            return [f"{path}: {list(a)} != {list(b)}"]
        return [d for k in a if k != "seconds" for d in differences(a[k], b[k], f"{path}.{k}")]
    if isinstance(a, (list, tuple)):
        if len(a) != len(b):
            return [f"{path}: {len(a)} != {len(b)}"]
        return [d for k, (x, y) in enumerate(zip(a, b, strict=True)) for d in differences(x, y, f"{path}[{k}]")]
    if isinstance(a, (fg.Tensor, np.ndarray)):
        x, y = np.asarray(a), np.asarray(b)
        return [] if x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes() else [path]
    same = a == b or (isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b))
    return [] if same and type(a) is type(b) else [f"{path}: {a!r} != {b!r}"]


def plain(data_of: Callable[[], Any] = loader, optimizer: Any = None, scheduler: Any = None, **options: Any) -> Any:
    """A function that builds a trainer (with more callbacks) and its data anew."""

    def build(*callbacks: Any) -> tuple[fg.train.Trainer, Any]:
        fg.manual_seed(3)
        np.random.seed(5)  # noqa: NPY002
        random.seed(6)
        model = network()
        made = optim.Adam(model.parameters(), lr=0.02) if optimizer is None else optimizer(model.parameters())
        schedule = None if scheduler is None else scheduler(made)
        trainer = fg.train.Trainer(
            model, nn.CrossEntropyLoss(), made, scheduler=schedule, callbacks=list(callbacks), progress=False, **options
        )
        return trainer, data_of()

    return build


def state_after_kills(build: Any, kills: list[int], folder: Path, every_steps: int | None, epochs: int = 3) -> Any:
    """The final state where the process is killed after each of these steps, and started again."""
    for kill in [*kills, None]:
        keeper = fg.train.Checkpoint(folder, every_steps=every_steps)
        trainer, train = build(fg.train.EarlyStopping(4), keeper, KillAt(kill))
        if keeper.last.exists():
            fg.manual_seed(99)  # What the new process has drawn before is not what counts.
        with contextlib.nullcontext() if kill is None else pytest.raises(Killed):
            trainer.fit(train, task(20, 7), epochs=epochs, batch_size=10, resume=True)
    return trainer.state_dict()


class Noisy(data.TensorDataset):
    """Samples with noise from a NumPy generator, one of Python's and NumPy's global stream, drawn as they are read."""

    def __init__(self) -> None:
        super().__init__(*task(40))
        self.options = {"rng": np.random.default_rng(8), "python": random.Random(9)}
        self.old = [np.random.RandomState(10), np.random.Generator(np.random.MT19937(11))]

    def __getitem__(self, index: Any) -> Any:
        x, y = super().__getitem__(index)
        noise = (
            self.options["rng"].normal() + self.options["python"].random() + self.old[0].rand() + self.old[1].random()
        )
        return x + float(noise + np.random.rand() + random.random()), y  # noqa: NPY002


def draws_often() -> data.DataLoader:
    """More samples an epoch than there are: the order is drawn again within the epoch."""
    dataset = data.TensorDataset(*task(20))
    return data.DataLoader(dataset, 5, sampler=data.RandomSampler(dataset, num_samples=50), num_workers=2)


DATA = {
    "shuffled": loader,
    "own generator": lambda: loader(generator=fg.Generator().manual_seed(4)),
    "threads": lambda: loader(num_workers=2, persistent_workers=True),
    "noise": lambda: data.DataLoader(Noisy(), 8, shuffle=True),
    "several orders": draws_often,
    "weighted": lambda: loader(
        shuffle=None, sampler=data.WeightedRandomSampler(np.arange(60) + 1.0, 45, generator=fg.Generator().manual_seed(2))
    ),
    "arrays": task,
    "batches": lambda: list(loader(shuffle=False)),
    "stream": lambda: data.DataLoader(Stream(), 10),
}  # fmt: skip


class Stream(data.IterableDataset):
    """Samples in an order of its own generator."""

    def __init__(self) -> None:
        self.generator = fg.Generator().manual_seed(12)

    def __iter__(self) -> Any:
        x, y = task(50)
        for k in fg.randperm(50, generator=self.generator).tolist():
            yield x[k], int(y[k])


@pytest.mark.parametrize("kind", DATA)
def test_killed_within_epochs_and_resumed(kind: str, tmp_path: Path) -> None:
    build = plain(DATA[kind])
    whole = state_after_kills(build, [], tmp_path / "whole", every_steps=2)
    killed = state_after_kills(build, [3, 5, 6, 11], tmp_path / "killed", every_steps=2)
    assert killed["position"]["epoch"] == 3
    assert not differences(whole, killed)


def test_every_step_is_a_good_one_to_be_killed_at(tmp_path: Path) -> None:
    build = plain()
    whole = state_after_kills(build, [], tmp_path / "whole", every_steps=1, epochs=2)
    for step in range(1, 12):
        assert not differences(
            whole, state_after_kills(build, [step], tmp_path / str(step), every_steps=1, epochs=2)
        ), step
    for step in (1, 6, 7, 11):
        folder = tmp_path / f"by epoch {step}"
        assert not differences(whole, state_after_kills(build, [step], folder, every_steps=None, epochs=2)), step


OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.05),
    "Adadelta": lambda p: optim.Adadelta(p),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "Adam amsgrad": lambda p: optim.Adam(p, lr=0.02, amsgrad=True),
    "AdamW": lambda p: optim.AdamW(p, lr=0.02),
    "Adamax": lambda p: optim.Adamax(p),
    "NAdam": lambda p: optim.NAdam(p),
    "RAdam": lambda p: optim.RAdam(p),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_goes_on(name: str, tmp_path: Path) -> None:
    build = plain(optimizer=OPTIMIZERS[name])
    whole = state_after_kills(build, [], tmp_path / "whole", every_steps=3)
    assert not differences(whole, state_after_kills(build, [4, 10], tmp_path / "killed", every_steps=3))


SCHEDULES = {
    "StepLR": lambda o: schedules.StepLR(o, 2),
    "MultiStepLR": lambda o: schedules.MultiStepLR(o, [1, 3, 3, 9]),
    "ConstantLR": lambda o: schedules.ConstantLR(o, 0.5, 2),
    "LinearLR": lambda o: schedules.LinearLR(o, 0.2, total_iters=4),
    "ExponentialLR": lambda o: schedules.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda o: schedules.PolynomialLR(o, 20),
    "CosineAnnealingLR": lambda o: schedules.CosineAnnealingLR(o, 9),
    "CosineAnnealingWarmRestarts": lambda o: schedules.CosineAnnealingWarmRestarts(o, 4),
    "CyclicLR": lambda o: schedules.CyclicLR(o, 0.01, 0.1, step_size_up=5, cycle_momentum=False),
    "OneCycleLR": lambda o: schedules.OneCycleLR(o, 0.1, total_steps=30),
    "LambdaLR": lambda o: schedules.LambdaLR(o, lambda k: 0.9**k),
    "ReduceLROnPlateau": lambda o: schedules.ReduceLROnPlateau(o, threshold=1.0, patience=0),
    "SequentialLR": lambda o: schedules.SequentialLR(
        o, [schedules.LinearLR(o, 0.1, total_iters=3), schedules.CosineAnnealingLR(o, 9)], [3]
    ),
    "ChainedScheduler": lambda o: schedules.ChainedScheduler(
        [schedules.ExponentialLR(o, 0.9), schedules.ConstantLR(o, 0.5, 4)]
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "each"),
    [*((name, "step") for name in SCHEDULES), ("CosineAnnealingLR", "epoch"), ("ReduceLROnPlateau", "epoch")],
)
def test_every_schedule_goes_on(name: str, each: str, tmp_path: Path) -> None:
    build = plain(scheduler=SCHEDULES[name], schedule_every=each, optimizer=lambda p: optim.SGD(p, lr=0.1))
    whole = state_after_kills(build, [], tmp_path / "whole", every_steps=3)
    assert not differences(whole, state_after_kills(build, [4, 10], tmp_path / "killed", every_steps=3))
    assert len(set(whole["history"]["steps"]["lr"].tolist())) > 1


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The script of `run_to_kill`, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "train.run_to_kill", str(folder), *arguments],
        capture_output=True, text=True, timeout=300, check=False, cwd=Path(__file__).parents[1],
    )  # fmt: skip


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The final state of the run that is not killed; in this process, which is another."""
    folder = tmp_path_factory.mktemp("whole")
    run_to_kill.main([str(folder)])
    return fg.load(folder / "end.safetensors"), (folder / "log.csv").read_text()


@pytest.mark.parametrize(
    "moments",
    [
        # Within the second epoch; half of a checkpoint written, within an epoch.
        ["step 9", "half 4"],
        # Written, but not yet under its name: the best model, then the last state.
        ["rename 5", "rename 3"],
        # Between the best model and the last state of an epoch; while the model after early stopping is put back.
        ["renamed 2", "end 1"],
    ],
    ids=lambda moments: ", ".join(moments),
)
def test_killed_by_sigkill_and_resumed(moments: list[str], tmp_path: Path, uninterrupted: Any) -> None:
    for moment in moments:
        done = run(tmp_path, *moment.split())
        assert done.returncode == -signal.SIGKILL, done.stderr
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    state, log = uninterrupted
    assert not differences(state, fg.load(tmp_path / "end.safetensors"))
    assert without_seconds((tmp_path / "log.csv").read_text()) == without_seconds(log)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "best.safetensors", "end.safetensors", "last.safetensors", "log.csv"
    ]  # fmt: skip


def without_seconds(table: str) -> list[str]:
    return [line.rpartition(",")[0] for line in table.splitlines()]


def test_streams_are_found_behind_a_deep_model() -> None:
    """A model of many layers does not keep the data from being looked through."""
    noise = nn.Dropout()
    noise.rng = np.random.default_rng(0)
    deep = nn.Sequential(*(nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.ReLU())) for _ in range(300)), noise)
    streams = Streams(model=deep, train=DATA["noise"]())
    names = set(streams.get())
    assert {
        "ferrograd",
        "python",
        "numpy",
        "model.300.rng",
        "train.dataset.options.rng",
        "train.dataset.old.0",
    } <= names
    before = streams.get()
    with streams.kept():
        noise.rng.normal()
        fg.rand(3)
        random.random()
    assert differences(unpacked(packed(before)), unpacked(packed(streams.get()))) == []


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    build = plain()
    trainer, train = build(fg.train.Checkpoint(tmp_path))
    trainer.fit(train, epochs=1)
    other, train = build(fg.train.EarlyStopping(), fg.train.Checkpoint(tmp_path))
    with pytest.raises(ValueError, match=r"resume: callbacks: expected those of the checkpoint, \['Checkpoint'\]"):
        other.fit(train, epochs=2, resume=True)
    other, train = plain(scheduler=SCHEDULES["StepLR"])(fg.train.Checkpoint(tmp_path))
    with pytest.raises(ValueError, match="resume: scheduler"):
        other.fit(train, epochs=2, resume=True)
    other, _ = build(fg.train.Checkpoint(tmp_path))
    with pytest.raises(ValueError, match="generators: expected those of the checkpoint"):
        other.fit(DATA["own generator"](), epochs=2, resume=True)
    with pytest.raises(ValueError, match="resume: expected a Checkpoint among the callbacks"):
        plain()()[0].fit(train, epochs=1, resume=True)


def test_a_generator_that_nobody_sees_is_given(tmp_path: Path) -> None:
    """A stream within a closure is saved where the trainer is told of it."""

    def run(kills: list[int], folder: Path, told: bool) -> Any:
        rng = np.random.default_rng(0)

        def build(*callbacks: Any) -> Any:
            nonlocal rng
            rng = np.random.default_rng(0)
            batch = data.default_collate
            given = loader(collate_fn=lambda samples: [batch(samples)[0] + float(rng.normal()), batch(samples)[1]])
            return plain(lambda: given, generators=[rng] if told else [])(*callbacks)

        return state_after_kills(build, kills, folder, every_steps=2)

    whole = run([], tmp_path / "a", told=True)
    assert not differences(whole, run([5], tmp_path / "b", told=True))
    assert differences(run([], tmp_path / "c", told=False), run([5], tmp_path / "d", told=False))
