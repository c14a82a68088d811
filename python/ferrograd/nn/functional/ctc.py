"""Connectionist temporal classification (Graves et al. 2006), in log space."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _core, ops
from ..._operands import takes_arrays
from .._check import check_reduction

if TYPE_CHECKING:
    from ..._tensor import Tensor

__all__ = ["ctc_loss"]

#: Stands for log 0: sums of it stay finite, so that no gradient is NaN, and e to its power is 0.
_NEVER = -1e30


@takes_arrays
def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log P(labels | x), summed over all alignments: labels in their order, repeated at will, blanks between them.

    α_t(s) = p_t(l'_s) · (α_{t-1}(s) + α_{t-1}(s-1) + α_{t-1}(s-2) where l'_s is a label other than l'_{s-2}), for l' the
    labels with a blank before, between and after them.

    Args:
        log_probs: (T, N, C) or (T, C), logarithms of the classes' probabilities.
        targets: labels (N, S) or one after the other (Σ target_lengths,).
        input_lengths: how much of T belongs to each sample, (N,).
        target_lengths: how many labels each sample has, (N,).
        blank: the class that stands for none.
        reduction: 'mean' divides each loss by its number of labels first.
        zero_infinity: 0, without a gradient, where no alignment exists, instead of infinity.
    """
    check_reduction("ctc_loss", reduction)
    shape = tuple(log_probs.shape)
    if len(shape) not in (2, 3):
        raise _core.ShapeError(f"ctc_loss: log_probs: expected shape (T, N, C) or (T, C), got {shape}")
    single = len(shape) == 2
    if single:
        log_probs = ops.reshape(log_probs, shape=(shape[0], 1, shape[1]))
    steps, samples, classes = log_probs.shape
    if not 0 <= blank < classes:
        raise RuntimeError(f"ctc_loss: blank: expected a class from 0 to {classes - 1}, got {blank}")
    lengths = _lengths("input_lengths", input_lengths, samples)
    counts = _lengths("target_lengths", target_lengths, samples)
    if lengths.max(initial=0) > steps:
        raise RuntimeError(f"ctc_loss: input_lengths: expected at most {steps}, got {lengths.max()}")
    labels = _labels(targets, counts, samples)
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        bad = labels[(labels < 0) | (labels >= classes)][0]
        raise IndexError(f"ctc_loss: targets: expected labels from 0 to {classes - 1}, got {bad}")
    loss = _loss(log_probs, labels, lengths, counts, blank)
    impossible = ops.ge(loss, -_NEVER / 2)
    loss = ops.where(impossible, 0.0 if zero_infinity else math.inf, loss)
    if reduction == "mean":
        loss = ops.div(loss, np.maximum(counts, 1).astype(ops.detach(loss)._dtype))
        return ops.mean(loss, dim=(), keepdim=False)  # type: ignore[no-any-return]
    if reduction == "sum":
        return ops.sum(loss, dim=(), keepdim=False)  # type: ignore[no-any-return]
    return ops.reshape(loss, shape=()) if single else loss  # type: ignore[no-any-return]


def _lengths(name: str, given: Any, samples: int) -> Any:
    lengths = np.asarray(given).reshape(-1)
    if lengths.dtype.kind not in "iu" and lengths.size:
        raise TypeError(f"ctc_loss: {name}: expected integers, got {lengths.dtype}")
    if len(lengths) != samples:
        raise RuntimeError(f"ctc_loss: {name}: expected {samples} numbers, one a sample, got {len(lengths)}")
    if lengths.min(initial=0) < 0:
        raise RuntimeError(f"ctc_loss: {name}: expected numbers of at least 0, got {lengths.min()}")
    return lengths.astype(np.int64)


def _labels(targets: Any, counts: Any, samples: int) -> Any:
    """(N, S): the labels of each sample, zeros behind them."""
    given = np.asarray(targets)
    if given.dtype.kind not in "iu" and given.size:
        raise TypeError(f"ctc_loss: targets: expected integers, got {given.dtype}")
    most = int(counts.max(initial=0))
    labels = np.zeros((samples, most), np.int64)
    if given.ndim == 2:
        if given.shape[0] != samples or given.shape[1] < most:
            raise RuntimeError(f"ctc_loss: targets: expected shape ({samples}, {most}) at least, got {given.shape}")
        for n, count in enumerate(counts):
            labels[n, :count] = given[n, :count]
        return labels
    if given.ndim != 1 or len(given) != counts.sum():
        raise RuntimeError(
            f"ctc_loss: targets: expected shape (N, S) or ({counts.sum()},), the sum of target_lengths, got {given.shape}"
        )
    at = 0
    for n, count in enumerate(counts):
        labels[n, :count] = given[at : at + count]
        at += count
    return labels


def _loss(log_probs: Any, labels: Any, lengths: Any, counts: Any, blank: int) -> Any:
    steps, samples, _ = log_probs.shape
    states = np.full((samples, 2 * labels.shape[1] + 1), blank, np.int64)
    states[:, 1::2] = labels
    width = states.shape[1]
    place = np.arange(width)
    # l'_{s-2} may be left out where l'_s is a label, and another one.
    skips = np.zeros((samples, width), np.bool_)
    skips[:, 2:] = (states[:, 2:] != states[:, :-2]) & (states[:, 2:] != blank)
    scores = ops.gather(log_probs, np.broadcast_to(states, (steps, samples, width)), dim=2)
    start = (place < 2) & (place < 2 * counts[:, None] + 1)
    alpha = ops.where(start, scores[0], _NEVER) if steps else np.full((samples, width), _NEVER)
    for t in range(1, steps):
        before = ops.pad(alpha, padding=((0, 0), (2, 0)), value=_NEVER)
        one, two = (ops.getitem(before, index=(slice(None), slice(k, k + width))) for k in (1, 0))
        paths = ops.stack(alpha, one, ops.where(skips, two, _NEVER), dim=0)
        moved = ops.add(ops.logsumexp(paths, dim=(0,), keepdim=False), ops.getitem(scores, index=(t,)))
        goes_on = t < lengths
        alpha = moved if goes_on.all() else ops.where(goes_on[:, None], moved, alpha)
    ends = (place == 2 * counts[:, None]) | (place == 2 * counts[:, None] - 1)
    if not lengths.all():
        # Of no steps, no labels are the only outcome.
        nothing = np.where(counts[:, None] == 0, np.where(place == 0, 0.0, _NEVER), _NEVER)
        alpha = ops.where((lengths == 0)[:, None], nothing.astype(scores._dtype), alpha)
    return ops.neg(ops.logsumexp(ops.where(ends, alpha, _NEVER), dim=(1,), keepdim=False))
