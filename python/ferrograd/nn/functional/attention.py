"""Attention: every position a weighted mean of the others, the weights by how well a query fits a key."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _core, ops, random
from ..._operands import takes_arrays
from ...creation import as_tensor
from .._check import check_probability

if TYPE_CHECKING:
    from ..._tensor import Tensor

__all__ = ["multi_head_attention_forward", "scaled_dot_product_attention"]

_ALL = slice(None)


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(scale · Q Kᵀ + mask) V (Vaswani et al. 2017, arXiv:1706.03762).

    Shapes: query (…, L, E), key (…, S, E), value (…, S, Ev) give (…, L, Ev); the mask broadcasts to (…, L, S). A row that
    may see no key is 0. lecture: Z = softmax(XA (XB)ᵀ) XC, which is this with `scale=1.0`.

    Args:
        query: Q.
        key: K.
        value: V.
        attn_mask: bools, True where a query may see a key; or floats, added to the scores.
        dropout_p: the probability with which a weight is dropped, in evaluation too.
        is_causal: the i-th query sees the keys up to the i-th.
        scale: default: 1/√E.
        enable_gqa: fewer heads (dimension -3) of key and value than of query, each one for several of query's.

    Raises:
        RuntimeError: for both a mask and `is_causal`, and for shapes and dtypes that do not fit.
    """
    name = "scaled_dot_product_attention"
    query, key, value = as_tensor(query), as_tensor(key), as_tensor(value)
    _check_operands(name, query, key, value)
    check_probability(name, dropout_p)
    if enable_gqa:
        key, value = (_for_all_heads(name, x, query) for x in (key, value))
    try:
        batch = np.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    except ValueError:
        raise _core.ShapeError(
            f"{name}: key: expected leading dimensions that broadcast, got query {query.shape}, key {key.shape} and "
            f"value {value.shape}"
        ) from None
    if attn_mask is not None:
        if is_causal:
            raise RuntimeError(f"{name}: attn_mask: expected None with is_causal=True, got a mask")
        attn_mask = _checked_mask(name, as_tensor(attn_mask), query, (*batch, query.shape[-2], key.shape[-2]))
    return ops.attend(  # type: ignore[no-any-return]
        query,
        key,
        value,
        attn_mask,
        random.default_generator.state,
        scale=_scale(query) if scale is None else float(scale),
        is_causal=is_causal,
        dropout_p=float(dropout_p),
    )


def _scale(query: Any) -> float:
    """1/√E."""
    return 1.0 / math.sqrt(query.shape[-1] or 1)


def _check_operands(name: str, query: Any, key: Any, value: Any) -> None:
    shapes = f"got query {query.shape}, key {key.shape} and value {value.shape}"
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise _core.ShapeError(f"{name}: query, key, value: expected at least 2 dimensions, {shapes}")
    if not query.is_floating_point() or not query._dtype == key._dtype == value._dtype:
        raise _core.DTypeError(
            f"{name}: query, key, value: expected one floating-point dtype, "
            f"got {query._dtype}, {key._dtype} and {value._dtype}"
        )
    if query.shape[-1] != key.shape[-1]:
        raise _core.ShapeError(f"{name}: key: expected query's last size {query.shape[-1]}, {shapes}")
    if key.shape[-2] != value.shape[-2]:
        raise _core.ShapeError(f"{name}: value: expected key's length {key.shape[-2]}, {shapes}")


def _for_all_heads(name: str, x: Any, query: Any) -> Any:
    """The heads of a key or value repeated for the heads of the query that share them."""
    if min(x.ndim, query.ndim) < 3 or x.shape[-3] == 0 or query.shape[-3] % x.shape[-3]:
        raise _core.ShapeError(
            f"{name}: enable_gqa: expected heads of key and value that divide those of query {query.shape}, got {x.shape}"
        )
    *batch, heads, length, features = x.shape
    times = query.shape[-3] // heads
    if times == 1:
        return x
    x = ops.getitem(x, index=(Ellipsis, None, _ALL, _ALL))
    x = ops.expand(x, shape=(*batch, heads, times, length, features))
    return ops.reshape(x, shape=(*batch, heads * times, length, features))


