"""Pooling over windows of one, two and three dimensions."""

from __future__ import annotations

from typing import Any

from . import functional as F
from ._check import sizes
from .module import Module

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]


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


class _AdaptiveAvgPool(Module):
    """The mean of each of `output_size` windows that together cover the input.

    Shapes: x (N, C, *sizes) or without N; y (N, C, *output_size). Window i of n over m elements holds those from
    ⌊i·m/n⌋ to below ⌈(i+1)·m/n⌉.

    Args:
        output_size: a number, or one for each dimension; None keeps the input's size.
    """

    _spatial: int

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Any) -> Any:
        """The pooled input."""
        pool = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)[self._spatial - 1]
        return pool(input, self.output_size)

    def extra_repr(self) -> str:
        """The output's size."""
        return f"output_size={self.output_size}"


class _AdaptiveMaxPool(Module):
    """The largest element of each of `output_size` windows that together cover the input.

    Shapes and windows as of AdaptiveAvgPool1d.

    Args:
        output_size: a number, or one for each dimension; None keeps the input's size.
        return_indices: give the flat index of each largest element within its channel as well.
    """

    _spatial: int

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: Any) -> Any:
        """The pooled input, with the indices where they are wanted."""
        pool = (F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d)[self._spatial - 1]
        return pool(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        """The output's size."""
        return f"output_size={self.output_size}"


class _LPPool(Module):
    """(Σ xᵖ)^(1/p) over each window, p = `norm_type`; infinity takes the largest magnitude.

    Shapes as of MaxPool1d without padding and dilation. The gradient of a sum that is zero is zero.
    """

    _spatial: int

    def __init__(self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Any) -> Any:
        """The pooled input."""
        pool = (F.lp_pool1d, F.lp_pool2d, F.lp_pool3d)[self._spatial - 1]
        return pool(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        """The exponent and the geometry."""
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class _MaxUnpool(Module):
    """Zeros, and each element at the place that MaxPool gave as its index.

    Shapes: x, indices (N, C, *sizes) or without N; y (N, C, *out) with
    out = (size - 1) · stride - 2 · padding + kernel_size, or the call's `output_size`, which a stride may part from it.
    """

    _spatial: int

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        name, spatial = type(self).__name__, self._spatial
        self.kernel_size = sizes(name, "kernel_size", kernel_size, spatial)
        self.stride = sizes(name, "stride", stride if stride is not None else kernel_size, spatial)
        self.padding = sizes(name, "padding", padding, spatial, 0)

    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Any:
        """The input spread out."""
        unpool = (F.max_unpool1d, F.max_unpool2d, F.max_unpool3d)[self._spatial - 1]
        return unpool(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        """The geometry."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _FractionalMaxPool(Module):
    """The largest element of windows whose steps are drawn anew in each call (Graham 2014, arXiv:1412.6071).

    Shapes: x (N, C, *sizes) or without N; y (N, C, *output_size).

    Args:
        kernel_size: an int, or one for each dimension.
        output_size: the output's size, or
        output_ratio: its share of the input's, between 0 and 1; one of both.
        return_indices: give the flat index of each largest element within its channel as well.
    """

    _spatial: int

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> None:
        super().__init__()
        name, spatial = type(self).__name__, self._spatial
        if (output_size is None) == (output_ratio is None):
            got = "neither" if output_size is None else "both"
            raise ValueError(f"{name}: output_size: expected either it or output_ratio, got {got}")
        self.kernel_size = sizes(name, "kernel_size", kernel_size, spatial)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else sizes(name, "output_size", output_size, spatial)
        self.output_ratio = None
        if output_ratio is not None:
            ratios = tuple(output_ratio) if hasattr(output_ratio, "__len__") else (output_ratio,) * spatial
            if len(ratios) != spatial or not all(0 < ratio < 1 for ratio in ratios):
                raise ValueError(f"{name}: output_ratio: expected numbers between 0 and 1, got {output_ratio}")
            self.output_ratio = ratios

    def forward(self, input: Any) -> Any:
        """The pooled input, with the indices where they are wanted."""
        pool = (F.fractional_max_pool2d, F.fractional_max_pool3d)[self._spatial - 2]
        return pool(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices, self._random_samples
        )


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    __doc__ = _AdaptiveAvgPool.__doc__
    _spatial = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    __doc__ = _AdaptiveAvgPool.__doc__
    _spatial = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    __doc__ = _AdaptiveAvgPool.__doc__
    _spatial = 3


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    __doc__ = _AdaptiveMaxPool.__doc__
    _spatial = 1


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    __doc__ = _AdaptiveMaxPool.__doc__
    _spatial = 2


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    __doc__ = _AdaptiveMaxPool.__doc__
    _spatial = 3


class LPPool1d(_LPPool):
    __doc__ = _LPPool.__doc__
    _spatial = 1


class LPPool2d(_LPPool):
    __doc__ = _LPPool.__doc__
    _spatial = 2


class LPPool3d(_LPPool):
    __doc__ = _LPPool.__doc__
    _spatial = 3


class MaxUnpool1d(_MaxUnpool):
    __doc__ = _MaxUnpool.__doc__
    _spatial = 1


class MaxUnpool2d(_MaxUnpool):
    __doc__ = _MaxUnpool.__doc__
    _spatial = 2


class MaxUnpool3d(_MaxUnpool):
    __doc__ = _MaxUnpool.__doc__
    _spatial = 3


class FractionalMaxPool2d(_FractionalMaxPool):
    __doc__ = _FractionalMaxPool.__doc__
    _spatial = 2


class FractionalMaxPool3d(_FractionalMaxPool):
    __doc__ = _FractionalMaxPool.__doc__
    _spatial = 3
