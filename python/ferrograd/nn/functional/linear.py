"""Linear maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ... import ops

if TYPE_CHECKING:
    from ..._tensor import Tensor

__all__ = ["linear"]


def linear(input: Any, weight: Any, bias: Any = None, *, activation: str | None = None) -> Tensor:
    """x Wᵀ + b: x (*, in), weight (out, in), bias (out), result (*, out)."""
    return ops.linear(input, weight, bias, activation=activation)  # type: ignore[no-any-return]
