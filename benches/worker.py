"""One library in a process of its own, and the talk with it: a line of JSON each way."""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent

#: A library in one of its variants: the module of `workloads`, the package it needs, the variant.
LIBRARIES = {
    "ferrograd": ("ferrograd", "ferrograd", ""),
    "ferrograd recorded": ("ferrograd", "ferrograd", "recorded"),
    "numpy": ("numpy", "numpy", ""),
    "torch": ("torch", "torch", ""),
    "torch channels-last": ("torch", "torch", "channels_last"),
    "torch.compile": ("torch", "torch", "compiled"),
    "jax": ("jax", "jax", ""),
}
#: A turn repeats its step for about this long.
TURN = 0.25
#: Steps until the page faults are counted: in the first ones a pool comes to hold a block for every size.
WARM = 15
#: Seconds that setting up a workload may take: torch.compile does not come to an end on all of them.
PATIENCE = 240


class Served:
    """The worker's side."""

    def __init__(self, library: str, threads: int, clock: str) -> None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
        self.clock = getattr(time, clock)
        # A suite's own module goes by its name.
        name, _, variant = LIBRARIES.get(library, (library, "", ""))
        self.module = importlib.import_module(f"workloads.{name}_")
        self.module.set_threads(threads)
        self.steps = self.module.VARIANTS[variant] if variant else self.module.STEPS
        self.ready: dict[str, tuple[Any, int]] = {}

    def hello(self) -> dict[str, Any]:
        return {"version": self.module.version(), "names": list(self.steps)}

    def prepare(self, name: str) -> dict[str, Any]:
        """Sets a workload up and warms it up; says how long a step takes and what the first one returned, if a number."""

        def late(*_: object) -> None:
            raise TimeoutError

        signal.signal(signal.SIGALRM, late)
        signal.alarm(PATIENCE)
        try:
            step = self.steps[name]()
            first = step()
            started = self.clock()
            while self.clock() - started < TURN:
                step()
            started = self.clock()
            step()
            once = self.clock() - started
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"[:200]}
        finally:
            signal.alarm(0)
        self.ready[name] = step, max(1 if once > TURN / 3 else 3, min(100_000, int(TURN / max(once, 1e-7))))
        return {"once": once, "first": first if isinstance(first, float) else None}

    def time(self, name: str) -> float:
        """The median of a turn's steps."""
        step, n = self.ready[name]
        inner = max(1, min(1000, int(2e-4 * n / TURN)))
        times = []
        for _ in range(max(1, n // inner)):
            started = self.clock()
            for _ in range(inner):
                step()
            times.append((self.clock() - started) / inner)
        return statistics.median(times)

    def drop(self, name: str) -> None:
        self.ready.pop(name, None)

    def memory(self, name: str, steps: int) -> dict[str, float]:
        """The most memory above what the library itself takes, and page faults a step once the first steps are over."""
        self.module.STEPS["mlp tiny"]()()  # threads and buffers that every step needs
        before = _status("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        step = self.steps[name]()
        for _ in range(WARM):
            step()
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(steps):
            step()
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
        return {"peak": _status("VmHWM") - before, "library": before, "faults": faults / steps}

    def serve(self) -> None:
        for line in sys.stdin:
            request = json.loads(line)
            do = request.pop("do")
            answer = getattr(self, do, None) or getattr(self.module, do)
            print(json.dumps(answer(**request)), flush=True)


def _status(what: str) -> float:
    """A line of this process's status, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024.0 * int(next(line for line in lines if line.startswith(what)).split()[1])


class Worker:
    """The other side: a library in a process of its own."""

    def __init__(self, library: str, threads: int, clock: str = "perf_counter") -> None:
        environment = dict(
            os.environ, OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS=str(threads), JAX_PLATFORMS="cpu"
        )
        self.process = subprocess.Popen(
            [sys.executable, __file__, library, str(threads), clock],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        hello = self.ask(do="hello")
        self.version, self.names = hello["version"], set(hello["names"])

    def ask(self, **request: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker of a library ended: {self.process.args}")
        return json.loads(line)

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(60)


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    Served(sys.argv[1], int(sys.argv[2]), sys.argv[3]).serve()
