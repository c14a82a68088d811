"""Losses and optimizers as they are compared with PyTorch: the same table for the maker and the tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Loss:
    """A loss, its arguments, and its target: "float", "unit", "classes" or "shares" (probabilities of classes)."""

    id: str
    name: str
    kwargs: dict[str, Any] = field(default_factory=dict)
    shape: tuple[int, ...] = (4, 3)
    input: str = "float"
    target: str = "float"
    weighted: tuple[str, ...] = ()


def _losses() -> list[Loss]:
    rows = []
    for reduction in ("mean", "sum", "none"):
        r = {"reduction": reduction}
        rows += [
            Loss(f"l1-{reduction}", "L1Loss", r),
            Loss(f"mse-{reduction}", "MSELoss", r),
            Loss(f"huber-{reduction}", "HuberLoss", {**r, "delta": 0.7}),
            Loss(f"smoothl1-{reduction}", "SmoothL1Loss", {**r, "beta": 0.5}),
            Loss(f"bce-{reduction}", "BCELoss", r, input="unit", target="unit", weighted=("weight",)),
            Loss(f"bcelogits-{reduction}", "BCEWithLogitsLoss", r, target="unit", weighted=("weight", "pos_weight")),
            Loss(f"nll-{reduction}", "NLLLoss", r, target="classes", weighted=("weight",)),
            Loss(f"ce-{reduction}", "CrossEntropyLoss", r, target="classes", weighted=("weight",)),
            Loss(f"ce-shares-{reduction}", "CrossEntropyLoss", r, target="shares", weighted=("weight",)),
            Loss(f"ce-smooth-{reduction}", "CrossEntropyLoss", {**r, "label_smoothing": 0.2}, target="classes"),
            Loss(
                f"ce-ignore-{reduction}",
                "CrossEntropyLoss",
                {**r, "ignore_index": 1},
                target="classes",
                shape=(3, 4, 2),
            ),
        ]
    return [
        *rows,
        Loss("nll-1d", "NLLLoss", {}, (5,), target="classes"),
        Loss("nll-4d", "NLLLoss", {"ignore_index": 2}, (2, 4, 3, 2), target="classes"),
        Loss("ce-1d", "CrossEntropyLoss", {}, (5,), target="classes"),
        Loss("smoothl1-0", "SmoothL1Loss", {"beta": 0.0}),
        Loss("ce-shares-smooth", "CrossEntropyLoss", {"label_smoothing": 0.1}, (2, 4, 3), target="shares"),
    ]


LOSSES = {row.id: row for row in _losses()}

#: Optimizers by an id: their name and options. The curve is 100 steps on a small least-squares problem.
OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", dict(lr=0.05)),
    "sgd-momentum": ("SGD", dict(lr=0.02, momentum=0.9)),
    "sgd-dampening": ("SGD", dict(lr=0.02, momentum=0.9, dampening=0.3, weight_decay=0.01)),
    "sgd-nesterov": ("SGD", dict(lr=0.02, momentum=0.9, nesterov=True, weight_decay=0.01)),
    "sgd-maximize": ("SGD", dict(lr=0.001, momentum=0.5, maximize=True)),
    "adam": ("Adam", dict(lr=0.05)),
    "adam-decay": ("Adam", dict(lr=0.05, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1)),
    "adam-amsgrad": ("Adam", dict(lr=0.1, amsgrad=True, betas=(0.9, 0.9))),
    "adam-maximize": ("Adam", dict(lr=0.01, maximize=True)),
    "adamw": ("AdamW", dict(lr=0.05)),
    "adamw-amsgrad": ("AdamW", dict(lr=0.05, amsgrad=True, weight_decay=0.2)),
}
STEPS = 100

#: Layers whose starting values are compared by bounds, mean and deviation.
INITS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "linear": ("Linear", (64, 128)),
    "conv2d": ("Conv2d", (16, 32, 3)),
    "conv1d": ("Conv1d", (8, 64, 5)),
    "embedding": ("Embedding", (100, 64)),
    "batchnorm2d": ("BatchNorm2d", (8,)),
    "layernorm": ("LayerNorm", (8,)),
}
