"""Dropout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ... import _core, ops, random
from ..._operands import takes_arrays
from ...dtypes import dtype_name
from .._check import check_conv_input, check_probability
from ._inplace import over

if TYPE_CHECKING:
    from ..._tensor import Tensor

__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"]


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """While training, each element 0 with probability p and the others multiplied by 1 / (1 - p)."""
    check_probability("dropout", p)
    if not training or p == 0.0:
        return input  # type: ignore[no-any-return]
    return over("dropout_", input, inplace, lambda x: ops.dropout(x, random.default_generator.state, p=float(p))[0])  # type: ignore[no-any-return]


@takes_arrays
def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """As `dropout`, for whole channels of (N, C, L) or (C, L)."""
    return _channel_dropout("dropout1d", 1, input, p, training, inplace)


@takes_arrays
def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """As `dropout`, for whole channels of (N, C, H, W) or (C, H, W)."""
    return _channel_dropout("dropout2d", 2, input, p, training, inplace)


@takes_arrays
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

    return over(f"{op}_", input, inplace, drop)  # type: ignore[no-any-return]


@takes_arrays
def alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """While training, each element the limit of SELU, -1.7581, with probability p; then scaled and shifted.

    So that mean 0 and variance 1 are kept: a · x + b with a = ((1 - p)(1 + p · 1.7581²))^(-1/2), b = a · p · 1.7581
    (arXiv:1706.02515).
    """
    return _alpha_dropout("alpha_dropout", input, p, training, inplace, False)


@takes_arrays
def feature_alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """As `alpha_dropout`, for whole channels of (N, C, *)."""
    return _alpha_dropout("feature_alpha_dropout", input, p, training, inplace, True)


_SELU_LIMIT = 1.7580993408473766


def _alpha_dropout(op: str, input: Any, p: float, training: bool, inplace: bool, channels: bool) -> Tensor:
    check_probability(op, p)
    shape = tuple(input.shape)
    if channels and len(shape) < 2:
        raise _core.ShapeError(f"{op}: input: expected at least 2 dimensions (N, C, *), got shape {shape}")
    if not training or p == 0.0:
        return input  # type: ignore[no-any-return]

    def drop(x: Any) -> Any:
        if p == 1.0:
            return ops.mul(x, 0.0)
        of_mask = (*shape[:2], *(1,) * (len(shape) - 2)) if channels else shape
        ones = _core.backend.full(of_mask, 1, ops.detach(x)._dtype)
        kept = ops.dropout(ones, random.default_generator.state, p=float(p))[1]
        scale = ((1 - p) * (1 + p * _SELU_LIMIT**2)) ** -0.5
        shift = scale * p * _SELU_LIMIT
        return ops.where(kept, ops.add(ops.mul(x, scale), shift), shift - scale * _SELU_LIMIT)

    return over(f"{op}_", input, inplace, drop, True)  # type: ignore[no-any-return]
