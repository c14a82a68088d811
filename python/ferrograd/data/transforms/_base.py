"""What a transform of images is, and transforms made of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ... import _core
from ...random import Generator, default_generator, rand, randint

__all__ = ["Compose", "RandomChoice", "Transform"]


class Transform:
    """A random change of images: a subclass has `_changed(images, generator)` of an array (N, C, H, W).

    Args:
        generator: where its random numbers come from; default: the default generator.
    """

    def __init__(self, generator: Generator | None = None) -> None:
        self.generator = generator

    def __call__(self, images: Any, *others: Any, generator: Generator | None = None) -> Any:
        """The images changed; with others beside (labels), a tuple of all.

        Raises:
            ShapeError: the images are not (N, C, H, W) or (C, H, W).
            TypeError: they are not numbers.
        """
        array, restored = as_batch(type(self).__name__, images)
        result = restored(self._changed(array, self._source(generator)))
        return (result, *others) if others else result

    def _source(self, generator: Generator | None) -> Generator:
        return generator or self.generator or default_generator

    def _changed(self, images: Any, generator: Generator) -> Any:
        raise NotImplementedError(f"{type(self).__name__}: a Transform has a _changed of its own")

    def extra_repr(self) -> str:
        """What `repr` shows between the brackets."""
        return ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"


class Compose(Transform):
    """Transforms (or other functions of images) one after the other."""

    def __init__(self, transforms: Sequence[Callable[..., Any]], generator: Generator | None = None) -> None:
        super().__init__(generator)
        self.transforms = list(transforms)
        for k, t in enumerate(self.transforms):
            if not callable(t):
                raise TypeError(f"Compose: transforms[{k}]: expected a transform, got {type(t).__name__}")

    def __call__(self, images: Any, *others: Any, generator: Generator | None = None) -> Any:
        """What the last transform returns."""
        inputs: tuple[Any, ...] = (images, *others)
        result: Any = images if not others else inputs
        for t in self.transforms:
            result = called(t, inputs, generator or self.generator)
            inputs = result if isinstance(result, tuple) else (result,)
        return result

    def extra_repr(self) -> str:
        """The transforms."""
        return ", ".join(map(repr, self.transforms))


class RandomChoice(Transform):
    """One of some transforms a call, all with the same probability or with those of `p`."""

    def __init__(
        self,
        transforms: Sequence[Callable[..., Any]],
        p: Sequence[float] | None = None,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator)
        self.transforms = list(transforms)
        if not self.transforms:
            raise ValueError("RandomChoice: transforms: expected at least one, got none")
        weights = [1.0] * len(self.transforms) if p is None else [float(w) for w in p]
        if len(weights) != len(self.transforms) or min(weights) < 0 or not sum(weights) > 0:
            raise ValueError(
                f"RandomChoice: p: expected {len(self.transforms)} probabilities, one a transform, got {p!r}"
            )
        self.p = [w / sum(weights) for w in weights]

    def __call__(self, images: Any, *others: Any, generator: Generator | None = None) -> Any:
        """What the chosen transform returns."""
        drawn = uniform((), self._source(generator))
        chosen = min(int(np.searchsorted(np.cumsum(self.p), drawn, "right")), len(self.p) - 1)
        return called(self.transforms[chosen], (images, *others), generator or self.generator)

    def extra_repr(self) -> str:
        """The transforms and their probabilities."""
        return f"{', '.join(map(repr, self.transforms))}, p={self.p}"


def called(transform: Callable[..., Any], inputs: tuple[Any, ...], generator: Generator | None) -> Any:
    """A transform's result; another function has no generator."""
    if isinstance(transform, Transform):
        return transform(*inputs, generator=generator)
    return transform(*inputs)


def as_batch(op: str, images: Any) -> tuple[Any, Callable[[Any], Any]]:
    """The images as an array (N, C, H, W), and the way back to what they were: a tensor, one image alone."""
    tensor = isinstance(images, _core.TensorBase)
    array = images.detach().numpy() if tensor else np.asarray(images)
    if array.dtype.kind not in "bifu":
        raise TypeError(f"{op}: images: expected numbers, got {array.dtype}")
    if array.ndim not in (3, 4):
        raise _core.ShapeError(f"{op}: images: expected (N, C, H, W) or (C, H, W), got shape {array.shape}")
    single = array.ndim == 3

    def restored(result: Any) -> Any:
        result = np.ascontiguousarray(result[0] if single else result)
        return _core.from_numpy(result) if tensor else result

    return (array[None] if single else array), restored


def floating(op: str, images: Any) -> Any:
    """The images, which must be of a floating-point dtype."""
    if images.dtype.kind != "f":
        raise TypeError(f"{op}: images: expected a floating-point dtype, got {images.dtype} (ToTensor makes float32)")
    return images


def probability(op: str, p: float) -> float:
    """A number from 0 to 1."""
    if not 0 <= p <= 1:
        raise ValueError(f"{op}: p: expected a probability from 0 to 1, got {p!r}")
    return float(p)


def uniform(shape: tuple[int, ...], generator: Generator, low: float = 0.0, high: float = 1.0) -> Any:
    """Numbers uniform in [low, high), float64."""
    return low + (high - low) * rand(shape, generator=generator).numpy().astype(np.float64)


def integers(shape: tuple[int, ...], generator: Generator, ends: int) -> Any:
    """Integers uniform in [0, ends)."""
    return randint(0, ends, shape, generator=generator).numpy()
