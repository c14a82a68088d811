"""Parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ... import _core, ops
from ...autograd import no_grad

if TYPE_CHECKING:
    from ..._tensor import Tensor


def parameters_to_vector(parameters: Iterable[Any]) -> Tensor:
    """All elements of all parameters as one vector, part of the graph."""
    return ops.concatenate(*[ops.reshape(p, shape=(-1,)) for p in parameters], dim=0)  # type: ignore[no-any-return]


def vector_to_parameters(vec: Any, parameters: Iterable[Any]) -> None:
    """Puts the pieces of a vector into the parameters, in place of their values."""
    if not isinstance(vec, _core.TensorBase):
        raise TypeError(f"vector_to_parameters: vec: expected a Tensor, got {type(vec).__name__}")
    vec, parameters = ops.detach(vec), list(parameters)
    wanted = sum(p.numel() for p in parameters)
    if vec.shape != (wanted,):
        raise _core.ShapeError(f"vector_to_parameters: vec: expected shape {(wanted,)}, got {vec.shape}")
    at = 0
    with no_grad():
        for p in parameters:
            piece = ops.getitem(vec, index=(slice(at, at + p.numel()),))
            _core.backend.copy_(p, ops.reshape(piece, shape=p.shape))
            at += p.numel()
