"""Activations that matrix products, convolutions and norms apply to their results while these are in cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._core import is_grad_enabled
from . import activation as a

#: For `sparing`: these activations need what they are applied to for their gradient.
NEEDS_INPUT = "activation in ('gelu', 'silu')"


def with_product(activation: str, *operands: Any) -> bool:
    """Whether an activation is best computed with the product of `operands` that it is applied to.

    relu, sigmoid and tanh are, always. gelu and silu need what they were applied to for their gradient: a second product
    in the backward pass costs more than a pass over memory, so while gradients are recorded they are ops of their own.
    """
    if activation not in ("gelu", "silu") or not is_grad_enabled():
        return True
    return not any(getattr(x, "requires_grad", False) for x in operands)


def before_activation(g: Any, activation: str | None, result: Any, inputs: Callable[[], Any]) -> Any:
    """The gradient of what the activation was applied to, from the gradient of its result.

    relu, sigmoid and tanh need their result only; gelu and silu need what they were applied to, which `inputs` computes
    again, because the fused op never stored it.
    """
    match activation:
        case None:
            return g
        case "relu":
            return a.relu_grad(g, result)
        case "sigmoid":
            return a.sigmoid_grad(g, result)
        case "tanh":
            return a.tanh_grad(g, result)
        case "gelu":
            return a.gelu_grad(g, inputs(), approximate="none")
        case "silu":
            return a.silu_grad(g, inputs())
        case _:
            raise ValueError(
                f"activation: expected None, 'relu', 'sigmoid', 'tanh', 'gelu' or 'silu', got {activation!r}"
            )


def activated(x: Any, activation: str | None) -> Any:
    """The activation as an op of its own: what a fused op applies to its result."""
    match activation:
        case None:
            return x
        case "gelu":
            return a.gelu(x, approximate="none")
        case _:
            return {"relu": a.relu, "sigmoid": a.sigmoid, "tanh": a.tanh, "silu": a.silu}[activation](x)
