"""Modules that hold parameters in order or by name."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .._tensor import Tensor
from .module import Module
from .parameter import Parameter

__all__ = ["ParameterDict", "ParameterList"]


def _as_parameter(value: Any) -> Parameter:
    return value if isinstance(value, Parameter) else Parameter(value)


def _described(value: Any) -> str:
    if isinstance(value, Parameter):
        return f"Parameter containing: [{value._dtype} of size {tuple(value.shape)}]"
    return f"Object of type: {type(value).__name__}"


class ParameterList(Module):
    """A list of parameters that the module around it sees."""

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        if values is not None:
            self.extend(values)

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._parameters.values()))

    def __getitem__(self, index: Any) -> Any:
        values = list(self._parameters.values())
        if isinstance(index, slice):
            return type(self)(values[index])
        n = len(values)
        if not -n <= operator.index(index) < n:
            raise IndexError(f"ParameterList: index {index} is out of range for {n} parameters")
        return values[index]

    def __setitem__(self, index: int, value: Any) -> None:
        self[index]  # raises where there is none
        self._parameters[str(operator.index(index) % len(self))] = _as_parameter(value)

    def __iadd__(self, values: Iterable[Any]) -> Any:
        return self.extend(values)

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.isdigit()]

    def append(self, value: Any) -> ParameterList:
        """Adds a parameter (a Tensor becomes one) at the end."""
        self.register_parameter(str(len(self)), _as_parameter(value))
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Adds parameters at the end."""
        if not isinstance(values, Iterable) or isinstance(values, Tensor):
            raise TypeError(f"extend: values: expected an iterable of parameters, got {type(values).__name__}")
        for value in list(values):
            self.append(value)
        return self

    def pop(self, index: int = -1) -> Any:
        """Takes a parameter out and returns it."""
        taken = self[index]
        values = list(self)
        del values[index]
        self._parameters.clear()
        self.extend(values)
        return taken

    def _child_reprs(self) -> list[str]:
        return [f"({k}): {_described(p)}" for k, p in enumerate(self)]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """A list computes nothing."""
        raise NotImplementedError("ParameterList: forward: a list of parameters cannot be called")


class ParameterDict(Module):
    """Parameters by name, in the order they were put in; a Tensor becomes a Parameter, other things stay what they are."""

    _keys: dict[str, None]

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self._keys = {}
        if parameters is not None:
            self.update(parameters)

    def __getitem__(self, key: str) -> Any:
        if key not in self._keys:
            raise KeyError(key)
        return getattr(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(f"ParameterDict: expected a string as key, got {type(key).__name__}")
        setattr(self, key, _as_parameter(value) if isinstance(value, Tensor) else value)
        self._keys[key] = None

    def __delitem__(self, key: str) -> None:
        self[key]  # raises where there is none
        delattr(self, key)
        del self._keys[key]

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._keys)

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def __or__(self, other: Any) -> ParameterDict:
        merged = self.copy()
        merged.update(other)
        return merged

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self

    def copy(self) -> ParameterDict:
        """Another dict with the same parameters."""
        return ParameterDict(list(self.items()))

    def clear(self) -> None:
        """Takes everything out."""
        for key in list(self._keys):
            del self[key]

    def pop(self, key: str) -> Any:
        """Takes a parameter out and returns it."""
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Takes the last pair out and returns it."""
        if not self._keys:
            raise KeyError("popitem: the ParameterDict is empty")
        key = next(reversed(self._keys))
        return key, self.pop(key)

    def get(self, key: str, default: Any = None) -> Any:
        """The parameter of this name, or the default."""
        return default if key not in self._keys else getattr(self, key)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The parameter of this name; the default is put there first where there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """A new dict with these names and one value."""
        return ParameterDict([(key, default) for key in keys])

    def keys(self) -> Any:
        """The names."""
        return self._keys.keys()

    def values(self) -> Any:
        """The parameters."""
        return [self[key] for key in self._keys]

    def items(self) -> Any:
        """Pairs of a name and a parameter."""
        return [(key, self[key]) for key in self._keys]

    def update(self, parameters: Any) -> None:
        """Puts in the parameters of a mapping, or of pairs."""
        if not isinstance(parameters, (Iterable, ParameterDict)):
            raise TypeError(f"update: parameters: expected a mapping or pairs, got {type(parameters).__name__}")
        pairs = parameters.items() if isinstance(parameters, (Mapping, ParameterDict)) else parameters
        for key, value in list(pairs):
            self[key] = value

    def _child_reprs(self) -> list[str]:
        return [f"({key}): {_described(value)}" for key, value in self.items()]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """A dict computes nothing."""
        raise NotImplementedError("ParameterDict: forward: a dict of parameters cannot be called")
