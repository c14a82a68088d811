"""Batches out of a dataset, prepared by threads where wanted."""

from __future__ import annotations

import collections
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from dataclasses import dataclass
from typing import Any

from .. import _core
from ..grad_mode import set_grad_enabled
from ..random import Generator, default_generator, randint
from .collate import default_collate, default_convert
from .dataset import IterableDataset
from .sampler import BatchSampler, RandomSampler, SequentialSampler

__all__ = ["DataLoader", "WorkerInfo", "get_worker_info"]


@dataclass(frozen=True)
class WorkerInfo:
    """Which thread prepares a batch: its `id` of `num_workers`, a `seed` of its own, and the dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


class _ThisThread(threading.local):
    info: WorkerInfo | None = None


_this_thread = _ThisThread()


def get_worker_info() -> WorkerInfo | None:
    """The worker that this thread is, or None outside workers.

    A stream (IterableDataset) is read by one thread, which is worker 0 of 1.
    """
    return _this_thread.info


class DataLoader:
    """Iterates over a dataset in batches.

    Workers are THREADS of this process, not processes as in PyTorch: nothing is copied or pickled, and they run at once
    where samples are made by code that releases the GIL (our kernels, NumPy, files, image decoders); plain Python takes
    turns. The batches are those without workers. Only what a dataset draws from a shared random generator depends on
    timing; draw from one of the sample's own then.

    Args:
        dataset: has `__getitem__` and `__len__`, or is an IterableDataset.
        batch_size: samples a batch; None: no batches, each sample by itself.
        shuffle: whether samples come in a new random order each time.
        sampler: gives the indices; excludes `shuffle`.
        batch_sampler: gives lists of indices; excludes `batch_size`, `shuffle`, `sampler` and `drop_last`.
        num_workers: threads that prepare batches ahead; 0: the caller prepares them.
        collate_fn: makes a batch of a list of samples; default: `default_collate`.
        pin_memory: accepted; there is no device to copy to.
        drop_last: whether a last batch that is not full is left out.
        timeout: seconds to wait for a batch of the workers; 0: without limit.
        worker_init_fn: called in each worker with its id before its first batch.
        multiprocessing_context: must be None; there are no processes.
        generator: where the order comes from; default: the default generator.
        prefetch_factor: batches ahead for each worker; default 2.
        persistent_workers: whether the threads outlive an iteration.
        in_order: whether batches come in the sampler's order, or as they are ready.
        transform: changes each batch, as a transform of `ferrograd.data.transforms`: called with the batch's parts and
            a generator of that batch's own, seeded from `generator`; the same with and without workers. Not in PyTorch.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: None = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
        transform: Callable[..., Any] | None = None,
    ) -> None:
        if num_workers < 0:
            raise ValueError(f"DataLoader: num_workers: expected a number of at least 0, got {num_workers}")
        if timeout < 0:
            raise ValueError(f"DataLoader: timeout: expected seconds of at least 0, got {timeout}")
        if prefetch_factor is not None and (num_workers == 0 or prefetch_factor < 1):
            raise ValueError(
                "DataLoader: prefetch_factor: expected None without workers, else at least 1, "
                f"got {prefetch_factor} for {num_workers} workers"
            )
        if persistent_workers and num_workers == 0:
            raise ValueError("DataLoader: persistent_workers: expected num_workers above 0 with it, got 0")
        if multiprocessing_context is not None:
            raise ValueError(
                "DataLoader: multiprocessing_context: expected None, for workers are threads, "
                f"got {multiprocessing_context!r}"
            )
        self._iterable = isinstance(dataset, IterableDataset)
        if self._iterable and (shuffle or sampler is not None or batch_sampler is not None):
            raise ValueError(
                "DataLoader: dataset: an IterableDataset comes in its own order, without shuffle, sampler or batch_sampler"
            )
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: sampler: expected sampler or shuffle, got both")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "DataLoader: batch_sampler: expected it without batch_size, shuffle, sampler and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError("DataLoader: drop_last: expected a batch_size with it, got None")
        self.dataset = dataset
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.generator = generator
        self.persistent_workers = persistent_workers
        self.in_order = in_order
        self.transform = transform
        if sampler is None and not self._iterable:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        self.sampler: Any = sampler
        if batch_sampler is None and batch_size is not None:
            # A stream has no indices; its batch sampler says how many samples make a batch.
            batch_sampler = BatchSampler(itertools.repeat(0) if sampler is None else sampler, batch_size, drop_last)
        self.batch_sampler: Any = batch_sampler
        self.collate_fn = collate_fn or (default_convert if batch_sampler is None else default_collate)
        self._threads: _Threads | None = None

    def __len__(self) -> int:
        if not self._iterable:
            return len(self.sampler if self.batch_sampler is None else self.batch_sampler)
        n = len(self.dataset)
        if self.batch_size is None:
            return n
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        if self.num_workers == 0:
            return self._batches()
        return self._prefetched()

    def _batches(self) -> Iterator[Any]:
        seed = self._drawn_seed()
        if self._iterable:
            return self._stream(seed)
        return map(self._fetch, self._index_sampler, itertools.repeat(seed), itertools.count())

    def _drawn_seed(self) -> int:
        """What this iteration's transforms are seeded with."""
        return 0 if self.transform is None else int(randint(0, 2**62, (1,), generator=self.generator).item())

    @property
    def _index_sampler(self) -> Any:
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def _stream(self, seed: int) -> Iterator[Any]:
        """The batches of an IterableDataset."""
        samples = iter(self.dataset)
        if self.batch_size is None:
            for number, sample in enumerate(samples):
                yield self._transformed(self.collate_fn(sample), seed, number)
            return
        number = 0
        while batch := list(itertools.islice(samples, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield self._transformed(self.collate_fn(batch), seed, number)
                number += 1

    def _transformed(self, batch: Any, seed: int, number: int) -> Any:
        """Batch `number` of an iteration, changed by random numbers that are its own."""
        if self.transform is None:
            return batch
        parts = batch if isinstance(batch, (list, tuple)) else (batch,)
        result = self.transform(*parts, generator=Generator().manual_seed(seed + number))
        return list(result) if isinstance(result, tuple) else result

    def _fetch(self, index: Any, seed: int, number: int) -> Any:
        """The batch of a list of indices, or the sample of one."""
        return self._transformed(self._collated(index), seed, number)

    def _collated(self, index: Any) -> Any:
        if self.batch_sampler is None:
            return self.collate_fn(self._item(index))
        index = list(index)
        if self.collate_fn is default_collate:
            # What holds tensors makes a batch of them by one call.
            whole = getattr(self.dataset, "_collated", None)
            batch = None if whole is None else whole(index)
            if batch is not None:
                return batch
        many = getattr(self.dataset, "__getitems__", None)
        samples = many(index) if callable(many) else [self._item(k) for k in index]
        try:
            return self.collate_fn(samples)
        except Exception as error:
            error.add_note(f"DataLoader: raised while the items {_some(index)} were made a batch")
            raise

    def _item(self, index: Any) -> Any:
        try:
            return self.dataset[index]
        except Exception as error:
            worker = _this_thread.info
            where = "" if worker is None else f" by worker {worker.id}"
            error.add_note(f"DataLoader: raised by item {index!r} of {type(self.dataset).__name__}, loaded{where}")
            if isinstance(error, StopIteration):
                raise RuntimeError(f"DataLoader: item {index!r} raised StopIteration") from error
            raise

    def _prefetched(self) -> Iterator[Any]:
        threads = self._threads
        if threads is None or not self.persistent_workers:
            threads = _Threads(self, 1 if self._iterable else self.num_workers)
            if self.persistent_workers:
                self._threads = threads
        return _Prefetched(self, threads)


def _some(indices: list[Any]) -> str:
    return f"{indices}" if len(indices) <= 8 else f"[{', '.join(map(str, indices[:8]))}, …]"


class _Threads:
    """The workers of a loader."""

    def __init__(self, loader: DataLoader, count: int) -> None:
        self.count = count
        self._dataset = loader.dataset
        self._init = loader.worker_init_fn
        self._ids = itertools.count()
        # The stream is looked at, not drawn from: the order must be the one without workers.
        seed, counter = (loader.generator or default_generator).get_state().tolist()
        self._seed = (seed + 0x9E3779B97F4A7C15 * (counter + 1)) % 2**62
        self.pool = futures.ThreadPoolExecutor(count, thread_name_prefix="ferrograd-data")

    def submit(self, function: Callable[..., Any], *args: Any) -> futures.Future[Any]:
        return self.pool.submit(self._run, _core.is_grad_enabled(), function, *args)

    def _run(self, recording: bool, function: Callable[..., Any], *args: Any) -> Any:
        if _this_thread.info is None:
            number = next(self._ids)
            _this_thread.info = WorkerInfo(number, self.count, self._seed + number, self._dataset)
            if self._init is not None:
                self._init(number)
        with set_grad_enabled(recording):  # The mode is each thread's own: take the caller's.
            return function(*args)


_END = object()


class _Prefetched:
    """The batches of one iteration, so many ahead."""

    def __init__(self, loader: DataLoader, threads: _Threads) -> None:
        self._loader = loader
        self._workers = threads
        self._pending: collections.deque[futures.Future[Any]] = collections.deque()
        self._seed = loader._drawn_seed()
        self._numbers = itertools.count()
        self._stream = loader._stream(self._seed) if loader._iterable else None
        self._indices = None if loader._iterable else iter(loader._index_sampler)
        for _ in range(loader.num_workers * (loader.prefetch_factor or 1)):
            self._ask()

    def __iter__(self) -> _Prefetched:
        return self

    def _ask(self) -> None:
        """Has the next batch prepared, if there is one."""
        if self._stream is not None:
            self._pending.append(self._workers.submit(next, self._stream, _END))
        elif self._indices is not None:
            index = next(self._indices, _END)
            if index is _END:
                self._indices = None
            else:
                self._pending.append(self._workers.submit(self._loader._fetch, index, self._seed, next(self._numbers)))

    def __next__(self) -> Any:
        if not self._pending:
            self._close()
            raise StopIteration
        future = self._ready()
        try:
            batch = future.result()
        except BaseException:
            self._close()
            raise
        if batch is _END:
            self._close()
            raise StopIteration
        self._ask()
        return batch

    def _ready(self) -> futures.Future[Any]:
        """The next batch: the first that was asked for, or the first that is there."""
        loader = self._loader
        watched = [self._pending[0]] if loader.in_order else list(self._pending)
        done, _ = futures.wait(watched, loader.timeout or None, futures.FIRST_COMPLETED)
        if not done:
            self._close()
            raise RuntimeError(f"DataLoader: timed out after {loader.timeout} seconds without a batch of the workers")
        future = next(f for f in watched if f in done)
        self._pending.remove(future)
        return future

    def _close(self) -> None:
        for future in self._pending:
            future.cancel()
        self._pending.clear()
        self._indices = None
        if self._loader._threads is not self._workers:
            self._workers.pool.shutdown(wait=False, cancel_futures=True)

    def __del__(self) -> None:
        if hasattr(self, "_pending"):
            self._close()
