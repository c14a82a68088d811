"""What the learning curves say about a run, and what to try (lecture: "Insights from Figures").

Each rule looks at a few figures that have no unit, so that one threshold does for different losses. The thresholds were set
on runs made wrong on purpose (`DEVELOPMENT` in `examples/_faults.py`) and tested on others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import nn
from .history import History
from .metrics import is_share
from .probe import DeadUnits, dead_units

#: The gradient's norm at the first step, over the root of the loss where that is above 1.
EXPLODING = 5.0
#: The gradient's norm of the first layers over that of the last, at the first step.
VANISHING = 1e-3
#: The largest objective of three steps in a row over that of the first steps.
RISEN = 1.3
#: The mean change of the objective from epoch to epoch in the second half, over the first objective.
RESTLESS = 0.05
#: The share of dead units in a layer.
DEAD = 0.8
#: The objective at the end over that at the start, from which on little has been learned: by far, or at all.
LITTLE, SOME = 0.5, 0.35
#: The fall of the objective in the last third of the epochs over that in the first, and the share of epochs that fell.
STEADY, FALLING = 0.4, 0.8
#: How much larger the objective is on the development data than on the training data, over the first objective; and the
#: former over its lowest value; and how much larger an error rate is, which a few confident mistakes do not move.
GAP, TURNED, ERROR_GAP = 0.3, 1.1, 0.1

ADVICE = {
    "learning rate too high": "divide the learning rate by 10 (Trainer.lr_find suggests one), or let it rise slowly at first",
    "exploding gradient": "clip it (Trainer(clip_grad_norm=1.0)); smaller initial weights (nn.init), normalization layers",
    "dead units": "a smaller learning rate, biases that begin at 0, LeakyReLU or normalization in place of the activation",
    "vanishing gradient": "ReLU in place of sigmoid or tanh, short-cuts around layers, normalization, fewer layers",
    "learning rate too low": "multiply the learning rate by 10 (Trainer.lr_find suggests one), or train for longer",
    "over-fitting": "more data or augmentation, dropout, weight decay, a smaller model; EarlyStopping keeps the best epoch",
    "under-fitting": "a larger model, less weight decay and dropout, better features; or the data has no more to tell",
    "no data": "train for at least 3 epochs with development data, so that there are curves",
}


@dataclass(frozen=True)
class Finding:
    """What is wrong, the figures that say so, and what to try."""

    name: str
    evidence: dict[str, float]
    advice: str

    def __str__(self) -> str:
        figures = ", ".join(f"{name} {value:.3g}" for name, value in self.evidence.items())
        return f"{self.name} ({figures}): {self.advice}"


@dataclass(frozen=True)
class Diagnosis:
    """What was found, the most important first; `name` is 'healthy' where nothing was."""

    findings: list[Finding] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The first finding's."""
        return self.findings[0].name if self.findings else "healthy"

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __str__(self) -> str:
        return "\n".join(map(str, self.findings)) or "healthy: the curves fall, and the development curve with them"


def diagnose(history: History, model: nn.Module | None = None, data: Any = None) -> Diagnosis:
    """Names what is wrong with a training run, from its curves and gradients, and says what to try.

    Found are: 'learning rate too high', 'learning rate too low', 'under-fitting', 'over-fitting', 'dead units', 'exploding
    gradient', 'vanishing gradient'. A run that ended in nan (its `fit` raised) can be asked about as well.

    Args:
        history: of the run, as `Trainer.fit` returns it (or `Trainer.history`).
        model: the trained model; without it dead units are not looked for.
        data: a batch (input, …, target) to run the model on; default: the one that the history has from the run.

    Returns:
        The findings with their figures, the most important first.
    """
    figures = _Figures(history)
    if figures.start is None:
        return Diagnosis([Finding("no data", {"epochs": float(len(history))}, ADVICE["no data"])])
    batch = history.sample if data is None else data
    starved, dead = _vanishing(figures), _dead(dead_units(model, batch[:-1]) if model is not None and batch else [])
    if starved and not dead and 0.0 in starved.values():
        dead = starved  # No activation makes a gradient exactly 0 but where all of its units are dead.
    rules = (
        ("exploding gradient", _exploding(figures)),
        # What was so before the first step is not the learning rate's doing.
        ("dead units", dead if starved else None),
        ("vanishing gradient", None if dead else starved),
        ("learning rate too high", _too_high(figures)),
        ("dead units", None if starved else dead),
        ("learning rate too low", _too_low(figures)),
        ("over-fitting", _over(figures)),
    )
    found = [Finding(name, evidence, ADVICE[name]) for name, evidence in rules if evidence]
    # What has hardly learned for another reason is not called under-fitted besides.
    under = None if found else _under(figures)
    return Diagnosis([*found, Finding("under-fitting", under, ADVICE["under-fitting"])] if under else found)


