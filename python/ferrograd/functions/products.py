"""Products of matrices and vectors beyond `matmul`, and distances between vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core, ops
from .._operands import takes_arrays
from ..creation import as_tensor
from ._method import method
from .einsum import einsum
from .linalg import _need, outer
from .shape import normalize_dim

if TYPE_CHECKING:
    from .._tensor import Tensor

__all__ = [
    "cdist", "chain_matmul", "cosine_similarity", "cross", "ger", "inner", "kron", "matrix_power", "pairwise_distance",
    "pdist",
]  # fmt: skip

ger = method("ger")(outer)


@method()
def inner(input: Any, other: Any) -> Tensor:
    """Sums of products over the last dimensions: (*, k) and (+, k) give (*, +); with a 0-d tensor, the product."""
    a, b = as_tensor(input), as_tensor(other)
    if not a.ndim or not b.ndim:
        return ops.mul(a, b)  # type: ignore[no-any-return]
    if a.shape[-1] != b.shape[-1]:
        raise _core.ShapeError(f"inner: other: expected the last size of input, {a.shape[-1]}, got {b.shape[-1]}")
    rest = list(range(a.ndim - 1)), list(range(a.ndim, a.ndim + b.ndim - 1))
    return einsum(a, [*rest[0], a.ndim - 1], b, [*rest[1], a.ndim - 1], [*rest[0], *rest[1]])


def multi_dot(tensors: Any) -> Tensor:
    """The product of several matrices, in the order that takes the fewest multiplications; ends may be vectors.

    Source: the matrix chain problem, Cormen et al., Introduction to Algorithms, 15.2.
    """
    given = [as_tensor(x) for x in tensors]
    if len(given) < 2:
        raise RuntimeError(f"multi_dot: tensors: expected at least 2, got {len(given)}")
    row, column = given[0].ndim == 1, given[-1].ndim == 1
    if row:
        given[0] = ops.reshape(given[0], shape=(1, -1))
    if column:
        given[-1] = ops.reshape(given[-1], shape=(-1, 1))
    for k, x in enumerate(given):
        _need("multi_dot", x, 2, f"tensors[{k}]")
        if k and x.shape[0] != given[k - 1].shape[1]:
            raise _core.ShapeError(
                f"multi_dot: tensors[{k}]: expected {given[k - 1].shape[1]} rows, as the columns before it, got {x.shape[0]}"
            )
    result = _chain(given, 0, len(given) - 1, _splits([given[0].shape[0], *(x.shape[1] for x in given)]))
    kept = (() if row else result.shape[:1]) + (() if column else result.shape[1:])
    return result if len(kept) == 2 else ops.reshape(result, shape=kept)  # type: ignore[no-any-return]


def _splits(sizes: list[int]) -> dict[tuple[int, int], int]:
    """After which matrix to cut each run of them."""
    n = len(sizes) - 1
    cost, cut = {(i, i): 0 for i in range(n)}, {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i, j], cut[i, j] = min(
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            )
    return cut


def _chain(tensors: list[Any], i: int, j: int, cut: dict[tuple[int, int], int]) -> Any:
    if i == j:
        return tensors[i]
    k = cut[i, j]
    return ops.matmul(_chain(tensors, i, k, cut), _chain(tensors, k + 1, j, cut))


def chain_matmul(*matrices: Any) -> Tensor:
    """The product of several matrices, in the order that takes the fewest multiplications."""
    given = matrices[0] if len(matrices) == 1 and isinstance(matrices[0], (list, tuple)) else matrices
    return as_tensor(given[0]) if len(given) == 1 else multi_dot(given)


@takes_arrays
@method()
def matrix_power(input: Any, n: int) -> Tensor:
    """(*, m, m) multiplied n times, by squaring; n = 0 gives the identity. There are no inverses: n ≥ 0."""
    shape = tuple(input.shape)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise _core.ShapeError(f"matrix_power: input: expected square matrices, got shape {shape}")
    if n < 0:
        raise RuntimeError(
            f"matrix_power: n: expected a number of at least 0, got {n}; there is no matrix inverse here"
        )
    if n == 0:
        one = _core.from_numpy(np.eye(shape[-1]).astype(np.asarray(input).dtype))
        return ops.contiguous(ops.expand(one, shape=shape))  # type: ignore[no-any-return]
    square: Any = as_tensor(input)
    result: Any = None
    while n:
        if n % 2:
            result = square if result is None else ops.matmul(result, square)
        n //= 2
        square = ops.matmul(square, square) if n else None
    return ops.clone(result) if result is input else result  # type: ignore[no-any-return]


@method()
def kron(input: Any, other: Any) -> Tensor:
    """The Kronecker product: each element of `input` times all of `other`, in its place."""
    a, b = as_tensor(input), as_tensor(other)
    ndim = max(a.ndim, b.ndim)
    a_sizes = (1,) * (ndim - a.ndim) + a.shape
    b_sizes = (1,) * (ndim - b.ndim) + b.shape
    apart = ops.mul(
        ops.reshape(a, shape=tuple(n for d in a_sizes for n in (d, 1))),
        ops.reshape(b, shape=tuple(n for d in b_sizes for n in (1, d))),
    )
    return ops.reshape(apart, shape=tuple(n * m for n, m in zip(a_sizes, b_sizes, strict=True)))  # type: ignore[no-any-return]


@method()
def cross(input: Any, other: Any, dim: int | None = None, *, axis: int | None = None) -> Tensor:
    """The vector product of vectors of 3 along `dim`; default: the first dimension of size 3."""
    a, b = as_tensor(input), as_tensor(other)
    dim = axis if dim is None else dim
    if a.ndim != b.ndim:
        raise _core.ShapeError(f"cross: other: expected {a.ndim} dimensions as input has, got shape {b.shape}")
    if dim is None:
        if 3 not in a.shape:
            raise RuntimeError(f"cross: input: expected a dimension of size 3, got shape {a.shape}")
        dim = a.shape.index(3)
    d = normalize_dim("cross", dim, a.ndim)
    if a.shape[d] != 3 or b.shape[d] != 3:
        raise RuntimeError(f"cross: dim: expected dimensions of size 3, got {a.shape[d]} and {b.shape[d]}")
    lead = (slice(None),) * d
    (a0, a1, a2), (b0, b1, b2) = ([ops.getitem(x, index=(*lead, k)) for k in range(3)] for x in (a, b))
    parts = [
        ops.sub(ops.mul(p, q), ops.mul(r, s)) for p, q, r, s in ((a1, b2, a2, b1), (a2, b0, a0, b2), (a0, b1, a1, b0))
    ]
    return ops.stack(*parts, dim=d)  # type: ignore[no-any-return]


# -- distances ---------------------------------------------------------------------------------------------------------


def _root(squares: Any) -> Any:
    """√x whose gradient is 0, not infinite, where x is 0."""
    zero = ops.eq(squares, 0)
    return ops.where(zero, 0.0, ops.sqrt(ops.where(zero, 1.0, squares)))


def _length(x: Any, p: float, dim: int, keepdim: bool = False) -> Any:
    """The p-norm along `dim`."""
    return ops.vector_norm(x, ord=float(p), dim=(dim,), keepdim=keepdim)


def _order(name: str, p: float) -> float:
    if not p >= 0:
        raise RuntimeError(f"{name}: p: expected a number of at least 0, got {p}")
    return float(p)


_MODES = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")


def cdist(x1: Any, x2: Any, p: float = 2.0, compute_mode: str = _MODES[0]) -> Tensor:
    """The p-norm of the difference of each row of (*, n, d) and each of (*, m, d): (*, n, m).

    `compute_mode` says whether Euclidean distances are made by a matrix product, which is fast and less accurate for
    rows that lie close together: by default where n or m is above 25, as in PyTorch.
    """
    a, b = as_tensor(x1), as_tensor(x2)
    for name, x in (("x1", a), ("x2", b)):
        if x.ndim < 2:
            raise _core.ShapeError(f"cdist: {name}: expected at least 2 dimensions, got shape {x.shape}")
    if a.shape[-1] != b.shape[-1]:
        raise _core.ShapeError(f"cdist: x2: expected rows of {a.shape[-1]}, as x1 has, got {b.shape[-1]}")
    if compute_mode not in _MODES:
        raise ValueError(f"cdist: compute_mode: expected one of {', '.join(_MODES)}, got {compute_mode!r}")
    p = _order("cdist", p)
    many = a.shape[-2] > 25 or b.shape[-2] > 25
    if p == 2 and (compute_mode == _MODES[1] or (compute_mode == _MODES[0] and many)):
        # |a − b|² = |a|² − 2 a·b + |b|²; rounding may take it below 0.
        of_a = ops.sum(ops.square(a), dim=(-1,), keepdim=True)
        of_b = ops.getitem(ops.sum(ops.square(b), dim=(-1,), keepdim=False), index=(..., None, slice(None)))
        columns = ops.permute(b, dims=(*range(b.ndim - 2), b.ndim - 1, b.ndim - 2))
        both = ops.mul(ops.matmul(a, columns), -2.0)
        return _root(ops.clip(ops.add(ops.add(both, of_a), of_b), 0.0, None))  # type: ignore[no-any-return]
    rows = ops.getitem(a, index=(..., slice(None), None, slice(None)))
    others = ops.getitem(b, index=(..., None, slice(None), slice(None)))
    return _length(ops.sub(rows, others), p, -1)  # type: ignore[no-any-return]


def pdist(input: Any, p: float = 2.0) -> Tensor:
    """The p-norm of the difference of each pair of the rows of (n, d), row 0 with 1, 2, … first: (n (n − 1) / 2,)."""
    x = as_tensor(input)
    _need("pdist", x, 2, "input")
    first, second = np.triu_indices(x.shape[0], 1)
    difference = ops.sub(ops.index_get(x, first, dims=(0,)), ops.index_get(x, second, dims=(0,)))
    return _length(difference, _order("pdist", p), -1)  # type: ignore[no-any-return]


def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 − x2 + eps along the last dimension: (*, d) gives (*)."""
    return _length(ops.add(ops.sub(x1, x2), float(eps)), float(p), -1, keepdim)  # type: ignore[no-any-return]


def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 · x2 / (max(|x1|, eps) · max(|x2|, eps)) along `dim`, broadcast."""
    a, b = as_tensor(x1), as_tensor(x2)
    shape = np.broadcast_shapes(a.shape, b.shape)
    a, b = (ops.expand(x, shape=shape) for x in (a, b))
    d = normalize_dim("cosine_similarity", dim, len(shape))
    if not shape:
        a, b = ops.reshape(a, shape=(1,)), ops.reshape(b, shape=(1,))
    a, b = (ops.div(x, ops.clip(_length(x, 2, d, True), float(eps), None)) for x in (a, b))
    return ops.sum(ops.mul(a, b), dim=(d,), keepdim=False)  # type: ignore[no-any-return]
