"""Transposed convolutions: the linear maps of convolutions turned round, from small to large."""

from __future__ import annotations

from typing import Any

from . import functional as F
from ._check import check_conv_input, sizes
from .conv import _Conv

__all__ = ["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]


class _ConvTranspose(_Conv):
    """y[n, o, i] = b[o] + Σ_c Σ_k w[c, o, k] · x[n, c, p] over all p, k with p·stride + k·dilation - padding = i.

    The gradient of a convolution with respect to its input. Shapes: x (N, in_channels, *sizes) or without N; weight
    (in_channels, out_channels / groups, *kernel_size); y (N, out_channels, *out),
    out = (size - 1)·stride - 2·padding + dilation·(kernel_size - 1) + output_padding + 1.
    Weight and bias start uniform in ±1/√(out_channels / groups · Π kernel_size).

    Args:
        in_channels: channels of x.
        out_channels: channels of y.
        kernel_size: an int, or one for each dimension; so stride, padding, output_padding and dilation.
        stride: steps of the kernel.
        padding: places that are cut off on both sides of y.
        output_padding: places that are cut off less, or zeros that are added, at the end of y; below stride or dilation.
        groups: channels are cut into so many groups that see only themselves.
        bias: whether b is learned.
        dilation: steps between the kernel's elements.
        padding_mode: 'zeros'.
        device: where the parameters are.
        dtype: the parameters' dtype.
    """

    _fuses = False
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        name = type(self).__name__
        if padding_mode != "zeros":
            raise ValueError(f"{name}: padding_mode: expected 'zeros', got {padding_mode!r}")
        padding = sizes(name, "padding", padding, self._spatial, 0)
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )
        self.output_padding = sizes(name, "output_padding", output_padding, self._spatial, 0)

    def forward(self, input: Any, output_size: Any = None) -> Any:
        """The transposed convolution; `output_size`, where given, chooses the output padding."""
        check_conv_input(type(self).__name__, input, self._spatial)
        more = self.output_padding if output_size is None else self._padding_for(input, tuple(output_size))
        conv = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[self._spatial - 1]
        return conv(input, self.weight, self.bias, self.stride, self.padding, more, self.groups, self.dilation)

    def _padding_for(self, input: Any, output_size: tuple[int, ...]) -> tuple[int, ...]:
        """The output padding that gives a result of this size; batch and channels may stand before it."""
        name, ndim = type(self).__name__, len(input.shape)
        if len(output_size) not in (self._spatial, ndim):
            raise ValueError(f"{name}: output_size: expected {self._spatial} or {ndim} numbers, got {output_size}")
        wanted = output_size[len(output_size) - self._spatial :]
        least = tuple(
            (input.shape[ndim - self._spatial + k] - 1) * self.stride[k]
            - 2 * self.padding[k]
            + self.dilation[k] * (self.kernel_size[k] - 1)
            + 1
            for k in range(self._spatial)
        )
        most = tuple(n + s - 1 for n, s in zip(least, self.stride, strict=True))
        if not all(low <= n <= high for low, n, high in zip(least, wanted, most, strict=True)):
            raise ValueError(
                f"{name}: output_size: expected sizes from {least} to {most} for an input of shape "
                f"{tuple(input.shape)}, got {wanted}"
            )
        return tuple(n - low for n, low in zip(wanted, least, strict=True))


class ConvTranspose1d(_ConvTranspose):
    __doc__ = _ConvTranspose.__doc__
    _spatial = 1


class ConvTranspose2d(_ConvTranspose):
    __doc__ = _ConvTranspose.__doc__
    _spatial = 2


class ConvTranspose3d(_ConvTranspose):
    __doc__ = _ConvTranspose.__doc__
    _spatial = 3
