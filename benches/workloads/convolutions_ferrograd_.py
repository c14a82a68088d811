"""ferrograd's convolution passes, each alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import ferrograd as fg
from ferrograd._core import backend

from .convolutions import LAYERS, PASSES, Layer
from .ferrograd_ import machine, set_threads, version

__all__ = ["STEPS", "machine", "set_threads", "version"]


def values(shape: tuple[int, ...], channels_last: bool) -> Any:
    """Random numbers in memory of ours, which is aligned as a layer's result is."""
    x = np.random.default_rng(0).standard_normal(shape, np.float32)
    if channels_last:
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    return fg.from_numpy(x).clone()


def setup(layer: Layer, which: str) -> Callable[[], Any]:
    d = len(layer.size)
    moves = ([layer.stride] * d, [layer.padding] * d, [layer.dilation] * d, layer.groups)
    x, w, g = values(layer.x, layer.channels_last), values(layer.w, False), values(layer.y, True)
    if which == "forward":
        return lambda: backend.conv(x, w, None, *moves)
    if which == "input grad":
        return lambda: backend.conv_input_grad(g, w, layer.x, *moves)
    return lambda: backend.conv_weight_grad(g, x, layer.w, *moves)


STEPS: dict[str, Callable[[], Callable[[], Any]]] = {
    f"{name}, {which}": (lambda layer=layer, which=which: setup(layer, which))
    for name, layer in LAYERS.items()
    for which in PASSES
}
