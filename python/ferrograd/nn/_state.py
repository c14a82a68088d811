"""Loading a module's state: everything is compared before anything is copied, so that a failure changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import _core
from ..autograd import no_grad
from ..creation import as_tensor
from .parameter import Parameter

if TYPE_CHECKING:
    from .module import Module


class _Keys(NamedTuple):
    missing_keys: list[str]
    unexpected_keys: list[str]


class IncompatibleKeys(_Keys):
    """What `load_state_dict` found no counterpart for."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


def own_state(module: Module) -> dict[str, Any]:
    """A module's own parameters and persistent buffers by name, without its children's."""
    state = {name: p for name, p in module._parameters.items() if p is not None}
    hidden = module._non_persistent_buffers_set
    return state | {name: b for name, b in module._buffers.items() if b is not None and name not in hidden}


#: The name under which a module's extra state stands.
EXTRA = "_extra_state"


def has_extra(module: Module, method: str) -> bool:
    """Whether a module's class defines `get_extra_state`, or `set_extra_state`, itself."""
    from .module import Module

    return getattr(type(module), method) is not getattr(Module, method)


def load(module: Module, state_dict: Mapping[str, Any], strict: bool, assign: bool) -> IncompatibleKeys:
    """What `Module.load_state_dict` does."""
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"load_state_dict: state_dict: expected a mapping, got {type(state_dict).__name__}")
    state, found = dict(state_dict), IncompatibleKeys([], [])
    errors: list[str] = []
    owners = [(f"{path}." if path else "", child) for path, child in module.named_modules(remove_duplicate=False)]
    for prefix, child in owners:
        _prepare(child, state, prefix, strict, found, errors)
    places: dict[str, tuple[Module, str, Any]] = {}
    extras: dict[str, Module] = {}
    for prefix, child in owners:
        for name, value in own_state(child).items():
            places[prefix + name] = (child, name, value)
        if has_extra(child, "set_extra_state"):
            extras[prefix + EXTRA] = child
    found.missing_keys.extend(key for key in [*places, *extras] if key not in state)
    found.unexpected_keys.extend(key for key in state if key not in places and key not in extras)
    values = _compare(places, state, errors)
    hooked = [child for _, child in reversed(owners) if child._load_state_dict_post_hooks]
    if errors or not hooked:
        _raise(module, found, strict, errors)
    if assign:
        _assign(places, values)
    else:
        with no_grad():
            for key, value in values.items():
                _core.backend.copy_(places[key][2], value)
    for key, child in extras.items():
        if key in state:
            child.set_extra_state(state[key])
    for child in hooked:
        for hook in list(child._load_state_dict_post_hooks.values()):
            if hook(child, found) is not None:
                raise RuntimeError("load_state_dict post-hook: expected None (change the lists in place), got a value")
    _raise(module, found, strict, [])
    return found


def _prepare(
    child: Module, state: dict[str, Any], prefix: str, strict: bool, found: IncompatibleKeys, errors: list[str]
) -> None:
    """What a module's hooks and its class make of its part of the state dict."""
    hooks = list(child._load_state_dict_pre_hooks.values())
    if hooks:
        part = {key: value for key, value in state.items() if key.startswith(prefix)}
        keys = set(part)
        for hook in hooks:
            hook(child, part, prefix, {}, strict, found.missing_keys, found.unexpected_keys, errors)
        for key in keys:
            del state[key]
        state.update(part)
    child._complete_state(state, prefix)


def _compare(places: dict[str, tuple[Module, str, Any]], state: dict[str, Any], errors: list[str]) -> dict[str, Any]:
    """The values that fit their places; what does not is added to the errors."""
    values: dict[str, Any] = {}
    for key, (_, _, target) in places.items():
        if key not in state:
            continue
        value = _tensor(state[key])
        if value is None:
            errors.append(f'"{key}": expected a Tensor or an ndarray, got {type(state[key]).__name__}.')
        elif value.shape != target.shape:
            errors.append(
                f"size mismatch for {key}: copying a param with shape {value.shape} from checkpoint, "
                f"the shape in current model is {target.shape}."
            )
        else:
            values[key] = value
    return values


def _raise(module: Module, found: IncompatibleKeys, strict: bool, errors: list[str]) -> None:
    """One error that names everything."""
    keys = []
    if strict:
        for what, names in (("Missing", found.missing_keys), ("Unexpected", found.unexpected_keys)):
            if names:
                keys.append(f"{what} key(s) in state_dict: " + ", ".join(f'"{k}"' for k in names) + ".")
    if keys or errors:
        lines = "\n\t".join([*keys, *errors])
        raise RuntimeError(f"Error(s) in loading state_dict for {type(module).__name__}:\n\t{lines}")


def _tensor(value: Any) -> Any:
    if isinstance(value, _core.TensorBase):
        return value
    if isinstance(value, (np.ndarray, np.generic)) or hasattr(value, "__array__"):
        return as_tensor(np.asarray(value))
    return None


def _assign(places: dict[str, tuple[Module, str, Any]], values: dict[str, Any]) -> None:
    """Puts the loaded tensors themselves into the modules; a tensor that stood in two places stands there again."""
    made: dict[tuple[int, int], Any] = {}
    for key, value in values.items():
        owner, name, target = places[key]
        if name in owner._buffers:
            owner._buffers[name] = value.detach()
            continue
        if type(value) is Parameter:
            value.requires_grad = target.requires_grad
            owner._parameters[name] = value
            continue
        pair = (id(target), id(value))
        if pair not in made:
            made[pair] = Parameter(value.detach(), target.requires_grad)
        owner._parameters[name] = made[pair]
