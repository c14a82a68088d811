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
    2 · L · S · E for the scores and the means. A recurrent layer: every matrix once a step. A layer over delayed copies:
    features · taps for each place of the result.
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


@multiply_adds.register
def _(module: nn.Bilinear, inputs: tuple[Any, ...], output: Any) -> int:
    return output.numel() * module.in2_features * (module.in1_features + 1)  # type: ignore[no-any-return]


@multiply_adds.register
def _(module: nn.RNNBase, inputs: tuple[Any, ...], output: Any) -> int:
    return _rows(inputs[0]) * _matrices(module)


@multiply_adds.register(nn.RNNCell)
@multiply_adds.register(nn.LSTMCell)
@multiply_adds.register(nn.GRUCell)
def _(module: Any, inputs: tuple[Any, ...], output: Any) -> int:
    return _rows(inputs[0]) * _matrices(module)


def _rows(x: Any) -> int:
    """How many vectors the input holds, packed sequences without what pads them."""
    x = x.data if isinstance(x, nn.utils.rnn.PackedSequence) else x
    return math.prod(x.shape[:-1])


def _matrices(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters(recurse=False) if p.ndim > 1)


@multiply_adds.register
def _(module: nn.TDNN, inputs: tuple[Any, ...], output: Any) -> int:
    return output.numel() * math.prod(module.weight.shape[1:])  # type: ignore[no-any-return]


@multiply_adds.register
def _(module: nn.FSMN, inputs: tuple[Any, ...], output: Any) -> int:
    return output.numel() * (module.lookback + 1 + module.lookahead)  # type: ignore[no-any-return]
