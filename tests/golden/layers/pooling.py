"""Adaptive, power-average and fractional pooling, unpooling."""

from ._layer import Layer

LAYERS = [
    Layer("adaptiveavgpool1d", "AdaptiveAvgPool1d", (3,), shape=(2, 3, 7)),
    Layer("adaptiveavgpool2d", "AdaptiveAvgPool2d", ((3, None),), shape=(2, 2, 5, 4)),
    Layer("adaptiveavgpool2d-1", "AdaptiveAvgPool2d", (1,), shape=(2, 3, 5, 4)),
    Layer("adaptiveavgpool2d-no-batch", "AdaptiveAvgPool2d", ((7, 2),), shape=(2, 5, 3)),
    Layer("adaptiveavgpool3d", "AdaptiveAvgPool3d", ((2, 3, 4),), shape=(1, 2, 3, 5, 4)),
    Layer("adaptivemaxpool1d", "AdaptiveMaxPool1d", (4,), shape=(2, 3, 7)),
    Layer("adaptivemaxpool1d-indices", "AdaptiveMaxPool1d", (4,), dict(return_indices=True), shape=(2, 3, 7)),
    Layer("adaptivemaxpool2d", "AdaptiveMaxPool2d", ((None, 3),), dict(return_indices=True), shape=(2, 2, 4, 7)),
    Layer("adaptivemaxpool3d", "AdaptiveMaxPool3d", (2,), dict(return_indices=True), shape=(2, 3, 3, 4)),
    Layer("maxpool1d-indices", "MaxPool1d", (3, 2, 1), dict(return_indices=True), shape=(2, 2, 8)),
    Layer("maxpool2d-indices", "MaxPool2d", (2, 2, 1), dict(return_indices=True, ceil_mode=True), shape=(1, 2, 5, 6)),
    Layer("maxpool2d-dilated", "MaxPool2d", (3, 1, 1, 2), shape=(1, 2, 7, 6)),
    Layer("maxpool3d-indices", "MaxPool3d", (2, 1), dict(return_indices=True), shape=(1, 2, 3, 4, 3)),
    Layer("lppool1d", "LPPool1d", (2, 3), dict(stride=2), shape=(2, 3, 9)),
    Layer("lppool1d-ceil", "LPPool1d", (3.0, 2), dict(ceil_mode=True), shape=(2, 3, 7), kind="unit"),
    Layer("lppool2d", "LPPool2d", (2, (3, 2)), dict(stride=(2, 1)), shape=(2, 2, 7, 4)),
    Layer("lppool2d-inf", "LPPool2d", (float("inf"), 2), shape=(2, 2, 4, 4)),
    Layer("lppool3d", "LPPool3d", (1.5, 2), shape=(1, 2, 4, 4, 2), kind="unit"),
    Layer("maxunpool1d", "MaxUnpool1d", (2,), shape=((2, 3, 4), (2, 3, 4)), kind=("float", "index"), high=8),
    Layer(
        "maxunpool2d",
        "MaxUnpool2d",
        (3, 2, 1),
        shape=((1, 2, 3, 1), (1, 2, 3, 1)),
        kind=("float", "index"),
        high=5,
    ),
    Layer(
        "maxunpool3d-size",
        "MaxUnpool3d",
        (2,),
        shape=((2, 1, 2, 1), (2, 1, 2, 1)),
        kind=("float", "index"),
        high=20,
        call=dict(output_size=(2, 5, 2)),
    ),
]
