"""What three of the library's choices are worth: each timed against what it stands in for, in turns, medians of the rounds.

- Results that lie channels-last, so that a chain of convolutions reads neighbours; against results laid out row-major again.
- Activations computed in the pass that writes a product or convolution; against an op of their own.
- Workers that stay awake for a moment after a region; against ones that have gone to sleep before the next.

    python benches/choices.py [--rounds 15] [--threads N]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

from report import human

import ferrograd as fg
from ferrograd.nn import functional as F

#: Seconds after which workers sleep.
ASLEEP = 0.02


def layouts() -> tuple[Callable[[], Any], Callable[[], Any]]:
    x = F.conv2d(fg.randn(8, 64, 32, 32), fg.randn(64, 64, 3, 3), padding=1)
    weights = [(fg.randn(64, 64, 3, 3) * 0.04).requires_grad_() for _ in range(4)]

    def chain(between: Callable[[Any], Any]) -> None:
        y = x
        for w in weights:
            y = between(F.relu(F.conv2d(y, w, padding=1)))
        y.sum().backward()

    return lambda: chain(lambda y: y), lambda: chain(lambda y: y.contiguous())


def dense() -> tuple[Callable[[], Any], Callable[[], Any]]:
    x, w, b = fg.randn(128, 784), fg.randn(512, 784, requires_grad=True), fg.randn(512, requires_grad=True)
    return (
        lambda: F.linear(x, w, b, activation="relu").sum().backward(),
        lambda: F.relu(F.linear(x, w, b)).sum().backward(),
    )


def convolved() -> tuple[Callable[[], Any], Callable[[], Any]]:
    x = F.conv2d(fg.randn(64, 6, 18, 18), fg.randn(6, 6, 5, 5)).detach()
    w, b = fg.randn(16, 6, 5, 5, requires_grad=True), fg.randn(16, requires_grad=True)
    return (
        lambda: F.conv2d(x, w, b, activation="relu").sum().backward(),
        lambda: F.relu(F.conv2d(x, w, b)).sum().backward(),
    )


CASES = {
    "four convolutions 3×3 64→64 at 8×32×32, ReLU, gradients: channels-last kept / row-major each time": layouts,
    "linear 784→512 of 128 rows, ReLU, gradients: in one pass / in two": dense,
    "convolution 5×5 6→16 at 64×14×14, ReLU, gradients: in one pass / in two": convolved,
}


def seconds(f: Callable[[], Any], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        f()
    return (time.perf_counter() - start) / repeats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=fg.get_num_threads())
    args = parser.parse_args()
    fg.set_num_threads(args.threads)
    print("| | with | without | without / with |\n|---|---|---|---|")
    for name, case in CASES.items():
        pair = case()
        times: list[list[float]] = [[], []]
        for f in pair:
            seconds(f, 3)
        for _ in range(args.rounds):
            for f, kept in zip(pair, times, strict=True):
                kept.append(seconds(f, 5))
        report(name, times)
    # A call right after another of its kind, and one after a pause.
    a, b = fg.randn(128, 128), fg.randn(128, 128)
    awake, asleep = [], []
    for _ in range(10 * args.rounds):
        a @ b
        awake.append(seconds(lambda: a @ b, 1))
        time.sleep(ASLEEP)
        asleep.append(seconds(lambda: a @ b, 1))
    report("product of 128³ on all threads: workers awake / asleep", [awake, asleep])


def report(name: str, times: list[list[float]]) -> None:
    with_, without = map(statistics.median, times)
    ratio = statistics.median(b / a for a, b in zip(*times, strict=True))
    print(f"| {name} | {human(with_)} | {human(without)} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
