"""Other shapes of the same elements."""

from __future__ import annotations

from typing import Any

from .._core import backend
from ._op import op


@op
def reshape(x: Any, *, shape: tuple[int, ...]) -> Any:
    """The elements of `x` in row-major order under another shape; a view where one exists, else a copy."""
    return backend.reshape(x, shape)


@reshape.rule(saves=("x.shape",))
def _(g, needs, shape_of_x, *, shape):
    return reshape(g, shape=shape_of_x)


@op
def view(x: Any, *, shape: tuple[int, ...]) -> Any:
    """As `reshape`, never a copy."""
    return backend.view(x, shape)


@view.rule(saves=("x.shape",))
def _(g, needs, shape_of_x, *, shape):
    return reshape(g, shape=shape_of_x)


@op
def alias(x: Any) -> Any:
    """The tensor itself, as a new one in the graph."""
    return backend.view(x, x.shape)


@alias.rule()
def _(g, needs):
    return g


@op
def permute(x: Any, *, dims: tuple[int, ...]) -> Any:
    """y of shape (x.shape[d] for d in dims): the dimensions in another order, a view."""
    return backend.permute(x, dims)


@permute.rule()
def _(g, needs, *, dims):
    back = [0] * len(dims)
    for k, d in enumerate(dims):
        back[d] = k
    return permute(g, dims=tuple(back))


@op
def expand(x: Any, *, shape: tuple[int, ...]) -> Any:
    """Dimensions of size 1 stretched to `shape`, without a copy; the engine sums the gradient over them."""
    return backend.expand(x, shape)


@expand.rule()
def _(g, needs, *, shape):
    return g


@op
def getitem(x: Any, *, index: tuple[Any, ...]) -> Any:
    """`x[index]` for integers, slices, None and `...`: a view."""
    return backend.getitem(x, index)


@getitem.rule(saves=("x.shape",))
def _(g, needs, shape_of_x, *, index):
    return getitem_grad(g, shape=shape_of_x, index=index)


@op
def getitem_grad(g: Any, *, shape: tuple[int, ...], index: tuple[Any, ...]) -> Any:
    """Zeros of `shape` with `g` at `index`."""
    return backend.getitem_grad(g, shape, index)


@getitem_grad.rule()
def _(g, needs, *, shape, index):
    return getitem(g, index=index)


@op
def contiguous(x: Any) -> Any:
    """A copy of `x` in row-major memory of its own."""
    return backend.contiguous(x)


@contiguous.rule()
def _(g, needs):
    return g


def detach(x: Any) -> Any:
    """The same memory, outside any graph."""
    return backend.detach(x)


@op
def setitem(x: Any, value: Any, *, index: tuple[Any, ...]) -> Any:
    """A copy of x with `value`, broadcast, at `index` (integers, slices, None and `...`)."""
    return backend.setitem(x, value, index)


@setitem.rule()
def _(g, needs, *, index):
    return setitem(g, 0, index=index) if needs[0] else None, getitem(g, index=index) if needs[1] else None
