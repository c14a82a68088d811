"""Pooling over windows of one, two and three dimensions."""

from __future__ import annotations

from typing import Any

from . import functional as F
from ._check import sizes
from .module import Module

__all__ = ["AvgPool1d", "AvgPool2d", "AvgPool3d", "MaxPool1d", "MaxPool2d", "MaxPool3d"]


class _MaxPool(Module):
    """The largest element of each window.

    Shapes: x (N, C, *sizes) or without N; y (N, C, *out), with
    out = ⌊(size + 2·padding - dilation·(kernel_size - 1) - 1) / stride⌋ + 1, or ⌈…⌉ with `ceil_mode`.

    Args:
        kernel_size: an int, or one for each dimension; so stride, padding and dilation.
        stride: steps of the window; default: kernel_size.
        padding: -∞ on both sides.
        dilation: steps between the window's elements.
        return_indices: give the flat index of each largest element within its channel as well.
        ceil_mode: keep windows that reach over the end.
    """

    _spatial: int

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Any) -> Any:
        """The pooled input, with the indices where they are wanted."""
        pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[self._spatial - 1]
        return pool(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )

    def extra_repr(self) -> str:
        """The geometry."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    __doc__ = _MaxPool.__doc__
    _spatial = 1


class MaxPool2d(_MaxPool):
    __doc__ = _MaxPool.__doc__
    _spatial = 2


class MaxPool3d(_MaxPool):
    __doc__ = _MaxPool.__doc__
    _spatial = 3


class AvgPool1d(Module):
    """The mean of each window.

    Shapes as of MaxPool1d. `count_include_pad` counts the zeros of the padding as elements.
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = sizes("AvgPool1d", "kernel_size", kernel_size, 1)
        self.stride = sizes("AvgPool1d", "stride", stride if stride is not None else kernel_size, 1)
        self.padding = sizes("AvgPool1d", "padding", padding, 1, 0)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Any) -> Any:
        """The pooled input."""
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)

    def extra_repr(self) -> str:
        """The geometry."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPool(Module):
    """The mean of each window.

    Shapes as of the max pooling.

    Args:
        kernel_size: an int, or one for each dimension; so stride and padding.
        stride: steps of the window; default: kernel_size.
        padding: zeros on both sides.
        ceil_mode: keep windows that reach over the end.
        count_include_pad: count the zeros of the padding as elements.
        divisor_override: divide by this, and not by the number of elements.
    """

    _spatial: int

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Any) -> Any:
        """The pooled input."""
        pool = (F.avg_pool2d, F.avg_pool3d)[self._spatial - 2]
        return pool(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        """The geometry."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPool):
    __doc__ = _AvgPool.__doc__
    _spatial = 2


class AvgPool3d(_AvgPool):
    __doc__ = _AvgPool.__doc__
    _spatial = 3
