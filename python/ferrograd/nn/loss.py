"""Losses: how far an output is from its target, as one number or (reduction='none') one for each element.

`size_average` and `reduce` are what PyTorch had before `reduction`; they are turned into it with a warning.
"""

from __future__ import annotations

from typing import Any

from .._warn import warn
from . import functional as F
from .functional._reduction import reduction_of
from .module import Module

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CTCLoss",
    "CrossEntropyLoss",
    "GaussianNLLLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "MSELoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "NLLLoss",
    "NLLLoss2d",
    "PoissonNLLLoss",
    "SmoothL1Loss",
]


class _Loss(Module):
    def __init__(self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction_of(type(self).__name__, reduction, size_average, reduce)


class _WeightedLoss(_Loss):
    def __init__(
        self,
        weight: Any = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class L1Loss(_Loss):
    """|x - y|."""

    def forward(self, input: Any, target: Any) -> Any:
        """|x - y|, reduced."""
        return F.l1_loss(input, target, reduction=self.reduction)


class MSELoss(_Loss):
    """(x - y)²."""

    def forward(self, input: Any, target: Any) -> Any:
        """(x - y)², reduced."""
        return F.mse_loss(input, target, reduction=self.reduction)


class HuberLoss(_Loss):
    """(x - y)² / 2 where |x - y| < delta, else delta · (|x - y| - delta / 2)."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Any, target: Any) -> Any:
        """The Huber loss, reduced."""
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class SmoothL1Loss(_Loss):
    """(x - y)² / (2 beta) where |x - y| < beta, else |x - y| - beta / 2."""

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        beta: float = 1.0,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Any, target: Any) -> Any:
        """The smooth L1 loss, reduced."""
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class BCELoss(_WeightedLoss):
    """-weight · (y log x + (1 - y) log(1 - x)) for x in [0, 1]; the logarithms are held above -100."""

    def forward(self, input: Any, target: Any) -> Any:
        """The binary cross-entropy, reduced."""
        return F.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """-weight · (pos_weight · y log σ(x) + (1 - y) log(1 - σ(x))), σ the sigmoid, computed without overflow."""

    def __init__(
        self,
        weight: Any = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        pos_weight: Any = None,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Any, target: Any) -> Any:
        """The binary cross-entropy of the logits, reduced."""
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, pos_weight=self.pos_weight, reduction=self.reduction
        )


class KLDivLoss(_Loss):
    """y · (log y - x) for log-probabilities x and probabilities y.

    Args:
        size_average: deprecated.
        reduce: deprecated.
        reduction: 'batchmean' (the sum over the batch's size), 'mean' (over all elements), 'sum' or 'none'.
        log_target: y is given as its logarithm.
    """

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        log_target: bool = False,
    ) -> None:
        of_batch = reduction == "batchmean" and size_average is None and reduce is None
        super().__init__(size_average, reduce, "sum" if of_batch else reduction)
        self.reduction = "batchmean" if of_batch else self.reduction
        self.log_target = log_target

    def forward(self, input: Any, target: Any) -> Any:
        """The divergence, reduced."""
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class PoissonNLLLoss(_Loss):
    """eˣ - y x for the logarithm x of a Poisson rate and a count y.

    Args:
        log_input: x is the logarithm; else x is the rate and the loss x - y log(x + eps).
        full: add Stirling's approximation of log y! where y > 1.
        size_average: deprecated.
        eps: keeps the logarithm defined.
        reduce: deprecated.
        reduction: 'mean', 'sum' or 'none'.
    """

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: bool | None = None,
        eps: float = 1e-8,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, log_input: Any, target: Any) -> Any:
        """The negative log-likelihood, reduced."""
        return F.poisson_nll_loss(
            log_input, target, log_input=self.log_input, full=self.full, eps=self.eps, reduction=self.reduction
        )


class GaussianNLLLoss(_Loss):
    """(log v + (x - y)² / v) / 2 for means x and variances v, held above eps; `full` adds log(2π) / 2."""

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.full = full
        self.eps = eps

    def forward(self, input: Any, target: Any, var: Any) -> Any:
        """The negative log-likelihood, reduced."""
        return F.gaussian_nll_loss(input, target, var, full=self.full, eps=self.eps, reduction=self.reduction)


class NLLLoss(_WeightedLoss):
    """-weight[y] · x[y] for log-probabilities x of shape (N, C, *) or (C,) and class indices y of shape (N, *) or ().

    The mean is the weighted one. Elements whose target is `ignore_index` do not count.
    """

    def __init__(
        self,
        weight: Any = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Any, target: Any) -> Any:
        """The negative log-likelihood, reduced."""
        return F.nll_loss(input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class NLLLoss2d(NLLLoss):
    """PyTorch's former name of NLLLoss."""

    def __init__(
        self,
        weight: Any = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        warn("NLLLoss2d is deprecated; use NLLLoss", FutureWarning)
        super().__init__(weight, size_average, ignore_index, reduce, reduction)


class CrossEntropyLoss(_WeightedLoss):
    """-weight[y] · log softmax(x)[y] for logits x of shape (N, C, *) or (C,).

    The target is class indices of shape (N, *) or (), or class probabilities of the shape of x.

    Args:
        weight: one for each class.
        size_average: deprecated.
        ignore_index: a class index that does not count.
        reduce: deprecated.
        reduction: 'mean' (weighted), 'sum' or 'none'.
        label_smoothing: the share of the target that is spread evenly over all classes (arXiv:1512.00567).
    """

    def __init__(
        self,
        weight: Any = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Any, target: Any) -> Any:
        """The cross-entropy, reduced."""
        try:
            weight = self._buffers["weight"]  # past `__getattr__`, which takes a microsecond
        except KeyError:
            weight = self.weight
        return F.cross_entropy(
            input,
            target,
            weight=weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class MultiMarginLoss(_WeightedLoss):
    """Σ_{c ≠ y} max(0, margin - x[y] + x[c])ᵖ · weight[y] / C for scores x (N, C) or (C,) and classes y (N,) or ()."""

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Any = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        if p not in (1, 2):
            raise ValueError(f"MultiMarginLoss: p: expected 1 or 2, got {p}")
        self.p = p
        self.margin = margin

    def forward(self, input: Any, target: Any) -> Any:
        """The hinge loss of the classes, reduced."""
        return F.multi_margin_loss(
            input, target, p=self.p, margin=self.margin, weight=self.weight, reduction=self.reduction
        )


class MultiLabelMarginLoss(_Loss):
    """Σ over j among the labels, i not among them, of max(0, 1 - x[j] + x[i]) / C, for scores x (N, C) or (C,).

    The target has the shape of x: the labels of each sample, then -1, what follows being ignored.
    """

    def forward(self, input: Any, target: Any) -> Any:
        """The hinge loss of the labels, reduced."""
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """-Σ_c weight_c · (y log σ(x) + (1 - y) log σ(-x)) / C for x, y (*, C), σ the sigmoid."""

    def forward(self, input: Any, target: Any) -> Any:
        """The binary cross-entropies of the labels, their mean over the labels, reduced."""
        return F.multilabel_soft_margin_loss(input, target, weight=self.weight, reduction=self.reduction)


class CTCLoss(_Loss):
    """-log P(labels | x), summed over all alignments of labels, blanks and repetitions (Graves et al. 2006).

    Args:
        blank: the class that stands for none.
        reduction: 'mean' divides each loss by its number of labels first.
        zero_infinity: 0, without a gradient, where no alignment exists, instead of infinity.
    """

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    def forward(self, log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any) -> Any:
        """The loss of log-probabilities (T, N, C) for labels (N, S), reduced."""
        return F.ctc_loss(
            log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity
        )
