"""Linear maps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ... import _core, ops
from ..._operands import takes_arrays

if TYPE_CHECKING:
    from ..._tensor import Tensor

__all__ = ["bilinear", "linear"]


def linear(input: Any, weight: Any, bias: Any = None, *, activation: str | None = None) -> Tensor:
    """x Wᵀ + b: x (*, in), weight (out, in), bias (out), result (*, out)."""
    if activation in ("gelu", "silu"):
        return ops.affine(input, weight, bias, activation=activation)  # type: ignore[no-any-return]
    return ops.linear(input, weight, bias, activation=activation)  # type: ignore[no-any-return]


@takes_arrays
def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Tensor:
    """x1ᵀ W_o x2 + b_o: x1 (*, I), x2 (*, J), weight (O, I, J), bias (O), result (*, O)."""
    if len(weight.shape) != 3:
        raise _core.ShapeError(f"bilinear: weight: expected shape (O, I, J), got {tuple(weight.shape)}")
    outs, ins1, ins2 = weight.shape
    lead = tuple(input1.shape[:-1])
    for name, x, ins in (("input1", input1, ins1), ("input2", input2, ins2)):
        if not len(x.shape) or tuple(x.shape) != (*lead, ins):
            raise _core.ShapeError(
                f"bilinear: {name}: expected shape {(*lead, ins)} for a weight of shape {tuple(weight.shape)}, "
                f"got {tuple(x.shape)}"
            )
    x1, x2 = ops.reshape(input1, shape=(math.prod(lead), ins1)), ops.reshape(input2, shape=(math.prod(lead), ins2, 1))
    flat = ops.reshape(ops.permute(weight, dims=(1, 0, 2)), shape=(ins1, outs * ins2))
    y = ops.matmul(ops.reshape(ops.matmul(x1, flat), shape=(math.prod(lead), outs, ins2)), x2)
    y = ops.reshape(y, shape=(*lead, outs))
    return y if bias is None else ops.add(y, bias)  # type: ignore[no-any-return]
