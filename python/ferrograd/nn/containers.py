"""Modules that hold modules in order or by name."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from .module import Module

__all__ = ["ModuleDict", "ModuleList", "Sequential"]


S = TypeVar("S", bound="_Ordered")


class _Ordered(Module):
    """Children named '0', '1', …"""

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def _key(self, index: Any) -> str:
        n = len(self._modules)
        k = operator.index(index)
        if not -n <= k < n:
            raise IndexError(f"{type(self).__name__}: index {k} is out of range for {n} modules")
        return list(self._modules)[k % n]

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError

    def _renumber(self, modules: Iterable[Any]) -> None:
        self._modules.clear()
        for k, module in enumerate(modules):
            self.add_module(str(k), module)

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._key(index), module)

    def __delitem__(self, index: Any) -> None:
        names = list(self._modules)
        for name in names[index] if isinstance(index, slice) else [self._key(index)]:
            del self._modules[name]
        self._renumber(list(self._modules.values()))

    def append(self: S, module: Module) -> S:
        """Adds a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self: S, modules: Iterable[Module]) -> S:
        """Adds modules at the end."""
        if not isinstance(modules, Iterable):
            raise TypeError(f"extend: modules: expected an iterable, got {type(modules).__name__}")
        for module in list(modules):
            self.append(module)
        return self

    def insert(self: S, index: int, module: Module) -> S:
        """Puts a module before the one at `index`."""
        if not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        modules = list(self._modules.values())
        modules.insert(index, module)
        self._renumber(modules)
        return self

    def pop(self, key: int | slice = -1) -> Any:
        """Takes a module, or a slice of them, out and returns it."""
        taken = self[key]
        del self[key]
        return taken

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.isdigit()]


class Sequential(_Ordered):
    """Modules one after the other: `Sequential(Linear(4, 8), ReLU())` or `Sequential({'fc': Linear(4, 8)})`.

    A linear, convolution or batch norm layer that is followed by an activation is computed in one kernel call with it,
    unless one of the two has a forward hook; the results are the same.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for k, module in enumerate(args):
                self.add_module(str(k), module)

    def forward(self, input: Any) -> Any:
        """Each module on the result of the one before."""
        waiting: Any = None  # a layer that can take the activation after it along
        for module in self._modules.values():
            if waiting is not None:
                activation = module._fused  # type: ignore[union-attr]
                if activation is not None and _unhooked(module):
                    input, waiting = waiting(input, activation=activation), None
                    continue
                input, waiting = waiting(input), None
            if module._fuses and _unhooked(module):  # type: ignore[union-attr]
                waiting = module
            else:
                input = module(input)  # type: ignore[misc]
        return input if waiting is None else waiting(input)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(dict(list(self._modules.items())[index]))
        return self._modules[self._key(index)]

    def insert(self, index: int, module: Module) -> Sequential:
        """Puts a module before the one at `index`."""
        if not -len(self) <= operator.index(index) <= len(self):
            raise IndexError(f"Sequential: insert: index {index} is out of range for {len(self)} modules")
        return super().insert(index, module)

    def __add__(self, other: Any) -> Sequential:
        if not isinstance(other, Sequential):
            return NotImplemented
        return Sequential(*self, *other)

    def __iadd__(self, other: Any) -> Any:
        return self.extend(other) if isinstance(other, Sequential) else NotImplemented

    def __mul__(self, times: Any) -> Sequential:
        return Sequential(*(module for _ in range(_times(times)) for module in self))

    __rmul__ = __mul__

    def __imul__(self, times: Any) -> Any:
        modules = list(self)
        for _ in range(_times(times) - 1):
            self.extend(modules)
        return self


def _times(given: Any) -> int:
    if not isinstance(given, int):
        raise TypeError(f"unsupported operand types for *: 'Sequential' and '{type(given).__name__}'")
    if given < 1:
        raise ValueError(f"Sequential: expected a positive number to multiply by, got {given}")
    return given


def _unhooked(module: Any) -> bool:
    return not (
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or "forward" in module.__dict__
    )


class ModuleList(_Ordered):
    """A list of modules whose parameters are seen."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self._modules.values())[index])  # type: ignore[arg-type]
        return self._modules[self._key(index)]

    def __iadd__(self, modules: Iterable[Module]) -> Any:
        return self.extend(modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def _child_reprs(self) -> list[str]:
        # Equal neighbours stand together, as in PyTorch.
        runs: list[list[Any]] = []
        for k, module in enumerate(self):
            text = repr(module).replace("\n", "\n  ")
            if runs and runs[-1][2] == text:
                runs[-1][1] = k
            else:
                runs.append([k, k, text])
        return [f"({a}): {text}" if a == b else f"({a}-{b}): {b - a + 1} x {text}" for a, b, text in runs]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """A list computes nothing."""
        raise NotImplementedError("ModuleList: forward: a list of modules cannot be called; call its modules")


class ModuleDict(Module):
    """Modules by name, in the order they were put in."""

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Takes everything out."""
        self._modules.clear()

    def pop(self, key: str) -> Any:
        """Takes a module out and returns it."""
        return self._modules.pop(key)

    def keys(self) -> Any:
        """The names."""
        return self._modules.keys()

    def values(self) -> Any:
        """The modules."""
        return self._modules.values()

    def items(self) -> Any:
        """Pairs of a name and a module."""
        return self._modules.items()

    def update(self, modules: Any) -> None:
        """Puts in the modules of a mapping, or of pairs."""
        if not isinstance(modules, (Mapping, ModuleDict)) and not isinstance(modules, Iterable):
            raise TypeError(f"update: modules: expected a mapping or pairs, got {type(modules).__name__}")
        pairs = modules.items() if isinstance(modules, (Mapping, ModuleDict)) else modules
        for name, module in pairs:
            self[name] = module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """A dict computes nothing."""
        raise NotImplementedError("ModuleDict: forward: a dict of modules cannot be called; call its modules")
