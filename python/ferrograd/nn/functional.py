"""Functions of layers, with PyTorch's names, signatures and defaults, over `ferrograd.ops`.

Linear maps, convolutions and batch norm take `activation=` ('relu', 'sigmoid', 'tanh', 'gelu', 'silu') as well and
compute it in the same pass over memory.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core, functions, ops, random
from ..autograd import is_grad_enabled, no_grad
from ..dtypes import dtype_name
from ..functions._method import rebind
from ..functions.shape import normalize_dim
from ._check import check_approximate, check_conv_input, check_padding_idx, check_probability
from ._loss_functions import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)
from ._window_functions import (
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    conv1d,
    conv2d,
    conv3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    pad,
)

if TYPE_CHECKING:
    from .._tensor import Tensor

__all__ = [
    "avg_pool1d", "avg_pool2d", "avg_pool3d", "batch_norm", "binary_cross_entropy", "binary_cross_entropy_with_logits",
    "conv1d", "conv2d", "conv3d", "cross_entropy", "dropout", "dropout1d", "dropout2d", "dropout3d", "elu", "embedding",
    "gelu", "hardtanh", "huber_loss", "l1_loss", "layer_norm", "leaky_relu", "linear", "log_softmax", "max_pool1d",
    "max_pool2d", "max_pool3d", "mse_loss", "nll_loss", "normalize", "one_hot", "pad", "relu", "sigmoid", "silu",
    "smooth_l1_loss", "softmax", "softplus", "tanh",
]  # fmt: skip


def linear(input: Any, weight: Any, bias: Any = None, *, activation: str | None = None) -> Tensor:
    """x Wᵀ + b: x (*, in), weight (out, in), bias (out), result (*, out)."""
    return ops.linear(input, weight, bias, activation=activation)  # type: ignore[no-any-return]


def one_hot(tensor: Any, num_classes: int = -1) -> Tensor:
    """int64 zeros with a 1 at each index: shape (*) gives (*, num_classes); default: the largest index and one more."""
    index = np.asarray(tensor)
    if index.dtype.kind not in "iu":
        raise _core.DTypeError(f"one_hot: tensor: expected integers, got {index.dtype}")
    if num_classes == -1:
        if index.size == 0:
            raise RuntimeError("one_hot: num_classes: expected a number for a tensor without elements, got -1")
        num_classes = int(index.max()) + 1
    if index.size and (index.min() < 0 or index.max() >= num_classes):
        raise RuntimeError(
            f"one_hot: tensor: expected indices from 0 to {num_classes - 1}, got {index.min()} to {index.max()}"
        )
    return functions.as_tensor((index[..., None] == np.arange(num_classes)).astype(np.int64))


# -- activations -------------------------------------------------------------------------------------------------------


def _over(name: str, input: Any, inplace: bool, function: Any) -> Any:
    """function(input), written into the input's own memory where `inplace`."""
    if not inplace:
        return function(input)
    if not isinstance(input, _core.TensorBase):
        raise TypeError(f"{name}: inplace: expected a Tensor to write into, got {type(input).__name__}")
    recorded = is_grad_enabled() and input.requires_grad
    _core.before_write(name, input, recorded)
    result = function(input)
    if recorded:
        return rebind(name, input, result)
    _core.backend.copy_(input, result)
    return input


def relu(input: Any, inplace: bool = False) -> Tensor:
    """max(x, 0)."""
    return ops.relu(input) if not inplace else _over("relu_", input, True, ops.relu)  # type: ignore[no-any-return]


def sigmoid(input: Any) -> Tensor:
    """1 / (1 + e⁻ˣ)."""
    return ops.sigmoid(input)  # type: ignore[no-any-return]


def tanh(input: Any) -> Tensor:
    """The hyperbolic tangent."""
    return ops.tanh(input)  # type: ignore[no-any-return]


def silu(input: Any, inplace: bool = False) -> Tensor:
    """x · sigmoid(x)."""
    return _over("silu_", input, inplace, ops.silu)  # type: ignore[no-any-return]


def gelu(input: Any, approximate: str = "none") -> Tensor:
    """x · Φ(x); with 'tanh', x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))."""
    check_approximate("gelu", approximate)
    return ops.gelu(input, approximate=approximate)  # type: ignore[no-any-return]


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, else negative_slope · x."""
    return _over("leaky_relu_", input, inplace, lambda x: ops.leaky_relu(x, negative_slope=float(negative_slope)))  # type: ignore[no-any-return]


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha · (eˣ - 1)."""
    return _over("elu_", input, inplace, lambda x: ops.elu(x, alpha=float(alpha)))  # type: ignore[no-any-return]


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + e^(beta·x)) / beta; x itself where beta · x > threshold."""
    return ops.softplus(input, beta=float(beta), threshold=float(threshold))  # type: ignore[no-any-return]


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x, held between min_val and max_val."""
    if min_val > max_val:
        raise ValueError(f"hardtanh: max_val: expected a number of at least min_val ({min_val}), got {max_val}")
    return _over("hardtanh_", input, inplace, lambda x: ops.clip(x, float(min_val), float(max_val)))  # type: ignore[no-any-return]


def softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """e^xᵢ / Σⱼ e^xⱼ along `dim`."""
    dim = _softmax_dim("softmax", input, dim, _stacklevel)
    return ops.softmax(_in_dtype(input, dtype), dim=dim)  # type: ignore[no-any-return]


def log_softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """xᵢ - log Σⱼ e^xⱼ along `dim`."""
    dim = _softmax_dim("log_softmax", input, dim, _stacklevel)
    return ops.log_softmax(_in_dtype(input, dtype), dim=dim)  # type: ignore[no-any-return]


def _softmax_dim(op: str, input: Any, dim: int | None, stacklevel: int) -> int:
    if dim is None:
        warnings.warn(f"{op}: dim: the choice of a dimension by itself is deprecated; pass dim", stacklevel=stacklevel)
        dim = 0 if len(input.shape) in (0, 1, 3) else 1
    return normalize_dim(op, dim, len(input.shape))


def _in_dtype(input: Any, dtype: Any) -> Any:
    return input if dtype is None else ops.cast(input, dtype=dtype_name(dtype))


# -- norms -------------------------------------------------------------------------------------------------------------


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


# -- dropout and embedding ---------------------------------------------------------------------------------------------


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """While training, each element 0 with probability p and the others multiplied by 1 / (1 - p)."""
    check_probability("dropout", p)
    if not training or p == 0.0:
        return input  # type: ignore[no-any-return]
    return _over("dropout_", input, inplace, lambda x: ops.dropout(x, random.default_generator.state, p=float(p))[0])  # type: ignore[no-any-return]


def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """As `dropout`, for whole channels of (N, C, L) or (C, L)."""
    return _channel_dropout("dropout1d", 1, input, p, training, inplace)


def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """As `dropout`, for whole channels of (N, C, H, W) or (C, H, W)."""
    return _channel_dropout("dropout2d", 2, input, p, training, inplace)


def dropout3d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """As `dropout`, for whole channels of (N, C, D, H, W) or (C, D, H, W)."""
    return _channel_dropout("dropout3d", 3, input, p, training, inplace)


def _channel_dropout(op: str, spatial: int, input: Any, p: float, training: bool, inplace: bool) -> Tensor:
    check_probability(op, p)
    check_conv_input(op, input, spatial)
    if not training or p == 0.0:
        return input  # type: ignore[no-any-return]

    def drop(x: Any) -> Any:
        shape = (*x.shape[: len(x.shape) - spatial], *(1,) * spatial)
        dtype = x._dtype if isinstance(x, _core.TensorBase) else x.dtype
        ones = _core.backend.full(shape, 1, dtype_name(dtype))
        return ops.mul(x, ops.dropout(ones, random.default_generator.state, p=float(p))[0])

    return _over(f"{op}_", input, inplace, drop)  # type: ignore[no-any-return]


def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
) -> Tensor:
    """weight[input]: indices (*) and weight (V, D) give (*, D); arguments as of `nn.Embedding`."""
    padding_idx = check_padding_idx("embedding", padding_idx, weight.shape[0])
    if max_norm is not None:
        _renormalize(weight, input, float(max_norm), float(norm_type))
    y = ops.embedding(weight, input, padding_idx=padding_idx)
    if scale_grad_by_freq and y.requires_grad:
        _, inverse, counts = np.unique(np.asarray(input), return_inverse=True, return_counts=True)
        share = (1.0 / counts[inverse.reshape(input.shape)])[..., None]
        share = _core.from_numpy(share.astype(y._dtype))
        y.register_hook(lambda g: ops.mul(g, share))
    return y  # type: ignore[no-any-return]


def _renormalize(weight: Any, index: Any, max_norm: float, p: float) -> None:
    """Scales the rows that are looked up to the norm `max_norm` at most, in place."""
    rows = np.unique(np.asarray(index))
    values = ops.detach(weight)._readable()[rows]
    norms = np.linalg.norm(values.astype(np.float64), ord=p, axis=1)
    # As in PyTorch: the 1e-7 keeps the division defined.
    scale = np.where(norms > max_norm, max_norm / (norms + 1e-7), 1.0)[:, None]
    with no_grad():
        weight[rows] = (values * scale).astype(values.dtype)
