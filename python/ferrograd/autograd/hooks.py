"""Hooks: functions that see a gradient when it is known, and may change it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from itertools import count
from typing import Any

from .. import _core, _recording, ops
from .graph import Node, Output, target

#: The key of the hook that `retain_grad` sets: it sees what the other hooks have made of the gradient.
_KEEPS = -1
#: The key of the hooks that run once a leaf's `grad` has been added to.
_AFTER = -2


class RemovableHandle:
    """What `register_hook` returns; `remove()` takes the hook away again."""

    _ids = count()

    def __init__(self, hooks: dict[int, Any]) -> None:
        self._hooks = hooks
        self.id = next(RemovableHandle._ids)
        _recording.changed()

    def remove(self) -> None:
        """Takes the hook away; a second call does nothing."""
        self._hooks.pop(self.id, None)
        _recording.changed()

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def hooks_of(tensor: Any) -> dict[int, Any]:
    """The hooks that run on the gradient of a tensor."""
    node = tensor._node
    if node is None:
        if tensor._hooks is None:
            tensor._hooks = {}
        hooks: dict[int, Any] = tensor._hooks
        return hooks
    index = node.index if type(node) is Output else 0
    owner = target(node)
    if owner.hooks is None:
        owner.hooks = {}
    hooks = owner.hooks.setdefault(index, {})
    return hooks


def retain_grad(tensor: Any) -> None:
    """Keeps a copy of the gradient of a tensor that is not a leaf in its `grad`, without keeping the tensor alive."""
    reference = weakref.ref(tensor)

    def keep(g: Any) -> None:
        alive = reference()
        if alive is not None:
            alive._grad = ops.clone(g) if alive._grad is None else ops.add(alive._grad, g)

    hooks_of(tensor)[_KEEPS] = keep


def forget_grad(tensor: Any) -> None:
    """Takes back `retain_grad`."""
    hooks_of(tensor).pop(_KEEPS, None)


def hooks_after(leaf: Any) -> dict[int, Any]:
    """The hooks that run once the `grad` of a leaf has been added to."""
    after: dict[int, Any] = hooks_of(leaf).setdefault(_AFTER, {})
    return after


def run_hooks_after(leaf: Any) -> None:
    """Shows the leaf, its `grad` added to, to those hooks."""
    for hook in list(leaf._hooks.get(_AFTER, {}).values()):
        hook(leaf)


def run_hooks(hooks: dict[int, Callable[[Any], Any]], g: Any) -> Any:
    for key, hook in list(hooks.items()):
        changed = hook(g) if key >= 0 else None
        if changed is not None:
            if not isinstance(changed, _core.TensorBase):
                raise TypeError(f"hook: expected it to return a Tensor or None, got {type(changed).__name__}")
            if changed.shape != g.shape:
                raise _core.ShapeError(f"hook: expected a gradient of shape {g.shape} from it, got {changed.shape}")
            g = changed
    if _KEEPS in hooks:
        hooks[_KEEPS](g)
    return g


def run_node_hooks(node: Node, g: Any) -> Any:
    """The gradient of a node's result, or the list of them, after the hooks."""
    hooks = node.hooks or {}
    if type(g) is not list:
        return run_hooks(hooks[0], g) if 0 in hooks else g  # type: ignore[arg-type]
    return [run_hooks(hooks[k], s) if s is not None and k in hooks else s for k, s in enumerate(g)]  # type: ignore[arg-type]
