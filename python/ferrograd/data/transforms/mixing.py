"""Images mixed in pairs, and their labels with them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import _core
from ...random import Generator
from ._base import Transform, as_batch, floating, integers

__all__ = ["CutMix", "MixUp"]


class MixUp(Transform):
    """Each image mixed with its neighbour in the batch: λ x + (1 − λ) x′, the labels too; one λ a batch.

    λ ~ Beta(α, α). Labels are classes (N,), which become rows of probabilities (N, K), or such rows; the cross entropy
    takes both. Source: H. Zhang et al., mixup: Beyond Empirical Risk Minimization, 2018.

    Args:
        alpha: α; the larger, the more often both images count the same.
        num_classes: K; needed where labels are classes.
        generator: where λ comes from.
    """

    def __init__(
        self, *, alpha: float = 1.0, num_classes: int | None = None, generator: Generator | None = None
    ) -> None:
        super().__init__(generator)
        if not alpha > 0:
            raise ValueError(f"{type(self).__name__}: alpha: expected a number above 0, got {alpha!r}")
        self.alpha, self.num_classes = float(alpha), num_classes

    def __call__(self, images: Any, *others: Any, generator: Generator | None = None) -> Any:
        """The mixed images and their labels.

        Raises:
            ValueError: there are no labels, or a class is not below `num_classes`.
            ShapeError: images and labels do not belong together.
        """
        name = type(self).__name__
        if len(others) != 1:
            raise ValueError(f"{name}: labels: expected images and their labels, got {len(others)} beside the images")
        if len(images.shape) != 4:
            raise _core.ShapeError(f"{name}: images: expected a batch (N, C, H, W), got shape {tuple(images.shape)}")
        array, restored = as_batch(name, images)
        rows = self._rows(others[0], len(array))
        source = self._source(generator)
        rng = np.random.default_rng(int(integers((), source, 2**62)))
        mixed, share = self._mixed(floating(name, array), float(rng.beta(self.alpha, self.alpha)), rng)
        soft = (share * rows + (1 - share) * np.roll(rows, 1, 0)).astype(rows.dtype)
        return restored(mixed), _core.from_numpy(soft) if isinstance(others[0], _core.TensorBase) else soft

    def _rows(self, labels: Any, n: int) -> Any:
        """The labels as rows of probabilities (N, K)."""
        name = type(self).__name__
        array = np.asarray(labels.detach() if hasattr(labels, "detach") else labels)
        if array.ndim not in (1, 2) or len(array) != n:
            raise _core.ShapeError(f"{name}: labels: expected ({n},) or ({n}, K), got shape {array.shape}")
        if array.ndim == 2:
            if array.dtype.kind != "f":
                raise TypeError(f"{name}: labels: expected rows of probabilities, got {array.dtype}")
            return array
        if array.dtype.kind not in "iu":
            raise TypeError(f"{name}: labels: expected classes as integers, got {array.dtype}")
        if self.num_classes is None:
            raise ValueError(f"{name}: num_classes: expected a number where labels are classes, got None")
        if n and not 0 <= array.min() <= array.max() < self.num_classes:
            raise ValueError(
                f"{name}: labels: expected classes from 0 to {self.num_classes - 1}, got {array.min()} to {array.max()}"
            )
        return np.eye(self.num_classes, dtype=np.float32)[array]

    def _mixed(self, images: Any, share: float, rng: np.random.Generator) -> tuple[Any, float]:
        """The images mixed with their neighbours, and the share that stays theirs."""
        return (share * images + (1 - share) * np.roll(images, 1, 0)).astype(images.dtype), share

    def extra_repr(self) -> str:
        """α and the number of classes."""
        return f"alpha={self.alpha}, num_classes={self.num_classes}"


class CutMix(MixUp):
    """A rectangle of each image taken from its neighbour in the batch; labels are mixed by area; one rectangle a batch.

    Its sides are √(1 − λ) of the image's, λ ~ Beta(α, α), its centre anywhere. Source: S. Yun et al., CutMix, 2019.

    Args:
        alpha: α.
        num_classes: K; needed where labels are classes.
        generator: where the rectangle comes from.
    """

    def _mixed(self, images: Any, share: float, rng: np.random.Generator) -> tuple[Any, float]:
        height, width = images.shape[2:]
        half = 0.5 * np.sqrt(1 - share)
        y, x = rng.integers(height), rng.integers(width)
        top, bottom = max(0, int(y - half * height)), min(height, int(y + half * height))
        left, right = max(0, int(x - half * width)), min(width, int(x + half * width))
        mixed = images.copy()
        mixed[:, :, top:bottom, left:right] = np.roll(images, 1, 0)[:, :, top:bottom, left:right]
        return mixed, 1 - (bottom - top) * (right - left) / (height * width)
