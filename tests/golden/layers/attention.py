"""Attention and transformers. Dropout is 0: the random streams differ."""

from ._layer import Layer

_MASKS = dict(kind=("float", "float", "float", "bool", "float"), keywords=("key_padding_mask", "attn_mask"))
_LAYER = dict(dropout=0.0)


def _attention(id, args=(4, 2), kwargs=None, sizes=(3, 2, 4), **rest):
    """Query, key and value of one shape."""
    return Layer(id, "MultiheadAttention", args, kwargs or {}, shape=(sizes,) * 3, **rest)


LAYERS = [
    _attention("attention"),
    _attention("attention-no-weights", call=dict(need_weights=False)),
    _attention("attention-of-each-head", call=dict(average_attn_weights=False)),
    _attention("attention-one-sample", sizes=(3, 4)),
    _attention("attention-no-bias", kwargs=dict(bias=False, batch_first=True)),
    _attention("attention-more-keys", kwargs=dict(add_bias_kv=True, add_zero_attn=True)),
    Layer(
        "attention-sizes",
        "MultiheadAttention",
        (4, 2),
        dict(kdim=3, vdim=5, add_bias_kv=True),
        shape=((3, 2, 4), (2, 2, 3), (2, 2, 5)),
    ),
    Layer(
        "attention-masks",
        "MultiheadAttention",
        (4, 2),
        dict(batch_first=True, add_zero_attn=True),
        shape=((2, 3, 4), (2, 4, 4), (2, 4, 4), (2, 4), (3, 4)),
        call=dict(need_weights=False),
        **_MASKS,
    ),
    Layer(
        "attention-masks-of-heads",
        "MultiheadAttention",
        (4, 2),
        dict(add_bias_kv=True),
        shape=((3, 2, 4), (4, 2, 4), (4, 2, 4), (2, 4), (4, 3, 4)),
        **_MASKS,
    ),
    Layer(
        "attention-one-sample-masks",
        "MultiheadAttention",
        (4, 2),
        dict(add_zero_attn=True),
        shape=((3, 4), (4, 4), (4, 4), (4,), (3, 4)),
        kind=("float", "float", "float", "bool", "bool"),
        keywords=("key_padding_mask", "attn_mask"),
    ),
    Layer(
        "encoder-layer",
        "TransformerEncoderLayer",
        (4, 2, 6),
        _LAYER,
        shape=((3, 2, 4), (3, 3)),
        keywords=("src_mask",),
    ),
    Layer(
        "encoder-layer-before",
        "TransformerEncoderLayer",
        (4, 2, 6),
        dict(dropout=0.0, norm_first=True, activation="gelu", layer_norm_eps=1e-3, batch_first=True, bias=False),
        shape=((2, 3, 4), (2, 3)),
        kind="float",
        keywords=("src_key_padding_mask",),
    ),
    Layer("encoder-layer-eval", "TransformerEncoderLayer", (4, 2, 6), shape=(3, 4), training=False),
    Layer(
        "decoder-layer",
        "TransformerDecoderLayer",
        (4, 2, 6),
        _LAYER,
        shape=((3, 2, 4), (2, 2, 4), (3, 3), (3, 2), (2, 3)),
        keywords=("tgt_mask", "memory_mask", "tgt_key_padding_mask"),
    ),
    Layer(
        "decoder-layer-before",
        "TransformerDecoderLayer",
        (4, 1, 6),
        dict(dropout=0.0, norm_first=True, activation="gelu", batch_first=True),
        shape=((2, 3, 4), (2, 2, 4), (2, 2)),
        keywords=("memory_key_padding_mask",),
    ),
    Layer(
        "transformer",
        "Transformer",
        (8, 2, 1, 1, 6),
        dict(dropout=0.0),
        shape=((3, 2, 8), (2, 2, 8), (3, 3), (2, 2), (2, 3), (2, 3), (2, 3)),
        keywords=("src_mask", "tgt_mask", "memory_mask", "src_key_padding_mask", "memory_key_padding_mask"),
    ),
    Layer(
        "transformer-batch-first",
        "Transformer",
        (4, 2, 1, 2, 6),
        dict(dropout=0.0, batch_first=True, norm_first=True, bias=False),
        shape=((2, 3, 4), (2, 2, 4)),
    ),
]
