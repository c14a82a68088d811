"""PyTorch with its fused optimizers: eager, eager with the channels last, and compiled."""

from __future__ import annotations

from typing import Any

import torch

from . import WORKLOADS
from .like_torch import Suite


def channels_last(model: Any, x: Any) -> tuple[Any, Any]:
    layout = torch.channels_last if x.ndim == 4 else torch.channels_last_3d
    return model.to(memory_format=layout), x.to(memory_format=layout)


def compiled(model: Any, x: Any) -> tuple[Any, Any]:
    # What was compiled for the networks before counts against a limit, beyond which nothing is compiled.
    torch._dynamo.reset()
    return torch.compile(model), x


#: Workloads on images or volumes, which have a layout.
_IMAGES = ("lenet", "vgg", "resnet", "conv", "batch_norm", "max_pool", "avg_pool")

_eager = Suite(torch).steps()
_last = Suite(torch, channels_last).steps()
_compiled = Suite(torch, compiled).steps()

VARIANTS = {
    "": _eager,
    "channels_last": {k: v for k, v in _last.items() if k.startswith(_IMAGES) and "1d" not in k},
    "compiled": {k: v for k, v in _compiled.items() if WORKLOADS[k].suite in ("train", "infer")},
}
STEPS = _eager


def version() -> str:
    return f"PyTorch {torch.__version__}"


def set_threads(n: int) -> None:
    torch.set_num_threads(n)
