"""Dropout: elements or channels set to zero at random while training."""

from __future__ import annotations

from typing import Any

from . import functional as F
from ._check import check_probability
from .module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _Dropout(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        check_probability(type(self).__name__, p)
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """While training, sets each element to 0 with probability p and multiplies the others by 1 / (1 - p).

    (Srivastava et al. 2014.) In evaluation the input passes as it is. The random numbers follow `fg.manual_seed`.
    """

    def forward(self, input: Any) -> Any:
        """The input with elements dropped, while training."""
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """As Dropout, for whole channels of (N, C, L) or (C, L)."""

    def forward(self, input: Any) -> Any:
        """The input with channels dropped, while training."""
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """As Dropout, for whole channels of (N, C, H, W) or (C, H, W)."""

    def forward(self, input: Any) -> Any:
        """The input with channels dropped, while training."""
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_Dropout):
    """As Dropout, for whole channels of (N, C, D, H, W) or (C, D, H, W)."""

    def forward(self, input: Any) -> Any:
        """The input with channels dropped, while training."""
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_Dropout):
    """While training, elements become SELU's limit with probability p; mean 0 and variance 1 are kept (arXiv:1706.02515)."""

    def forward(self, input: Any) -> Any:
        """The input with elements dropped, while training."""
        return F.alpha_dropout(input, self.p, self.training, self.inplace)


class FeatureAlphaDropout(_Dropout):
    """As AlphaDropout, for whole channels of (N, C, *)."""

    def forward(self, input: Any) -> Any:
        """The input with channels dropped, while training."""
        return F.feature_alpha_dropout(input, self.p, self.training, self.inplace)
