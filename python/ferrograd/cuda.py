"""What scripts ask of `torch.cuda`, answered for a machine without a GPU."""

from __future__ import annotations

from .random import _as_int64


def is_available() -> bool:
    """Whether tensors can be on a GPU: no."""
    return False


def is_initialized() -> bool:
    """Whether a GPU is in use: no."""
    return False


def device_count() -> int:
    """The number of GPUs: 0."""
    return 0


def manual_seed(seed: int) -> None:
    """Sets the seed of the GPU's generator: there is none, and nothing to do."""
    _as_int64(seed)


def manual_seed_all(seed: int) -> None:
    """Sets the seed of all GPUs' generators: there are none."""
    _as_int64(seed)


def empty_cache() -> None:
    """Gives unused memory of the GPU back: there is none."""
