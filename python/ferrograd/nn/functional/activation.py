"""Activations: what makes a layer more than linear."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ... import _core, ops, random
from ..._operands import takes_arrays
from ...dtypes import BY_NAME
from ...functions.shape import normalize_dim
from .._check import check_approximate, check_dtypes, dtype_of
from ._inplace import over

if TYPE_CHECKING:
    from ..._tensor import Tensor

__all__ = [
    "celu",
    "celu_",
    "elu",
    "elu_",
    "gelu",
    "glu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "leaky_relu",
    "leaky_relu_",
    "logsigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rrelu",
    "rrelu_",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
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
    """x, held between min_val and max_val; no gradient at the bounds themselves."""
    if min_val > max_val:
        raise ValueError(f"hardtanh: max_val: expected a number of at least min_val ({min_val}), got {max_val}")
    return over("hardtanh_", input, inplace, lambda x: _held(x, min_val, max_val))  # type: ignore[no-any-return]


def _held(x: Any, low: float, high: float) -> Any:
    if _is_float(x):
        return ops.hardtanh(x, min_val=float(low), max_val=float(high))
    return ops.clip(x, low, high)


def _is_float(x: Any) -> bool:
    return not hasattr(x, "dtype") or BY_NAME[dtype_of(x)].is_floating_point


def relu6(input: Any, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6)."""
    return over("relu6_", input, inplace, lambda x: _held(x, 0, 6))  # type: ignore[no-any-return]


def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where x > threshold, else value."""
    return over("threshold_", input, inplace, lambda x: ops.where(ops.le(x, threshold), value, x), True)  # type: ignore[no-any-return]


_THRESHOLD = threshold  # `threshold_` has an argument of the same name


def hardsigmoid(input: Any, inplace: bool = False) -> Tensor:
    """x / 6 + 1/2, held between 0 and 1."""
    return over("hardsigmoid_", input, inplace, lambda x: ops.div(_held(ops.add(x, 3.0), 0, 6), 6.0), True)  # type: ignore[no-any-return]


def hardswish(input: Any, inplace: bool = False) -> Tensor:
    """x · hardsigmoid(x)."""
    return over("hardswish_", input, inplace, lambda x: ops.mul(x, ops.div(_held(ops.add(x, 3.0), 0, 6), 6.0)), True)  # type: ignore[no-any-return]


def hardshrink(input: Any, lambd: float = 0.5) -> Tensor:
    """x where |x| > lambd, else 0."""
    inside = ops.logical_and(ops.ge(input, -lambd), ops.le(input, lambd))
    return ops.where(inside, 0.0, input)  # type: ignore[no-any-return]


def softshrink(input: Any, lambd: float = 0.5) -> Tensor:
    """x - lambd where x > lambd, x + lambd where x < -lambd, else 0."""
    if not lambd >= 0:
        raise RuntimeError(f"softshrink: lambd: expected a number of at least 0, got {lambd}")
    return ops.sub(input, ops.clip(input, -lambd, lambd))  # type: ignore[no-any-return]


def tanhshrink(input: Any) -> Tensor:
    """x - tanh x."""
    return ops.sub(input, ops.tanh(input))  # type: ignore[no-any-return]


def softsign(input: Any) -> Tensor:
    """x / (1 + |x|)."""
    return ops.div(input, ops.add(ops.abs(input), 1.0))  # type: ignore[no-any-return]


def logsigmoid(input: Any) -> Tensor:
    """log(1 / (1 + e⁻ˣ)), computed as -log(1 + e⁻ˣ) without overflow."""
    return ops.neg(ops.softplus(ops.neg(input), beta=1.0, threshold=float("inf")))  # type: ignore[no-any-return]


def selu(input: Any, inplace: bool = False) -> Tensor:
    """scale · elu(x, alpha) with alpha 1.6733 and scale 1.0507, which keep mean 0 and variance 1 (arXiv:1706.02515)."""
    return over("selu_", input, inplace, lambda x: ops.mul(ops.elu(x, alpha=_SELU_ALPHA), _SELU_SCALE), True)  # type: ignore[no-any-return]


_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha · (e^(x/alpha) - 1): an elu whose slope is continuous (arXiv:1704.07483)."""
    if alpha == 0:
        raise RuntimeError("celu: alpha: expected a number other than 0, got 0")

    def function(x: Any) -> Any:
        below = ops.mul(ops.expm1(ops.div(ops.clip(x, None, 0.0), alpha)), alpha)
        return ops.where(ops.gt(x, 0.0), x, below)

    return over("celu_", input, inplace, function, True)  # type: ignore[no-any-return]


