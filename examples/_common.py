"""What every example shares: its options, its data, its verdict and its picture. Start reading in `01_neuron.py`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

import ferrograd as fg

HERE = Path(__file__).resolve().parent
#: The largest picture, in bytes.
PICTURE = 60_000


def options(text: str | None) -> argparse.Namespace:
    """`--quick` (seconds instead of minutes, for the tests; judges nothing), `--seed`, `--out`; seeds ferrograd."""
    parser = argparse.ArgumentParser(
        prog=Path(sys.argv[0]).name, description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a few steps only, to see that it runs; judges nothing")
    parser.add_argument("--seed", type=int, default=0, help="seed of every random number (0)")
    parser.add_argument("--out", type=Path, default=HERE / "out", help="folder of the picture (examples/out)")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    fg.manual_seed(args.seed)
    return args


def no_data(why: object) -> NoReturn:
    """Says how to get the data that an example needs, and ends it with status 2."""
    print(f"no data: {why}", file=sys.stderr)
    sys.exit(2)


def mnist() -> Any:
    """MNIST from `$FERROGRAD_DATA` (`fg.data.datasets.mnist`); without it the example ends."""
    try:
        return fg.data.datasets.mnist()
    except fg.data.DataError as why:
        no_data(why)


def text() -> Any:
    """The tiny Shakespeare text from `$FERROGRAD_DATA` (`fg.data.datasets.text`); without it the example ends."""
    try:
        return fg.data.datasets.text()
    except fg.data.DataError as why:
        no_data(why)


def canvas(rows: int = 1, columns: int = 1, size: tuple[float, float] = (6.4, 4.0), **keywords: Any) -> tuple[Any, Any]:
    """A figure and its axes; larger text than usual, so that the picture is read at thumbnail size too."""
    figure = Figure(figsize=size, dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, **keywords)


def save(figure: Any, args: argparse.Namespace) -> None:
    """Writes the picture under the example's own name, at most `PICTURE` bytes of it."""
    path = args.out / f"{Path(sys.argv[0]).stem}.png"
    figure.canvas.draw()
    # A palette of 256 colours has a third of the bytes.
    Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB").quantize(256).save(path, optimize=True)
    size = path.stat().st_size
    if size > PICTURE:
        sys.exit(f"{path.name}: expected at most {PICTURE:,} bytes, got {size:,}: fewer points or a smaller figure")
    print(f"picture: {path}")


def verdict(args: argparse.Namespace, figure: str, bar: str, met: bool) -> None:
    """The example's last line: `figure | bar | met`; ends it with status 1 where a full run misses the bar."""
    print(f"result: {figure} | {bar} | {'quick' if args.quick else 'met' if met else 'NOT MET'}", flush=True)
    if not (met or args.quick):
        sys.exit(1)


class Clock:
    """`while clock.runs():` lets a training loop have just so many seconds (or, in a quick run, so many steps)."""

    def __init__(self, seconds: float, steps: int | None = None) -> None:
        self.seconds, self.steps = seconds, steps
        self.started, self.count = time.perf_counter(), 0

    def runs(self) -> bool:
        """Whether there is time for one more step."""
        self.count += 1
        if self.steps is not None:
            return self.count <= self.steps
        return time.perf_counter() - self.started < self.seconds

    def part(self) -> float:
        """The share of the time that is used, from 0 to 1: for schedules."""
        done = self.count / self.steps if self.steps else (time.perf_counter() - self.started) / self.seconds
        return min(1.0, done)


def race(
    contenders: dict[str, Callable[[float, int, Clock], tuple[float, float]]],
    rates: Sequence[float],
    args: argparse.Namespace,
    seconds: float,
    seeds: int = 5,
) -> dict[str, list[float]]:
    """Trains each contender with each learning rate and seed, all for the same wall time; a test figure a seed each.

    A contender is called with the learning rate, the seed and the clock, and gives its figures on the development and
    the test part (smaller is better). The learning rate is the one with the best mean on the development part.
    The contenders take turns, so that a machine that slows down slows all of them.
    """
    if args.quick:
        rates, seeds = rates[:1], 1
    found: dict[str, dict[float, list[tuple[float, float]]]] = {name: {lr: [] for lr in rates} for name in contenders}
    for seed in range(args.seed, args.seed + seeds):
        for lr in rates:
            for name, run in contenders.items():
                fg.manual_seed(seed)
                found[name][lr].append(run(lr, seed, Clock(seconds, 3 if args.quick else None)))
    best: dict[str, list[float]] = {}
    for name, by_rate in found.items():
        means = {
            lr: float(np.nan_to_num(np.mean([dev for dev, _ in runs]), nan=np.inf)) for lr, runs in by_rate.items()
        }
        lr = min(means, key=means.__getitem__)
        best[name] = [test for _, test in by_rate[lr]]
        print(f"{name}: learning rate {lr:g}, a seed each: " + "  ".join(f"{test:.4g}" for test in best[name]))
    return best


def parameters(model: Any) -> int:
    """The number of a model's parameters."""
    return sum(p.numel() for p in model.parameters())


def difference(ours: Any, reference: Any) -> float:
    """The largest difference of a tensor from a float64 computation, relative to the largest number of the latter."""
    ours, reference = np.asarray(ours.detach(), np.float64), np.asarray(reference, np.float64)
    if ours.shape != reference.shape:
        raise ValueError(f"difference: ours: expected shape {reference.shape}, got {ours.shape}")
    return float(np.abs(ours - reference).max() / np.abs(reference).max())
