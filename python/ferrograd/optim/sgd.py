"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from .. import _core
from .optimizer import Optimizer, at_least_zero, no_differentiable


class SGD(Optimizer):
    """Gradient descent, with momentum, Nesterov's or none.

        g = ∂Q/∂p + weight_decay · p          (the sign of ∂Q/∂p turned with `maximize`)
        b = momentum · b + (1 - dampening) · g          (b = g at a parameter's first step)
        p = p - lr · b          (with nesterov: p - lr · (g + momentum · b); without momentum: p - lr · g)

    Args:
        params: parameters, pairs of a name and one, or dicts of groups.
        lr: the learning rate.
        momentum: the share of the last step that is kept.
        dampening: how much of the gradient is left out of the momentum.
        weight_decay: the factor of the parameters' squares in the objective, times 2.
        nesterov: look ahead by the momentum; needs momentum and no dampening.
        maximize: go up instead of down.
        foreach, differentiable, fused: accepted for PyTorch's sake; a step is one call in any case.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        no_differentiable("SGD", differentiable)
        #: How many steps each parameter with momentum has made.
        self._steps: dict[Any, Any] = {}
        defaults = dict(
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
            maximize=maximize,
        )
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        at_least_zero("SGD", group, "lr", "momentum", "weight_decay")
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError(
                "SGD: nesterov: expected a momentum above 0 and no dampening, "
                f"got momentum {group['momentum']} and dampening {group['dampening']}"
            )

    def _step_group(self, group: dict[str, Any], params: list[Any], grads: list[Any]) -> None:
        buffers, steps = [], []
        if group["momentum"]:
            for p in params:
                state = self.state[p]
                buffer = state.get("momentum_buffer")
                if buffer is None:
                    buffer = state["momentum_buffer"] = _core.backend.full(p.shape, 0, p._dtype)
                    self._steps[p] = _core.backend.full((), 0, "float32")
                buffers.append(buffer)
                steps.append(self._steps[p])
        else:
            steps.append(self._count)
        _core.backend.sgd_step(
            params,
            grads,
            buffers,
            self._rate(group),
            steps,
            momentum=float(group["momentum"]),
            dampening=float(group["dampening"]),
            weight_decay=float(group["weight_decay"]),
            nesterov=bool(group["nesterov"]),
            maximize=bool(group["maximize"]),
        )

    def load_state_dict(self, state_dict: Any) -> None:
        """As `Optimizer.load_state_dict`."""
        super().load_state_dict(state_dict)
        # A parameter that has a buffer has made its first step.
        having = [p for p, state in self.state.items() if state.get("momentum_buffer") is not None]
        self._steps = {p: _core.backend.full((), 1, "float32") for p in having}
