"""Layers that pad."""

from ._layer import Layer

LAYERS = [
    Layer("zeropad1d", "ZeroPad1d", ((1, 2),), shape=(2, 3)),
    Layer("zeropad2d", "ZeroPad2d", ((1, -1, 2, 0),), shape=(1, 2, 3)),
    Layer("zeropad3d", "ZeroPad3d", (1,), shape=(1, 1, 2, 2)),
    Layer("constantpad1d", "ConstantPad1d", (2, 3.5), shape=(2, 3)),
    Layer("constantpad2d", "ConstantPad2d", ((0, 1, 2, 0), -1.0), shape=(1, 2, 3)),
    Layer("constantpad3d", "ConstantPad3d", ((0, 1, 2, 0, 0, 1), 0.5), shape=(1, 1, 2, 2)),
    *(
        Layer(f"{name.lower()}-{'-'.join(map(str, shape))}", name, (padding,), shape=shape)
        for names, padding, shape in (
            (("ReflectionPad1d", "ReplicationPad1d", "CircularPad1d"), (2, 1), (2, 4)),
            (("ReflectionPad1d", "ReplicationPad1d", "CircularPad1d"), 1, (1, 2, 3)),
            (("ReflectionPad2d", "ReplicationPad2d", "CircularPad2d"), (1, 2, 2, 0), (1, 3, 3)),
            (("ReflectionPad2d", "ReplicationPad2d", "CircularPad2d"), 1, (1, 1, 2, 3)),
            (("ReflectionPad3d", "ReplicationPad3d", "CircularPad3d"), (1, 0, 1, 1, 0, 1), (1, 1, 2, 3, 2)),
        )
        for name in names
    ),
    Layer("reflectionpad1d-less", "ReflectionPad1d", ((-1, 2),), shape=(2, 4)),
    Layer("replicationpad1d-less", "ReplicationPad1d", ((2, -1),), shape=(2, 4)),
    Layer("circularpad1d-less", "CircularPad1d", ((-1, 2),), shape=(2, 4)),
]
