"""Pooling."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ... import _core, ops
from ..._operands import takes_arrays
from .._check import check_conv_input, sizes

if TYPE_CHECKING:
    from ..._tensor import Tensor

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
]


@takes_arrays
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


@takes_arrays
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


@takes_arrays
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


@takes_arrays
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


@takes_arrays
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


@takes_arrays
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


@takes_arrays
def adaptive_avg_pool1d(input: Any, output_size: Any) -> Tensor:
    """The mean of each of `output_size` windows that cover (N, C, L) or (C, L); None keeps a size."""
    return _adaptive("adaptive_avg_pool1d", ops.adaptive_avg_pool, 1, input, output_size)  # type: ignore[no-any-return]


@takes_arrays
def adaptive_avg_pool2d(input: Any, output_size: Any) -> Tensor:
    """The mean of each of `output_size` windows that cover (N, C, H, W) or (C, H, W); None keeps a size."""
    return _adaptive("adaptive_avg_pool2d", ops.adaptive_avg_pool, 2, input, output_size)  # type: ignore[no-any-return]


@takes_arrays
def adaptive_avg_pool3d(input: Any, output_size: Any) -> Tensor:
    """The mean of each of `output_size` windows that cover (N, C, D, H, W) or (C, D, H, W); None keeps a size."""
    return _adaptive("adaptive_avg_pool3d", ops.adaptive_avg_pool, 3, input, output_size)  # type: ignore[no-any-return]


@takes_arrays
def adaptive_max_pool1d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The largest element of each of `output_size` windows that cover (N, C, L) or (C, L); None keeps a size."""
    result, indices = _adaptive("adaptive_max_pool1d", ops.adaptive_max_pool, 1, input, output_size)
    return (result, indices) if return_indices else result


@takes_arrays
def adaptive_max_pool2d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The largest element of each of `output_size` windows that cover (N, C, H, W) or (C, H, W); None keeps a size."""
    result, indices = _adaptive("adaptive_max_pool2d", ops.adaptive_max_pool, 2, input, output_size)
    return (result, indices) if return_indices else result


@takes_arrays
def adaptive_max_pool3d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The largest element of each of `output_size` windows that cover (N, C, D, H, W) or (C, D, H, W); None keeps a size."""
    result, indices = _adaptive("adaptive_max_pool3d", ops.adaptive_max_pool, 3, input, output_size)
    return (result, indices) if return_indices else result


def _adaptive(op: str, pool: Any, spatial: int, input: Any, output_size: Any) -> Any:
    check_conv_input(op, input, spatial)
    own = tuple(input.shape[-spatial:])
    if not hasattr(output_size, "__len__"):
        output_size = (output_size,) * spatial
    if len(output_size) != spatial:
        raise ValueError(f"{op}: output_size: expected a number, None or {spatial} of them, got {output_size!r}")
    wanted = tuple(size if given is None else given for given, size in zip(output_size, own, strict=True))
    return pool(input, sizes=sizes(op, "output_size", wanted, spatial, 0))


