"""Running sums, products and extremes along a dimension, and differences of neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core, ops
from .._operands import takes_arrays
from ._method import in_place, method
from ._results import ValuesIndices
from .reduction import _cast, _is_float, _one
from .shape import normalize_dim

if TYPE_CHECKING:
    from .._tensor import Tensor


def _along(name: str, input: Any, dim: Any, axis: Any) -> int:
    return normalize_dim(name, _one(name, dim, axis), len(input.shape))


def _written(result: Any, out: Any) -> Any:
    return result if out is None else _core.backend.copy_(out, result)


@method()
def cumsum(input: Any, dim: Any = None, *, dtype: Any = None, axis: Any = None, out: Any = None) -> Tensor:
    """y_i = Σ_{j ≤ i} x_j along `dim`; integers and booleans are summed as int64."""
    y = ops.cumsum(_cast(input, dtype), dim=_along("cumsum", input, dim, axis), reverse=False)
    return _written(_cast(y, dtype), out)  # type: ignore[no-any-return]


@method()
def cumprod(input: Any, dim: Any = None, *, dtype: Any = None, axis: Any = None, out: Any = None) -> Tensor:
    """y_i = Π_{j ≤ i} x_j along `dim`; integers and booleans are multiplied as int64."""
    y = ops.cumprod(_cast(input, dtype), dim=_along("cumprod", input, dim, axis), reverse=False)
    return _written(_cast(y, dtype), out)  # type: ignore[no-any-return]


@method()
def logcumsumexp(input: Any, dim: Any = None, *, axis: Any = None, out: Any = None) -> Tensor:
    """y_i = log Σ_{j ≤ i} exp(x_j) along `dim`, without overflow; integers as float32."""
    input = input if _is_float(input) else ops.cast(input, dtype="float32")
    return _written(ops.logcumsumexp(input, dim=_along("logcumsumexp", input, dim, axis)), out)  # type: ignore[no-any-return]


@method()
def cummax(input: Any, dim: Any = None, *, axis: Any = None) -> ValuesIndices:
    """The largest element so far along `dim`, and its index: the last of equal ones. NaN wins."""
    return ValuesIndices(*ops.cummax(input, dim=_along("cummax", input, dim, axis)))


@method()
def cummin(input: Any, dim: Any = None, *, axis: Any = None) -> ValuesIndices:
    """The smallest element so far along `dim`, and its index: the last of equal ones. NaN wins."""
    return ValuesIndices(*ops.cummin(input, dim=_along("cummin", input, dim, axis)))


in_place("cumsum_", cumsum)
in_place("cumprod_", cumprod)


@method()
@takes_arrays
def diff(
    input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None, *, axis: int | None = None
) -> Tensor:
    """x_{i+1} − x_i along `dim`, `n` times, with `prepend` before and `append` behind; of booleans, where they differ."""
    if n < 0:
        raise _core.ShapeError(f"diff: n: expected a number from 0, got {n}")
    if not input.shape:
        raise _core.ShapeError("diff: input: expected at least one dimension, got shape ()")
    d = normalize_dim("diff", dim if axis is None else axis, len(input.shape))
    parts = [x for x in (prepend, input, append) if x is not None]
    x = ops.concatenate(*parts, dim=d) if len(parts) > 1 else input
    for _ in range(n):
        after, before = (ops.getitem(x, index=(slice(None),) * d + (s,)) for s in (slice(1, None), slice(0, -1)))
        x = ops.logical_xor(after, before) if after._dtype == "bool" else ops.sub(after, before)
    return x  # type: ignore[no-any-return]


__all__ = ["cummax", "cummin", "cumprod", "cumsum", "diff", "logcumsumexp"]
