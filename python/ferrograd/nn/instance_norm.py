"""Instance normalisation: each channel of each sample for itself."""

from __future__ import annotations

from typing import Any

from .. import functions
from .._warn import warn
from . import functional as F
from .norm import _BatchNorm

__all__ = ["InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"]


class _InstanceNorm(_BatchNorm):
    """y = (x - mean) / √(var + eps) · weight + bias, for each channel of each sample (arXiv:1607.08022).

    Args:
        num_features: the number of channels C.
        eps: added to the (biased) variance.
        momentum: weight of the newest batch in the running averages.
        affine: learn weight and bias.
        track_running_stats: keep running averages over the samples, and use them in evaluation.
        device: where the parameters are.
        dtype: the parameters' dtype.
        bias: with `affine`, learn a bias too.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Any) -> Any:  # type: ignore[override]
        """The normalised input."""
        name, ndim = type(self).__name__, len(input.shape)
        if ndim not in self._ndims:
            wanted = "D or ".join(map(str, self._ndims))
            raise ValueError(f"{name}: input: expected {wanted}D input (got {ndim}D input)")
        single = ndim == self._ndims[0]
        channels = input.shape[0 if single else 1]
        if channels != self.num_features:
            if self.affine:
                raise ValueError(
                    f"{name}: input: expected {self.num_features} channels, got shape {tuple(input.shape)}"
                )
            warn(
                f"{name}: input: expected {self.num_features} channels, got {channels}; without affine it does not matter",
            )
        y = F.instance_norm(
            functions.unsqueeze(input, 0) if single else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return functions.squeeze(y, 0) if single else y


class InstanceNorm1d(_InstanceNorm):
    __doc__ = f"{_InstanceNorm.__doc__}\n    Shapes: (N, C, L) or (C, L).\n    "
    _ndims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    __doc__ = f"{_InstanceNorm.__doc__}\n    Shapes: (N, C, H, W) or (C, H, W).\n    "
    _ndims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    __doc__ = f"{_InstanceNorm.__doc__}\n    Shapes: (N, C, D, H, W) or (C, D, H, W).\n    "
    _ndims = (4, 5)
