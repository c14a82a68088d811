"""Arrays set side by side, and taken apart."""

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


@op
def split(x: Any, *, sizes: tuple[int, ...], dim: int) -> Any:
    """The pieces of a dimension, of these sizes, one after the other: views. Their gradients are joined in one pass."""
    lead = (slice(None),) * dim
    pieces, at = [], 0
    for n in sizes:
        pieces.append(backend.getitem(x, (*lead, slice(at, at + n))))
        at += n
    return tuple(pieces)


@split.rule(saves=("x.shape",))
def _(g, needs, shape_of_x, *, sizes, dim):
    pieces = [
        backend.full((*shape_of_x[:dim], n, *shape_of_x[dim + 1 :]), 0, _dtype_of(g)) if piece is None else piece
        for piece, n in zip(g, sizes, strict=True)
    ]
    return concatenate(*pieces, dim=dim)


@op
def unbind(x: Any, *, dim: int) -> Any:
    """The places of a dimension one by one, without it: views. Their gradients are joined in one pass."""
    lead = (slice(None),) * dim
    return tuple(backend.getitem(x, (*lead, k)) for k in range(x.shape[dim]))


@unbind.rule(saves=("x.shape",))
def _(g, needs, shape_of_x, *, dim):
    places = [
        backend.full((*shape_of_x[:dim], *shape_of_x[dim + 1 :]), 0, _dtype_of(g)) if place is None else place
        for place in g
    ]
    return stack(*places, dim=dim)


def _dtype_of(parts: Any) -> str:
    """Of a list of gradients, some of which are None."""
    return str(next(part._dtype for part in parts if part is not None))
