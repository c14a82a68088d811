"""Normalisation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ... import _core, ops
from ..._operands import takes_arrays
from ...autograd import no_grad
from ...functions.arithmetic import into
from ...functions.shape import normalize_dim
from .._check import check_dtypes, dtype_of

if TYPE_CHECKING:
    from ..._tensor import Tensor

__all__ = [
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "normalize",
    "rms_norm",
]


@takes_arrays
def normalize(
    input: Any, p: float = 2.0, dim: int | tuple[int, ...] = 1, eps: float = 1e-12, out: Any = None
) -> Tensor:
    """x / max(‖x‖ₚ, eps), the norm along `dim`."""
    ndim = len(input.shape)
    dims = tuple(normalize_dim("normalize", d, ndim) for d in (dim if isinstance(dim, (tuple, list)) else (dim,)))
    norm = ops.clip(ops.vector_norm(input, ord=float(p), dim=dims, keepdim=True), float(eps), None)
    return ops.div(input, norm) if out is None else into(out, "div", input, norm)  # type: ignore[no-any-return]


def layer_norm(input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    """(x - mean) / √(var + eps) · weight + bias over the last dimensions, whose sizes are `normalized_shape`."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if any(n < 0 for n in shape):
        raise _core.ShapeError(f"layer_norm: normalized_shape: expected sizes of at least 0, got {shape}")
    return ops.layer_norm(input, weight, bias, normalized_shape=shape, eps=eps)[0]  # type: ignore[no-any-return]


def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    activation: str | None = None,
) -> Tensor:
    """(x - mean) / √(var + eps) · weight + bias, for each channel of x (N, C, *).

    While training, mean and variance are the batch's and the running ones, where given, follow them in place.
    """
    fused = activation if activation == "relu" else None
    if training:
        shape = tuple(input.shape)
        if len(shape) > 1 and math.prod(shape) == shape[1]:
            raise ValueError(
                f"batch_norm: input: expected more than 1 value per channel when training, got input size {shape}"
            )
        y = ops.batch_norm(input, weight, bias, running_mean, running_var, momentum, eps=eps, activation=fused)[0]
    else:
        if running_mean is None or running_var is None:
            raise RuntimeError("batch_norm: expected running_mean and running_var in evaluation mode, got None")
        y = ops.batch_norm_eval(input, weight, bias, running_mean, running_var, eps=eps, activation=fused)
    return y if activation == fused else _activated("batch_norm", y, activation)  # type: ignore[no-any-return]


def _activated(op: str, x: Any, activation: Any) -> Any:
    """The function that an `activation=` names."""
    match activation:
        case "sigmoid":
            return ops.sigmoid(x)
        case "tanh":
            return ops.tanh(x)
        case "gelu":
            return ops.gelu(x, approximate="none")
        case "silu":
            return ops.silu(x)
    raise ValueError(
        f"{op}: activation: expected None, 'relu', 'sigmoid', 'tanh', 'gelu' or 'silu', got {activation!r}"
    )


def _by_channel(y: Any, weight: Any, bias: Any) -> Any:
    """y · weight + bias for each channel of y (N, C, *)."""
    if weight is None and bias is None:
        return y
    # One pass over memory each way: the norm by a mean of 0 and a variance of 1.
    zero, one = (_core.backend.full((y.shape[1],), value, y._dtype) for value in (0, 1))
    return ops.batch_norm_eval(y, weight, bias, zero, one, eps=0.0, activation=None)


def _check_channels(op: str, channels: int, **vectors: Any) -> None:
    for name, vector in vectors.items():
        if vector is not None and tuple(vector.shape) != (channels,):
            raise _core.ShapeError(f"{op}: {name}: expected shape {(channels,)}, got {tuple(vector.shape)}")


@takes_arrays
def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    """(x - mean) / √(var + eps) · weight + bias: mean and variance of each sample's groups of channels, x (N, C, *)."""
    shape = tuple(input.shape)
    if len(shape) < 2:
        raise _core.ShapeError(f"group_norm: input: expected at least 2 dimensions (N, C, *), got shape {shape}")
    channels = shape[1]
    if num_groups < 1 or channels % num_groups:
        raise _core.ShapeError(f"group_norm: num_groups: expected a divisor of {channels} channels, got {num_groups}")
    if math.prod(shape) == num_groups:
        raise ValueError(
            f"group_norm: input: expected more than 1 value per channel when training, got input size {shape}"
        )
    _check_channels("group_norm", channels, weight=weight, bias=bias)
    check_dtypes("group_norm", input, weight=weight, bias=bias)
    size = channels // num_groups * math.prod(shape[2:])
    groups = ops.reshape(input, shape=(shape[0], num_groups, size))
    y = ops.layer_norm(groups, None, None, normalized_shape=(size,), eps=eps)[0]
    y = ops.reshape(y, shape=shape)
    if weight is None and bias is None and y.requires_grad:
        # No view of a hidden tensor: nn.ReLU(inplace=True) often follows.
        y = ops.clone(y)
    return _by_channel(y, weight, bias)  # type: ignore[no-any-return]


