"""Batches of sequences of unequal lengths: padded to one length, or packed step by step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ... import _core, ops
from ...creation import as_tensor, from_numpy, full

if TYPE_CHECKING:
    from ..._tensor import Tensor

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _Packed(NamedTuple):
    data: Any
    batch_sizes: Any
    sorted_indices: Any
    unsorted_indices: Any


class PackedSequence(_Packed):
    """Sequences of unequal lengths, one time step after the other, the longest sequence first in each step.

    `data` (R, *) holds the rows, `batch_sizes` (T,) how many belong to each step; `sorted_indices` says which sequence
    of the original batch stands at each place, `unsorted_indices` the place of each (None where the batch was sorted).
    Made by `pack_sequence` and `pack_padded_sequence`, not by hand.
    """

    __slots__ = ()

    def __new__(
        cls, data: Any, batch_sizes: Any = None, sorted_indices: Any = None, unsorted_indices: Any = None
    ) -> PackedSequence:
        if batch_sizes is None:
            if not isinstance(data, (list, tuple)) or len(data) != 2:
                raise TypeError(
                    "PackedSequence: data: expected a pair (data, batch_sizes) where batch_sizes is not given, "
                    f"got {type(data).__name__}"
                )
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """With `data.to(...)`; itself where that changes nothing."""
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else type(self)(data, *self[1:])

    def double(self) -> PackedSequence:
        """In float64."""
        return self.to("float64")

    def float(self) -> PackedSequence:
        """In float32."""
        return self.to("float32")

    def half(self) -> PackedSequence:
        """In float16."""
        return self.to("float16")

    def long(self) -> PackedSequence:
        """In int64."""
        return self.to("int64")

    def int(self) -> PackedSequence:
        """In int32."""
        return self.to("int32")

    def cpu(self) -> PackedSequence:
        """On the CPU."""
        return self.to("cpu")


def invert_permutation(permutation: Any) -> Any:
    """Where each index stands in a permutation of 0 … n−1; None of None."""
    if permutation is None:
        return None
    return from_numpy(np.argsort(_integers("invert_permutation", "permutation", permutation)))


def _integers(op: str, argument: str, values: Any) -> Any:
    array = np.asarray(ops.detach(values) if isinstance(values, _core.TensorBase) else values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise TypeError(f"{op}: {argument}: expected a vector of integers, got {array.dtype} of shape {array.shape}")
    return array.astype(np.int64)


def pack_padded_sequence(
    input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Packs a padded batch: what lies beyond a sequence's length is left out.

    Args:
        input: (T, N, *), or (N, T, *) with `batch_first`.
        lengths: of each sequence, 1 … T.
        batch_first: the order of the first two dimensions.
        enforce_sorted: the sequences come sorted, the longest first; otherwise they are sorted here.
    """
    op = "pack_padded_sequence"
    input = as_tensor(input)
    if len(input.shape) < 2:
        raise _core.ShapeError(f"{op}: input: expected 2 dimensions or more, got shape {tuple(input.shape)}")
    sizes = _integers(op, "lengths", lengths)
    steps, batch = (input.shape[1], input.shape[0]) if batch_first else input.shape[:2]
    if len(sizes) != batch:
        raise RuntimeError(f"{op}: lengths: expected one of each of {batch} sequences, got {len(sizes)}")
    if batch == 0:
        raise RuntimeError(f"{op}: input: expected a batch of one sequence or more, got shape {tuple(input.shape)}")
    if sizes.min() <= 0:
        raise RuntimeError(f"{op}: lengths: expected lengths greater than 0, got {sizes.min()}")
    if sizes.max() > steps:
        raise ValueError(f"{op}: lengths: expected at most {steps}, the input's number of steps, got {sizes.max()}")
    order = None
    if not enforce_sorted:
        order = np.argsort(-sizes, kind="stable")
        sizes = sizes[order]
    elif (sizes[1:] > sizes[:-1]).any():
        raise RuntimeError(
            f"{op}: lengths: expected them sorted in decreasing order when enforce_sorted is True, got "
            f"{sizes.tolist()}; pass enforce_sorted=False to have them sorted"
        )
    alive = np.arange(sizes[0])[:, None] < sizes
    step, place = np.nonzero(alive)
    sequence = place if order is None else order[place]
    index = (sequence, step) if batch_first else (step, sequence)
    data = ops.index_get(input, *(from_numpy(i) for i in index), dims=(0, 1))
    indices = None if order is None else from_numpy(order)
    return PackedSequence(data, from_numpy(alive.sum(axis=1)), indices)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """The padded batch (T, N, *), or (N, T, *) with `batch_first`, in its original order; and the lengths (N,).

    Args:
        sequence: a packed batch.
        batch_first: the order of the first two dimensions.
        padding_value: what stands beyond a sequence's length.
        total_length: T; default: the longest length.
    """
    sizes = _integers("pad_packed_sequence", "sequence.batch_sizes", sequence.batch_sizes)
    steps = len(sizes)
    if total_length is not None:
        if total_length < steps:
            raise ValueError(
                f"pad_packed_sequence: total_length: expected at least the longest length, {steps}, got {total_length}"
            )
        steps = total_length
    data = sequence.data
    # Padding is a row of its own, after all others.
    row = np.full((steps, int(sizes[0])), data.shape[0])
    alive = np.arange(row.shape[1]) < sizes[:, None]
    row[: len(sizes)][alive] = np.arange(data.shape[0])
    lengths = alive.sum(axis=0)
    if sequence.unsorted_indices is not None:
        places = _integers("pad_packed_sequence", "sequence.unsorted_indices", sequence.unsorted_indices)
        row, lengths = row[:, places], lengths[places]
    padding = full((1, *data.shape[1:]), padding_value, dtype=data.dtype)
    rows = ops.concatenate(data, padding, dim=0)
    index = np.ascontiguousarray(row.T if batch_first else row)
    return ops.index_get(rows, from_numpy(index), dims=(0,)), from_numpy(lengths)


