"""Compares ferrograd with the peers that are installed: one table of ratios, all measured in one run.

Each library runs in a worker process of its own. The workers take turns, round after round; the figure is the median of
the rounds. Between turns there is a pause, because some libraries' threads stay awake for a while after work.

    python benches/peers.py [--suite SUITE]... [--only NAME]... [--compile] [--rounds 7] [--threads N]
                            [--json FILE] [--table FILE]

Suites: gemm, conv, ops, train, infer (times), scaling (1 against 2 threads), memory (peak and page faults). Without
--suite and --only a short list that `make bench` has time for.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from report import first_results_differ, is_bound_by_memory, table  # noqa: E402
from worker import LIBRARIES, Worker  # noqa: E402
from workloads import BRIEF, WORKLOADS  # noqa: E402

PAUSE = 0.3
#: What a step is timed with on a machine of its own, and on a busy one.
CLOCKS = ("perf_counter", "process_time")
#: A step of this many seconds is slow: fewer rounds will do.
SLOW = 0.5
SUITES = ("gemm", "conv", "ops", "train", "infer")
#: A step of this many seconds on one thread is long enough to gain from a second one.
LONG = 5e-3
#: Small work, which a second thread must not slow.
SMALL = ("sgemm 64", "add 16 recorded", "mlp tiny", "lenet infer")
#: What scaling is compared with: a product, and where memory is the limit a copy.
REFERENCES = ("sgemm 1024", "copy")


class Run:
    """The figures of a run, added to those of earlier ones."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self.figures: dict[str, Any] = json.loads(file.read_text()) if file is not None and file.exists() else {}

    def put(self, part: str, name: str, value: Any) -> None:
        self.figures.setdefault(part, {})[name] = value
        if self.file is not None:
            self.file.write_text(json.dumps(self.figures, indent=1))


class Comparison:
    """Workers that take turns."""

    def __init__(self, libraries: dict[str, tuple[str, int]], clock: str = "perf_counter") -> None:
        """Names of the workers, with the library and the number of threads of each."""
        self.workers = {name: Worker(library, threads, clock) for name, (library, threads) in libraries.items()}
        #: The one that measures the machine.
        self.ours = [self.workers[name] for name, (library, _) in libraries.items() if library == "ferrograd"][-1]
        self.prepared: dict[str, dict[str, Any]] = {}
        #: Instructions a second of a thread, in each round.
        self.instructions: list[float] = []

    def prepare(self, workload: str) -> None:
        """Sets a workload up in all workers that have it."""
        able = {name: w for name, w in self.workers.items() if workload in w.names}
        answers = {name: w.ask(do="prepare", name=workload) for name, w in able.items()}
        for name, answer in answers.items():
            if "error" in answer:
                print(f"{workload}: {name}: {answer['error']}", file=sys.stderr)
        self.prepared[workload] = {name: answer for name, answer in answers.items() if "error" not in answer}
        differ = first_results_differ({name: answer["first"] for name, answer in self.prepared[workload].items()})
        if differ:
            raise RuntimeError(f"{workload}: the first losses differ, so the workloads do: {differ}")

    def rounds(self, workload: str, rounds: int) -> int:
        slowest = max(answer["once"] for answer in self.prepared[workload].values())
        return min(rounds, 3) if slowest > SLOW else rounds

    def measure(self, workload: str, rounds: int) -> dict[str, list[float]]:
        """Seconds a step, for each worker one figure a round."""
        times: dict[str, list[float]] = {}
        for k in range(rounds):
            self.turn(workload, k, times)
        return times

    def turn(self, workload: str, k: int, times: dict[str, list[float]]) -> None:
        """Adds the figures of round `k`; each library is the first of a round in its turn."""
        names = list(self.prepared[workload])
        for name in names[k % len(names) :] + names[: k % len(names)]:
            time.sleep(PAUSE)
            times.setdefault(name, []).append(self.workers[name].ask(do="time", name=workload))
        if rate := self.ours.ask(do="instructions"):
            self.instructions.append(rate)

    def drop(self, workload: str) -> None:
        for name in self.prepared.pop(workload):
            self.workers[name].ask(do="drop", name=workload)

    def machine(self) -> Any:
        """The peaks, measured now."""
        return self.ours.ask(do="machine")

    def close(self) -> None:
        for w in self.workers.values():
            w.close()


def installed(compile: bool) -> list[str]:
    """The libraries to compare."""
    found = [library for library, (_, module, _) in LIBRARIES.items() if importlib.util.find_spec(module)]
    return [library for library in found if compile or library != "torch.compile"]


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


