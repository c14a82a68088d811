"""Recurrent layers with feedback from several past steps."""

from __future__ import annotations

from typing import Any

from .. import ops
from .rnn import RNN

__all__ = ["HigherOrderRNN"]


class HigherOrderRNN(RNN):
    """h_t = f(x_t W_ihᵀ + b_ih + Σ_{j=1…k} h_{t−j} W_hh,jᵀ + b_hh), f tanh or relu: feedback from k past steps.

    (Lecture: higher-order RNNs; Soltani & Jiang 2016.) The paths from h_{t−j} are short cuts in time, along which
    gradients vanish more slowly. Arguments and forms of input as `nn.RNN`'s, which it is at order 1: the parameters have
    its names, and W_hh,j for j > 1 is `weight_hh_l0_j2`, `weight_hh_l0_j3`, … (`weight_hh_l0_reverse_j2` in the
    reverse direction). hx and h_n are (num_layers·D, N, k·H): the last k states side by side, the latest first.

    Args:
        input_size: I.
        hidden_size: H.
        order: k, past steps that feed back.
        num_layers: layers, each on the results of the one before.
        nonlinearity: 'tanh' or 'relu'.
        bias: whether there are b_ih and b_hh.
        batch_first: the order of the first two dimensions of input and output.
        dropout: the probability with which results are dropped between layers, while training.
        bidirectional: a second network reads each sequence from its end.
        device: where the parameters lie.
        dtype: of the parameters.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        order: int = 2,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if not isinstance(order, int):
            raise TypeError(f"HigherOrderRNN: order: expected an int, got {type(order).__name__}")
        if order < 1:
            raise ValueError(f"HigherOrderRNN: order: expected a number above 0, got {order}")
        # The base asks for it while it makes the parameters.
        object.__setattr__(self, "order", order)
        super().__init__(
            input_size, hidden_size, num_layers, nonlinearity, bias, batch_first, dropout, bidirectional, device, dtype
        )

    def _shapes(self, columns: int) -> dict[str, tuple[int, ...]]:
        shapes = super()._shapes(columns)
        return shapes | {f"weight_hh_j{j}": shapes["weight_hh"] for j in range(2, self.order + 1)}

    def _name(self, name: str, layer: int, suffix: str) -> str:
        name, _, step = name.partition("_j")
        return super()._name(name, layer, suffix) + (f"_j{step}" if step else "")

    def _widths(self) -> list[int]:
        return [self.order * self.hidden_size]

    def _sequence(self, x: Any, states: list[Any], weights: dict[str, Any], **attributes: Any) -> Any:
        steps = [weights["weight_hh"], *(weights[f"weight_hh_j{j}"] for j in range(2, self.order + 1))]
        together = steps[0] if len(steps) == 1 else ops.concatenate(*steps, dim=1)
        return super()._sequence(x, states, weights | {"weight_hh": together}, **attributes)

    def extra_repr(self) -> str:
        """The sizes, the order, and what is not as by default."""
        sizes = f"{self.input_size}, {self.hidden_size}"
        return f"{sizes}, order={self.order}" + super().extra_repr()[len(sizes) :]
