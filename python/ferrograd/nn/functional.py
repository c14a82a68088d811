"""Functions of layers, with PyTorch's names, signatures and defaults, over `ferrograd.ops`.

Linear maps, convolutions and batch norm take `activation=` ('relu', 'sigmoid', 'tanh', 'gelu', 'silu') as well and
compute it in the same pass over memory.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

from .. import _core, functions, ops, random
from ..autograd import no_grad
from ._check import check_approximate, check_conv_input, check_padding_idx, check_probability, check_reduction, sizes

if TYPE_CHECKING:
    from .._tensor import Tensor

__all__ = [
    "avg_pool1d", "avg_pool2d", "avg_pool3d", "batch_norm", "binary_cross_entropy", "binary_cross_entropy_with_logits",
    "conv1d", "conv2d", "conv3d", "cross_entropy", "dropout", "dropout1d", "dropout2d", "dropout3d", "elu", "embedding",
    "gelu", "hardtanh", "huber_loss", "l1_loss", "layer_norm", "leaky_relu", "linear", "log_softmax", "max_pool1d",
    "max_pool2d", "max_pool3d", "mse_loss", "nll_loss", "normalize", "one_hot", "pad", "relu", "sigmoid", "silu",
    "smooth_l1_loss", "softmax", "softplus", "tanh",
]  # fmt: skip

# -- linear maps and convolutions --------------------------------------------------------------------------------------


def linear(input: Any, weight: Any, bias: Any = None, *, activation: str | None = None) -> Tensor:
    """x Wᵀ + b: x (*, in), weight (out, in), bias (out), result (*, out)."""
    return ops.linear(input, weight, bias, activation=activation)  # type: ignore[no-any-return]


def conv1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    activation: str | None = None,
) -> Tensor:
    """Cross-correlation: x (N, C, L) or (C, L), weight (out, C / groups, K), bias (out)."""
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups, activation)


def conv2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    activation: str | None = None,
) -> Tensor:
    """Cross-correlation: x (N, C, H, W) or (C, H, W), weight (out, C / groups, KH, KW), bias (out)."""
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups, activation)


def conv3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    activation: str | None = None,
) -> Tensor:
    """Cross-correlation: x (N, C, D, H, W) or (C, D, H, W), weight (out, C / groups, KD, KH, KW), bias (out)."""
    return _conv("conv3d", 3, input, weight, bias, stride, padding, dilation, groups, activation)


def _conv(
    op: str,
    spatial: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    activation: str | None,
) -> Any:
    check_conv_input(op, input, spatial)
    stride = sizes(op, "stride", stride, spatial)
    dilation = sizes(op, "dilation", dilation, spatial)
    if isinstance(padding, str):
        input, padding = _named_padding(op, input, weight, padding, stride, dilation, spatial)
    else:
        padding = sizes(op, "padding", padding, spatial, 0)
    single = len(input.shape) == spatial + 1
    if single:
        input = functions.unsqueeze(input, 0)
    y = ops.conv(
        input,
        weight,
        bias,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        activation=activation,
    )
    return functions.squeeze(y, 0) if single else y


def _named_padding(
    op: str, input: Any, weight: Any, padding: str, stride: Any, dilation: Any, spatial: int
) -> tuple[Any, tuple[int, ...]]:
    if padding == "valid":
        return input, (0,) * spatial
    if padding != "same":
        raise ValueError(f"{op}: padding: expected 'same', 'valid' or numbers, got {padding!r}")
    if any(s != 1 for s in stride):
        raise RuntimeError(f"{op}: padding: 'same' is not defined for a stride other than 1, got {stride}")
    totals = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
    if any(t % 2 for t in totals):
        # One more at the end than at the beginning.
        input = pad(input, [n for t in reversed(totals) for n in (0, t % 2)])
    return input, tuple(t // 2 for t in totals)


# -- pooling -----------------------------------------------------------------------------------------------------------


def max_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of (N, C, L) or (C, L)."""
    return _max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of (N, C, H, W) or (C, H, W)."""
    return _max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of (N, C, D, H, W) or (C, D, H, W)."""
    return _max_pool("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def _max_pool(
    op: str,
    spatial: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    check_conv_input(op, input, spatial)
    kernel = sizes(op, "kernel_size", kernel_size, spatial)
    result, indices = ops.max_pool(
        input,
        kernel_size=kernel,
        stride=kernel if stride is None else sizes(op, "stride", stride, spatial),
        padding=sizes(op, "padding", padding, spatial, 0),
        dilation=sizes(op, "dilation", dilation, spatial),
        ceil_mode=ceil_mode,
    )
    return (result, indices) if return_indices else result


def avg_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of (N, C, L) or (C, L)."""
    return _avg_pool("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of (N, C, H, W) or (C, H, W)."""
    return _avg_pool(
        "avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def avg_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of (N, C, D, H, W) or (C, D, H, W)."""
    return _avg_pool(
        "avg_pool3d", 3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def _avg_pool(
    op: str,
    spatial: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Any:
    check_conv_input(op, input, spatial)
    kernel = sizes(op, "kernel_size", kernel_size, spatial)
    return ops.avg_pool(
        input,
        kernel_size=kernel,
        stride=kernel if stride is None else sizes(op, "stride", stride, spatial),
        padding=sizes(op, "padding", padding, spatial, 0),
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
        divisor_override=divisor_override,
    )
