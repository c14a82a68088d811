"""Back-propagation: the walk from outputs back along the graph.

`backward` walks from the outputs to the leaves, the latest node first: an op is recorded after its operands, so when a
node's turn comes, every op that used its result has already sent its share, and the shares are added up. That is the
chain rule

    dQ/dx = Σ over the uses y of x:  dQ/dy · dy/dx

and the rules in `ops/` are the factors dy/dx.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core, ops
from .._core import set_grad_mode
from ..grad_mode import enable_grad, set_grad_enabled
from . import anomaly
from .graph import Node, Output, target
from .hooks import run_hooks, run_hooks_after, run_node_hooks
from .saved import unpack

if TYPE_CHECKING:
    from .._tensor import Tensor


def _fitted(g: Any, edge: Any) -> Any:
    """The gradient in the shape and dtype of what it is the gradient of: summed over broadcast dimensions."""
    if g.shape != edge.shape:
        g = ops.sum_to(g, shape=edge.shape)
    dtype = edge._dtype if isinstance(edge, _core.TensorBase) else edge.dtype
    return g if g._dtype == dtype else ops.cast(g, dtype=dtype)


def _gradients(node: Node, g: Any, create_graph: bool, allowed: set[int] | None) -> Sequence[Any]:
    """What the node's rule makes of the gradient of its result: one gradient an operand, None where nobody wants it."""
    op = node.op
    saved = unpack(node)
    if allowed is None:
        needs = [edge is not None for edge in node.edges]
    else:
        needs = [edge is not None and id(target(edge)) in allowed for edge in node.edges]
    if create_graph and op.unfused is not None:
        return _through_unfused(node, g, needs, saved)
    for k in op.gaps:
        saved.insert(k, None)
    result = op.vjp(g, needs, *saved, **node.attributes)
    return result if type(result) is tuple else (result,)


def _through_unfused(node: Node, g: Any, needs: list[bool], saved: list[Any]) -> Sequence[Any]:
    """The gradients of a fused op by way of the ops it is made of, so that they can be differentiated again."""
    values = dict(zip(node.op.saves, saved, strict=True))
    operands: list[Any] = [values.get(name) for name in node.op.operands]
    # Aliases, so that the walk ends at the operands even where one is made from another.
    wanted = [k for k, needed in enumerate(needs) if needed]
    for k in wanted:
        operands[k] = ops.alias(operands[k])
    with enable_grad():
        outputs = node.op.unfused(*operands, **node.attributes)
    if type(outputs) is tuple:
        pairs = [(y, gy) for y, gy in zip(outputs, g, strict=True) if gy is not None]
        outputs, g = [y for y, _ in pairs], [gy for _, gy in pairs]
    else:
        outputs, g = [outputs], [g]
    found = grad(outputs, [operands[k] for k in wanted], g, create_graph=True, allow_unused=True)
    result: list[Any] = [None] * len(node.edges)
    for k, gradient in zip(wanted, found, strict=True):
        result[k] = gradient
    return result


def _walk(
    roots: Sequence[tuple[Any, Any]],
    retain_graph: bool,
    create_graph: bool,
    on_leaf: Callable[[dict[int, list[Any]]], None],
    captured: dict[Any, Any] | None = None,
    allowed: set[int] | None = None,
) -> None:
    """Walks from `roots`, pairs of an edge and its gradient, to the leaves.

    `captured` maps nodes (and `(node, index)` of several results) to the gradients that a caller wants of them;
    `allowed`, if given, holds the ids of the nodes and leaves that lead to wanted ones: the others are left out.
    """
    pending: dict[Node, Any] = {}  # the gradient of a node's result, or a list of them where it has several
    heap: list[tuple[int, Node]] = []
    leaves: dict[int, list[Any]] = {}  # id -> [leaf, gradient, whether nobody else holds it]

    def send(edge: Any, g: Any, among: Sequence[Any] = ()) -> None:
        """Adds a share to what an edge has got; `among`: the shares of the same rule, where nobody else holds them."""
        kind = type(edge)
        if kind is Node:
            if g.shape != edge.shape or g._dtype != edge.dtype:
                g = _fitted(g, edge)
            if edge in pending:
                pending[edge] = ops.add(pending[edge], g)
            else:
                pending[edge] = g
                heapq.heappush(heap, (-edge.order, edge))
        elif kind is Output:
            g = _fitted(g, edge) if hasattr(edge, "shape") else g
            node = edge.node
            slots = pending.get(node)
            if slots is None:
                slots = pending[node] = [None] * node.results
                heapq.heappush(heap, (-node.order, node))
            before = slots[edge.index]
            slots[edge.index] = g if before is None else ops.add(before, g)
        else:
            if g._fits(edge):
                owned = _times(g, among) == 1
            else:
                g = _fitted(g, edge)
                owned = True
            entry = leaves.get(id(edge))
            if entry is None:
                leaves[id(edge)] = [edge, g, owned]
            else:
                entry[1], entry[2] = ops.add(entry[1], g), True

    before = set_grad_mode(create_graph)
    try:
        for edge, g in roots:
            if allowed is None or id(target(edge)) in allowed:
                send(edge, g)
        while heap:
            node = heapq.heappop(heap)[1]
            g = pending.pop(node)
            if node.hooks is not None:
                g = run_node_hooks(node, g)
            if captured is not None:
                _capture_into(captured, node, g)
                if allowed is not None and not any(e is not None and id(target(e)) in allowed for e in node.edges):
                    continue
            gradients = _gradients(node, g, create_graph, allowed)
            if anomaly.enabled:
                anomaly.check_gradients(node, g, gradients)
            if not retain_graph and node.saved:
                node.saved = None
            for edge, share in zip(node.edges, gradients, strict=True):
                # A rule may give more than is needed.
                if edge is None or share is None or (allowed is not None and id(target(edge)) not in allowed):
                    continue
                send(edge, share, () if create_graph or share is g else gradients)
            # What nobody waits for any more is free before the next rule asks for memory.
            g, gradients, share = None, (), None
        on_leaf(leaves)
    finally:
        set_grad_mode(before)


