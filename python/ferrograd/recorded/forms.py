"""Arguments and results of a step: nested containers, their tensors, and all else, which is part of a recording."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from .. import _core
from .._tensor import Tensor


def is_tensor(x: Any) -> bool:
    return isinstance(x, _core.TensorBase)


def form_of(value: Any, inputs: list[Any]) -> Any:
    """What a recording depends on of an argument; its tensors and arrays are put into `inputs`."""
    if isinstance(value, np.ndarray):
        value = _core.from_numpy(value)
    if isinstance(value, _core.TensorBase):
        if value.requires_grad:  # a parameter: always the same
            return Tensor, id(value)
        inputs.append(value)
        return value._form
    kind = type(value)
    if isinstance(value, (tuple, list)):
        return kind, *[form_of(part, inputs) for part in value]
    if isinstance(value, dict):
        return kind, *[(key, form_of(part, inputs)) for key, part in value.items()]
    # 0.0 and -0.0 are equal, and NaN is not.
    return kind, value.hex() if kind is float else value


def fixed(value: Any) -> list[Any]:
    """The tensors that `form_of` tells by their identity."""
    if isinstance(value, _core.TensorBase):
        return [value] if value.requires_grad else []
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (tuple, list)) else ()
    return [x for part in parts for x in fixed(part)]


def given(value: Any, inputs: Any) -> Any:
    """The argument with the tensors of an iterator in place of those that `form_of` found."""
    if isinstance(value, np.ndarray) or (is_tensor(value) and not value.requires_grad):
        return next(inputs)
    if isinstance(value, (tuple, list)):
        return refilled(value, [given(part, inputs) for part in value])
    if isinstance(value, dict):
        return refilled(value, [(key, given(part, inputs)) for key, part in value.items()])
    return value


def refilled(container: Any, parts: list[Any]) -> Any:
    """A container of the same class with other parts, which for a dictionary are pairs."""
    kind = type(container)
    if isinstance(container, tuple):
        return kind(*parts) if hasattr(container, "_fields") else kind(parts)
    if kind in (list, dict):
        return kind(parts)
    made = copy.copy(container)
    if isinstance(made, list):
        made[:] = parts
    else:
        for key, value in parts:
            made[key] = value
    return made


def unhashable(value: Any) -> str:
    """The type of the first argument that cannot be hashed."""
    for part in value.values() if isinstance(value, dict) else value:
        if isinstance(part, (tuple, list, dict)):
            found = unhashable(part)
            if found:
                return found
        elif getattr(type(part), "__hash__", None) is None and not isinstance(part, np.ndarray):
            return type(part).__name__
    return ""


def rebuilt(code: Any, outputs: list[Any]) -> Any:
    """The result of a step from what `Recorder.outline` made of it."""
    kind, content, *more = code
    if kind == "tensor":
        return outputs[content]
    if kind == "sequence":
        return refilled(content, [rebuilt(part, outputs) for part in more[0]])
    if kind == "dict":
        return refilled(content, [(key, rebuilt(part, outputs)) for key, part in more[0]])
    return content
