"""Normalisation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ... import ops
from ...functions.shape import normalize_dim

if TYPE_CHECKING:
    from ..._tensor import Tensor

__all__ = ["batch_norm", "layer_norm", "normalize"]


def normalize(input: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """x / max(‖x‖ₚ, eps), the norm along `dim`."""
    dim = normalize_dim("normalize", dim, len(input.shape))
    if p == 2:
        norm = ops.sqrt(ops.sum(ops.mul(input, input), dim=(dim,), keepdim=True))
    elif math.isinf(p):
        norm = ops.amax(ops.abs(input), dim=(dim,), keepdim=True)
    else:
        norm = ops.pow(ops.sum(ops.pow(ops.abs(input), float(p)), dim=(dim,), keepdim=True), 1.0 / p)
    return ops.div(input, ops.clip(norm, float(eps), None))  # type: ignore[no-any-return]


def layer_norm(input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    """(x - mean) / √(var + eps) · weight + bias over the last dimensions, whose sizes are `normalized_shape`."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
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
