"""Softmax over many classes of very different frequency, in steps."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import _core, functions, ops
from . import functional as F
from .containers import ModuleList, Sequential
from .linear import Linear
from .module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss"]


class _Result(NamedTuple):
    output: Any
    loss: Any


class AdaptiveLogSoftmaxWithLoss(Module):
    """log P(class | x), frequent classes first: the head knows them, and a cluster for each range of rarer ones.

    log P(c) = log P_head(c) for c below the first cutoff, else log P_head(cluster) + log P_cluster(c)
    (Grave et al. 2017, arXiv:1609.04309).

    Args:
        in_features: features of x (N, in_features) or (in_features,).
        n_classes: number of classes, by falling frequency.
        cutoffs: where the clusters begin: rising, between 1 and n_classes - 1.
        div_value: cluster k = 1, 2, … sees x through in_features / div_valueᵏ features.
        head_bias: whether the head has a bias.
        device: where the parameters are.
        dtype: the parameters' dtype.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        rising = all(a < b for a, b in itertools.pairwise([0, *cutoffs, n_classes]))
        if not cutoffs or not rising or any(int(c) != c for c in cutoffs):
            raise ValueError(
                "AdaptiveLogSoftmaxWithLoss: cutoffs: expected rising integers between 1 and n_classes - 1 "
                f"({n_classes - 1}), got {cutoffs}"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = cutoffs[0]
        self.n_clusters = len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **made)
        self.tail = ModuleList()
        for k, (start, end) in enumerate(itertools.pairwise(self.cutoffs), 1):
            hidden = int(in_features // div_value**k)
            self.tail.append(
                Sequential(
                    Linear(in_features, hidden, bias=False, **made), Linear(hidden, end - start, bias=False, **made)
                )
            )

    def reset_parameters(self) -> None:
        """Draws new weights."""
        for layer in (self.head, *(layer for cluster in self.tail for layer in cluster)):
            layer.reset_parameters()

    def forward(self, input_: Any, target_: Any) -> _Result:
        """(log P of the targets, their negative mean); x (N, in_features) and targets (N,), or without N."""
        ndim = len(target_.shape)
        if ndim > 1 or len(input_.shape) != ndim + 1 or (ndim and input_.shape[0] != target_.shape[0]):
            raise _core.ShapeError(
                "AdaptiveLogSoftmaxWithLoss: target: expected shape (N,) for an input (N, in_features), or () for "
                f"(in_features,), got {tuple(target_.shape)} for {tuple(input_.shape)}"
            )
        x = input_ if ndim else functions.unsqueeze(input_, 0)
        target = np.asarray(ops.detach(target_)._readable()).reshape(-1)
        if target.size and (target.min() < 0 or target.max() >= self.n_classes):
            raise IndexError(
                f"AdaptiveLogSoftmaxWithLoss: target: expected classes from 0 to {self.n_classes - 1}, "
                f"got {target.min()} to {target.max()}"
            )
        of_head = np.where(target < self.shortlist_size, target, 0)
        parts = []
        for k, (start, end) in enumerate(itertools.pairwise(self.cutoffs)):
            (rows,) = np.nonzero((target >= start) & (target < end))
            of_head[rows] = self.shortlist_size + k
            if len(rows):
                scores = F.log_softmax(self.tail[k](ops.index_get(x, rows, dims=(0,))), 1)
                parts.append((rows, ops.gather(scores, (target[rows] - start)[:, None], dim=1)))
        output = ops.gather(F.log_softmax(self.head(x), 1), of_head[:, None], dim=1)
        for rows, of_cluster in parts:
            output = ops.index_put(output, of_cluster, rows, dims=(0,), accumulate=True)
        output = ops.reshape(output, shape=tuple(target_.shape))
        return _Result(output, ops.neg(ops.mean(output, dim=(), keepdim=False)))

    def log_prob(self, input: Any) -> Any:
        """log P of all classes: (N, n_classes)."""
        head = F.log_softmax(self.head(input), 1)
        parts = [ops.getitem(head, index=(slice(None), slice(0, self.shortlist_size)))]
        for k, cluster in enumerate(self.tail, self.shortlist_size):
            of_cluster = ops.getitem(head, index=(slice(None), slice(k, k + 1)))
            parts.append(ops.add(F.log_softmax(cluster(input), 1), of_cluster))
        return ops.concatenate(*parts, dim=1)

    def predict(self, input: Any) -> Any:
        """The most probable class of each sample: (N,)."""
        return functions.argmax(self.log_prob(input), 1)
