"""Reading and writing at computed places: gather and scatter, advanced indexing, embedding."""

from __future__ import annotations

from typing import Any

from .._core import backend
from ._op import op
from .join import pad


@op
def gather(x: Any, index: Any, *, dim: int) -> Any:
    """y[…, i, …] = x[…, index[…, i, …], …] along `dim`; y has the shape of `index`."""
    return backend.gather(x, index, dim)


@gather.rule(saves=("x.shape", "index"))
def _(g, needs, shape_of_x, index, *, dim):
    zeros = backend.full(shape_of_x, 0, g._dtype)
    return scatter_add(zeros, index, g, dim=dim), None


@op
def scatter(x: Any, index: Any, src: Any, *, dim: int) -> Any:
    """A copy of x with y[…, index[…, i, …], …] = src[…, i, …] along `dim`.

    Where several land on one place, the last stays. The gradient of `src` is then, as in PyTorch, that of each of them.
    """
    return backend.scatter(x, index, src, dim)


@scatter.rule(saves=("index", "src.shape"))
def _(g, needs, index, shape_of_src, *, dim):
    from_x = scatter(g, index, 0.0, dim=dim) if needs[0] else None
    return from_x, None, _gathered(g, index, shape_of_src, dim) if needs[2] else None


@op
def scatter_add(x: Any, index: Any, src: Any, *, dim: int) -> Any:
    """A copy of x with y[…, index[…, i, …], …] += src[…, i, …] along `dim`, in the order of i."""
    return backend.scatter_add(x, index, src, dim)


@scatter_add.rule(saves=("index", "src.shape"))
def _(g, needs, index, shape_of_src, *, dim):
    return g, None, _gathered(g, index, shape_of_src, dim) if needs[2] else None


def _gathered(g: Any, index: Any, shape_of_src: tuple[int, ...], dim: int) -> Any:
    """The gradient of `src`: that of what was written, and zero where `src` is larger than `index`."""
    taken = gather(g, index, dim=dim)
    if shape_of_src == () or shape_of_src == tuple(taken.shape):
        return taken
    return pad(taken, padding=tuple((0, n - m) for n, m in zip(shape_of_src, taken.shape, strict=True)), value=0.0)


@op
def index_get(x: Any, *indices: Any, dims: tuple[int, ...]) -> Any:
    """x at integer arrays that stand at the dimensions `dims` and are broadcast together.

    Their common shape takes the place of these dimensions where they are neighbours, else it comes first (NumPy's rule).
    """
    return backend.index_get(x, indices, dims)


@index_get.rule(saves=("x.shape", "*indices"))
def _(g, needs, shape_of_x, indices, *, dims):
    return index_get_grad(g, *indices, dims=dims, shape=shape_of_x), *[None] * len(indices)


@op
def index_get_grad(g: Any, *indices: Any, dims: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    """Zeros of `shape` with `g` added up at the indices."""
    return backend.index_get_grad(g, indices, dims, shape)


@index_get_grad.rule(saves=("*indices",))
def _(g, needs, indices, *, dims, shape):
    return index_get(g, *indices, dims=dims), *[None] * len(indices)


@op
def index_put(x: Any, values: Any, *indices: Any, dims: tuple[int, ...], accumulate: bool) -> Any:
    """A copy of x with y[indices] = values, or += with `accumulate`, in the order of the indices; `values` broadcast.

    Where several indices name one place, the last stays. The gradient of `values` is then, as in PyTorch, that of each.
    """
    return backend.index_put(x, values, indices, dims, accumulate)


@index_put.rule(saves=("*indices",))
def _(g, needs, indices, *, dims, accumulate):
    from_x = None
    if needs[0]:
        from_x = g if accumulate else index_put(g, 0.0, *indices, dims=dims, accumulate=False)
    from_values = index_get(g, *indices, dims=dims) if needs[1] else None
    return from_x, from_values, *[None] * len(indices)


@op
def nonzero(x: Any) -> Any:
    """The places of the elements that are not zero, in row-major order: (n, ndim) of int64."""
    return backend.nonzero(x)


@op
def embedding(weight: Any, index: Any, *, padding_idx: int | None) -> Any:
    """y[…, :] = weight[index[…], :] for weight (V, D); row `padding_idx` gets no gradient."""
    return backend.embedding(weight, index)


@embedding.rule(saves=("weight.shape", "index"))
def _(g, needs, shape_of_weight, index, *, padding_idx):
    return embedding_grad(g, index, num_embeddings=shape_of_weight[0], padding_idx=padding_idx), None


@op
def embedding_grad(g: Any, index: Any, *, num_embeddings: int, padding_idx: int | None) -> Any:
    """dW[v, :] = Σ g[…, :] over the places where index is v, in their order; dW[padding_idx, :] = 0."""
    return backend.embedding_grad(g, index, num_embeddings, padding_idx)


@embedding_grad.rule(saves=("index",))
def _(g, needs, index, *, num_embeddings, padding_idx):
    if padding_idx is not None:
        row = backend.full((), padding_idx, "int64")
        g = index_put(g, 0.0, row, dims=(0,), accumulate=False)
    return embedding(g, index, padding_idx=None), None
