"""Sums of products over named indices: einsum and tensordot, by way of matrix products."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core, ops
from ..creation import as_tensor
from .diagonals import diagonal
from .shape import normalize_dim

if TYPE_CHECKING:
    from .._tensor import Tensor

__all__ = ["einsum", "tensordot"]

#: A label is a letter's code, or a negative number for a dimension behind an ellipsis, counted from the end.
Labels = tuple[int, ...]
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ELLIPSIS = object()


def einsum(*args: Any) -> Tensor:
    """Σ over the indices that the output lacks, of the product of the operands: `einsum('bij,bjk->bik', x, y)`.

    An index that comes twice in one operand is its diagonal; '...' stands for dimensions that are broadcast; without
    '->' the output has the indices that come once, in alphabetical order, after those of '...'. The sublist form
    `einsum(x, [0, 1], y, [1, 2], [0, 2])` says the same with numbers from 0 to 51.

    Raises:
        ShapeError: the operands do not have the dimensions or sizes that the equation says.
        RuntimeError: the equation cannot be read.
    """
    inputs, output, operands = _read(args)
    tensors = [as_tensor(x) for x in operands]
    hidden = [_hidden(k, terms, x) for k, (terms, x) in enumerate(zip(inputs, tensors, strict=True))]
    named = [_spelled(terms, n) for terms, n in zip(inputs, hidden, strict=True)]
    behind = tuple(range(-max(hidden, default=0), 0))
    if output is None:
        once = [x for labels in named for x in labels if x >= 0]
        result = (*behind, *sorted(x for x in set(once) if once.count(x) == 1))
    else:
        result = _spelled(output, len(behind))
        _check_output(result, named)
    sizes = _sizes_of(named, tensors)
    parts = [_diagonals(x, labels) for x, labels in zip(tensors, named, strict=True)]
    order = _order(tuple(labels for _, labels in parts), result, tuple(sizes.items()))
    for first, second in order:
        b, a = parts.pop(max(first, second)), parts.pop(min(first, second))
        needed = set(result).union(*(labels for _, labels in parts))
        parts.append(_contract(a, b, needed, sizes))
    return _arranged(*parts[0], result)  # type: ignore[no-any-return]


def _read(args: tuple[Any, ...]) -> tuple[list[list[Any]], list[Any] | None, list[Any]]:
    """Each operand's terms, the output's or None, and the operands; a term is a label or an ellipsis."""
    if not args:
        raise ValueError("einsum: equation: expected an equation and operands, got nothing")
    if isinstance(args[0], str):
        equation, operands = args[0], list(args[1:])
        if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
            operands = list(operands[0])
        left, arrow, right = equation.partition("->")
        inputs = [_terms(part, equation) for part in left.split(",")]
        output = _terms(right, equation) if arrow else None
    else:
        operands, inputs = list(args[:-1:2]), [_numbers(sublist) for sublist in args[1::2]]
        output = _numbers(args[-1]) if len(args) % 2 else None
    if not operands:
        raise ValueError("einsum: operands: expected at least one, got none")
    if len(inputs) != len(operands):
        raise RuntimeError(f"einsum: operands: expected {len(inputs)}, as the equation has, got {len(operands)}")
    return inputs, output, operands


def _terms(part: str, equation: str) -> list[Any]:
    terms: list[Any] = []
    rest = part.replace(" ", "")
    while rest:
        if rest.startswith("..."):
            terms.append(_ELLIPSIS)
            rest = rest[3:]
        elif rest[0] in _LETTERS:
            terms.append(ord(rest[0]))
            rest = rest[1:]
        else:
            raise RuntimeError(
                f"einsum: equation: expected letters, ',', '...' and one '->', got {rest[0]!r} in {equation!r}"
            )
    return _one_ellipsis(terms)


def _numbers(sublist: Any) -> list[Any]:
    terms: list[Any] = []
    for x in sublist:
        if x is Ellipsis:
            terms.append(_ELLIPSIS)
        elif hasattr(x, "__index__") and 0 <= x < 52:
            # As the letters: their order is that of the implicit output.
            terms.append(ord(sorted(_LETTERS)[x]))
        else:
            raise RuntimeError(f"einsum: sublist: expected numbers from 0 to 51 and Ellipsis, got {x!r}")
    return _one_ellipsis(terms)


def _one_ellipsis(terms: list[Any]) -> list[Any]:
    if terms.count(_ELLIPSIS) > 1:
        raise RuntimeError("einsum: equation: expected at most one '...' an operand, got several")
    return terms


def _hidden(k: int, terms: list[Any], x: Any) -> int:
    """How many dimensions of an operand lie behind its ellipsis."""
    with_ellipsis = _ELLIPSIS in terms
    n = x.ndim - len(terms) + with_ellipsis
    if n < 0 or (n > 0 and not with_ellipsis):
        wanted = f"{'at least ' * with_ellipsis}{len(terms) - with_ellipsis} dimensions"
        raise _core.ShapeError(f"einsum: operands[{k}]: expected {wanted}, as the equation says, got shape {x.shape}")
    return n if with_ellipsis else 0


def _spelled(terms: list[Any], behind: int) -> Labels:
    """The labels of all dimensions."""
    labels: list[int] = []
    for term in terms:
        labels += range(-behind, 0) if term is _ELLIPSIS else [term]
    return tuple(labels)


def _name(label: int) -> str:
    return chr(label) if label >= 0 else "..."


def _check_output(result: Labels, named: list[Labels]) -> None:
    known = {x for labels in named for x in labels}
    for label in result:
        if result.count(label) > 1:
            raise RuntimeError(f"einsum: equation: expected each index once in the output, got {_name(label)!r} twice")
        if label not in known:
            raise RuntimeError(f"einsum: equation: index {_name(label)!r} of the output is in no operand")


def _sizes_of(named: list[Labels], tensors: list[Any]) -> dict[int, int]:
    sizes: dict[int, int] = {}
    for k, (labels, x) in enumerate(zip(named, tensors, strict=True)):
        for label, n in zip(labels, x.shape, strict=True):
            known = sizes.setdefault(label, n)
            if known == 1:
                sizes[label] = n
            elif n not in (1, known):
                raise _core.ShapeError(
                    f"einsum: operands[{k}]: expected size {known} or 1 of index {_name(label)!r}, "
                    f"got {n} in shape {x.shape}"
                )
    return sizes


def _diagonals(x: Any, labels: Labels) -> tuple[Any, Labels]:
    """The operand with each label once: what comes twice is a diagonal."""
    for label in dict.fromkeys(labels):
        while (places := [k for k, other in enumerate(labels) if other == label])[1:]:
            a, b = places[:2]
            if x.shape[a] != x.shape[b]:
                size = max(x.shape[a], x.shape[b])
                x = ops.expand(x, shape=tuple(size if k in (a, b) else n for k, n in enumerate(x.shape)))
            x = diagonal(x, 0, a, b)
            labels = (*(other for k, other in enumerate(labels) if k not in (a, b)), label)
    return x, labels


@functools.lru_cache(256)
def _order(named: tuple[Labels, ...], result: Labels, of: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
    """Which pairs are contracted, one after the other; the product of a pair goes to the end of the list."""
    if len(named) < 3:
        return [(0, 1)] * (len(named) - 1)
    every = list(dict.fromkeys(x for labels in named for x in labels))
    if len(every) > len(_LETTERS):
        return [(0, 1)] * (len(named) - 1)
    sizes = dict(of)
    letter = dict(zip(every, _LETTERS, strict=False))
    equation = ",".join("".join(letter[x] for x in labels) for labels in named)
    equation += "->" + "".join(letter[x] for x in result)
    # Only the shapes count: one element stretched to the full sizes.
    shapes = [np.broadcast_to(np.float32(0), tuple(sizes[x] for x in labels)) for labels in named]
    path = np.einsum_path(equation, *shapes, optimize="greedy")[0][1:]
    pairs: list[tuple[int, int]] = []
    count = len(named)
    for step in path:
        # What the path takes in one step of several is taken two by two.
        places = sorted(step)
        pairs.append((places[0], places[1]))
        pairs += [(places[k] - k, count - k) for k in range(2, len(places))]
        count -= len(places) - 1
    return pairs


def _contract(a: tuple[Any, Labels], b: tuple[Any, Labels], needed: set[int], sizes: dict[int, int]) -> Any:
    """The product of two operands, summed over the labels that nothing else needs."""
    (x, in_x), (y, in_y) = _summed(*a, needed | set(b[1])), _summed(*b, needed | set(a[1]))
    shared = [label for label in in_x if label in in_y]
    batch = tuple(label for label in shared if label in needed)
    inner = tuple(label for label in shared if label not in needed)
    left = tuple(label for label in in_x if label not in shared)
    right = tuple(label for label in in_y if label not in shared)
    if not inner:
        x = _arranged(x, in_x, (*batch, *left))
        y = _arranged(y, in_y, (*batch, *right))
        x = ops.reshape(x, shape=(*x.shape, *(1,) * len(right))) if right else x
        n = len(batch)
        y = ops.reshape(y, shape=(*y.shape[:n], *(1,) * len(left), *y.shape[n:])) if left else y
        return ops.mul(x, y), (*batch, *left, *right)
    x = _arranged(_stretched(x, in_x, shared, sizes), in_x, (*batch, *left, *inner))
    y = _arranged(_stretched(y, in_y, shared, sizes), in_y, (*batch, *inner, *right))
    n = len(batch)
    b_, k_ = _volume(batch, sizes), _volume(inner, sizes)
    m_, n_ = math.prod(x.shape[n : n + len(left)]), math.prod(y.shape[n + len(inner) :])
    lead = () if not batch else (b_,)
    product = ops.matmul(ops.reshape(x, shape=(*lead, m_, k_)), ops.reshape(y, shape=(*lead, k_, n_)))
    shape = (*(sizes[label] for label in batch), *x.shape[n : n + len(left)], *y.shape[n + len(inner) :])
    return ops.reshape(product, shape=shape), (*batch, *left, *right)


def _volume(labels: Labels, sizes: dict[int, int]) -> int:
    return math.prod(sizes[label] for label in labels)


def _summed(x: Any, labels: Labels, needed: set[int]) -> tuple[Any, Labels]:
    """Without the labels that nothing needs."""
    dims = tuple(k for k, label in enumerate(labels) if label not in needed)
    if not dims:
        return x, labels
    # bool and uint8 would be summed as int64, as PyTorch's sum does too.
    return ops.sum(x, dim=dims, keepdim=False), tuple(label for label in labels if label in needed)


def _stretched(x: Any, labels: Labels, shared: list[int], sizes: dict[int, int]) -> Any:
    """Shared dimensions of size 1 at their full size."""
    shape = tuple(sizes[label] if label in shared else n for label, n in zip(labels, x.shape, strict=True))
    return x if shape == tuple(x.shape) else ops.expand(x, shape=shape)


def _arranged(x: Any, labels: Labels, wanted: Labels) -> Any:
    """Summed over what is not wanted, its dimensions in the wanted order."""
    x, labels = _summed(x, labels, set(wanted))
    if labels == wanted:
        return x
    return ops.permute(x, dims=tuple(labels.index(label) for label in wanted))


def tensordot(a: Any, b: Any, dims: Any = 2, *, axes: Any = None) -> Tensor:
    """Σ over the last `dims` dimensions of a and the first of b, or over the pairs `(dims of a, dims of b)`."""
    a, b = as_tensor(a), as_tensor(b)
    dims = dims if axes is None else axes
    if isinstance(dims, _core.TensorBase):
        dims = np.asarray(dims).tolist()
    if hasattr(dims, "__index__"):
        n = dims.__index__()
        if not 0 <= n <= min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot: dims: expected a number from 0 to {min(a.ndim, b.ndim)}, got {n}")
        of_a, of_b = list(range(a.ndim - n, a.ndim)), list(range(n))
    else:
        of_a, of_b = ([d] if hasattr(d, "__index__") else list(d) for d in dims)
        of_a = [normalize_dim("tensordot", d, a.ndim) for d in of_a]
        of_b = [normalize_dim("tensordot", d, b.ndim) for d in of_b]
    if len(of_a) != len(of_b) or len(set(of_a)) < len(of_a) or len(set(of_b)) < len(of_b):
        raise RuntimeError(
            f"tensordot: dims: expected as many different dimensions of a as of b, got {of_a} and {of_b}"
        )
    return einsum(*_paired(a, b, of_a, of_b))


def _paired(a: Any, b: Any, of_a: Sequence[int], of_b: Sequence[int]) -> tuple[Any, ...]:
    in_a, in_b = list(range(a.ndim)), list(range(a.ndim, a.ndim + b.ndim))
    for d, e in zip(of_a, of_b, strict=True):
        if a.shape[d] != b.shape[e]:
            raise _core.ShapeError(
                f"tensordot: dims: expected dimensions of one size, got {a.shape[d]} (dimension {d} of a) and "
                f"{b.shape[e]} (dimension {e} of b)"
            )
        in_b[e] = d
    kept = [d for d in range(a.ndim) if d not in of_a] + [n for n in in_b if n >= a.ndim]
    return a, in_a, b, in_b, kept
