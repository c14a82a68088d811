"""Residual networks (He et al. 2015, arXiv:1512.03385), with torchvision's names and state keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import functions, nn, ops
from ._pretrained import no_weights

__all__ = ["BasicBlock", "Bottleneck", "ResNet", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]


def _conv3x3(inputs: int, outputs: int, stride: int = 1, groups: int = 1, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=dilation, groups=groups, bias=False, dilation=dilation)


def _conv1x1(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)


class BasicBlock(nn.Module):
    """relu(x + norm(conv₃ₓ₃(relu(norm(conv₃ₓ₃(x)))))), the short-cut through `downsample` where sizes change."""

    expansion = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Callable[[int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        if groups != 1 or base_width != 64 or dilation != 1:
            raise ValueError(
                "BasicBlock: groups, base_width, dilation: expected 1, 64 and 1, "
                f"got {groups}, {base_width} and {dilation}"
            )
        norm_layer = norm_layer or nn.BatchNorm2d
        self.conv1 = _conv3x3(inplanes, planes, stride)
        self.bn1 = norm_layer(planes)
        self.relu = nn.ReLU()
        self.conv2 = _conv3x3(planes, planes)
        self.bn2 = norm_layer(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Any) -> Any:
        """The block's result."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        return self.relu(ops.add(x, shortcut))


class Bottleneck(nn.Module):
    """Three convolutions, 1 x 1, 3 x 3 and 1 x 1, the middle ones narrower; the stride is the 3 x 3's (version 1.5)."""

    expansion = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Callable[[int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        norm_layer = norm_layer or nn.BatchNorm2d
        width = int(planes * (base_width / 64)) * groups
        self.conv1 = _conv1x1(inplanes, width)
        self.bn1 = norm_layer(width)
        self.conv2 = _conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm_layer(width)
        self.conv3 = _conv1x1(width, planes * self.expansion)
        self.bn3 = norm_layer(planes * self.expansion)
        self.relu = nn.ReLU()
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Any) -> Any:
        """The block's result."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        return self.relu(ops.add(x, shortcut))


class ResNet(nn.Module):
    """x (N, 3, H, W) gives logits (N, num_classes).

    Convolutions start He-normal by their outputs, norms with weight 1 and bias 0.

    Args:
        block: `BasicBlock` or `Bottleneck`.
        layers: blocks in each of the four stages.
        num_classes: outputs.
        zero_init_residual: each block's last norm starts at 0, so that the block starts as its short-cut.
        groups: groups of the 3 x 3 convolutions of a bottleneck.
        width_per_group: their width, 64 for the plain network.
        replace_stride_with_dilation: for the last three stages, whether they dilate in place of striding.
        norm_layer: what makes a norm from a number of channels; default: `nn.BatchNorm2d`.
        stem: 'imagenet', a 7 x 7 convolution and a pooling that together divide the size by 4, or 'cifar', one 3 x 3
            convolution that keeps it, for images of about 32 x 32.
    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        layers: Sequence[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: Sequence[bool] | None = None,
        norm_layer: Callable[[int], nn.Module] | None = None,
        *,
        stem: str = "imagenet",
    ) -> None:
        super().__init__()
        dilates = [False] * 3 if replace_stride_with_dilation is None else list(replace_stride_with_dilation)
        if len(dilates) != 3:
            raise ValueError(f"ResNet: replace_stride_with_dilation: expected None or 3 bools, got {dilates}")
        if stem not in ("imagenet", "cifar"):
            raise ValueError(f"ResNet: stem: expected 'imagenet' or 'cifar', got {stem!r}")
        self._norm_layer = norm_layer or nn.BatchNorm2d
        self.inplanes = 64
        self.dilation = 1
        self.groups = groups
        self.base_width = width_per_group
        self.conv1 = (
            nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False) if stem == "imagenet" else _conv3x3(3, self.inplanes)
        )
        self.bn1 = self._norm_layer(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if stem == "imagenet" else nn.Identity()
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], 2, dilates[0])
        self.layer3 = self._make_layer(block, 256, layers[2], 2, dilates[1])
        self.layer4 = self._make_layer(block, 512, layers[3], 2, dilates[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        self._reset_parameters(zero_init_residual)

    def _make_layer(self, block: Any, planes: int, blocks: int, stride: int = 1, dilate: bool = False) -> nn.Sequential:
        before = self.dilation
        if dilate:
            self.dilation, stride = self.dilation * stride, 1
        outputs = planes * block.expansion
        downsample = None
        if stride != 1 or self.inplanes != outputs:
            downsample = nn.Sequential(_conv1x1(self.inplanes, outputs, stride), self._norm_layer(outputs))
        rest = (self.groups, self.base_width)
        made = [block(self.inplanes, planes, stride, downsample, *rest, before, self._norm_layer)]
        self.inplanes = outputs
        made += [block(outputs, planes, 1, None, *rest, self.dilation, self._norm_layer) for _ in range(1, blocks)]
        return nn.Sequential(*made)

    def _reset_parameters(self, zero_init_residual: bool) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif zero_init_residual and isinstance(module, (BasicBlock, Bottleneck)):
                last = module.bn3 if isinstance(module, Bottleneck) else module.bn2
                if getattr(last, "weight", None) is not None:
                    nn.init.zeros_(last.weight)

    def forward(self, x: Any) -> Any:
        """The logits."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(functions.flatten(self.avgpool(x), 1))


def _build(name: str, weights: Any, block: Any, layers: Sequence[int], kwargs: dict[str, Any]) -> ResNet:
    no_weights(name, weights)
    return ResNet(block, layers, **kwargs)


def resnet18(*, weights: None = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """18 layers with weights in basic blocks; arguments as of `ResNet`."""
    return _build("resnet18", weights, BasicBlock, [2, 2, 2, 2], kwargs)


def resnet34(*, weights: None = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """34 layers with weights in basic blocks; arguments as of `ResNet`."""
    return _build("resnet34", weights, BasicBlock, [3, 4, 6, 3], kwargs)


def resnet50(*, weights: None = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """50 layers with weights in bottlenecks; arguments as of `ResNet`."""
    return _build("resnet50", weights, Bottleneck, [3, 4, 6, 3], kwargs)


def resnet101(*, weights: None = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """101 layers with weights in bottlenecks; arguments as of `ResNet`."""
    return _build("resnet101", weights, Bottleneck, [3, 4, 23, 3], kwargs)


def resnet152(*, weights: None = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """152 layers with weights in bottlenecks; arguments as of `ResNet`."""
    return _build("resnet152", weights, Bottleneck, [3, 8, 36, 3], kwargs)