def _times(x: Any, among: Sequence[Any]) -> int:
    """How often this very object is there."""
    n = 0
    for other in among:
        if other is x:
            n += 1
    return n


def _capture_into(captured: dict[Any, Any], node: Node, g: Any) -> None:
    if node in captured:
        captured[node] = g
    elif type(g) is list:
        for index, share in enumerate(g):
            if share is not None and (node, index) in captured:
                captured[node, index] = share


def _accumulate(leaf: Any, g: Any, owned: bool, create_graph: bool) -> None:
    """Adds a gradient to `leaf.grad`; takes it over where nobody else holds its memory."""
    hooked = leaf._hooks is not None
    if hooked:
        g = run_hooks(leaf._hooks, g)
        owned = False
    before = leaf._grad
    if before is None:
        if create_graph:
            leaf._grad = ops.clone(g)
        else:
            g = ops.detach(g) if g.requires_grad else g
            leaf._grad = g if owned and g._owns_memory_alone() else ops.clone(g)
    elif create_graph or before.requires_grad:
        leaf._grad = ops.add(before, g)
    else:
        _core.backend.add(before, g, before)
    if hooked:
        run_hooks_after(leaf)


def _roots(outputs: Sequence[Any], given: Any) -> list[tuple[Any, Any]]:
    """Where the walk begins: each output's place in the graph, and its gradient."""
    gradients = given if isinstance(given, (list, tuple)) else [given] * len(outputs)
    if len(gradients) != len(outputs):
        raise RuntimeError(
            f"backward: gradients: expected one for each of {len(outputs)} outputs, got {len(gradients)}"
        )
    if anomaly.enabled:
        anomaly.check_outputs(outputs)
    return [_root(y, gradients[k], k) for k, y in enumerate(outputs)]


def _root(output: Any, g: Any, index: int) -> tuple[Any, Any]:
    if not isinstance(output, _core.TensorBase):
        raise TypeError(f"backward: outputs[{index}]: expected a Tensor, got {type(output).__name__}")
    if not output.requires_grad:
        raise RuntimeError(
            f"backward: outputs[{index}], of shape {output.shape}, does not require grad and has no graph: no op "
            "that made it was recorded from a tensor that requires grad"
        )
    if g is None:
        if output.numel() != 1:
            raise RuntimeError(
                f"backward: a gradient can be made up for scalar outputs only; outputs[{index}] has shape "
                f"{output.shape}: pass its gradient"
            )
        return _edge(output), _core.backend.full(output.shape, 1, output._dtype)
    g = g if isinstance(g, _core.TensorBase) else _core.from_numpy(np.asarray(g, dtype=output._dtype))
    if g.shape != output.shape:
        raise _core.ShapeError(
            f"backward: gradient[{index}]: expected the shape of its output, {output.shape}, got {g.shape}"
        )
    return _edge(output), g


def _edge(tensor: Any) -> Any:
    node = tensor._node
    return tensor if node is None else node


