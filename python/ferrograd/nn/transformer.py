"""The transformer: layers of attention and feed-forward, stacked as encoder and decoder (arXiv:1706.03762)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from .. import _core, ops
from ..creation import get_default_dtype as _default_dtype
from ..dtypes import device as _device
from ..dtypes import dtype_name
from . import functional as F
from . import init
from .attention import MultiheadAttention
from .containers import ModuleList, _unhooked
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .norm import LayerNorm

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]

Activation = str | Callable[[Any], Any]


def _activation(name: str, activation: Activation) -> Callable[[Any], Any]:
    if not isinstance(activation, str):
        return activation
    if activation not in ("relu", "gelu"):
        raise RuntimeError(f"{name}: activation: expected 'relu', 'gelu' or a function, got {activation!r}")
    return F.relu if activation == "relu" else F.gelu


class _Layer(Module):
    """What an encoder's and a decoder's layer share: one norm and one dropout for each of their blocks."""

    def _feed_forward(self, x: Any) -> Any:
        fused = "relu" if self.activation is F.relu else "gelu" if self.activation is F.gelu else None
        if fused is not None and self.linear1._fuses and _unhooked(self.linear1):
            x = self.linear1(x, activation=fused)
        else:
            x = self.activation(self.linear1(x))
        return self.linear2(self.dropout(x))

    def _residual(self, k: int, x: Any, block: Callable[[Any], Any]) -> Any:
        """x + block(norm(x)) with `norm_first`, else norm(x + block(x)), with the k-th norm and dropout."""
        norm, dropout = getattr(self, f"norm{k}"), getattr(self, f"dropout{k}")
        if self.norm_first:
            return ops.add(x, dropout(block(norm(x))))
        return norm(ops.add(x, dropout(block(x))))


class TransformerEncoderLayer(_Layer):
    """Self-attention, then a feed-forward network, each with a short-cut, dropout and a layer norm.

    y = norm₁(x + attention(x, x, x)), z = norm₂(y + W₂ activation(W₁ y + b₁) + b₂); with `norm_first`,
    y = x + attention(norm₁(x), …) and so on (arXiv:2002.04745). Shapes: (S, N, d_model) or (S, d_model), or N first with
    `batch_first`.

    Args:
        d_model: features of x.
        nhead: heads of the attention.
        dim_feedforward: features between W₁ and W₂.
        dropout: probability of all three dropouts and of the attention's.
        activation: 'relu', 'gelu' or a function.
        layer_norm_eps: the norms' eps.
        batch_first: N before S.
        norm_first: norms before the blocks, not after.
        bias: linear maps and norms learn a bias.
        device: where the parameters are.
        dtype: the parameters' dtype.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        there: Any = {"bias": bias, "device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout=dropout, batch_first=batch_first, **there)
        self.linear1 = Linear(d_model, dim_feedforward, **there)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **there)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, **there)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, **there)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = _activation("TransformerEncoderLayer", activation)

    def forward(self, src: Any, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False) -> Any:
        """The layer's result; masks as of `MultiheadAttention`."""

        def attention(x: Any) -> Any:
            return self.self_attn(
                x,
                x,
                x,
                attn_mask=src_mask,
                key_padding_mask=src_key_padding_mask,
                need_weights=False,
                is_causal=is_causal,
            )[0]

        return self._residual(2, self._residual(1, src, attention), self._feed_forward)


class TransformerDecoderLayer(_Layer):
    """Self-attention, attention to an encoder's result, then a feed-forward network; as `TransformerEncoderLayer`."""

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        there: Any = {"bias": bias, "device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout=dropout, batch_first=batch_first, **there)
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout=dropout, batch_first=batch_first, **there)
        self.linear1 = Linear(d_model, dim_feedforward, **there)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **there)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, **there)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, **there)
        self.norm3 = LayerNorm(d_model, eps=layer_norm_eps, **there)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = _activation("TransformerDecoderLayer", activation)

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Any:
        """The layer's result for `tgt` (T, N, d_model) and the encoder's result `memory` (S, N, d_model)."""

        def to_itself(x: Any) -> Any:
            return self.self_attn(
                x,
                x,
                x,
                attn_mask=tgt_mask,
                key_padding_mask=tgt_key_padding_mask,
                need_weights=False,
                is_causal=tgt_is_causal,
            )[0]

        def to_memory(x: Any) -> Any:
            return self.multihead_attn(
                x,
                memory,
                memory,
                attn_mask=memory_mask,
                key_padding_mask=memory_key_padding_mask,
                need_weights=False,
                is_causal=memory_is_causal,
            )[0]

        x = self._residual(2, self._residual(1, tgt, to_itself), to_memory)
        return self._residual(3, x, self._feed_forward)