@takes_arrays
def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / √(var + eps) · weight + bias, mean and variance of each channel of each sample of x (N, C, *).

    The running statistics, where given, follow the mean over the samples, in place; without `use_input_stats` they are
    used.
    """
    shape = tuple(input.shape)
    if len(shape) < 3:
        raise _core.ShapeError(f"instance_norm: input: expected at least 3 dimensions (N, C, *), got shape {shape}")
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise RuntimeError("instance_norm: expected running_mean and running_var without use_input_stats, got None")
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    size = math.prod(shape[2:])
    if size == 1:
        raise ValueError(
            f"instance_norm: input: expected more than 1 spatial element when training, got input size {shape}"
        )
    _check_channels(
        "instance_norm", shape[1], running_mean=running_mean, running_var=running_var, weight=weight, bias=bias
    )
    check_dtypes("instance_norm", input, weight=weight, bias=bias)
    with no_grad():
        places = tuple(range(2, len(shape)))
        _follow(running_mean, lambda: ops.mean(input, dim=places, keepdim=False), momentum)
        _follow(running_var, lambda: ops.var(input, dim=places, correction=1.0, keepdim=False), momentum)
    instances = ops.reshape(input, shape=(*shape[:2], size))
    y = ops.layer_norm(instances, None, None, normalized_shape=(size,), eps=eps)[0]
    y = ops.reshape(y, shape=shape)
    if weight is None and bias is None and y.requires_grad:
        # No view of a hidden tensor: nn.ReLU(inplace=True) often follows.
        y = ops.clone(y)
    return _by_channel(y, weight, bias)  # type: ignore[no-any-return]


def _follow(running: Any, statistic: Any, momentum: float) -> None:
    """running ← (1 - momentum) · running + momentum · the mean of the statistic over the samples."""
    if running is not None:
        of_batch = ops.mean(statistic(), dim=(0,), keepdim=False)
        _core.backend.copy_(running, ops.lerp(running, of_batch, momentum))


@takes_arrays
def rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Tensor:
    """x / √(mean(x²) + eps) · weight over the last dimensions, whose sizes are `normalized_shape` (arXiv:1910.07467).

    Without eps it is the spacing of the dtype's numbers at 1.
    """
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or tuple(input.shape[-len(shape) :]) != shape:
        raise _core.ShapeError(
            f"rms_norm: input: expected a shape that ends in {shape}, of at least 1 dimension, got {tuple(input.shape)}"
        )
    if weight is not None and tuple(weight.shape) != shape:
        raise _core.ShapeError(f"rms_norm: weight: expected shape {shape}, got {tuple(weight.shape)}")
    check_dtypes("rms_norm", input, weight=weight)
    if eps is None:
        eps = 2.0**-23 if dtype_of(input) == "float32" else 2.0**-52
    power = ops.mean(ops.square(input), dim=tuple(range(-len(shape), 0)), keepdim=True)
    y = ops.mul(input, ops.rsqrt(ops.add(power, eps)))
    return y if weight is None else ops.mul(y, weight)  # type: ignore[no-any-return]


@takes_arrays
def local_response_norm(input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """x_c / (k + alpha / size · Σ x_c'²)^beta over the `size` channels around c, for x (N, C, L, *) (Krizhevsky 2012)."""
    shape = tuple(input.shape)
    if len(shape) < 3:
        raise ValueError(f"local_response_norm: input: expected at least 3 dimensions (N, C, L, *), got shape {shape}")
    if size < 1:
        raise ValueError(f"local_response_norm: size: expected a number of at least 1, got {size}")
    if math.prod(shape) == 0:
        return input  # type: ignore[no-any-return]
    squares = ops.reshape(ops.square(input), shape=(shape[0], 1, shape[1], math.prod(shape[2:])))
    squares = ops.pad(squares, padding=((0, 0), (0, 0), (size // 2, (size - 1) // 2), (0, 0)), value=0.0)
    means = ops.avg_pool(
        squares,
        kernel_size=(size, 1),
        stride=(1, 1),
        padding=(0, 0),
        ceil_mode=False,
        count_include_pad=True,
        divisor_override=None,
    )
    scale = ops.pow(ops.add(ops.mul(ops.reshape(means, shape=shape), alpha), k), float(beta))
    return ops.div(input, scale)  # type: ignore[no-any-return]
