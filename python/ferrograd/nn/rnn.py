"""Recurrent layers over whole sequences."""

from __future__ import annotations

import math
from typing import Any

from .. import _core, functions, ops
from .._warn import warn
from ..creation import as_tensor, empty
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter
from .utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

__all__ = ["GRU", "LSTM", "RNN", "RNNBase"]

#: Gates of a cell: the rows of its weights, in hidden sizes.
_GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}


class RNNBase(Module):
    """What RNN, LSTM and GRU share: parameters, the order of layers and directions, and the forms of input."""

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        _check(type(self).__name__, input_size, hidden_size, num_layers, bias, batch_first, dropout, proj_size)
        if mode not in _GATES:
            raise ValueError(f"RNNBase: mode: expected one of {', '.join(_GATES)}, got {mode!r}")
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            columns = input_size if layer == 0 else (proj_size or hidden_size) * self._directions
            for suffix in ("", "_reverse")[: self._directions]:
                names = {self._name(name, layer, suffix): shape for name, shape in self._shapes(columns).items()}
                for name, shape in names.items():
                    setattr(self, name, Parameter(empty(shape, device=device, dtype=dtype)))
                self._all_weights.append(list(names))
        self.reset_parameters()

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    def _shapes(self, columns: int) -> dict[str, tuple[int, ...]]:
        """The parameters of one layer and direction, for an input of so many columns."""
        rows, out = _GATES[self.mode] * self.hidden_size, self.proj_size or self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, columns), "weight_hh": (rows, out)}
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        return shapes

    def _name(self, name: str, layer: int, suffix: str) -> str:
        return f"{name}_l{layer}{suffix}"

    def _widths(self) -> list[int]:
        """The last dimension of each state."""
        return [self.proj_size or self.hidden_size, self.hidden_size]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def reset_parameters(self) -> None:
        """Draws new weights, uniform in ±1/√hidden_size."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def flatten_parameters(self) -> None:
        """Nothing: the weights need not lie together here."""

    def _sequence(self, x: Any, states: list[Any], weights: dict[str, Any], **attributes: Any) -> Any:
        """One layer in one direction: the results of all steps, and the last states."""
        raise NotImplementedError(f"{type(self).__name__}: a recurrent layer has to say what its cell computes")

    def _run(self, input: Any, states: list[Any], batch_sizes: tuple[int, ...] | None) -> tuple[Any, list[Any]]:
        """All layers, for an input (T, N, I) or packed rows; `states` are of all layers and directions."""
        ends: list[list[Any]] = [[] for _ in states]
        for layer in range(self.num_layers):
            if layer and self.dropout:
                input = F.dropout(input, self.dropout, self.training)
            outputs = []
            for direction, suffix in enumerate(("", "_reverse")[: self._directions]):
                index = layer * self._directions + direction
                given = [None if s is None else ops.getitem(s, index=(index,)) for s in states]
                weights = {name: getattr(self, self._name(name, layer, suffix)) for name in self._shapes(0)}
                y, *last = self._sequence(input, given, weights, batch_sizes=batch_sizes, reverse=direction == 1)
                outputs.append(y)
                for end, state in zip(ends, last, strict=True):
                    end.append(state)
            input = outputs[0] if len(outputs) == 1 else ops.concatenate(*outputs, dim=-1)
        return input, [ops.stack(*end, dim=0) for end in ends]

    def _forward(self, input: Any, states: list[Any], lengths: Any) -> tuple[Any, list[Any]]:
        """The layers on any form of input: packed, batched or one sequence."""
        name = type(self).__name__
        states = [None if s is None else as_tensor(s) for s in states]
        if isinstance(input, PackedSequence):
            if lengths is not None:
                raise ValueError(f"{name}: lengths: expected None for a packed input, which has its own")
            return self._forward_packed(input, states)
        input = as_tensor(input)
        if len(input.shape) not in (2, 3):
            raise _core.ShapeError(f"{name}: input: expected 2D or 3D input, got shape {tuple(input.shape)}")
        if lengths is not None:
            if len(input.shape) != 3:
                raise _core.ShapeError(f"{name}: input: expected 3D input with lengths, got {tuple(input.shape)}")
            packed = pack_padded_sequence(input, lengths, self.batch_first, enforce_sorted=False)
            y, last = self._forward_packed(packed, states)
            total = input.shape[1 if self.batch_first else 0]
            return pad_packed_sequence(y, self.batch_first, total_length=total)[0], last
        batched = len(input.shape) == 3
        for k, s in enumerate(states):
            if s is not None and len(s.shape) != len(input.shape):
                which = "hx" if len(states) == 1 else f"hx[{k}]"
                kind = "batched 3-D" if batched else "unbatched 2-D"
                raise _core.ShapeError(
                    f"{name}: {which}: expected {len(input.shape)} dimensions for {kind} input, "
                    f"got shape {tuple(s.shape)}"
                )
        if not batched:
            input = ops.getitem(input, index=(slice(None), None))
            states = [None if s is None else ops.getitem(s, index=(slice(None), None)) for s in states]
        elif self.batch_first:
            input = ops.permute(input, dims=(1, 0, 2))
        self._check_sizes(input, states, input.shape[1])
        y, last = self._run(input, states, None)
        if not batched:
            index = (slice(None), 0)
            return ops.getitem(y, index=index), [ops.getitem(s, index=index) for s in last]
        return (ops.permute(y, dims=(1, 0, 2)) if self.batch_first else y), last

    def _forward_packed(self, input: PackedSequence, states: list[Any]) -> tuple[PackedSequence, list[Any]]:
        data, sizes = as_tensor(input.data), tuple(as_tensor(input.batch_sizes).tolist())
        if len(data.shape) != 2:
            raise _core.ShapeError(
                f"{type(self).__name__}: input: expected 2D data in a packed sequence, got {tuple(data.shape)}"
            )
        self._check_sizes(data, states, sizes[0])

        def arranged(s: Any, order: Any) -> Any:
            return s if s is None or order is None else functions.index_select(s, 1, order)

        y, last = self._run(data, [arranged(s, input.sorted_indices) for s in states], sizes)
        last = [arranged(s, input.unsorted_indices) for s in last]
        return PackedSequence(y, input.batch_sizes, input.sorted_indices, input.unsorted_indices), last

    def _check_sizes(self, input: Any, states: list[Any], batch: int) -> None:
        name = type(self).__name__
        if input.shape[-1] != self.input_size:
            raise _core.ShapeError(
                f"{name}: input: expected {self.input_size} features in the last dimension (input_size), "
                f"got {input.shape[-1]}"
            )
        if input.shape[0] == 0:
            raise _core.ShapeError(f"{name}: input: expected a sequence of one step or more, got none")
        for k, (s, width) in enumerate(zip(states, self._widths(), strict=False)):
            expected = (self.num_layers * self._directions, batch, width)
            if s is not None and tuple(s.shape) != expected:
                which = "hx" if len(states) == 1 else f"hx[{k}]"
                raise _core.ShapeError(f"{name}: {which}: expected shape {expected}, got {tuple(s.shape)}")

    def extra_repr(self) -> str:
        """The sizes, and what is not as by default."""
        text = f"{self.input_size}, {self.hidden_size}"
        for name, usual in (
            ("proj_size", 0), ("num_layers", 1), ("bias", True), ("batch_first", False), ("dropout", 0),
            ("bidirectional", False),
        ):  # fmt: skip
            value = getattr(self, name)
            text += f", {name}={value}" if value != usual else ""
        return text


def _check(
    name: str,
    input_size: Any,
    hidden_size: Any,
    num_layers: Any,
    bias: Any,
    batch_first: Any,
    dropout: Any,
    proj_size: Any,
) -> None:
    if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout <= 1:
        raise ValueError(f"{name}: dropout: expected a probability between 0 and 1, got {dropout!r}")
    if dropout > 0 and num_layers == 1:
        warn(
            f"{name}: dropout acts between layers, so dropout={dropout} does nothing with num_layers=1",
        )
    for argument, flag in (("bias", bias), ("batch_first", batch_first)):
        if not isinstance(flag, bool):
            raise TypeError(f"{name}: {argument}: expected a bool, got {type(flag).__name__}")
    for argument, size in (("input_size", input_size), ("hidden_size", hidden_size)):
        if not isinstance(size, int):
            raise TypeError(f"{name}: {argument}: expected an int, got {type(size).__name__}")
    for argument, size in (("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)):
        if size <= 0:
            raise ValueError(f"{name}: {argument}: expected a number above 0, got {size}")
    if not 0 <= proj_size < hidden_size:
        raise ValueError(f"{name}: proj_size: expected 0 (none) or a size below hidden_size, got {proj_size}")


def _four(weights: dict[str, Any]) -> tuple[Any, ...]:
    """W_ih, W_hh, b_ih and b_hh; None for biases that are not there."""
    return weights["weight_ih"], weights["weight_hh"], weights.get("bias_ih"), weights.get("bias_hh")


class RNN(RNNBase):
    """h_t = f(x_t W_ihᵀ + b_ih + h_{t−1} W_hhᵀ + b_hh), f tanh or relu; layers one upon the other (Elman 1990).

    Shapes: input (T, N, I), (N, T, I) with `batch_first`, (T, I) for one sequence, or a `PackedSequence`; output
    (T, N, D·H) in the same form, D = 2 if bidirectional else 1; hx and h_n (num_layers·D, N, H). Weights start uniform
    in ±1/√H.

    Args:
        input_size: I.
        hidden_size: H.
        num_layers: layers, each on the results of the one before.
        nonlinearity: 'tanh' or 'relu'.
        bias: whether there are b_ih and b_hh.
        batch_first: the order of the first two dimensions of input and output.
        dropout: the probability with which results are dropped between layers, while training.
        bidirectional: a second network reads each sequence from its end; the results stand side by side.
        device: where the parameters lie.
        dtype: of the parameters.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: nonlinearity: expected 'tanh' or 'relu', got {nonlinearity!r}")
        mode = f"RNN_{nonlinearity.upper()}"
        super().__init__(
            mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Any = None, lengths: Any = None) -> Any:
        """(output, h_n): the results of the last layer at all steps, and the last state of each layer.

        With `lengths` (N,) the input is padded: each sequence ends, or begins if read in reverse, at its own length;
        beyond it the output is 0.
        """
        y, (h,) = self._forward(input, [hx], lengths)
        return y, h

    def _sequence(self, x: Any, states: list[Any], weights: dict[str, Any], **attributes: Any) -> Any:
        attributes["nonlinearity"] = self.nonlinearity
        return ops.rnn_sequence(x, states[0], *_four(weights), **attributes)


