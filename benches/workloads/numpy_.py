"""NumPy: the matrix products."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import SHAPES


def gemm(shape: tuple[int, int, int]) -> Callable[[], object]:
    m, n, k = shape
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((m, k), np.float32), rng.standard_normal((k, n), np.float32)
    return lambda: a @ b


STEPS = {name: (lambda shape=shape: gemm(shape)) for name, shape in SHAPES.items()}


def version() -> str:
    return f"NumPy {np.__version__}"


def set_threads(n: int) -> None:
    """NumPy's BLAS reads its threads from the environment, which the parent sets."""
