"""A deep network with memory and without feedback, for sequences."""

from __future__ import annotations

from typing import Any

from .. import nn

__all__ = ["DFSMN"]


class DFSMN(nn.Module):
    """Sequences (T, N, input_size) give logits (T, N, num_classes): memory layers, linear layers, perhaps a narrow one.

    `nn.DFSMN`, whose layers' memories p̃ⁱ_t = p̃ⁱ⁻¹_t + pⁱ_t + Σ a ⊙ pⁱ_{t−s·i} + Σ c ⊙ pⁱ_{t+s·j} each go on to the next
    one's by a short-cut; then linear layers with ReLU at each step; then a linear projection and the output (Zhang et al.
    2018, arXiv:1803.05030, Deep-FSMN for large vocabulary continuous speech recognition; lecture: FSMN). Nothing is fed
    back, so all steps are computed at once and the gradient passes no step twice.

    Shapes: (T, N, F), (N, T, F) with `batch_first`, or (T, F).

    Args:
        input_size: features of a step.
        num_classes: outputs of a step.
        hidden_size: outputs of each memory layer and linear layer.
        proj_size: features of each memory.
        num_layers: memory layers.
        memory: 'scalar' or 'vector', as in `nn.FSMN`.
        lookback: taps behind, of each layer.
        lookahead: taps ahead, of each layer.
        stride: steps between taps.
        dense_layers: linear layers with ReLU after the memory.
        bottleneck: features of a linear projection before the output; default: none.
        batch_first: the order of the first two dimensions of a batch.
    """

    def __init__(
        self,
        input_size: int,
        num_classes: int,
        hidden_size: int = 128,
        proj_size: int = 64,
        num_layers: int = 4,
        memory: str = "vector",
        lookback: int = 10,
        lookahead: int = 0,
        stride: int = 1,
        dense_layers: int = 1,
        bottleneck: int | None = None,
        batch_first: bool = False,
    ) -> None:
        super().__init__()
        if dense_layers < 0:
            raise ValueError(f"DFSMN: dense_layers: expected a number of at least 0, got {dense_layers}")
        self.memory = nn.DFSMN(
            input_size, hidden_size, proj_size, num_layers, memory, lookback, lookahead, stride, batch_first
        )
        layers: list[nn.Module] = []
        for _ in range(dense_layers):
            layers += [nn.Linear(hidden_size, hidden_size), nn.ReLU()]
        if bottleneck is not None:
            layers.append(nn.Linear(hidden_size, bottleneck))
        self.dense = nn.Sequential(*layers)
        self.output = nn.Linear(hidden_size if bottleneck is None else bottleneck, num_classes)
        #: How many steps behind and ahead a step's output depends on.
        self.context = (num_layers * lookback * stride, num_layers * lookahead * stride)

    def features(self, input: Any) -> Any:
        """What the output layer is given at each step: the bottleneck's features where there is one."""
        return self.dense(self.memory(input))

    def forward(self, input: Any) -> Any:
        """The logits."""
        return self.output(self.features(input))

    def extra_repr(self) -> str:
        """The reach."""
        return f"context={self.context}"
