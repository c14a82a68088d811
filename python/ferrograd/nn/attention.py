"""Multi-head attention."""

from __future__ import annotations

from typing import Any

from .. import functions
from ..creation import empty
from . import functional as F
from . import init
from .linear import Linear
from .module import Module
from .parameter import Parameter

__all__ = ["MultiheadAttention"]


class NonDynamicallyQuantizableLinear(Linear):
    """A Linear layer under the name that PyTorch shows for the projection of the result."""


class MultiheadAttention(Module):
    """Attention of several heads, each with its own projections: Concat(head₁, …) W_O (arXiv:1706.03762).

    head_i = softmax(Q Kᵀ/√(E/heads) + masks) V, with Q, K, V the i-th parts of the projected query, key and value.

    Shapes: query (L, N, E), key (S, N, kdim), value (S, N, vdim), or without N, or N first with `batch_first`; the result
    is as the query, the weights (N, L, S). Projections start Glorot-uniform, biases 0.

    Args:
        embed_dim: E, the features of query and result.
        num_heads: a divisor of E.
        dropout: the probability with which a weight is dropped while training.
        bias: learn biases of the projections.
        add_bias_kv: learn one more key and value.
        add_zero_attn: one more key and value of zeros.
        kdim: the key's features; default: E.
        vdim: the value's features; default: E.
        batch_first: N before L and S.
        device: where the parameters are.
        dtype: the parameters' dtype.

    Raises:
        ValueError: for sizes that are not positive, and heads that do not divide E.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"MultiheadAttention: embed_dim, num_heads: expected positive numbers, got {embed_dim} and {num_heads}"
            )
        if embed_dim % num_heads:
            raise ValueError(f"MultiheadAttention: num_heads: expected a divisor of {embed_dim}, got {num_heads}")
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        self.add_zero_attn = add_zero_attn
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim

        def parameter(*shape: int) -> Parameter:
            return Parameter(empty(*shape, device=device, dtype=dtype))  # type: ignore[no-any-return]

        separate = not self._qkv_same_embed_dim
        self.register_parameter("in_proj_weight", None if separate else parameter(3 * embed_dim, embed_dim))
        self.register_parameter("q_proj_weight", parameter(embed_dim, embed_dim) if separate else None)
        self.register_parameter("k_proj_weight", parameter(embed_dim, self.kdim) if separate else None)
        self.register_parameter("v_proj_weight", parameter(embed_dim, self.vdim) if separate else None)
        self.register_parameter("in_proj_bias", parameter(3 * embed_dim) if bias else None)
        self.register_parameter("bias_k", parameter(1, 1, embed_dim) if add_bias_kv else None)
        self.register_parameter("bias_v", parameter(1, 1, embed_dim) if add_bias_kv else None)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, device=device, dtype=dtype)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for extra in (self.bias_k, self.bias_v):
            if extra is not None:
                init.xavier_normal_(extra)

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Any, Any]:
        """The result, and the weights or None.

        Args:
            query: where to.
            key: where from, by what the weights are.
            value: what is averaged.
            key_padding_mask: (N, S), or (S): True hides a key, floats are added to its scores.
            need_weights: return the weights as well; a query that sees no key is NaN then, else 0.
            attn_mask: (L, S) or (N·heads, L, S): True hides a key from a query, floats are added.
            average_attn_weights: the mean of the heads' weights; else (N, heads, L, S).
            is_causal: says that `attn_mask` is the causal mask.
        """
        batched = self.batch_first and len(query.shape) == 3
        if batched:
            same_key, same_value = query is key, key is value
            query = functions.transpose(query, 0, 1)
            key = query if same_key else functions.transpose(key, 0, 1)
            value = key if same_value else functions.transpose(value, 0, 1)
        y, weights = F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim,
            q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return functions.transpose(y, 0, 1) if batched else y, weights
