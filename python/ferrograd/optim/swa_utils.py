"""Averages of a model's weights over training: AveragedModel, its averages, SWALR, update_bn (arXiv:1803.05407)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from typing import Any

from .. import _core
from ..autograd import no_grad
from ..nn.module import Module
from ..nn.norm import _BatchNorm
from .lr_scheduler.base import LRScheduler, check_optimizer, one_a_group
from .optimizer import Optimizer

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


def get_ema_avg_fn(decay: float = 0.999) -> Callable[[Any, Any, Any], Any]:
    """(average, new, n) ↦ decay · average + (1 - decay) · new: an exponential moving average."""
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"get_ema_avg_fn: decay: expected a number from 0 to 1, got {decay}")
    return lambda average, new, n: decay * average + (1 - decay) * new


def get_swa_avg_fn() -> Callable[[Any, Any, Any], Any]:
    """(average, new, n) ↦ average + (new - average) / (n + 1): the mean of all."""
    return lambda average, new, n: average + (new - average) / (n + 1)


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[[Any, Any, Any], None]:
    """`get_ema_avg_fn` for lists of tensors, in place."""
    return _in_place(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> Callable[[Any, Any, Any], None]:
    """`get_swa_avg_fn` for lists of tensors, in place."""
    return _in_place(get_swa_avg_fn())


def _in_place(average: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any, Any], None]:
    def update(averages: Any, news: Any, n: Any) -> None:
        with no_grad():
            for a, new in zip(averages, news, strict=True):
                _core.backend.copy_(a, average(a, new, n))

    return update


class AveragedModel(Module):
    """A copy of a model whose weights are the average of that model's, taken each time `update_parameters` is called.

    Args:
        model: the model; its copy is `module`.
        device: where the copy lies; default: where the model does.
        avg_fn: (average, new, number averaged) ↦ the next average; default: the mean of all.
        multi_avg_fn: the same for lists of tensors, in place; only one of both.
        use_buffers: average the buffers too; otherwise they are copied.
    """

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Callable[[Any, Any, Any], Any] | None = None,
        multi_avg_fn: Callable[[Any, Any, Any], None] | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("AveragedModel: avg_fn: expected only one of avg_fn and multi_avg_fn, got both")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", _core.backend.full((), 0, "int64"))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged model gives."""
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Takes the weights of `model` into the average; the first time they are the average."""
        averages: list[Any] = [p.detach() for p in self.module.parameters()]
        news: list[Any] = [p.detach() for p in model.parameters()]
        if self.use_buffers:
            averages += self.module.buffers()
            news += model.buffers()
        count = self.n_averaged
        if count.item() == 0:
            for p, new in zip(averages, news, strict=True):
                _core.backend.copy_(p, new)
        elif self.multi_avg_fn is not None:
            self.multi_avg_fn(averages, news, count)
        else:
            _in_place(self.avg_fn or get_swa_avg_fn())(averages, news, count)
        if not self.use_buffers:
            for buffer, other in zip(self.module.buffers(), model.buffers(), strict=True):
                _core.backend.copy_(buffer, other)
        _core.backend.copy_(count, count + 1)


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """The running statistics of all batch norms anew, as the means over the batches of `loader`.

    A batch is what the model takes, or a tuple that begins with it.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    if not norms:
        return
    momenta, training = [norm.momentum for norm in norms], model.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    model.train()
    try:
        for batch in loader:
            x = batch[0] if isinstance(batch, (list, tuple)) else batch
            model(x if device is None else x.to(device))
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        model.train(training)


class SWALR(LRScheduler):
    """The rate goes to `swa_lr` in `anneal_epochs` epochs, along a cosine or linearly, and stays there.

    Args:
        optimizer: whose rates are set.
        swa_lr: the end, for all groups or one for each.
        anneal_epochs: how long it takes.
        anneal_strategy: 'cos' or 'linear'.
        last_epoch: the index of the last epoch.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: Any,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"SWALR: anneal_strategy: expected 'cos' or 'linear', got {anneal_strategy!r}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"SWALR: anneal_epochs: expected an integer of at least 0, got {anneal_epochs!r}")
        for group, rate in zip(optimizer.param_groups, one_a_group("SWALR", "swa_lr", optimizer, swa_lr), strict=True):
            group["swa_lr"] = rate
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        """How much of the way is done after `step` steps."""
        t = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self) -> list[float]:
        """The learning rates after `_step_count` steps."""
        self._asked()
        step = max(1, self._step_count - 1) if self.anneal_epochs == 0 else self._step_count - 1
        before, now = self._share(step - 1), self._share(step)
        found = []
        for rate, group in zip(self._rates(), self.optimizer.param_groups, strict=True):
            end = float(group["swa_lr"])
            start = end if before == 1.0 else (rate - before * end) / (1 - before)
            found.append(end * now + start * (1 - now))
        return found
