"""Early stopping, checkpoints' best model, logs, functions as callbacks, schedules, clipping."""

from __future__ import annotations

import csv
import importlib.util
import math
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import nn, optim

from .common import loader, network, task, trainer


class Dictated(fg.train.Metric):
    """A development error that goes as it is told: one figure an evaluation."""

    def __init__(self, figures: list[float], name: str = "figure") -> None:
        super().__init__(name)
        self.figures = figures

    def reset(self) -> None:
        self.now = self.figures.pop(0)

    def update(self, output: Any, target: Any) -> None:
        pass

    def value(self) -> float:
        return self.now


def dictated(figures: list[float], *callbacks: Any, name: str = "figure", **options: Any) -> tuple[Any, list[Any]]:
    """A run of 8 epochs whose development figures are told, and the weights after each epoch."""
    weights: list[Any] = []
    t = trainer(
        metrics=Dictated(list(figures), name),
        callbacks=[lambda t: weights.append(t.model[0].weight.detach().numpy().copy()), *callbacks],
        **options,
    )
    t.fit(loader(), task(20), epochs=8, train_error=False)
    return t, weights


def test_early_stopping_waits_and_goes_back_to_the_best() -> None:
    t, weights = dictated([5, 4, 3, 3, 6, 2, 1, 0], fg.train.EarlyStopping(3))
    assert t.history.stopped is None
    assert len(t.history) == 8
    t, weights = dictated([5, 4, 3, 3, 6, 3.5, 1, 0], fg.train.EarlyStopping(3))
    assert t.history["dev figure"].tolist() == [5, 4, 3, 3, 6, 3.5]
    assert t.history.stopped == "dev figure was best in epoch 3, 3 epochs ago"
    assert np.array_equal(t.model[0].weight.detach().numpy(), weights[2])
    assert t.history.best() == 2
    t, weights = dictated([5, 4, 3, 3, 6, 3.5, 1, 0], fg.train.EarlyStopping(3, restore_best=False))
    assert np.array_equal(t.model[0].weight.detach().numpy(), weights[5])


def test_early_stopping_wants_so_much_better_and_knows_what_rises() -> None:
    t, _ = dictated([5, 4.9, 4.8, 4.4, 4.3, 4.2, 4.1, 4.0], fg.train.EarlyStopping(2, min_delta=0.5))
    assert len(t.history) == 3
    t, _ = dictated([0.5, 0.6, 0.7, 0.6, 0.5, 0, 0, 0], fg.train.EarlyStopping(2), name="accuracy")
    assert len(t.history) == 5
    t, _ = dictated([0.5, 0.6, 0.7, 0.6, 0.5, 0, 0, 0], fg.train.EarlyStopping(2, mode="min"), name="accuracy")
    assert len(t.history) == 3
    t, _ = dictated([math.nan, math.nan, 1, 1, 1, 1, 1, 1], fg.train.EarlyStopping(2))
    assert len(t.history) == 2


def test_early_stopping_puts_back_buffers_too() -> None:
    t, _ = dictated([1, 2, 3, 4, 4, 4, 4, 4], fg.train.EarlyStopping(2))
    other = trainer()
    other.fit(loader(), epochs=1)
    assert np.array_equal(t.model[1].running_mean.numpy(), other.model[1].running_mean.numpy())


def test_the_best_model_is_kept(tmp_path: Path) -> None:
    t, weights = dictated([5, 4, 3, 3, 6, 3, 2.5, 9], fg.train.Checkpoint(tmp_path))
    best = fg.load(tmp_path / "best.safetensors")
    assert np.array_equal(best["0.weight"].numpy(), weights[6])
    assert fg.load_metadata(tmp_path / "best.safetensors") == {"epoch": "7", "dev figure": "2.5"}
    network().load_state_dict(best)
    assert t.last_good == str(tmp_path / "last.safetensors")


def test_the_last_epoch_is_written_whatever_every_says(tmp_path: Path) -> None:
    written: list[Any] = []
    keeper = fg.train.Checkpoint(tmp_path, every=3, keep_best=False)

    class Look(fg.train.Callback):
        order = 2

        def on_epoch_end(self, trainer: fg.train.Trainer) -> None:
            written.append(fg.load(keeper.last)["position"]["epoch"] if keeper.last.exists() else 0)

    t = trainer(callbacks=[keeper, Look()])
    t.fit(loader(), epochs=5)
    assert written == [0, 0, 3, 3, 5]
    assert not keeper.best.exists()


def test_a_function_is_told_after_each_epoch_and_can_stop() -> None:
    t = trainer(callbacks=lambda t: t.stop("enough") if t.epoch == 3 else None)
    assert len(t.fit(loader(), epochs=9)) == 3
    assert t.history.stopped == "enough"
    assert len(t.fit(loader(), epochs=2)) == 5
    assert t.history.stopped is None


def test_csv_is_written_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "log.csv"
    lines = []
    t = trainer(callbacks=[fg.train.CSVLogger(path), lambda t: lines.append(len(path.read_text().splitlines()))])
    history = t.fit(loader(), task(20), epochs=3)
    assert lines == [2, 3, 4]
    assert path.read_text() == history.to_csv()
    with open(path, newline="") as file:
        assert [float(row["objective"]) for row in csv.DictReader(file)] == history.objective.tolist()


def test_tensorboard_without_its_package_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(
        ImportError,
        match=r"TensorBoard: the package tensorboard is not installed: pip install 'ferrograd\[tensorboard\]'",
    ):
        fg.train.TensorBoard(tmp_path)


