"""Memory without feedback: layers over delayed copies of a sequence (lecture: tapped delay lines).

Sequences are (T, N, F), (N, T, F) with `batch_first`, or (T, F).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from .. import _core, ops
from ..creation import as_tensor, empty
from . import functional as F
from . import init
from .linear import Linear
from .module import Module
from .parameter import Parameter

__all__ = ["DFSMN", "FSMN", "TDNN", "CompactFSMN", "TimeDelay"]


def _time_of(name: str, input: Any, batch_first: bool, features: int | None = None) -> int:
    """The dimension of time of a sequence layer's input."""
    shape = tuple(input.shape)
    if len(shape) not in (2, 3):
        raise _core.ShapeError(f"{name}: input: expected 2D or 3D input, got shape {shape}")
    if features is not None and shape[-1] != features:
        raise _core.ShapeError(
            f"{name}: input: expected {features} features in the last dimension, got {shape[-1]} in {shape}"
        )
    return 1 if batch_first and len(shape) == 3 else 0


def _check_number(name: str, argument: str, value: Any, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name}: {argument}: expected an int, got {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name}: {argument}: expected a number of at least {least}, got {value}")


def _convolve(x: Any, weight: Any, bias: Any, time: int, before: int, after: int, dilation: int, groups: int) -> Any:
    """A convolution along time of features in the last dimension, with zeros before and after."""
    batched = len(x.shape) == 3
    # To (N, F, T) and back.
    order = ((1, 2, 0) if time == 0 else (0, 2, 1)) if batched else (1, 0)
    back = ((2, 0, 1) if time == 0 else (0, 2, 1)) if batched else (1, 0)
    x = ops.permute(x, dims=order)
    if before == after:
        return ops.permute(F.conv1d(x, weight, bias, 1, before, dilation, groups), dims=back)
    y = F.conv1d(F.pad(x, (before, after)), weight, bias, 1, 0, dilation, groups)
    return ops.permute(y, dims=back)


class TimeDelay(Module):
    """y_t = x_{t−delay}, 0 before the first (lecture: time-delayed layers, y = z⁻¹(x)). It learns nothing.

    The gradient is the advance, ∂Q/∂x_t = e_{t+delay}. A negative delay is an advance itself.

    Args:
        delay: steps.
        batch_first: the order of the first two dimensions of a batch.
    """

    def __init__(self, delay: int = 1, batch_first: bool = False) -> None:
        super().__init__()
        if not isinstance(delay, int) or isinstance(delay, bool):
            raise TypeError(f"TimeDelay: delay: expected an int, got {type(delay).__name__}")
        self.delay = delay
        self.batch_first = batch_first

    def forward(self, input: Any) -> Any:
        """The delayed sequence, of the input's shape."""
        input = as_tensor(input)
        time = _time_of("TimeDelay", input, self.batch_first)
        steps = input.shape[time]
        by = max(-steps, min(self.delay, steps))
        kept = slice(0, steps - by) if by >= 0 else slice(-by, steps)
        x = ops.getitem(input, index=(slice(None),) * time + (kept,))
        padding = [(0, 0)] * len(input.shape)
        padding[time] = (by, 0) if by >= 0 else (0, -by)
        return ops.pad(x, padding=tuple(padding), value=0.0)

    def extra_repr(self) -> str:
        """The delay."""
        return f"delay={self.delay}" + (", batch_first=True" if self.batch_first else "")


