"""Schedules that fall (or rise) from step to step: by a function, by stairs, linearly, exponentially, by a power."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from ..optimizer import Optimizer
from .base import LRScheduler, check_optimizer, one_a_group, saved_callable


class _ByFunction(LRScheduler):
    """What LambdaLR and MultiplicativeLR share."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Any, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        name = type(self).__name__
        self.lr_lambdas: list[Callable[[int], float]] = one_a_group(name, "lr_lambda", optimizer, lr_lambda)
        for function in self.lr_lambdas:
            if not callable(function):
                raise TypeError(f"{name}: lr_lambda: expected a function, got {type(function).__name__}")
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """All but the optimizer; of the functions the attributes of those that are callable objects."""
        return {**super().state_dict(), "lr_lambdas": [saved_callable(function) for function in self.lr_lambdas]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave; the functions stay, with their attributes set."""
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "lr_lambdas"})
        for function, attributes in zip(self.lr_lambdas, state_dict["lr_lambdas"], strict=True):
            if attributes is not None:
                function.__dict__.update(attributes)


class LambdaLR(_ByFunction):
    """lr = initial lr · lr_lambda(epoch).

    Args:
        optimizer: whose rates are set.
        lr_lambda: a function of the epoch, or one for each group.
        last_epoch: the index of the last epoch.
    """

    def get_lr(self) -> list[float]:
        """The learning rates at `last_epoch`."""
        self._asked()
        return [base * factor(self.last_epoch) for base, factor in zip(self._bases(), self.lr_lambdas, strict=True)]


class MultiplicativeLR(_ByFunction):
    """lr = lr · lr_lambda(epoch) at each epoch but the first.

    Args:
        optimizer: whose rates are set.
        lr_lambda: a function of the epoch, or one for each group.
        last_epoch: the index of the last epoch.
    """

    def get_lr(self) -> list[float]:
        """The learning rates at `last_epoch`."""
        self._asked()
        if self._is_initial:
            return self._rates()
        return [rate * factor(self.last_epoch) for rate, factor in zip(self._rates(), self.lr_lambdas, strict=True)]


class StepLR(LRScheduler):
    """lr = lr · gamma every `step_size` epochs."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The learning rates at `last_epoch`."""
        self._asked()
        falls = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return self._rates(self.gamma if falls else 1.0)

    def _get_closed_form_lr(self) -> list[float]:
        return self._bases(self.gamma ** (self.last_epoch // self.step_size))


class MultiStepLR(LRScheduler):
    """lr = lr · gamma at each of the `milestones`; one that stands there twice counts twice."""

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The learning rates at `last_epoch`."""
        self._asked()
        times = self.milestones.get(self.last_epoch, 0)
        return self._rates(self.gamma**times if times else 1.0)

    def _get_closed_form_lr(self) -> list[float]:
        return self._bases(self.gamma ** bisect_right(sorted(self.milestones.elements()), self.last_epoch))


class ConstantLR(LRScheduler):
    """lr = initial lr · factor during the first `total_iters` epochs."""

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        if not 0.0 <= factor <= 1.0:
            raise ValueError(f"ConstantLR: factor: expected a number between 0 and 1, got {factor}")
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The learning rates at `last_epoch`."""
        self._asked()
        if self.last_epoch == 0:
            return self._rates(self.factor)
        return self._rates(1.0 / self.factor if self.last_epoch == self.total_iters else 1.0)

    def _get_closed_form_lr(self) -> list[float]:
        return self._bases(1.0 if self.last_epoch >= self.total_iters else self.factor)


class LinearLR(LRScheduler):
    """lr = initial lr · a factor that goes linearly from `start_factor` to `end_factor` in `total_iters` epochs.

    A warm-up, where it comes before another schedule (SequentialLR) or beside one (ChainedScheduler).
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0.0 < start_factor <= 1.0:
            raise ValueError(f"LinearLR: start_factor: expected a number above 0 and up to 1, got {start_factor}")
        if not 0.0 <= end_factor <= 1.0:
            raise ValueError(f"LinearLR: end_factor: expected a number between 0 and 1, got {end_factor}")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The learning rates at `last_epoch`."""
        self._asked()
        if self.last_epoch == 0:
            return self._rates(self.start_factor)
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._rates()
        # The quotient of this factor and the last one, so that another schedule may change the rates as well.
        way = self.end_factor - self.start_factor
        return self._rates(1.0 + way / (self.total_iters * self.start_factor + (self.last_epoch - 1) * way))

    def _get_closed_form_lr(self) -> list[float]:
        share = min(self.total_iters, self.last_epoch) / self.total_iters
        return self._bases(self.start_factor + (self.end_factor - self.start_factor) * share)


class ExponentialLR(LRScheduler):
    """lr = lr · gamma at each epoch."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The learning rates at `last_epoch`."""
        self._asked()
        return self._rates(1.0 if self._is_initial else self.gamma)

    def _get_closed_form_lr(self) -> list[float]:
        return self._bases(self.gamma**self.last_epoch)


class PolynomialLR(LRScheduler):
    """lr = initial lr · (1 - epoch / total_iters)^power, and 0 from `total_iters` on."""

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The learning rates at `last_epoch`."""
        self._asked()
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._rates()
        left, before = (1.0 - epoch / self.total_iters for epoch in (self.last_epoch, self.last_epoch - 1))
        return self._rates((left / before) ** self.power)

    def _get_closed_form_lr(self) -> list[float]:
        return self._bases((1.0 - min(self.total_iters, self.last_epoch) / self.total_iters) ** self.power)
