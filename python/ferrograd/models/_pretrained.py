"""What the builders share."""

from __future__ import annotations

from typing import Any


def no_weights(builder: str, weights: Any) -> None:
    """The argument is there for torchvision's calls; nothing is downloaded."""
    if weights is not None:
        raise ValueError(
            f"{builder}: weights: expected None, got {weights!r}: ferrograd downloads nothing; save torchvision's "
            "state_dict as safetensors and load it with model.load_state_dict(fg.load(path))"
        )
