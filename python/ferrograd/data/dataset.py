"""Where samples come from: by index (`Dataset`) or one after the other (`IterableDataset`)."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from .. import _core, ops
from .._warn import warn
from ..creation import as_tensor
from ..random import Generator, randperm

T = TypeVar("T", covariant=True)

__all__ = [
    "ChainDataset", "ConcatDataset", "Dataset", "IterableDataset", "StackDataset", "Subset", "TensorDataset",
    "random_split",
]  # fmt: skip


class Dataset(Generic[T]):
    """Samples by index: a subclass has `__getitem__` and, for samplers to know its size, `__len__`.

    One with `__getitems__(indices)` as well is asked for a whole batch at once, as a list of samples.
    """

    def __getitem__(self, index: Any) -> T:
        raise NotImplementedError(f"{type(self).__name__}: a Dataset has a __getitem__ of its own")

    def __add__(self, other: Any) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T], Iterable[T]):
    """Samples one after the other, from a stream: a subclass has `__iter__`."""

    def __add__(self, other: Any) -> Any:
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Any, ...]]):
    """The samples `(x[i], y[i], …)` of tensors or arrays of one length.

    A batch of it is one indexing call a tensor.
    """

    def __init__(self, *tensors: Any) -> None:
        if not tensors:
            raise ValueError("TensorDataset: tensors: expected at least one, got none")
        self.tensors = tuple(as_tensor(x) for x in tensors)
        lengths = [len(x) for x in self.tensors]
        if len(set(lengths)) > 1:
            raise _core.ShapeError(f"TensorDataset: tensors: expected one length for all, got {lengths}")

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        return tuple(x[index] for x in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])

    def _collated(self, indices: Sequence[int]) -> list[Any] | None:
        if type(self).__getitem__ is not TensorDataset.__getitem__:
            return None  # A subclass says what a sample is.
        places = _core.from_numpy(np.asarray(indices, np.int64))
        return [ops.index_get(x, places, dims=(0,)) for x in self.tensors]


class StackDataset(Dataset[Any]):
    """Datasets of one length side by side: samples are tuples, or dicts where the datasets have names."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            raise ValueError("StackDataset: datasets: expected some by position or some by name, not both or none")
        self.datasets: Any = kwargs or args
        lengths = [len(d) for d in self._parts()]
        if len(set(lengths)) > 1:
            raise ValueError(f"StackDataset: datasets: expected one length for all, got {lengths}")
        self._length = lengths[0]

    def _parts(self) -> list[Any]:
        return list(self.datasets.values() if isinstance(self.datasets, dict) else self.datasets)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: d[index] for name, d in self.datasets.items()}
        return tuple(d[index] for d in self.datasets)

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[Any]):
    """Datasets one after the other."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: datasets: expected at least one, got none")
        for k, d in enumerate(self.datasets):
            if isinstance(d, IterableDataset):
                raise TypeError(f"ConcatDataset: datasets[{k}]: expected samples by index, got an IterableDataset")
        self.cumulative_sizes = list(itertools.accumulate(len(d) for d in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> Any:
        at = index + len(self) if index < 0 else index
        if not 0 <= at < len(self):
            # An IndexError also ends a `for` over the dataset.
            raise IndexError(f"ConcatDataset: index {index} is out of range for {len(self)} samples")
        which = bisect.bisect_right(self.cumulative_sizes, at)
        return self.datasets[which][at - (self.cumulative_sizes[which - 1] if which else 0)]


class ChainDataset(IterableDataset[Any]):
    """Streams one after the other."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets: Iterable[Any] = datasets

    def __iter__(self) -> Iterator[Any]:
        for k, d in enumerate(self.datasets):
            if not isinstance(d, IterableDataset):
                raise TypeError(f"ChainDataset: datasets[{k}]: expected an IterableDataset, got {type(d).__name__}")
            yield from d

    def __len__(self) -> int:
        return sum(len(d) for d in self.datasets)


class Subset(Dataset[Any]):
    """The samples of a dataset at `indices`."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[k] for k in index]]
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)

    def _collated(self, indices: Sequence[int]) -> Any:
        whole = getattr(self.dataset, "_collated", None)
        if whole is None or type(self).__getitem__ is not Subset.__getitem__:
            return None
        return whole([self.indices[k] for k in indices])


def random_split(dataset: Any, lengths: Sequence[float], generator: Generator | None = None) -> list[Subset]:
    """The dataset in parts, at random and without overlap: of the given lengths, or of fractions that sum to 1.

    Fractions are rounded down, and what is left goes to the parts in turn, one each.
    """
    n = len(dataset)
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        for k, fraction in enumerate(lengths):
            if not 0 <= fraction <= 1:
                raise ValueError(f"random_split: lengths[{k}]: expected a fraction from 0 to 1, got {fraction}")
        sizes = [math.floor(n * fraction) for fraction in lengths]
        for k in range(n - sum(sizes)):
            sizes[k % len(sizes)] += 1
        for k, size in enumerate(sizes):
            if size == 0:
                warn(f"random_split: part {k} of the dataset is empty")
    else:
        sizes = [int(size) for size in lengths]
    if sum(sizes) != n or min(sizes, default=0) < 0:
        raise ValueError(
            f"random_split: lengths: expected lengths that sum to the dataset's {n}, or fractions that sum to 1, "
            f"got {list(lengths)}"
        )
    indices = randperm(n, generator=generator).tolist()
    ends = itertools.accumulate(sizes)
    return [Subset(dataset, indices[end - size : end]) for end, size in zip(ends, sizes, strict=True)]
