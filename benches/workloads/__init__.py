"""The same workloads for each library: `<library>.py` maps a name to a function that sets it up and returns one step.

Every library gets the same shapes, the same random data, the same initial weights and the same number of threads; a step is
a whole call with its result waited for. `networks.py` and `like_torch.py` are the same lines for ferrograd and PyTorch.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from .costs import attention_macs, conv_macs, mlp_macs, recurrent_macs, resnet_macs, transformer_macs


@dataclass(frozen=True)
class Workload:
    """What a step is, and the least it has to do."""

    suite: str
    what: str
    #: Floating-point operations of its products; 0 where they do not matter.
    flops: float = 0
    #: Bytes read and written where every op passes over memory as seldom as it can; 0 where they do not matter.
    bytes: float = 0


#: Matrix products: (batch, m, n, k) and which operand is stored transposed.
GEMMS: dict[str, tuple[int, int, int, int, str]] = {
    **{f"sgemm {n}{'' if form == 'nn' else ' ' + form}": (1, n, n, n, form) for n in (2048, 1024, 512) for form in ("nn", "nt", "tn")},
    "sgemm 256": (1, 256, 256, 256, "nn"),
    "sgemm 64": (1, 64, 64, 64, "nn"),
    "sgemm 128x10x784": (1, 128, 10, 784, "nn"),
    "sgemm 128x784x512": (1, 128, 784, 512, "nn"),
    "sgemm 32x512x512": (1, 32, 512, 512, "nn"),
    "sgemm 4096x64x576": (1, 4096, 64, 576, "nn"),
    "sgemm 1x4096x4096": (1, 1, 4096, 4096, "nn"),
    "sgemm 512x512x16384": (1, 512, 512, 16384, "nn"),
    "sgemm 48x 256x64x256": (48, 256, 64, 256, "nn"),
}  # fmt: skip

MIB = float(1 << 20)

#: Memory-bound work, passes over arrays of 64 MiB unless the text says otherwise.
_OPS: dict[str, Workload] = {
    "add 16 recorded": Workload("ops", "a + b on 16 elements, gradients recorded"),
    "linear 16 recorded": Workload("ops", "linear 4 → 4 on 4 rows, gradients recorded"),
    "copy": Workload("ops", "a copy, 16 Mi elements", bytes=2 * 64 * MIB),
    "chain": Workload("ops", "relu(x · y + y) − x on 16 Mi elements, op by op", bytes=11 * 64 * MIB),
    "relu": Workload("ops", "ReLU and its gradient, 16 Mi elements", bytes=5 * 64 * MIB),
    "gelu": Workload("ops", "GELU and its gradient, 16 Mi elements", bytes=5 * 64 * MIB),
    "softmax": Workload("ops", "softmax and its gradient, 8192 × 2048", bytes=5 * 64 * MIB),
    "layer_norm": Workload("ops", "layer norm and its gradients, 8192 × 2048", bytes=5 * 64 * MIB),
    "batch_norm": Workload("ops", "batch norm in training and its gradients, 64 × 64 × 64 × 64", bytes=8 * 64 * MIB),
    "batch_norm relu": Workload("ops", "batch norm, ReLU and their gradients, 64 × 64 × 64 × 64", bytes=10 * 64 * MIB),
    "max_pool": Workload("ops", "2 × 2 max pooling and its gradient, 64 × 64 × 64 × 64", bytes=2.5 * 64 * MIB),
    "avg_pool": Workload("ops", "2 × 2 average pooling and its gradient, 64 × 64 × 64 × 64", bytes=2.5 * 64 * MIB),
    "embedding": Workload("ops", "16,384 rows of 32,768 × 512, and the gradient", bytes=(2 * 32 + 64 + 3 * 32) * MIB),
    "cross_entropy": Workload("ops", "cross-entropy and its gradient, 4096 × 4096", bytes=3 * 64 * MIB),
    "dropout": Workload("ops", "dropout and its gradient, 16 Mi elements", bytes=(4 * 64 + 2 * 16) * MIB),
    "adam": Workload("ops", "Adam on 16 tensors of 1 Mi", bytes=7 * 64 * MIB),
    "sgd": Workload("ops", "SGD with momentum on 16 tensors of 1 Mi", bytes=5 * 64 * MIB),
    "attention 256": Workload(
        "ops", "causal attention and its gradients, 8 × 6 heads × 256 × 64", 3.5 * 2 * attention_macs(48, 256, 64, causal=True)
    ),
    "attention 2048": Workload(
        "ops", "attention and its gradients, 8 heads × 2048 × 64", 3.5 * 2 * attention_macs(8, 2048, 64, causal=False)
    ),
}  # fmt: skip

#: Convolutions, (batch, channels, outputs, sizes, kernel, stride, dilation, groups), padded to keep the size at stride 1.
CONVS: dict[str, tuple[int, int, int, tuple[int, ...], int, int, int, int]] = {
    "resnet 7x7 3-64 /2 @224": (8, 3, 64, (224, 224), 7, 2, 1, 1),
    "resnet 1x1 64-64 @56": (8, 64, 64, (56, 56), 1, 1, 1, 1),
    "resnet 3x3 64-64 @56": (8, 64, 64, (56, 56), 3, 1, 1, 1),
    "resnet 1x1 64-256 @56": (8, 64, 256, (56, 56), 1, 1, 1, 1),
    "resnet 1x1 256-64 @56": (8, 256, 64, (56, 56), 1, 1, 1, 1),
    "resnet 1x1 256-128 @56": (8, 256, 128, (56, 56), 1, 1, 1, 1),
    "resnet 3x3 128-128 /2 @56": (8, 128, 128, (56, 56), 3, 2, 1, 1),
    "resnet 1x1 128-512 @28": (8, 128, 512, (28, 28), 1, 1, 1, 1),
    "resnet 1x1 256-512 /2 @56": (8, 256, 512, (56, 56), 1, 2, 1, 1),
    "resnet 1x1 512-128 @28": (8, 512, 128, (28, 28), 1, 1, 1, 1),
    "resnet 3x3 128-128 @28": (8, 128, 128, (28, 28), 3, 1, 1, 1),
    "resnet 1x1 512-256 @28": (8, 512, 256, (28, 28), 1, 1, 1, 1),
    "resnet 3x3 256-256 /2 @28": (8, 256, 256, (28, 28), 3, 2, 1, 1),
    "resnet 1x1 256-1024 @14": (8, 256, 1024, (14, 14), 1, 1, 1, 1),
    "resnet 1x1 512-1024 /2 @28": (8, 512, 1024, (28, 28), 1, 2, 1, 1),
    "resnet 1x1 1024-256 @14": (8, 1024, 256, (14, 14), 1, 1, 1, 1),
    "resnet 3x3 256-256 @14": (8, 256, 256, (14, 14), 3, 1, 1, 1),
    "resnet 1x1 1024-512 @14": (8, 1024, 512, (14, 14), 1, 1, 1, 1),
    "resnet 3x3 512-512 /2 @14": (8, 512, 512, (14, 14), 3, 2, 1, 1),
    "resnet 1x1 512-2048 @7": (8, 512, 2048, (7, 7), 1, 1, 1, 1),
    "resnet 1x1 1024-2048 /2 @14": (8, 1024, 2048, (14, 14), 1, 2, 1, 1),
    "resnet 1x1 2048-512 @7": (8, 2048, 512, (7, 7), 1, 1, 1, 1),
    "resnet 3x3 512-512 @7": (8, 512, 512, (7, 7), 3, 1, 1, 1),
    **{f"vgg 3x3 {c}-{c} @{n}": (32, c, c, (n, n), 3, 1, 1, 1) for n in (32, 16) for c in (64, 128, 256)},
    "lenet 5x5 1-6 @28": (64, 1, 6, (28, 28), 5, 1, 1, 1),
    "lenet 5x5 6-16 @14": (64, 6, 16, (14, 14), 5, 1, 1, 1),
    "1d k3 d2 256-256 @200": (32, 256, 256, (200,), 3, 1, 2, 1),
    "1d k5 d1 256-256 @200": (32, 256, 256, (200,), 5, 1, 1, 1),
    "3d 3x3x3 3-16 @16x32x32": (4, 3, 16, (16, 32, 32), 3, 1, 1, 1),
    "3d 3x3x3 16-32 @8x16x16": (4, 16, 32, (8, 16, 16), 3, 1, 1, 1),
    **{f"depthwise 3x3 {c} @28": (8, c, c, (28, 28), 3, 1, 1, c) for c in (64, 128, 256, 512)},
}  # fmt: skip

#: What of a convolution a workload times.
DIRECTIONS = {"": "forward", " dx": "input gradient", " dw": "weight gradient"}


def _train(what: str, macs: float, first: float, passes: str = "SGD with momentum") -> Workload:
    """A training step: three products of every layer, of the first, whose input needs no gradient, two."""
    return Workload("train", f"{what}, {passes}, a step", 2 * (3 * macs - first))


_MLP = (784, 512, 512, 10)
#: Networks: what they are, multiply-adds of one pass forward, those of the first layer, the optimizer.
NETWORKS: dict[str, tuple[str, float, float, str]] = {
    "mlp tiny": ("MLP 4-16-3, batch 16", mlp_macs(16, 4, 16, 3), mlp_macs(16, 4, 16), "sgd"),
    "mlp sgd": ("MLP 784-512-512-10, batch 128", mlp_macs(128, *_MLP), mlp_macs(128, *_MLP[:2]), "sgd"),
    "mlp adam": ("MLP 784-512-512-10, batch 128", mlp_macs(128, *_MLP), mlp_macs(128, *_MLP[:2]), "adam"),
    "lenet adam": (
        "LeNet-5 28 × 28, batch 64",
        64 * (conv_macs(1, 6, 25, 784) + conv_macs(6, 16, 25, 100)) + mlp_macs(64, 400, 120, 84, 10),
        64 * conv_macs(1, 6, 25, 784), "adam",
    ),
    "vgg6": (
        "VGG-6 with batch norm 32 × 32, batch 32",
        32 * sum(
            conv_macs(a, b, 9, n)
            for a, b, n in [(3, 64, 1024), (64, 64, 1024), (64, 128, 256), (128, 128, 256), (128, 256, 64), (256, 256, 64)]
        ) + mlp_macs(32, 256, 10),
        32 * conv_macs(3, 64, 9, 1024), "sgd",
    ),
    "resnet18": ("ResNet-18 (3 × 3 stem) 32 × 32, batch 32", 32 * resnet_macs(18, 32), 32 * conv_macs(3, 64, 9, 1024), "sgd"),
    "resnet50": ("ResNet-50 224 × 224, batch 8", 8 * resnet_macs(50, 224), 8 * conv_macs(3, 64, 49, 12544), "sgd"),
    "conv3d": (
        "3D convolutions 3 → 16 → 32, 16 × 32 × 32, batch 4",
        4 * (conv_macs(3, 16, 27, 16384) + conv_macs(16, 32, 27, 2048)) + mlp_macs(4, 32, 10), 4 * conv_macs(3, 16, 27, 16384), "adam",
    ),
    "tdnn": (
        "TDNN 40-256-256-256, 200 frames, batch 32",
        32 * (conv_macs(40, 256, 5, 196) + conv_macs(256, 256, 3, 192) + conv_macs(256, 256, 3, 186)) + mlp_macs(32, 256, 10),
        32 * conv_macs(40, 256, 5, 196), "adam",
    ),
    "rnn": ("RNN 64-256-256, 64 steps, batch 32", recurrent_macs(1), recurrent_macs(1, first=True), "adam"),
    "lstm": ("LSTM 64-256-256, 64 steps, batch 32", recurrent_macs(4), recurrent_macs(4, first=True), "adam"),
    "gru": ("GRU 64-256-256, 64 steps, batch 32", recurrent_macs(3), recurrent_macs(3, first=True), "adam"),
    "encoder": (
        "Transformer encoder d 512, 8 heads, 4 layers, 8 × 128 tokens",
        transformer_macs(layers=4, d=512, tokens=8 * 128, length=128, causal=False), mlp_macs(8 * 128, 512, 3 * 512), "adam",
    ),
    "gpt": (
        "GPT d 384, 6 heads, 6 layers, 8 × 256 tokens",
        transformer_macs(layers=6, d=384, tokens=8 * 256, length=256, causal=True, vocabulary=65), 0, "adam",
    ),
    "gpt nano": (
        "GPT d 128, 4 heads, 4 layers, 12 × 64 tokens",
        transformer_macs(layers=4, d=128, tokens=12 * 64, length=64, causal=True, vocabulary=65), 0, "adam",
    ),
}  # fmt: skip

#: Networks whose layers can be one nn.Sequential; the others are written by hand in any case.
CHAINS = (
    "mlp tiny",
    "mlp sgd",
    "mlp adam",
    "lenet adam",
    "vgg6",
    "resnet18",
    "resnet50",
    "conv3d",
    "tdnn",
    "gpt",
    "gpt nano",
)

_UPDATES = {"sgd": "SGD with momentum", "adam": "Adam"}

WORKLOADS: dict[str, Workload] = {}
for _name, (_batch, _m, _n, _k, _form) in GEMMS.items():
    _left = f"({_m}, {_k})" if _form != "tn" else f"({_k}, {_m})ᵀ"
    _right = f"({_k}, {_n})" if _form != "nt" else f"({_n}, {_k})ᵀ"
    WORKLOADS[_name] = Workload(
        "gemm",
        f"{f'{_batch} × ' if _batch > 1 else ''}{_left} · {_right}, f32",
        2.0 * _batch * _m * _n * _k,
        4.0 * _batch * (_m * _k + _k * _n + _m * _n),
    )
WORKLOADS |= _OPS
for _name, (_batch, _c, _o, _sizes, _kernel, _stride, _, _groups) in CONVS.items():
    _places, _taps = 1, 1
    for _size in _sizes:
        _places, _taps = _places * -(-_size // _stride), _taps * _kernel
    if _name.startswith("lenet 5x5 6"):
        _places = 100
    for _suffix, _what in DIRECTIONS.items():
        WORKLOADS[f"conv {_name}{_suffix}"] = Workload(
            "conv",
            f"convolution {_name}, batch {_batch}, {_what}",
            2.0 * _batch * conv_macs(_c // _groups, _o, _taps, _places),
            4.0 * (_batch * (_c * prod(_sizes) + _o * _places) + _c // _groups * _o * _taps),
        )
WORKLOADS["vgg conv 64"] = Workload(
    "conv",
    "3 × 3 convolution 64 → 64 at 32 × 32, batch 8, forward and both gradients",
    6 * 8 * conv_macs(64, 64, 9, 1024),
)
for _name, (_what, _macs, _first, _update) in NETWORKS.items():
    WORKLOADS[_name] = _train(_what, _macs, _first, _UPDATES[_update])
    if _name in CHAINS:
        WORKLOADS[f"{_name} plain"] = _train(f"{_what} (hand-written forward)", _macs, _first, _UPDATES[_update])
for _name, (_what, _macs, _, _) in NETWORKS.items():
    if _name == "mlp adam":
        continue
    _base = _name.removesuffix(" adam").removesuffix(" sgd")
    WORKLOADS[f"{_base} infer"] = Workload("infer", f"{_what}, inference", 2 * _macs)
    if _name in CHAINS:
        WORKLOADS[f"{_base} infer plain"] = Workload("infer", f"{_what}, inference (hand-written forward)", 2 * _macs)

#: What `make bench` compares.
BRIEF = (
    "sgemm 1024", "sgemm 512", "sgemm 64", "sgemm 128x10x784", "sgemm 128x784x512", "add 16 recorded", "mlp tiny", "mlp sgd",
    "mlp adam", "lenet adam", "vgg conv 64",
)  # fmt: skip
