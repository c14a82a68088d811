"""The demonstration: a convolutional network learns handwritten digits while its three learning curves are watched."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import ferrograd as fg

from . import data as datasets
from . import nn, optim

#: The test errors that a run must reach, by data set.
BARS = {"scikit-learn digits": 0.020, "MNIST": 0.021}


def small_net() -> nn.Sequential:
    """For images of 8 × 8: three 3 × 3 convolutions, two poolings, one linear layer."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 2 * 2, 10),
    )  # fmt: skip


def large_net() -> nn.Sequential:
    """For images of 28 × 28: two 5 × 5 convolutions, two poolings, one linear layer."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(32 * 5 * 5, 10),
    )  # fmt: skip


def shifted(images: Any, rng: np.random.Generator) -> Any:
    """Each image moved by at most a sixteenth of its width (at least one pixel), zeros coming in."""
    n, _, height, width = images.shape
    reach = max(1, width // 16)
    padded = np.pad(images, ((0, 0), (0, 0), (reach, reach), (reach, reach)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    dy, dx = rng.integers(0, 2 * reach + 1, (2, n))
    return np.ascontiguousarray(windows[np.arange(n), :, dy, dx])


def error(model: nn.Module, part: tuple[Any, Any], batch: int = 256) -> float:
    """The share of images whose class the model gets wrong."""
    images, labels = part
    model.eval()
    with fg.no_grad():
        wrong = sum(
            int((model(fg.from_numpy(images[k : k + batch])).argmax(1).numpy() != labels[k : k + batch]).sum())
            for k in range(0, len(labels), batch)
        )
    model.train()
    return wrong / len(labels)


def batches(part: tuple[Any, Any], size: int, rng: np.random.Generator) -> Iterator[tuple[Any, Any]]:
    """Mini-batches in random order, each image shifted at random."""
    images, labels = part
    order = rng.permutation(len(labels))
    for k in range(0, len(order), size):
        chosen = order[k : k + size]
        yield fg.from_numpy(shifted(images[chosen], rng)), fg.from_numpy(labels[chosen])


def train(
    model: nn.Module, split: datasets.Split, epochs: int, seed: int, plain: bool, size: int = 32, lr: float = 2e-3
) -> dict[str, list[float]]:
    """Mini-batch Adam, its learning rate falling as a cosine; returns the three learning curves, a value an epoch."""
    rng = np.random.default_rng(seed)
    loss_of = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=lr)
    curves: dict[str, list[float]] = {"objective": [], "training error": [], "development error": []}
    steps = math.ceil(len(split.train[1]) / size)
    for epoch in range(epochs):
        for group in optimizer.param_groups:
            group["lr"] = lr * 0.5 * (1 + math.cos(math.pi * epoch / epochs))
        with _Progress(f"epoch {epoch + 1:>{len(str(epochs))}}/{epochs}", steps, plain) as progress:
            total = 0.0
            for images, labels in batches(split.train, size, rng):
                loss = loss_of(model(images), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.item() * len(labels)
                progress.step()
            values = (total / len(split.train[1]), error(model, split.train), error(model, split.dev))
            for curve, value in zip(curves.values(), values, strict=True):
                curve.append(value)
            progress.close("objective {:.4f}  training error {:6.2%}  development error {:6.2%}".format(*values))
    return curves


class _Progress:
    """One epoch's progress bar, or one line where there is no terminal to draw on."""

    def __init__(self, title: str, steps: int, plain: bool) -> None:
        self.title = title
        self.bar: Any = None
        if not plain and sys.stderr.isatty():
            from tqdm import tqdm

            self.bar = tqdm(
                total=steps, desc=title, unit="batch", bar_format="{desc} {bar:20} {n_fmt}/{total_fmt} {postfix}"
            )

    def step(self) -> None:
        if self.bar is not None:
            self.bar.update()

    def close(self, text: str) -> None:
        if self.bar is None:
            print(f"{self.title}  {text}", flush=True)
        else:
            self.bar.set_postfix_str(text)

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()


def plot(curves: dict[str, list[float]], title: str, path: Path) -> None:
    """The objective above, the two errors below, over the epochs."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise datasets.DataError("the picture needs matplotlib: pip install 'ferrograd[demo]'") from None
    figure = Figure(figsize=(7, 6), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True)
    epochs = range(1, len(curves["objective"]) + 1)
    marker = "o" if len(epochs) == 1 else ""
    above.plot(epochs, curves["objective"], color="#444444", marker=marker, label="objective")
    above.set_ylabel("cross entropy (nats)")
    above.set_yscale("log")
    below.plot(epochs, [100 * e for e in curves["training error"]], marker=marker, label="training error")
    below.plot(epochs, [100 * e for e in curves["development error"]], marker=marker, label="development error")
    below.set_ylabel("error (%)")
    below.set_xlabel("epoch")
    below.set_ylim(0, max(5.0, 1.1 * 100 * max(curves["development error"][len(epochs) // 8 :])))
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle(title)
    figure.savefig(path, dpi=100)


def run(data: Path | None, epochs: int | None, seed: int, out: Path, plain: bool) -> int:
    """Trains, tests once, writes the picture and the weights; 0 where the test error meets its bar, else 1."""
    split = datasets.digits() if data is None else datasets.mnist(data)
    small = split.train[0].shape[-1] == 8
    fg.manual_seed(seed)
    model = small_net() if small else large_net()
    epochs = epochs or (40 if small else 12)
    out.mkdir(parents=True, exist_ok=True)
    parameters = sum(p.numel() for p in model.parameters())
    print(
        f"{split.name}: {len(split.train[1]):,} images to train, {len(split.dev[1]):,} to develop, {len(split.test[1]):,} to "
        f"test; a network of {parameters:,} parameters"
    )
    started = time.perf_counter()
    curves = train(model, split, epochs, seed, plain)
    seconds = time.perf_counter() - started
    test_error = error(model, split.test)
    picture, weights = out / "curves.png", out / "model.safetensors"
    plot(curves, f"{split.name}, seed {seed}: test error {test_error:.2%}", picture)
    fg.save(model.state_dict(), weights)
    bar = BARS[split.name]
    met = test_error <= bar
    print(
        f"test error {test_error:.2%} ({'within' if met else 'ABOVE'} the bar of {bar:.1%}), trained in {seconds:.1f} s"
    )
    print(f"learning curves: {picture}")
    print(f"weights: {weights}; to load them:")
    print("    import ferrograd as fg")
    print(f"    from ferrograd.demo import {'small_net' if small else 'large_net'}")
    print(f"    model = {'small_net' if small else 'large_net'}()")
    print(f"    model.load_state_dict(fg.load({str(weights)!r}))")
    return 0 if met else 1
