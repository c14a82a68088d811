"""Distances and similarities of vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ... import ops
from ...functions import pdist
from ...functions.shape import normalize_dim
from ._norm import vector_norm

if TYPE_CHECKING:
    from ..._tensor import Tensor

__all__ = ["cosine_similarity", "pairwise_distance", "pdist"]


def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Σ x1 · x2 / (max(‖x1‖₂, eps) · max(‖x2‖₂, eps)) along `dim` of the two, broadcast together."""
    dim = normalize_dim("cosine_similarity", dim, max(len(x1.shape), len(x2.shape)))
    ndim = max(len(x1.shape), len(x2.shape))
    units = []
    for x in (x1, x2):
        x = ops.reshape(x, shape=(1,) * (ndim - len(x.shape)) + tuple(x.shape))
        units.append(ops.div(x, ops.clip(vector_norm(x, 2, (dim,), True), float(eps), None)))
    return ops.sum(ops.mul(*units), dim=(dim,), keepdim=False)  # type: ignore[no-any-return]


def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """‖x1 - x2 + eps‖ₚ over the last dimension of the two, broadcast together."""
    return vector_norm(ops.add(ops.sub(x1, x2), float(eps)), p, (-1,), keepdim)  # type: ignore[no-any-return]
