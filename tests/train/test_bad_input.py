"""What is wrong ends in one message that says where, with the last good checkpoint kept."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import data, nn, optim

from .common import loader, network, task, trainer


class Net(nn.Module):
    """Two parts that do not fit each other."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
        self.head = nn.Linear(7, 3)

    def forward(self, x: Any) -> Any:
        return self.head(self.encoder(x))


def of(model: nn.Module, loss: Any = None, lr: float = 0.1, **options: Any) -> fg.train.Trainer:
    return fg.train.Trainer(
        model, loss or nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=lr), **{"progress": False, **options}
    )


def unchanged(t: fg.train.Trainer) -> bool:
    return t.step == 0 and len(t.history) == 0 and all(p.grad is None for p in t.model.parameters())


def test_shapes_that_do_not_fit_name_the_layer_before_the_first_epoch() -> None:
    x, y = task()
    t = of(network())
    with pytest.raises(fg.ShapeError) as raised:
        t.fit((x[:, :3], y), epochs=1)
    assert "in layer '0' (Linear(in_features=4, out_features=8, bias=True))" in str(raised.value)
    assert "fit: train: the first batch, of shapes (32, 3), (32,), does not fit; nothing was trained" in str(
        raised.value
    )
    assert unchanged(t)
    t = of(Net())
    with pytest.raises(fg.ShapeError, match="in layer 'head' "):
        t.fit((x, y), epochs=1)
    assert unchanged(t)


def test_development_data_is_looked_at_before_the_first_epoch_too() -> None:
    x, y = task()
    t = of(network())
    with pytest.raises(fg.ShapeError, match=r"fit: dev: the first batch, of shapes \(32, 5\), \(32,\)"):
        t.fit((x, y), (np.zeros((40, 5), np.float32), y[:40]), epochs=1)
    assert unchanged(t)


def test_a_dtype_that_does_not_fit_says_the_cure() -> None:
    x, y = task()
    with pytest.raises(fg.DTypeError, match=r"convert the input with x.to\(fg.float32\)"):
        of(network()).fit((x.astype(np.float64), y), epochs=1)


def test_a_label_out_of_range_names_its_sample_before_the_first_epoch() -> None:
    x, y = task()
    y[47] = 3
    t = of(network())
    with pytest.raises(
        IndexError,
        match="fit: train: sample 47: expected classes from 0 to 2, as the model has 3 outputs, got class 3; 1 such label\n",
    ):
        t.fit((x, y), epochs=1)
    assert unchanged(t)
    with pytest.raises(IndexError, match="fit: dev: sample 47"):
        t.fit(task(), (x, y), epochs=1)


def test_a_label_out_of_range_in_a_later_batch_says_which() -> None:
    batches = [tuple(map(fg.from_numpy, task(10, k))) for k in range(3)]
    batches[2][1].numpy()[4] = -1
    t = of(network())
    with pytest.raises(IndexError, match=r"got class -1 at position \(4,\)") as raised:
        t.fit(batches, epochs=1)
    assert "in epoch 1, batch 3 of 3 (step 3)" in str(raised.value)


def test_an_error_at_an_epochs_end_says_so() -> None:
    batches = [tuple(map(fg.from_numpy, task(10, k))) for k in range(3)]
    batches[2][1].numpy()[4] = 3
    with pytest.raises(IndexError, match="in epoch 1, the evaluation at its end"):
        of(network()).fit(loader(), batches, epochs=1)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        (lambda x, y: (x[:0], y[:0]), ValueError, "fit: train: expected at least one sample, got none"),
        (lambda x, y: [], ValueError, "fit: train: expected at least one batch an epoch, got none"),
        (
            lambda x, y: data.DataLoader(data.TensorDataset(x, y), 100, drop_last=True),
            ValueError,
            r"fit: train: expected at least one batch an epoch, got none \(60 samples, batch_size=100, drop_last=True\)",
        ),
        (lambda x, y: (x, y[:-1]), fg.ShapeError, r"expected one length for all, got \[60, 59\]"),
        (lambda x, y: x, TypeError, "fit: train: expected a DataLoader, a Dataset, batches, or a tuple of arrays"),
        (lambda x, y: [x[:10], x[10:20]], ValueError, r"fit: train: batch 1: expected a pair \(input, target\), got ndarray"),
        (lambda x, y: 3, TypeError, "fit: train: expected a DataLoader"),
    ],
)  # fmt: skip
def test_data_that_is_none(given: Any, error: type[Exception], said: str) -> None:
    t = trainer()
    with pytest.raises(error, match=said):
        t.fit(given(*task()), epochs=1)
    assert unchanged(t)


