"""Norms, and what batch norm does beside its usual way."""

from ._layer import Layer

LAYERS = [
    Layer("groupnorm", "GroupNorm", (2, 4), shape=(2, 4, 3)),
    Layer("groupnorm-2d", "GroupNorm", (3, 3), dict(eps=1e-3, bias=False), shape=(2, 3, 2, 2)),
    Layer("groupnorm-plain", "GroupNorm", (1, 4), dict(affine=False), shape=(3, 4)),
    Layer("instancenorm1d", "InstanceNorm1d", (3,), shape=(2, 3, 4)),
    Layer("instancenorm1d-no-batch", "InstanceNorm1d", (3,), dict(affine=True), shape=(3, 4)),
    Layer("instancenorm2d", "InstanceNorm2d", (3,), dict(affine=True, track_running_stats=True), shape=(2, 3, 2, 3)),
    Layer(
        "instancenorm2d-eval",
        "InstanceNorm2d",
        (3,),
        dict(affine=True, track_running_stats=True),
        shape=(2, 3, 2, 2),
        training=False,
    ),
    Layer(
        "instancenorm2d-momentum-none",
        "InstanceNorm2d",
        (2,),
        dict(momentum=None, track_running_stats=True),
        shape=(2, 2, 2, 2),
    ),
    Layer("instancenorm2d-untracked-eval", "InstanceNorm2d", (2,), shape=(2, 2, 2), training=False),
    Layer("instancenorm3d", "InstanceNorm3d", (2,), dict(eps=0.1, affine=True, bias=False), shape=(1, 2, 2, 1, 2)),
    Layer("rmsnorm", "RMSNorm", (4,), shape=(3, 4)),
    Layer("rmsnorm-2d", "RMSNorm", ((2, 3),), dict(eps=1e-2), shape=(2, 2, 3)),
    Layer("rmsnorm-plain", "RMSNorm", (3,), dict(elementwise_affine=False), shape=(2, 3)),
    Layer("localresponsenorm", "LocalResponseNorm", (2,), dict(alpha=0.5, beta=0.6, k=2.0), shape=(2, 4, 3)),
    Layer("localresponsenorm-2d", "LocalResponseNorm", (3, 1.0), shape=(1, 5, 2, 2)),
    Layer("batchnorm1d-no-bias", "BatchNorm1d", (3,), dict(bias=False), shape=(4, 3)),
    Layer("batchnorm1d-untracked", "BatchNorm1d", (3,), dict(track_running_stats=False), shape=(4, 3)),
    Layer("batchnorm1d-none-eval", "BatchNorm1d", (3,), dict(momentum=None), shape=(4, 3), training=False),
    Layer("batchnorm3d-eval", "BatchNorm3d", (2,), dict(affine=False), shape=(1, 2, 1, 2, 2), training=False),
]
