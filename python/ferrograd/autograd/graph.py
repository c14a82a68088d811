"""What a recorded op leaves behind: a node that knows where gradients go and what its rule needs.

While gradients are recorded, each op whose operands require one attaches a `Node` to its result. A node knows where the
gradients of its operands go (`edges`) and what its op's rule needs (`saved`).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from .. import _core
from .._core import capture
from . import anomaly

_order = count()


class Node:
    """One recorded op: where its operands' gradients go, and what its rule needs to compute them."""

    __slots__ = (
        "__weakref__", "attributes", "checksums", "dtype", "edges", "hooks", "op", "order", "results", "saved", "shape",
    )  # fmt: skip

    def __init__(self, op: Any, args: tuple[Any, ...], attributes: dict[str, Any], result: Any) -> None:
        self.op = op
        self.attributes = attributes
        self.edges: tuple[Any, ...]
        self.saved: tuple[Any, ...] | None
        self.edges, self.saved = capture(args, result, op.spec)
        self.order = next(_order)
        self.hooks: dict[int, Callable[[Any], Any]] | None = None
        if type(result) is tuple:
            self.results = len(result)
            self.shape, self.dtype = None, None
        else:
            self.results = 1
            self.shape, self.dtype = result.shape, result._dtype
        if anomaly.enabled:
            self.checksums = [s.checksum() if type(s) is _core.Saved else None for s in self.saved]

    @property
    def name(self) -> str:
        """The op's name."""
        return str(self.op.name)

    def output(self, index: int) -> Node | Output:
        """What stands for one of the results in the graph."""
        return self if self.shape is not None else Output(self, index)

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """The nodes that made the operands, as PyTorch names them."""
        return tuple((e.node, e.index) if type(e) is Output else (e, 0) for e in self.edges)

    def __repr__(self) -> str:
        return f"<{self.op.name}Backward>"


class Output:
    """One of several results of a node."""

    __slots__ = ("dtype", "index", "node", "shape")

    def __init__(self, node: Node, index: int, result: Any = None) -> None:
        self.node = node
        self.index = index
        if result is not None:
            self.shape, self.dtype = result.shape, result._dtype

    @property
    def name(self) -> str:
        """The op's name."""
        return self.node.name

    def __repr__(self) -> str:
        return repr(self.node)


def target(edge: Any) -> Any:
    return edge.node if type(edge) is Output else edge


def unpack(node: Node) -> list[Any]:
    """What the node saved, as Tensors again."""
    if node.saved is None:
        raise RuntimeError(
            f"backward of {node.name}: trying to go through the graph a second time, after what it saved was freed; "
            "use retain_graph=True the first time"
        )
    if anomaly.enabled and hasattr(node, "checksums"):
        for what, saved, before in zip(node.op.saves, node.saved, node.checksums, strict=True):
            if before is not None and saved.checksum() != before:
                raise RuntimeError(
                    f"backward of {node.name}: the memory of '{what}' was changed after it was saved, by a write "
                    "that no op made (through NumPy, say); copy before writing"
                )
    return [_unpacked(node, what, saved) for what, saved in zip(node.op.saves, node.saved, strict=True)]


def _unpacked(node: Node, what: str, saved: Any) -> Any:
    if type(saved) is tuple and what.startswith("*"):
        return tuple(_unpacked(node, what, part) for part in saved)
    return saved.unpack(node, what) if type(saved) is _core.Saved else saved
