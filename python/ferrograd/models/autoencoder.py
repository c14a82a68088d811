"""Auto-encoders: networks that learn to give back what they get through a narrow layer."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from .. import nn

__all__ = ["AutoEncoder"]


class AutoEncoder(nn.Module):
    """y = decode(encode(x)): x (*, sizes[0]), the code (*, sizes[-1]).

    Linear layers of the sizes given, and back through the same sizes, an activation between layers but none at the code.
    (Hinton and Salakhutdinov 2006; lecture: bottleneck features, auto-encoder.)

    Args:
        sizes: features of the input, of the layers, and of the code.
        activation: makes an activation layer.
        output_activation: makes the layer after the last, `nn.Sigmoid` for numbers between 0 and 1; default: none.
    """

    def __init__(
        self,
        sizes: Sequence[int] = (784, 256, 64),
        activation: Callable[[], nn.Module] = nn.ReLU,
        output_activation: Callable[[], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        if len(sizes) < 2:
            raise ValueError(f"AutoEncoder: sizes: expected at least 2 numbers, got {tuple(sizes)}")
        self.encoder = _stack(sizes, activation)
        self.decoder = _stack(sizes[::-1], activation)
        if output_activation is not None:
            self.decoder.append(output_activation())

    def encode(self, x: Any) -> Any:
        """The code."""
        return self.encoder(x)

    def decode(self, code: Any) -> Any:
        """What the code stands for."""
        return self.decoder(code)

    def forward(self, x: Any) -> Any:
        """The input, as far as the code holds it."""
        return self.decode(self.encode(x))


def _stack(sizes: Sequence[int], activation: Callable[[], nn.Module]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [activation()] if layers else []
        layers.append(nn.Linear(inputs, outputs))
    return nn.Sequential(*layers)
