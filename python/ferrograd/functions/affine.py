"""beta · input + alpha · a product: `addmm` and its kin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core, ops
from .._operands import takes_arrays
from ._method import in_place_of, method
from .linalg import _need, bmm, mm, mv, outer

if TYPE_CHECKING:
    from .._tensor import Tensor


def _combined(name: str, input: Any, product: Any, beta: float, alpha: float, out: Any) -> Any:
    """beta · input + alpha · product; with beta = 0 the input is not looked at, whatever it holds."""
    shape, target = tuple(input.shape), tuple(product.shape)
    padded = (1,) * (len(target) - len(shape)) + shape
    if len(shape) > len(target) or any(a not in (1, b) for a, b in zip(padded, target, strict=True)):
        raise _core.ShapeError(f"{name}: input: expected a shape that broadcasts to {target}, got {shape}")
    if alpha != 1:
        product = ops.mul(product, alpha)
    if beta != 0:
        product = ops.add(product, input if beta == 1 else ops.mul(input, beta))
    return product if out is None else _core.backend.copy_(out, product)


@method()
@takes_arrays
def addmm(input: Any, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1, out: Any = None) -> Tensor:
    """beta · input + alpha · mat1 · mat2 of matrices."""
    return _combined("addmm", input, mm(mat1, mat2), beta, alpha, out)  # type: ignore[no-any-return]


@method()
@takes_arrays
def addmv(input: Any, mat: Any, vec: Any, *, beta: float = 1, alpha: float = 1, out: Any = None) -> Tensor:
    """beta · input + alpha · mat · vec of a matrix and a vector."""
    return _combined("addmv", input, mv(mat, vec), beta, alpha, out)  # type: ignore[no-any-return]


@method()
@takes_arrays
def addr(input: Any, vec1: Any, vec2: Any, *, beta: float = 1, alpha: float = 1, out: Any = None) -> Tensor:
    """beta · input + alpha · the matrix vec1_i · vec2_j."""
    return _combined("addr", input, outer(vec1, vec2), beta, alpha, out)  # type: ignore[no-any-return]


@method()
@takes_arrays
def baddbmm(input: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1, out: Any = None) -> Tensor:
    """beta · input + alpha · batch1 · batch2 of batches (b, n, m) and (b, m, p)."""
    return _combined("baddbmm", input, bmm(batch1, batch2), beta, alpha, out)  # type: ignore[no-any-return]


@method()
@takes_arrays
def addbmm(input: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1, out: Any = None) -> Tensor:
    """beta · input + alpha · Σ_b batch1_b · batch2_b of batches (b, n, m) and (b, m, p)."""
    product = ops.sum(bmm(batch1, batch2), dim=(0,), keepdim=False)
    return _combined("addbmm", input, product, beta, alpha, out)  # type: ignore[no-any-return]


@method()
def vdot(input: Any, other: Any) -> Tensor:
    """Σ input_i · other_i of two vectors."""
    _need("vdot", input, 1, "input")
    _need("vdot", other, 1, "other")
    return ops.matmul(input, other)  # type: ignore[no-any-return]


for _name, _function in (
    ("addmm_", addmm), ("addmv_", addmv), ("addr_", addr), ("baddbmm_", baddbmm), ("addbmm_", addbmm),
):  # fmt: skip
    in_place_of(_name, _function)

__all__ = ["addbmm", "addmm", "addmv", "addr", "baddbmm", "vdot"]
