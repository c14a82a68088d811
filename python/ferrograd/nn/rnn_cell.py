"""Recurrent cells: one step at a time."""

from __future__ import annotations

import math
from typing import Any

from .. import _core, ops
from ..creation import as_tensor, empty
from . import init
from .module import Module
from .parameter import Parameter

__all__ = ["GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"]


class RNNCellBase(Module):
    """What the cells share: w_ih (G·H, I), w_hh (G·H, H) and biases (G·H,), `num_chunks` G; uniform in ±1/√H."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(empty(rows, input_size, device=device, dtype=dtype))
        self.weight_hh = Parameter(empty(rows, hidden_size, device=device, dtype=dtype))
        if bias:
            self.bias_ih = Parameter(empty(rows, device=device, dtype=dtype))
            self.bias_hh = Parameter(empty(rows, device=device, dtype=dtype))
        else:
            self.register_parameter("bias_ih", None)
            self.register_parameter("bias_hh", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new weights."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0.0
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    @property
    def _weights(self) -> tuple[Any, ...]:
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def _batch(self, input: Any, states: list[Any]) -> tuple[Any, list[Any], bool]:
        """The input (1, N, I) and the states (N, H) of one step, and whether the input was a batch."""
        name = type(self).__name__
        input = as_tensor(input)
        if len(input.shape) not in (1, 2):
            raise _core.ShapeError(f"{name}: input: expected 1D or 2D input, got shape {tuple(input.shape)}")
        batched = len(input.shape) == 2
        if input.shape[-1] != self.input_size:
            raise _core.ShapeError(
                f"{name}: input: expected {self.input_size} features in the last dimension (input_size), "
                f"got {input.shape[-1]}"
            )
        expected = (*input.shape[:-1], self.hidden_size)
        given = []
        for k, s in enumerate(states):
            if s is not None:
                s = as_tensor(s)
                if tuple(s.shape) != expected:
                    which = "hx" if len(states) == 1 else f"hx[{k}]"
                    raise _core.ShapeError(f"{name}: {which}: expected shape {expected}, got {tuple(s.shape)}")
                s = s if batched else ops.getitem(s, index=(None,))
            given.append(s)
        return ops.getitem(input, index=(None,) if batched else (None, None)), given, batched

    def extra_repr(self) -> str:
        """The sizes, and what is not as by default."""
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


_ONE_STEP = {"batch_sizes": None, "reverse": False}


def _unbatched(state: Any, batched: bool) -> Any:
    return state if batched else ops.getitem(state, index=(0,))


class RNNCell(RNNCellBase):
    """h' = f(x W_ihᵀ + b_ih + h W_hhᵀ + b_hh), f tanh or relu.

    Shapes: input (N, I) or (I,), hx and h' (N, H) or (H,); without hx, h = 0.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNNCell: nonlinearity: expected 'tanh' or 'relu', got {nonlinearity!r}")
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Any = None) -> Any:
        """The next state h'."""
        x, (h,), batched = self._batch(input, [hx])
        h = ops.rnn_sequence(x, h, *self._weights, nonlinearity=self.nonlinearity, **_ONE_STEP)[1]
        return _unbatched(h, batched)

    def extra_repr(self) -> str:
        """The sizes, and what is not as by default."""
        return super().extra_repr() + ("" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}")


class LSTMCell(RNNCellBase):
    """One step of LSTM: (h', c') of a pair (h, c), each (N, H) or (H,); without it, both are 0."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Any, hx: Any = None) -> Any:
        """The next states (h', c')."""
        if hx is not None and (not isinstance(hx, (tuple, list)) or len(hx) != 2):
            raise TypeError(f"LSTMCell: hx: expected a pair (h, c), got {type(hx).__name__}")
        x, (h, c), batched = self._batch(input, [None, None] if hx is None else list(hx))
        _, h, c, *_ = ops.lstm_sequence(x, h, c, *self._weights, None, **_ONE_STEP)
        return _unbatched(h, batched), _unbatched(c, batched)


class GRUCell(RNNCellBase):
    """One step of GRU: h' of h, (N, H) or (H,); without hx, h = 0."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Any, hx: Any = None) -> Any:
        """The next state h'."""
        x, (h,), batched = self._batch(input, [hx])
        return _unbatched(ops.gru_sequence(x, h, *self._weights, **_ONE_STEP)[1], batched)
