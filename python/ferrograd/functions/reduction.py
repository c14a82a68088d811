"""Reductions, softmax and log-softmax."""

from __future__ import annotations

import builtins as _builtins
from typing import TYPE_CHECKING, Any

from .. import _core, ops
from ..dtypes import dtype_name
from ._method import method
from ._results import ValuesIndices

if TYPE_CHECKING:
    from .._tensor import Tensor


def _dims(name: str, dim: Any, axis: Any) -> tuple[int, ...]:
    """`dim`, or NumPy's `axis`, as a tuple; an empty one means all dimensions."""
    if dim is not None and axis is not None:
        raise TypeError(f"{name}: dim: expected dim or axis (NumPy's name for it), got both")
    dim = axis if dim is None else dim
    if dim is None:
        return ()
    if hasattr(dim, "__index__"):
        return (dim.__index__(),)
    try:
        return tuple(d.__index__() for d in dim)
    except (TypeError, AttributeError):
        raise TypeError(f"{name}: dim: expected an integer, a tuple of integers or None, got {dim!r}") from None


def _one(name: str, dim: Any, axis: Any) -> int:
    dims = _dims(name, dim, axis)
    if len(dims) != 1:
        raise TypeError(f"{name}: dim: expected one dimension, got {dims or None}")
    return dims[0]


def _cast(x: Any, dtype: Any) -> Any:
    return x if dtype is None else ops.cast(x, dtype=dtype_name(dtype))


def accumulated(op: Any, x: Any, dtype: Any, dims: tuple[int, ...], keepdim: bool) -> Any:
    """A sum or product in `dtype`, where one is given: the op itself makes int64 of every integer dtype."""
    result = op(_cast(x, dtype), dim=dims, keepdim=keepdim)
    return result if dtype is None or result._dtype == dtype_name(dtype) else _cast(result, dtype)


def _no_out(name: str, out: Any) -> None:
    if out is not None:
        raise TypeError(f"{name}: out: expected None, got {type(out).__name__}; assign the result instead")


@method()
def sum(
    input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, axis: Any = None, keepdims: bool = False,
    out: Any = None,
) -> Tensor:  # fmt: skip
    """The sum over `dim` (None: over all dimensions); integers and booleans are summed as int64, unless `dtype` is given."""
    _no_out("sum", out)
    return accumulated(ops.sum, input, dtype, _dims("sum", dim, axis), keepdim or keepdims)  # type: ignore[no-any-return]


@method()
def mean(
    input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, axis: Any = None, keepdims: bool = False,
    out: Any = None,
) -> Tensor:  # fmt: skip
    """The mean over `dim` (None: over all dimensions)."""
    _no_out("mean", out)
    return ops.mean(_cast(input, dtype), dim=_dims("mean", dim, axis), keepdim=keepdim or keepdims)  # type: ignore[no-any-return]


@method()
def prod(
    input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, axis: Any = None, keepdims: bool = False,
    out: Any = None,
) -> Tensor:  # fmt: skip
    """The product over `dim` (None: over all dimensions); of integers and booleans as int64, unless `dtype` is given."""
    _no_out("prod", out)
    return accumulated(ops.prod, input, dtype, _dims("prod", dim, axis), keepdim or keepdims)  # type: ignore[no-any-return]


def _correction(unbiased: bool | None, correction: float | None, ddof: float | None) -> float:
    if ddof is not None:
        return float(ddof)
    if correction is not None:
        return float(correction)
    return 0.0 if unbiased is False else 1.0


@method()
def var(
    input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None, axis: Any = None, keepdims: bool = False, ddof: float | None = None,
) -> Tensor:  # fmt: skip
    """Σ (x − mean)² / max(0, n − correction) over `dim`; the correction is 1 by default, and NumPy's `ddof`."""
    if isinstance(dim, _builtins.bool):
        dim, unbiased = None, dim
    dims = _dims("var", dim, axis)
    correction = _correction(unbiased, correction, ddof)
    return ops.var(input, dim=dims, correction=correction, keepdim=keepdim or keepdims)  # type: ignore[no-any-return]


@method()
def std(
    input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None, axis: Any = None, keepdims: bool = False, ddof: float | None = None,
) -> Tensor:  # fmt: skip
    """The square root of `var`."""
    if isinstance(dim, _builtins.bool):
        dim, unbiased = None, dim
    dims = _dims("std", dim, axis)
    correction = _correction(unbiased, correction, ddof)
    return ops.std(input, dim=dims, correction=correction, keepdim=keepdim or keepdims)  # type: ignore[no-any-return]


