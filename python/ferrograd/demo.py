"""The demonstration: a convolutional network learns handwritten digits while its three learning curves are watched."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import ferrograd as fg

from . import data as datasets
from . import nn, optim
from .train import History, Trainer

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


class Batches:
    """Mini-batches in random order, each image shifted at random; anew each epoch."""

    def __init__(self, part: tuple[Any, Any], size: int, rng: np.random.Generator) -> None:
        self.part, self.size, self.rng = part, size, rng

    def __len__(self) -> int:
        return math.ceil(len(self.part[1]) / self.size)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        images, labels = self.part
        order = self.rng.permutation(len(labels))
        for k in range(0, len(order), self.size):
            chosen = order[k : k + self.size]
            yield fg.from_numpy(shifted(images[chosen], self.rng)), fg.from_numpy(labels[chosen])


def train(
    model: nn.Module, split: datasets.Split, epochs: int, seed: int, plain: bool, size: int = 32, lr: float = 2e-3
) -> History:
    """Mini-batch Adam, its learning rate falling as a cosine; the three learning curves watched."""
    optimizer = optim.Adam(model.parameters(), lr=lr)
    cosine = optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.5 * (1 + math.cos(math.pi * epoch / epochs)))
    trainer = Trainer(
        model, nn.CrossEntropyLoss(), optimizer, scheduler=cosine, progress="lines" if plain else None
    )  # fmt: skip
    batches = Batches(split.train, size, np.random.default_rng(seed))
    return trainer.fit(batches, split.dev, epochs, train_error=split.train, batch_size=256)


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
    history = train(model, split, epochs, seed, plain)
    seconds = time.perf_counter() - started
    test_error = error(model, split.test)
    picture, weights = out / "curves.png", out / "model.safetensors"
    try:
        history.plot(picture, title=f"{split.name}, seed {seed}: test error {test_error:.2%}")
    except ImportError as why:
        raise datasets.DataError(str(why)) from None
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
