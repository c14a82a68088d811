"""Children of a process whose pool is at work: fork, forkserver and spawn, each under a watchdog."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import warnings
from typing import Any

import numpy as np
import pytest
from _script import check

import ferrograd as fg
from ferrograd import _core

#: Large enough for several threads, and for a kernel that allocates while its region runs.
N = 600
WATCHDOG = 20.0


def work(seed: int = 0) -> float:
    """Parallel-sized work with gradients."""
    rng = np.random.default_rng(seed)
    w = fg.tensor(rng.random((N, N)), dtype="float32", requires_grad=True)
    x = fg.tensor(rng.random((N, N)), dtype="float32")
    y = x.matmul(w) * 2 + x
    y.backward(fg.ones(N, N))
    assert w.grad is not None
    return float(np.sum(y.detach().numpy(), dtype=np.float64) + np.sum(w.grad.numpy(), dtype=np.float64))


def child(queue: Any, seed: int) -> None:
    fg.set_num_threads(2)
    queue.put((work(seed), fg.get_num_threads()))


def from_child(method: str, seed: int = 0) -> tuple[float, int]:
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=child, args=(queue, seed))
    with warnings.catch_warnings():
        # Python 3.12 warns of a fork beside threads; surviving that is what is tested.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    try:
        found: tuple[float, int] = queue.get(timeout=WATCHDOG)
        process.join(WATCHDOG)
        assert process.exitcode == 0
        return found
    finally:
        process.kill()
        process.join()


METHODS = multiprocessing.get_all_start_methods()


@pytest.mark.parametrize("method", METHODS)
def test_a_child_computes_in_parallel(method: str, threads: Any) -> None:
    threads(2)
    want = work()  # the parent's pool is at work before the child is made
    assert from_child(method) == (want, 2)
    assert work() == want  # and goes on afterwards


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")


@needs_fork
def test_a_grandchild() -> None:
    code = """
    import os
    import ferrograd as fg
    fg.set_num_threads(2)
    x = fg.ones(600, 600)
    want = x.matmul(x)[0, 0].item()
    for generation in range(3):
        pid = os.fork()
        if pid:
            _, status = os.waitpid(pid, 0)
            os._exit(status >> 8)
        assert x.matmul(x)[0, 0].item() == want
    os._exit(0)
    """
    check(code, timeout=WATCHDOG)


@needs_fork
@pytest.mark.parametrize("seed", range(3))
def test_fork_while_another_thread_runs_a_region(seed: int, threads: Any) -> None:
    threads(2)
    want = work(seed)
    stop = threading.Event()
    failures: list[BaseException] = []

    def busy() -> None:
        try:
            while not stop.is_set():
                work(99)
        except BaseException as why:
            failures.append(why)

    others = [threading.Thread(target=busy) for _ in range(2)]
    for thread in others:
        thread.start()
    try:
        for _ in range(5):
            assert from_child("fork", seed) == (want, 2)
    finally:
        stop.set()
        for thread in others:
            thread.join(WATCHDOG)
    assert failures == []
    assert work(seed) == want


@needs_fork
def test_a_child_owns_its_memory() -> None:
    code = """
    import os
    import ferrograd as fg
    x = fg.zeros(1000)
    y = x.numpy()
    pid = os.fork()
    if pid == 0:
        x.add_(1)
        assert y[0] == 1
        del x, y
        fg.empty_cache()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert status == 0
    assert x.tolist() == [0.0] * 1000
    """
    check(code, timeout=WATCHDOG)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@needs_fork
def test_a_child_starts_threads_of_its_own(threads: Any) -> None:
    code = f"""
    import os
    import ferrograd as fg
    fg.set_num_threads(2)
    x = fg.ones({N}, {N})
    x.matmul(x)
    assert len(os.listdir("/proc/self/task")) >= 2
    pid = os.fork()
    if pid == 0:
        assert len(os.listdir("/proc/self/task")) == 1
        x.matmul(x)
        os._exit(0 if len(os.listdir("/proc/self/task")) == 2 else 3)
    assert os.waitpid(pid, 0)[1] == 0
    """
    check(code, timeout=WATCHDOG)


def test_the_work_is_parallel(threads: Any) -> None:
    """What the tests above stand on: this work enters the pool."""
    threads(2)
    work()
    tasks = {path: n for path, isa, n in _core.testing.entered_paths() if isa == _core.isa()}
    assert max(n for path, n in tasks.items() if path.startswith("gemm")) >= 2
    assert max(n for path, n in tasks.items() if path.startswith("elementwise")) >= 2
