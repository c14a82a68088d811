"""NumPy: the matrix products."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from . import GEMMS


def gemm(batch: int, m: int, n: int, k: int, form: str) -> Callable[[], object]:
    lead = (batch,) if batch > 1 else ()

    def normal(*shape: int) -> np.ndarray:  # type: ignore[type-arg]
        return np.random.default_rng(0).standard_normal((*lead, *shape), np.float32)

    a = np.swapaxes(normal(k, m), -1, -2) if form == "tn" else normal(m, k)
    b = np.swapaxes(normal(n, k), -1, -2) if form == "nt" else normal(k, n)
    return lambda: a @ b


STEPS = {name: partial(gemm, *shape) for name, shape in GEMMS.items()}


def version() -> str:
    return f"NumPy {np.__version__}"


def set_threads(n: int) -> None:
    """NumPy's BLAS reads its threads from the environment, which the parent sets."""
