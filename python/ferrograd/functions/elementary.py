"""Elementary functions, and the activations that PyTorch keeps beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import ops
from ._method import in_place, method
from .arithmetic import into

if TYPE_CHECKING:
    from .._tensor import Tensor


@method()
def exp(input: Any, *, out: Any = None) -> Tensor:
    """e to the power of the input."""
    return ops.exp(input) if out is None else into(out, "exp", input)  # type: ignore[no-any-return]


@method()
def expm1(input: Any, *, out: Any = None) -> Tensor:
    """e to the power of the input, less 1; accurate near 0."""
    return ops.expm1(input) if out is None else into(out, "expm1", input)  # type: ignore[no-any-return]


@method()
def log(input: Any, *, out: Any = None) -> Tensor:
    """The natural logarithm."""
    return ops.log(input) if out is None else into(out, "log", input)  # type: ignore[no-any-return]


@method()
def log1p(input: Any, *, out: Any = None) -> Tensor:
    """log(1 + input), accurate near 0."""
    return ops.log1p(input) if out is None else into(out, "log1p", input)  # type: ignore[no-any-return]


@method()
def sin(input: Any, *, out: Any = None) -> Tensor:
    """The sine of an angle in radians."""
    return ops.sin(input) if out is None else into(out, "sin", input)  # type: ignore[no-any-return]


@method()
def cos(input: Any, *, out: Any = None) -> Tensor:
    """The cosine of an angle in radians."""
    return ops.cos(input) if out is None else into(out, "cos", input)  # type: ignore[no-any-return]


@method()
def erf(input: Any, *, out: Any = None) -> Tensor:
    """The error function."""
    return ops.erf(input) if out is None else into(out, "erf", input)  # type: ignore[no-any-return]


@method()
def tanh(input: Any, *, out: Any = None) -> Tensor:
    """The hyperbolic tangent."""
    return ops.tanh(input) if out is None else into(out, "tanh", input)  # type: ignore[no-any-return]


@method()
def sigmoid(input: Any, *, out: Any = None) -> Tensor:
    """1 / (1 + e^(−input))."""
    return ops.sigmoid(input) if out is None else into(out, "sigmoid", input)  # type: ignore[no-any-return]


@method()
def relu(input: Any, *, out: Any = None) -> Tensor:
    """max(input, 0)."""
    return ops.relu(input) if out is None else into(out, "relu", input)  # type: ignore[no-any-return]


for _name, _function in (
    ("exp_", exp), ("expm1_", expm1), ("log_", log), ("log1p_", log1p), ("sin_", sin), ("cos_", cos), ("erf_", erf),
    ("tanh_", tanh), ("sigmoid_", sigmoid), ("relu_", relu),
):  # fmt: skip
    in_place(_name, _function)

__all__ = ["cos", "erf", "exp", "expm1", "log", "log1p", "relu", "sigmoid", "sin", "tanh"]
