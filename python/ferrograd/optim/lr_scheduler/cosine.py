"""Schedules along a cosine (Loshchilov and Hutter 2016, arXiv:1608.03983)."""

from __future__ import annotations

import math

from ..optimizer import Optimizer
from .base import LRScheduler, check_optimizer, goes_on


def _height(part: float) -> float:
    """(1 + cos(π · part)) / 2: from 1 to 0 as `part` goes from 0 to 1."""
    return (1 + math.cos(math.pi * part)) / 2


class CosineAnnealingLR(LRScheduler):
    """lr = eta_min + (initial lr - eta_min) · (1 + cos(π · epoch / T_max)) / 2."""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The learning rates at `last_epoch`."""
        self._asked()
        if self._is_initial:
            return self._rates()
        if self._step_count == 1 and self.last_epoch > 0:
            return self._get_closed_form_lr()
        before = self.last_epoch - 1
        if (before - self.T_max) % (2 * self.T_max) == 0:
            # The last rate was eta_min, so that there is no quotient.
            rise = 1 - _height(1 / self.T_max)
            return [
                rate + (base - self.eta_min) * rise for rate, base in zip(self._rates(), self._bases(), strict=True)
            ]
        ratio = _height(self.last_epoch / self.T_max) / _height(before / self.T_max)
        return [ratio * (rate - self.eta_min) + self.eta_min for rate in self._rates()]

    def _get_closed_form_lr(self) -> list[float]:
        height = _height(self.last_epoch / self.T_max)
        return [self.eta_min + (base - self.eta_min) * height for base in self._bases()]


class CosineAnnealingWarmRestarts(LRScheduler):
    """CosineAnnealingLR that starts again after `T_0` epochs, then after `T_mult` times as many, and so on.

    `step` also takes an epoch, which may be a fraction: `step(epoch + batch / batches)`.
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        if not isinstance(T_0, int) or T_0 <= 0:
            raise ValueError(f"CosineAnnealingWarmRestarts: T_0: expected a positive integer, got {T_0}")
        if not isinstance(T_mult, int) or T_mult < 1:
            raise ValueError(f"CosineAnnealingWarmRestarts: T_mult: expected an integer of at least 1, got {T_mult}")
        if not isinstance(eta_min, (int, float)):
            raise ValueError(f"CosineAnnealingWarmRestarts: eta_min: expected a number, got {eta_min!r}")
        check_optimizer(optimizer)
        self.T_0 = T_0
        self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The learning rates at `last_epoch`."""
        self._asked()
        height = _height(self.T_cur / self.T_i)
        return [self.eta_min + (base - self.eta_min) * height for base in self._bases()]

    def step(self, epoch: float | None = None) -> None:
        """Goes on by one, or to `epoch`."""
        goes_on()
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            self.last_epoch += 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        else:
            self._go_to(epoch)
        with self._within_step():
            rates = self.get_lr()
        self._set(rates)

    def _go_to(self, epoch: float) -> None:
        if epoch < 0:
            raise ValueError(f"step: epoch: expected a number of at least 0, got {epoch}")
        cycle, begin = 0, 0.0
        if epoch >= self.T_0:
            if self.T_mult == 1:
                cycle, begin = 0, epoch - epoch % self.T_0
            else:
                cycle = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
                begin = self.T_0 * (self.T_mult**cycle - 1) / (self.T_mult - 1)
        self.T_cur = epoch - begin
        self.T_i = self.T_0 * self.T_mult**cycle
        self.last_epoch = math.floor(epoch)