def _key(tensor: Any) -> Any:
    """How `_walk` is asked for the gradient of a tensor: by the leaf itself, its node, or `(node, index)`."""
    edge = _edge(tensor)
    return (edge.node, edge.index) if type(edge) is Output else edge


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Adds to the `grad` of every leaf the sum over `tensors` of d(tensor)/d(leaf) · gradient.

    Args:
        tensors: what to differentiate.
        grad_tensors: the gradient of each, of its shape; may be None for tensors of one element (it is then 1).
        retain_graph: keep what the nodes saved, so that the graph can be walked again; default: `create_graph`.
        create_graph: record the gradients' own ops, so that they can be differentiated.
        inputs: accumulate into these leaves only.

    Raises:
        RuntimeError: where no graph leads to a tensor, one was freed already, or a saved value was changed in place.
    """
    roots = _roots([tensors] if isinstance(tensors, _core.TensorBase) else list(tensors), grad_tensors)
    retain_graph = create_graph if retain_graph is None else retain_graph

    def on_leaf(leaves: dict[int, list[Any]]) -> None:
        for leaf, g, owned in leaves.values():
            _accumulate(leaf, g, owned, create_graph)

    if inputs is None:
        _walk(roots, retain_graph, create_graph, on_leaf)
        return
    wanted = [inputs] if isinstance(inputs, _core.TensorBase) else list(inputs)
    results = {_key(x): x for x in wanted if not x.is_leaf}
    captured: dict[Any, Any] = dict.fromkeys(results)
    allowed = _leading_to([edge for edge, _ in roots], {id(target(_edge(x))) for x in wanted})
    _walk(roots, retain_graph, create_graph, on_leaf, captured, allowed)
    for key, g in captured.items():
        if g is not None:
            with set_grad_enabled(create_graph):
                _accumulate(results[key], g, False, create_graph)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of the sum of `outputs` with respect to `inputs`, without touching any `grad`.

    Args:
        outputs: the tensors to differentiate.
        inputs: what to differentiate by; leaves or results.
        grad_outputs: the gradient of each output, of its shape; may be None for outputs of one element.
        retain_graph: keep what the nodes saved; default: `create_graph`.
        create_graph: record the gradients' own ops, so that they can be differentiated again.
        only_inputs: accepted; only the inputs' gradients are ever computed.
        allow_unused: give None for an input that no output depends on, instead of raising.
        is_grads_batched: refused; `fg.func.vmap` and `fg.func.jacrev` take many gradients at one place.
        materialize_grads: give zeros for an input that no output depends on.

    Returns:
        A tuple: the gradient of each input, in its shape.
    """
    if is_grads_batched:
        raise NotImplementedError("grad: is_grads_batched: expected False; see fg.func.vmap and fg.func.jacrev")
    if materialize_grads and allow_unused is False:
        raise ValueError("grad: allow_unused: expected True or None with materialize_grads, got False")
    outputs = [outputs] if isinstance(outputs, _core.TensorBase) else list(outputs)
    wanted = [inputs] if isinstance(inputs, _core.TensorBase) else list(inputs)
    roots = _roots(outputs, grad_outputs)
    for k, x in enumerate(wanted):
        if not isinstance(x, _core.TensorBase) or not x.requires_grad:
            raise RuntimeError(f"grad: inputs[{k}]: expected a Tensor that requires grad")
    keys = [_key(x) for x in wanted]
    captured: dict[Any, Any] = {key: None for key in keys if not isinstance(key, _core.TensorBase)}
    by_leaf: dict[int, Any] = {}

    def on_leaf(leaves: dict[int, list[Any]]) -> None:
        for key, (leaf, g, _) in leaves.items():
            by_leaf[key] = g if leaf._hooks is None else run_hooks(leaf._hooks, g)

    allowed = _leading_to([edge for edge, _ in roots], {id(target(_edge(x))) for x in wanted})
    _walk(roots, create_graph if retain_graph is None else retain_graph, create_graph, on_leaf, captured, allowed)
    found = [by_leaf.get(id(key)) if isinstance(key, _core.TensorBase) else captured[key] for key in keys]
    for k, g in enumerate(found):
        if g is None and materialize_grads:
            found[k] = _core.backend.full(wanted[k].shape, 0, wanted[k]._dtype)
        elif g is None and not allow_unused:
            raise RuntimeError(
                f"grad: inputs[{k}], of shape {wanted[k].shape}, was not used to compute the outputs; "
                "pass allow_unused=True to get None for it"
            )
    return tuple(found)


def _leading_to(roots: Sequence[Any], wanted: set[int]) -> set[int]:
    """The ids of the nodes and leaves from which a wanted one can be reached, wanted ones included."""
    leads: set[int] = set()
    seen: set[int] = set()
    # Nodes in the order of their recording: operands before the ops that use them.
    found: list[tuple[int, Node]] = []
    stack = [target(edge) for edge in roots]
    while stack:
        at = stack.pop()
        if id(at) in seen:
            continue
        seen.add(id(at))
        if id(at) in wanted:
            leads.add(id(at))
        if type(at) is Node:
            found.append((at.order, at))
            stack.extend(target(e) for e in at.edges if e is not None)
    for _, node in sorted(found, key=lambda pair: pair[0]):
        if any(e is not None and id(target(e)) in leads for e in node.edges):
            leads.add(id(node))
    return leads
