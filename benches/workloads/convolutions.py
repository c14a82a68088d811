"""The convolutions of well-known networks, one row a layer, for `benches/convolutions.py`."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

PASSES = ("forward", "input grad", "weight grad")


@dataclass(frozen=True)
class Layer:
    """x (N, C, *size) ⋆ w (O, C / groups, *kernel)."""

    group: str
    n: int
    c_in: int
    c_out: int
    size: tuple[int, ...]
    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1

    @property
    def name(self) -> str:
        size = "×".join(map(str, self.size))
        kernel = "×".join([str(self.kernel)] * len(self.size))
        extra = f"/{self.stride}" if self.stride > 1 else ""
        extra += f" dilation {self.dilation}" if self.dilation > 1 else ""
        channels = f"depthwise {self.c_in}" if self.groups > 1 else f"{self.c_in}→{self.c_out}"
        return f"{self.group}: {kernel}{extra} {channels} at {self.n}×{size}"

    @property
    def x(self) -> tuple[int, ...]:
        return (self.n, self.c_in, *self.size)

    @property
    def w(self) -> tuple[int, ...]:
        return (self.c_out, self.c_in // self.groups, *[self.kernel] * len(self.size))

    @property
    def y(self) -> tuple[int, ...]:
        span = self.dilation * (self.kernel - 1) + 1
        return (self.n, self.c_out, *((s + 2 * self.padding - span) // self.stride + 1 for s in self.size))

    @property
    def channels_last(self) -> bool:
        """Whether its input is another layer's result; images come as NumPy has them."""
        return self.c_in > 3

    @property
    def flops(self) -> float:
        """Of a pass, a multiply-add being two; the same for the three."""
        return 2.0 * prod(self.y) * prod(self.w[1:])


def _resnet() -> list[Layer]:
    def layer(c_in: int, c_out: int, size: int, kernel: int, stride: int = 1) -> Layer:
        return Layer("ResNet-50", 8, c_in, c_out, (size, size), kernel, stride, kernel // 2)

    layers = [layer(3, 64, 224, 7, 2)]
    c_in, size = 64, 56
    for stage, width in enumerate((64, 128, 256, 512)):
        stride = 2 if stage else 1
        layers.append(layer(c_in, width, size, 1))
        layers.append(layer(width, width, size, 3, stride))
        if stage:
            layers.append(layer(c_in, 4 * width, size, 1, stride))
        c_in, size = 4 * width, size // stride
        layers.append(layer(width, c_in, size, 1))
        layers.append(layer(c_in, width, size, 1))
        if stage:
            layers.append(layer(width, width, size, 3))
    return layers


#: name -> layer. Every layer's passes are timed on their own.
LAYERS: dict[str, Layer] = {
    layer.name: layer
    for layer in [
        *_resnet(),
        *(Layer("VGG", 8, c, c, (size, size), 3, padding=1) for size in (32, 16) for c in (64, 128, 256)),
        Layer("VGG", 32, 3, 64, (32, 32), 3, padding=1),
        Layer("LeNet", 64, 1, 6, (28, 28), 5, padding=2),
        Layer("LeNet", 64, 6, 16, (14, 14), 5),
        *(
            Layer("TDNN", 32, 256, 256, (200,), k, padding=k // 2 * d, dilation=d)
            for k, d in ((3, 1), (3, 2), (5, 1), (5, 2))
        ),
        *(Layer("3D", 4, a, b, (16, 32, 32), 3, padding=1) for a, b in ((3, 16), (16, 16), (16, 32), (32, 32))),
        *(
            Layer("MobileNet", 8, c, c, (s, s), 3, padding=1, groups=c)
            for c, s in ((64, 56), (128, 56), (256, 28), (512, 14))
        ),
        Layer("MobileNet", 8, 128, 128, (56, 56), 3, 2, 1, groups=128),
    ]
}
