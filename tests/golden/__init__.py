"""Arrays that PyTorch computed (`make_golden.py`), by case and name."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np


@functools.cache
def golden(name: str) -> dict[str, dict[str, np.ndarray]]:
    """The arrays of a file: `golden("layers/base")["conv2d"]["grad/weight"]`."""
    cases: dict[str, dict[str, np.ndarray]] = {}
    with np.load(Path(__file__).parent / f"{name}.npz") as file:
        for path in file.files:
            case, _, key = path.partition("/")
            cases.setdefault(case, {})[key] = file[path]
    return cases


def under(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose names begin with `prefix/`, without it."""
    return {k[len(prefix) + 1 :]: v for k, v in arrays.items() if k.startswith(prefix + "/")}
