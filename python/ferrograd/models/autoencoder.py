"""Auto-encoders: networks that learn to give back what they get through a narrow layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import nn, ops, random
from ..creation import as_tensor
from ._stack import stack

__all__ = ["AutoEncoder"]


class AutoEncoder(nn.Module):
    """y = decode(encode(x)): x (*, sizes[0]), the code (*, sizes[-1]).

    Linear layers of the sizes given, and back through the same sizes, an activation between layers but none at the code
    (Hinton and Salakhutdinov 2006). With `noise` or `masking` it is a denoising auto-encoder: while training it gets a
    damaged x, and is to give back the whole one, `loss(model(x), x)` (Vincent et al. 2008). lecture: unsupervised
    learning, (de-noising) auto-encoder.

    Args:
        sizes: features of the input, of the layers, and of the code.
        activation: makes an activation layer.
        output_activation: makes the layer after the last, `nn.Sigmoid` for numbers between 0 and 1; default: none.
        noise: deviation of the normal noise added to x while training.
        masking: probability with which each number of x is set to 0 while training; noise comes before.
    """

    def __init__(
        self,
        sizes: Sequence[int] = (784, 256, 64),
        activation: Callable[[], nn.Module] = nn.ReLU,
        output_activation: Callable[[], nn.Module] | None = None,
        noise: float = 0.0,
        masking: float = 0.0,
    ) -> None:
        super().__init__()
        if len(sizes) < 2:
            raise ValueError(f"AutoEncoder: sizes: expected at least 2 numbers, got {tuple(sizes)}")
        if noise < 0:
            raise ValueError(f"AutoEncoder: noise: expected a deviation of at least 0, got {noise}")
        if not 0 <= masking <= 1:
            raise ValueError(f"AutoEncoder: masking: expected a probability between 0 and 1, got {masking}")
        self.noise = noise
        self.masking = masking
        self.encoder = stack(sizes, activation)
        self.decoder = stack(sizes[::-1], activation)
        if output_activation is not None:
            self.decoder.append(output_activation())

    def corrupt(self, x: Any, generator: random.Generator | None = None) -> Any:
        """x damaged by `noise` and `masking`, as `forward` does while training; numbers are not kept within bounds."""
        x = as_tensor(x)
        if self.noise:
            x = ops.add(x, ops.mul(random.randn_like(x, generator=generator), self.noise))
        if self.masking:
            x = ops.mul(x, random.bernoulli(x, 1 - self.masking, generator=generator))
        return x

    def encode(self, x: Any) -> Any:
        """The code."""
        return self.encoder(x)

    def decode(self, code: Any) -> Any:
        """What the code stands for."""
        return self.decoder(code)

    def forward(self, x: Any) -> Any:
        """The input, as far as the code holds it; while training, as far as the code of the damaged input does."""
        return self.decode(self.encode(self.corrupt(x) if self.training else x))

    def extra_repr(self) -> str:
        """The damage."""
        return ", ".join(f"{name}={getattr(self, name):g}" for name in ("noise", "masking") if getattr(self, name))