class _Figures:
    """The curves of a history, as the rules want them."""

    def __init__(self, history: History) -> None:
        self.steps = history.steps["objective"]
        self.norms = history.steps["gradient norm"]
        self.train = history.objective
        self.dev = history["dev objective"] if "dev objective" in history.columns else np.full(len(history), np.nan)
        self.layers = history.layers
        share = history.metric is not None and is_share(history.metric) and len(history) > 0
        errors = abs(history.dev_error[-1] - history.train_error[-1]) if share else math.nan
        #: How far the error curves have parted; nan where they are no shares.
        self.error_gap = float(errors)
        first = self.steps if len(self.steps) else self.train
        #: The objective before anything was learned.
        self.start = float(first[0]) if len(first) and (len(self.train) >= 3 or not np.isfinite(first).all()) else None
        self.finite = bool(np.isfinite(self.steps).all() and np.isfinite(self.train).all())

    @property
    def end(self) -> float:
        """The objective of the last epoch over the first of all."""
        return float(self.train[-1]) / self._scale if len(self.train) else math.inf

    @property
    def _scale(self) -> float:
        return abs(self.start or 0.0) or 1.0

    def over_start(self, values: Any) -> Any:
        """Values over the first objective."""
        return np.asarray(values) / self._scale


Evidence = dict[str, float] | None


def _exploding(f: _Figures) -> Evidence:
    """The gradient is huge before any step was taken, so it is not the steps' doing."""
    if not len(f.norms) or f.start is None:
        return None
    norm = float(f.norms[0])
    size = norm / math.sqrt(max(1.0, abs(f.start)))
    if size <= EXPLODING and math.isfinite(norm):
        return None
    return {"gradient norm at the first step": norm, "objective there": f.start}


def _too_high(f: _Figures) -> Evidence:
    """The objective rises from where it began, or does not come to rest."""
    with np.errstate(all="ignore"):
        noisy = f.steps if len(f.steps) else f.train
        means = np.convolve(noisy, np.ones(3) / 3, "valid") if len(f.steps) >= 3 else noisy
        risen = float(np.max(np.where(np.isfinite(means), means, np.inf))) / max(abs(f.start or 0.0), 1e-12)
        changes = f.over_start(np.abs(np.diff(f.train[len(f.train) // 2 :])))
    restless = float(np.mean(changes)) if len(changes) else 0.0
    if f.finite and risen < RISEN and not (restless > RESTLESS and f.end > SOME):
        return None
    evidence = {"largest objective over the first": risen, "change an epoch over the first": restless}
    return evidence | ({} if f.finite else {"step that is not finite": float(np.argmin(np.isfinite(f.steps)) + 1)})


def _dead(found: list[DeadUnits]) -> Evidence:
    """A layer whose units are mostly dead."""
    worst = max(found, key=lambda units: units.share, default=None)
    if worst is None or worst.share <= DEAD:
        return None
    return {f"share in layer '{worst.layer}'": worst.share, "units there": worst.units}


def _vanishing(f: _Figures) -> Evidence:
    """Little of the gradient arrives at the first layers."""
    squares: dict[str, float] = {}
    for name, norms in f.layers.items():
        layer = name.rpartition(".")[0]
        squares[layer] = squares.get(layer, 0.0) + norms[0] ** 2
    layers = np.sqrt(list(squares.values()))
    third = len(layers) // 3
    if third == 0 or not np.isfinite(layers).all():
        return None
    first, last = float(np.median(layers[:third])), float(np.median(layers[-third:]))
    if last == 0 or first / last >= VANISHING or f.end < SOME:
        return None
    return {"gradient norm of the first layers over the last": first / last}


def _too_low(f: _Figures) -> Evidence:
    """The objective falls all the time, hardly slower at the end, and is still high."""
    after = f.train[1:]
    third = len(after) // 3
    if third == 0 or f.end < LITTLE or not f.finite:
        return None
    early, late = float(after[0] - after[third]), float(after[-third - 1] - after[-1])
    falling = float(np.mean(np.diff(after) < 0))
    if early <= 0 or late < STEADY * early or falling < FALLING:
        return None
    return {"fall in the last third over that in the first": late / early, "objective at the end over the start": f.end}


def _over(f: _Figures) -> Evidence:
    """The development curve has turned and parted from the training curve."""
    if not np.isfinite(f.dev).any() or not f.finite:
        return None
    gap = float(f.over_start(f.dev[-1] - f.train[-1]))
    turned = float(f.dev[-1] / np.nanmin(f.dev)) if np.nanmin(f.dev) > 0 else math.inf
    if gap < GAP or turned < TURNED or f.error_gap < ERROR_GAP:
        return None
    return {
        "gap of the curves over the first objective": gap,
        "development objective over its lowest": turned,
        "best epoch": float(np.nanargmin(f.dev) + 1),
    }


def _under(f: _Figures) -> Evidence:
    """The objective has come to rest high."""
    if f.end < SOME:
        return None
    return {"objective at the end over the start": f.end}
