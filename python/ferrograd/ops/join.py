"""Arrays set side by side."""

from __future__ import annotations

from typing import Any

from .._core import backend
from ._op import op
from .view import getitem


@op
def concatenate(*tensors: Any, dim: int) -> Any:
    """The tensors one after the other along `dim`; all other sizes agree."""
    return backend.concatenate(tensors, dim)


@concatenate.rule(saves=("*tensors.shape",))
def _(g, needs, shapes, *, dim):
    lead = (slice(None),) * (dim % g.ndim)
    grads, at = [], 0
    for needed, shape in zip(needs, shapes, strict=True):
        end = at + shape[dim]
        grads.append(getitem(g, index=(*lead, slice(at, end))) if needed else None)
        at = end
    return tuple(grads)


@op
def stack(*tensors: Any, dim: int) -> Any:
    """The tensors along a new dimension at `dim`; all shapes agree."""
    return backend.stack(tensors, dim)


@stack.rule()
def _(g, needs, *, dim):
    lead = (slice(None),) * (dim % g.ndim)
    return tuple(getitem(g, index=(*lead, k)) if needed else None for k, needed in enumerate(needs))


@op
def pad(x: Any, *, padding: tuple[tuple[int, int], ...], value: float) -> Any:
    """x with (before, after) elements of `value` added to each dimension; negative numbers take elements away."""
    return backend.pad(x, padding, value)


@pad.rule()
def _(g, needs, *, padding, value):
    return pad(g, padding=tuple((-before, -after) for before, after in padding), value=0.0)
