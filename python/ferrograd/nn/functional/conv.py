"""Convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ... import _core, functions, ops
from ..._operands import takes_arrays
from .._check import check_conv_input, sizes

if TYPE_CHECKING:
    from ..._tensor import Tensor

__all__ = ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]


@takes_arrays
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


@takes_arrays
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


@takes_arrays
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


@takes_arrays
def conv_transpose1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The transpose of `conv1d`: x (N, C, L) or (C, L), weight (C, out / groups, K), bias (out)."""
    return _conv_transpose(
        "conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


@takes_arrays
def conv_transpose2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The transpose of `conv2d`: x (N, C, H, W) or (C, H, W), weight (C, out / groups, KH, KW), bias (out)."""
    return _conv_transpose(
        "conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


@takes_arrays
def conv_transpose3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The transpose of `conv3d`: x (N, C, D, H, W) or (C, D, H, W), weight (C, out / groups, KD, KH, KW), bias (out)."""
    return _conv_transpose(
        "conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def _conv_transpose(
    op: str,
    spatial: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Tensor:
    check_conv_input(op, input, spatial)
    single = len(input.shape) == spatial + 1
    channels = input.shape[0 if single else 1]
    if len(weight.shape) != spatial + 2:
        raise _core.ShapeError(
            f"{op}: weight: expected {spatial + 2} dimensions (in, out / groups, *kernel), got shape {tuple(weight.shape)}"
        )
    if groups < 1 or weight.shape[0] % groups:
        raise _core.ShapeError(
            f"{op}: groups: expected a divisor of the {weight.shape[0]} input channels, got {groups}"
        )
    if channels != weight.shape[0]:
        raise _core.ShapeError(
            f"{op}: input: expected {weight.shape[0]} channels for a weight of shape {tuple(weight.shape)}, "
            f"got {channels} in {tuple(input.shape)}"
        )
    if bias is not None and tuple(bias.shape) != (weight.shape[1] * groups,):
        raise _core.ShapeError(
            f"{op}: bias: expected shape {(weight.shape[1] * groups,)} for a weight of shape {tuple(weight.shape)} and "
            f"{groups} groups, got {tuple(bias.shape)}"
        )
    y = ops.conv_transpose(
        functions.unsqueeze(input, 0) if single else input,
        weight,
        bias,
        stride=sizes(op, "stride", stride, spatial),
        padding=sizes(op, "padding", padding, spatial, 0),
        output_padding=sizes(op, "output_padding", output_padding, spatial, 0),
        dilation=sizes(op, "dilation", dilation, spatial),
        groups=groups,
    )
    return functions.squeeze(y, 0) if single else y