def mish(input: Any, inplace: bool = False) -> Tensor:
    """x · tanh(log(1 + eˣ)) (arXiv:1908.08681)."""

    def function(x: Any) -> Any:
        return ops.mul(x, ops.tanh(ops.softplus(x, beta=1.0, threshold=float("inf"))))

    return over("mish_", input, inplace, function, True)  # type: ignore[no-any-return]


@takes_arrays
def prelu(input: Any, weight: Any) -> Tensor:
    """x where x > 0, else weight · x; the weight is one number, or one for each channel (dimension 1 of x)."""
    ndim = len(input.shape)
    channels = input.shape[1] if ndim > 1 else 1
    count = math.prod(weight.shape)
    if len(weight.shape) > 1 or count not in (1, channels):
        raise _core.ShapeError(
            f"prelu: weight: expected shape (1,) or ({channels},) for an input of shape {tuple(input.shape)}, "
            f"got {tuple(weight.shape)}"
        )
    check_dtypes("prelu", input, weight=weight)
    slope = ops.reshape(weight, shape=(-1,) + (1,) * (ndim - 2) if count > 1 else ())
    return ops.where(ops.gt(input, 0.0), input, ops.mul(ops.clip(input, None, 0.0), slope))  # type: ignore[no-any-return]


def rrelu(
    input: Any, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """x where x > 0, else a · x: while training each a is uniform in [lower, upper), else their mean.

    (arXiv:1505.00853.)
    """
    if not lower <= upper:
        raise RuntimeError(f"rrelu: upper: expected a number of at least lower ({lower}), got {upper}")

    def function(x: Any) -> Any:
        if not training:
            return ops.leaky_relu(x, negative_slope=(lower + upper) / 2)
        low, high = float(lower), float(upper)
        state = random.default_generator.state
        slope = ops.uniform(state, shape=tuple(x.shape), low=low, high=high, dtype=dtype_of(x))
        return ops.where(ops.gt(x, 0.0), x, ops.mul(x, slope))

    return over("rrelu_", input, inplace, function, True)  # type: ignore[no-any-return]


@takes_arrays
def glu(input: Any, dim: int = -1) -> Tensor:
    """a · sigmoid(b), a and b the halves of x along `dim` (arXiv:1612.08083)."""
    ndim = len(input.shape)
    if ndim == 0:
        raise _core.ShapeError("glu: input: expected at least 1 dimension to halve, got a scalar")
    dim = normalize_dim("glu", dim, ndim)
    half, odd = divmod(input.shape[dim], 2)
    if odd:
        raise _core.ShapeError(f"glu: input: expected an even size in dimension {dim}, got {input.shape[dim]}")
    lead = (slice(None),) * dim
    a, b = (ops.getitem(input, index=(*lead, part)) for part in (slice(half), slice(half, None)))
    return ops.mul(a, ops.sigmoid(b))  # type: ignore[no-any-return]


def relu_(input: Any) -> Tensor:
    """`relu` in place."""
    return relu(input, True)


def threshold_(input: Any, threshold: float, value: float) -> Tensor:
    """`threshold` in place."""
    return _THRESHOLD(input, threshold, value, True)


def hardtanh_(input: Any, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """`hardtanh` in place."""
    return hardtanh(input, min_val, max_val, True)


def elu_(input: Any, alpha: float = 1.0) -> Tensor:
    """`elu` in place."""
    return elu(input, alpha, True)


def selu_(input: Any) -> Tensor:
    """`selu` in place."""
    return selu(input, True)


def celu_(input: Any, alpha: float = 1.0) -> Tensor:
    """`celu` in place."""
    return celu(input, alpha, True)


def leaky_relu_(input: Any, negative_slope: float = 0.01) -> Tensor:
    """`leaky_relu` in place."""
    return leaky_relu(input, negative_slope, True)


def rrelu_(input: Any, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Tensor:
    """`rrelu` in place."""
    return rrelu(input, lower, upper, training, True)
