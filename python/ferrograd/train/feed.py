"""Where a trainer's mini-batches come from: a loader, a dataset, arrays, or whatever gives batches."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from .. import _core
from ..data import DataLoader, Dataset, TensorDataset


class Feed:
    """The mini-batches of some data, once through it a call of `batches`, from any place on.

    Args:
        name: what messages call it.
        data: a DataLoader or any iterable of batches; a Dataset; or a tuple of arrays of one length, inputs and target.
        batch_size: samples a batch, where the data is not in batches.
        shuffle: whether such data comes in random order.
    """

    def __init__(self, name: str, data: Any, batch_size: int, shuffle: bool) -> None:
        self.name = name
        self.loader: Any = _loader(name, data, batch_size, shuffle)
        #: A DataLoader's order can be drawn by itself, so that an epoch is entered in the middle without its samples.
        self._indexed = isinstance(self.loader, DataLoader) and self._is_indexed(self.loader)
        self._clone: Any = copy.copy(self.loader) if self._indexed else None
        #: An iterator is used up by one epoch, so it is not looked at before.
        self.once = isinstance(self.loader, Iterator)
        if self.steps == 0:
            raise ValueError(self._empty())

    @staticmethod
    def _is_indexed(loader: DataLoader) -> bool:
        order = loader._index_sampler
        return type(loader).__iter__ is DataLoader.__iter__ and not loader._iterable and hasattr(order, "__len__")

    @property
    def steps(self) -> int | None:
        """How many batches an epoch has, where that is known."""
        try:
            return len(self.loader)
        except TypeError:
            return None

    @property
    def samples(self) -> int | None:
        """How many samples an epoch has, where that is known."""
        dataset: Any = getattr(self.loader, "dataset", None)
        return len(dataset) if hasattr(dataset, "__len__") else None

    def batches(self, skip: int = 0) -> Iterator[Any]:
        """The batches of an epoch from number `skip` on; a DataLoader's order is drawn now, at once.

        Raises:
            ValueError: there is none, or a batch is no pair of input and target.
        """
        if self._indexed:
            return self._checked(iter(self._ordered(list(self.loader._index_sampler)[skip:])), skip)
        batches = iter(self.loader)
        for _ in range(skip):
            next(batches, None)
        return self._checked(batches, skip)

    def first(self) -> Any:
        """The first batch of an epoch, prepared by the calling thread; the data is afterwards as before."""
        if self._indexed:
            only = copy.copy(self._ordered(list(itertools.islice(iter(self.loader._index_sampler), 1))))
            only.num_workers = 0
            return next(self._checked(iter(only), 0))
        return next(self._checked(iter(self.loader), 0))

    def _ordered(self, order: list[Any]) -> Any:
        """The loader with an order of its own."""
        clone = self._clone
        if clone.batch_sampler is None:
            clone.sampler = order
        else:
            clone.batch_sampler = order
        return clone

    def _checked(self, batches: Iterator[Any], skip: int) -> Iterator[Any]:
        k = skip
        for k, batch in enumerate(batches, skip + 1):
            yield self._pair(batch, k)
        if k == 0:
            raise ValueError(self._empty())

    def _pair(self, batch: Any, k: int) -> Any:
        if not isinstance(batch, (tuple, list)) or len(batch) < 2:
            got = f"{len(batch)} of them" if isinstance(batch, (tuple, list)) else type(batch).__name__
            raise ValueError(f"{self.name}: batch {k}: expected a pair (input, target), got {got}")
        return batch

    def _empty(self) -> str:
        loader = self.loader
        why = ""
        if isinstance(loader, DataLoader):
            why = f" ({self.samples} samples, batch_size={loader.batch_size}, drop_last={loader.drop_last})"
        elif isinstance(loader, Iterator):
            why = "; an iterator is used up by one epoch: give a list of batches or a DataLoader"
        return f"{self.name}: expected at least one batch an epoch, got none{why}"


def _loader(name: str, data: Any, batch_size: int, shuffle: bool) -> Any:
    if isinstance(data, tuple) and len(data) >= 2 and all(_is_array(part) for part in data):
        data = TensorDataset(*data)
    if isinstance(data, Dataset):
        if len(data) == 0:  # type: ignore[arg-type]
            raise ValueError(f"{name}: expected at least one sample, got none")
        return DataLoader(data, batch_size, shuffle=shuffle)
    if isinstance(data, Iterable) and not _is_array(data):
        return data
    raise TypeError(
        f"{name}: expected a DataLoader, a Dataset, batches, or a tuple of arrays (input, target), got "
        f"{type(data).__name__}"
    )


def _is_array(value: Any) -> bool:
    return isinstance(value, (np.ndarray, _core.TensorBase))
