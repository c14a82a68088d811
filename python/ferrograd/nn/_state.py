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


def load(module: Module, state_dict: Mapping[str, Any], strict: bool, assign: bool) -> IncompatibleKeys:
    """What `Module.load_state_dict` does."""
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"load_state_dict: state_dict: expected a mapping, got {type(state_dict).__name__}")
    places: dict[str, tuple[Module, str, Any]] = {}
    for path, child in module.named_modules(remove_duplicate=False):
        for name, value in own_state(child).items():
            places[f"{path}.{name}" if path else name] = (child, name, value)
    missing = [key for key in places if key not in state_dict]
    unexpected = [key for key in state_dict if key not in places]
    errors: list[str] = []
    if strict and unexpected:
        errors.append("Unexpected key(s) in state_dict: " + ", ".join(f'"{k}"' for k in unexpected) + ".")
    if strict and missing:
        errors.insert(0, "Missing key(s) in state_dict: " + ", ".join(f'"{k}"' for k in missing) + ".")
    values: dict[str, Any] = {}
    for key, (_, _, target) in places.items():
        if key not in state_dict:
            continue
        value = _tensor(state_dict[key])
        if value is None:
            errors.append(f'"{key}": expected a Tensor or an ndarray, got {type(state_dict[key]).__name__}.')
        elif value.shape != target.shape:
            errors.append(
                f"size mismatch for {key}: copying a param with shape {value.shape} from checkpoint, "
                f"the shape in current model is {target.shape}."
            )
        else:
            values[key] = value
    if errors:
        raise RuntimeError(f"Error(s) in loading state_dict for {type(module).__name__}:\n\t" + "\n\t".join(errors))
    if assign:
        _assign(places, values)
    else:
        with no_grad():
            for key, value in values.items():
                _core.backend.copy_(places[key][2], value)
    return IncompatibleKeys(missing, unexpected)


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
