"""History: the three learning curves of a run, and what else was noted on the way."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, overload

import numpy as np

from . import metrics

#: What is noted at each step.
STEPS = ("objective", "gradient norm", "lr")


class History:
    """The course of a training run: a record an epoch, three numbers a step.

    The lecture's three learning curves are the columns 'objective' (the mean loss of the epoch's mini-batches, as they
    were trained on), 'train error' and 'dev error' (by the model at the epoch's end, in evaluation mode; called after the
    trainer's metrics, the first of which counts). There are besides: 'dev objective', 'lr', 'gradient norm' (the mean of
    the epoch's steps, before clipping), 'seconds'.

        history["dev error"]        a column, float64, NaN where an epoch has no such figure
        history[-1]                 the last epoch's record, a dict
        history.steps["objective"]  a number a step
        history.layers              each parameter's gradient norms: at the first step, and at the end of each epoch
        history.plot("curves.png")
    """

    def __init__(self) -> None:
        self.records: list[dict[str, float]] = []
        self.layers: dict[str, list[float]] = {}
        #: The name of the figure that the two error curves show, None without metrics.
        self.metric: str | None = None
        #: Why the run ended before its last epoch.
        self.stopped: str | None = None
        #: A few samples of the training data, for `diagnose`; not saved.
        self.sample: Any = None
        self._steps: dict[str, list[float]] = {name: [] for name in STEPS}

    # -- reading -------------------------------------------------------------------------------------------------------

    @property
    def columns(self) -> list[str]:
        """The names of the figures, in order."""
        return list(dict.fromkeys(name for record in self.records for name in record))

    @property
    def steps(self) -> dict[str, Any]:
        """'objective', 'gradient norm' and 'lr' of each step, float64."""
        return {name: np.array(values, np.float64) for name, values in self._steps.items()}

    @property
    def last_step(self) -> dict[str, float]:
        """The numbers of the last step."""
        return {name: values[-1] for name, values in self._steps.items()}

    @property
    def objective(self) -> Any:
        """The first of the three curves."""
        return self["objective"]

    @property
    def train_error(self) -> Any:
        """The second: the first metric on the training data; NaN where there is none."""
        return self._column(f"train {self.metric}")

    @property
    def dev_error(self) -> Any:
        """The third: the first metric on the development data; NaN where there is none."""
        return self._column(f"dev {self.metric}")

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[dict[str, float]]:
        return iter(self.records)

    @overload
    def __getitem__(self, key: int) -> dict[str, float]: ...

    @overload
    def __getitem__(self, key: str) -> Any: ...

    def __getitem__(self, key: int | str) -> Any:
        if isinstance(key, str):
            if self.records and key not in self.columns:
                raise KeyError(f"History: {key!r}: expected one of {', '.join(self.columns)}")
            return self._column(key)
        return self.records[key]

    def _column(self, name: str) -> Any:
        return np.array([record.get(name, math.nan) for record in self.records], np.float64)

    def best(self, name: str | None = None) -> int:
        """The index of the epoch with the smallest figure (largest, of an accuracy); default: the dev curve's."""
        values = self.dev_error if name is None else self[name]
        if np.isnan(values).all():
            raise ValueError(f"History: best: {name or 'dev error'}: expected at least one number, got none")
        sign = -1 if higher_is_better(name or self.metric or "") else 1
        return int(np.nanargmin(sign * values))

    def __repr__(self) -> str:
        ended = f", stopped: {self.stopped}" if self.stopped else ""
        return f"History({len(self)} epochs{': ' + self.line() if self.records else ''}{ended})"

    def line(self, k: int = -1) -> str:
        """An epoch's figures in a line: the three curves, and other metrics."""
        parts = []
        for name, value in self.records[k].items():
            if name in ("epoch", "lr", "seconds", "gradient norm") or (name == "dev objective" and self.metric):
                continue
            full = name.replace("train ", "training ", 1).replace("dev ", "development ", 1)
            parts.append(f"{full} {metrics.shown(name, value):>{6 if metrics.is_share(name) else 1}}")
        return "  ".join(parts)

    # -- writing -------------------------------------------------------------------------------------------------------

    def note_step(self, objective: float, gradient_norm: float, lr: float) -> None:
        """Adds a step."""
        for values, value in zip(self._steps.values(), (objective, gradient_norm, lr), strict=True):
            values.append(value)

    def note_epoch(self, record: Mapping[str, float]) -> None:
        """Adds an epoch."""
        self.records.append(dict(record))

    def note_layers(self, norms: Mapping[str, float]) -> None:
        """Adds the gradient norm of each parameter."""
        for name, norm in norms.items():
            self.layers.setdefault(name, []).append(norm)

    def state_dict(self) -> dict[str, Any]:
        """All but the sample, for a checkpoint."""
        return {
            "records": [dict(record) for record in self.records],
            "layers": {name: list(norms) for name, norms in self.layers.items()},
            "metric": self.metric,
            "stopped": self.stopped,
            "steps": self.steps,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes over what `state_dict` gave."""
        self.records = [dict(record) for record in state["records"]]
        self.layers = {name: list(norms) for name, norms in state["layers"].items()}
        self.metric, self.stopped = state["metric"], state["stopped"]
        self._steps = {name: np.asarray(state["steps"][name], np.float64).tolist() for name in STEPS}

    def to_csv(self, path: str | os.PathLike[str] | None = None) -> str:
        """A line an epoch, the columns named in the first; every number as it is, to the last bit. Returns the text."""
        text = io.StringIO()
        table = csv.DictWriter(text, self.columns, lineterminator="\n")
        table.writeheader()
        table.writerows({name: _written(value) for name, value in record.items()} for record in self.records)
        if path is not None:
            Path(path).write_text(text.getvalue(), encoding="utf-8")
        return text.getvalue()

    @classmethod
    def from_csv(cls, path: str | os.PathLike[str]) -> History:
        """What `to_csv` wrote; the steps are not in such a file."""
        history = cls()
        with open(path, encoding="utf-8", newline="") as file:
            for number, row in enumerate(csv.DictReader(file), 2):
                try:
                    history.records.append({name: _read(name, text) for name, text in row.items() if text})
                except (ValueError, TypeError):
                    raise ValueError(
                        f"History: {path}, line {number}: expected numbers, got {list(row.values())}"
                    ) from None
        shown = [name.removeprefix("train ") for name in history.columns if name.startswith("train ")]
        shown += [n.removeprefix("dev ") for n in history.columns if n.startswith("dev ") and n != "dev objective"]
        history.metric = shown[0] if shown else None
        return history

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """Everything but the sample; every number as it is, to the last bit. Returns the text."""
        state = self.state_dict()
        state["steps"] = {name: values.tolist() for name, values in state["steps"].items()}
        text = json.dumps(state, indent=1)
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> History:
        """What `to_json` wrote."""
        history = cls()
        try:
            history.load_state_dict(json.loads(Path(path).read_text(encoding="utf-8")))
        except (ValueError, LookupError, TypeError) as why:
            raise ValueError(f"History: {path}: expected what to_json writes: {why!r}") from None
        return history

    def plot(self, path: str | os.PathLike[str] | None = None, *, title: str | None = None) -> Any:
        """Draws the lecture's three curves: the objective above, the two errors below; returns matplotlib's figure.

        Raises:
            ImportError: matplotlib is not installed.
        """
        from ._picture import curves

        return curves(self, path, title)


def _written(value: float) -> str:
    return repr(value)


def _read(name: str, text: str) -> float:
    return int(text) if name == "epoch" else float(text)


def higher_is_better(name: str) -> bool:
    """Whether a figure of this name is to rise."""
    return name.endswith("accuracy")
