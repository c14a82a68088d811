"""Rows of a table, and indices as rows of ones and zeros."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _core, functions, ops
from ..._operands import takes_arrays
from ...autograd import no_grad
from ...functions.shape import from_front
from .._check import check_padding_idx

if TYPE_CHECKING:
    from ..._tensor import Tensor

__all__ = ["embedding", "one_hot"]


def one_hot(tensor: Any, num_classes: int = -1) -> Tensor:
    """int64 zeros with a 1 at each index: shape (*) gives (*, num_classes); default: the largest index and one more."""
    index = np.asarray(tensor)
    if index.dtype.kind not in "iu":
        raise _core.DTypeError(f"one_hot: tensor: expected integers, got {index.dtype}")
    if num_classes == -1:
        if index.size == 0:
            raise RuntimeError("one_hot: num_classes: expected a number for a tensor without elements, got -1")
        num_classes = int(index.max()) + 1
    if index.size and (index.min() < 0 or index.max() >= num_classes):
        raise RuntimeError(
            f"one_hot: tensor: expected indices from 0 to {num_classes - 1}, got {index.min()} to {index.max()}"
        )
    return functions.as_tensor((index[..., None] == np.arange(num_classes)).astype(np.int64))


@takes_arrays
def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """weight[input]: indices (*) and weight (V, D) give (*, D); arguments as of `nn.Embedding`."""
    if sparse:
        raise NotImplementedError("embedding: sparse: gradients are dense; pass sparse=False")
    padding_idx = check_padding_idx("embedding", padding_idx, weight.shape[0])
    if max_norm is not None:
        _renormalize(weight, input, float(max_norm), float(norm_type))
    y = ops.embedding(weight, from_front("embedding", input, "input"), padding_idx=padding_idx)
    if scale_grad_by_freq and y.requires_grad:
        _, inverse, counts = np.unique(np.asarray(input), return_inverse=True, return_counts=True)
        share = (1.0 / counts[inverse.reshape(input.shape)])[..., None]
        share = _core.from_numpy(share.astype(y._dtype))
        y.register_hook(lambda g: ops.mul(g, share))
    return y  # type: ignore[no-any-return]


def _renormalize(weight: Any, index: Any, max_norm: float, p: float) -> None:
    """Scales the rows that are looked up to the norm `max_norm` at most, in place."""
    rows = np.unique(np.asarray(index))
    values = ops.detach(weight)._readable()[rows]
    norms = np.linalg.norm(values.astype(np.float64), ord=p, axis=1)
    # As in PyTorch: the 1e-7 keeps the division defined.
    scale = np.where(norms > max_norm, max_norm / (norms + 1e-7), 1.0)[:, None]
    with no_grad():
        weight[rows] = (values * scale).astype(values.dtype)
