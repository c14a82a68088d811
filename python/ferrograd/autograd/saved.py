"""What nodes saved, as tensors in the graph again."""

from __future__ import annotations

from typing import Any

from .. import _core
from .._core import Saved, unpack_saved
from ..ops.view import alias
from . import anomaly
from .graph import Node, Packed, record


def unpack(node: Node) -> list[Any]:
    """What the node saved, as Tensors again."""
    if node.saved is None:
        raise RuntimeError(
            f"backward of {node.name}: trying to go through the graph a second time, after what it saved was freed; "
            "use retain_graph=True the first time"
        )
    if anomaly.enabled and hasattr(node, "trace"):
        for what, saved, before in zip(node.op.saves, node.saved, node.trace.checksums, strict=True):
            if before is not None and saved.checksum() != before:
                raise RuntimeError(
                    f"backward of {node.name}: the memory of '{what}' was changed after it was saved, by a write "
                    "that no op made (through NumPy, say); copy before writing"
                )
    op = node.op
    values = unpack_saved(node, node.saved, op.saves)
    if values is None:
        values = [_unpacked(node, op.saves[k], op.spec[k], saved) for k, saved in enumerate(node.saved)]
    return values


def _unpacked(node: Node, what: str, position: int, saved: Any) -> Any:
    kind = type(saved)
    if kind is Saved:
        return saved.unpack(node, what)
    if kind is Packed:
        return _linked(node, position, saved.unpack())
    if kind is tuple and what.startswith("*"):
        return tuple(_unpacked(node, what, position % 100 + k, part) for k, part in enumerate(saved))
    return saved


def _linked(node: Node, position: int, tensor: Any) -> Any:
    """The value of an operand or result of the node (see `Op.position`), as this operand or result."""
    if position < 0:
        tensor._node = node.output(-1 - position)
        return tensor
    edge = node.edges[position]
    if isinstance(edge, _core.TensorBase):
        # A leaf: the value is the leaf's by way of a node that changes nothing.
        if _core.is_grad_enabled():
            tensor._node = record(alias.op, (edge,), {}, tensor)
    elif edge is not None:
        tensor._node = edge
    return tensor
