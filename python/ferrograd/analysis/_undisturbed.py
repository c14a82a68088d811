"""Running a model without leaving a trace."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import nn, ops, random
from ..autograd import no_grad


@contextlib.contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """In evaluation mode; training flags, buffers and random numbers are afterwards as before, whatever was raised."""
    modules = list(model.modules())
    training = [module.training for module in modules]
    buffers = [dict(module._buffers) for module in modules]
    values = [(b, ops.contiguous(b.detach())) for own in buffers for b in own.values() if b is not None]
    state = random.get_rng_state()
    try:
        model.eval()
        yield
    finally:
        random.set_rng_state(state)
        for module, mode, own in zip(modules, training, buffers, strict=True):
            module.training = mode
            module._buffers.update(own)
        for buffer, before in values:
            if not np.array_equal(buffer.detach()._readable(), before._readable(), equal_nan=True):
                with no_grad():
                    buffer.copy_(before)


def check_model(op: str, model: Any) -> None:
    """Only modules can be looked into."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"{op}: model: expected an nn.Module, got {type(model).__name__}")


def tensors(value: Any) -> list[Any]:
    """The Tensors in nested tuples, lists and dictionaries, in their order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return [leaf for part in value for leaf in tensors(part)]
    return [value] if hasattr(value, "_node") else []


def default_dtype(model: nn.Module) -> str:
    """The dtype of the model's first parameter of floating point, float32 without one."""
    return next((p._dtype for p in model.parameters() if p.is_floating_point()), "float32")
