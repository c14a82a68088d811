"""What this build is, what it runs on, and what stands beside it."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from . import _core

#: Libraries that exchange arrays with this one, read its files, or are measured against it.
PEERS = ("torch", "jax", "scipy", "scikit-learn", "ml_dtypes", "safetensors", "matplotlib")


def _version(name: str) -> str | None:
    import importlib.metadata  # Late: it takes longer to load than all of ferrograd.

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def show_config(mode: str = "stdout") -> dict[str, Any] | None:
    """Prints the version, the instruction set, the threads, the memory pool, and the peers found.

    Args:
        mode: "stdout" prints; "dicts" gives the same as a dict.
    """
    if mode not in ("stdout", "dicts"):
        raise ValueError(f"show_config: mode: expected 'stdout' or 'dicts', got {mode!r}")
    import platform

    found: dict[str, dict[str, Any]] = {
        "ferrograd": {
            "version": _core.__version__,
            "platform": platform.platform(),
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
        "instruction set": {
            "in force": _core.isa(),
            "available": _core.isas(),
            "FERROGRAD_ISA": os.environ.get("FERROGRAD_ISA"),
        },
        "threads": {
            "number": _core.get_num_threads(),
            "FERROGRAD_NUM_THREADS": os.environ.get("FERROGRAD_NUM_THREADS"),
        },
        "memory pool": dict(_core.memory_stats()),
        "peers": {name: _version(name) for name in PEERS},
    }
    if mode == "dicts":
        return found
    for title, entries in found.items():
        print(f"{title}:")
        for name, value in entries.items():
            shown = (
                ", ".join(value)
                if isinstance(value, list)
                else "not found"
                if value is None and title == "peers"
                else value
            )
            print(f"  {name}: {shown}")
    return None
