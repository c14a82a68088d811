"""Activations: what makes a layer more than linear."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from ... import ops
from ...dtypes import dtype_name
from ...functions.shape import normalize_dim
from .._check import check_approximate
from ._inplace import over

if TYPE_CHECKING:
    from ..._tensor import Tensor

__all__ = [
    "elu",
    "gelu",
    "hardtanh",
    "leaky_relu",
    "log_softmax",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]


def relu(input: Any, inplace: bool = False) -> Tensor:
    """max(x, 0)."""
    return ops.relu(input) if not inplace else over("relu_", input, True, ops.relu)  # type: ignore[no-any-return]


def sigmoid(input: Any) -> Tensor:
    """1 / (1 + e⁻ˣ)."""
    return ops.sigmoid(input)  # type: ignore[no-any-return]


def tanh(input: Any) -> Tensor:
    """The hyperbolic tangent."""
    return ops.tanh(input)  # type: ignore[no-any-return]


def silu(input: Any, inplace: bool = False) -> Tensor:
    """x · sigmoid(x)."""
    return over("silu_", input, inplace, ops.silu)  # type: ignore[no-any-return]


def gelu(input: Any, approximate: str = "none") -> Tensor:
    """x · Φ(x); with 'tanh', x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))."""
    check_approximate("gelu", approximate)
    return ops.gelu(input, approximate=approximate)  # type: ignore[no-any-return]


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, else negative_slope · x."""
    return over("leaky_relu_", input, inplace, lambda x: ops.leaky_relu(x, negative_slope=float(negative_slope)))  # type: ignore[no-any-return]


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha · (eˣ - 1)."""
    return over("elu_", input, inplace, lambda x: ops.elu(x, alpha=float(alpha)))  # type: ignore[no-any-return]


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + e^(beta·x)) / beta; x itself where beta · x > threshold."""
    return ops.softplus(input, beta=float(beta), threshold=float(threshold))  # type: ignore[no-any-return]


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x, held between min_val and max_val."""
    if min_val > max_val:
        raise ValueError(f"hardtanh: max_val: expected a number of at least min_val ({min_val}), got {max_val}")
    return over("hardtanh_", input, inplace, lambda x: ops.clip(x, float(min_val), float(max_val)))  # type: ignore[no-any-return]


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
