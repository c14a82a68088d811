"""Which units of a trained model have died: they give the same for every sample, so no gradient passes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import nn
from ..analysis._undisturbed import tensors, undisturbed
from ..autograd import no_grad

#: A tanh, or sigmoid, this near its bound for every sample passes less than a fiftieth of the gradient.
SATURATED = 0.99

#: Layers whose results have their units in the last dimension; others have them in dimension 1, as convolutions do.
_LAST = (nn.Linear, nn.LayerNorm, nn.RNN, nn.Embedding)


@dataclass(frozen=True)
class DeadUnits:
    """How many units of a layer do the same for all samples."""

    layer: str
    dead: int
    units: int

    @property
    def share(self) -> float:
        """The dead ones' share."""
        return self.dead / self.units


def dead_units(model: nn.Module, inputs: Any) -> list[DeadUnits]:
    """Of each activation layer how many units are dead: a ReLU that is 0, a tanh or sigmoid at its bound, for every sample.

    The model runs once in evaluation mode and is left as it was. Activations are seen where they are modules (`nn.ReLU`,
    `nn.Tanh`, `nn.Sigmoid`, `nn.RNN`), not where they are functions.
    """
    found: list[DeadUnits] = []
    before: list[nn.Module] = []

    def hook(name: str) -> Any:
        def look(module: nn.Module, _: Any, output: Any) -> None:
            z = next(iter(tensors(output)), None)
            if z is None or not z.is_floating_point() or z.ndim < 2:
                return
            idle = _idle(module, z.detach()._readable())
            if idle is not None:
                last = idle.ndim == 2 or isinstance(module, nn.RNN) or bool(before and isinstance(before[-1], _LAST))
                other = tuple(k for k in range(idle.ndim) if k != (idle.ndim - 1 if last else 1))
                dead = idle.all(axis=other)
                found.append(DeadUnits(name or type(module).__name__, int(dead.sum()), dead.size))
            else:
                before.append(module)

        return look

    layers = [(name, module) for name, module in model.named_modules() if not any(module.children())]
    handles = [module.register_forward_hook(hook(name)) for name, module in layers]
    try:
        with undisturbed(model), no_grad():
            model(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _idle(module: nn.Module, z: Any) -> Any:
    """Where an activation passes no gradient; None for other layers."""
    kind = module.nonlinearity if isinstance(module, nn.RNN) else type(module).__name__.lower()
    if kind in ("relu", "relu6"):
        return z == 0
    if kind == "tanh":
        return np.abs(z) > SATURATED
    if kind == "sigmoid":
        return np.abs(2 * z - 1) > SATURATED
    return None
