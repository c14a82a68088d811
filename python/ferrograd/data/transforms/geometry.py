"""Crops, flips, rotations, shifts, scalings and shears."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import _core
from ...random import Generator
from ._base import Transform, integers, probability, uniform

__all__ = ["CenterCrop", "RandomAffine", "RandomCrop", "RandomHorizontalFlip", "RandomRotation", "RandomVerticalFlip"]


class RandomHorizontalFlip(Transform):
    """Left and right exchanged, in each image with the probability `p`."""

    def __init__(self, p: float = 0.5, generator: Generator | None = None) -> None:
        super().__init__(generator)
        self.p = probability(type(self).__name__, p)

    def _changed(self, images: Any, generator: Generator) -> Any:
        return self._flipped(images, generator, (Ellipsis, slice(None, None, -1)))

    def _flipped(self, images: Any, generator: Generator, backwards: Any) -> Any:
        chosen = uniform((len(images),), generator) < self.p
        result = images.copy()
        result[chosen] = images[chosen][backwards]
        return result

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"


class RandomVerticalFlip(RandomHorizontalFlip):
    """Top and bottom exchanged, in each image with the probability `p`."""

    def _changed(self, images: Any, generator: Generator) -> Any:
        return self._flipped(images, generator, (Ellipsis, slice(None, None, -1), slice(None)))


class CenterCrop(Transform):
    """The middle of each image, `size` high and wide; nothing is random."""

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = _size(type(self).__name__, size)

    def _changed(self, images: Any, generator: Generator) -> Any:
        height, width = self.size
        _fits("CenterCrop", self.size, images.shape[2:])
        top, left = (images.shape[2] - height) // 2, (images.shape[3] - width) // 2
        return images[:, :, top : top + height, left : left + width].copy()

    def extra_repr(self) -> str:
        """The size."""
        return f"size={self.size}"


class RandomCrop(Transform):
    """A part of each image at a random place, after padding; `RandomCrop(28, padding=2)` shifts 28 × 28 by up to 2.

    Args:
        size: height and width of the part, or one number for both.
        padding: pixels added on all sides; or left/right and top/bottom; or left, top, right, bottom.
        pad_if_needed: whether smaller images are padded, the same on both sides, until the part fits.
        fill: the value of added pixels.
        padding_mode: 'constant' (fill), 'edge', 'reflect' or 'symmetric', as of `numpy.pad`.
        generator: where the places come from.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: float = 0,
        padding_mode: str = "constant",
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator)
        self.size = _size("RandomCrop", size)
        self.padding = padding
        self._sides = _sides(padding)
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
            raise ValueError(
                f"RandomCrop: padding_mode: expected 'constant', 'edge', 'reflect' or 'symmetric', got {padding_mode!r}"
            )
        self.padding_mode = padding_mode

    def _changed(self, images: Any, generator: Generator) -> Any:
        height, width = self.size
        left, top, right, bottom = self._sides
        if self.pad_if_needed:
            more_x = max(0, width - (images.shape[3] + left + right))
            more_y = max(0, height - (images.shape[2] + top + bottom))
            left, right, top, bottom = left + more_x, right + more_x, top + more_y, bottom + more_y
        how = {"constant_values": self.fill} if self.padding_mode == "constant" else {}
        padded: Any = np.pad(images, ((0, 0), (0, 0), (top, bottom), (left, right)), self.padding_mode, **how)  # type: ignore[call-overload]
        _fits("RandomCrop", self.size, padded.shape[2:])
        windows = np.lib.stride_tricks.sliding_window_view(padded, self.size, axis=(2, 3))
        n = len(images)
        y = integers((n,), generator, padded.shape[2] - height + 1)
        x = integers((n,), generator, padded.shape[3] - width + 1)
        return windows[np.arange(n), :, y, x]

    def extra_repr(self) -> str:
        """Size and padding."""
        return f"size={self.size}, padding={self.padding}"


