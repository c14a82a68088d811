"""What networks of linear layers share."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from .. import nn


def stack(sizes: Sequence[int], activation: Callable[[], nn.Module]) -> nn.Sequential:
    """Linear layers of the sizes given, an activation between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [activation()] if layers else []
        layers.append(nn.Linear(inputs, outputs))
    return nn.Sequential(*layers)
