"""Normalisation: layers that give their input mean 0 and variance 1, then a learned scale and shift."""

from __future__ import annotations

from typing import Any

from .. import _core
from ..creation import empty, ones, tensor, zeros
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]


class _BatchNorm(Module):
    """y = (x - mean) / √(var + eps) · weight + bias, for each channel over the batch and all positions.

    While training, mean and (biased) variance are the batch's, and running averages follow them:
    running = (1 - momentum) · running + momentum · batch, the running variance an unbiased one. In evaluation the
    running averages are used. (Ioffe and Szegedy 2015, arXiv:1502.03167.)

    Args:
        num_features: the number of channels C.
        eps: added to the variance.
        momentum: weight of the newest batch; None: the plain average of all batches so far.
        affine: learn weight and bias.
        track_running_stats: keep running averages; without them evaluation uses the batch's statistics.
        device: where the parameters are.
        dtype: the parameters' dtype.
        bias: with `affine`, learn a bias too.
    """

    _fuses = True
    _ndims: tuple[int, ...]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = Parameter(empty(num_features, device=device, dtype=dtype))
        else:
            self.register_parameter("weight", None)
        if affine and bias:
            self.bias = Parameter(empty(num_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        if track_running_stats:
            self.register_buffer("running_mean", zeros(num_features, device=device, dtype=dtype))
            self.register_buffer("running_var", ones(num_features, device=device, dtype=dtype))
            self.register_buffer("num_batches_tracked", tensor(0, device=device))
        else:
            self.register_buffer("running_mean", None)
            self.register_buffer("running_var", None)
            self.register_buffer("num_batches_tracked", None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forgets the running averages."""
        if self.track_running_stats:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
            _core.backend.copy_(self.num_batches_tracked, 0)

    def _complete_state(self, state: dict[str, Any], prefix: str) -> None:
        # As PyTorch with weights that do not say their version, such as safetensors: from before there was a count.
        if self.num_batches_tracked is not None and f"{prefix}running_mean" in state:
            state.setdefault(f"{prefix}num_batches_tracked", self.num_batches_tracked)

    def reset_parameters(self) -> None:
        """Sets the weight to 1, the bias to 0, and forgets the running averages."""
        self.reset_running_stats()
        if self.affine:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Any, activation: str | None = None) -> Any:
        """The normalised input, and the activation's function of it where one is named."""
        if len(input.shape) not in self._ndims:
            wanted = "D or ".join(map(str, self._ndims))
            raise ValueError(f"{type(self).__name__}: input: expected {wanted}D input (got {len(input.shape)}D input)")
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            _core.backend.add(self.num_batches_tracked, 1, self.num_batches_tracked)
            if self.momentum is None:
                momentum = 1.0 / float(self.num_batches_tracked)
        of_batch = self.training or (self.running_mean is None and self.running_var is None)
        tracked = not self.training or self.track_running_stats
        return F.batch_norm(
            input,
            self.running_mean if tracked else None,
            self.running_var if tracked else None,
            self.weight,
            self.bias,
            of_batch,
            momentum,
            self.eps,
            activation=activation,
        )

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    __doc__ = f"{_BatchNorm.__doc__}\n    Shapes: (N, C) or (N, C, L).\n    "
    _ndims = (2, 3)


class BatchNorm2d(_BatchNorm):
    __doc__ = f"{_BatchNorm.__doc__}\n    Shapes: (N, C, H, W).\n    "
    _ndims = (4,)


class BatchNorm3d(_BatchNorm):
    __doc__ = f"{_BatchNorm.__doc__}\n    Shapes: (N, C, D, H, W).\n    "
    _ndims = (5,)


class LayerNorm(Module):
    """y = (x - mean) / √(var + eps) · weight + bias, over the last dimensions of each sample.

    Shapes: x (*, *normalized_shape), weight and bias normalized_shape. The variance is the biased one.
    (Ba, Kiros and Hinton 2016, arXiv:1607.06450.)

    Args:
        normalized_shape: the sizes of the last dimensions; an int for one.
        eps: added to the variance.
        elementwise_affine: learn weight and bias.
        bias: with `elementwise_affine`, learn a bias.
        device: where the parameters are.
        dtype: the parameters' dtype.
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.register_parameter("weight", None)
        self.register_parameter("bias", None)
        if elementwise_affine:
            self.weight = Parameter(empty(self.normalized_shape, device=device, dtype=dtype))
            if bias:
                self.bias = Parameter(empty(self.normalized_shape, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the weight to 1 and the bias to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Any) -> Any:
        """The normalised input."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class GroupNorm(Module):
    """y = (x - mean) / √(var + eps) · weight + bias, over each group of channels of each sample.

    Shapes: x (N, C, *), weight and bias (C). The variance is the biased one. (Wu and He 2018, arXiv:1803.08494.)

    Args:
        num_groups: into how many groups the channels are cut.
        num_channels: C.
        eps: added to the variance.
        affine: learn weight and bias.
        device: where the parameters are.
        dtype: the parameters' dtype.
        bias: with `affine`, learn a bias too.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(
                f"GroupNorm: num_channels: expected a multiple of num_groups ({num_groups}), got {num_channels}"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self.register_parameter("weight", None)
        self.register_parameter("bias", None)
        if affine:
            self.weight = Parameter(empty(num_channels, device=device, dtype=dtype))
            if bias:
                self.bias = Parameter(empty(num_channels, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the weight to 1 and the bias to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Any) -> Any:
        """The normalised input."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """y = x / √(mean(x²) + eps) · weight, over the last dimensions of each sample (arXiv:1910.07467).

    Args:
        normalized_shape: the sizes of the last dimensions; an int for one.
        eps: added to the mean square; None: the spacing of the dtype's numbers at 1.
        elementwise_affine: learn the weight.
        device: where the weight is.
        dtype: the weight's dtype.
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.register_parameter("weight", None)
        if elementwise_affine:
            self.weight = Parameter(empty(self.normalized_shape, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the weight to 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input: Any) -> Any:
        """The normalised input."""
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """The settings."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class LocalResponseNorm(Module):
    """x_c / (k + alpha / size · Σ x_c'²)^beta over the `size` channels around c, for x (N, C, L, *) (Krizhevsky 2012)."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Any) -> Any:
        """The input divided by what its neighbours are worth."""
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """The settings."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