class RandomAffine(Transform):
    """Each image rotated, sheared, scaled and shifted at random, about its centre.

    Args:
        degrees: the range of the angle, clockwise; one number d means −d … d.
        translate: the largest shifts, as parts of width and height; shifts are whole pixels.
        scale: the range of the scale.
        shear: the range of the shear along x in degrees (one number s: −s … s); four numbers: along x and along y.
        interpolation: 'nearest' or 'bilinear'.
        fill: the value of what lies outside the image.
        center: (x, y), in pixels from the upper left corner; default: the middle.
        generator: where the numbers come from.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: str = "nearest",
        fill: float = 0,
        center: Sequence[float] | None = None,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator)
        name = type(self).__name__
        self.degrees = _range(name, "degrees", degrees)
        self.translate = None if translate is None else tuple(float(t) for t in translate)
        if self.translate is not None and not (len(self.translate) == 2 and all(0 <= t <= 1 for t in self.translate)):
            raise ValueError(f"{name}: translate: expected two numbers from 0 to 1, got {translate!r}")
        self.scale = None if scale is None else _range(name, "scale", scale)
        if self.scale is not None and self.scale[0] <= 0:
            raise ValueError(f"{name}: scale: expected numbers above 0, got {scale!r}")
        four = isinstance(shear, Sequence) and len(shear) == 4
        self.shear = None if shear is None else _range(name, "shear", shear[:2] if four else shear)  # type: ignore[index]
        self._shear_y = _range(name, "shear", shear[2:]) if four else (0.0, 0.0)  # type: ignore[index]
        if interpolation not in ("nearest", "bilinear"):
            raise ValueError(f"{name}: interpolation: expected 'nearest' or 'bilinear', got {interpolation!r}")
        self.interpolation = interpolation
        self.fill = fill
        self.center = None if center is None else tuple(float(c) for c in center)
        if self.center is not None and len(self.center) != 2:
            raise ValueError(f"{name}: center: expected (x, y), got {center!r}")

    def _changed(self, images: Any, generator: Generator) -> Any:
        n, _, height, width = images.shape
        angle = np.radians(uniform((n,), generator, *self.degrees))
        scale = 1.0 if self.scale is None else uniform((n, 1, 1), generator, *self.scale)
        shear_x = np.tan(np.radians(uniform((n,), generator, *(self.shear or (0.0, 0.0)))))
        shear_y = np.tan(np.radians(uniform((n,), generator, *self._shear_y)))
        shift = np.zeros((n, 2))
        if self.translate is not None:
            reach = np.array([self.translate[0] * width, self.translate[1] * height])
            shift = np.rint(reach * uniform((n, 2), generator, -1.0, 1.0))
        # With y downwards, this matrix turns clockwise.
        turn = _matrices(np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle))
        lean = _matrices(1.0, -shear_x, -shear_y, 1 + shear_x * shear_y)
        return warped(images, scale * (turn @ lean), shift, self.center, self.interpolation == "bilinear", self.fill)

    def extra_repr(self) -> str:
        """The ranges."""
        parts = {"translate": self.translate, "scale": self.scale, "shear": self.shear}
        return ", ".join(
            [f"degrees={self.degrees}", *(f"{name}={value}" for name, value in parts.items() if value is not None)]
        )


class RandomRotation(RandomAffine):
    """Each image rotated at random about its centre, counter-clockwise, its size kept.

    Args:
        degrees: the range of the angle; one number d means −d … d.
        interpolation: 'nearest' or 'bilinear'.
        center: (x, y), in pixels from the upper left corner; default: the middle.
        fill: the value of what lies outside the image.
        generator: where the angles come from.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: str = "nearest",
        center: Sequence[float] | None = None,
        fill: float = 0,
        generator: Generator | None = None,
    ) -> None:
        low, high = _range("RandomRotation", "degrees", degrees)
        super().__init__((-high, -low), interpolation=interpolation, fill=fill, center=center, generator=generator)

    def extra_repr(self) -> str:
        """The range of the angle, counter-clockwise."""
        return f"degrees={(-self.degrees[1], -self.degrees[0])}"


