"""Losses and optimizers as they are compared with PyTorch: the same table for the maker and the tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Loss:
    """A loss, its arguments, and what it is called with: inputs, a target, and what follows it.

    Inputs are of `shape`, `inputs` says their kinds. The target's kind is "classes" or "shares" (probabilities of
    classes), "labels" (some classes, then -1), "sign" (±1, in `target_shape`), None for no target, or a kind of input:
    "float", "unit" (between 0 and 1), "positive", "log" (of positive numbers).
    """

    id: str
    name: str
    kwargs: dict[str, Any] = field(default_factory=dict)
    shape: tuple[int, ...] = (4, 3)
    inputs: tuple[str, ...] = ("float",)
    target: str | None = "float"
    target_shape: tuple[int, ...] | None = None
    after: tuple[str, ...] = ()
    weighted: tuple[str, ...] = ()


def _losses() -> list[Loss]:
    rows = []
    two, three = ("float",) * 2, ("float",) * 3
    for reduction in ("mean", "sum", "none"):
        r = {"reduction": reduction}
        rows += [
            Loss(f"l1-{reduction}", "L1Loss", r),
            Loss(f"mse-{reduction}", "MSELoss", r),
            Loss(f"huber-{reduction}", "HuberLoss", {**r, "delta": 0.7}),
            Loss(f"smoothl1-{reduction}", "SmoothL1Loss", {**r, "beta": 0.5}),
            Loss(f"bce-{reduction}", "BCELoss", r, inputs=("unit",), target="unit", weighted=("weight",)),
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
            Loss(f"kldiv-{reduction}", "KLDivLoss", r, inputs=("log",), target="shares"),
            Loss(f"poisson-{reduction}", "PoissonNLLLoss", {**r, "full": True}, target="positive"),
            Loss(f"gaussian-{reduction}", "GaussianNLLLoss", {**r, "full": True}, after=("positive",)),
            Loss(f"cosine-{reduction}", "CosineEmbeddingLoss", {**r, "margin": 0.1}, (4, 3), two, "sign", (4,)),
            Loss(f"ranking-{reduction}", "MarginRankingLoss", {**r, "margin": 0.3}, (5,), two, "sign", (5,)),
            Loss(f"hinge-{reduction}", "HingeEmbeddingLoss", {**r, "margin": 0.6}, (3, 2), target="sign"),
            Loss(f"softmargin-{reduction}", "SoftMarginLoss", r, (3, 2), target="sign"),
            Loss(f"triplet-{reduction}", "TripletMarginLoss", {**r, "swap": True}, (4, 3), three, None),
            Loss(f"multimargin-{reduction}", "MultiMarginLoss", {**r, "p": 2}, target="classes", weighted=("weight",)),
            Loss(f"multilabel-{reduction}", "MultiLabelMarginLoss", r, (3, 4), target="labels"),
            Loss(
                f"multilabelsoft-{reduction}",
                "MultiLabelSoftMarginLoss",
                r,
                (3, 2),
                target="unit",
                weighted=("weight",),
            ),
        ]
    return [
        *rows,
        Loss("nll-1d", "NLLLoss", {}, (5,), target="classes"),
        Loss("nll-4d", "NLLLoss", {"ignore_index": 2}, (2, 4, 3, 2), target="classes"),
        Loss("ce-1d", "CrossEntropyLoss", {}, (5,), target="classes"),
        Loss("smoothl1-0", "SmoothL1Loss", {"beta": 0.0}),
        Loss("ce-shares-smooth", "CrossEntropyLoss", {"label_smoothing": 0.1}, (2, 4, 3), target="shares"),
        Loss(
            "ce-everything",
            "CrossEntropyLoss",
            {"label_smoothing": 0.1, "ignore_index": 0},
            (2, 3, 1, 2, 2),
            target="classes",
            weighted=("weight",),
        ),
        Loss("kldiv-log", "KLDivLoss", {"reduction": "batchmean", "log_target": True}, inputs=("log",), target="log"),
        Loss(
            "poisson-rate", "PoissonNLLLoss", {"log_input": False, "eps": 0.1}, inputs=("positive",), target="positive"
        ),
        Loss("cosine-1d", "CosineEmbeddingLoss", {}, (3,), two, "sign", ()),
        Loss("triplet-1d", "TripletMarginLoss", {"p": 1.0, "margin": 0.5}, (3,), three, None),
        Loss("triplet-distance", "TripletMarginWithDistanceLoss", {"margin": 2.0}, (2, 3), three, None),
        Loss("multimargin-1d", "MultiMarginLoss", {"margin": 0.5}, (4,), target="classes"),
        Loss("multilabel-1d", "MultiLabelMarginLoss", {}, (5,), target="labels"),
        Loss("hinge-far", "HingeEmbeddingLoss", {}, (2, 3), ("positive",), "sign"),
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
    "adagrad": ("Adagrad", dict(lr=0.3)),
    "adagrad-all": (
        "Adagrad",
        dict(lr=0.2, lr_decay=0.01, weight_decay=0.1, initial_accumulator_value=0.5, eps=1e-6),
    ),
    "adagrad-maximize": ("Adagrad", dict(lr=0.01, maximize=True)),
    "adadelta": ("Adadelta", dict()),
    "adadelta-all": ("Adadelta", dict(lr=0.5, rho=0.8, eps=1e-3, weight_decay=0.05)),
    "adadelta-maximize": ("Adadelta", dict(lr=0.2, maximize=True)),
    "rmsprop": ("RMSprop", dict(lr=0.02)),
    "rmsprop-momentum": ("RMSprop", dict(lr=0.005, alpha=0.9, eps=1e-2, momentum=0.8, weight_decay=0.1)),
    "rmsprop-centered": ("RMSprop", dict(lr=0.01, alpha=0.95, eps=1e-2, centered=True)),
    "rmsprop-all": ("RMSprop", dict(lr=0.002, eps=1e-2, momentum=0.9, centered=True, maximize=True)),
    "adamax": ("Adamax", dict(lr=0.05)),
    "adamax-all": ("Adamax", dict(lr=0.05, betas=(0.4, 0.9), eps=1e-3, weight_decay=0.1, maximize=True)),
    "nadam": ("NAdam", dict(lr=0.02)),
    "nadam-all": ("NAdam", dict(lr=0.05, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1, momentum_decay=0.02)),
    "nadam-decoupled": ("NAdam", dict(lr=0.02, weight_decay=0.1, decoupled_weight_decay=True, maximize=True)),
    "radam": ("RAdam", dict(lr=0.1)),
    "radam-all": ("RAdam", dict(lr=0.1, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1)),
    "radam-decoupled": ("RAdam", dict(lr=0.02, weight_decay=0.1, decoupled_weight_decay=True, maximize=True)),
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