def stand_in(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Modules in tensorboard's place that take down what is written."""
    events: list[Any] = []

    class Writer:
        def __init__(self, folder: str) -> None:
            events.append(folder)

        def add_event(self, event: Any) -> None:
            events.append(event)

        def flush(self) -> None:
            events.append("flush")

        def close(self) -> None:
            events.append("close")

    record = types.SimpleNamespace
    log = type("SessionLog", (types.SimpleNamespace,), {"START": 1})
    summary = type("Summary", (types.SimpleNamespace,), {"Value": record})
    modules = {
        "tensorboard": {}, "tensorboard.compat": {}, "tensorboard.summary": {}, "tensorboard.summary.writer": {},
        "tensorboard.compat.proto": {},
        "tensorboard.compat.proto.event_pb2": {"Event": record, "SessionLog": log},
        "tensorboard.compat.proto.summary_pb2": {"Summary": summary},
        "tensorboard.summary.writer.event_file_writer": {"EventFileWriter": Writer},
    }  # fmt: skip
    for name, names in modules.items():
        module = types.ModuleType(name)
        module.__dict__.update(names)
        monkeypatch.setitem(sys.modules, name, module)
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)
    return events


def test_tensorboard_is_given_the_curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = stand_in(monkeypatch)
    t = trainer(callbacks=fg.train.TensorBoard(tmp_path / "runs", every_steps=4))
    history = t.fit(loader(), task(20), epochs=2)
    assert events[0] == str(tmp_path / "runs")
    assert events[-1] == "close"
    found = {
        (event.summary.value[0].tag, event.step): event.summary.value[0].simple_value
        for event in events if hasattr(event, "summary")
    }  # fmt: skip
    for tag, column in [
        ("objective", "objective"),
        ("error/train", "train error"),
        ("error/dev", "dev error"),
        ("lr", "lr"),
    ]:
        assert [found[tag, 1], found[tag, 2]] == history[column].tolist()
    assert [found["step/objective", step] for step in (4, 8, 12)] == history.steps["objective"][3::4].tolist()
    starts = [event.step for event in events if hasattr(event, "session_log")]
    assert starts == [4]


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="needs the package tensorboard")
def test_tensorboard_reads_what_is_written(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    history = trainer(callbacks=fg.train.TensorBoard(tmp_path)).fit(loader(), task(20), epochs=3)
    read = EventAccumulator(str(tmp_path))
    read.Reload()
    scalars = read.Scalars("error/dev")
    assert [s.step for s in scalars] == [1, 2, 3]
    assert [s.value for s in scalars] == pytest.approx(history["dev error"].tolist())


def test_schedules_step_by_epoch_or_by_step() -> None:
    def rates(make: Any, **options: Any) -> list[float]:
        fg.manual_seed(0)
        model = network()
        optimizer = optim.SGD(model.parameters(), lr=1.0)
        t = fg.train.Trainer(
            model, nn.CrossEntropyLoss(), optimizer, scheduler=make(optimizer), progress=False, **options
        )
        return t.fit(loader(), epochs=2).steps["lr"].tolist()

    schedules = optim.lr_scheduler
    assert rates(lambda o: schedules.ExponentialLR(o, 0.5)) == [1.0] * 6 + [0.5] * 6
    assert rates(lambda o: schedules.ExponentialLR(o, 0.5), schedule_every="step") == [0.5**k for k in range(12)]
    one_cycle = rates(lambda o: schedules.OneCycleLR(o, 1.0, total_steps=12))
    assert len(set(one_cycle)) > 9


def test_the_plateau_schedule_is_given_the_development_figure() -> None:
    fg.manual_seed(0)
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    plateau = optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1, factor=0.5)
    t = fg.train.Trainer(
        model,
        nn.CrossEntropyLoss(),
        optimizer,
        metrics=Dictated([3, 2, 2, 2, 2, 1, 1, 1]),
        scheduler=plateau,
        progress=False,
    )
    history = t.fit(loader(), task(20), epochs=8, train_error=False)
    assert history["lr"].tolist() == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5]


def test_gradients_are_clipped_and_their_norm_noted() -> None:
    t = trainer(clip_grad_norm=0.01)
    seen = []

    class Look(fg.train.Callback):
        def on_step_end(self, trainer: fg.train.Trainer) -> None:
            seen.append(math.sqrt(sum(float((p.grad**2).sum()) for p in trainer.model.parameters())))

    t.callbacks = [Look()]
    history = t.fit(loader(), epochs=1)
    assert seen == pytest.approx([0.01] * 6, rel=1e-3)
    assert (history.steps["gradient norm"] > 0.02).all()
    assert history["gradient norm"][0] == pytest.approx(history.steps["gradient norm"].mean())
    t = trainer(clip_grad_value=1e-3)
    t.fit(loader(), epochs=1)
    assert max(float(p.grad.abs().max()) for p in t.model.parameters()) == pytest.approx(1e-3)


def test_frozen_layers_stay_frozen() -> None:
    t = trainer()
    t.model[1].eval()
    before = t.model[1].running_mean.numpy().copy()
    t.fit(loader(), task(20), epochs=1)
    assert not t.model[1].training
    assert t.model[0].training
    assert np.array_equal(t.model[1].running_mean.numpy(), before)
    t.model.eval()
    t.fit(loader(), epochs=1)
    assert t.model.training
