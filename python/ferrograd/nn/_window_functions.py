"""Padding, convolution and pooling as functions; `nn.functional` lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core, functions, ops
from ._check import check_conv_input, sizes

if TYPE_CHECKING:
    from .._tensor import Tensor


def pad(input: Any, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    """The input with elements added around it.

    Args:
        input: x of any shape.
        pad: how many, in pairs (before, after), the last dimension first; negative numbers take away ('constant').
        mode: 'constant', 'reflect' (mirrored, the edge once), 'replicate' (the edge), 'circular' (from the other side).
        value: what is added in the mode 'constant'; default 0.
    """
    shape = tuple(input.shape)
    counts = [p.__index__() for p in pad]
    if len(counts) % 2:
        raise ValueError(f"pad: pad: expected pairs (before, after), got {len(counts)} numbers")
    if len(counts) // 2 > len(shape):
        raise ValueError(f"pad: pad: expected at most {len(shape)} pairs for shape {shape}, got {len(counts) // 2}")
    pairs = [(0, 0)] * (len(shape) - len(counts) // 2)
    pairs += [(counts[k], counts[k + 1]) for k in range(len(counts) - 2, -1, -2)]
    if mode == "constant":
        return ops.pad(input, padding=tuple(pairs), value=0.0 if value is None else value)  # type: ignore[no-any-return]
    if mode not in ("reflect", "replicate", "circular"):
        raise ValueError(f"pad: mode: expected 'constant', 'reflect', 'replicate' or 'circular', got {mode!r}")
    if value is not None:
        raise ValueError(f"pad: value: expected None for the mode {mode!r}, got {value}")
    for dim, (before, after) in enumerate(pairs):
        if before or after:
            index = (slice(None),) * dim + (_places(mode, shape[dim], before, after),)
            input = functions.getitem(input, index)
    return input  # type: ignore[no-any-return]


def _places(mode: str, size: int, before: int, after: int) -> Any:
    """Which element of a dimension stands at each place of the padded one."""
    most = {"reflect": size - 1, "replicate": None if size else 0, "circular": size}[mode]
    if min(before, after) < 0 or (most is not None and max(before, after) > most):
        raise _core.ShapeError(
            f"pad: pad: expected 0 to {'any number' if most is None else most} elements for a dimension of size {size} "
            f"in the mode {mode!r}, got ({before}, {after})"
        )
    numpy_mode = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode]
    return np.pad(np.arange(size), (before, after), mode=numpy_mode)  # type: ignore[call-overload]


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
) -> Tensor:
    check_conv_input(op, input, spatial)
    stride = sizes(op, "stride", stride, spatial)
    dilation = sizes(op, "dilation", dilation, spatial)
    if isinstance(padding, str):
        padding = _named_padding(op, weight, padding, stride, dilation)
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
    op: str, weight: Any, padding: str, stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[Any, ...]:
    """'same' and 'valid' as numbers; where 'same' is odd, the end gets one more than the beginning."""
    if padding == "valid":
        return (0,) * len(stride)
    if padding != "same":
        raise ValueError(f"{op}: padding: expected 'same', 'valid' or numbers, got {padding!r}")
    if any(s != 1 for s in stride):
        raise RuntimeError(f"{op}: padding: 'same' is not defined for a stride other than 1, got {stride}")
    totals = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
    return tuple((t // 2, t - t // 2) for t in totals)


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
) -> Tensor:
    check_conv_input(op, input, spatial)
    kernel = sizes(op, "kernel_size", kernel_size, spatial)
    return ops.avg_pool(  # type: ignore[no-any-return]
        input,
        kernel_size=kernel,
        stride=kernel if stride is None else sizes(op, "stride", stride, spatial),
        padding=sizes(op, "padding", padding, spatial, 0),
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
        divisor_override=divisor_override,
    )
