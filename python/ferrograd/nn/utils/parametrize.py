"""Parameters that are computed from others: `module.weight` becomes a function of what is learned."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from typing import Any

from ... import _core, _recording
from ..._tensor import Tensor
from ...autograd import no_grad
from ..containers import ModuleDict, ModuleList
from ..module import Module
from ..parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "type_before_parametrizations",
]

_depth = 0
_cache: dict[tuple[int, str], Any] = {}


@contextlib.contextmanager
def cached() -> Iterator[None]:
    """A context in which each parametrized tensor is computed once, however often it is used."""
    global _depth
    _depth += 1
    _recording.changed()
    try:
        yield
    finally:
        _depth -= 1
        _recording.changed()
        if not _depth:
            _cache.clear()


def _register(module: Module, name: str, tensor: Any) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _write(target: Any, value: Any) -> None:
    with no_grad():
        if target.shape == value.shape:
            _core.backend.copy_(target, value)
        else:
            target._set_data(_core.backend.clone(value))


class ParametrizationList(ModuleList):
    """The functions that a tensor goes through, and what it starts from: `original`, or `original0`, `original1`, …

    Where a function has a `right_inverse`, that says what the tensor starts from.
    """

    def __init__(self, modules: Sequence[Module], original: Any, unsafe: bool = False) -> None:
        if not modules:
            raise ValueError("ParametrizationList: modules: expected at least one")
        super().__init__(modules)
        self.unsafe = unsafe
        with no_grad():
            new = original
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    with contextlib.suppress(NotImplementedError):
                        new = module.right_inverse(new)
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if self.is_tensor else len(_several(new))
        if self.is_tensor:
            if new.dtype != original.dtype:
                raise ValueError(f"right_inverse: expected a tensor of dtype {original.dtype}, got {new.dtype}")
            if new is not original:
                _write(original, new)
            _register(self, "original", original)
        else:
            for k, part in enumerate(new):
                with no_grad():
                    part = _core.backend.clone(part)
                learned = isinstance(original, Parameter)
                _register(self, f"original{k}", Parameter(part, original.requires_grad) if learned else part)
        if not unsafe:
            _check_same(self(), original)

    def right_inverse(self, value: Any) -> None:
        """Puts values into the originals so that the tensor becomes `value`."""
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(f"right_inverse: {type(module).__name__} does not implement it")
                value = module.right_inverse(value)
        if self.is_tensor:
            if not isinstance(value, Tensor) or value.dtype != self.original.dtype:
                raise ValueError(f"right_inverse: expected a tensor of dtype {self.original.dtype}, got {value!r}")
            _write(self.original, value)
            return
        if len(_several(value)) != self.ntensors:
            raise ValueError(f"right_inverse: expected {self.ntensors} tensors, got {len(value)}")
        for k, part in enumerate(value):
            _write(getattr(self, f"original{k}"), part)

    def forward(self) -> Any:
        """The tensor."""
        first, *others = self
        names = ["original"] if self.is_tensor else [f"original{k}" for k in range(self.ntensors)]
        x = first(*(getattr(self, name) for name in names))
        for module in others:
            x = module(x)
        return x


def _several(value: Any) -> Any:
    if not isinstance(value, Sequence) or not all(isinstance(part, Tensor) for part in value):
        raise ValueError(f"right_inverse: expected a Tensor or a sequence of them, got {type(value).__name__}")
    return value


def _check_same(value: Any, original: Any) -> None:
    if not isinstance(value, Tensor):
        raise ValueError(
            f"register_parametrization: expected a function that gives a Tensor, got {type(value).__name__}"
        )
    for what in ("dtype", "shape"):
        before, after = getattr(original, what), getattr(value, what)
        if before != after:
            raise ValueError(
                f"register_parametrization: expected a function that keeps the {what} {before}, got {after}; "
                "pass unsafe=True where this is meant"
            )


def _deepcopy(self: Any, memo: dict[int, Any]) -> Any:
    replica = self.__class__.__new__(self.__class__)
    memo[id(self)] = replica
    replica.__dict__.update(copy.deepcopy(self.__dict__, memo))
    return replica


def _no_state(self: Any) -> Any:
    raise RuntimeError("a parametrized module cannot be pickled; save its state_dict()")


def _inject(module: Module, name: str) -> None:
    """Makes `name` a property of the module's class, which is one of its own."""

    def read(self: Any) -> Any:
        if not _depth:
            return self.parametrizations[name]()
        key = (id(self), name)
        if key not in _cache:
            _cache[key] = self.parametrizations[name]()
        return _cache[key]

    def write(self: Any, value: Any) -> None:
        self.parametrizations[name].right_inverse(value)

    setattr(type(module), name, property(read, write))


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """From now on `module.<tensor_name>` is `parametrization` of what it was, and that is learned.

    Args:
        module: whose parameter or buffer is meant; it becomes an instance of a class of its own.
        tensor_name: 'weight', say.
        parametrization: a module of one tensor; with a `right_inverse`, the tensor can be assigned to.
        unsafe: the function may change dtype or shape, and is not called for a check.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            now = getattr(module, tensor_name)
            _check_same(parametrization(now), now)
        module.parametrizations[tensor_name].append(parametrization)
        module.parametrizations[tensor_name].unsafe |= unsafe
        return module
    if tensor_name not in module._buffers and tensor_name not in module._parameters:
        raise ValueError(
            f"register_parametrization: tensor_name: expected a parameter or a buffer of {type(module).__name__}, "
            f"got {tensor_name!r}"
        )
    parametrizations = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe=unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        cls = type(module)
        module.__class__ = type(
            f"Parametrized{cls.__name__}", (cls,), {"__deepcopy__": _deepcopy, "__getstate__": _no_state}
        )
        module.parametrizations = ModuleDict()
    _inject(module, tensor_name)
    module.parametrizations[tensor_name] = parametrizations
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module has a parametrized tensor, or this one."""
    parametrizations = getattr(module, "parametrizations", None)
    if not isinstance(parametrizations, ModuleDict):
        return False
    return len(parametrizations) > 0 if tensor_name is None else tensor_name in parametrizations


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Makes the tensor a plain parameter (or buffer) again.

    Args:
        module: whose tensor is meant.
        tensor_name: its name.
        leave_parametrized: with the value it has now; else with that of `original`.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"remove_parametrizations: {type(module).__name__} has no parametrization of '{tensor_name}'")
    parametrizations = module.parametrizations[tensor_name]
    if parametrizations.is_tensor:
        original = parametrizations.original
        if leave_parametrized:
            with no_grad():
                _write(original, getattr(module, tensor_name))
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value.detach()) if value.requires_grad else value
    else:
        raise ValueError(
            "remove_parametrizations: leave_parametrized: expected True for a tensor that is computed from several"
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    if not is_parametrized(module):
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    _register(module, tensor_name, original)
    return module


def type_before_parametrizations(module: Module) -> type:
    """The module's class, without the one that parametrization made."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)
