"""Weights seen as matrices: what weight and spectral normalisation share."""

from __future__ import annotations

import math
from typing import Any

from ... import _core, ops
from ...autograd import no_grad
from .. import functional as F


def norm_except(v: Any, dim: int | None) -> Any:
    """The 2-norms of the slices of v at each index of `dim`, in a shape that broadcasts; None or -1: of all of v."""
    ndim = len(v.shape)
    if dim is None or dim == -1:
        return ops.vector_norm(v, ord=2.0, dim=tuple(range(ndim)), keepdim=False)
    if not -ndim <= dim < ndim:
        raise IndexError(f"weight_norm: dim: expected a dimension from {-ndim} to {ndim - 1}, got {dim}")
    others = tuple(k for k in range(ndim) if k != dim % ndim)
    return ops.vector_norm(v, ord=2.0, dim=others, keepdim=True)


def weight_normed(g: Any, v: Any, dim: int | None) -> Any:
    """g · v / ‖v‖."""
    return ops.mul(v, ops.div(g, norm_except(v, dim)))


def as_matrix(weight: Any, dim: int) -> Any:
    """The weight with `dim` as rows and all else as columns."""
    order = (dim, *(k for k in range(len(weight.shape)) if k != dim))
    rows = ops.permute(weight, dims=order) if dim else weight
    return ops.reshape(rows, shape=(weight.shape[dim], math.prod(rows.shape[1:])))


def iterate(matrix: Any, u: Any, v: Any, times: int, eps: float, u_first: bool) -> None:
    """Steps of the power method, in place: u ← W v / ‖W v‖ and v ← Wᵀ u / ‖Wᵀ u‖, the one or the other first."""
    with no_grad():
        w = ops.detach(matrix)
        for k in range(2 * times):
            if (k % 2 == 0) == u_first:
                _core.backend.copy_(u, F.normalize(ops.matmul(w, v), dim=0, eps=eps))
            else:
                _core.backend.copy_(v, F.normalize(ops.matmul(u, w), dim=0, eps=eps))


def over_sigma(weight: Any, matrix: Any, u: Any, v: Any) -> Any:
    """W / (uᵀ W v). Copies of u and v, because the next forward changes them in place."""
    u, v = ops.clone(u), ops.clone(v)
    return ops.div(weight, ops.matmul(u, ops.matmul(matrix, v)))


def check_iterations(n_power_iterations: int) -> None:
    """At least one step."""
    if n_power_iterations < 1:
        raise ValueError(
            f"spectral_norm: n_power_iterations: expected a number of at least 1, got {n_power_iterations}"
        )
