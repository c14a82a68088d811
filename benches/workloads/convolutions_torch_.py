"""PyTorch's convolution passes, each alone, in both memory formats that it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from .convolutions import LAYERS, PASSES, Layer
from .torch_ import set_threads, version

__all__ = ["STEPS", "set_threads", "version"]

FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}


def normal(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).standard_normal(shape, np.float32))


def setup(layer: Layer, which: str, channels_last: bool) -> Callable[[], Any]:
    d = len(layer.size)
    x, w, g = (normal(shape) for shape in (layer.x, layer.w, layer.y))
    if channels_last:
        x, w, g = (t.to(memory_format=FORMATS[d + 2]) for t in (x, w, g))
    stride, padding, dilation = ([n] * d for n in (layer.stride, layer.padding, layer.dilation))
    moves = (stride, padding, dilation, False, [0] * d, layer.groups)
    if which == "forward":
        return lambda: torch.convolution(x, w, None, *moves)
    mask = [which == "input grad", which == "weight grad", False]
    return lambda: torch.ops.aten.convolution_backward(g, x, w, None, *moves, mask)


def without_gradients(step: Callable[[], Any]) -> Callable[[], Any]:
    def once() -> Any:
        with torch.no_grad():
            return step()

    return once


STEPS: dict[str, Callable[[], Callable[[], Any]]] = {
    f"{name}, {which}{' (channels-last)' if last else ''}": (
        lambda layer=layer, which=which, last=last: without_gradients(setup(layer, which, last))
    )
    for name, layer in LAYERS.items()
    for which in PASSES
    for last in (False, True)
    if not (last and len(layer.size) == 1)
}
