"""The same workloads for each library: `<library>.py` maps a name to a function that sets it up and returns one step.

Every library gets the same shapes, the same random data and the same number of threads; a step is a whole call with its
result waited for.
"""

from __future__ import annotations

#: name -> (what it is, floating-point operations of a step, or 0 where they do not matter)
WORKLOADS: dict[str, tuple[str, float]] = {
    "sgemm 1024": ("1024 × 1024 × 1024, f32", 2 * 1024**3),
    "sgemm 512": ("512 × 512 × 512, f32", 2 * 512**3),
    "sgemm 64": ("64 × 64 × 64, f32", 2 * 64**3),
    "sgemm 128x10x784": ("(128, 784) · (784, 10), f32", 2 * 128 * 10 * 784),
    "sgemm 128x784x512": ("(128, 512) · (512, 784), f32", 2 * 128 * 784 * 512),
    "add 16 recorded": ("a + b on 16 elements, gradients recorded", 0),
    "mlp tiny": ("MLP 4-16-3, batch 16, SGD with momentum, a step", 0),
    "mlp sgd": (
        "MLP 784-512-512-10, batch 128, SGD with momentum, a step",
        6 * 128 * (784 * 512 + 512 * 512 + 512 * 10),
    ),
    "mlp adam": ("MLP 784-512-512-10, batch 128, Adam, a step", 6 * 128 * (784 * 512 + 512 * 512 + 512 * 10)),
    "lenet adam": (
        "LeNet-5 28 × 28, batch 64, Adam, a step",
        6 * 64 * (6 * 25 * 784 + 16 * 150 * 100 + 400 * 120 + 120 * 84 + 840),
    ),
    "vgg conv 64": (
        "3 × 3 convolution 64 → 64 at 32 × 32, batch 8, forward and both gradients",
        6 * 8 * 64 * 64 * 9 * 1024,
    ),
}

SHAPES = {
    "sgemm 1024": (1024, 1024, 1024),
    "sgemm 512": (512, 512, 512),
    "sgemm 64": (64, 64, 64),
    "sgemm 128x10x784": (128, 10, 784),
    "sgemm 128x784x512": (128, 784, 512),
}
