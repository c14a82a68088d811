"""Hooks on the gradients that go into a module and come out of it.

The module's inputs and outputs pass through two nodes of the graph that change nothing; on the way back they see the
gradients of all outputs, and of all inputs, together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import _core, autograd
from ..autograd.graph import Output, record
from ..ops._op import Op

if TYPE_CHECKING:
    from .module import Module


class Watch:
    """The gradients of one call of a module."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.grad_output: tuple[Any, ...] = ()
        self.arguments = 0
        self.has_input = False

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, those that require a gradient watched."""
        self.arguments = len(args)
        watched = _through(args, self._on_input)
        self.has_input = watched is not args
        return watched

    def output(self, result: Any) -> Any:
        """The result (a tensor, or a tuple or list of some), watched."""
        many = isinstance(result, (tuple, list))
        watched = _through(tuple(result) if many else (result,), self._on_output)
        if not many:
            return watched[0]
        return watched if isinstance(result, tuple) else list(watched)

    def _on_output(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in list(self.module._backward_pre_hooks.values()):
            changed = hook(self.module, grads)
            if changed is not None:
                grads = _as_many(changed, len(grads), "full backward pre-hook")
        self.grad_output = grads
        if not self.has_input:
            self._on_input((None,) * self.arguments)
        return grads

    def _on_input(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in list(self.module._backward_hooks.values()):
            changed = hook(self.module, grads, self.grad_output)
            if changed is not None:
                grads = _as_many(changed, len(grads), "full backward hook")
        return grads


def _as_many(grads: Any, n: int, what: str) -> tuple[Any, ...]:
    many = grads if isinstance(grads, tuple) else (grads,)
    if len(many) != n:
        raise RuntimeError(f"{what}: expected {n} gradients, got {len(many)}")
    return many


def _same(*tensors: Any, places: Any, size: int, seen: Any) -> Any:
    return tuple(_core.backend.view(x, x.shape) for x in tensors)


def _gradient(g: Any, needs: Any, *, places: tuple[int, ...], size: int, seen: Callable[..., Any]) -> tuple[Any, ...]:
    shares: list[Any] = [None] * size
    for place, share in zip(places, g, strict=True):
        shares[place] = share
    changed = seen(tuple(shares))
    return tuple(changed[place] for place in places)


_watch = Op(_same)
_watch.vjp = _gradient


def _through(values: tuple[Any, ...], seen: Callable[[tuple[Any, ...]], tuple[Any, ...]]) -> tuple[Any, ...]:
    """The values, those that require a gradient as results of one node whose rule is `seen`."""
    places = tuple(k for k, v in enumerate(values) if isinstance(v, _core.TensorBase) and v.requires_grad)
    if not places or not autograd.is_grad_enabled():
        return values
    operands = tuple(values[k] for k in places)
    attributes: dict[str, Any] = {"places": places, "size": len(values), "seen": seen}
    parts = _same(*operands, **attributes)
    node = record(_watch, operands, attributes, parts)
    watched = list(values)
    for k, (place, part) in enumerate(zip(places, parts, strict=True)):
        part._node = Output(node, k, part)
        watched[place] = part
    return tuple(watched)