def pad_sequence(
    sequences: Iterable[Any], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Sequences (L_n, *) as one batch (T, N, *), or (N, T, *) with `batch_first`, T the longest length.

    Args:
        sequences: tensors that differ in their first dimension only.
        batch_first: the order of the first two dimensions.
        padding_value: what fills up the shorter ones.
        padding_side: 'right' (after a sequence) or 'left' (before it).
    """
    if padding_side not in ("left", "right"):
        raise ValueError(f"pad_sequence: padding_side: expected 'left' or 'right', got {padding_side!r}")
    if not isinstance(sequences, Iterable):
        raise TypeError(f"pad_sequence: sequences: expected an iterable of tensors, got {type(sequences).__name__}")
    rows = [as_tensor(s) for s in sequences]
    if not rows:
        raise RuntimeError("pad_sequence: sequences: expected one tensor or more, got none")
    rest = rows[0].shape[1:]
    for k, s in enumerate(rows):
        if not len(s.shape) or s.shape[1:] != rest:
            expected = ", ".join(["length", *map(str, rest)])
            raise _core.ShapeError(f"pad_sequence: sequences[{k}]: expected shape ({expected}), got {tuple(s.shape)}")
    steps = max(s.shape[0] for s in rows)
    padded = []
    for s in rows:
        missing = steps - s.shape[0]
        first = (0, missing) if padding_side == "right" else (missing, 0)
        padded.append(ops.pad(s, padding=(first, *((0, 0) for _ in rest)), value=padding_value) if missing else s)
    return ops.stack(*padded, dim=0 if batch_first else 1)  # type: ignore[no-any-return]


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list[Tensor]:
    """The sequences (L_n, *) of a padded batch (T, N, *), or (N, T, *) with `batch_first`: views."""
    sizes = _integers("unpad_sequence", "lengths", lengths)
    padded = as_tensor(padded_sequences)
    steps, batch = (padded.shape[1], padded.shape[0]) if batch_first else padded.shape[:2]
    if len(sizes) != batch or (batch and not 0 <= sizes.min() <= sizes.max() <= steps):
        raise ValueError(f"unpad_sequence: lengths: expected {batch} numbers from 0 to {steps}, got {sizes.tolist()}")
    index = [(k, slice(0, n)) if batch_first else (slice(0, n), k) for k, n in enumerate(sizes.tolist())]
    return [ops.getitem(padded, index=i) for i in index]


def pack_sequence(sequences: Sequence[Any], enforce_sorted: bool = True) -> PackedSequence:
    """Packs sequences (L_n, *): `pad_sequence`, then `pack_padded_sequence`."""
    sequences = [as_tensor(s) for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), [s.shape[0] for s in sequences], enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences (L_n, *) of a packed batch, in their original order."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
