"""Multiply-adds of the networks, by the layers' formulas."""

from __future__ import annotations

from itertools import pairwise


def mlp_macs(batch: int, *sizes: int) -> float:
    """Linear layers one after the other."""
    return float(batch * sum(a * b for a, b in pairwise(sizes)))


def conv_macs(inputs: int, outputs: int, taps: int, places: int) -> float:
    """A convolution of one sample."""
    return float(inputs * outputs * taps * places)


def resnet_macs(depth: int, size: int) -> float:
    """ResNet-18 with a 3 × 3 stem, or ResNet-50 with ImageNet's, for one image."""
    if depth == 18:
        total, blocks, width = conv_macs(3, 64, 9, size * size), (2, 2, 2, 2), 1
    else:
        total, blocks, width = conv_macs(3, 64, 49, (size // 2) ** 2), (3, 4, 6, 3), 4
        size //= 4
    inputs = 64
    for stage, n in enumerate(blocks):
        planes = 64 << stage
        for block in range(n):
            stride = 2 if stage and not block else 1
            before, size = size * size, size // stride
            places, outputs = size * size, planes * width
            if width == 1:
                total += conv_macs(inputs, planes, 9, places) + conv_macs(planes, planes, 9, places)
            else:
                total += conv_macs(inputs, planes, 1, before) + conv_macs(planes, planes, 9, places)
                total += conv_macs(planes, outputs, 1, places)
            if stride != 1 or inputs != outputs:
                total += conv_macs(inputs, outputs, 1, places)
            inputs = outputs
    return total + inputs * (10 if depth == 18 else 1000)


def recurrent_macs(gates: int, first: bool = False) -> float:
    """Two layers of 256 units on 64 features, 64 steps, batch 32, and the last layer; or the first layer's product with the input."""
    one = 64 * 32 * gates * 256
    return float(one * 64 if first else one * (64 + 256 + 256 + 256) + 32 * 256 * 10)


def attention_macs(heads: int, length: int, features: int, causal: bool) -> float:
    """Scores and means of all heads of a batch, forward, of the pairs that see each other."""
    return 2.0 * heads * features * (length * (length + 1) // 2 if causal else length * length)


def transformer_macs(layers: int, d: int, tokens: int, length: int, causal: bool, vocabulary: int = 10) -> float:
    """Layers with a feed-forward part four times as wide, and a last linear layer."""
    products = layers * tokens * 12 * d * d + tokens * d * vocabulary
    return products + layers * attention_macs(tokens // length, length, d, causal)
