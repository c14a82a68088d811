"""Changes of values: noise, erased parts, normalization, the way from bytes to numbers."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import _core
from ...random import Generator, randn
from ._base import Transform, floating, integers, probability, uniform

__all__ = ["GaussianNoise", "Normalize", "RandomErasing", "ToTensor"]

#: How often a part to erase is drawn until one fits into its image.
_TRIES = 10


class ToTensor:
    """Images of bytes from 0 to 255, their channels last, as a float32 tensor from 0 to 1, the channels first.

    Arrays (N, H, W, C), (H, W, C) or (H, W) and PIL images give (N, C, H, W) or (C, H, W). Numbers other than uint8 keep
    their dtype and value.
    """

    def __call__(self, images: Any) -> Any:
        """The tensor.

        Raises:
            TypeError: a tensor, or no numbers.
            ShapeError: not 2, 3 or 4 dimensions.
        """
        if isinstance(images, _core.TensorBase):
            raise TypeError("ToTensor: images: expected an array or a PIL image, got a Tensor")
        array = np.asarray(images)
        if array.dtype.kind not in "bifu":
            raise TypeError(f"ToTensor: images: expected numbers, got {array.dtype}")
        if array.ndim not in (2, 3, 4):
            raise _core.ShapeError(
                f"ToTensor: images: expected (N, H, W, C), (H, W, C) or (H, W), got shape {array.shape}"
            )
        if array.ndim == 2:
            array = array[:, :, None]
        array = np.moveaxis(array, -1, -3)
        array = array.astype(np.float32) / 255 if array.dtype == np.uint8 else array
        return _core.from_numpy(np.ascontiguousarray(array))

    def __repr__(self) -> str:
        return "ToTensor()"


class Normalize(Transform):
    """(images − mean) / std, a mean and a standard deviation a channel; nothing is random."""

    def __init__(self, mean: Sequence[float] | float, std: Sequence[float] | float) -> None:
        super().__init__()
        self.mean, self.std = np.atleast_1d(np.asarray(mean, float)), np.atleast_1d(np.asarray(std, float))
        if self.mean.ndim != 1 or self.mean.shape != self.std.shape:
            raise ValueError(f"Normalize: std: expected one number a mean, got {std!r} for the means {mean!r}")
        if not (self.std > 0).all():
            raise ValueError(f"Normalize: std: expected numbers above 0, got {std!r}")

    def _changed(self, images: Any, generator: Generator) -> Any:
        images = floating("Normalize", images)
        if len(self.mean) not in (1, images.shape[1]):
            raise _core.ShapeError(
                f"Normalize: images: expected {len(self.mean)} channels, one a mean, got shape {images.shape}"
            )
        mean, std = (values.astype(images.dtype)[:, None, None] for values in (self.mean, self.std))
        return (images - mean) / std

    def extra_repr(self) -> str:
        """Means and standard deviations."""
        return f"mean={self.mean.tolist()}, std={self.std.tolist()}"


class GaussianNoise(Transform):
    """Normal noise added to each pixel of floating-point images.

    Args:
        mean: of the noise.
        sigma: its standard deviation.
        clip: whether the result is brought back to 0 … 1.
        generator: where the noise comes from.
    """

    def __init__(
        self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True, generator: Generator | None = None
    ) -> None:
        super().__init__(generator)
        if not sigma >= 0:
            raise ValueError(f"GaussianNoise: sigma: expected a number of at least 0, got {sigma!r}")
        self.mean, self.sigma, self.clip = float(mean), float(sigma), clip

    def _changed(self, images: Any, generator: Generator) -> Any:
        images = floating("GaussianNoise", images)
        noise = randn(images.shape, generator=generator).numpy()
        noisy = (images + (self.mean + self.sigma * noise)).astype(images.dtype)
        return np.clip(noisy, 0, 1) if self.clip else noisy

    def extra_repr(self) -> str:
        """The noise's mean and standard deviation."""
        return f"mean={self.mean}, sigma={self.sigma}, clip={self.clip}"


class RandomErasing(Transform):
    """A random rectangle of each image replaced, with the probability `p`.

    With ratio=(1, 1) it is the square of Cutout. Sources: Z. Zhong et al., Random Erasing Data Augmentation, 2020;
    T. DeVries, G. Taylor, Improved Regularization of Convolutional Neural Networks with Cutout, 2017.

    Args:
        p: the probability of an image to lose a part.
        scale: the range of the part's area, as a share of the image's.
        ratio: the range of its height divided by its width.
        value: what stands there then: a number, one a channel, or 'random' (normal numbers).
        generator: where the numbers come from.
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: float | Sequence[float] | str = 0,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator)
        self.p = probability("RandomErasing", p)
        self.scale, self.ratio = tuple(scale), tuple(ratio)
        if len(self.scale) != 2 or not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise ValueError(f"RandomErasing: scale: expected 0 < low ≤ high ≤ 1, got {scale!r}")
        if len(self.ratio) != 2 or not 0 < self.ratio[0] <= self.ratio[1]:
            raise ValueError(f"RandomErasing: ratio: expected 0 < low ≤ high, got {ratio!r}")
        if isinstance(value, str) and value != "random":
            raise ValueError(f"RandomErasing: value: expected a number, one a channel, or 'random', got {value!r}")
        self.value = value

    def _changed(self, images: Any, generator: Generator) -> Any:
        n, _, height, width = images.shape
        chosen = uniform((n,), generator) < self.p
        area = uniform((n, _TRIES), generator, *self.scale) * (height * width)
        slimness = np.exp(uniform((n, _TRIES), generator, *np.log(self.ratio)))
        high, wide = np.rint(np.sqrt(area * slimness)), np.rint(np.sqrt(area / slimness))
        fits = (high >= 1) & (wide >= 1) & (high < height) & (wide < width)
        rows, first = np.arange(n), fits.argmax(1)
        high, wide = high[rows, first], wide[rows, first]
        top = np.floor(uniform((n,), generator) * (height - high + 1))
        left = np.floor(uniform((n,), generator) * (width - wide + 1))
        y, x = np.arange(height)[:, None], np.arange(width)
        top, left, high, wide = (v[:, None, None] for v in (top, left, high, wide))
        erased = (y >= top) & (y < top + high) & (x >= left) & (x < left + wide)
        erased &= (chosen & fits.any(1))[:, None, None]
        return np.where(erased[:, None], self._filling(images, generator), images).astype(images.dtype)

    def _filling(self, images: Any, generator: Generator) -> Any:
        if isinstance(self.value, str):
            if images.dtype.kind == "f":
                return randn(images.shape, generator=generator).numpy()
            return integers(images.shape, generator, 256)
        if isinstance(self.value, numbers.Real):
            return self.value
        values = np.asarray(self.value)
        if values.shape != (images.shape[1],):
            raise _core.ShapeError(
                f"RandomErasing: value: expected {images.shape[1]} numbers, one a channel, got {self.value!r}"
            )
        return values[:, None, None]

    def extra_repr(self) -> str:
        """Probability and ranges."""
        return f"p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value!r}"
