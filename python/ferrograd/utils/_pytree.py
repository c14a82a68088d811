"""Trees of dicts, lists and tuples (named ones too), taken apart into leaves and put together again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Spec:
    """The shape of a tree: its kind of container, what its children are called, and their own shapes."""

    __slots__ = ("children", "keys", "kind", "leaves")

    def __init__(self, kind: type | None, keys: tuple[Any, ...] = (), children: tuple[Spec, ...] = ()) -> None:
        self.kind = kind
        self.keys = keys
        self.children = children
        #: How many leaves the tree has.
        self.leaves: int = 1 if kind is None else sum(child.leaves for child in children)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Spec)
            and self.kind is other.kind
            and self.keys == other.keys
            and self.children == other.children
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        if self.kind is None:
            return "*"
        if issubclass(self.kind, dict):
            return "{" + ", ".join(f"{k!r}: {c}" for k, c in zip(self.keys, self.children, strict=True)) + "}"
        inside = ", ".join(map(repr, self.children))
        if self.kind is list:
            return f"[{inside}]"
        return f"({inside},)" if len(self.children) == 1 else f"({inside})"


LEAF = Spec(None)


def _is_container(tree: Any) -> bool:
    return isinstance(tree, (dict, list, tuple))


def flatten(tree: Any) -> tuple[list[Any], Spec]:
    """The leaves of a tree, in order, and its shape; None is a leaf."""
    leaves: list[Any] = []
    return leaves, _walk(tree, leaves)


def _walk(tree: Any, leaves: list[Any]) -> Spec:
    if not _is_container(tree):
        leaves.append(tree)
        return LEAF
    keys = tuple(tree) if isinstance(tree, dict) else ()
    values = tree.values() if isinstance(tree, dict) else tree
    return Spec(type(tree), keys, tuple(_walk(child, leaves) for child in values))


def unflatten(leaves: list[Any], spec: Spec) -> Any:
    """The tree of a shape that has these leaves."""
    rest = iter(leaves)
    return _build(rest, spec)


def _build(leaves: Any, spec: Spec) -> Any:
    if spec.kind is None:
        return next(leaves)
    kind: Any = spec.kind
    children = [_build(leaves, child) for child in spec.children]
    if issubclass(kind, dict):
        return kind(zip(spec.keys, children, strict=True))
    return kind(*children) if hasattr(kind, "_fields") else kind(children)


def flatten_as(op: str, argument: str, tree: Any, spec: Spec) -> list[Any]:
    """The leaves of a tree that must have the shape `spec`, in its order; the order of a dict's keys is free."""
    if spec.kind is None:
        if _is_container(tree):
            raise RuntimeError(f"{op}: {argument}: expected a tensor, got {flatten(tree)[1]}")
        return [tree]
    same: bool = type(tree) is spec.kind and (
        set(tree) == set(spec.keys) if isinstance(tree, dict) else len(tree) == len(spec.children)  # type: ignore[arg-type]
    )
    if not same:
        got = flatten(tree)[1] if _is_container(tree) else type(tree).__name__
        raise RuntimeError(f"{op}: {argument}: expected the structure {spec}, got {got}")
    values = [tree[key] for key in spec.keys] if isinstance(tree, dict) else tree
    return [
        leaf
        for value, child in zip(values, spec.children, strict=True)
        for leaf in flatten_as(op, argument, value, child)
    ]


def map_tree(function: Callable[[Any], Any], tree: Any) -> Any:
    """The tree with `function` of each leaf in its place."""
    leaves, spec = flatten(tree)
    return unflatten([function(leaf) for leaf in leaves], spec)
