"""What a recorded op leaves behind: a node that knows where gradients go and what its rule needs.

While gradients are recorded, each op whose operands require one attaches a `Node` to its result. A node knows where the
gradients of its operands go (`edges`) and what its op's rule needs (`saved`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from itertools import count
from typing import Any

from .. import _core
from .._core import capture
from . import anomaly

#: What numbers nodes in the order in which they are recorded.
numbers: Iterator[int] = count()
#: How many `saved_tensors_hooks` are in force on all threads; each thread has its own pairs of hooks, the innermost last.
_packing = 0
_pairs: ContextVar[tuple[tuple[Callable[[Any], Any], Callable[[Any], Any]], ...]] = ContextVar("_pairs", default=())


class Node:
    """One recorded op: where its operands' gradients go, and what its rule needs to compute them."""

    __slots__ = (
        "__weakref__", "attributes", "dtype", "edges", "hooks", "op", "order", "results", "saved", "shape", "trace",
    )  # fmt: skip

    op: Any
    attributes: dict[str, Any]
    edges: tuple[Any, ...]
    saved: tuple[Any, ...] | None
    shape: tuple[int, ...] | None
    dtype: str | None
    order: int
    results: int
    hooks: dict[int, Callable[[Any], Any]] | None
    trace: anomaly.Trace

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


def record(op: Any, args: tuple[Any, ...], attributes: dict[str, Any], result: Any) -> Node:
    """The node of a call: of one result, or of a tuple of them. A function, because a class with `__init__` takes longer."""
    node = Node()
    node.op = op
    node.attributes = attributes
    node.edges, node.saved, node.shape, node.dtype = capture(args, result, op.spec)
    node.order = next(numbers)
    node.hooks = None
    node.results = 1 if node.shape is not None else len(result)
    if _packing:
        node.saved = _packed(node)
    if anomaly.enabled:
        node.trace = anomaly.Trace(node, args, result)
    return node


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


class saved_tensors_hooks:
    """Inside, what an op saves for its gradient is kept as `pack_hook(tensor)`, and is `unpack_hook` of that in backward.

    So activations can be kept elsewhere, in fewer bits, or not at all. The tensor that is packed must not be changed in
    place by the hooks; what is unpacked must be a tensor of the same values.

    Example:
        >>> import ferrograd as fg
        >>> x = fg.tensor([1.0, 2.0], requires_grad=True)
        >>> with fg.autograd.graph.saved_tensors_hooks(lambda t: t.numpy().copy(), fg.from_numpy):
        ...     y = (x * x).sum()
        >>> y.backward()
        >>> x.grad.tolist()
        [2.0, 4.0]
    """

    def __init__(self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]) -> None:
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self) -> None:
        global _packing
        _pairs.set((*_pairs.get(), (self.pack_hook, self.unpack_hook)))
        _packing += 1

    def __exit__(self, *_: object) -> None:
        global _packing
        _pairs.set(_pairs.get()[:-1])
        _packing -= 1


def packs() -> bool:
    """Whether what ops save goes through hooks on this thread."""
    return bool(_packing and _pairs.get())


class Packed:
    """What a hook has made of a saved tensor."""

    __slots__ = ("handle", "hook")

    def __init__(self, handle: Any, hook: Callable[[Any], Any]) -> None:
        self.handle = handle
        self.hook = hook

    def unpack(self) -> Any:
        """The tensor again, outside the graph."""
        tensor = self.hook(self.handle)
        if not isinstance(tensor, _core.TensorBase):
            raise TypeError(
                f"saved_tensors_hooks: unpack_hook: expected it to return a Tensor, got {type(tensor).__name__}"
            )
        return _core.backend.detach(tensor)


def _packed(node: Node) -> tuple[Any, ...]:
    """What the node saves, through the innermost hooks."""
    saved: tuple[Any, ...] = node.saved or ()
    pairs = _pairs.get()
    return tuple(_packed_value(node, value, *pairs[-1]) for value in saved) if pairs else saved


def _packed_value(node: Node, value: Any, pack: Callable[[Any], Any], hook: Callable[[Any], Any]) -> Any:
    if type(value) is tuple:
        return tuple(_packed_value(node, part, pack, hook) for part in value)
    if type(value) is not _core.Saved:
        return value
    return Packed(pack(_core.backend.detach(value.unpack(node, "saved"))), hook)