def compare(run: Run, names: list[str], libraries: list[str], threads: int, rounds: int, busy: Any = None) -> None:
    """Times of all libraries; `busy`: the peaks of a core, where the machine is too busy to measure them."""
    comparison = Comparison({library: (library, threads) for library in libraries}, CLOCKS[busy is not None])
    describe(run, comparison, threads, busy)
    for name in names:
        comparison.prepare(name)
        run.put("times", name, comparison.measure(name, comparison.rounds(name, rounds)))
        comparison.drop(name)
        if busy is None:  # often: a single measurement may fall into a bad second
            run.put("machine", "peaks", [*run.figures["machine"]["peaks"], comparison.machine()])
    finish(run, comparison)


def describe(run: Run, comparison: Comparison, threads: int, busy: Any = None) -> None:
    """What the times were measured on and with."""
    machine = comparison.machine()
    if busy is not None:
        machine |= {"fma_peak": busy[0] * 1e9, "copy": busy[1] * 1e9}
        run.put("machine", "busy", True)
    run.put("machine", "processor", f"{processor()}, {threads} threads, {machine['isa']}")
    run.put("machine", "peaks", [*run.figures["machine"].get("peaks", []), machine])
    versions = {name: w.version for name, w in comparison.workers.items()}
    run.put("machine", "versions", run.figures["machine"].get("versions", {}) | versions)


def finish(run: Run, comparison: Comparison) -> None:
    run.put("machine", "instructions", run.figures["machine"].get("instructions", []) + comparison.instructions)
    comparison.close()


def scaling(run: Run, names: list[str], rounds: int) -> None:
    """Our times on one thread and on two, in turns with those of the product or the copy that they are compared with."""
    comparison = Comparison({"1": ("ferrograd", 1), "2": ("ferrograd", 2)})
    describe(run, comparison, 2)
    for reference in REFERENCES:
        comparison.prepare(reference)
    for name in names:
        if name not in REFERENCES:
            comparison.prepare(name)
        if comparison.prepared[name]["1"]["once"] >= LONG or name in SMALL:
            reference = REFERENCES[is_bound_by_memory(name, run.figures)]
            times: dict[str, dict[str, list[float]]] = {name: {}, reference: {}}
            for k in range(comparison.rounds(name, rounds)):
                for what, found in times.items():
                    comparison.turn(what, k, found)
            run.put("scaling", name, {"times": times[name], "reference": times[reference]})
        if name not in REFERENCES:
            comparison.drop(name)
    finish(run, comparison)


def memory(run: Run, names: list[str], libraries: list[str], threads: int) -> None:
    """Peaks and page faults, each in a process of its own."""
    for name in names:
        found = {}
        for library in libraries:
            worker = Worker(library, threads)
            if name in worker.names:
                found[library] = worker.ask(do="memory", name=name, steps=5)
            worker.close()
        run.put("memory", name, found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", action="append", choices=[*SUITES, "scaling", "memory"])
    parser.add_argument("--only", action="append", metavar="NAME", help="a workload; the names are in workloads/")
    parser.add_argument("--compile", action="store_true", help="torch.compile too, which takes minutes to begin")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--busy", type=float, nargs=2, metavar=("GFLOP/s", "GB/s"),
        help="other things run: one thread, the least processor time of the rounds; the peaks of a core are given",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="add the figures to this file")
    parser.add_argument("--table", type=Path, metavar="FILE", help="print the table of such a file, measure nothing")
    args = parser.parse_args()
    if args.table:
        return print(table(json.loads(args.table.read_text())))

    suites = args.suite or []
    unknown = [name for name in args.only or [] if name not in WORKLOADS]
    if unknown:
        parser.error(f"--only: expected one of {', '.join(WORKLOADS)}; got {', '.join(unknown)}")
    names = [name for name, w in WORKLOADS.items() if w.suite in suites and (not args.only or name in args.only)]
    if not suites:
        names = args.only or list(BRIEF)
    run, libraries = Run(args.json), installed(args.compile)
    if names:
        compare(run, names, libraries, 1 if args.busy else args.threads, args.rounds, args.busy)
    # A hand-written forward runs the same kernels.
    distinct = [name for name in WORKLOADS if not name.endswith("plain")]
    if "scaling" in suites:
        scaling(run, args.only or distinct, args.rounds)
    if "memory" in suites:
        trained = [name for name in distinct if WORKLOADS[name].suite == "train"]
        memory(run, args.only or trained, [library for library in libraries if library != "numpy"], args.threads)
    if not suites and not args.only:
        base = import_time("numpy")
        for library in ("ferrograd", "torch", "jax"):
            if library in libraries:
                run.put("import ms above numpy", library, import_time(library) - base)
        worker = Worker("ferrograd", args.threads)
        run.put("steady", "mlp adam", worker.ask(do="steady_state"))
        worker.close()
    print("\n" + table(run.figures))


if __name__ == "__main__":
    main()
