"""The networks, written once for ferrograd and PyTorch, whose names are the same: `t` is one of the two packages.

`chain` makes an nn.Sequential, in which ferrograd computes an activation with the layer before it; with `plain` the same
layers are called from a hand-written forward.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any


def chain(t: Any, plain: bool, *layers: Any) -> Any:
    """The layers one after the other."""
    if not plain:
        return t.nn.Sequential(*layers)

    class Chain(t.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layers = t.nn.ModuleList(layers)

        def forward(self, x: Any) -> Any:
            for layer in self.layers:
                x = layer(x)
            return x

    return Chain()


def mlp(t: Any, plain: bool, *sizes: int) -> Any:
    layers: list[Any] = []
    for a, b in pairwise(sizes):
        layers += [t.nn.Linear(a, b), t.nn.ReLU()]
    return chain(t, plain, *layers[:-1])


def lenet(t: Any, plain: bool) -> Any:
    nn = t.nn
    return chain(
        t, plain,
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def vgg6(t: Any, plain: bool) -> Any:
    nn, layers, before = t.nn, [], 3
    for k, channels in enumerate((64, 64, 128, 128, 256, 256)):
        if k in (2, 4):
            layers.append(nn.MaxPool2d(2))
        layers += [nn.Conv2d(before, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
        before = channels
    return chain(t, plain, *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10))


def residual(t: Any, body: Any, shortcut: Any) -> Any:
    """relu(body(x) + shortcut(x))."""

    class Residual(t.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.body, self.shortcut, self.relu = body, shortcut, t.nn.ReLU()

        def forward(self, x: Any) -> Any:
            return self.relu(self.body(x) + self.shortcut(x))

    return Residual()


def resnet(t: Any, plain: bool, depth: int) -> Any:
    """ResNet-18 with a 3 × 3 stem for images of 32 × 32, or ResNet-50 as on ImageNet."""
    nn = t.nn

    def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> list[Any]:
        return [
            nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
        ]

    if depth == 18:
        layers, blocks, width = [*conv(3, 64, 3), nn.ReLU()], (2, 2, 2, 2), 1
    else:
        layers, blocks, width = [*conv(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)], (3, 4, 6, 3), 4
    inputs = 64
    for stage, n in enumerate(blocks):
        planes = 64 << stage
        outputs = planes * width
        for block in range(n):
            stride = 2 if stage and not block else 1
            if width == 1:
                parts = [*conv(inputs, planes, 3, stride), nn.ReLU(), *conv(planes, planes, 3)]
            else:
                parts = [*conv(inputs, planes, 1), nn.ReLU(), *conv(planes, planes, 3, stride), nn.ReLU()]
                parts += conv(planes, outputs, 1)
            same = stride == 1 and inputs == outputs
            shortcut = nn.Identity() if same else chain(t, plain, *conv(inputs, outputs, 1, stride))
            layers.append(residual(t, chain(t, plain, *parts), shortcut))
            inputs = outputs
    classes = 10 if depth == 18 else 1000
    return chain(t, plain, *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


def conv3d(t: Any, plain: bool) -> Any:
    nn = t.nn
    return chain(
        t, plain,
        nn.Conv3d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool3d(2), nn.Conv3d(16, 32, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(32, 10),
    )  # fmt: skip


def tdnn(t: Any, plain: bool) -> Any:
    nn = t.nn
    return chain(
        t, plain,
        nn.Conv1d(40, 256, 5), nn.ReLU(), nn.Conv1d(256, 256, 3, dilation=2), nn.ReLU(),
        nn.Conv1d(256, 256, 3, dilation=3), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(256, 10),
    )  # fmt: skip


def recurrent(t: Any, kind: str) -> Any:
    """Two recurrent layers, and a linear one on the last step."""

    class Last(t.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layers = getattr(t.nn, kind)(64, 256, 2, batch_first=True)
            self.head = t.nn.Linear(256, 10)

        def forward(self, x: Any) -> Any:
            return self.head(self.layers(x)[0][:, -1])

    return Last()


def encoder(t: Any) -> Any:
    """Four transformer layers, and classes for every token."""
    layer = t.nn.TransformerEncoderLayer(512, 8, 2048, dropout=0.0, batch_first=True)
    layers = t.nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)

    class Tagger(t.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layers, self.head = layers, t.nn.Linear(512, 10)

        def forward(self, x: Any) -> Any:
            return self.head(self.layers(x)).reshape(-1, 10)

    return Tagger()


def gpt(t: Any, plain: bool, d: int, heads: int, layers: int, length: int, vocabulary: int = 65) -> Any:
    """nanoGPT's network, logits of all tokens as rows."""
    nn, F = t.nn, t.nn.functional

    class Attention(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)

        def forward(self, x: Any) -> Any:
            n, steps, _ = x.shape
            q, k, v = self.qkv(x).split(d, dim=2)
            q, k, v = (a.reshape(n, steps, heads, d // heads).transpose(1, 2) for a in (q, k, v))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            return self.out(y.transpose(1, 2).reshape(n, steps, d))

    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.attention, self.norm2 = nn.LayerNorm(d), Attention(), nn.LayerNorm(d)
            self.mlp = chain(t, plain, nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d))

        def forward(self, x: Any) -> Any:
            x = x + self.attention(self.norm1(x))
            return x + self.mlp(self.norm2(x))

    class GPT(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.places = nn.Embedding(vocabulary, d), nn.Embedding(length, d)
            self.blocks = nn.ModuleList([Block() for _ in range(layers)])
            self.norm, self.head = nn.LayerNorm(d), nn.Linear(d, vocabulary, bias=False)

        def forward(self, x: Any) -> Any:
            x = self.tokens(x) + self.places(t.arange(x.shape[1]))
            for block in self.blocks:
                x = block(x)
            return self.head(self.norm(x)).reshape(-1, vocabulary)

    return GPT()


def network(t: Any, name: str, plain: bool) -> Any:
    """The network of a workload."""
    match name:
        case "mlp tiny":
            return mlp(t, plain, 4, 16, 3)
        case "mlp sgd" | "mlp adam":
            return mlp(t, plain, 784, 512, 512, 10)
        case "lenet adam":
            return lenet(t, plain)
        case "vgg6":
            return vgg6(t, plain)
        case "resnet18" | "resnet50":
            return resnet(t, plain, int(name.removeprefix("resnet")))
        case "conv3d":
            return conv3d(t, plain)
        case "tdnn":
            return tdnn(t, plain)
        case "rnn" | "lstm" | "gru":
            return recurrent(t, name.upper())
        case "encoder":
            return encoder(t)
        case "gpt":
            return gpt(t, plain, 384, 6, 6, 256)
        case "gpt nano":
            return gpt(t, plain, 128, 4, 4, 64)
    raise KeyError(name)


#: The input of each network, and the number of classes of its targets; whole numbers below the classes for a GPT.
INPUTS: dict[str, tuple[tuple[int, ...], int]] = {
    "mlp tiny": ((16, 4), 3),
    "mlp sgd": ((128, 784), 10),
    "mlp adam": ((128, 784), 10),
    "lenet adam": ((64, 1, 28, 28), 10),
    "vgg6": ((32, 3, 32, 32), 10),
    "resnet18": ((32, 3, 32, 32), 10),
    "resnet50": ((8, 3, 224, 224), 1000),
    "conv3d": ((4, 3, 16, 32, 32), 10),
    "tdnn": ((32, 40, 200), 10),
    "rnn": ((32, 64, 64), 10),
    "lstm": ((32, 64, 64), 10),
    "gru": ((32, 64, 64), 10),
    "encoder": ((8, 128, 512), 10),
    "gpt": ((8, 256), 65),
    "gpt nano": ((12, 64), 65),
}