def lp_pool1d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """(Σ xᵖ)^(1/p) over each window of (N, C, L) or (C, L), p = `norm_type`."""
    return _lp_pool("lp_pool1d", 1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """(Σ xᵖ)^(1/p) over each window of (N, C, H, W) or (C, H, W), p = `norm_type`."""
    return _lp_pool("lp_pool2d", 2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """(Σ xᵖ)^(1/p) over each window of (N, C, D, H, W) or (C, D, H, W), p = `norm_type`."""
    return _lp_pool("lp_pool3d", 3, input, norm_type, kernel_size, stride, ceil_mode)


def _lp_pool(op: str, spatial: int, input: Any, p: float, kernel_size: Any, stride: Any, ceil_mode: bool) -> Tensor:
    if p in (float("inf"), -float("inf")):
        sign = 1.0 if p > 0 else -1.0
        magnitudes = ops.mul(ops.abs(input), sign)
        largest = _max_pool(op, spatial, magnitudes, kernel_size, stride, 0, 1, ceil_mode, False)
        return ops.mul(largest, sign)  # type: ignore[no-any-return]
    mean = _avg_pool(op, spatial, ops.pow(input, p), kernel_size, stride, 0, ceil_mode, True, None)
    # As PyTorch: a window over the end counts as a whole one, and a sum of zero has the gradient zero.
    total = ops.mul(
        ops.mul(ops.sign(mean), ops.relu(ops.abs(mean))), math.prod(sizes(op, "kernel_size", kernel_size, spatial))
    )
    return ops.pow(total, 1.0 / p)  # type: ignore[no-any-return]


@takes_arrays
def max_unpool1d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """Zeros with each element at the place that `max_pool1d` gave as its index; (N, C, L) or (C, L)."""
    return _max_unpool("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


@takes_arrays
def max_unpool2d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """Zeros with each element at the place that `max_pool2d` gave as its index; (N, C, H, W) or (C, H, W)."""
    return _max_unpool("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


@takes_arrays
def max_unpool3d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """Zeros with each element at the place that `max_pool3d` gave as its index; (N, C, D, H, W) or (C, D, H, W)."""
    return _max_unpool("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)


def _max_unpool(
    op: str, spatial: int, input: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> Tensor:
    check_conv_input(op, input, spatial)
    if tuple(indices.shape) != tuple(input.shape):
        raise _core.ShapeError(
            f"{op}: indices: expected the shape of input, {tuple(input.shape)}, got {tuple(indices.shape)}"
        )
    kernel = sizes(op, "kernel_size", kernel_size, spatial)
    steps = kernel if stride is None else sizes(op, "stride", stride, spatial)
    pads = sizes(op, "padding", padding, spatial, 0)
    lead, own = tuple(input.shape[:-spatial]), tuple(input.shape[-spatial:])
    wanted = tuple((n - 1) * s + k - 2 * p for n, k, s, p in zip(own, kernel, steps, pads, strict=True))
    if output_size is not None:
        given = tuple(output_size)[2:] if len(output_size) == spatial + 2 else tuple(output_size)
        if len(given) != spatial:
            raise ValueError(f"{op}: output_size: expected {spatial} or {spatial + 2} numbers, got {output_size!r}")
        if any(abs(size - default) >= step for size, default, step in zip(given, wanted, steps, strict=True)):
            raise ValueError(f"{op}: output_size: expected less than a stride from {wanted}, got {given}")
        wanted = given
    flat = (*lead, math.prod(own))
    values = ops.reshape(input, shape=flat)
    zeros = _core.backend.full((*lead, math.prod(wanted)), 0, values._dtype)
    placed = ops.scatter(zeros, ops.reshape(indices, shape=flat), values, dim=-1)
    return ops.reshape(placed, shape=(*lead, *wanted))  # type: ignore[no-any-return]


@takes_arrays
def max_pool1d_with_indices(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool1d` with the indices in any case."""
    return max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode, True)  # type: ignore[no-any-return]


@takes_arrays
def max_pool2d_with_indices(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool2d` with the indices in any case."""
    return max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode, True)  # type: ignore[no-any-return]


@takes_arrays
def max_pool3d_with_indices(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool3d` with the indices in any case."""
    return max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode, True)  # type: ignore[no-any-return]


@takes_arrays
def adaptive_max_pool1d_with_indices(
    input: Any, output_size: Any, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool1d` with the indices in any case."""
    return adaptive_max_pool1d(input, output_size, True)  # type: ignore[no-any-return]


@takes_arrays
def adaptive_max_pool2d_with_indices(
    input: Any, output_size: Any, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool2d` with the indices in any case."""
    return adaptive_max_pool2d(input, output_size, True)  # type: ignore[no-any-return]


@takes_arrays
def adaptive_max_pool3d_with_indices(
    input: Any, output_size: Any, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool3d` with the indices in any case."""
    return adaptive_max_pool3d(input, output_size, True)  # type: ignore[no-any-return]
