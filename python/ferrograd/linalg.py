"""The part of `torch.linalg` that is made of products and norms: no decompositions, no inverses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import ops
from .functions.diagonals import diagonal as _diagonal
from .functions.linalg import matmul
from .functions.norms import linalg_norm as norm
from .functions.norms import matrix_norm, vector_norm
from .functions.products import cross as _cross
from .functions.products import matrix_power, multi_dot

if TYPE_CHECKING:
    from ._tensor import Tensor

__all__ = [
    "cross", "diagonal", "matmul", "matrix_norm", "matrix_power", "multi_dot", "norm", "vecdot", "vector_norm",
]  # fmt: skip


def cross(input: Any, other: Any, *, dim: int = -1) -> Tensor:
    """The vector product of vectors of 3 along `dim`."""
    return _cross(input, other, dim)


def diagonal(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """A diagonal of the matrices that lie in two dimensions, the last ones by default."""
    return _diagonal(A, offset, dim1, dim2)


def vecdot(x: Any, y: Any, *, dim: int = -1) -> Tensor:
    """Σ x_i · y_i along `dim`, broadcast."""
    return ops.sum(ops.mul(x, y), dim=(dim,), keepdim=False)  # type: ignore[no-any-return]
