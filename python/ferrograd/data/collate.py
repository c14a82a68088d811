"""A list of samples as one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import _core, ops
from ..creation import as_tensor, tensor

__all__ = ["default_collate", "default_convert"]


def _is_namedtuple(data: Any) -> bool:
    return isinstance(data, tuple) and hasattr(data, "_fields")


def default_convert(data: Any) -> Any:
    """Arrays as Tensors that share their memory, within dicts, tuples and lists too; the rest as it is."""
    if isinstance(data, (np.ndarray, np.generic)):
        return as_tensor(data) if data.dtype.kind in "bifu" else data
    if isinstance(data, Mapping):
        return _same_mapping(data, {key: default_convert(value) for key, value in data.items()})
    if _is_namedtuple(data):
        return type(data)(*(default_convert(x) for x in data))
    if isinstance(data, tuple):
        return [default_convert(x) for x in data]  # PyTorch's choice.
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _same_sequence(data, [default_convert(x) for x in data])
    return data


def default_collate(batch: Sequence[Any]) -> Any:
    """Samples stacked along a new first dimension: tensors, arrays and numbers as one Tensor.

    Python floats become float64. Strings stay a list; dicts, named tuples and lists keep their kind and are collated
    within, tuples become a list.

    Raises:
        TypeError: a sample is none of these.
        RuntimeError: lists of different lengths, or tensors of different shapes.
    """
    if not batch:
        raise ValueError("default_collate: batch: expected at least one sample, got none")
    first = batch[0]
    if isinstance(first, _core.TensorBase):
        return ops.stack(*batch, dim=0)
    if isinstance(first, (np.ndarray, np.generic)):
        if first.dtype.kind not in "bifu":
            raise TypeError(f"default_collate: batch: expected arrays of numbers, got dtype {first.dtype}")
        return ops.stack(*[as_tensor(x) for x in batch], dim=0)
    if isinstance(first, float):
        return tensor(list(batch), dtype="float64")
    if isinstance(first, int):
        return tensor(list(batch))
    if isinstance(first, (str, bytes)):
        return list(batch)
    if isinstance(first, Mapping):
        return _same_mapping(first, {key: default_collate([sample[key] for sample in batch]) for key in first})
    if isinstance(first, Sequence):
        sizes = {len(sample) for sample in batch}
        if len(sizes) > 1:
            raise RuntimeError(f"default_collate: batch: expected samples of one length, got {sorted(sizes)}")
        parts = [default_collate(part) for part in zip(*batch, strict=True)]
        if _is_namedtuple(first):
            return type(first)(*parts)
        return parts if isinstance(first, tuple) else _same_sequence(first, parts)
    raise TypeError(
        "default_collate: batch: expected tensors, arrays, numbers, strings, dicts or sequences of them, got "
        f"{type(first).__name__}; pass a collate_fn"
    )


def _same_mapping(like: Mapping[Any, Any], values: dict[Any, Any]) -> Any:
    try:
        return type(like)(values)  # type: ignore[call-arg]
    except TypeError:
        return values


def _same_sequence(like: Sequence[Any], values: list[Any]) -> Any:
    try:
        return type(like)(values)  # type: ignore[call-arg]
    except TypeError:
        return values