class TDNN(Module):
    """y_t = Σ_k W_k x_{t+c_k} + b over a context c_1 < c_2 < … of steps (Waibel et al. 1989, Peddinti et al. 2015).

    The weight is (out_features, in_features, K), as Conv1d's: with steps at equal distances the layer is a dilated
    Conv1d over features in the last dimension. It starts as Conv1d's does, uniform in ±1/√(in_features·K).

    Args:
        in_features: of the input.
        out_features: of the output.
        context: steps relative to t, rising; default −2 … 2.
        bias: whether there is b.
        padding: 'valid' (only t whose whole context is in the sequence: T − (c_K − c_1) steps) or 'same' (T steps, zeros
            outside the sequence).
        batch_first: the order of the first two dimensions of a batch.
        kernel_size: with `dilation` instead of a context: K steps, `dilation` apart, around t.
        dilation: distance of the steps of `kernel_size`.
        device: where the parameters lie.
        dtype: of the parameters.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        context: Sequence[int] | None = None,
        bias: bool = True,
        padding: str = "valid",
        batch_first: bool = False,
        *,
        kernel_size: int | None = None,
        dilation: int = 1,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if padding not in ("valid", "same"):
            raise ValueError(f"TDNN: padding: expected 'valid' or 'same', got {padding!r}")
        self.in_features = in_features
        self.out_features = out_features
        self.context = _context(context, kernel_size, dilation)
        self.padding = padding
        self.batch_first = batch_first
        self.weight = Parameter(empty(out_features, in_features, len(self.context), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new weights."""
        fan_in = self.in_features * len(self.context)
        bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0.0
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Any) -> Any:
        """The output, `out_features` in the last dimension."""
        input = as_tensor(input)
        time = _time_of("TDNN", input, self.batch_first, self.in_features)
        first, last = self.context[0], self.context[-1]
        steps = input.shape[time]
        if self.padding == "valid" and steps <= last - first:
            raise _core.ShapeError(
                f"TDNN: input: expected more than {last - first} steps, which the context spans, got {steps}"
            )
        before, after = (max(0, -first), max(0, last)) if self.padding == "same" else (0, 0)
        # What the context does not reach at either end is not read.
        skipped = (max(0, first), max(0, -last)) if self.padding == "same" else (0, 0)
        x = input
        if any(skipped):
            kept = slice(min(skipped[0], steps), max(steps - skipped[1], 0))
            x = ops.getitem(x, index=(slice(None),) * time + (kept,))
        gaps = {b - a for a, b in itertools.pairwise(self.context)} or {1}
        if len(gaps) == 1:
            return _convolve(x, self.weight, self.bias, time, before, after, gaps.pop(), 1)
        padding = [(0, 0)] * len(x.shape)
        padding[time] = (before, after)
        x = ops.pad(x, padding=tuple(padding), value=0.0)
        length = x.shape[time] - (last - first)
        taps = [slice(c - first, c - first + length) for c in self.context]
        together = ops.concatenate(*(ops.getitem(x, index=(slice(None),) * time + (tap,)) for tap in taps), dim=-1)
        weight = ops.reshape(ops.permute(self.weight, dims=(0, 2, 1)), shape=(self.out_features, -1))
        return ops.linear(together, weight, self.bias)

    def extra_repr(self) -> str:
        """The sizes, and what is not as by default."""
        text = f"{self.in_features}, {self.out_features}, context={list(self.context)}"
        text += ", bias=False" if self.bias is None else ""
        text += f", padding={self.padding!r}" if self.padding != "valid" else ""
        return text + (", batch_first=True" if self.batch_first else "")


