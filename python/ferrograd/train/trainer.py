"""Trainer: the loop of mini-batch stochastic gradient descent, watched."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .. import _core, nn
from ..autograd import no_grad
from ..creation import as_tensor
from ..functions import cat
from ..nn.utils import clip_grad_norm_, clip_grad_value_, get_total_norm
from ..optim import Optimizer
from ..optim.lr_scheduler import CyclicLR, LRScheduler, OneCycleLR, ReduceLROnPlateau
from ..serialization import load, save
from . import callbacks as _callbacks
from . import metrics as _metrics
from ._check import check_batch, check_loss, check_norm, note
from ._modes import evaluating
from ._random import Streams, packed, unpacked
from .checkpoint import Checkpoint
from .feed import Feed
from .history import History
from .lr_find import LRFound, lr_find
from .overfit import overfit_batch
from .progress import KINDS, Progress, kind_of_place


@dataclass
class _Sums:
    """What has been added up since the epoch's beginning."""

    batches: int = 0
    samples: int = 0
    objective: float = 0.0
    norm: float = 0.0
    seconds: float = 0.0


class Trainer:
    """Trains a model: mini-batch stochastic gradient descent with the three learning curves of the lecture watched.

    The loop stands in `fit` and is the one that would be written by hand:

        for x, target in batches:
            loss = loss_of(model(x), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    Around it: a check of the data against the model before the first epoch, progress bars, the curves, schedules,
    clipping, early stopping, checkpoints that a killed run goes on from.

    Args:
        model: called with the inputs of a batch, all but its last part.
        loss: a function of the model's output and the batch's last part, the target; gives one number.
        optimizer: of the model's parameters.
        metrics: what the two error curves show: a `Metric`, a function of (output, target) or one of the names 'error',
            'accuracy', 'mse', 'mae'; a list or dict of such, the first being the one that counts. Default: what suits the
            loss, the error rate for losses of classes.
        callbacks: `EarlyStopping`, `Checkpoint`, … or functions of the trainer, called after each epoch.
        scheduler: of the learning rate; `ReduceLROnPlateau` is given what `monitored` gives.
        schedule_every: 'epoch' or 'step', when the scheduler steps; default: what suits it, 'step' for `OneCycleLR` and
            `CyclicLR`.
        clip_grad_norm: the largest norm of all gradients together.
        clip_grad_value: the largest gradient of any weight.
        generators: streams of random numbers that the run draws from and that stand in no attribute of model or data.
        progress: 'bar', 'notebook', 'lines' (an epoch), 'none'; default: what suits the place. True is the default,
            False 'none'.

    Example:
        >>> import ferrograd as fg
        >>> from ferrograd import nn, optim
        >>> x = fg.linspace(-1, 1, 64)[:, None]
        >>> model = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
        >>> optimizer = optim.Adam(model.parameters(), lr=0.05)
        >>> trainer = fg.train.Trainer(model, nn.MSELoss(), optimizer, progress=False)
        >>> history = trainer.fit((x, x**2), epochs=20)
        >>> bool(history.objective[-1] < history.objective[0])
        True
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[Any, Any], Any],
        optimizer: Optimizer,
        *,
        metrics: Any = None,
        callbacks: Any = (),
        scheduler: LRScheduler | None = None,
        schedule_every: str | None = None,
        clip_grad_norm: float | None = None,
        clip_grad_value: float | None = None,
        generators: Any = (),
        progress: str | bool | None = None,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"Trainer: model: expected an nn.Module, got {type(model).__name__}")
        if not callable(loss):
            raise TypeError(f"Trainer: loss: expected a function of (output, target), got {type(loss).__name__}")
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"Trainer: optimizer: expected an Optimizer, got {type(optimizer).__name__}")
        if scheduler is not None and not callable(getattr(scheduler, "step", None)):
            raise TypeError(f"Trainer: scheduler: expected a schedule with step(), got {type(scheduler).__name__}")
        if schedule_every not in (None, "epoch", "step"):
            raise ValueError(f"Trainer: schedule_every: expected 'epoch' or 'step', got {schedule_every!r}")
        for name, bound in (("clip_grad_norm", clip_grad_norm), ("clip_grad_value", clip_grad_value)):
            if bound is not None and not bound > 0:
                raise ValueError(f"Trainer: {name}: expected a number above 0, got {bound}")
        kind = None if progress in (True, None) else "none" if progress is False else progress
        if kind not in (None, *KINDS):
            raise ValueError(f"Trainer: progress: expected one of {', '.join(KINDS)}, got {progress!r}")
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.metrics = _metrics.made(metrics, loss)
        self.callbacks = _callbacks.made(callbacks)
        self.scheduler = scheduler
        by_step = isinstance(scheduler, (OneCycleLR, CyclicLR))
        self.schedule_every = schedule_every or ("step" if by_step else "epoch")
        self.clip_grad_norm, self.clip_grad_value = clip_grad_norm, clip_grad_value
        self.generators = list(generators) if isinstance(generators, (list, tuple)) else [generators]
        self._kind = kind
        self.history = History()
        self.history.metric = self.metrics[0].name if self.metrics else None
        #: Epochs and steps that are done, of all calls of `fit`.
        self.epoch, self.step = 0, 0
        #: The batch within the epoch that is done.
        self.batch = 0
        #: The newest whole checkpoint.
        self.last_good: str | None = None
        self._first, self._last = 0, 0
        self._sums = _Sums()
        self._streams = Streams()
        self._begun: Mapping[str, Any] | None = None
        self._norms: dict[str, float] = {}

    # -- the loop ------------------------------------------------------------------------------------------------------

    def fit(
        self,
        train: Any,
        dev: Any = None,
        epochs: int = 1,
        *,
        batch_size: int = 32,
        train_error: Any = True,
        resume: bool | str | os.PathLike[str] = False,
    ) -> History:
        """Trains for `epochs` epochs and returns the history, which goes on where an earlier call of `fit` ended.

        Args:
            train: a DataLoader, or any iterable of batches (input, …, target); a Dataset, or a tuple of arrays
                (input, …, target), taken in random order.
            dev: such data that is not trained on, for the development curve.
            epochs: how often the model sees the training data; of a resumed run, from its beginning on.
            batch_size: samples a mini-batch, where `train` or `dev` is not in batches.
            train_error: whether the training curve is computed (after each epoch, in evaluation mode, on all of `train`),
                or the data to compute it on.
            resume: a checkpoint's file to go on from; True: the last one of the trainer's `Checkpoint`, if there is one.

        Raises:
            ValueError: there is no batch, or one is no pair.
            ShapeError, DTypeError, IndexError: data and model, or data and loss, do not fit; the message names the layer.
            FloatingPointError: the loss or its gradient is not a finite number; the step has changed no weight.
            OSError: a checkpoint cannot be written; the last good one is kept.
        """
        if not isinstance(epochs, (int, np.integer)) or epochs < 1:
            raise ValueError(f"fit: epochs: expected an integer of at least 1, got {epochs!r}")
        feed = Feed("fit: train", train, batch_size, shuffle=True)
        measured = self._feeds(feed, dev, train_error, batch_size)
        self._begin(feed, measured, resume)
        self._last = self._first + epochs
        while not self.finished:
            with self._progress(feed) as progress, self._located(feed):
                for *inputs, target in self._mini_batches(feed):
                    started = time.perf_counter()
                    loss = self.loss(self.model(*inputs), target)  # Forward pass: x → y, and the error Q.
                    self._check(loss, inputs)
                    self.optimizer.zero_grad()
                    loss.backward()  # Backward pass: ∂Q/∂W.
                    norm = self._clip(loss)
                    self.optimizer.step()  # Update: W = W - ε · ∂Q/∂W.
                    self._end_step(loss, norm, target, started)
                    progress.step(self._sums.objective / self._sums.samples)
                self._end_epoch(measured)
                progress.close(self.history.line())
            self._tell("on_epoch_end")
        self._tell("on_fit_end")
        return self.history

    def stop(self, reason: str) -> None:
        """Makes the epoch that is under way the last of this call of `fit`."""
        self.history.stopped = reason

    @property
    def finished(self) -> bool:
        """Whether the epoch that has ended is the last of this call of `fit`."""
        return self.epoch >= self._last or self.history.stopped is not None

    def _feeds(self, train: Feed, dev: Any, train_error: Any, batch_size: int) -> dict[str, Feed]:
        """The data that is measured after each epoch, by the prefix of its figures."""
        feeds = {}
        if train_error is True and not train.once and self.metrics:
            feeds["train"] = train
        elif not isinstance(train_error, bool) and train_error is not None:
            feeds["train"] = Feed("fit: train_error", train_error, batch_size, shuffle=False)
        if dev is not None:
            feeds["dev"] = Feed("fit: dev", dev, batch_size, shuffle=False)
        for feed in feeds.values():
            if feed.once:
                raise TypeError(f"{feed.name}: expected data that can be read each epoch, got an iterator")
        return feeds

    def _begin(self, train: Feed, measured: dict[str, Feed], resume: Any) -> None:
        data = {name: feed.loader for name, feed in {**measured, "train": train}.items()}
        self._streams = Streams(model=self.model, **data, generators=self.generators)
        with self._streams.kept():
            for feed in {id(feed): feed for feed in (train, *measured.values())}.values():
                if not feed.once:
                    batch = feed.first()
                    check_batch(feed, batch, self.model, self.loss)
                    self.history.sample = batch if feed is train else self.history.sample
        self.history.stopped = None
        self._first, self.batch, self._begun, self._sums = self.epoch, 0, None, _Sums()
        self._tell("on_fit_begin")
        path = self._resumed_from(resume)
        if path is not None:
            self.load_state_dict(load(path))
            self.last_good = path
        if not self.model.training:
            self.model.train()

    def _resumed_from(self, resume: Any) -> str | None:
        if not isinstance(resume, bool):
            return None if resume is None else os.fspath(resume)
        if not resume:
            return None
        keeper = next((c for c in self.callbacks if isinstance(c, Checkpoint)), None)
        if keeper is None:
            raise ValueError("fit: resume: expected a Checkpoint among the callbacks, or a file, got neither")
        return str(keeper.last) if keeper.last.exists() else None

    def _mini_batches(self, feed: Feed) -> Iterator[Any]:
        """The epoch's mini-batches, from the one that a resumed run was killed at."""
        if self._begun is None:
            self._begun = self._streams.get()
            return feed.batches()
        # The order is drawn as it was; then all streams stand where they stood at the checkpoint.
        now = self._streams.get()
        self._streams.set(self._begun)
        batches = feed.batches(self.batch)
        self._streams.set(now)
        return batches

    def _check(self, loss: Any, inputs: list[Any]) -> None:
        if not (isinstance(loss, _core.TensorBase) and loss.numel() == 1):
            check_loss(loss)
        if not math.isfinite(loss.item()):
            self.history.note_step(loss.item(), math.nan, self.lr)
            check_norm("the loss", loss.item(), self.model, inputs)

    def _clip(self, loss: Any) -> float:
        """Holds the gradients within their bounds; their norm before."""
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        if self.clip_grad_norm is None:
            norm = get_total_norm([p.grad for p in parameters if p.grad is not None]).item()
        else:
            norm = clip_grad_norm_(parameters, self.clip_grad_norm).item()
        if not math.isfinite(norm):
            self.history.note_step(loss.item(), norm, self.lr)
            check_norm("the gradient's norm", norm, self.model, [])
        if self.clip_grad_value is not None:
            clip_grad_value_(parameters, self.clip_grad_value)
        return float(norm)

    def _end_step(self, loss: Any, norm: float, target: Any, started: float) -> None:
        if self.step == 0:
            self.history.note_layers(self._layer_norms())
        n, value = _metrics.samples(target), loss.item()
        mean = value / n if getattr(self.loss, "reduction", "mean") == "sum" else value
        self.history.note_step(mean, norm, self.lr)
        if self.scheduler is not None and self.schedule_every == "step":
            self._schedule(mean)
        sums = self._sums
        sums.batches, sums.samples, sums.objective = sums.batches + 1, sums.samples + n, sums.objective + mean * n
        sums.norm, sums.seconds = sums.norm + norm, sums.seconds + time.perf_counter() - started
        self.step += 1
        self.batch += 1
        self._tell("on_step_end")

    def _end_epoch(self, measured: dict[str, Feed]) -> None:
        sums, started = self._sums, time.perf_counter()
        record: dict[str, float] = {"epoch": self.epoch + 1, "objective": sums.objective / sums.samples}
        for name, feed in measured.items():
            for figure, value in self._measure(feed).items():
                if name != "train" or figure != "objective":
                    record[f"{name} {figure}"] = value
        record |= {"lr": self.history.last_step["lr"], "gradient norm": sums.norm / sums.batches}
        record["seconds"] = sums.seconds + time.perf_counter() - started
        self.history.note_epoch(record)
        self.history.note_layers(self._layer_norms())
        self.epoch, self.batch, self._begun, self._sums = self.epoch + 1, 0, None, _Sums()
        if self.scheduler is not None and self.schedule_every == "epoch":
            self._schedule(self.monitored()[1])

    def _layer_norms(self) -> dict[str, float]:
        """The norm of each parameter's gradient at the last step, of the killed run if none was made since."""
        named = [(name, p.grad) for name, p in self.model.named_parameters() if p.grad is not None]
        return {name: get_total_norm([g]).item() for name, g in named} or self._norms

    def _schedule(self, figure: float) -> None:
        if isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step(figure)
        elif self.scheduler is not None:
            self.scheduler.step()

    def _tell(self, event: str) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(self)

    def _progress(self, feed: Feed) -> Progress:
        title = f"epoch {self.epoch + 1:>{len(str(self._last))}}/{self._last}"
        return Progress(title, feed.steps, self._kind or kind_of_place())

    @contextlib.contextmanager
    def _located(self, feed: Feed) -> Iterator[None]:
        """An error in an epoch says where it was raised, and which checkpoint there is."""
        try:
            yield
        except Exception as error:
            total = "" if feed.steps is None else f" of {feed.steps}"
            batch = f"batch {self.batch + 1}{total} (step {self.step + 1})"
            place = "the evaluation at its end" if self.batch == feed.steps else batch
            kept = f"; last good checkpoint: {self.last_good}" if self.last_good else ""
            note(error, f"in epoch {self.epoch + 1}, {place}{kept}")
            raise

    # -- figures -------------------------------------------------------------------------------------------------------

    @property
    def lr(self) -> float:
        """The learning rate of the optimizer's first group."""
        return float(self.optimizer.param_groups[0]["lr"])

    def monitored(self, name: str | None = None) -> tuple[str, float]:
        """The name and the last value of the figure that says how well it goes.

        By default the development error (the first metric); without metrics the development objective; without
        development data the training error; without either the objective.
        """
        record = self.history[-1]
        if name is None:
            wanted = (f"dev {self.history.metric}", "dev objective", f"train {self.history.metric}", "objective")
            name = next(n for n in wanted if n in record)
        elif name not in record:
            raise KeyError(f"monitor: {name!r}: expected one of {', '.join(record)}")
        return name, record[name]

    def evaluate(self, data: Any, *, batch_size: int = 256) -> dict[str, float]:
        """The objective and the metrics of the model, in evaluation mode, on such data as `fit` takes.

        Nothing is changed by it: no weight, buffer, gradient or random number.
        """
        return self._measure(Feed("evaluate: data", data, batch_size, shuffle=False))

    def _measure(self, feed: Feed) -> dict[str, float]:
        objective = _metrics.Mean(self._sample_loss, "objective")
        figures: list[_metrics.Metric] = [objective, *self.metrics]
        for metric in figures:
            metric.reset()
        with evaluating(self.model), no_grad(), Streams(data=feed.loader).kept():
            for *inputs, target in feed.batches():
                output = self.model(*inputs)
                for metric in figures:
                    metric.update(output, target)
        return {metric.name: metric.value() for metric in figures}

    def _sample_loss(self, output: Any, target: Any) -> float:
        value = float(self.loss(output, target))
        return value / _metrics.samples(target) if getattr(self.loss, "reduction", "mean") == "sum" else value

    def predict(self, data: Any, *, batch_size: int = 256) -> Any:
        """The model's outputs, in evaluation mode, as one Tensor.

        Args:
            data: inputs in one array; or such data as `fit` takes, whose targets are left out.
            batch_size: samples a batch, where the data is not in batches.
        """
        outputs = []
        with evaluating(self.model), no_grad():
            if isinstance(data, (np.ndarray, _core.TensorBase)):
                x = as_tensor(data)
                outputs = [self.model(x[k : k + batch_size]) for k in range(0, len(x), batch_size)]
            else:
                for *inputs, _ in Feed("predict: data", data, batch_size, shuffle=False).batches():
                    outputs.append(self.model(*inputs))
        if not outputs:
            raise ValueError("predict: data: expected at least one sample, got none")
        return cat(outputs)

    # -- before the run ------------------------------------------------------------------------------------------------

    def lr_find(
        self, train: Any, *, start: float = 1e-6, end: float = 10.0, steps: int = 100, batch_size: int = 32
    ) -> LRFound:
        """The learning-rate range test: the loss while the rate rises from `start` to `end`, by the same factor a step.

        It ends where the loss has risen far above its lowest value. Afterwards model, optimizer and random streams are as
        before; set the suggested rate yourself, in a new optimizer for example.

        Raises:
            ValueError: the loss is not finite from the start, or there are fewer than 10 steps.
        """
        return lr_find(self, train, start, end, steps, batch_size)

    def overfit_batch(self, train: Any, n: int = 32, *, steps: int = 100) -> History:
        """Trains on the first `n` samples alone, `steps` times: a model that cannot learn those has a mistake in it.

        Returns:
            The history, an epoch a step. Model, optimizer and random streams are as before.
        """
        return overfit_batch(self, train, n, steps)

    # -- state ---------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """All that the run depends on: model, optimizer, schedule, callbacks, history, place in the data, random streams."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "callbacks": [[type(c).__name__, c.state_dict()] for c in self.callbacks],
            "history": self.history.state_dict(),
            "position": {"first": self._first, "epoch": self.epoch, "step": self.step, "batch": self.batch},
            "sums": asdict(self._sums),
            "norms": self._layer_norms(),
            "begun": packed(self._begun),
            "random": packed(self._streams.get()),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes over what `state_dict` gave, of a trainer that was built in the same way; called by `fit(resume=…)`."""
        kinds, own = [kind for kind, _ in state["callbacks"]], [type(c).__name__ for c in self.callbacks]
        if kinds != own:
            raise ValueError(f"resume: callbacks: expected those of the checkpoint, {kinds}, got {own}")
        if (state["scheduler"] is None) != (self.scheduler is None):
            raise ValueError("resume: scheduler: expected one where the checkpoint has one, and none else")
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        for callback, (_, values) in zip(self.callbacks, state["callbacks"], strict=True):
            callback.load_state_dict(values)
        self.history.load_state_dict(state["history"])
        place = state["position"]
        self._first, self.epoch, self.step, self.batch = (place[k] for k in ("first", "epoch", "step", "batch"))
        self._sums, self._begun, self._norms = _Sums(**state["sums"]), unpacked(state["begun"]), state["norms"]
        self.optimizer.zero_grad()
        self._streams.set(unpacked(state["random"]))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes `state_dict` to a file, for `fit(resume=path)`; the file appears as a whole or not at all."""
        save(self.state_dict(), path)
