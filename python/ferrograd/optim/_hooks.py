"""Hooks of optimizers: what runs before and after a step, and around saving and loading the state."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..autograd.hooks import RemovableHandle

KINDS = ("step_pre", "step_post", "state_dict_pre", "state_dict_post", "load_state_dict_pre", "load_state_dict_post")


class Hooks:
    """The `register_…_hook` methods of an optimizer."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = with_hooks(cls.__dict__["step"])  # type: ignore[attr-defined]

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """`hook(optimizer, args, kwargs)` runs before each step; it may return other (args, kwargs)."""
        return self._register("step_pre", hook, False)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """`hook(optimizer, args, kwargs)` runs after each step."""
        return self._register("step_post", hook, False)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """`hook(optimizer)` runs before `state_dict`."""
        return self._register("state_dict_pre", hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """`hook(optimizer, state_dict)` runs after `state_dict`; it may return another one."""
        return self._register("state_dict_post", hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """`hook(optimizer, state_dict)` runs before `load_state_dict`; it may return another one."""
        return self._register("load_state_dict_pre", hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """`hook(optimizer)` runs after `load_state_dict`."""
        return self._register("load_state_dict_post", hook, prepend)

    def _register(self, kind: str, hook: Callable[..., Any], prepend: bool) -> RemovableHandle:
        hooks = self.__dict__.setdefault("_hooks", {k: {} for k in KINDS})[kind]
        handle = RemovableHandle(hooks)
        others = list(hooks.items()) if prepend else []
        if prepend:
            hooks.clear()
        hooks[handle.id] = hook
        hooks.update(others)
        return handle

    def _hooked(self, kind: str) -> list[Callable[..., Any]]:
        hooks = self.__dict__.get("_hooks")
        return list(hooks[kind].values()) if hooks else []


def with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """A `step` that notes that it was called and runs the hooks; inside another step of its optimizer it is plain."""

    @functools.wraps(step)
    def hooked(self: Any, *args: Any, **kwargs: Any) -> Any:
        own = self.__dict__
        if "_stepping" in own:
            return step(self, *args, **kwargs)
        own["_opt_called"] = True
        for hook in self._hooked("step_pre") if "_hooks" in own else ():
            changed = hook(self, args, kwargs)
            if changed is not None:
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(f"step pre-hook: expected None or a tuple (args, kwargs), got {changed!r}")
                args, kwargs = changed
        own["_stepping"] = True
        try:
            result = step(self, *args, **kwargs)
        finally:
            del own["_stepping"]
        for hook in self._hooked("step_post") if "_hooks" in own else ():
            hook(self, args, kwargs)
        return result

    return hooked
