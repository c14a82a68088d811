"""Convolutions over one, two and three dimensions."""

from __future__ import annotations

import math
from typing import Any

from ..creation import empty
from . import functional as F
from . import init
from ._check import check_conv_input, sizes
from .module import Module
from .parameter import Parameter

__all__ = ["Conv1d", "Conv2d", "Conv3d"]


_MODES = ("zeros", "reflect", "replicate", "circular")


class _Conv(Module):
    """y[n, o] = b[o] + Σ_c w[o, c] ⋆ x[n, c], where ⋆ is cross-correlation.

    Shapes: x (N, in_channels, *sizes) or without N; weight (out_channels, in_channels / groups, *kernel_size);
    y (N, out_channels, *out), out = ⌊(size + 2·padding - dilation·(kernel_size - 1) - 1) / stride⌋ + 1.
    Weight and bias start uniform in ±1/√(in_channels / groups · Π kernel_size). Of 0 channels the sum is 0 and y is b
    (PyTorch gives a y without channels).

    Args:
        in_channels: channels of x.
        out_channels: channels of y.
        kernel_size: an int, or one for each dimension; so stride, padding and dilation.
        stride: steps of the kernel.
        padding: zeros on both sides; 'valid' none; 'same' (stride 1 only) as many as keep the size.
        dilation: steps between the kernel's elements.
        groups: channels are cut into so many groups that see only themselves.
        bias: whether b is learned.
        padding_mode: 'zeros', 'reflect', 'replicate' or 'circular'.
        device: where the parameters are.
        dtype: the parameters' dtype.
    """

    _fuses = True
    _spatial: int
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if groups <= 0:
            raise ValueError(f"{name}: groups: expected a positive number, got {groups}")
        if in_channels % groups != 0:
            raise ValueError(f"{name}: in_channels: expected a multiple of groups ({groups}), got {in_channels}")
        if out_channels % groups != 0:
            raise ValueError(f"{name}: out_channels: expected a multiple of groups ({groups}), got {out_channels}")
        if padding_mode not in _MODES:
            raise ValueError(f"{name}: padding_mode: expected one of {_MODES}, got {padding_mode!r}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = sizes(name, "kernel_size", kernel_size, self._spatial)
        self.stride = sizes(name, "stride", stride, self._spatial)
        self.dilation = sizes(name, "dilation", dilation, self._spatial)
        self.output_padding = (0,) * self._spatial
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"{name}: padding: expected 'same', 'valid' or numbers, got {padding!r}")
            if padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError(f"{name}: padding: 'same' is not defined for a stride other than 1, got {self.stride}")
            self.padding: Any = padding
        else:
            self.padding = sizes(name, "padding", padding, self._spatial, 0)
        self.groups = groups
        self.padding_mode = padding_mode
        rows, columns = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        self.weight = Parameter(empty(rows, columns // groups, *self.kernel_size, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new weights."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = math.prod(self.weight.shape[1:])
            bound = 1 / math.sqrt(fan_in) if fan_in else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Any, activation: str | None = None) -> Any:
        """The convolution, and the activation's function of it where one is named."""
        padding = self.padding
        if self.padding_mode != "zeros":
            check_conv_input(type(self).__name__, input, self._spatial)
            input = F.pad(input, self._both_sides(), self.padding_mode)
            padding = 0
        conv = (F.conv1d, F.conv2d, F.conv3d)[self._spatial - 1]
        return conv(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups, activation=activation
        )

    def _both_sides(self) -> list[int]:
        """The padding as `F.pad` wants it: left and right of the last dimension first."""
        pads: list[int] = []
        for k in range(self._spatial - 1, -1, -1):
            if self.padding == "same":
                total = self.dilation[k] * (self.kernel_size[k] - 1)
                pads += [total // 2, total - total // 2]
            else:
                one = 0 if self.padding == "valid" else self.padding[k]
                pads += [one, one]
        return pads

    def extra_repr(self) -> str:
        """The geometry, as far as it is not the default."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0,) * self._spatial:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * self._spatial:
            text += f", dilation={self.dilation}"
        if any(self.output_padding):
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class Conv1d(_Conv):
    __doc__ = _Conv.__doc__
    _spatial = 1


class Conv2d(_Conv):
    __doc__ = _Conv.__doc__
    _spatial = 2


class Conv3d(_Conv):
    __doc__ = _Conv.__doc__
    _spatial = 3
