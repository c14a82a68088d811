"""Convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ... import functions, ops
from .._check import check_conv_input, sizes

if TYPE_CHECKING:
    from ..._tensor import Tensor

__all__ = ["conv1d", "conv2d", "conv3d"]


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
