"""Softmax and its kin, along one dimension."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ... import ops, random
from ..._operands import takes_arrays
from ..._warn import warn
from ...dtypes import dtype_name
from ...functions.shape import normalize_dim
from .._check import dtype_of

if TYPE_CHECKING:
    from ..._tensor import Tensor

__all__ = ["gumbel_softmax", "log_softmax", "softmax", "softmin"]


@takes_arrays
def softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """e^xᵢ / Σⱼ e^xⱼ along `dim`."""
    dim = _softmax_dim("softmax", input, dim)
    return ops.softmax(_in_dtype(input, dtype), dim=dim)  # type: ignore[no-any-return]


@takes_arrays
def log_softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """xᵢ - log Σⱼ e^xⱼ along `dim`."""
    dim = _softmax_dim("log_softmax", input, dim)
    return ops.log_softmax(_in_dtype(input, dtype), dim=dim)  # type: ignore[no-any-return]


@takes_arrays
def softmin(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """e^-xᵢ / Σⱼ e^-xⱼ along `dim`."""
    dim = _softmax_dim("softmin", input, dim)
    return ops.softmax(ops.neg(_in_dtype(input, dtype)), dim=dim)  # type: ignore[no-any-return]


@takes_arrays
def gumbel_softmax(logits: Any, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """softmax((x + g) / tau) for Gumbel noise g = -log(-log u): a smooth draw from the categorical distribution of x.

    With `hard` the result is the one-hot draw, its gradient that of the smooth one (arXiv:1611.00712, arXiv:1611.01144).
    """
    if eps != 1e-10:
        warn("gumbel_softmax: eps: has no effect and is deprecated")
    dim = normalize_dim("gumbel_softmax", dim, len(logits.shape))
    # An exponential variable is -log(1 - u); the bound keeps its logarithm finite where u would be 0.
    u = ops.uniform(
        random.default_generator.state, shape=tuple(logits.shape), low=1e-20, high=1.0, dtype=dtype_of(logits)
    )
    gumbel = ops.neg(ops.log(ops.neg(ops.log1p(ops.neg(u)))))
    soft = ops.softmax(ops.div(ops.add(logits, gumbel), float(tau)), dim=dim)
    if not hard:
        return soft  # type: ignore[no-any-return]
    drawn = ops.detach(soft)
    chosen = ops.scatter(ops.zeros_like(drawn), ops.max_dim(drawn, dim=dim, keepdim=True)[1], 1.0, dim=dim)
    return ops.add(ops.sub(chosen, drawn), soft)  # type: ignore[no-any-return]


def _softmax_dim(op: str, input: Any, dim: int | None) -> int:
    if dim is None:
        warn(f"{op}: dim: the choice of a dimension by itself is deprecated; pass dim")
        dim = 0 if len(input.shape) in (0, 1, 3) else 1
    return normalize_dim(op, dim, len(input.shape))


def _in_dtype(input: Any, dtype: Any) -> Any:
    return input if dtype is None else ops.cast(input, dtype=dtype_name(dtype))
