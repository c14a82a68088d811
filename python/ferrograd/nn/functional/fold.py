"""Patches of images as columns, and back; channels as pixels, and back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _core, ops
from ..._operands import takes_arrays
from .._check import sizes

if TYPE_CHECKING:
    from ..._tensor import Tensor

__all__ = ["channel_shuffle", "fold", "pixel_shuffle", "pixel_unshuffle", "unfold"]


def _patches(
    op: str, image: tuple[int, ...], kernel_size: Any, dilation: Any, padding: Any, stride: Any
) -> tuple[Any, tuple[int, ...], tuple[int, ...]]:
    """(Places of each patch's elements in the padded image (K, L), the padding, the padded sizes)."""
    kernel, spread = sizes(op, "kernel_size", kernel_size, 2), sizes(op, "dilation", dilation, 2)
    step, pad = sizes(op, "stride", stride, 2), sizes(op, "padding", padding, 2, 0)
    padded = tuple(n + 2 * p for n, p in zip(image, pad, strict=True))
    starts = []
    for n, k, d, s in zip(padded, kernel, spread, step, strict=True):
        last = n - d * (k - 1) - 1
        if last < 0:
            raise _core.ShapeError(
                f"{op}: expected an image of at least the size of a patch, got {image} for kernel_size {kernel}, "
                f"dilation {spread}, padding {pad}"
            )
        starts.append((np.arange(k) * d)[:, None] + np.arange(0, last + 1, s))
    rows, columns = starts
    places = rows[:, None, :, None] * padded[1] + columns[None, :, None, :]
    return places.reshape(math.prod(kernel), -1), pad, padded


@takes_arrays
def unfold(input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """The patches of x (N, C, H, W) or (C, H, W) as columns: (N, C · KH · KW, L), or without N."""
    shape = tuple(input.shape)
    if len(shape) not in (3, 4):
        raise _core.ShapeError(f"unfold: input: expected 3D (one image) or 4D (a batch) input, got shape {shape}")
    places, (p, q), padded = _patches("unfold", shape[-2:], kernel_size, dilation, padding, stride)
    x = ops.pad(input, padding=((0, 0),) * (len(shape) - 2) + ((p, p), (q, q)), value=0.0) if p or q else input
    lead = shape[:-2]
    flat = ops.reshape(x, shape=(*lead, math.prod(padded)))
    columns = ops.index_get(flat, places, dims=(len(lead),))
    return ops.reshape(columns, shape=(*lead[:-1], lead[-1] * places.shape[0], places.shape[1]))  # type: ignore[no-any-return]


@takes_arrays
def fold(
    input: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Columns (N, C · KH · KW, L), or without N, added up into images (N, C, *output_size): the gradient of `unfold`."""
    shape = tuple(input.shape)
    if len(shape) not in (2, 3):
        raise _core.ShapeError(f"fold: input: expected 2D (one image) or 3D (a batch) input, got shape {shape}")
    height, width = sizes("fold", "output_size", output_size, 2)
    places, (p, q), padded = _patches("fold", (height, width), kernel_size, dilation, padding, stride)
    if shape[-2] % places.shape[0] or shape[-1] != places.shape[1]:
        raise _core.ShapeError(
            f"fold: input: expected a multiple of {places.shape[0]} rows and {places.shape[1]} columns for output_size "
            f"{(height, width)}, got shape {shape}"
        )
    lead = (*shape[:-2], shape[-2] // places.shape[0])
    patches = ops.reshape(input, shape=(*lead, *places.shape))
    flat = ops.index_get_grad(patches, places, dims=(len(lead),), shape=(*lead, math.prod(padded)))
    image = ops.reshape(flat, shape=(*lead, *padded))
    if p or q:
        image = ops.getitem(image, index=(..., slice(p, p + height), slice(q, q + width)))
    return image  # type: ignore[no-any-return]


def _image(op: str, input: Any) -> tuple[tuple[int, ...], tuple[int, int, int]]:
    shape = tuple(input.shape)
    if len(shape) < 3:
        raise _core.ShapeError(f"{op}: input: expected at least 3 dimensions (*, C, H, W), got shape {shape}")
    return shape[:-3], shape[-3:]


@takes_arrays
def pixel_shuffle(input: Any, upscale_factor: int) -> Tensor:
    """(*, C · r², H, W) to (*, C, H · r, W · r): r² channels as one of r² times the pixels (arXiv:1609.05158)."""
    lead, (channels, height, width) = _image("pixel_shuffle", input)
    r = upscale_factor
    if r < 1 or channels % (r * r):
        raise _core.ShapeError(
            f"pixel_shuffle: input: expected channels that {r}² divides, for an upscale_factor of at least 1, got {channels}"
        )
    n, c = len(lead), channels // (r * r)
    y = ops.reshape(input, shape=(*lead, c, r, r, height, width))
    y = ops.permute(y, dims=(*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return ops.reshape(y, shape=(*lead, c, height * r, width * r))  # type: ignore[no-any-return]


@takes_arrays
def pixel_unshuffle(input: Any, downscale_factor: int) -> Tensor:
    """(*, C, H · r, W · r) to (*, C · r², H, W): the reverse of `pixel_shuffle`."""
    lead, (channels, height, width) = _image("pixel_unshuffle", input)
    r = downscale_factor
    if r < 1 or height % r or width % r:
        raise _core.ShapeError(
            f"pixel_unshuffle: input: expected a height and a width that {r} divides, for a downscale_factor of at least 1, "
            f"got {(height, width)}"
        )
    n = len(lead)
    y = ops.reshape(input, shape=(*lead, channels, height // r, r, width // r, r))
    y = ops.permute(y, dims=(*range(n), n, n + 2, n + 4, n + 1, n + 3))
    return ops.reshape(y, shape=(*lead, channels * r * r, height // r, width // r))  # type: ignore[no-any-return]


@takes_arrays
def channel_shuffle(input: Any, groups: int) -> Tensor:
    """The channels of (N, C, *) in another order: one of each group after the other (arXiv:1707.01083)."""
    shape = tuple(input.shape)
    if len(shape) < 3:
        raise _core.ShapeError(f"channel_shuffle: input: expected at least 3 dimensions (N, C, *), got shape {shape}")
    if groups < 1 or shape[1] % groups:
        raise _core.ShapeError(f"channel_shuffle: groups: expected a divisor of {shape[1]} channels, got {groups}")
    y = ops.reshape(input, shape=(shape[0], groups, shape[1] // groups, *shape[2:]))
    y = ops.permute(y, dims=(0, 2, 1, *range(3, len(shape) + 1)))
    return ops.reshape(y, shape=shape)  # type: ignore[no-any-return]