def warped(images: Any, forward: Any, shift: Any, center: Sequence[float] | None, bilinear: bool, fill: float) -> Any:
    """Images whose point p is moved to A (p − c) + c + t; `forward` has A (N, 2, 2) and `shift` t (N, 2), as (x, y)."""
    n, channels, height, width = images.shape
    if images.size == 0:
        return images.copy()
    middle = np.array([(width - 1) / 2, (height - 1) / 2]) if center is None else np.asarray(center) - 0.5
    back = np.linalg.inv(forward)
    origin = middle - np.einsum("nij,nj->ni", back, middle + shift)
    x, y = np.arange(width), np.arange(height)[:, None]
    # Where each pixel of the result comes from; what is outside comes from the border of `fill` that is laid around.
    from_x = back[:, 0, 0, None, None] * x + back[:, 0, 1, None, None] * y + origin[:, 0, None, None] + 1
    from_y = back[:, 1, 0, None, None] * x + back[:, 1, 1, None, None] * y + origin[:, 1, None, None] + 1
    wide, high = width + 2, height + 2
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=fill)
    pixels = np.ascontiguousarray(padded.transpose(0, 2, 3, 1)).reshape(-1, channels)
    first = np.arange(n)[:, None, None] * (wide * high)
    if not bilinear:
        row = np.clip(np.rint(from_y), 0, high - 1).astype(np.int64)
        column = np.clip(np.rint(from_x), 0, wide - 1).astype(np.int64)
        return np.take(pixels, first + row * wide + column, axis=0).transpose(0, 3, 1, 2)
    from_x, from_y = np.clip(from_x, 0, wide - 1), np.clip(from_y, 0, high - 1)
    column = np.minimum(from_x.astype(np.int64), wide - 2)
    row = np.minimum(from_y.astype(np.int64), high - 2)
    kind = images.dtype if images.dtype.kind == "f" else np.dtype(np.float64)
    right = (from_x - column).astype(kind)[..., None]
    below = (from_y - row).astype(kind)[..., None]
    at = first + row * wide + column
    above = np.take(pixels, at, axis=0) * (1 - right) + np.take(pixels, at + 1, axis=0) * right
    under = np.take(pixels, at + wide, axis=0) * (1 - right) + np.take(pixels, at + wide + 1, axis=0) * right
    mixed = above * (1 - below) + under * below
    if images.dtype.kind != "f":
        mixed = np.rint(mixed)
    return mixed.astype(images.dtype).transpose(0, 3, 1, 2)


def _matrices(a: Any, b: Any, c: Any, d: Any) -> Any:
    """The matrices [[a, b], [c, d]] (N, 2, 2)."""
    a, b, c, d = np.broadcast_arrays(a, b, c, d)
    return np.stack([np.stack([a, b], -1), np.stack([c, d], -1)], -2)


def _size(op: str, size: Any) -> tuple[int, int]:
    both = (size, size) if isinstance(size, numbers.Integral) else tuple(size)
    if len(both) != 2 or not all(isinstance(s, numbers.Integral) and int(s) >= 1 for s in both):
        raise ValueError(f"{op}: size: expected a height and a width of at least 1, got {size!r}")
    return int(both[0]), int(both[1])


def _sides(padding: Any) -> tuple[int, int, int, int]:
    """Pixels to the left, above, to the right, below."""
    given = (0,) if padding is None else (padding,) if isinstance(padding, numbers.Integral) else tuple(padding)
    if len(given) not in (1, 2, 4) or not all(isinstance(p, numbers.Integral) and int(p) >= 0 for p in given):
        raise ValueError(f"RandomCrop: padding: expected 1, 2 or 4 numbers of at least 0, got {padding!r}")
    left, top, right, bottom = given * (4 // len(given))
    return int(left), int(top), int(right), int(bottom)


def _range(op: str, argument: str, value: float | Sequence[float]) -> tuple[float, float]:
    """Two numbers, the smaller first; one number d is −d … d."""
    if isinstance(value, numbers.Real):
        if value < 0:
            raise ValueError(f"{op}: {argument}: expected a number of at least 0 or a range, got {value!r}")
        return -float(value), float(value)
    ends = tuple(float(v) for v in value)  # type: ignore[union-attr]
    if len(ends) != 2 or not ends[0] <= ends[1]:
        raise ValueError(f"{op}: {argument}: expected a number or a range (low, high), got {value!r}")
    return ends


def _fits(op: str, size: tuple[int, int], extent: tuple[int, ...]) -> None:
    if size[0] > extent[0] or size[1] > extent[1]:
        raise _core.ShapeError(f"{op}: size: expected at most the image's {extent[0]} × {extent[1]} pixels, got {size}")
