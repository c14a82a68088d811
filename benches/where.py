"""Where the time of a step goes: each workload's kernels, the median step of several, as rows of a table.

    python benches/where.py [--threads N] [--steps 9] NAME...

A cell is an op, its share of the time in kernels, and, after a slash, its share of the machine's peak: the larger of
operations at the FMA peak and bytes at a copy's rate (more than 100% comes from a cache). "outside" is what of the step's
time is in no kernel, Python's part; it is measured without the profiler.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

from report import human
from workloads import WORKLOADS
from workloads.ferrograd_ import STEPS

import ferrograd as fg
from ferrograd import _core

#: Ops below this share are summed.
LEAST = 0.04


def seconds(step: Any) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def row(name: str, steps: int, peaks: tuple[float, float]) -> str:
    step = STEPS[name]()
    for _ in range(3):
        step()
    whole = statistics.median(seconds(step) for _ in range(steps))
    profiles = []
    for _ in range(steps):
        with fg.profile(show=False) as p:
            step()
        profiles.append(p)
    total = sorted((sum(row.seconds for row in p.by_op()), k) for k, p in enumerate(profiles))[steps // 2]
    cells, rest = [], 0.0
    for op in profiles[total[1]].by_op():
        share = op.seconds / total[0]
        peak = max(op.flops / op.seconds / peaks[0], op.bytes / op.seconds / peaks[1])
        if share < LEAST:
            rest += share
        else:
            cells.append(f"{op.name} {share:.0%}{f' / {peak:.0%}' if peak else ''}")
    if rest:
        cells.append(f"other {rest:.0%}")
    outside = max(0.0, 1 - total[0] / whole)
    return f"| `{name}` | {human(whole)} | {'; '.join(cells)} | {outside:.0%} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="NAME", choices=list(WORKLOADS))
    parser.add_argument("--threads", type=int, default=fg.get_num_threads())
    parser.add_argument("--steps", type=int, default=9)
    args = parser.parse_args()
    fg.set_num_threads(args.threads)
    peaks = (_core.fma_peak(args.threads), _core.copy_bandwidth(args.threads))
    print(f"FMA peak {peaks[0] / 1e9:.0f} GFLOP/s, copy {peaks[1] / 1e9:.1f} GB/s, {args.threads} threads\n")
    print("| workload | step | kernels: share of their time / of peak | outside |\n|---|---|---|---|")
    for name in args.names:
        print(row(name, args.steps, peaks), flush=True)


if __name__ == "__main__":
    main()
