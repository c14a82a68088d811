"""Compares ferrograd with the peers that are installed: one table of ratios, all measured in one run.

Each library runs in a worker process of its own. The workers take turns, round after round; the figure is the median of
the rounds. Between turns there is a pause, because some libraries' threads stay awake for a while after work.

    python benches/peers.py [--rounds 7] [--threads N] [--only NAME]... [--json FILE]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
LIBRARIES = {"ferrograd": "ferrograd", "numpy": "numpy", "torch": "torch", "jax": "jax"}
PAUSE = 0.3
#: A turn repeats its step for about this long.
TURN = 0.25


def worker(library: str, threads: int) -> None:
    """Serves requests, a JSON line each: {"do": "time", "name": …} and the like."""
    sys.path.insert(0, str(HERE))
    module = importlib.import_module(f"workloads.{library}_")
    module.set_threads(threads)
    steps: dict[str, Any] = {}
    repeats: dict[str, int] = {}
    for line in sys.stdin:
        request = json.loads(line)
        do, name = request["do"], request.get("name")
        if do == "hello":
            answer: Any = {"version": module.version(), "names": list(module.STEPS)}
        elif do == "time":
            if name not in steps:
                steps[name] = module.STEPS[name]()
                started = time.perf_counter()
                while time.perf_counter() - started < TURN:
                    steps[name]()
                started = time.perf_counter()
                steps[name]()
                once = time.perf_counter() - started
                repeats[name] = max(3, min(100_000, int(TURN / max(once, 1e-7))))
            step, n = steps[name], repeats[name]
            inner = max(1, min(1000, int(2e-4 * n / TURN)))
            times = []
            for _ in range(max(3, n // inner)):
                started = time.perf_counter()
                for _ in range(inner):
                    step()
                times.append((time.perf_counter() - started) / inner)
            answer = statistics.median(times)
        else:
            answer = getattr(module, do)()
        print(json.dumps(answer), flush=True)


class Worker:
    """A library in a process of its own."""

    def __init__(self, library: str, threads: int) -> None:
        environment = dict(
            os.environ, OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS=str(threads), JAX_PLATFORMS="cpu"
        )
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", library, "--threads", str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self.process.pid, sorted(os.sched_getaffinity(0))[:threads])
        hello = self.ask(do="hello")
        self.version, self.names = hello["version"], hello["names"]

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
        self.process.wait(10)


def import_time(module: str, rounds: int = 7) -> float:
    """Milliseconds that an import takes in a fresh interpreter, the least of several."""
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    return 1e3 * min(float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(rounds))


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(": ")[1] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration, IndexError):
        return platform.processor() or platform.machine()


def human(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def main() -> None:
    sys.path.insert(0, str(HERE))
    from workloads import WORKLOADS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", action="append", metavar="NAME", help=f"one of: {', '.join(WORKLOADS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here as well")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return worker(args.worker, args.threads)

    found = [library for library, module in LIBRARIES.items() if importlib.util.find_spec(module)]
    workers = {library: Worker(library, args.threads) for library in found}
    machine = workers["ferrograd"].ask(do="machine")
    names = args.only or list(WORKLOADS)
    times: dict[str, dict[str, list[float]]] = {name: {} for name in names}
    for name in names:
        for _ in range(args.rounds):
            for library, w in workers.items():
                if name in w.names:
                    time.sleep(PAUSE)
                    times[name].setdefault(library, []).append(w.ask(do="time", name=name))
    steady = workers["ferrograd"].ask(do="steady_state")
    peers = [library for library in found if library != "ferrograd"]
    print(
        f"\n{processor()}, {args.threads} threads, {machine['isa']}; {', '.join(w.version for w in workers.values())}"
    )
    print(
        f"FMA peak {machine['fma_peak'] / 1e9:.0f} GFLOP/s, copy {machine['copy'] / 1e9:.1f} GB/s, "
        f"empty region {machine['region'] * 1e6:.1f} µs; medians of {args.rounds} rounds, "
        "(spread) = (max − min) / median\n"
    )
    header = ["workload", "ferrograd", *peers, "fastest peer / ours", "% of FMA peak"]
    rows = [header, ["---"] * len(header)]
    figures: dict[str, Any] = {"machine": machine, "steady": steady, "workloads": {}}
    for name in names:
        medians = {library: statistics.median(t) for library, t in times[name].items()}
        ours = medians["ferrograd"]
        others = [medians[p] for p in peers if p in medians]
        flops = WORKLOADS[name][1]
        cells = [WORKLOADS[name][0]]
        for library in ["ferrograd", *peers]:
            t = times[name].get(library)
            cells.append(f"{human(medians[library])} ({(max(t) - min(t)) / medians[library]:.0%})" if t else "–")
        cells.append(f"{min(others) / ours:.2f}" if others else "–")
        cells.append(f"{flops / ours / machine['fma_peak']:.0%}" if flops else "–")
        rows.append(cells)
        figures["workloads"][name] = medians
    widths = [max(len(row[k]) for row in rows) for k in range(len(header))]
    for row in rows:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
    for w in workers.values():
        w.close()
    base = import_time("numpy")
    extra = {library: import_time(LIBRARIES[library]) - base for library in found if library != "numpy"}
    figures["import_ms_above_numpy"] = extra
    print("\nimport, above numpy's: " + ", ".join(f"{library} {ms:.0f} ms" for library, ms in extra.items()))
    print(
        f"1,000 steps of the MLP with Adam after a warm-up: {steady['faults']} page faults, {steady['misses']} requests to the "
        f"system for memory, {steady['growth_kib']} KiB growth"
    )
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
