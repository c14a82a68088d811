"""A function of one sample over a batch of them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import _core, ops
from ..random import default_generator
from ..utils._pytree import Spec, flatten, unflatten


def vmap(
    func: Callable[..., Any], in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:  # fmt: skip
    """The function that runs `func` on each slice of its arguments and stacks the results.

    The slices are taken one after the other: right for every function, `if` on values included, and gradients flow
    through it, but no faster than the loop that it is. For speed, write the function over the batch.

    Args:
        func: a function of tensors, or of trees of them.
        in_dims: along which dimension to slice each argument; None for one that every call gets whole. One number for
            all, a tuple with an entry an argument, or a tree of them.
        out_dims: where the dimension of the slices stands in the results; one for all, or one for each.
        randomness: "error" raises where `func` draws random numbers, "different" lets each slice draw its own, "same"
            gives all slices the same.
        chunk_size: accepted; one slice is computed at a time.
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"vmap: randomness: expected 'error', 'different' or 'same', got {randomness!r}")

    @functools.wraps(func)
    def transformed(*args: Any, **kwargs: Any) -> Any:
        leaves, spec = flatten(args)
        dims = _dims_of("in_dims", in_dims, spec)
        size = _size(leaves, dims)
        before = default_generator.get_state() if randomness != "different" else None
        results = []
        output_spec = Spec(None)
        for k in range(size):
            if randomness == "same" and k:
                default_generator.set_state(before)
            slices = [x if d is None else _slice(x, d, k) for x, d in zip(leaves, dims, strict=True)]
            result, output_spec = flatten(func(*unflatten(slices, spec), **kwargs))
            if randomness == "error" and default_generator.get_state().tolist() != before.tolist():  # type: ignore[union-attr]
                raise RuntimeError(
                    "vmap: the function draws random numbers; say randomness='different' (each slice its own) or 'same'"
                )
            for y in result:
                if not isinstance(y, _core.TensorBase):
                    raise ValueError(f"vmap: expected the function to return tensors, got {type(y).__name__}")
            results.append(result)
        places = _dims_of("out_dims", out_dims, output_spec)
        stacked = [_stack([r[j] for r in results], places[j]) for j in range(len(results[0]))]
        return unflatten(stacked, output_spec)

    return transformed


def _slice(x: Any, dim: int, k: int) -> Any:
    return ops.getitem(x, index=(slice(None),) * dim + (k,))


def _stack(parts: list[Any], dim: int | None) -> Any:
    if dim is None:
        raise ValueError("vmap: out_dims: expected a dimension for each result, got None")
    n = parts[0].ndim + 1
    if not -n <= dim < n:
        raise IndexError(f"vmap: out_dims: expected a dimension from {-n} to {n - 1}, got {dim}")
    return ops.stack(*parts, dim=dim % n)


def _dims_of(what: str, dims: Any, spec: Spec) -> list[Any]:
    """One entry a leaf: an entry of `dims` stands for the whole tree below its place."""
    if dims is None or isinstance(dims, int):
        return [dims] * spec.leaves
    if isinstance(dims, dict) and set(dims) == set(spec.keys):
        entries = [dims[key] for key in spec.keys]
    elif isinstance(dims, (tuple, list)) and len(dims) == len(spec.children) and spec.kind is not None:
        entries = list(dims)
    else:
        raise ValueError(f"vmap: {what}: expected a number, None, or one for each part of {spec}, got {dims!r}")
    return [d for entry, child in zip(entries, spec.children, strict=True) for d in _dims_of(what, entry, child)]


def _size(leaves: list[Any], dims: list[Any]) -> int:
    sizes = set()
    for k, (x, dim) in enumerate(zip(leaves, dims, strict=True)):
        if dim is None:
            continue
        if not isinstance(x, _core.TensorBase):
            raise ValueError(f"vmap: in_dims: {dim} was given for a {type(x).__name__}; expected None there")
        if not -x.ndim <= dim < x.ndim:
            raise ValueError(f"vmap: in_dims: dimension {dim} is none of a tensor of shape {x.shape}")
        dims[k] = dim % x.ndim
        sizes.add(x.shape[dim])
    if len(sizes) != 1:
        if not sizes:
            raise ValueError("vmap: in_dims: expected a dimension to slice along, got None for every argument")
        raise ValueError(f"vmap: expected slices of one number in every argument, got {sorted(sizes)}")
    (size,) = sizes
    if size == 0:
        raise RuntimeError("vmap: expected at least one slice, got dimensions of size 0")
    return int(size)
