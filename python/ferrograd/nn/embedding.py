"""Embedding: a learned vector for each index."""

from __future__ import annotations

from typing import Any

from .. import _core
from ..autograd import no_grad
from ..creation import as_tensor, empty
from . import functional as F
from . import init
from ._check import check_padding_idx
from .module import Module
from .parameter import Parameter

__all__ = ["Embedding"]


class Embedding(Module):
    """y[...] = weight[x[...]]: shape (*) of integers gives (*, embedding_dim).

    The weight of shape (num_embeddings, embedding_dim) starts standard normal.

    Args:
        num_embeddings: how many indices there are.
        embedding_dim: the length of each vector.
        padding_idx: an index whose vector starts at 0 and gets no gradient.
        max_norm: vectors that are looked up are first scaled down, in place, to this norm at most.
        norm_type: the p of that norm.
        scale_grad_by_freq: divide gradients by how often their index occurs in the batch.
        device: where the weight is.
        dtype: the weight's dtype.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        _weight: Any = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = check_padding_idx("Embedding", padding_idx, num_embeddings)
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        if _weight is None:
            self.weight = Parameter(empty(num_embeddings, embedding_dim, device=device, dtype=dtype), not _freeze)
            self.reset_parameters()
        else:
            if tuple(_weight.shape) != (num_embeddings, embedding_dim):
                raise _core.ShapeError(
                    f"Embedding: _weight: expected shape {(num_embeddings, embedding_dim)}, got {tuple(_weight.shape)}"
                )
            self.weight = Parameter(_weight, not _freeze)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
    ) -> Embedding:
        """An Embedding over given vectors, shape (num_embeddings, embedding_dim)."""
        embeddings = as_tensor(embeddings)
        if embeddings.ndim != 2:
            raise ValueError(f"from_pretrained: embeddings: expected 2 dimensions, got shape {embeddings.shape}")
        rows, columns = embeddings.shape
        return cls(
            rows,
            columns,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            _weight=embeddings,
            _freeze=freeze,
        )

    def reset_parameters(self) -> None:
        """Draws new vectors."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0

    def forward(self, input: Any) -> Any:
        """The vectors of the indices."""
        return F.embedding(input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq)

    def extra_repr(self) -> str:
        """The sizes, and what is not the default."""
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        if self.padding_idx is not None:
            text += f", padding_idx={self.padding_idx}"
        if self.max_norm is not None:
            text += f", max_norm={self.max_norm}"
        if self.norm_type != 2:
            text += f", norm_type={self.norm_type}"
        if self.scale_grad_by_freq:
            text += f", scale_grad_by_freq={self.scale_grad_by_freq}"
        return text
