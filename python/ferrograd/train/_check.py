"""What is looked at before and while a model is trained, so that bad data ends in one clear message."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _core, nn
from ..analysis._undisturbed import tensors, undisturbed
from ..autograd import no_grad
from ..data import TensorDataset
from .feed import Feed


def note(error: Exception, text: str) -> None:
    """Says more in an error's message (in a note, where its class has words of its own)."""
    if len(error.args) == 1 and isinstance(error.args[0], str) and str(error) == error.args[0]:
        error.args = (f"{error.args[0]}\n  {text}",)
        if str(error) == error.args[0]:
            return
    error.add_note(text)


def check_batch(feed: Feed, batch: Any, model: nn.Module, loss: Any) -> None:
    """Runs model and loss once on a batch, in evaluation mode: shapes and dtypes fit, the loss is a number.

    Model, gradients and random numbers are afterwards as before.
    """
    *inputs, target = batch
    shapes = ", ".join(str(tuple(np.shape(part))) for part in batch)
    with undisturbed(model), no_grad():
        try:
            output = model(*inputs)
            _check_labels(feed, output, loss)
            check_loss(loss(output, target))
        except Exception as error:
            note(error, f"{feed.name}: the first batch, of shapes {shapes}, does not fit; nothing was trained")
            raise


def _check_labels(feed: Feed, output: Any, loss: Any) -> None:
    """All labels of data that lies in memory; others are seen when their batch comes."""
    dataset = getattr(feed.loader, "dataset", None)
    if not isinstance(loss, (nn.CrossEntropyLoss, nn.NLLLoss)) or type(dataset) is not TensorDataset:
        return
    labels = dataset.tensors[-1]
    if labels.is_floating_point():
        return
    values, classes = labels._readable(), output.shape[1 if output.ndim > 1 else 0]
    wrong = np.argwhere(((values < 0) | (values >= classes)) & (values != loss.ignore_index))
    if len(wrong):
        at = tuple(wrong[0].tolist())
        raise IndexError(
            f"{feed.name}: sample {at[0]}: expected classes from 0 to {classes - 1}, as the model has {classes} outputs, got "
            f"class {values[at]}; {len(wrong)} such label{'s' * (len(wrong) > 1)}"
        )


def check_loss(value: Any) -> None:
    """A loss is one number."""
    if not isinstance(value, _core.TensorBase):
        raise TypeError(f"loss: expected a Tensor with one number, got {type(value).__name__}")
    if value.numel() != 1:
        raise _core.ShapeError(
            f"loss: expected one number for the batch, got shape {tuple(value.shape)}: use reduction='mean'"
        )


def check_norm(what: str, value: float, model: nn.Module, inputs: list[Any]) -> None:
    """Raises for a figure that is not finite; says where the first such number stands.

    Raises:
        FloatingPointError: always.
    """
    where = _first_bad(model, inputs)
    raise FloatingPointError(f"fit: {what}: expected a finite number, got {value}{where}; the step changed no weight")


def _first_bad(model: nn.Module, inputs: list[Any]) -> str:
    for k, x in enumerate(tensors(inputs)):
        if not _finite(x):
            return f"; input {k} of the batch holds nan or inf"
    for name, p in model.named_parameters():
        if not _finite(p):
            return f"; the parameter '{name}' holds nan or inf"
    for name, p in model.named_parameters():
        if p.grad is not None and not _finite(p.grad):
            return f"; the gradient of '{name}' holds nan or inf"
    found: list[str] = []

    def look(name: str, module: nn.Module) -> Any:
        def hook(_: Any, __: Any, output: Any) -> None:
            if not found and not all(map(_finite, tensors(output))):
                found.append(f"; the first nan or inf is the output of layer '{name}' ({type(module).__name__})")

        return hook

    handles = [m.register_forward_hook(look(name, m)) for name, m in model.named_modules() if name]
    try:
        with undisturbed(model), no_grad():
            if inputs:
                model(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else ""


def _finite(x: Any) -> bool:
    return not x.is_floating_point() or bool(np.isfinite(x.detach()._readable()).all())
