"""Figures of how well a network does: error rates of classes, means of anything else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from .. import _core, nn
from ..creation import as_tensor

#: What makes a metric: itself, a name, or a function of (output, target) that gives a batch's mean.
MetricLike = Any


class Metric:
    """A figure of a whole data set, fed batch by batch: `reset`, `update(output, target)` for each batch, `value()`.

    A subclass says all three. Names that end in 'error' or 'accuracy' are shares from 0 to 1 and shown in percent.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def reset(self) -> None:
        """Forgets all batches."""
        raise NotImplementedError(f"{type(self).__name__}: reset: a Metric has to say how it begins anew")

    def update(self, output: Any, target: Any) -> None:
        """Takes in a batch."""
        raise NotImplementedError(f"{type(self).__name__}: update: a Metric has to say what it takes from a batch")

    def value(self) -> float:
        """The figure of all batches since `reset`."""
        raise NotImplementedError(f"{type(self).__name__}: value: a Metric has to say its figure")


class Mean(Metric):
    """The mean over all samples of `function(output, target)`, which gives the mean of a batch."""

    def __init__(self, function: Callable[[Any, Any], Any], name: str | None = None) -> None:
        super().__init__(name or getattr(function, "__name__", type(function).__name__).lstrip("_").replace("_", " "))
        self.function = function
        self.reset()

    def reset(self) -> None:
        """Forgets all batches."""
        self._total, self._count = 0.0, 0

    def update(self, output: Any, target: Any) -> None:
        """Takes in a batch, by its number of samples."""
        n = samples(target)
        self._total += float(self.function(output, target)) * n
        self._count += n

    def value(self) -> float:
        """The mean."""
        return self._total / self._count if self._count else float("nan")


class Error(Metric):
    """The share of wrong classes (lecture: "the error rates").

    The class of an output (N, C) or (N, C, *), or (*, C) for targets (*), is that of its largest number; outputs in the
    shape of 0/1 targets are a class each, 1 above the threshold.

    Args:
        threshold: above which an output says 1: 0 for logits, 0.5 for probabilities.
        ignore_index: targets that do not count.
        top: how many of the largest numbers may be the right class.
    """

    def __init__(self, threshold: float = 0.0, ignore_index: int = -100, top: int = 1, name: str | None = None) -> None:
        super().__init__(name or ("error" if top == 1 else f"top-{top} error"))
        self.threshold, self.ignore_index, self.top = threshold, ignore_index, top
        self.reset()

    def reset(self) -> None:
        """Forgets all batches."""
        self._wrong, self._count = 0, 0

    def update(self, output: Any, target: Any) -> None:
        """Counts a batch's wrong classes."""
        y, t = np.asarray(as_tensor(output).detach()), np.asarray(as_tensor(target).detach())
        if (y.shape == t.shape and t.dtype.kind != "f") or (y.shape == t.shape and (y.ndim < 2 or y.shape[1] == 1)):
            wrong = (y > self.threshold) != (t > 0.5)
        else:
            axis = 1 if t.ndim < 2 or y.ndim < 2 or y.shape == t.shape or y.shape[2:] == t.shape[1:] else -1
            if y.shape == t.shape:
                t = t.argmax(axis)
            y = np.moveaxis(y, axis, -1)
            if y.shape[:-1] != t.shape:
                raise _core.ShapeError(
                    f"{self.name}: output, target: expected a number for each class and a class for each sample, got "
                    f"shapes {tuple(np.shape(output))} and {tuple(np.shape(target))}"
                )
            if self.top == 1:
                wrong = y.argmax(-1) != t
            else:
                best = np.argpartition(-y, min(self.top, y.shape[-1]) - 1, axis=-1)[..., : self.top]
                wrong = (best != t[..., None]).all(-1)
            counted = t != self.ignore_index
            wrong, t = wrong[counted], t[counted]
        self._wrong += int(wrong.sum())
        self._count += t.size

    def value(self) -> float:
        """The share of wrong classes."""
        return self._wrong / self._count if self._count else float("nan")


