"""Functions that write into their input where asked to."""

from __future__ import annotations

from typing import Any

from ... import _core, ops
from ...autograd import is_grad_enabled
from ...functions._method import rebind, to_overwrite


def over(name: str, input: Any, inplace: bool, function: Any, composed: bool = False) -> Any:
    """function(input), written into the input's own memory where `inplace`.

    A function `composed` of several ops, some of which save the input itself, gets a copy of it while recording.
    """
    if not inplace:
        return function(input)
    if not isinstance(input, _core.TensorBase):
        raise TypeError(f"{name}: inplace: expected a Tensor to write into, got {type(input).__name__}")
    recorded = is_grad_enabled() and input.requires_grad
    _core.before_write(name, input, recorded)
    result = function(ops.clone(input) if recorded and composed else to_overwrite(input) if recorded else input)
    if recorded:
        return rebind(name, input, result)
    _core.backend.copy_(input, result)
    return input
