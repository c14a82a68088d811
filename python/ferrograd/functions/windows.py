"""Window functions of signal processing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import creation

if TYPE_CHECKING:
    from .._tensor import Tensor

__all__ = ["bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window"]


def _window(name: str, length: int, periodic: bool, shape: Any, options: dict[str, Any]) -> Any:
    """`shape(n)` for the symmetric window of n points; a periodic one is the next longer without its last point."""
    if length < 0:
        raise RuntimeError(f"{name}: window_length: expected a number of at least 0, got {length}")
    points = np.ones(length) if length < 2 else shape(length + 1)[:-1] if periodic else shape(length)
    dtype = options.pop("dtype", None) or creation.get_default_dtype()
    return creation.tensor(points, dtype=dtype, **options)


def hann_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """½ (1 − cos(2π n / N)), N the length, or the length less 1 where not periodic."""
    return _window("hann_window", window_length, periodic, np.hanning, options)  # type: ignore[no-any-return]


def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, **options: Any
) -> Tensor:
    """alpha − beta · cos(2π n / N)."""

    def shape(n: int) -> Any:
        return alpha - beta * np.cos(2 * np.pi * np.arange(n) / (n - 1))

    return _window("hamming_window", window_length, periodic, shape, options)  # type: ignore[no-any-return]


def blackman_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """0.42 − 0.5 cos(2π n / N) + 0.08 cos(4π n / N)."""
    return _window("blackman_window", window_length, periodic, np.blackman, options)  # type: ignore[no-any-return]


def bartlett_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """A triangle: 1 − |2n / N − 1|."""
    return _window("bartlett_window", window_length, periodic, np.bartlett, options)  # type: ignore[no-any-return]


def kaiser_window(window_length: int, periodic: bool = True, beta: float = 12.0, **options: Any) -> Tensor:
    """I₀(beta · √(1 − (2n / N − 1)²)) / I₀(beta), I₀ the Bessel function."""
    return _window("kaiser_window", window_length, periodic, lambda n: np.kaiser(n, beta), options)  # type: ignore[no-any-return]
