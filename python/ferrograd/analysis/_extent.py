"""How far each element of a result reaches into the input, followed from op to op along the recorded graph.

For each spatial dimension of the input a tensor has an `Extent`. A rule for each op that moves or mixes places says what it
makes of its operands' extents; ops of single elements leave them as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from ..autograd.graph import Node, Output, target
from ..autograd.saved import unpack

Shape = tuple[int, ...]
_NONE = Fraction(0)


@dataclass(frozen=True)
class Extent:
    """The element at place p of dimension `dim` sees the input's places low + p·jump to high + p·jump.

    Without a dimension all elements see low to high. `merged`: the places were made one dimension with others, so that an
    element there sees some of low to high.
    """

    dim: int | None
    jump: Fraction
    low: Fraction
    high: Fraction
    merged: bool = False

    def everywhere(self, n: int) -> Extent:
        """What all n places of the dimension see together."""
        if self.dim is None:
            return self
        if self.merged:
            return Extent(None, _NONE, self.low, self.high)
        first, last = sorted((_NONE, (n - 1) * self.jump))
        return Extent(None, _NONE, self.low + first, self.high + last)


Field = tuple[Extent, ...]


@dataclass(frozen=True)
class UndefinedField:
    """There is no formula, because of an op."""

    op: str

    def __str__(self) -> str:
        return f"there is no formula for how '{self.op}' moves places"


class _NoFormula(Exception):
    pass


def trace(x: Any, ends: Iterable[Any]) -> list[Field | UndefinedField | None]:
    """The fields of the results whose nodes are `ends`, in terms of the leaf x (N, C, *sizes); None: x is not in them."""
    ends = list(ends)
    start = tuple(Extent(d, Fraction(1), _NONE, _NONE) for d in range(2, x.ndim))
    fields: dict[Any, Field | UndefinedField | None] = {}
    for node in sorted(_reached(ends), key=lambda node: node.order):
        operands = [
            (None, ()) if edge is None else (start if edge is x else _part(edge, fields), tuple(edge.shape))
            for edge in node.edges
        ]
        fields[node] = _after(node, operands)
    return [start if end is x else _part(end, fields) for end in ends]


def _part(edge: Any, fields: dict[Any, Field | UndefinedField | None]) -> Field | UndefinedField | None:
    """The field of a result; the node of several pieces has that of what they are pieces of."""
    field = fields.get(target(edge))
    if field is None or isinstance(field, UndefinedField) or not isinstance(edge, Output):
        return field
    node, k = edge.node, edge.index
    if node.name not in ("split", "unbind"):
        return field
    sizes = node.attributes.get("sizes")
    piece = k if sizes is None else slice(sum(sizes[:k]), sum(sizes[: k + 1]))
    try:
        return _at(field, tuple(node.edges[0].shape), [*[slice(None)] * node.attributes["dim"], piece])
    except _NoFormula:
        return UndefinedField(node.name)


def _reached(ends: list[Any]) -> set[Node]:
    found: set[Node] = set()
    waiting = [end for end in map(target, ends) if isinstance(end, Node)]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += [e for e in map(target, node.edges) if isinstance(e, Node)]
    return found


def _after(node: Node, operands: list[tuple[Any, Shape]]) -> Field | UndefinedField | None:
    for field, _ in operands:
        if isinstance(field, UndefinedField):
            return field
    if all(field is None for field, _ in operands):
        return None
    family = node.op.forward.__module__.rpartition(".")[2]
    rule = _RULES.get(node.name) or (_each if family in _OF_ELEMENTS else None)
    try:
        if rule is None:
            raise _NoFormula
        return rule(node, operands)
    except _NoFormula:
        return UndefinedField(node.name)


# -- what rules are made of --------------------------------------------------------------------------------------------


def _moved(field: Field, new_dim: Callable[[int], int | None]) -> Field:
    return tuple(e if e.dim is None else replace(e, dim=new_dim(e.dim)) for e in field)


def _mixed(field: Field, shape: Shape, dims: Iterable[int]) -> Field:
    """After an op whose every result sees all places of `dims`."""
    over = {d % len(shape) for d in dims}
    return tuple(e.everywhere(shape[e.dim]) if e.dim in over else e for e in field)


def _stretched(field: Field, shape: Shape, ndim: int) -> Field:
    """Aligned with a result of `ndim` dimensions; a dimension of one place is the same everywhere."""
    field = tuple(e if e.dim is None or shape[e.dim] != 1 else e.everywhere(1) for e in field)
    return _moved(field, lambda d: d + ndim - len(shape))


def _joined(fields: list[tuple[Field, Shape]]) -> Field:
    """What sees all that one of several sees; the shapes are of one rank."""
    result, shape = fields[0]
    for other, other_shape in fields[1:]:
        pairs = []
        for a, b in zip(result, other, strict=True):
            if (a.dim, a.jump, a.merged) != (b.dim, b.jump, b.merged):
                if a.dim is not None and b.dim is not None:
                    raise _NoFormula
                a = a if a.dim is None else a.everywhere(shape[a.dim])
                b = b if b.dim is None else b.everywhere(other_shape[b.dim])
            pairs.append(replace(a, low=min(a.low, b.low), high=max(a.high, b.high)))
        result = tuple(pairs)
    return result


def _windows(field: Field, first: int, kernel: Shape, stride: Shape, before: Shape, dilation: Shape) -> Field:
    """After windows over the dimensions from `first` on."""
    result = []
    for e in field:
        if e.dim is not None and e.dim >= first:
            k = e.dim - first
            if e.merged:
                raise _NoFormula
            low = e.low - before[k] * e.jump
            span = dilation[k] * (kernel[k] - 1) * e.jump
            high = e.high + low - e.low
            # A negative jump, after a flip, reaches to the other side.
            e = replace(e, jump=e.jump * stride[k], low=low + min(span, _NONE), high=high + max(span, _NONE))
        result.append(e)
    return tuple(result)


def _before(padding: Any) -> Shape:
    return tuple(p[0] if isinstance(p, (tuple, list)) else p for p in padding)


# -- the rules: of a node and its operands' (field, shape) -------------------------------------------------------------


def _each(node: Node, operands: list[tuple[Any, Shape]]) -> Field:
    ndim = max(len(shape) for _, shape in operands)
    ndim = max(ndim, len(node.shape or ()))
    aligned = [
        (_stretched(field, shape, ndim), (1,) * (ndim - len(shape)) + shape)
        for field, shape in operands
        if field is not None
    ]
    return _joined(aligned)


def _only(operands: list[tuple[Any, Shape]]) -> tuple[Field, Shape]:
    """The first operand is the one that depends on the input."""
    if any(field is not None for field, _ in operands[1:]):
        raise _NoFormula
    return operands[0]


def _over_dims(node: Node, operands: list[tuple[Any, Shape]]) -> Field:
    """softmax and norms: the shape stays."""
    field, shape = _only(operands)
    if "normalized_shape" in node.attributes:
        dims: Any = range(-len(node.attributes["normalized_shape"]), 0)
    elif "dim" in node.attributes:
        dims = [node.attributes["dim"]]
    else:
        dims = [0, *range(2, len(shape))]
    return _mixed(field, shape, dims) if shape else field


def _reduced(node: Node, operands: list[tuple[Any, Shape]]) -> Field:
    field, shape = _only(operands)
    dim = node.attributes["dim"]
    dims = {d % len(shape) for d in ([dim] if isinstance(dim, int) else dim or range(len(shape)))}
    field = _mixed(field, shape, dims)
    if node.attributes["keepdim"]:
        return field
    return _moved(field, lambda d: d - sum(other < d for other in dims))


def _linear(node: Node, operands: list[tuple[Any, Shape]]) -> Field:
    field, shape = _only(operands)
    return _mixed(field, shape, [-1])


def _matmul(node: Node, operands: list[tuple[Any, Shape]]) -> Field:
    ndim = max(len(shape) for _, shape in operands)
    if min((len(shape) for field, shape in operands if field is not None), default=0) < 2:
        raise _NoFormula
    aligned = []
    for (field, shape), summed in zip(operands, (-1, -2), strict=True):
        if field is not None:
            field = _mixed(field, shape, [summed])
            aligned.append((_stretched(field, shape, ndim), (1,) * (ndim - len(shape)) + shape))
    if len(aligned) == 2:
        (rows, row_shape), (columns, column_shape) = aligned
        aligned = [(_places_by_places(rows, row_shape, columns, column_shape), column_shape)]
    return _joined(aligned)


def _places_by_places(rows: Field, row_shape: Shape, columns: Field, column_shape: Shape) -> Field:
    """Where one factor's places are the rows and the other's the columns (attention's scores), an element sees some."""
    result = []
    for a, b in zip(rows, columns, strict=True):
        if a.dim is not None and b.dim is not None and a.dim != b.dim:
            one, other = a.everywhere(row_shape[a.dim]), b.everywhere(column_shape[b.dim])
            result.append(Extent(b.dim, _NONE, min(one.low, other.low), max(one.high, other.high), merged=True))
        else:
            result += _joined([((a,), row_shape), ((b,), column_shape)])
    return tuple(result)


def _attention(node: Node, operands: list[tuple[Any, Shape]]) -> Field:
    """An element has its own query, and all keys and values."""
    query, *others = operands[:3]
    mixed = [(query, [-1]), *((other, [-2, -1]) for other in others)]
    return _joined([(_mixed(field, shape, dims), shape) for (field, shape), dims in mixed if field is not None])


def _self_attention(node: Node, operands: list[tuple[Any, Shape]]) -> Field:
    field, shape = _only(operands)
    return _mixed(field, shape, [-2, -1])


def _convolution(node: Node, operands: list[tuple[Any, Shape]]) -> Field:
    field, shape = _only(operands)
    kernel = tuple(unpack(node)[1].shape[2:])
    moves = node.attributes
    field = _mixed(field, shape, [1])
    return _windows(field, 2, kernel, moves["stride"], _before(moves["padding"]), moves["dilation"])


def _transposed_convolution(node: Node, operands: list[tuple[Any, Shape]]) -> Field:
    """y[p] has x[i] in it where p = i·stride + k·dilation - padding for a place k of the kernel."""
    field, shape = _only(operands)
    kernel = tuple(unpack(node)[1].shape[2:])
    moves, before = node.attributes, _before(node.attributes["padding"])
    result = []
    for e in _mixed(field, shape, [1]):
        if e.dim is not None and e.dim >= 2:
            k = e.dim - 2
            if e.merged:
                raise _NoFormula
            jump = e.jump / moves["stride"][k]
            last, span = before[k] * jump, moves["dilation"][k] * (kernel[k] - 1) * jump
            e = replace(e, jump=jump, low=e.low + last - max(span, _NONE), high=e.high + last - min(span, _NONE))
        result.append(e)
    return tuple(result)


def _pooling(node: Node, operands: list[tuple[Any, Shape]]) -> Field:
    field, shape = _only(operands)
    window = node.attributes
    kernel = window["kernel_size"]
    dilation = window.get("dilation", (1,) * len(kernel))
    return _windows(field, len(shape) - len(kernel), kernel, window["stride"], _before(window["padding"]), dilation)


def _adaptive_pooling(node: Node, operands: list[tuple[Any, Shape]]) -> Field:
    """m windows over n places: the same windows everywhere where m divides n, else of different sizes."""
    field, shape = _only(operands)
    sizes = node.attributes["sizes"]
    result = []
    for e in field:
        k = -1 if e.dim is None else e.dim - (len(shape) - len(sizes))
        if e.dim is not None and k >= 0:
            n, m = shape[e.dim], sizes[k]
            if 1 in (n, m):
                e = e.everywhere(n)
            elif n % m or e.merged:
                raise _NoFormula
            else:
                (e,) = _windows((replace(e, dim=0),), 0, (n // m,), (n // m,), (0,), (1,))
                e = replace(e, dim=k + len(shape) - len(sizes))
        result.append(e)
    return tuple(result)


def _reshaped(node: Node, operands: list[tuple[Any, Shape]]) -> Field:
    """A dimension goes on as one of the new ones, or within one."""
    field, shape = _only(operands)
    new = tuple(node.shape or ())
    result = []
    for e in field:
        if e.dim is not None and shape[e.dim] == 1:
            e = e.everywhere(1)
        if e.dim is not None:
            step, n = math.prod(shape[e.dim + 1 :]), shape[e.dim]
            within = [
                j
                for j in range(len(new))
                if new[j] != 1 and math.prod(new[j + 1 :]) <= step and step * n <= math.prod(new[j:])
            ]
            if not within:
                raise _NoFormula
            (j,) = within
            if new[j] == n and math.prod(new[j + 1 :]) == step:
                e = replace(e, dim=j)
            else:
                whole = e.everywhere(n)
                e = Extent(j, _NONE, whole.low, whole.high, merged=True)
        result.append(e)
    return tuple(result)


def _permuted(node: Node, operands: list[tuple[Any, Shape]]) -> Field:
    return _moved(operands[0][0], node.attributes["dims"].index)


def _expanded(node: Node, operands: list[tuple[Any, Shape]]) -> Field:
    field, shape = operands[0]
    return _stretched(field, shape, len(node.shape or ()))


def _indexed(node: Node, operands: list[tuple[Any, Shape]]) -> Field:
    field, shape = operands[0]
    return _at(field, shape, list(node.attributes["index"]))


def _at(field: Field, shape: Shape, items: list[Any]) -> Field:
    """The field of x[items], from that of x."""
    used = sum(item is not None and item is not Ellipsis for item in items)
    fill = [slice(None)] * (len(shape) - used)
    at = items.index(Ellipsis) if Ellipsis in items else len(items)
    items[at : at + 1] = fill
    moves: dict[int, tuple[int | None, int, int]] = {}  # dimension: where it goes, the first place, the step
    source = result = 0
    for item in items:
        if item is None:
            result += 1
        elif isinstance(item, slice):
            first, _, step = item.indices(shape[source])
            moves[source] = (result, first, step)
            source, result = source + 1, result + 1
        else:
            moves[source] = (None, int(item) % shape[source], 0)
            source += 1
    found = []
    for e in field:
        if e.dim is not None:
            dim, first, step = moves[e.dim]
            if e.merged:
                if dim is None or (first, step) != (0, 1):
                    raise _NoFormula
                first = 0
            shift = first * e.jump
            e = replace(e, dim=dim, jump=e.jump * step, low=e.low + shift, high=e.high + shift)
        found.append(e)
    return tuple(found)


def _picked(node: Node, operands: list[tuple[Any, Shape]]) -> Field:
    """A dimension by a list of its places: at equal steps, each several times, or all with more around them (padding)."""
    field, shape = operands[0]
    dims, indices = node.attributes["dims"], unpack(node)[1]
    if len(dims) != 1 or indices[0].ndim != 1:
        raise _NoFormula
    dim, n = dims[0] % len(shape), shape[dims[0]]
    places = np.asarray(indices[0]) % n
    steps = np.diff(places)
    inside = np.flatnonzero(places == 0)
    padding = [int(k) for k in inside if np.array_equal(places[k : k + n], np.arange(n))]
    times = max(len(places) // n, 1)
    result = []
    for e in field:
        if e.dim == dim:
            first, step, back = 0, Fraction(1), _NONE
            if e.merged:
                raise _NoFormula
            if padding:
                first = -padding[0]
            elif len(steps) == 0 or (steps == steps[0]).all():
                first, step = int(places[0]), Fraction(int(steps[0]) if len(steps) else 0)
            elif np.array_equal(places, np.arange(n * times) // times):
                step, back = Fraction(1, times), e.jump * Fraction(times - 1, times)
            else:
                raise _NoFormula
            shift = first * e.jump
            low, high = e.low + shift - max(back, _NONE), e.high + shift - min(back, _NONE)
            e = replace(e, jump=e.jump * step, low=low, high=high)
        result.append(e)
    return tuple(result)


def _concatenated(node: Node, operands: list[tuple[Any, Shape]]) -> Field:
    seen = [(field, shape) for field, shape in operands if field is not None]
    dim = node.attributes["dim"] % len(seen[0][1])
    if any(e.dim == dim for field, _ in seen for e in field):
        raise _NoFormula
    return _joined(seen)


def _stacked(node: Node, operands: list[tuple[Any, Shape]]) -> Field:
    seen = [(field, shape) for field, shape in operands if field is not None]
    dim = node.attributes["dim"] % (len(seen[0][1]) + 1)
    if any(field != seen[0][0] for field, _ in seen):
        raise _NoFormula
    return _moved(_joined(seen), lambda d: d + (d >= dim))


def _padded(node: Node, operands: list[tuple[Any, Shape]]) -> Field:
    field, _ = operands[0]
    padding = node.attributes["padding"]
    if any(e.merged and e.dim is not None and any(padding[e.dim]) for e in field):
        raise _NoFormula
    return tuple(
        e
        if e.dim is None
        else replace(e, low=e.low - padding[e.dim][0] * e.jump, high=e.high - padding[e.dim][0] * e.jump)
        for e in field
    )


#: Families whose ops work on each element by itself.
_OF_ELEMENTS = {"activation", "elementwise"}

_RULES: dict[str, Callable[[Node, list[tuple[Any, Shape]]], Field]] = {
    **dict.fromkeys(("alias", "batch_norm_eval", "contiguous", "dropout", "split", "unbind"), _each),
    **dict.fromkeys(("batch_norm", "layer_norm", "log_softmax", "softmax"), _over_dims),
    **dict.fromkeys(("amax", "amin", "logsumexp", "max_dim", "mean", "min_dim", "prod", "std", "sum", "var"), _reduced),
    **dict.fromkeys(("convolution", "convolution_activation"), _convolution),
    **dict.fromkeys(("avg_pool", "max_pool"), _pooling),
    **dict.fromkeys(("adaptive_avg_pool", "adaptive_max_pool"), _adaptive_pooling),
    **dict.fromkeys(("reshape", "view"), _reshaped),
    "attention": _attention,
    "conv_input_grad": _transposed_convolution,
    "linear": _linear,
    "matmul": _matmul,
    "permute": _permuted,
    "self_attention": _self_attention,
    "expand": _expanded,
    "getitem": _indexed,
    "index_get": _picked,
    "concatenate": _concatenated,
    "stack": _stacked,
    "pad": _padded,
}
