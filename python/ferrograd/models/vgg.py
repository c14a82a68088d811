"""VGG networks (Simonyan and Zisserman 2014, arXiv:1409.1556), with torchvision's names and state keys."""

from __future__ import annotations

from typing import Any

from .. import functions, nn
from ._pretrained import no_weights

__all__ = ["VGG", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"]

#: Channels of the 3 x 3 convolutions; 0 is a pooling that halves the size.
_PLANS = {
    11: [64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0],
    13: [64, 64, 0, 128, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0],
    16: [64, 64, 0, 128, 128, 0, *[256] * 3, 0, *[512] * 3, 0, *[512] * 3, 0],
    19: [64, 64, 0, 128, 128, 0, *[256] * 4, 0, *[512] * 4, 0, *[512] * 4, 0],
}


class VGG(nn.Module):
    """x (N, 3, H, W), H and W of at least 32, gives logits (N, num_classes).

    Convolutions start He-normal by their outputs, linear layers normal with deviation 0.01, biases 0.

    Args:
        features: what makes 512 channels of the image.
        num_classes: outputs.
        init_weights: whether the starting values are those above, not the layers' own.
        dropout: probability between the three linear layers.
    """

    def __init__(
        self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            self._reset_parameters()

    def _reset_parameters(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.bias)

    def forward(self, x: Any) -> Any:
        """The logits."""
        return self.classifier(functions.flatten(self.avgpool(self.features(x)), 1))


def _build(depth: int, batch_norm: bool, weights: Any, kwargs: dict[str, Any]) -> VGG:
    no_weights(f"vgg{depth}{'_bn' * batch_norm}", weights)
    layers: list[nn.Module] = []
    channels = 3
    for outputs in _PLANS[depth]:
        if not outputs:
            layers.append(nn.MaxPool2d(2, 2))
            continue
        layers.append(nn.Conv2d(channels, outputs, 3, padding=1))
        layers += [nn.BatchNorm2d(outputs), nn.ReLU()] if batch_norm else [nn.ReLU()]
        channels = outputs
    return VGG(nn.Sequential(*layers), **kwargs)


def vgg11(*, weights: None = None, progress: bool = True, **kwargs: Any) -> VGG:
    """8 convolutions and 3 linear layers; arguments as of `VGG`."""
    return _build(11, False, weights, kwargs)


def vgg11_bn(*, weights: None = None, progress: bool = True, **kwargs: Any) -> VGG:
    """As `vgg11`, with batch norm after each convolution."""
    return _build(11, True, weights, kwargs)


def vgg13(*, weights: None = None, progress: bool = True, **kwargs: Any) -> VGG:
    """10 convolutions and 3 linear layers; arguments as of `VGG`."""
    return _build(13, False, weights, kwargs)


def vgg13_bn(*, weights: None = None, progress: bool = True, **kwargs: Any) -> VGG:
    """As `vgg13`, with batch norm after each convolution."""
    return _build(13, True, weights, kwargs)


def vgg16(*, weights: None = None, progress: bool = True, **kwargs: Any) -> VGG:
    """13 convolutions and 3 linear layers; arguments as of `VGG`."""
    return _build(16, False, weights, kwargs)


def vgg16_bn(*, weights: None = None, progress: bool = True, **kwargs: Any) -> VGG:
    """As `vgg16`, with batch norm after each convolution."""
    return _build(16, True, weights, kwargs)


def vgg19(*, weights: None = None, progress: bool = True, **kwargs: Any) -> VGG:
    """16 convolutions and 3 linear layers; arguments as of `VGG`."""
    return _build(19, False, weights, kwargs)


def vgg19_bn(*, weights: None = None, progress: bool = True, **kwargs: Any) -> VGG:
    """As `vgg19`, with batch norm after each convolution."""
    return _build(19, True, weights, kwargs)