def _context(context: Sequence[int] | None, kernel_size: int | None, dilation: int) -> tuple[int, ...]:
    if kernel_size is not None:
        if context is not None:
            raise ValueError("TDNN: kernel_size: expected either a context or a kernel_size, got both")
        _check_number("TDNN", "kernel_size", kernel_size, 1)
        _check_number("TDNN", "dilation", dilation, 1)
        return tuple(dilation * (k - (kernel_size - 1) // 2) for k in range(kernel_size))
    steps = tuple(range(-2, 3)) if context is None else tuple(context)
    if not steps or any(not isinstance(c, int) or isinstance(c, bool) for c in steps):
        raise TypeError(f"TDNN: context: expected integers, got {context!r}")
    if any(b <= a for a, b in itertools.pairwise(steps)):
        raise ValueError(f"TDNN: context: expected rising steps, got {list(steps)}")
    return steps


class FSMN(Module):
    """y_t = x_t + Σ_{i=0…N1} a_i ⊙ x_{t−s·i} + Σ_{j=1…N2} c_j ⊙ x_{t+s·j}: a tapped delay line that is learned.

    (Zhang et al. 2015, arXiv:1512.08301: feed-forward sequential memory networks.) The coefficients a_i and c_j are
    numbers ('scalar') or vectors of one number a feature ('vector'); x is 0 outside the sequence. They start uniform in
    ±1/√(N1 + 1 + N2).

    Args:
        features: F, of input and output.
        memory: 'scalar' or 'vector'.
        lookback: N1.
        lookahead: N2.
        stride: s, steps between neighbouring taps.
        batch_first: the order of the first two dimensions of a batch.
        device: where the parameters lie.
        dtype: of the parameters.
    """

    def __init__(
        self,
        features: int,
        memory: str = "vector",
        lookback: int = 10,
        lookahead: int = 0,
        stride: int = 1,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if memory not in ("scalar", "vector"):
            raise ValueError(f"FSMN: memory: expected 'scalar' or 'vector', got {memory!r}")
        for argument, value, least in (
            ("features", features, 1), ("lookback", lookback, 0), ("lookahead", lookahead, 0), ("stride", stride, 1),
        ):  # fmt: skip
            _check_number("FSMN", argument, value, least)
        self.features = features
        self.memory = memory
        self.lookback = lookback
        self.lookahead = lookahead
        self.stride = stride
        self.batch_first = batch_first
        width = () if memory == "scalar" else (features,)
        self.weight = Parameter(empty(lookback + 1, *width, device=device, dtype=dtype))
        if lookahead:
            self.weight_ahead = Parameter(empty(lookahead, *width, device=device, dtype=dtype))
        else:
            self.register_parameter("weight_ahead", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new coefficients."""
        bound = 1 / math.sqrt(self.lookback + 1 + self.lookahead)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def forward(self, input: Any) -> Any:
        """The sequence with its memory added, of the input's shape."""
        input = as_tensor(input)
        time = _time_of("FSMN", input, self.batch_first, self.features)
        taps = ops.getitem(self.weight, index=(slice(None, None, -1),))
        if self.weight_ahead is not None:
            taps = ops.concatenate(taps, self.weight_ahead, dim=0)
        taps = ops.getitem(taps, index=(None, None) if self.memory == "scalar" else (None,))
        taps = ops.expand(taps, shape=(1, self.features, taps.shape[-1])) if self.memory == "scalar" else taps
        weight = ops.permute(taps, dims=(1, 0, 2) if self.memory == "scalar" else (2, 0, 1))
        before, after = self.stride * self.lookback, self.stride * self.lookahead
        memory = _convolve(input, weight, None, time, before, after, self.stride, self.features)
        return ops.add(input, memory)

    def extra_repr(self) -> str:
        """The sizes, and what is not as by default."""
        text = f"{self.features}, memory={self.memory!r}, lookback={self.lookback}, lookahead={self.lookahead}"
        text += f", stride={self.stride}" if self.stride != 1 else ""
        return text + (", batch_first=True" if self.batch_first else "")


class CompactFSMN(Module):
    """p_t = V x_t, p̃_t = FSMN(p)_t (+ the p̃_t of the layer before), y_t = f(U p̃_t + b), f ReLU.

    (Zhang et al. 2018, arXiv:1803.05030.) The projection V to a few features keeps the memory small; the short cut
    between memories lets deep stacks of it learn.

    Args:
        in_features: of the input.
        out_features: of the output.
        proj_features: of p.
        memory: 'scalar' or 'vector', as in FSMN.
        lookback: as in FSMN.
        lookahead: as in FSMN.
        stride: as in FSMN.
        batch_first: the order of the first two dimensions of a batch.
        device: where the parameters lie.
        dtype: of the parameters.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        proj_features: int,
        memory: str = "vector",
        lookback: int = 10,
        lookahead: int = 0,
        stride: int = 1,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.project = Linear(in_features, proj_features, bias=False, device=device, dtype=dtype)
        self.memory = FSMN(proj_features, memory, lookback, lookahead, stride, batch_first, device, dtype)
        self.expand = Linear(proj_features, out_features, device=device, dtype=dtype)

    def forward(self, input: Any, before: Any = None) -> Any:
        """(y, p̃), with `before` the p̃ of the layer before."""
        memory = self.memory(self.project(input))
        if before is not None:
            memory = ops.add(memory, before)
        return self.expand(memory, activation="relu"), memory


class DFSMN(Module):
    """CompactFSMN layers one upon the other, each memory added to the next one's (Zhang et al. 2018).

    Input (T, N, input_size) or (T, input_size), output the same with hidden_size.

    Args:
        input_size: of the input.
        hidden_size: of each layer's output.
        proj_size: of each layer's memory.
        num_layers: layers.
        memory: 'scalar' or 'vector', as in FSMN.
        lookback: as in FSMN.
        lookahead: as in FSMN.
        stride: as in FSMN.
        batch_first: the order of the first two dimensions of a batch.
        device: where the parameters lie.
        dtype: of the parameters.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        proj_size: int,
        num_layers: int = 2,
        memory: str = "vector",
        lookback: int = 10,
        lookahead: int = 0,
        stride: int = 1,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        _check_number("DFSMN", "num_layers", num_layers, 1)
        self.num_layers = num_layers
        for layer in range(num_layers):
            size = input_size if layer == 0 else hidden_size
            one = CompactFSMN(
                size, hidden_size, proj_size, memory, lookback, lookahead, stride, batch_first, device, dtype
            )
            self.add_module(f"layer{layer}", one)

    def forward(self, input: Any) -> Any:
        """The output of the last layer."""
        memory = None
        for layer in range(self.num_layers):
            input, memory = getattr(self, f"layer{layer}")(input, memory)
        return input
