"""Multiply-adds of layers, by the lecture's formulas."""

from __future__ import annotations

import functools
import math
from typing import Any

from .. import nn
from ..models.gpt import CausalSelfAttention


@functools.singledispatch
def multiply_adds(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> int:
    """Multiply-adds of one call of the module itself, without the modules that it calls: 0 but for the products below.

    `multiply_adds.register(MyLayer)` adds a formula for another class.

    A linear layer: in · out for each row. A convolution of k kernels of size f over p plies: f² · p · k for each place of
    the result, of which there are (d - f + 1)² without padding and stride. Multi-head attention: the projections, and
    2 · L · S · E for the scores and the means.
    """
    return 0


@multiply_adds.register
def _(module: nn.Linear, inputs: tuple[Any, ...], output: Any) -> int:
    return output.numel() * module.in_features  # type: ignore[no-any-return]


@multiply_adds.register(nn.Conv1d)
@multiply_adds.register(nn.Conv2d)
@multiply_adds.register(nn.Conv3d)
def _(module: Any, inputs: tuple[Any, ...], output: Any) -> int:
    return output.numel() * math.prod(module.weight.shape[1:])  # type: ignore[no-any-return]


@multiply_adds.register(nn.ConvTranspose1d)
@multiply_adds.register(nn.ConvTranspose2d)
@multiply_adds.register(nn.ConvTranspose3d)
def _(module: Any, inputs: tuple[Any, ...], output: Any) -> int:
    return inputs[0].numel() * math.prod(module.weight.shape[1:])  # type: ignore[no-any-return]


@multiply_adds.register
def _(module: nn.MultiheadAttention, inputs: tuple[Any, ...], output: Any) -> int:
    query, key = inputs[:2]
    batched = len(query.shape) == 3
    n = query.shape[0 if module.batch_first else 1] if batched else 1
    rows, keys = (math.prod(x.shape[:-1]) for x in (query, key))
    e = module.embed_dim
    seen = keys // max(n, 1) + (module.bias_k is not None) + module.add_zero_attn
    return 2 * rows * e * e + keys * e * (module.kdim + module.vdim) + 2 * rows * seen * e  # type: ignore[no-any-return]


@multiply_adds.register
def _(module: CausalSelfAttention, inputs: tuple[Any, ...], output: Any) -> int:
    n, length, e = output.shape
    return 2 * n * length * length * e  # type: ignore[no-any-return]
