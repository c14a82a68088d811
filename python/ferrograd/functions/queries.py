"""Questions about tensors: answers without gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core, ops
from .._operands import takes_arrays
from ..autograd import no_grad
from ..creation import as_tensor
from ..dtypes import BY_NAME
from ._method import method

if TYPE_CHECKING:
    from .._tensor import Tensor

__all__ = [
    "allclose", "conj", "conj_physical", "equal", "is_complex", "is_conj", "is_floating_point", "is_inference", "is_neg",
    "is_nonzero", "is_same_size", "is_signed", "is_tensor", "isclose", "numel", "real", "resolve_conj", "resolve_neg",
    "typename",
]  # fmt: skip


@method()
def isclose(input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """|input − other| ≤ atol + rtol · |other|; equal infinities are close, NaN to NaN only with `equal_nan`."""
    a, b = as_tensor(input), as_tensor(other)
    if a._dtype != b._dtype:
        raise _core.DTypeError(f"isclose: other: expected the dtype of input, {a._dtype}, got {b._dtype}")
    if rtol < 0 or atol < 0:
        raise RuntimeError(f"isclose: rtol, atol: expected numbers of at least 0, got {rtol} and {atol}")
    with no_grad():
        a, b = (ops.cast(x, dtype="int64" if rtol == 0 else "float64") if x._dtype == "bool" else x for x in (a, b))
        near = ops.le(ops.abs(ops.sub(a, b)), ops.add(ops.mul(ops.abs(b), rtol), atol))
        if a.is_floating_point():
            near = ops.logical_and(near, ops.isfinite(ops.sub(a, b)))
        near = ops.logical_or(near, ops.eq(a, b))
        if equal_nan and a.is_floating_point():
            near = ops.logical_or(near, ops.logical_and(ops.isnan(a), ops.isnan(b)))
        return near  # type: ignore[no-any-return]


@method()
def allclose(input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether `isclose` holds everywhere."""
    return bool(ops.all(isclose(input, other, rtol, atol, equal_nan), dim=(), keepdim=False))


@method()
@takes_arrays
def equal(input: Any, other: Any) -> bool:
    """Whether both have one shape and the same elements; NaN equals nothing."""
    if tuple(input.shape) != tuple(other.shape):
        return False
    return bool(ops.all(ops.eq(input, other), dim=(), keepdim=False))


def is_tensor(obj: Any) -> bool:
    """Whether it is a Tensor."""
    return isinstance(obj, _core.TensorBase)


def numel(input: Any) -> int:
    """The number of elements."""
    return as_tensor(input).numel()


def is_floating_point(input: Any) -> bool:
    """Whether the dtype is a floating-point one."""
    return BY_NAME[as_tensor(input)._dtype].is_floating_point


@method()
def is_complex(input: Any) -> bool:
    """Whether the dtype is a complex one: there is none."""
    return False


@method("conj", "conj_physical", "resolve_conj", "resolve_neg")
def conj(input: Any) -> Tensor:
    """The tensor itself: all numbers are real."""
    return input  # type: ignore[no-any-return]


conj_physical = resolve_conj = resolve_neg = real = conj


@method()
def is_conj(input: Any) -> bool:
    """Whether it stands for its conjugate: never."""
    return False


@method()
def is_neg(input: Any) -> bool:
    """Whether it stands for its negative: never."""
    return False


@method()
def is_signed(input: Any) -> bool:
    """Whether the dtype has negative numbers."""
    return BY_NAME[as_tensor(input)._dtype].is_signed


@method()
def is_nonzero(input: Any) -> bool:
    """Whether the single element is not 0."""
    x = as_tensor(input)
    if x.numel() != 1:
        raise RuntimeError(f"is_nonzero: input: expected one element, got shape {x.shape}")
    return bool(x)


@method()
@takes_arrays
def is_same_size(input: Any, other: Any) -> bool:
    """Whether both have one shape."""
    return tuple(input.shape) == tuple(other.shape)


def is_inference(input: Any) -> bool:
    """Whether it was made under `inference_mode`."""
    return as_tensor(input).is_inference()


def typename(obj: Any) -> str:
    """The name of a Tensor's type, as `type()` gives it, or of an object's class."""
    if isinstance(obj, _core.TensorBase):
        return str(obj.type())  # type: ignore[attr-defined]
    return f"{type(obj).__module__}.{type(obj).__qualname__}".removeprefix("builtins.")
