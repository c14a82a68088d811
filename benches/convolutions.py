"""Compares ferrograd's convolutions with PyTorch's, layer by layer: forward, input gradient and weight gradient, each alone.

PyTorch runs in both of its memory formats and the faster one counts. Like `peers.py`, each library is a process of its
own and they take turns. The floor is the direct algorithm's FLOPs at the machine's FMA peak: Winograd goes below it.

    python benches/convolutions.py [--rounds 3] [--threads N] [--only PART OF A NAME]... [--json FILE]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

from peers import CLOCKS, PAUSE, processor
from report import human
from worker import Worker
from workloads.convolutions import LAYERS, PASSES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--busy", type=float, metavar="GFLOP/s", help="least processor times, of one thread; a core's peak is given"
    )
    parser.add_argument("--only", action="append", metavar="PART", help="layers whose name has this in it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here as well")
    args = parser.parse_args()

    clock, threads = CLOCKS[args.busy is not None], 1 if args.busy else args.threads
    ours = Worker("convolutions_ferrograd", threads, clock)
    torch = Worker("convolutions_torch", threads, clock) if importlib.util.find_spec("torch") else None
    machine = ours.ask(do="machine")
    peak = args.busy * 1e9 if args.busy else machine["fma_peak"]
    names = [name for name in LAYERS if not args.only or any(part in name for part in args.only)]
    figures: dict[str, Any] = {"machine": machine, "layers": {}}
    print(
        f"{processor()}, {threads} threads, {machine['isa']}, FMA peak {peak / 1e9:.0f} GFLOP/s; "
        f"{'least processor times' if args.busy else 'medians'} of {args.rounds} rounds; a cell: ours, PyTorch / ours (PyTorch's faster format), floor / ours\n"
    )
    print(f"| layer | floor | {' | '.join(PASSES)} |\n|---|---|---|---|---|")
    ratios: dict[str, list[float]] = {which: [] for which in PASSES}
    for name in names:
        floor = LAYERS[name].flops / peak
        cells = []
        for which in PASSES:
            step = f"{name}, {which}"
            turns = [(ours, step)]
            if torch:
                turns += [(torch, s) for s in (step, f"{step} (channels-last)") if s in torch.names]
            for worker, what in turns:
                ready = worker.ask(do="prepare", name=what)
                if "error" in ready:
                    raise RuntimeError(f"{what}: {ready['error']}")
            times: list[list[float]] = [[] for _ in turns]
            for _ in range(args.rounds):
                for k, (worker, what) in enumerate(turns):
                    time.sleep(PAUSE)
                    times[k].append(worker.ask(do="time", name=what))
            for worker, what in turns:
                worker.ask(do="drop", name=what)
            medians = [(min if args.busy else statistics.median)(t) for t in times]
            figures["layers"][step] = {"floor": floor, "ferrograd": medians[0], "torch": medians[1:]}
            cell = human(medians[0])
            if torch:
                ratios[which].append(min(medians[1:]) / medians[0])
                cell += f", {ratios[which][-1]:.2f}"
            cells.append(f"{cell}, {floor / medians[0]:.0%}")
        print(f"| {name} | {human(floor)} | {' | '.join(cells)} |", flush=True)
    for which, found in ratios.items():
        if found:
            print(f"{which}: {sum(r >= 1 for r in found)} of {len(found)} not slower than PyTorch, "
                  f"geometric mean {statistics.geometric_mean(found):.2f}, least {min(found):.2f}")  # fmt: skip
    for worker in filter(None, (ours, torch)):
        worker.close()
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
