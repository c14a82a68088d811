"""Numerical functions made of others: shifts, divisors, powers, norms held down, places of flat indices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core, ops
from .._operands import takes_arrays
from ..creation import as_tensor
from ._method import in_place_of, method
from .shape import normalize_dim

if TYPE_CHECKING:
    from .._tensor import Tensor

__all__ = [
    "angle",
    "bitwise_left_shift", "bitwise_right_shift", "gcd", "isneginf", "isposinf", "isreal", "lcm", "ldexp", "renorm",
    "unravel_index", "vander",
]  # fmt: skip


@method()
def isposinf(input: Any) -> Tensor:
    """The input is ∞."""
    return ops.eq(input, float("inf"))  # type: ignore[no-any-return]


@method()
def isneginf(input: Any) -> Tensor:
    """The input is −∞."""
    return ops.eq(input, float("-inf"))  # type: ignore[no-any-return]


@takes_arrays
@method()
def isreal(input: Any) -> Tensor:
    """True everywhere: there are no complex numbers."""
    return _core.backend.full(tuple(input.shape), True, "bool")  # type: ignore[no-any-return]


@method()
def angle(input: Any) -> Tensor:
    """π for numbers below 0, else 0; NaN stays. Integers as float32."""
    x = as_tensor(input)
    x = x if x.is_floating_point() else ops.cast(x, dtype="float32")
    turned = ops.where(ops.lt(ops.detach(x), 0), math.pi, 0.0)
    return ops.where(ops.isnan(x), x, ops.cast(turned, dtype=x._dtype))  # type: ignore[no-any-return]


@method()
def ldexp(input: Any, other: Any) -> Tensor:
    """input · 2^other."""
    return ops.mul(input, ops.pow(2.0, other))  # type: ignore[no-any-return]


def _power_of_2(exponent: Any) -> Any:
    # A tensor of no dimension would make int64 of smaller integers that it meets.
    return 2**exponent if isinstance(exponent, int) and 0 <= exponent < 63 else ops.pow(2, exponent)


def _integers(name: str, **operands: Any) -> None:
    for argument, x in operands.items():
        kind = as_tensor(x)._dtype
        if kind == "bool" or "float" in kind:
            raise _core.DTypeError(f"{name}: {argument}: expected an integer dtype, got {kind}")


@method("bitwise_left_shift", "__lshift__")
def bitwise_left_shift(input: Any, other: Any) -> Tensor:
    """The bits moved up by `other` places: input · 2^other."""
    _integers("bitwise_left_shift", input=input, other=other)
    return ops.mul(input, _power_of_2(other))  # type: ignore[no-any-return]


@method("bitwise_right_shift", "__rshift__")
def bitwise_right_shift(input: Any, other: Any) -> Tensor:
    """The bits moved down by `other` places, keeping the sign: ⌊input / 2^other⌋."""
    _integers("bitwise_right_shift", input=input, other=other)
    return ops.floor_divide(input, _power_of_2(other))  # type: ignore[no-any-return]


@method("__rlshift__")
def _rlshift(self: Any, other: Any) -> Any:
    return bitwise_left_shift(other, self)


@method("__rrshift__")
def _rrshift(self: Any, other: Any) -> Any:
    return bitwise_right_shift(other, self)


@method()
def gcd(input: Any, other: Any) -> Tensor:
    """The greatest common divisor, by Euclid; of 0 and 0 it is 0."""
    _integers("gcd", input=input, other=other)
    a, b = (ops.abs(as_tensor(x)) for x in (input, other))
    shape = np.broadcast_shapes(a.shape, b.shape)
    a, b = ops.expand(a, shape=shape), ops.expand(b, shape=shape)
    while bool(ops.any(b, dim=(), keepdim=False)):
        done = ops.eq(b, 0)
        a, b = ops.where(done, a, b), ops.where(done, 0, ops.remainder(a, ops.where(done, 1, b)))
    return ops.clone(a)  # type: ignore[no-any-return]


@method()
def lcm(input: Any, other: Any) -> Tensor:
    """The least common multiple; 0 where either is 0."""
    common = gcd(input, other)
    share = ops.floor_divide(input, ops.where(ops.eq(common, 0), 1, common))
    return ops.abs(ops.mul(share, other))  # type: ignore[no-any-return]


for _name, _function in (
    ("bitwise_left_shift_", bitwise_left_shift), ("bitwise_right_shift_", bitwise_right_shift), ("gcd_", gcd),
    ("lcm_", lcm), ("ldexp_", ldexp),
):  # fmt: skip
    in_place_of(_name, _function)
in_place_of("__ilshift__", bitwise_left_shift)
in_place_of("__irshift__", bitwise_right_shift)


@method()
def renorm(input: Any, p: float, dim: int, maxnorm: float) -> Tensor:
    """Each slice of dimension `dim` whose p-norm is above `maxnorm` scaled down to it."""
    x = as_tensor(input)
    d = normalize_dim("renorm", dim, x.ndim)
    if p <= 0 or maxnorm < 0:
        raise RuntimeError(f"renorm: p, maxnorm: expected p above 0 and maxnorm of at least 0, got {p} and {maxnorm}")
    others = tuple(k for k in range(x.ndim) if k != d)
    size = ops.vector_norm(x, ord=float(p), dim=others, keepdim=True)
    factor = ops.where(ops.gt(size, maxnorm), ops.div(float(maxnorm), ops.add(size, 1e-7)), 1.0)
    return ops.mul(x, factor)  # type: ignore[no-any-return]


in_place_of("renorm_", renorm)


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Tensor:
    """Powers x^(N − 1), …, x, 1 of a vector's elements as columns; in rising order with `increasing`."""
    v = as_tensor(x)
    if v.ndim != 1:
        raise _core.ShapeError(f"vander: x: expected a vector, got shape {v.shape}")
    n = v.shape[0] if N is None else N
    if n < 0:
        raise RuntimeError(f"vander: N: expected a number of at least 0, got {n}")
    powers = [k if increasing else n - 1 - k for k in range(n)]
    if not n:
        return _core.backend.empty((v.shape[0], 0), v._dtype)  # type: ignore[no-any-return]
    return ops.stack(*[ops.pow(v, k) for k in powers], dim=1)  # type: ignore[no-any-return]


def unravel_index(indices: Any, shape: Any) -> tuple[Tensor, ...]:
    """Places in the flattened tensor as indices of each dimension of `shape`."""
    shape = (shape,) if hasattr(shape, "__index__") else tuple(shape)
    flat = as_tensor(indices)
    _integers("unravel_index", indices=flat)
    size = int(np.prod(shape, dtype=np.int64))
    if flat.numel() and not (
        int(ops.amin(flat, dim=(), keepdim=False)) >= 0 and int(ops.amax(flat, dim=(), keepdim=False)) < size
    ):
        raise ValueError(f"unravel_index: indices: expected numbers from 0 to {size - 1}, got others")
    parts = []
    for n in reversed(shape):
        parts.append(ops.remainder(flat, n))
        flat = ops.floor_divide(flat, n)
    return tuple(reversed(parts))
