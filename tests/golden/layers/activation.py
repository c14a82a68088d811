"""Activations."""

from ._layer import Layer

LAYERS = [
    Layer("threshold", "Threshold", (0.1, 2.0)),
    Layer("relu6", "ReLU6", shape=(3,)),
    Layer("hardsigmoid", "Hardsigmoid"),
    Layer("hardswish", "Hardswish"),
    Layer("hardshrink", "Hardshrink", (0.4,)),
    Layer("softshrink", "Softshrink"),
    Layer("tanhshrink", "Tanhshrink"),
    Layer("softsign", "Softsign"),
    Layer("logsigmoid", "LogSigmoid"),
    Layer("selu", "SELU"),
    Layer("celu", "CELU", (1.5,)),
    Layer("mish", "Mish"),
    Layer("prelu", "PReLU"),
    Layer("prelu-channels", "PReLU", (3, 0.1), shape=(2, 3, 4)),
    Layer("prelu-one-dimension", "PReLU", shape=(6,)),
    Layer("rrelu-eval", "RReLU", (0.1, 0.4), training=False),
    Layer("glu", "GLU", shape=(3, 6)),
    Layer("glu-1", "GLU", (1,), shape=(2, 4, 3)),
    Layer("softmin", "Softmin", (1,)),
    Layer("softmax2d", "Softmax2d", shape=(2, 3, 2, 2)),
    Layer("softmax2d-no-batch", "Softmax2d", shape=(3, 2, 2)),
]
