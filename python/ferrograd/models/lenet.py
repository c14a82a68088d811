"""LeNet-5 (LeCun et al. 1998, Gradient-based learning applied to document recognition)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import nn

__all__ = ["LeNet5", "lenet5"]


class LeNet5(nn.Module):
    """x (N, in_channels, 28, 28) gives logits (N, num_classes): two convolutions with pooling, three linear layers.

    As it is built today: ReLU and max pooling, each map of the second convolution over all of the first's. With
    `activation=nn.Tanh, pooling=nn.AvgPool2d` it is nearer to the paper's.

    Args:
        num_classes: outputs.
        in_channels: channels of the image.
        activation: makes an activation layer.
        pooling: makes a pooling layer from the size of its windows.
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 1,
        activation: Callable[[], nn.Module] = nn.ReLU,
        pooling: Callable[[int], nn.Module] = nn.MaxPool2d,
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 6, 5, padding=2),
            activation(),
            pooling(2),
            nn.Conv2d(6, 16, 5),
            activation(),
            pooling(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(16 * 5 * 5, 120),
            activation(),
            nn.Linear(120, 84),
            activation(),
            nn.Linear(84, num_classes),
        )

    def forward(self, x: Any) -> Any:
        """The logits."""
        return self.classifier(self.features(x))


def lenet5(**kwargs: Any) -> LeNet5:
    """LeNet-5; arguments as of `LeNet5`."""
    return LeNet5(**kwargs)
