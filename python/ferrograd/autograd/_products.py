"""Products with the Jacobian: what `func` and `autograd.functional` are made of.

With y = f(x) and J = dy/dx, `pull` gives vᵀJ by one walk back. `Push` gives J u: the gradient g(v) = vᵀJ is linear in v,
and the derivative of a linear map by its argument is the map, so one walk back through g gives J u whatever v was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .. import _core, ops
from ..grad_mode import enable_grad
from .engine import grad
from .graph import Node, target


def zeros_like(x: Any) -> Any:
    """Zeros in the shape and dtype of `x`."""
    return _core.backend.full(x.shape, 0, x._dtype)


def pull(
    outputs: Sequence[Any], inputs: Sequence[Any], v: Sequence[Any], create_graph: bool, retain_graph: bool = True
) -> list[Any]:
    """Σ vᵀ · d(output)/d(input) for each input; None where no output depends on it."""
    used = [(y, g) for y, g in zip(outputs, v, strict=True) if y.requires_grad]
    if not used:
        return [None] * len(inputs)
    return list(
        grad(
            [y for y, _ in used],
            inputs,
            [g for _, g in used],
            retain_graph=retain_graph,
            create_graph=create_graph,
            allow_unused=True,
        )
    )


class Push:
    """u ↦ J u, one entry an output, None where it depends on no input."""

    def __init__(self, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        with enable_grad():
            self.v = [zeros_like(y).requires_grad_() for y in outputs]
            self.gradients = pull(outputs, inputs, self.v, create_graph=True)

    def __call__(self, u: Sequence[Any], create_graph: bool) -> list[Any]:
        used = [(g, t) for g, t in zip(self.gradients, u, strict=True) if g is not None]
        return pull([g for g, _ in used], self.v, [t for _, t in used], create_graph)


def filled(found: Sequence[Any], likes: Sequence[Any]) -> list[Any]:
    """What was found, zeros in the place of None."""
    return [zeros_like(x) if g is None else g for g, x in zip(found, likes, strict=True)]


def unit_vectors(like: Any) -> Iterator[Any]:
    """The tensors of the shape of `like` that are 1 in one element and 0 in the others."""
    for k in range(like.numel()):
        unit = np.zeros(like.numel(), dtype=like._dtype)
        unit[k] = 1
        yield _core.from_numpy(unit.reshape(like.shape))


def stacked(parts: Sequence[Any], shape: tuple[int, ...], dim: int, dtype: str) -> Any:
    """The parts along a new dimension, the whole in `shape`."""
    if not parts:
        return _core.backend.full(shape, 0, dtype)
    return ops.reshape(ops.stack(*parts, dim=dim), shape=shape)


def reaches_other_leaves(outputs: Sequence[Any], own: set[int]) -> bool:
    """Whether the graph behind the outputs leads to a leaf whose id is not in `own`."""
    stack = [x if x._node is None else target(x._node) for x in outputs if x.requires_grad]
    seen = {id(at) for at in stack}
    while stack:
        at = stack.pop()
        if type(at) is not Node:
            if id(at) not in own:
                return True
            continue
        for edge in at.edges:
            after = None if edge is None else target(edge)
            if after is not None and id(after) not in seen:
                seen.add(id(after))
                stack.append(after)
    return False