def _checked_mask(name: str, mask: Any, query: Any, shape: tuple[int, ...]) -> Any:
    if mask._dtype not in ("bool", query._dtype):
        raise _core.DTypeError(f"{name}: attn_mask: expected bool or query's {query._dtype}, got {mask._dtype}")
    try:
        fits = np.broadcast_shapes(mask.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise _core.ShapeError(f"{name}: attn_mask: expected a shape that broadcasts to {shape}, got {mask.shape}")
    return mask if mask.ndim else ops.reshape(mask, shape=(1,))


@takes_arrays
def multi_head_attention_forward(
    query: Any,
    key: Any,
    value: Any,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Any,
    in_proj_bias: Any,
    bias_k: Any,
    bias_v: Any,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Any,
    out_proj_bias: Any,
    training: bool = True,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Any = None,
    k_proj_weight: Any = None,
    v_proj_weight: Any = None,
    static_k: Any = None,
    static_v: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Any, Any]:
    """What `nn.MultiheadAttention` computes, from its parameters: query (L, N, E), key (S, N, …), or without N.

    Gives the result (L, N, E) and, with `need_weights`, the weights (N, L, S), or (N, heads, L, S) where they are not
    averaged. `static_k`, `static_v` (N·heads, S, E/heads) stand for projected keys and values.
    """
    name = "multi_head_attention_forward"
    batched = _check_ranks(name, query, key, value, key_padding_mask, attn_mask)
    shapes = tuple(key.shape), tuple(value.shape)
    common = len(shapes[0]) - use_separate_proj_weight
    if shapes[0][:common] != shapes[1][:common]:
        raise _core.ShapeError(f"{name}: value: expected the key's sizes, got key {shapes[0]} and value {shapes[1]}")
    same_key, same_value = query is key, key is value
    query, key, value = (_batch_first(x, batched) for x in (query, key, value))
    n, _length, embed_dim = query.shape
    if embed_dim != embed_dim_to_check:
        raise _core.ShapeError(f"{name}: query: expected {embed_dim_to_check} features, got {embed_dim}")
    if embed_dim % num_heads:
        raise ValueError(f"{name}: num_heads: expected a divisor of {embed_dim}, got {num_heads}")
    if is_causal and attn_mask is None:
        raise RuntimeError(
            f"{name}: attn_mask: expected the causal mask that is_causal=True says it is, got None; "
            "see nn.Transformer.generate_square_subsequent_mask"
        )
    if is_causal and key_padding_mask is None and not need_weights:
        attn_mask = None
    else:
        is_causal = False
    masks = [
        _full_mask(name, attn_mask, query, num_heads, key.shape[1]),
        _padding_mask(name, key_padding_mask, query, key.shape[1], batched),
    ]

    dropout_p = float(dropout_p) if training else 0.0
    state = random.default_generator.state
    scale = 1.0 / math.sqrt(embed_dim // num_heads)
    plain = all(x is None for x in (bias_k, bias_v, static_k, static_v)) and not add_zero_attn
    if same_key and same_value and plain and not use_separate_proj_weight and not need_weights:
        x = _linear(query, in_proj_weight, in_proj_bias)
        y = ops.self_attend(
            x, _sum(masks), state, heads=num_heads, scale=scale, is_causal=is_causal, dropout_p=dropout_p
        )
        y = _linear(y, out_proj_weight, out_proj_bias)
        return ops.permute(y, dims=(1, 0, 2)) if batched else ops.getitem(y, index=(0,)), None

    if use_separate_proj_weight:
        weights = [q_proj_weight, k_proj_weight, v_proj_weight]
        biases = [None] * 3 if in_proj_bias is None else _pieces(in_proj_bias, (embed_dim,) * 3)
        q, k, v = (_linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True))
    else:
        q, k, v = _projected(query, key, value, same_key, same_value, in_proj_weight, in_proj_bias)
    if bias_k is not None or bias_v is not None:
        if bias_k is None or bias_v is None or static_k is not None or static_v is not None:
            raise ValueError(f"{name}: bias_k, bias_v: expected both, and no static_k and static_v, or neither")
        k, v = (
            ops.concatenate(x, ops.expand(b, shape=(n, 1, embed_dim)), dim=1) for x, b in ((k, bias_k), (v, bias_v))
        )
        masks = [_with_a_free_key(mask) for mask in masks]
    q, k, v = (ops.split_heads(x, num_heads) for x in (q, k, v))
    k = k if static_k is None else ops.reshape(static_k, shape=(n, num_heads, -1, embed_dim // num_heads))
    v = v if static_v is None else ops.reshape(static_v, shape=(n, num_heads, -1, embed_dim // num_heads))
    if add_zero_attn:
        k, v = (ops.pad(x, padding=((0, 0), (0, 0), (0, 1), (0, 0)), value=0.0) for x in (k, v))
        masks = [_with_a_free_key(mask) for mask in masks]
    mask = _sum(masks)

    weights_of_heads = None
    if need_weights:
        scores = ops.attention_scores(q, k, mask, scale=scale, is_causal=is_causal)
        weights_of_heads = ops.softmax(scores, dim=3)
        if dropout_p:
            weights_of_heads = ops.dropout(weights_of_heads, state, p=dropout_p)[0]
        y = ops.matmul(weights_of_heads, v)
    else:
        y = ops.attend(q, k, v, mask, state, scale=scale, is_causal=is_causal, dropout_p=dropout_p)
    # Into the order of (L, N, E) or (N, L, E) that the kernel wrote the heads in.
    y = _by_rows(
        ops.permute(y, dims=(0, 2, 1, 3)), lambda heads: ops.reshape(heads, shape=(*heads.shape[:2], embed_dim))
    )
    y = _linear(y, out_proj_weight, out_proj_bias)

    if weights_of_heads is not None and average_attn_weights:
        weights_of_heads = ops.mean(weights_of_heads, dim=(1,), keepdim=False)
    if not batched:
        weights_of_heads = None if weights_of_heads is None else ops.getitem(weights_of_heads, index=(0,))
        return ops.getitem(y, index=(0,)), weights_of_heads
    return ops.permute(y, dims=(1, 0, 2)), weights_of_heads


def _check_ranks(name: str, query: Any, key: Any, value: Any, key_padding_mask: Any, attn_mask: Any) -> bool:
    """Whether there is a batch: query, key and value of three dimensions, not two."""
    ranks = [len(x.shape) for x in (query, key, value)]
    if ranks not in ([2] * 3, [3] * 3):
        raise _core.ShapeError(
            f"{name}: query, key, value: expected all 2D (one sample) or all 3D (a batch), got shapes "
            f"{tuple(query.shape)}, {tuple(key.shape)} and {tuple(value.shape)}"
        )
    if key_padding_mask is not None and len(key_padding_mask.shape) != ranks[0] - 1:
        raise _core.ShapeError(
            f"{name}: key_padding_mask: expected {ranks[0] - 1} dimensions, got shape {tuple(key_padding_mask.shape)}"
        )
    if attn_mask is not None and len(attn_mask.shape) not in (2, 3):
        raise _core.ShapeError(f"{name}: attn_mask: expected 2 or 3 dimensions, got shape {tuple(attn_mask.shape)}")
    return ranks[0] == 3


def _batch_first(x: Any, batched: bool) -> Any:
    """(L, N, E) or (L, E) as (N, L, E)."""
    x = as_tensor(x)
    return ops.permute(x, dims=(1, 0, 2)) if batched else ops.getitem(x, index=(None,))


def _additive(name: str, argument: str, mask: Any, dtype: str) -> Any:
    """A mask whose True hides a key as one of -∞ and 0; a mask of floats as it is."""
    mask = as_tensor(mask)
    if mask._dtype == "bool":
        return ops.where(mask, -math.inf, _core.from_numpy(np.zeros((), dtype)))
    if not mask.is_floating_point():
        raise _core.DTypeError(f"{name}: {argument}: expected bool or floating point, got {mask._dtype}")
    return mask


def _full_mask(name: str, mask: Any, query: Any, heads: int, keys: int) -> Any:
    """(L, S) or (N·heads, L, S) as a mask that broadcasts to (N, heads, L, S)."""
    if mask is None:
        return None
    n, length, _ = query.shape
    mask = _additive(name, "attn_mask", mask, query._dtype)
    if mask.shape == (length, keys):
        return mask
    if mask.shape == (n * heads, length, keys):
        return ops.reshape(mask, shape=(n, heads, length, keys))
    raise _core.ShapeError(
        f"{name}: attn_mask: expected shape {(length, keys)} or {(n * heads, length, keys)}, got {mask.shape}"
    )


def _padding_mask(name: str, mask: Any, query: Any, keys: int, batched: bool) -> Any:
    """(N, S) as (N, 1, 1, S)."""
    if mask is None:
        return None
    expected = (query.shape[0], keys) if batched else (keys,)
    if tuple(mask.shape) != expected:
        raise _core.ShapeError(f"{name}: key_padding_mask: expected shape {expected}, got {tuple(mask.shape)}")
    mask = _additive(name, "key_padding_mask", mask, query._dtype)
    return ops.reshape(mask, shape=(query.shape[0], 1, 1, keys))


def _with_a_free_key(mask: Any) -> Any:
    """One more key at the end, which every query sees."""
    return None if mask is None else ops.pad(mask, padding=(*((0, 0),) * (len(mask.shape) - 1), (0, 1)), value=0.0)


def _pieces(x: Any, sizes: tuple[int, ...], dim: int = 0) -> Any:
    """Consecutive parts of a dimension."""
    return list(ops.split(x, sizes=sizes, dim=dim))


def _projected(query: Any, key: Any, value: Any, same_key: bool, same_value: bool, weight: Any, bias: Any) -> list[Any]:
    """Queries, keys and values: the input by the three parts of the weight (3·E, E), in one product where it is one."""
    e = query.shape[2]
    if same_key and same_value:
        return _parted(query, weight, bias, (e, e, e))
    sizes = (e, 2 * e) if same_value else (e, e, e)
    biases = [None] * len(sizes) if bias is None else _pieces(bias, sizes)
    pieces = _pieces(weight, sizes)
    if same_value:
        return [_linear(query, pieces[0], biases[0]), *_parted(key, pieces[1], biases[1], (e, e))]
    return [_linear(x, w, b) for x, w, b in zip((query, key, value), pieces, biases, strict=True)]


def _linear(x: Any, weight: Any, bias: Any) -> Any:
    return _by_rows(x, lambda rows: ops.linear(rows, weight, bias))


def _parted(x: Any, weight: Any, bias: Any, sizes: tuple[int, ...]) -> list[Any]:
    return list(_pieces(_linear(x, weight, bias), sizes, dim=2))


def _by_rows(x: Any, f: Any) -> Any:
    """f of x (N, L, …), in the order of N and L in which its rows lie: a layer is then one product, not N."""
    if not x.is_contiguous():
        order = (1, 0, *range(2, len(x.shape)))
        turned = ops.permute(x, dims=order)
        if turned.is_contiguous():
            return ops.permute(f(turned), dims=(1, 0, 2))
    return f(x)


def _sum(masks: list[Any]) -> Any:
    """Both masks in one, or the one that there is, or None."""
    there = [mask for mask in masks if mask is not None]
    return ops.add(*there) if len(there) == 2 else there[0] if there else None
