"""Pooling over windows of one, two or three dimensions: x ([N,] C, …), a number for each spatial dimension."""

from __future__ import annotations

from typing import Any

from .._core import backend
from ._op import op
from .index import gather
from .view import reshape

Sizes = tuple[int, ...]


@op
def max_pool(x: Any, *, kernel_size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, ceil_mode: bool) -> Any:
    """(y, indices): the largest element of each window, and its flat index in the channel's plane (int64).

    Of equal elements the first is taken; NaN is larger than any number.
    """
    return backend.max_pool(x, kernel_size, stride, padding, dilation, ceil_mode)


@max_pool.rule(saves=("x.shape", "result1"))
def _(g, needs, shape_of_x, indices, *, kernel_size, stride, padding, dilation, ceil_mode):
    window = (kernel_size, stride, padding, dilation, ceil_mode)
    return max_pool_grad(g[0], indices, sizes=tuple(shape_of_x[-len(kernel_size) :]), window=window)


@op
def max_pool_grad(g: Any, indices: Any, *, sizes: Sizes, window: tuple[Any, ...] | None = None) -> Any:
    """Zeros of spatial size `sizes` with each element of `g` added at its index in the channel's plane.

    `window`, the attributes of the `max_pool` that the indices are of, makes it faster where windows lie apart.
    """
    return backend.max_pool_grad(g, indices, sizes, window)


@max_pool_grad.rule(saves=("indices",))
def _(g, needs, indices, *, sizes, window):
    lead = tuple(g.shape[: -len(sizes)])
    planes, places = (reshape(t, shape=(*lead, _product(t.shape[len(lead) :]))) for t in (g, indices))
    return reshape(gather(planes, places, dim=-1), shape=indices.shape), None


def _product(sizes: Sizes) -> int:
    n = 1
    for size in sizes:
        n *= size
    return n


@op
def avg_pool(
    x: Any,
    *,
    kernel_size: Sizes,
    stride: Sizes,
    padding: Sizes,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Any:
    """The sum of each window over the number of its elements, or over `divisor_override`."""
    return backend.avg_pool(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@avg_pool.rule(saves=("x.shape",))
def _(g, needs, shape_of_x, *, kernel_size, **window):
    sizes = tuple(shape_of_x[-len(kernel_size) :])
    return avg_pool_grad(g, sizes=sizes, kernel_size=kernel_size, **window)


@op
def avg_pool_grad(
    g: Any,
    *,
    sizes: Sizes,
    kernel_size: Sizes,
    stride: Sizes,
    padding: Sizes,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Any:
    """Each element of `g`, over its divisor, added to all elements of its window; spatial size `sizes`."""
    return backend.avg_pool_grad(g, sizes, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@avg_pool_grad.rule()
def _(g, needs, *, sizes, **window):
    return avg_pool(g, **window)


@op
def adaptive_avg_pool(x: Any, *, sizes: Sizes) -> Any:
    """The mean of each of `sizes` windows: window i of n over m elements is ⌊i·m/n⌋ ≤ k < ⌈(i+1)·m/n⌉."""
    return backend.adaptive_avg_pool(x, sizes)


@adaptive_avg_pool.rule(saves=("x.shape",))
def _(g, needs, shape_of_x, *, sizes):
    return adaptive_avg_pool_grad(g, sizes=tuple(shape_of_x[-len(sizes) :]))


@op
def adaptive_avg_pool_grad(g: Any, *, sizes: Sizes) -> Any:
    """Each element of `g`, over the elements of its window, added to all of them; spatial size `sizes`."""
    return backend.adaptive_avg_pool_grad(g, sizes)


@adaptive_avg_pool_grad.rule(saves=("g.shape",))
def _(g, needs, shape_of_g, *, sizes):
    return adaptive_avg_pool(g, sizes=tuple(shape_of_g[-len(sizes) :]))


@op
def adaptive_max_pool(x: Any, *, sizes: Sizes) -> Any:
    """(y, indices): the largest element of each window of `adaptive_avg_pool`, its flat index in the channel's plane."""
    return backend.adaptive_max_pool(x, sizes)


@adaptive_max_pool.rule(saves=("x.shape", "result1"))
def _(g, needs, shape_of_x, indices, *, sizes):
    return max_pool_grad(g[0], indices, sizes=tuple(shape_of_x[-len(sizes) :]))