class LSTM(RNNBase):
    """i, f, o = σ(a_i), σ(a_f), σ(a_o), g = tanh(a_g), c_t = f ⊙ c_{t−1} + i ⊙ g, h_t = o ⊙ tanh(c_t),

    with a = x_t W_ihᵀ + b_ih + h_{t−1} W_hhᵀ + b_hh, the rows of the weights in the order i, f, g, o (Hochreiter &
    Schmidhuber 1997). With `proj_size` P the state is h_t W_hrᵀ (Sak et al. 2014). Arguments and shapes as RNN's;
    hx is a pair (h_0, c_0) of (num_layers·D, N, P or H) and (num_layers·D, N, H).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size, device,
            dtype,
        )  # fmt: skip

    def forward(self, input: Any, hx: Any = None, lengths: Any = None) -> Any:
        """(output, (h_n, c_n)); `lengths` as in RNN."""
        if hx is not None and (not isinstance(hx, (tuple, list)) or len(hx) != 2):
            raise TypeError(f"LSTM: hx: expected a pair (h_0, c_0), got {type(hx).__name__}")
        y, last = self._forward(input, [None, None] if hx is None else list(hx), lengths)
        return y, tuple(last)

    def _sequence(self, x: Any, states: list[Any], weights: dict[str, Any], **attributes: Any) -> Any:
        return ops.lstm_sequence(x, *states, *_four(weights), weights.get("weight_hr"), **attributes)[:3]


class GRU(RNNBase):
    """r = σ(a_r + b_r), z = σ(a_z + b_z), n = tanh(a_n + r ⊙ b_n), h_t = (1 − z) ⊙ n + z ⊙ h_{t−1},

    with a = x_t W_ihᵀ + b_ih and b = h_{t−1} W_hhᵀ + b_hh, the rows of the weights in the order r, z, n (Cho et al.
    2014; r multiplies the product, as in PyTorch, not the state). Arguments and shapes as RNN's.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )

    def forward(self, input: Any, hx: Any = None, lengths: Any = None) -> Any:
        """(output, h_n); `lengths` as in RNN."""
        y, (h,) = self._forward(input, [hx], lengths)
        return y, h

    def _sequence(self, x: Any, states: list[Any], weights: dict[str, Any], **attributes: Any) -> Any:
        return ops.gru_sequence(x, *states, *_four(weights), **attributes)[:2]
