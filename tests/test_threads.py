"""Python threads: computing and training at once, the GIL given back in kernels."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ferrograd as fg


def together(*workers: Callable[[], None], timeout: float = 60) -> None:
    """Runs the workers on threads of their own, all begun at once; what any of them raises is raised here."""
    failures: list[BaseException] = []
    begin = threading.Barrier(len(workers))

    def guarded(worker: Callable[[], None]) -> None:
        try:
            begin.wait(timeout)
            worker()
        except BaseException as why:
            failures.append(why)

    threads = [threading.Thread(target=guarded, args=(w,), daemon=True) for w in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout)
        assert not thread.is_alive(), "a thread hangs"
    if failures:
        raise failures[0]


def train(seed: int, steps: int = 30, size: int = 96) -> np.ndarray:
    """A small network trained by hand; the weights at the end."""
    rng = np.random.default_rng(seed)
    w = fg.tensor(rng.standard_normal((size, size)) / size, dtype="float32", requires_grad=True)
    x = fg.tensor(rng.standard_normal((size, size)), dtype="float32")
    for _ in range(steps):
        error = x.matmul(w) + x * -0.5
        error.backward(error.detach() * (2 / size))
        assert w.grad is not None
        with fg.no_grad():
            w.add_(w.grad * -0.05)
        w.grad = None
    return w.detach().numpy()


@pytest.mark.parametrize("count", [1, 2])
def test_eight_threads_train_at_once(count: int, threads: Any) -> None:
    """Each ends bit-equal to the same training alone, one thread changing arrays of indices meanwhile."""
    threads(count)
    want = [train(seed) for seed in range(8)]
    found: list[Any] = [None] * 8
    done = threading.Event()
    index = np.zeros(50_000, np.int64)
    table = fg.tensor(np.arange(100, dtype=np.float32))
    mask = np.zeros(100, bool)

    def trainer(k: int) -> Callable[[], None]:
        def work() -> None:
            found[k] = train(k)

        return work

    def change() -> None:
        value = 0
        while not done.is_set():
            value = (value + 7) % 150
            index[:] = value - 25  # out of range half of the time
            mask[value % 100] = not mask[value % 100]

    def read() -> None:
        """Whatever the array holds while it is read: elements of the table, or an IndexError; never a crash."""
        try:
            for _ in range(100):
                try:
                    got = table[index].numpy() if INDEXING else np.take(table.numpy(), index)
                except IndexError:
                    continue
                assert got.shape == index.shape
                assert ((got >= 0) & (got < 100)).all()
                if INDEXING:
                    picked = table[mask].numpy()
                    assert picked.ndim == 1
                    assert len(picked) <= 100
        finally:
            done.set()

    together(*[trainer(k) for k in range(8)], change, read)
    for got, expected in zip(found, want, strict=True):
        np.testing.assert_array_equal(got, expected)


#: Indexing by arrays is an op of its own.
INDEXING = hasattr(fg.ops, "advanced_getitem")


def test_threads_share_a_leaf() -> None:
    """Graphs on one leaf are built and walked at once, without a lock of the user's; `grad` touches no shared state."""
    w = fg.ones(64, 64, requires_grad=True)

    def work() -> None:
        for k in range(1, 100):
            x = fg.full((64, 64), float(k))
            (g,) = fg.autograd.grad((x * w) * w, w, fg.ones(64, 64))
            assert g[0, 0].item() == 2 * k
            assert g[-1, -1].item() == 2 * k

    together(*[work] * 8)
    assert w.grad is None


def test_the_pool_is_shared(threads: Any) -> None:
    """Allocation and release from many threads: nobody gets memory that another one holds."""
    threads(2)
    before = fg.memory_stats()["in_use"]

    def worker(k: int) -> Callable[[], None]:
        def work() -> None:
            held = []
            for step in range(300):
                held.append(fg.full((100 + step,), float(k)))
                if step % 3 == 0:
                    x = held.pop(0)
                    assert x.tolist() == [float(k)] * len(x)

        return work

    together(*[worker(k) for k in range(8)])
    assert fg.memory_stats()["in_use"] == before


def test_numbers_of_threads_change_while_others_compute(threads: Any) -> None:
    threads(2)
    want = train(3, steps=10, size=256)

    def compute() -> None:
        for _ in range(3):
            np.testing.assert_array_equal(train(3, steps=10, size=256), want)

    def switch() -> None:
        for k in range(60):
            threads(1 + k % 4)
            fg.ones(200_000) + 1

    together(compute, compute, switch)


@pytest.mark.parametrize(
    "kernel",
    [
        lambda x, m: x + x,
        lambda x, m: x.to("float64"),
        lambda x, m: m.matmul(m),
        lambda x, m: fg.full((20_000_000,), 1.0),
    ],
    ids=["add", "cast", "matmul", "full"],
)
def test_the_gil_is_given_back_in_kernels(kernel: Any, threads: Any) -> None:
    """While one thread is inside a kernel, another one runs Python.

    A thread that may only run when the kernel ends sees no time pass inside it: its counter stands still between the
    kernel's begin and end.
    """
    threads(1)
    x, m = fg.ones(20_000_000), fg.ones(1000, 1000)
    kernel(x, m)
    ticks: list[float] = []
    stop = threading.Event()

    def tick() -> None:
        while not stop.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0)

    other = threading.Thread(target=tick)
    other.start()
    spans = []
    try:
        for _ in range(5):
            begin = time.perf_counter()
            kernel(x, m)
            spans.append((begin, time.perf_counter()))
    finally:
        stop.set()
        other.join()
    # In the middle half of some kernel call, far from where Python hands the GIL over by itself.
    inside = [sum(begin + (end - begin) / 4 < t < end - (end - begin) / 4 for t in ticks) for begin, end in spans]
    assert max(inside) > 0, spans
