"""LRScheduler: the base of schedules. It counts steps and writes learning rates into an optimizer's groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ... import _core, _recording
from ..._warn import warn
from ..optimizer import Optimizer

EPOCH_WARNING = (
    "step: epoch: an epoch need not be given and will not always be taken; call step() without it. With it, the closed "
    "form of the schedule is used where there is one"
)


def goes_on() -> None:
    """A schedule counts its steps in Python: no part of a step that is recorded."""
    _recording.unfit("a schedule of learning rates goes on inside it: call scheduler.step() outside")


class LRScheduler:
    """The base of schedules: `step()` after each step (or epoch) of the optimizer sets the next learning rates.

    A subclass says in `get_lr` what the rates of the groups are at `self.last_epoch`, out of `self.base_lrs` or of the
    rates of now; `_get_closed_form_lr`, if there is one, gives them for any epoch.

    Args:
        optimizer: whose rates are set; creating a schedule sets those of the first step.
        last_epoch: the index of the last epoch; -1 begins anew, any other needs `initial_lr` in the groups.
    """

    _get_lr_called_within_step = False
    _is_initial = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for k, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", copied(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{type(self).__name__}: last_epoch: expected 'initial_lr' in param_groups[{k}] (load the optimizer's "
                    f"state first), got none"
                )
        self.base_lrs = [copied(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        watch(optimizer)
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def get_last_lr(self) -> list[Any]:
        """The learning rates that were set last, one a group."""
        return self._last_lr

    def get_lr(self) -> list[Any]:
        """The learning rates at `last_epoch`, one a group; a subclass says how."""
        raise NotImplementedError(f"{type(self).__name__}: get_lr: a schedule has to say what the rates are")

    def step(self, epoch: int | None = None) -> None:
        """Goes on by one and sets the learning rates; call it after the optimizer's step."""
        goes_on()
        if self._step_count == 1 and not self.optimizer.__dict__.get("_opt_called"):
            warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`: call them in the opposite order, or the "
                "first learning rate of the schedule is skipped",
            )
        self._step_count += 1
        if epoch is not None:
            warn(EPOCH_WARNING)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        closed_form: Callable[[], list[Any]] | None = getattr(self, "_get_closed_form_lr", None)
        with self._within_step():
            rates = self.get_lr() if epoch is None or closed_form is None else closed_form()
        self._set(rates)

    @contextmanager
    def _within_step(self) -> Iterator[None]:
        self._get_lr_called_within_step = True
        try:
            yield
        finally:
            self._get_lr_called_within_step = False

    def _set(self, rates: list[Any]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            put(group, "lr", rate)
        self._last_lr = [copied(group["lr"]) for group in self.optimizer.param_groups]

    def _asked(self) -> None:
        """A `get_lr` that goes on from the rates of now is only right inside `step`."""
        if not self._get_lr_called_within_step:
            warn("get_lr: the last learning rates are get_last_lr()")

    def _rates(self, factor: float = 1.0) -> list[float]:
        """The groups' rates of now, times `factor`."""
        return [float(group["lr"]) * factor for group in self.optimizer.param_groups]

    def _bases(self, factor: float = 1.0) -> list[float]:
        """The groups' first rates, times `factor`."""
        return [float(base) * factor for base in self.base_lrs]

    def state_dict(self) -> dict[str, Any]:
        """All but the optimizer."""
        return {name: value for name, value in self.__dict__.items() if name != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave."""
        self.__dict__.update(state_dict)


def check_optimizer(optimizer: Any) -> None:
    """TypeError for what is none."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer: expected an Optimizer, got {type(optimizer).__name__}")


def watch(optimizer: Optimizer) -> None:
    """From now on it is noted whether the optimizer has stepped."""
    if not optimizer.__dict__.get("_watched"):
        optimizer.__dict__.update(_watched=True, _opt_called=False)


def copied(value: Any) -> Any:
    """The value, a Tensor as a copy."""
    return _core.backend.clone(value) if isinstance(value, _core.TensorBase) else value


def put(group: dict[str, Any], name: str, value: Any) -> None:
    """Sets an option of a group; a Tensor stays the one it is."""
    if isinstance(group[name], _core.TensorBase):
        _core.backend.copy_(group[name], float(value))
    else:
        group[name] = value


def one_a_group(schedule: str, name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """A value for each group, out of one for all or a list."""
    groups = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [copied(value) for _ in range(groups)]
    if len(value) != groups:
        raise ValueError(f"{schedule}: {name}: expected {groups} values, one a parameter group, got {len(value)}")
    return [copied(v) for v in value]


def saved_callable(function: Any) -> Any:
    """What is saved of a function: the attributes of a callable object, nothing of a plain function."""
    attributes = getattr(function, "__dict__", None)
    return None if not attributes or hasattr(function, "__code__") else dict(attributes)
