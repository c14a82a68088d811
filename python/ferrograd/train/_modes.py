"""A model in another mode for a while, and a trainer beside another."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import nn
from ._random import Streams
from .callbacks import Callback, copied
from .feed import Feed

if TYPE_CHECKING:
    from .trainer import Trainer


@contextlib.contextmanager
def modes_kept(model: nn.Module) -> Iterator[None]:
    """Each module is afterwards in the mode, training or evaluation, that it was in."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while."""
    with modes_kept(model):
        model.eval()
        yield


@contextlib.contextmanager
def rehearsal(trainer: Trainer, feed: Feed, *callbacks: Callback) -> Iterator[Trainer]:
    """A trainer of the same model, which writes no history of this one; afterwards all is as before.

    That is the model, the optimizer and the random streams; gradients are forgotten.
    """
    model, optimizer = copied(trainer.model.state_dict()), copy.deepcopy(trainer.optimizer.state_dict())
    streams = Streams(model=trainer.model, data=feed.loader, generators=trainer.generators)
    with streams.kept(), modes_kept(trainer.model):
        try:
            yield type(trainer)(
                trainer.model, trainer.loss, trainer.optimizer, metrics=trainer.metrics, callbacks=callbacks,
                clip_grad_norm=trainer.clip_grad_norm, clip_grad_value=trainer.clip_grad_value, progress=False,
            )  # fmt: skip
        finally:
            trainer.model.load_state_dict(model)
            trainer.optimizer.load_state_dict(optimizer)
            trainer.optimizer.zero_grad()