class Accuracy(Error):
    """The share of right classes, 1 - `Error`."""

    def __init__(self, threshold: float = 0.0, ignore_index: int = -100, top: int = 1, name: str | None = None) -> None:
        super().__init__(threshold, ignore_index, top, name or ("accuracy" if top == 1 else f"top-{top} accuracy"))

    def value(self) -> float:
        """The share of right classes."""
        return 1 - super().value()


def mean_squared_error(output: Any, target: Any) -> float:
    """The mean of (output - target)²."""
    return float(np.mean(np.square(_difference(output, target))))


def mean_absolute_error(output: Any, target: Any) -> float:
    """The mean of |output - target|."""
    return float(np.mean(np.abs(_difference(output, target))))


def _difference(output: Any, target: Any) -> Any:
    y, t = np.asarray(output, np.float64), np.asarray(target, np.float64)
    if y.shape != t.shape:
        raise _core.ShapeError(f"metric: output, target: expected one shape, got {y.shape} and {t.shape}")
    return y - t


_BY_NAME: dict[str, Callable[[], Metric]] = {
    "error": Error,
    "accuracy": Accuracy,
    "mse": lambda: Mean(mean_squared_error, "mse"),
    "mae": lambda: Mean(mean_absolute_error, "mae"),
}


def made(metrics: Any, loss: Any) -> list[Metric]:
    """The metrics that a trainer was given; those that suit its loss where it was given none."""
    if metrics is None:
        return _default(loss)
    if isinstance(metrics, Mapping):
        return [Mean(function, name) for name, function in metrics.items()]
    if isinstance(metrics, (str, Metric)) or callable(metrics):
        metrics = [metrics]
    found = [_one(m) for m in _listed(metrics)]
    names = [m.name for m in found]
    if len(set(names)) < len(names) or "objective" in names:
        raise ValueError(f"Trainer: metrics: expected different names other than 'objective', got {names}")
    return found


def _listed(metrics: Any) -> Iterable[Any]:
    if isinstance(metrics, (list, tuple)):
        return metrics
    raise TypeError(f"Trainer: metrics: expected a list of metrics, got {type(metrics).__name__}")


def _one(metric: Any) -> Metric:
    if isinstance(metric, str):
        if metric not in _BY_NAME:
            raise ValueError(f"Trainer: metrics: expected one of {', '.join(_BY_NAME)}, got {metric!r}")
        return _BY_NAME[metric]()
    if isinstance(metric, type) and issubclass(metric, Metric):
        return metric()  # type: ignore[call-arg]
    if isinstance(metric, Metric):
        return metric
    if callable(metric):
        return Mean(metric)
    raise TypeError(
        f"Trainer: metrics: expected a Metric, a function of (output, target) or a name, got {type(metric).__name__}"
    )


def _default(loss: Any) -> list[Metric]:
    if isinstance(loss, (nn.CrossEntropyLoss, nn.NLLLoss)):
        return [Error(ignore_index=loss.ignore_index)]
    if isinstance(loss, nn.BCEWithLogitsLoss):
        return [Error()]
    if isinstance(loss, nn.BCELoss):
        return [Error(threshold=0.5)]
    if isinstance(loss, nn.MSELoss):
        return [_BY_NAME["mse"]()]
    if isinstance(loss, nn.L1Loss):
        return [_BY_NAME["mae"]()]
    return []


def samples(target: Any) -> int:
    """How many samples a batch's target has."""
    shape = getattr(target, "shape", None)
    if shape is None:
        return len(target) if isinstance(target, (list, dict)) else 1
    return int(shape[0]) if shape else 1


def is_share(name: str) -> bool:
    """Whether a figure of this name is shown in percent."""
    return name.endswith(("error", "accuracy")) and not name.endswith(("squared error", "absolute error"))


def shown(name: str, value: float) -> str:
    """A figure as it is printed."""
    return f"{value:.2%}" if is_share(name) else f"{value:.4f}" if 1e-3 <= abs(value) < 1e5 else f"{value:.4g}"
