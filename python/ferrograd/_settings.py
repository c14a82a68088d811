"""Switches of PyTorch's that ask for what always holds here: deterministic results, matrix products in full precision."""

from __future__ import annotations

_asked_for_determinism = False
_precision = "highest"


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Accepted: results do not depend on the number of threads or on chance, whatever the mode."""
    global _asked_for_determinism
    _asked_for_determinism = bool(mode)


def are_deterministic_algorithms_enabled() -> bool:
    """What `use_deterministic_algorithms` was last told."""
    return _asked_for_determinism


def set_float32_matmul_precision(precision: str) -> None:
    """Accepted: 'highest', 'high' and 'medium' all multiply float32 in full."""
    global _precision
    if precision not in ("highest", "high", "medium"):
        raise ValueError(
            f"set_float32_matmul_precision: precision: expected 'highest', 'high' or 'medium', got {precision!r}"
        )
    _precision = precision


def get_float32_matmul_precision() -> str:
    """What `set_float32_matmul_precision` was last told."""
    return _precision
