"""The pictures of training: learning curves, the search for a learning rate."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from . import metrics

if TYPE_CHECKING:
    from .history import History
    from .lr_find import LRFound


def canvas(size: tuple[float, float]) -> Any:
    """An empty figure of matplotlib, without a window.

    Raises:
        ImportError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("the picture needs matplotlib: pip install 'ferrograd[plot]'") from None
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def curves(history: History, path: str | os.PathLike[str] | None, title: str | None) -> Any:
    """The objective above, the two errors (if there are any) below, over the epochs."""
    if not len(history):
        raise ValueError("plot: history: expected at least one epoch, got none")
    errors = {"training": history.train_error, "development": history.dev_error}
    errors = {name: values for name, values in errors.items() if not np.isnan(values).all()}
    figure = canvas((7, 6 if errors else 3.5))
    axes = figure.subplots(1 + bool(errors), 1, sharex=True, squeeze=False)[:, 0]
    epochs = history["epoch"] if "epoch" in history.columns else np.arange(1, len(history) + 1)
    marker = "o" if len(epochs) == 1 else ""
    axes[0].plot(epochs, history.objective, color="#444444", marker=marker, label="objective")
    if "dev objective" in history.columns:
        axes[0].plot(
            epochs, history["dev objective"], "--", color="#999999", marker=marker, label="development objective"
        )
    axes[0].set_ylabel("objective")
    if np.nanmin(history.objective) > 0:
        axes[0].set_yscale("log")
    if errors:
        share = metrics.is_share(history.metric or "")
        for name, values in errors.items():
            axes[1].plot(epochs, values * (100 if share else 1), marker=marker, label=f"{name} {history.metric}")
        axes[1].set_ylabel(f"{history.metric} (%)" if share else history.metric)
        if share and not (history.metric or "").endswith("accuracy"):
            late = np.concatenate([values[len(epochs) // 8 :] for values in errors.values()])
            axes[1].set_ylim(0, max(5.0, 110 * float(np.nanmax(late))))
    axes[-1].set_xlabel("epoch")
    axes[-1].xaxis.get_major_locator().set_params(integer=True)
    for ax in axes:
        ax.grid(alpha=0.3)
        ax.legend()
    if title:
        figure.suptitle(title)
    if path is not None:
        figure.savefig(path, dpi=100)
    return figure


def rates(found: LRFound, path: str | os.PathLike[str] | None) -> Any:
    """The loss over the learning rate."""
    figure = canvas((7, 4))
    axes = figure.subplots()
    axes.plot(found.lrs, found.losses, color="#bbbbbb", linewidth=1, label="a step")
    axes.plot(found.lrs, found.smoothed, color="#1f77b4", linewidth=2, label="smoothed")
    axes.axvline(found.suggestion, color="#d62728", linestyle="--", label=f"suggestion: {found.suggestion:.2g}")
    axes.set_xscale("log")
    low, first = float(np.min(found.smoothed)), float(found.smoothed[0])
    margin = max(first - low, 0.1 * abs(first))
    axes.set_ylim(low - 0.3 * margin, first + margin)
    axes.set_xlabel("learning rate")
    axes.set_ylabel("objective")
    axes.grid(alpha=0.3)
    axes.legend()
    if path is not None:
        figure.savefig(path, dpi=100)
    return figure
