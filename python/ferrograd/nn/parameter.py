"""The tensors that a module learns."""

from __future__ import annotations

from typing import Any

from .. import _core
from .._tensor import Tensor
from ..creation import as_tensor, empty

__all__ = ["Buffer", "Parameter"]


class Parameter(Tensor):
    """A Tensor that a Module lists among its parameters when it is assigned as an attribute.

    It shares the memory of `data` and is a leaf outside any graph.

    Args:
        data: a Tensor or an ndarray; default: no elements.
        requires_grad: whether gradients are recorded for it.
    """

    __slots__ = ()

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Any:
        source = empty(0) if data is None else as_tensor(data)
        if requires_grad and source._dtype not in ("float32", "float64", "float16", "bfloat16"):
            raise RuntimeError(
                f"Parameter: only a floating-point dtype can require gradients, got {source._dtype}; "
                "pass requires_grad=False or make it a buffer"
            )
        return _core.TensorBase._make(cls, source, bool(requires_grad))

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class Buffer(Tensor):
    """A Tensor that a Module lists among its buffers when it is assigned as an attribute.

    It shares the memory of `data`.

    Args:
        data: a Tensor or an ndarray; default: no elements.
        persistent: whether it is part of the state dict.
    """

    persistent: bool = True

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Any:
        source = empty(0) if data is None else as_tensor(data)
        made = _core.TensorBase._make(cls, source, source.requires_grad)
        made.persistent = persistent
        return made
