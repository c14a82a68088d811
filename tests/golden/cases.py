"""Layers, losses and optimizers as they are compared with PyTorch: the same table for the maker and the tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Layer:
    """A layer by the name that both libraries have, its arguments, and the shapes it is called with.

    `kind` is "float" (normal numbers), "unit" (between 0 and 1) or "index" (integers below `high`).
    """

    id: str
    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    shape: tuple[int, ...] = (4, 5)
    kind: str = "float"
    high: int = 0
    training: bool = True


def _layers() -> list[Layer]:
    rows = [
        Layer("linear", "Linear", (5, 3)),
        Layer("linear-3d", "Linear", (5, 3), shape=(2, 3, 5)),
        Layer("linear-1d", "Linear", (5, 3), {"bias": False}, shape=(5,)),
        Layer("identity", "Identity"),
        Layer("flatten", "Flatten", shape=(2, 3, 4)),
        Layer("flatten-from-0", "Flatten", (0, 1), shape=(2, 3, 4)),
        Layer("unflatten", "Unflatten", (1, (2, 3)), shape=(2, 6)),
        Layer("conv1d", "Conv1d", (3, 4, 3), shape=(2, 3, 9)),
        Layer("conv1d-all", "Conv1d", (4, 6, 3), dict(stride=2, padding=2, dilation=2, groups=2), shape=(2, 4, 11)),
        Layer("conv1d-same", "Conv1d", (2, 3, 4), dict(padding="same"), shape=(2, 2, 7)),
        Layer("conv2d", "Conv2d", (3, 4, 3), shape=(2, 3, 6, 5)),
        Layer("conv2d-no-batch", "Conv2d", (3, 4, (1, 2)), shape=(3, 4, 5)),
        Layer(
            "conv2d-all",
            "Conv2d",
            (4, 4, (3, 2)),
            dict(stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=4, bias=False),
            shape=(2, 4, 7, 6),
        ),
        Layer("conv2d-same", "Conv2d", (2, 3, (2, 3)), dict(padding="same", dilation=(1, 2)), shape=(1, 2, 5, 6)),
        Layer("conv2d-valid", "Conv2d", (2, 3, 3), dict(padding="valid"), shape=(1, 2, 5, 6)),
        *(
            Layer(f"conv2d-{mode}", "Conv2d", (2, 3, 3), dict(padding=(1, 2), padding_mode=mode), shape=(1, 2, 5, 4))
            for mode in ("reflect", "replicate", "circular")
        ),
        Layer("conv3d", "Conv3d", (2, 3, 2), dict(padding=1, stride=(1, 2, 1)), shape=(1, 2, 3, 4, 3)),
        Layer("maxpool1d", "MaxPool1d", (3,), dict(stride=2, padding=1), shape=(2, 3, 9)),
        Layer("maxpool2d", "MaxPool2d", (2,), shape=(2, 3, 6, 5)),
        Layer(
            "maxpool2d-all",
            "MaxPool2d",
            ((3, 2),),
            dict(stride=(2, 1), padding=(1, 0), dilation=(1, 2), ceil_mode=True),
            shape=(3, 7, 6),
        ),
        Layer("maxpool3d", "MaxPool3d", (2,), dict(stride=1), shape=(1, 2, 3, 4, 3)),
        Layer("avgpool1d", "AvgPool1d", (3,), dict(stride=2, padding=1), shape=(2, 3, 9)),
        Layer("avgpool2d", "AvgPool2d", (2,), shape=(2, 3, 6, 5)),
        Layer(
            "avgpool2d-all",
            "AvgPool2d",
            ((3, 2),),
            dict(stride=2, padding=1, ceil_mode=True, count_include_pad=False),
            shape=(2, 3, 6, 6),
        ),
        Layer("avgpool2d-divisor", "AvgPool2d", (2,), dict(divisor_override=3), shape=(3, 4, 4)),
        Layer("avgpool3d", "AvgPool3d", (2,), dict(stride=1), shape=(1, 2, 3, 4, 3)),
        Layer("batchnorm1d", "BatchNorm1d", (5,), shape=(6, 5)),
        Layer("batchnorm1d-3d", "BatchNorm1d", (3,), dict(momentum=None), shape=(4, 3, 5)),
        Layer("batchnorm2d", "BatchNorm2d", (3,), dict(momentum=0.3, eps=1e-3), shape=(2, 3, 4, 5)),
        Layer("batchnorm2d-eval", "BatchNorm2d", (3,), shape=(2, 3, 4, 5), training=False),
        Layer("batchnorm2d-plain", "BatchNorm2d", (3,), dict(affine=False), shape=(2, 3, 4, 5)),
        Layer(
            "batchnorm2d-untracked",
            "BatchNorm2d",
            (3,),
            dict(track_running_stats=False),
            shape=(2, 3, 4, 5),
            training=False,
        ),
        Layer("batchnorm3d", "BatchNorm3d", (2,), shape=(2, 2, 2, 3, 2)),
        Layer("layernorm", "LayerNorm", (5,), shape=(3, 4, 5)),
        Layer("layernorm-2d", "LayerNorm", ((4, 5),), dict(eps=1e-3, bias=False), shape=(3, 4, 5)),
        Layer("layernorm-plain", "LayerNorm", (5,), dict(elementwise_affine=False)),
        Layer("dropout-eval", "Dropout", (0.4,), training=False),
        Layer("embedding", "Embedding", (7, 3), shape=(2, 5), kind="index", high=7),
        Layer("embedding-padding", "Embedding", (7, 3), dict(padding_idx=-2), shape=(11,), kind="index", high=7),
        Layer("embedding-max-norm", "Embedding", (7, 3), dict(max_norm=1.0), shape=(2, 2), kind="index", high=7),
        Layer(
            "embedding-by-freq", "Embedding", (4, 3), dict(scale_grad_by_freq=True), shape=(9,), kind="index", high=4
        ),
        Layer("relu", "ReLU"),
        Layer("sigmoid", "Sigmoid"),
        Layer("tanh", "Tanh"),
        Layer("silu", "SiLU"),
        Layer("gelu", "GELU"),
        Layer("gelu-tanh", "GELU", (), dict(approximate="tanh")),
        Layer("leakyrelu", "LeakyReLU", (0.2,)),
        Layer("elu", "ELU", (0.7,)),
        Layer("softplus", "Softplus", (2.0, 1.5)),
        Layer("hardtanh", "Hardtanh", (-0.5, 0.8)),
        Layer("softmax", "Softmax", (), dict(dim=-1)),
        Layer("softmax-0", "Softmax", (0,)),
        Layer("logsoftmax", "LogSoftmax", (1,), shape=(2, 3, 4)),
    ]
    return rows


LAYERS = {row.id: row for row in _layers()}


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