def test_an_iterator_is_used_up_by_one_epoch() -> None:
    batches = list(loader())
    assert len(of(network()).fit(iter(batches), epochs=1)) == 1
    with pytest.raises(ValueError, match="an iterator is used up by one epoch: give a list of batches or a DataLoader"):
        of(network()).fit(iter(batches), epochs=2)
    with pytest.raises(TypeError, match="fit: dev: expected data that can be read each epoch, got an iterator"):
        of(network()).fit(batches, iter(batches), epochs=2)


def test_a_loss_that_is_no_number() -> None:
    with pytest.raises(
        fg.ShapeError, match=r"loss: expected one number for the batch, got shape \(10,\): use reduction='mean'"
    ):
        of(network(), nn.CrossEntropyLoss(reduction="none")).fit(loader(), epochs=1)
    with pytest.raises(TypeError, match="loss: expected a Tensor with one number, got float"):
        of(network(), lambda y, t: 1.0).fit(loader(), epochs=1)


def test_a_nan_in_the_data_names_step_and_input_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    x, y = task()
    x[55, 1] = np.nan
    order = data.DataLoader(data.TensorDataset(x, y), 10)
    t = of(network(), callbacks=fg.train.Checkpoint(tmp_path, every_steps=4))
    with pytest.raises(FloatingPointError) as raised:
        t.fit(order, epochs=1)
    said = str(raised.value)
    assert "fit: the loss: expected a finite number, got nan; input 0 of the batch holds nan or inf" in said
    assert f"in epoch 1, batch 6 of 6 (step 6); last good checkpoint: {tmp_path / 'last.safetensors'}" in said
    kept = fg.load(tmp_path / "last.safetensors")
    assert kept["position"]["step"] == 4
    assert all(np.isfinite(value.numpy()).all() for value in kept["model"].values())
    assert all(np.isfinite(p.detach().numpy()).all() for p in t.model.parameters())


def test_a_run_that_bursts_names_the_step_and_keeps_the_weights_and_the_checkpoint(tmp_path: Path) -> None:
    t = of(nn.Linear(4, 3), nn.CrossEntropyLoss(), lr=0.1, callbacks=fg.train.Checkpoint(tmp_path))
    t.fit(loader(), epochs=1)
    before = (tmp_path / "last.safetensors").read_bytes()
    t.optimizer.param_groups[0]["lr"] = 1e38
    with pytest.raises(FloatingPointError, match=r"in epoch 2, batch \d of 6 \(step \d+\); last good checkpoint"):
        t.fit(loader(), epochs=2)
    assert (tmp_path / "last.safetensors").read_bytes() == before
    steps = t.history.steps["objective"]
    assert len(steps) == t.step + 1
    assert np.isfinite(steps[:-1]).all()
    assert not np.isfinite(steps[-1])


