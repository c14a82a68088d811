"""Functions that are methods of Tensor as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .. import _core, autograd, ops
from ..dtypes import can_cast

F = TypeVar("F", bound=Callable[..., Any])

#: What `install` puts on the Tensor class.
METHODS: dict[str, Any] = {}


def method(*names: str) -> Callable[[F], F]:
    """Makes the function a method of Tensor, under its own name or the names given."""

    def register(function: F) -> F:
        for name in names or (function.__name__,):
            METHODS[name] = function
        return function

    return register


def in_place(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The in-place form of a function that takes `out=`: `x.add_(y)` for `add(x, y)`.

    On a leaf that requires grad it raises; on the result of an op it rebinds the graph: from then on the tensor is what
    the op made. On a view of a recorded tensor it raises and names the out-of-place form.
    """

    def write(self: Any, *args: Any, **kwargs: Any) -> Any:
        operands = (self, *args, *kwargs.values())
        recorded = autograd.is_grad_enabled() and any(
            isinstance(x, _core.TensorBase) and x.requires_grad for x in operands
        )
        if not recorded:
            return function(self, *args, **kwargs, out=self)
        _core.before_write(name, self, True)
        source = to_overwrite(self)
        args = tuple(source if x is self else x for x in args)
        return rebind(name, self, function(source, *args, **kwargs))

    write.__name__ = write.__qualname__ = name
    write.__doc__ = f"As `{name.removesuffix('_')}`, in place; returns the tensor itself."
    METHODS[name] = write
    return write


def in_place_of(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The in-place form of a function made of several ops, which has no `out=`: its result is written over the tensor.

    While recorded the function sees a copy, because its ops may save what is about to be overwritten.
    """

    def write(self: Any, *args: Any, **kwargs: Any) -> Any:
        operands = (self, *args, *kwargs.values())
        recorded = autograd.is_grad_enabled() and any(
            isinstance(x, _core.TensorBase) and x.requires_grad for x in operands
        )
        _core.before_write(name, self, recorded)
        source = ops.clone(self) if recorded else self
        result = function(source, *(source if x is self else x for x in args), **kwargs)
        if result.shape != self.shape:
            raise _core.ShapeError(f"{name}: result: expected the tensor's shape {self.shape}, got {result.shape}")
        if not can_cast(result._dtype, self._dtype):
            raise _core.DTypeError(f"{name}: result: expected what fits into {self._dtype}, got {result._dtype}")
        if recorded and result._node is not None:
            if result._dtype != self._dtype:
                result = ops.cast(result, dtype=self._dtype)
            return rebind(name, self, result)
        return _core.backend.copy_(self, result, recorded, name)

    write.__name__ = write.__qualname__ = name
    write.__doc__ = f"As `{name.removesuffix('_')}`, in place; returns the tensor itself."
    METHODS[name] = write
    return write


def to_overwrite(target: Any) -> Any:
    """The operand of an op whose result will be written over `target`.

    What the op saves of it is moved apart by `rebind`; what hooks have made of that cannot be, so they get a copy.
    """
    return ops.clone(target) if autograd.graph.packs() else target


def rebind(name: str, target: Any, result: Any) -> Any:
    """Writes the result of a recorded op into the memory of `target`, which takes its place in the graph."""
    if result.shape != target.shape:
        raise _core.ShapeError(f"{name}: result: expected the tensor's shape {target.shape}, got {result.shape}")
    node = autograd.graph.target(result._node)
    node.saved = _apart(node.saved, target)
    if target.numel():
        # A write of nothing would make a new version of what was saved, although that is as it was.
        _core.backend.copy_(target, result, True, name)
    if target.retains_grad:
        autograd.hooks.forget_grad(target)
    target._node = result._node
    if target.retains_grad:
        autograd.hooks.retain_grad(target)
    return target


def _apart(saved: Any, target: Any) -> Any:
    """What a node saved, in memory that writing into `target` leaves alone."""
    if type(saved) is tuple:
        return tuple(_apart(part, target) for part in saved)
    return saved.apart(target) if type(saved) is _core.Saved else saved


def install(cls: type) -> None:
    """Puts the methods on the Tensor class."""
    for name, function in METHODS.items():
        setattr(cls, name, function)
