"""Schedules that rise and fall, and the momentum against them (Smith 2015, arXiv:1506.01186; 2017, arXiv:1708.07120)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..optimizer import Optimizer
from .base import LRScheduler, check_optimizer, one_a_group, put, saved_callable


class _WithMomentum(LRScheduler):
    """What both share: momentum, or β₁ of optimizers that have `betas`, moves between two values."""

    cycle_momentum: bool
    use_beta1: bool

    def _prepare_momentum(self, base: Any, largest: Any, last_epoch: int) -> None:
        """The values of each group, and where it begins: at the largest."""
        name, defaults = type(self).__name__, self.optimizer.defaults
        if "momentum" not in defaults and "betas" not in defaults:
            raise ValueError(
                f"{name}: cycle_momentum: expected an optimizer with momentum or betas, got {type(self.optimizer).__name__}"
            )
        self.use_beta1 = "betas" in defaults
        self.base_momentums = one_a_group(name, "base_momentum", self.optimizer, base)
        self.max_momentums = one_a_group(name, "max_momentum", self.optimizer, largest)
        if last_epoch == -1:
            for group, low, high in zip(
                self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True
            ):
                self._put_momentum(group, high)
                group["max_momentum"], group["base_momentum"] = high, low

    def _put_momentum(self, group: dict[str, Any], momentum: float) -> None:
        if self.use_beta1:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum


class CyclicLR(_WithMomentum):
    """The rate goes from `base_lr` up to `max_lr` and back, again and again, and the momentum the other way.

    Args:
        optimizer: whose rates are set.
        base_lr, max_lr: the ends, for all groups or one for each.
        step_size_up, step_size_down: steps up and down (default: as many).
        mode: 'triangular'; 'triangular2' halves the height with each cycle; 'exp_range' takes it times gamma^steps.
        gamma: see mode.
        scale_fn: a function for the height in place of a mode, of the number of the cycle or of the step.
        scale_mode: what scale_fn is a function of: 'cycle' or 'iterations'.
        cycle_momentum: move the momentum between `max_momentum` and `base_momentum`.
        base_momentum, max_momentum: its ends.
        last_epoch: the index of the last step.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: Any,
        max_lr: Any,
        step_size_up: float = 2000,
        step_size_down: float | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.8,
        max_momentum: Any = 0.9,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        base_lrs = one_a_group("CyclicLR", "base_lr", optimizer, base_lr)
        self.max_lrs = one_a_group("CyclicLR", "max_lr", optimizer, max_lr)
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError(f"CyclicLR: mode: expected 'triangular', 'triangular2' or 'exp_range', got {mode!r}")
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, base_lrs, strict=True):
                put(group, "lr", rate)
        down = step_size_up if step_size_down is None else step_size_down
        self.total_size = float(step_size_up) + float(down)
        self.step_ratio = float(step_size_up) / self.total_size
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode if scale_fn is not None else "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._prepare_momentum(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """The height of cycle or step `x`."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular":
            return 1.0
        return float(1 / 2.0 ** (x - 1) if self.mode == "triangular2" else self.gamma**x)

    def get_lr(self) -> list[float]:
        """The learning rates at `last_epoch`; sets the momentum as well."""
        self._asked()
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        at = 1.0 + self.last_epoch / self.total_size - cycle
        height = at / self.step_ratio if at <= self.step_ratio else (at - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for group, low, high in zip(
                self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True
            ):
                self._put_momentum(group, high - (high - low) * height * scale)
        return [
            low + (float(high) - low) * height * scale for low, high in zip(self._bases(), self.max_lrs, strict=True)
        ]

    def state_dict(self) -> dict[str, Any]:
        """All but the optimizer; of `scale_fn` the attributes if it is a callable object."""
        return {**super().state_dict(), "_scale_fn_custom": saved_callable(self._scale_fn_custom)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave; `scale_fn` stays, with its attributes set."""
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "_scale_fn_custom"})
        attributes = state_dict["_scale_fn_custom"]
        if attributes is not None and self._scale_fn_custom is not None:
            self._scale_fn_custom.__dict__.update(attributes)


class OneCycleLR(_WithMomentum):
    """The rate rises from `max_lr / div_factor` to `max_lr` and falls to that start over `final_div_factor`.

    The momentum goes the other way. There are `total_steps` steps, or `epochs · steps_per_epoch`.

    Args:
        optimizer: whose rates are set.
        max_lr: the top, for all groups or one for each.
        total_steps, epochs, steps_per_epoch: how long the cycle is.
        pct_start: the share of the steps that rise.
        anneal_strategy: 'cos' or 'linear'.
        cycle_momentum: move the momentum between `max_momentum` and `base_momentum`.
        base_momentum, max_momentum: its ends.
        div_factor, final_div_factor: see above.
        three_phase: fall to the start as fast as it rose, then to the end.
        last_epoch: the index of the last step.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: Any,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.85,
        max_momentum: Any = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        if total_steps is not None:
            self.total_steps = _positive("total_steps", total_steps)
        elif epochs is not None and steps_per_epoch is not None:
            self.total_steps = _positive("epochs", epochs) * _positive("steps_per_epoch", steps_per_epoch)
        else:
            raise ValueError("OneCycleLR: total_steps: expected it, or epochs and steps_per_epoch, got neither")
        if not isinstance(pct_start, float) or not 0.0 <= pct_start <= 1.0:
            raise ValueError(f"OneCycleLR: pct_start: expected a float between 0 and 1, got {pct_start!r}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy: expected 'cos' or 'linear', got {anneal_strategy!r}")
        self._anneal_func_type = anneal_strategy
        top = float(pct_start * self.total_steps) - 1
        # Where each part ends, and between which options of a group the rate and the momentum go.
        parts = [(top, "initial_lr", "max_lr", "max_momentum", "base_momentum")]
        if three_phase:
            back = float(2 * pct_start * self.total_steps) - 2
            parts.append((back, "max_lr", "initial_lr", "base_momentum", "max_momentum"))
            parts.append((self.total_steps - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"))
        else:
            parts.append((self.total_steps - 1, "max_lr", "min_lr", "base_momentum", "max_momentum"))
        names = ("end_step", "start_lr", "end_lr", "start_momentum", "end_momentum")
        self._schedule_phases: list[dict[str, Any]] = [dict(zip(names, part, strict=True)) for part in parts]
        tops = one_a_group("OneCycleLR", "max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, tops, strict=True):
                group["initial_lr"], group["max_lr"] = rate / div_factor, rate
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._prepare_momentum(base_momentum, max_momentum, last_epoch)
            # The groups hold them, as in PyTorch.
            del self.base_momentums, self.max_momentums
        super().__init__(optimizer, last_epoch)

    def _anneal(self, start: float, end: float, share: float) -> float:
        if self._anneal_func_type == "linear":
            return (end - start) * share + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * share) + 1)

    def get_lr(self) -> list[float]:
        """The learning rates at `last_epoch`; sets the momentum as well."""
        self._asked()
        if self.last_epoch > self.total_steps:
            raise ValueError(f"OneCycleLR: step: expected at most {self.total_steps} steps, got {self.last_epoch}")
        start = 0.0
        for phase in self._schedule_phases:
            if self.last_epoch <= phase["end_step"] or phase is self._schedule_phases[-1]:
                break
            start = phase["end_step"]
        share = (self.last_epoch - start) / (phase["end_step"] - start)
        if self.cycle_momentum:
            for group in self.optimizer.param_groups:
                self._put_momentum(
                    group,
                    self._anneal(float(group[phase["start_momentum"]]), float(group[phase["end_momentum"]]), share),
                )
        return [
            self._anneal(float(group[phase["start_lr"]]), float(group[phase["end_lr"]]), share)
            for group in self.optimizer.param_groups
        ]


def _positive(name: str, value: Any) -> int:
    if not isinstance(value, int) or value <= 0:
        raise ValueError(f"OneCycleLR: {name}: expected a positive integer, got {value!r}")
    return value