def test_an_infinite_gradient_is_seen_before_the_step() -> None:
    class Root(nn.Module):
        """Its derivative at 0 is infinite, its value is not."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(fg.zeros(1))

        def forward(self, x: Any) -> Any:
            return fg.sqrt(self.weight * x)

    t = of(Root(), nn.MSELoss())
    with pytest.raises(
        FloatingPointError,
        match="the gradient's norm: expected a finite number, got inf; the gradient of 'weight' holds",
    ):
        t.fit((np.ones((4, 1), np.float32), np.ones((4, 1), np.float32)), epochs=1)
    assert t.model.weight.tolist() == [0.0]


def test_a_layer_that_makes_a_nan_is_named() -> None:
    class Log(nn.Module):
        def forward(self, x: Any) -> Any:
            return fg.log(x - 100)

    with pytest.raises(FloatingPointError, match=r"the first nan or inf is the output of layer '1' \(Log\)"):
        of(nn.Sequential(nn.Linear(4, 8), Log(), nn.Linear(8, 3))).fit(loader(), epochs=1)


def test_weights_that_are_not_finite_are_not_written(tmp_path: Path) -> None:
    """The last update of an epoch can burst without any loss having told so."""

    def burst(t: fg.train.Trainer) -> None:
        if t.epoch == 2:
            t.model[0].weight.detach().numpy()[0, 0] = np.inf

    t = of(network(), callbacks=[burst, fg.train.Checkpoint(tmp_path)])
    with pytest.raises(
        FloatingPointError,
        match=f"Checkpoint: '0.weight' of the model holds nan or inf; the last good checkpoint is kept: {tmp_path}",
    ):
        t.fit(loader(), epochs=3)
    assert fg.load(tmp_path / "last.safetensors")["position"]["epoch"] == 1


@pytest.fixture
def small_files():
    """A disk that is full once a file has a few bytes: the system refuses longer ones."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_message_and_keeps_the_last_good_checkpoint(tmp_path: Path, small_files: Any) -> None:
    def fill(t: fg.train.Trainer) -> None:
        if t.epoch == 2:
            small_files(1000)

    t = trainer(callbacks=[fill, fg.train.Checkpoint(tmp_path)])
    with pytest.raises(OSError, match="Checkpoint: .*too large.*; the last good checkpoint is kept: ") as raised:
        t.fit(loader(), task(30), epochs=5)
    small_files(resource.RLIM_INFINITY)
    assert "\n" not in str(raised.value)
    assert sorted(os.listdir(tmp_path)) == ["best.safetensors", "last.safetensors"]
    assert fg.load(tmp_path / "last.safetensors")["position"]["epoch"] == 1
    again = trainer(callbacks=[lambda t: None, fg.train.Checkpoint(tmp_path)])
    assert len(again.fit(loader(), task(30), epochs=3, resume=True)) == 3


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_a_log_on_a_full_disk_is_one_message(tmp_path: Path) -> None:
    t = trainer(callbacks=[fg.train.CSVLogger("/dev/full"), fg.train.Checkpoint(tmp_path)])
    with pytest.raises(OSError, match="CSVLogger: cannot be written: No space left on device") as raised:
        t.fit(loader(), epochs=1)
    assert raised.value.errno == errno.ENOSPC


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"metrics": "wrongness"}, ValueError, "Trainer: metrics: expected one of error, accuracy, mse, mae, got 'wrongness'"),
        ({"metrics": 3}, TypeError, "Trainer: metrics"),
        ({"metrics": ["error", "error"]}, ValueError, "expected different names"),
        ({"callbacks": [3]}, TypeError, r"Trainer: callbacks\[0\]: expected a Callback or a function"),
        ({"scheduler": 3}, TypeError, "Trainer: scheduler"),
        ({"schedule_every": "batch"}, ValueError, "Trainer: schedule_every: expected 'epoch' or 'step', got 'batch'"),
        ({"clip_grad_norm": 0}, ValueError, "Trainer: clip_grad_norm: expected a number above 0, got 0"),
        ({"progress": "dots"}, ValueError, "Trainer: progress: expected one of bar, notebook, lines, none, got 'dots'"),
    ],
)  # fmt: skip
def test_wrong_options(options: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        trainer(**options)


def test_wrong_parts_and_arguments(tmp_path: Path) -> None:
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(TypeError, match=r"Trainer: model: expected an nn\.Module, got function"):
        fg.train.Trainer(lambda x: x, nn.MSELoss(), optimizer)
    with pytest.raises(TypeError, match="Trainer: optimizer: expected an Optimizer, got list"):
        fg.train.Trainer(model, nn.MSELoss(), [])
    with pytest.raises(TypeError, match="Trainer: loss"):
        fg.train.Trainer(model, "mse", optimizer)
    t = trainer()
    for epochs in (0, 1.5, "two"):
        with pytest.raises(ValueError, match="fit: epochs: expected an integer of at least 1"):
            t.fit(loader(), epochs=epochs)
    for options in ({"patience": 0}, {"mode": "least"}, {"min_delta": -1}):
        with pytest.raises(ValueError, match="expected"):
            fg.train.EarlyStopping(**options)
    with pytest.raises(ValueError, match="Checkpoint: every_steps"):
        fg.train.Checkpoint(tmp_path, every_steps=0)
    with pytest.raises(KeyError, match="monitor: 'dev eror': expected one of epoch, objective"):
        trainer(callbacks=fg.train.EarlyStopping(monitor="dev eror")).fit(loader(), epochs=1)
    with pytest.raises(FileNotFoundError):
        t.fit(loader(), epochs=1, resume=tmp_path / "nothing")
    with pytest.raises(ValueError, match="predict: data: expected at least one sample, got none"):
        t.predict(np.zeros((0, 4), np.float32))
    with pytest.raises(ValueError, match="lr_find: start, end, steps"):
        t.lr_find(loader(), start=1.0, end=0.1)
    with pytest.raises(ValueError, match="overfit_batch: n: expected a number of at least 1, got 0"):
        t.overfit_batch(loader(), 0)
