"""A module as a function of its parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from .. import _core
from ..nn.module import Module


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    args: Any = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Calls a module with other tensors in the place of its parameters and buffers; they stand again afterwards.

    Args:
        module: the module.
        parameter_and_buffer_dicts: tensors by path, as `dict(module.named_parameters())` has them; or several such
            dicts without common keys. What is not named stays as it is.
        args: the positional arguments: a tuple, or one argument.
        kwargs: the keyword arguments.
        tie_weights: a tensor given for one name of a shared parameter stands at all its names.
        strict: raise RuntimeError where a name is missing, or is none of the module's.

    Example:
        >>> import ferrograd as fg
        >>> layer = fg.nn.Linear(2, 1)
        >>> w = {"weight": fg.tensor([[1.0, 2.0]]), "bias": fg.tensor([3.0])}
        >>> fg.func.functional_call(layer, w, fg.ones(2)).tolist()
        [6.0]
    """
    given = _merged(parameter_and_buffer_dicts)
    arguments = () if args is None else args if isinstance(args, tuple) else (args,)
    with _standing_in(module, given, tie_weights, strict):
        return module(*arguments, **(kwargs or {}))


def _merged(dicts: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if isinstance(dicts, Mapping):
        return dict(dicts)
    if not isinstance(dicts, Sequence) or not all(isinstance(d, Mapping) for d in dicts):
        raise ValueError(
            "functional_call: parameter_and_buffer_dicts: expected a dict or a sequence of dicts, "
            f"got {type(dicts).__name__}"
        )
    merged: dict[str, Any] = {}
    for one in dicts:
        twice = sorted(set(merged) & set(one))
        if twice:
            raise ValueError(f"functional_call: parameter_and_buffer_dicts: {twice[0]!r} stands in several dicts")
        merged.update(one)
    return merged


def _places(module: Module) -> dict[str, tuple[dict[str, Any], str]]:
    """Where each parameter and buffer of the module is kept, by path; a shared one under each of its names."""
    places = {}
    for path, owner in module.named_modules(remove_duplicate=False):
        for kind in (owner._parameters, owner._buffers):
            for name, value in kind.items():
                if value is not None:
                    places[f"{path}.{name}" if path else name] = (kind, name)
    return places


@contextmanager
def _standing_in(module: Module, given: dict[str, Any], tie_weights: bool, strict: bool) -> Iterator[None]:
    places = _places(module)
    if strict:
        missing, unexpected = sorted(set(places) - set(given)), sorted(set(given) - set(places))
        if missing or unexpected:
            raise RuntimeError(f"functional_call: strict: missing keys {missing}, unexpected keys {unexpected}")
    before = [(kind, name, kind[name]) for kind, name in places.values()]
    new = {name: value for name, value in given.items() if name in places}
    for name, value in new.items():
        if not isinstance(value, _core.TensorBase):
            raise TypeError(f"functional_call: {name!r}: expected a Tensor, got {type(value).__name__}")
    if tie_weights:
        new = _tied(places, new)
    try:
        for path, value in new.items():
            kind, name = places[path]
            kind[name] = value
        yield
    finally:
        for kind, name, value in before:
            kind[name] = value


def _tied(places: dict[str, tuple[dict[str, Any], str]], new: dict[str, Any]) -> dict[str, Any]:
    by_tensor: dict[int, Any] = {}
    for path, value in new.items():
        kind, name = places[path]
        first = by_tensor.setdefault(id(kind[name]), value)
        if first is not value:
            raise ValueError(
                f"functional_call: {path!r} shares its tensor with another name that is given another value"
            )
    return {path: by_tensor[id(kind[name])] for path, (kind, name) in places.items() if id(kind[name]) in by_tensor}
