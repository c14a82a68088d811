"""Transposed convolutions."""

from ._layer import Layer

LAYERS = [
    Layer("convtranspose1d", "ConvTranspose1d", (3, 2, 3), shape=(2, 3, 5)),
    Layer(
        "convtranspose1d-all",
        "ConvTranspose1d",
        (4, 6, 3),
        dict(stride=3, padding=2, output_padding=1, groups=2, bias=False, dilation=2),
        shape=(2, 4, 4),
    ),
    Layer(
        "convtranspose1d-beyond",
        "ConvTranspose1d",
        (2, 2, 2),
        dict(dilation=4, output_padding=3, padding=1),
        shape=(1, 2, 4),
    ),
    Layer("convtranspose2d", "ConvTranspose2d", (2, 3, (2, 3)), dict(stride=2), shape=(2, 2, 3, 2)),
    Layer("convtranspose2d-depthwise", "ConvTranspose2d", (3, 3, 2), dict(stride=2, groups=3), shape=(3, 3, 2)),
    Layer(
        "convtranspose2d-output-size",
        "ConvTranspose2d",
        (2, 3, 3),
        dict(stride=(2, 3), padding=1),
        shape=(1, 2, 3, 2),
        call=dict(output_size=(6, 5)),
    ),
    Layer("convtranspose3d", "ConvTranspose3d", (2, 2, 2), dict(stride=(1, 2, 1)), shape=(1, 2, 2, 2, 3)),
    Layer("conv1d-reflect-same", "Conv1d", (2, 2, 4), dict(padding="same", padding_mode="reflect"), shape=(1, 2, 5)),
    Layer("conv1d-valid-circular", "Conv1d", (2, 2, 2), dict(padding="valid", padding_mode="circular"), shape=(2, 4)),
    Layer("conv2d-same-even", "Conv2d", (1, 2, (2, 4)), dict(padding="same"), shape=(1, 1, 3, 4)),
    Layer("conv3d-same", "Conv3d", (1, 2, (2, 3, 1)), dict(padding="same", dilation=(3, 1, 1)), shape=(1, 1, 4, 3, 2)),
    *(
        Layer(f"conv3d-{mode}", "Conv3d", (1, 2, 2), dict(padding=1, padding_mode=mode), shape=(1, 1, 2, 2, 3))
        for mode in ("reflect", "replicate", "circular")
    ),
]