def _clones(module: Module, n: int) -> ModuleList:
    return ModuleList([copy.deepcopy(module) for _ in range(n)])


class TransformerEncoder(Module):
    """`num_layers` copies of a layer one after the other, then a norm if there is one.

    Args:
        encoder_layer: the layer; the copies start with its parameters.
        num_layers: how many.
        norm: a module for the last result, or None.
        enable_nested_tensor: has no effect here.
        mask_check: has no effect here.
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _clones(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self, src: Any, mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool | None = None
    ) -> Any:
        """The last layer's result; `is_causal` says that `mask` is the causal mask."""
        for layer in self.layers:
            src = layer(src, src_mask=mask, src_key_padding_mask=src_key_padding_mask, is_causal=bool(is_causal))
        return src if self.norm is None else self.norm(src)


class TransformerDecoder(Module):
    """`num_layers` copies of a layer one after the other, then a norm if there is one.

    Args:
        decoder_layer: the layer; the copies start with its parameters.
        num_layers: how many.
        norm: a module for the last result, or None.
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _clones(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Any:
        """The last layer's result; `tgt_is_causal` says that `tgt_mask` is the causal mask."""
        for layer in self.layers:
            tgt = layer(
                tgt,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=bool(tgt_is_causal),
                memory_is_causal=memory_is_causal,
            )
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """Encoder and decoder: src (S, N, d_model) and tgt (T, N, d_model) give (T, N, d_model); arguments as of the layers.

    All matrices start Glorot-uniform.

    Args:
        d_model: features.
        nhead: heads.
        num_encoder_layers: layers of the encoder.
        num_decoder_layers: layers of the decoder.
        dim_feedforward: features within the feed-forward networks.
        dropout: probability of every dropout.
        activation: 'relu', 'gelu' or a function.
        custom_encoder: takes the encoder's place.
        custom_decoder: takes the decoder's place.
        layer_norm_eps: the norms' eps.
        batch_first: N before S and T.
        norm_first: norms before the blocks.
        bias: linear maps and norms learn a bias.
        device: where the parameters are.
        dtype: the parameters' dtype.
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        layer: Any = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first)
        there: Any = {"bias": bias, "device": device, "dtype": dtype}
        if custom_encoder is None:
            encoder_layer = TransformerEncoderLayer(*layer, **there)
            norm = LayerNorm(d_model, layer_norm_eps, **there)
            custom_encoder = TransformerEncoder(encoder_layer, num_encoder_layers, norm)
        if custom_decoder is None:
            decoder_layer = TransformerDecoderLayer(*layer, **there)
            norm = LayerNorm(d_model, layer_norm_eps, **there)
            custom_decoder = TransformerDecoder(decoder_layer, num_decoder_layers, norm)
        self.encoder = custom_encoder
        self.decoder = custom_decoder
        self._reset_parameters()
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def _reset_parameters(self) -> None:
        for p in self.parameters():
            if p.ndim > 1:
                init.xavier_uniform_(p)

    def forward(
        self,
        src: Any,
        tgt: Any,
        src_mask: Any = None,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        src_key_padding_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Any:
        """The decoder's result for `tgt`, given the encoder's for `src`; masks as of `MultiheadAttention`."""
        of_batch = 0 if self.batch_first else 1
        if len(src.shape) == 3 and len(tgt.shape) == 3 and src.shape[of_batch] != tgt.shape[of_batch]:
            raise _core.ShapeError(
                f"Transformer: tgt: expected a batch of {src.shape[of_batch]} as src has, got {tgt.shape[of_batch]}"
            )
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise _core.ShapeError(
                f"Transformer: src, tgt: expected {self.d_model} features, got {src.shape[-1]} and {tgt.shape[-1]}"
            )
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Any:
        """The causal mask (sz, sz): -∞ above the diagonal, else 0."""
        if device is not None:
            _device(device)
        return ops.causal_mask(sz, sz, dtype_name(dtype or _default_dtype()))
