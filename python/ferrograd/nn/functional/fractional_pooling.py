"""Fractional max pooling: windows at random places."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import _core, ops
from ..._operands import takes_arrays
from ...random import rand
from .._check import check_conv_input, sizes

__all__ = [
    "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
]


@takes_arrays
def fractional_max_pool2d(
    input: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """The largest element of windows whose steps are drawn (Graham 2014, arXiv:1412.6071); (N, C, H, W) or (C, H, W).

    The output has `output_size`, or `output_ratio` of the input's size. `_random_samples` (N, C, 2), uniform in [0, 1),
    say where the windows of each channel lie.
    """
    return _pool(
        "fractional_max_pool2d", 2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )


@takes_arrays
def fractional_max_pool3d(
    input: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """As `fractional_max_pool2d`, for (N, C, D, H, W) or (C, D, H, W); `_random_samples` are (N, C, 3)."""
    return _pool(
        "fractional_max_pool3d", 3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )


def _pool(
    op: str,
    spatial: int,
    input: Any,
    kernel_size: Any,
    output_size: Any,
    output_ratio: Any,
    return_indices: bool,
    samples: Any,
) -> Any:
    check_conv_input(op, input, spatial)
    kernel = sizes(op, "kernel_size", kernel_size, spatial)
    lead, own = tuple(input.shape[:-spatial]), tuple(input.shape[-spatial:])
    if output_size is None:
        if output_ratio is None:
            raise ValueError(f"{op}: output_size: expected it or output_ratio, got neither")
        ratios = tuple(output_ratio) if hasattr(output_ratio, "__len__") else (output_ratio,) * spatial
        if len(ratios) != spatial:
            raise ValueError(f"{op}: output_ratio: expected a number or {spatial} of them, got {output_ratio!r}")
        output_size = tuple(int(n * ratio) for n, ratio in zip(own, ratios, strict=True))
    outs = sizes(op, "output_size", output_size, spatial)
    if any(o + k - 1 > n for o, k, n in zip(outs, kernel, own, strict=True)):
        raise _core.ShapeError(
            f"{op}: input: expected spatial sizes of at least output_size + kernel_size - 1, "
            f"{tuple(o + k - 1 for o, k in zip(outs, kernel, strict=True))}, got {own}"
        )
    batch = lead if len(lead) == 2 else (1, *lead)
    if samples is None:
        samples = rand(*batch, spatial)
    if tuple(samples.shape) != (*batch, spatial):
        raise _core.ShapeError(f"{op}: _random_samples: expected shape {(*batch, spatial)}, got {tuple(samples.shape)}")
    places = _places(np.asarray(samples.detach() if hasattr(samples, "detach") else samples), own, outs, kernel)
    planes = ops.reshape(input, shape=(*lead, math.prod(own)))
    flat = _core.from_numpy(places.reshape(*lead, -1))
    windows = ops.reshape(ops.gather(planes, flat, dim=-1), shape=(*lead, *outs, math.prod(kernel)))
    result, tap = ops.max_dim(windows, dim=-1, keepdim=False)
    if not return_indices:
        return result
    indices = np.take_along_axis(places.reshape(windows.shape), np.asarray(tap)[..., None], -1)[..., 0]
    return result, _core.from_numpy(np.ascontiguousarray(indices))


def _places(samples: Any, own: tuple[int, ...], outs: tuple[int, ...], kernel: tuple[int, ...]) -> Any:
    """The plane index of each tap of each window: (N, C, *outs, taps)."""
    spatial = len(own)
    flat = np.zeros((*samples.shape[:2], *(1,) * 2 * spatial), np.int64)
    for k, (n, out, size) in enumerate(zip(own, outs, kernel, strict=True)):
        # In two dimensions PyTorch draws the width first.
        start = _starts(samples[..., 1 - k if spatial == 2 else k], n, out, size)
        at = start[..., None] + np.arange(size)
        shape = [1] * (2 * spatial)
        shape[k], shape[spatial + k] = out, size
        flat = flat * n + at.reshape(*samples.shape[:2], *shape)
    return flat.reshape(*samples.shape[:2], *outs, -1)


def _starts(sample: Any, n: int, out: int, size: int) -> Any:
    """Where the windows of a dimension begin: (N, C, out); the last one ends with the input."""
    if out == 1:
        return np.full((*sample.shape, 1), n - size, np.int64)
    alpha = sample.dtype.type(n - size) / sample.dtype.type(out - 1)
    steps = np.arange(out, dtype=sample.dtype)
    begin = ((steps + sample[..., None]) * alpha).astype(np.int64) - (sample[..., None] * alpha).astype(np.int64)
    begin[..., -1] = n - size
    return begin


@takes_arrays
def fractional_max_pool2d_with_indices(
    input: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """`fractional_max_pool2d` with the indices in any case."""
    return fractional_max_pool2d(input, kernel_size, output_size, output_ratio, True, _random_samples)


@takes_arrays
def fractional_max_pool3d_with_indices(
    input: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """`fractional_max_pool3d` with the indices in any case."""
    return fractional_max_pool3d(input, kernel_size, output_size, output_ratio, True, _random_samples)