@method()
def amax(input: Any, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The largest element over `dim` (None: over all dimensions); the gradient is shared among ties."""
    return ops.amax(input, dim=_dims("amax", dim, axis), keepdim=keepdim or keepdims)  # type: ignore[no-any-return]


@method()
def amin(input: Any, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The smallest element over `dim` (None: over all dimensions); the gradient is shared among ties."""
    return ops.amin(input, dim=_dims("amin", dim, axis), keepdim=keepdim or keepdims)  # type: ignore[no-any-return]


def _extreme(name: str, full: Any, along: Any, binary: Any, input: Any, dim: Any, keepdim: bool, axis: Any) -> Any:
    if isinstance(dim, _core.TensorBase) or (hasattr(dim, "__array__") and getattr(dim, "ndim", 0) > 0):
        return binary(input, dim)
    dims = _dims(name, dim, axis)
    if not dims:
        return full(input, dim=(), keepdim=keepdim)
    return ValuesIndices(*along(input, dim=_one(name, dims, None), keepdim=keepdim))


@method()
def max(
    input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None, axis: Any = None, keepdims: bool = False,
    out: Any = None,
) -> Any:  # fmt: skip
    """The largest element; along a dimension, `(values, indices)`; with another tensor, `maximum`."""
    _no_out("max", out)
    dim = dim if other is None else other
    return _extreme("max", ops.amax, ops.max_dim, ops.maximum, input, dim, keepdim or keepdims, axis)


@method()
def min(
    input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None, axis: Any = None, keepdims: bool = False,
    out: Any = None,
) -> Any:  # fmt: skip
    """The smallest element; along a dimension, `(values, indices)`; with another tensor, `minimum`."""
    _no_out("min", out)
    dim = dim if other is None else other
    return _extreme("min", ops.amin, ops.min_dim, ops.minimum, input, dim, keepdim or keepdims, axis)


@method()
def argmax(
    input: Any, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: bool = False, out: Any = None
) -> Tensor:
    """The first index of the largest element along `dim` (None: in the flattened tensor)."""
    _no_out("argmax", out)
    dim = None if dim is None and axis is None else _one("argmax", dim, axis)
    return ops.argmax(input, dim=dim, keepdim=keepdim or keepdims)  # type: ignore[no-any-return]


@method()
def argmin(
    input: Any, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: bool = False, out: Any = None
) -> Tensor:
    """The first index of the smallest element along `dim` (None: in the flattened tensor)."""
    _no_out("argmin", out)
    dim = None if dim is None and axis is None else _one("argmin", dim, axis)
    return ops.argmin(input, dim=dim, keepdim=keepdim or keepdims)  # type: ignore[no-any-return]


@method()
def any(
    input: Any, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: bool = False, out: Any = None
) -> Tensor:
    """Whether an element over `dim` (None: over all dimensions) is not 0."""
    _no_out("any", out)
    return ops.any(input, dim=_dims("any", dim, axis), keepdim=keepdim or keepdims)  # type: ignore[no-any-return]


@method()
def all(
    input: Any, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: bool = False, out: Any = None
) -> Tensor:
    """Whether no element over `dim` (None: over all dimensions) is 0."""
    _no_out("all", out)
    return ops.all(input, dim=_dims("all", dim, axis), keepdim=keepdim or keepdims)  # type: ignore[no-any-return]


def _is_float(x: Any) -> bool:
    if isinstance(x, _core.TensorBase):
        return "float" in x._dtype
    return getattr(getattr(x, "dtype", None), "kind", "f") == "f" and not isinstance(x, (_builtins.int, _builtins.bool))


@method()
def logsumexp(
    input: Any, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: bool = False
) -> Tensor:
    """log Σ exp(x) over `dim`, without overflow; integers as float32."""
    input = input if _is_float(input) else ops.cast(input, dtype="float32")
    return ops.logsumexp(input, dim=_dims("logsumexp", dim, axis), keepdim=keepdim or keepdims)  # type: ignore[no-any-return]


@method()
def softmax(input: Any, dim: Any = None, dtype: Any = None, *, axis: Any = None) -> Tensor:
    """exp(x_i) / Σ_j exp(x_j) along `dim`."""
    return ops.softmax(_cast(input, dtype), dim=_one("softmax", dim, axis))  # type: ignore[no-any-return]


@method()
def log_softmax(input: Any, dim: Any = None, dtype: Any = None, *, axis: Any = None) -> Tensor:
    """x_i − log Σ_j exp(x_j) along `dim`."""
    return ops.log_softmax(_cast(input, dtype), dim=_one("log_softmax", dim, axis))  # type: ignore[no-any-return]
