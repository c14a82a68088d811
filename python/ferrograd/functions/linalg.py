"""Matrix products."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core, ops
from ._method import method

if TYPE_CHECKING:
    from .._tensor import Tensor


# The op itself: a product of small matrices takes hardly longer than a call.
matmul = method("matmul", "__matmul__")(ops.matmul)


@method("__rmatmul__")
def _rmatmul(self: Any, other: Any) -> Any:
    return ops.matmul(other, self)


def _need(name: str, x: Any, ndim: int, argument: str) -> None:
    if not hasattr(x, "shape"):
        raise TypeError(f"{name}: {argument}: expected a tensor, got {type(x).__name__}")
    if len(x.shape) != ndim:
        raise _core.ShapeError(f"{name}: {argument}: expected {ndim} dimensions, got shape {tuple(x.shape)}")


@method()
def mm(input: Any, mat2: Any) -> Tensor:
    """The product of two matrices."""
    _need("mm", input, 2, "input")
    _need("mm", mat2, 2, "mat2")
    return ops.matmul(input, mat2)  # type: ignore[no-any-return]


@method()
def bmm(input: Any, mat2: Any) -> Tensor:
    """The products of two batches of matrices, (b, m, k) · (b, k, n)."""
    _need("bmm", input, 3, "input")
    _need("bmm", mat2, 3, "mat2")
    if input.shape[0] != mat2.shape[0]:
        raise _core.ShapeError(f"bmm: mat2: expected a batch of {input.shape[0]}, got {mat2.shape[0]}")
    return ops.matmul(input, mat2)  # type: ignore[no-any-return]


@method()
def mv(input: Any, vec: Any) -> Tensor:
    """A matrix times a vector."""
    _need("mv", input, 2, "input")
    _need("mv", vec, 1, "vec")
    return ops.matmul(input, vec)  # type: ignore[no-any-return]


@method()
def dot(input: Any, tensor: Any) -> Tensor:
    """Σ input_i · tensor_i of two vectors."""
    _need("dot", input, 1, "input")
    _need("dot", tensor, 1, "tensor")
    return ops.matmul(input, tensor)  # type: ignore[no-any-return]


@method()
def outer(input: Any, vec2: Any) -> Tensor:
    """The matrix input_i · vec2_j of two vectors."""
    _need("outer", input, 1, "input")
    _need("outer", vec2, 1, "vec2")
    column, row = ops.getitem(input, index=(slice(None), None)), ops.getitem(vec2, index=(None,))
    product = ops.matmul if column._dtype == row._dtype else ops.mul
    return product(column, row)  # type: ignore[no-any-return]


__all__ = ["bmm", "dot", "matmul", "mm", "mv", "outer"]
