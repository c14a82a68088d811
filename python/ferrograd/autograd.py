"""Automatic differentiation: the graph that recorded ops leave behind, and the walk back along it."""

from __future__ import annotations

import heapq
from itertools import count
from typing import Any

from ._core import capture

_order = count()


class Node:
    """One recorded op: where its operands' gradients go, and what its rule needs to compute them."""

    __slots__ = ("__weakref__", "attributes", "dtype", "edges", "op", "order", "saved", "shape")

    def __init__(self, op: Any, args: tuple[Any, ...], attributes: dict[str, Any], result: Any) -> None:
        self.op = op
        self.attributes = attributes
        self.edges, self.saved = capture(args, result, op.spec)
        self.shape = result.shape
        self.dtype = result._dtype
        self.order = next(_order)

    @property
    def name(self) -> str:
        return self.op.name
