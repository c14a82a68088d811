"""Ops that memory limits, and attention, against PyTorch and against a plain copy in the same run.

The same lines run on both libraries, each in a process of its own; they take turns. A floor is the number of bytes that
the fewest passes read and write; "of the copy" is the bandwidth at this floor over that of a copy of 64 MiB.

    python benches/memory_bound.py [--rounds 5] [--threads N] [--processor-time] [--only GROUP]...

`--processor-time` takes the time that one thread was on a processor, for a machine that others use as well.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

#: A turn repeats its step for about this long.
TURN = 0.12
MIB = float(1 << 20)
Step = Callable[[], Any]


class Library:
    """The names that the cases use, of ferrograd or of PyTorch."""

    def __init__(self, name: str) -> None:
        self.lib = importlib.import_module({"ferrograd": "ferrograd", "torch": "torch"}[name])
        self.nn = importlib.import_module(f"{self.lib.__name__}.nn")
        self.F = importlib.import_module(f"{self.lib.__name__}.nn.functional")
        self.optim = importlib.import_module(f"{self.lib.__name__}.optim")

    def normal(self, *shape: int, seed: int = 0) -> Any:
        return self.lib.from_numpy(np.random.default_rng(seed).standard_normal(shape, np.float32))

    def integers(self, high: int, *shape: int) -> Any:
        return self.lib.from_numpy(np.random.default_rng(1).integers(0, high, shape))

    def both(self, f: Callable[..., Any], *operands: Any) -> Step:
        """Forward, and the gradients of the operands that are floats."""
        floats = [x.requires_grad_() for x in operands if x.is_floating_point()]
        y = f(*operands)
        g = self.lib.from_numpy(np.random.default_rng(2).standard_normal(tuple(y.shape)).astype(np.float32))
        return lambda: self.lib.autograd.grad(f(*operands), floats, g)

    def forward(self, f: Callable[..., Any], *operands: Any) -> Step:
        def step() -> Any:
            with self.lib.no_grad():
                return f(*operands)

        return step


def adam(t: Library) -> Step:
    parameters = [t.nn.Parameter(t.normal(1 << 20)) for _ in range(8)]
    for p in parameters:
        p.grad = t.normal(1 << 20)
    return t.optim.Adam(parameters, **({"fused": True} if t.lib.__name__ == "torch" else {})).step


def lstm(t: Library) -> Step:
    layer = t.nn.LSTM(256, 256, 2)
    return t.forward(lambda x: layer(x)[0], t.normal(64, 32, 256))


def attention(n: int, heads: int, length: int, features: int, causal: bool = False, gradients: bool = True) -> Any:
    def make(t: Library) -> Step:
        # As a projection lays them down: heads beside each other in each row.
        parts = [t.normal(n, length, heads, features, seed=k).requires_grad_() for k in range(3)]
        g = t.normal(n, heads, length, features, seed=4)

        def forward(*parts: Any) -> Any:
            q, k, v = (x.transpose(1, 2) for x in parts)
            return t.F.scaled_dot_product_attention(q, k, v, is_causal=causal)

        if not gradients:
            return t.forward(forward, *parts)
        return lambda: t.lib.autograd.grad(forward(*parts), parts, g)

    return make


def layer(t: Library) -> Step:
    """An encoder layer, d 512, 8 heads, 2048 between, on 8 × 128 tokens, and all gradients."""
    block = t.nn.TransformerEncoderLayer(512, 8, 2048, 0.0, batch_first=True)
    x, g = t.normal(8, 128, 512).requires_grad_(), t.normal(8, 128, 512, seed=1)
    wanted = [x, *block.parameters()]
    return lambda: t.lib.autograd.grad(block(x), wanted, g)


IMAGES = (32, 64, 56, 56)  # 24.5 MiB
ROWS = (8192, 1024)  # 32 MiB

#: group -> case -> (bytes at the floor in MiB or 0, what makes the step)
CASES: dict[str, dict[str, tuple[float, Callable[[Library], Step]]]] = {
    "attention": {
        "attention 8x8x128x64": (0, attention(8, 8, 128, 64)),
        "attention 8x6x256x64 causal": (0, attention(8, 6, 256, 64, True)),
        "attention 8x6x256x64 causal, forward": (0, attention(8, 6, 256, 64, True, False)),
        "attention 1x8x1024x64": (0, attention(1, 8, 1024, 64)),
        "attention 1x8x1024x64 forward": (0, attention(1, 8, 1024, 64, False, False)),
        "attention 1x2x4096x64 causal": (0, attention(1, 2, 4096, 64, True)),
        "attention 32x4x32x16": (0, attention(32, 4, 32, 16)),
        "attention 4x12x64x64 forward": (0, attention(4, 12, 64, 64, True, False)),
        "encoder layer and gradients": (0, layer),
    },
    "elementwise": {
        "copy": (128, lambda t: t.forward(lambda x: x.clone(), t.normal(16 << 20))),
        "relu(x·y + y) − x": (32 * 11, lambda t: t.forward(lambda x, y: t.F.relu(x * y + y) - x, *pair(t))),
        "relu and gradient": (32 * 5, lambda t: t.both(t.F.relu, t.normal(8 << 20))),
        "gelu and gradient": (32 * 5, lambda t: t.both(t.F.gelu, t.normal(8 << 20))),
        "dropout and gradient": (32 * 4.5, lambda t: t.both(lambda x: t.F.dropout(x, 0.1), t.normal(8 << 20))),
        "adam, 8 Mi parameters": (32 * 7, adam),
    },
    "rows": {
        "softmax and gradient": (32 * 5, lambda t: t.both(lambda x: t.F.softmax(x, -1), t.normal(*ROWS))),
        "layer norm and gradients": (
            32 * 5, lambda t: t.both(lambda x, w, b: t.F.layer_norm(x, (1024,), w, b), t.normal(*ROWS), t.normal(1024), t.normal(1024)),
        ),
        "cross-entropy and gradient": (
            32 * 3, lambda t: t.both(lambda x, y: t.F.cross_entropy(x, y), t.normal(*ROWS), t.integers(1024, 8192)),
        ),
        "embedding and gradient": (
            16 * 2 + 16 * 3, lambda t: t.both(lambda i, w: t.F.embedding(i, w), t.integers(16384, 8192), t.normal(16384, 512)),
        ),
        "mse and gradients": (32 * 6, lambda t: t.both(t.F.mse_loss, *pair(t))),
        "huber and gradients": (32 * 6, lambda t: t.both(t.F.huber_loss, *pair(t))),
        "smooth l1 and gradients": (32 * 6, lambda t: t.both(t.F.smooth_l1_loss, *pair(t))),
        "bce with logits and gradient": (
            32 * 6, lambda t: t.both(t.F.binary_cross_entropy_with_logits, *pair(t)),
        ),
    },
    "images": {
        "batch norm and gradients": (
            24.5 * 8, lambda t: t.both(lambda x, w, b: t.F.batch_norm(x, None, None, w, b, True), t.normal(*IMAGES), t.normal(64), t.normal(64)),
        ),
        "group norm and gradients": (
            24.5 * 8, lambda t: t.both(lambda x, w, b: t.F.group_norm(x, 8, w, b), t.normal(*IMAGES), t.normal(64), t.normal(64)),
        ),
        "max pool 2 and gradient": (24.5 * 2.5, lambda t: t.both(lambda x: t.F.max_pool2d(x, 2), t.normal(*IMAGES))),
        "max pool 3/2 and gradient": (
            24.5 * 2.5, lambda t: t.both(lambda x: t.F.max_pool2d(x, 3, 2, 1), t.normal(*IMAGES)),
        ),
        "avg pool 2 and gradient": (24.5 * 2.5, lambda t: t.both(lambda x: t.F.avg_pool2d(x, 2), t.normal(*IMAGES))),
        "adaptive avg pool 7 and gradient": (
            24.5 * 2, lambda t: t.both(lambda x: t.F.adaptive_avg_pool2d(x, 7), t.normal(*IMAGES)),
        ),
        "global avg pool and gradient": (
            24.5 * 2, lambda t: t.both(lambda x: t.F.adaptive_avg_pool2d(x, 1), t.normal(*IMAGES)),
        ),
        "global avg pool 7x7 and gradient": (
            24.5 * 2, lambda t: t.both(lambda x: t.F.adaptive_avg_pool2d(x, 1), t.normal(64, 2048, 7, 7)),
        ),
        "upsample nearest 2 and gradient": (
            24.5 * 2.5, lambda t: t.both(lambda x: t.F.interpolate(x, scale_factor=2), t.normal(32, 64, 28, 28)),
        ),
        "grid sample and gradients": (
            0, lambda t: t.both(lambda x, g: t.F.grid_sample(x, g, align_corners=False), t.normal(8, 16, 64, 64), t.normal(8, 64, 64, 2)),
        ),
    },
    "indices": {
        "sum over rows": (32, lambda t: t.forward(lambda x: x.sum(0), t.normal(*ROWS))),
        "mean over columns": (32, lambda t: t.forward(lambda x: x.mean(1), t.normal(*ROWS))),
        "argmax over columns": (32, lambda t: t.forward(lambda x: x.argmax(1), t.normal(*ROWS))),
        "cumsum": (64, lambda t: t.forward(lambda x: x.cumsum(1), t.normal(*ROWS))),
        "cumsum int64": (64, lambda t: t.forward(lambda x: x.cumsum(1), t.integers(9, 4096, 1024))),
        "sort": (0, lambda t: t.forward(lambda x: x.sort(1)[0], t.normal(1024, 1024))),
        "sort int64": (0, lambda t: t.forward(lambda x: x.sort(1)[0], t.integers(1 << 40, 1024, 1024))),
        "topk": (32, lambda t: t.forward(lambda x: x.topk(10, 1)[0], t.normal(*ROWS))),
        "gather": (0, lambda t: t.forward(lambda x, i: x.gather(1, i), t.normal(*ROWS), t.integers(1024, 8192, 256))),
        "index select": (64, lambda t: t.forward(lambda x, i: x[i], t.normal(*ROWS), t.integers(8192, 8192))),
        "concatenate": (128, lambda t: t.forward(lambda x, y: t.lib.cat([x, y], 1), t.normal(*ROWS), t.normal(*ROWS))),
        "transpose": (64, lambda t: t.forward(lambda x: x.t().contiguous(), t.normal(*ROWS))),
        "lstm inference": (0, lstm),
        "ctc and gradient": (
            0, lambda t: t.both(lambda x: t.F.ctc_loss(x.log_softmax(2), t.integers(40, 16, 20) + 1, t.lib.full((16,), 100), t.lib.full((16,), 20)), t.normal(100, 16, 41)),
        ),
    },
}  # fmt: skip


def pair(t: Library) -> tuple[Any, Any]:
    return t.normal(8 << 20), t.normal(8 << 20, seed=3)


def every_case() -> dict[str, tuple[float, Callable[[Library], Step]]]:
    return {name: case for group in CASES.values() for name, case in group.items()}


def serve(name: str, threads: int, clock: Callable[[], float]) -> None:
    """Answers each line, a case, with the median time of a step; "" drops what was set up."""
    library = Library(name)
    library.lib.set_num_threads(threads)
    cases, ready = every_case(), {}
    for line in map(str.strip, sys.stdin):
        if not line:
            ready.clear()
            print(json.dumps(0), flush=True)
            continue
        if line not in ready:
            step = cases[line][1](library)
            started = clock()
            for _ in range(3):
                step()
            ready[line] = step, max(2, int(3 * TURN / (clock() - started)))
        step, n = ready[line]
        times = []
        for _ in range(n):
            started = clock()
            step()
            times.append(clock() - started)
        print(json.dumps(statistics.median(times)), flush=True)


class Worker:
    """A library in a process of its own."""

    def __init__(self, name: str, threads: int, options: list[str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", name, "--threads", str(threads), *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ, OMP_NUM_THREADS=str(threads)),
        )  # fmt: skip

    def ask(self, case: str) -> float:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(case + "\n")
        self.process.stdin.flush()
        return float(json.loads(self.process.stdout.readline()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", action="append", metavar="GROUP", help=f"one of {', '.join(CASES)}, or a case")
    parser.add_argument("--processor-time", action="store_true")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return serve(args.worker, args.threads, time.process_time if args.processor_time else time.perf_counter)
    options = ["--processor-time"] if args.processor_time else []
    if args.processor_time:
        args.threads = 1
    names = [n for group in args.only or CASES for n in (CASES.get(group, [group]))]
    workers = [Worker(name, args.threads, options) for name in ("ferrograd", "torch")]
    copy = 128 * MIB / statistics.median(workers[0].ask("copy") for _ in range(3))
    print(f"{args.threads} threads, a copy reaches {copy / 1e9:.1f} GB/s; medians of {args.rounds} rounds\n")
    print(f"| {'case':34} | ferrograd ms | PyTorch ms | PyTorch / ours | of the copy |\n|---|---|---|---|---|")
    for name in names:
        rounds = [[w.ask(name) for w in workers] for _ in range(args.rounds)]
        ours, theirs = (statistics.median(r[k] for r in rounds) for k in range(2))
        floor = every_case()[name][0] * MIB
        share = f"{floor / ours / copy:.0%}" if floor else "–"
        print(
            f"| {name:34} | {ours * 1e3:12.2f} | {theirs * 1e3:10.2f} | {theirs / ours:14.2f} | {share:>11} |",
            flush=True,
        )
        for w in workers:
            w.ask("")


if __name__ == "__main__":
    main()
