"""What a backend call has to do: floating-point operations of its products, and bytes read and written."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import _core
from ..dtypes import BY_NAME

#: Calls whose result shares the memory of their operand: nothing is read or written.
_VIEWS = frozenset(("detach", "expand", "permute", "view"))


def _elements(x: Any) -> int:
    return 0 if x is None else math.prod(x.shape)


def _rows(x: Any) -> int:
    return math.prod(x.shape[:-1])


def _matmul(result: Any, x: Any, y: Any) -> float:
    return 2.0 * _elements(result) * int(x.shape[-1])


def _linear(result: Any, x: Any, w: Any, *_: Any) -> float:
    return 2.0 * _elements(result) * int(w.shape[1])


def _linear_grad(
    result: Any, g: Any, x: Any, w: Any, b: Any, y: Any, activation: Any, needs_x: bool, needs_w: bool, *_: Any
) -> float:
    return 2.0 * _elements(g) * int(w.shape[1]) * (bool(needs_x) + bool(needs_w))


def _pairs(rows: int, keys: int, is_causal: bool) -> int:
    """Rows and keys that they see."""
    if not is_causal:
        return rows * keys
    seen = min(rows, keys)
    return int(seen * (seen + 1) // 2 + (rows - seen) * keys)


def _attention(result: Any, q: Any, k: Any, v: Any, mask: Any, scale: Any, is_causal: bool) -> float:
    return 2.0 * _scores(result[0], q, k, is_causal) * int(q.shape[-1] + v.shape[-1])


def _scores(y: Any, q: Any, k: Any, is_causal: bool) -> int:
    """Of all heads of a batch; y is the result."""
    heads = _rows(y) // max(int(y.shape[-2]), 1)
    return heads * _pairs(q.shape[-2], k.shape[-2], is_causal)


def _attention_grad(
    result: Any,
    g: Any,
    q: Any,
    k: Any,
    v: Any,
    mask: Any,
    y: Any,
    sums: Any,
    kept: Any,
    scale: Any,
    is_causal: bool,
    needs: Any,
) -> float:
    # The gradient of the weights, g·vᵀ, leads to those of q and k.
    of_weights = bool(needs[0] or needs[1])
    features = int(v.shape[-1]) * (of_weights + bool(needs[2])) + int(q.shape[-1]) * (bool(needs[0]) + bool(needs[1]))
    return 2.0 * _scores(y, q, k, is_causal) * features


def _self_attention(result: Any, x: Any, mask: Any, heads: int, scale: Any, is_causal: bool) -> float:
    n, length, width = x.shape
    return 2.0 * int(n) * _pairs(length, length, is_causal) * (2 * int(width) // 3)


def _self_attention_grad(
    result: Any, g: Any, x: Any, mask: Any, y: Any, sums: Any, kept: Any, heads: int, scale: Any, is_causal: bool
) -> float:
    return 2.0 * _self_attention(result, x, mask, heads, scale, is_causal)


def _taps(w: Any) -> int:
    return math.prod(w.shape[1:])


def _conv(result: Any, x: Any, w: Any, *_: Any) -> float:
    return 2.0 * _elements(result) * _taps(w)


def _conv_input_grad(result: Any, grad: Any, w: Any, *_: Any) -> float:
    return 2.0 * _elements(grad) * _taps(w)


def _conv_weight_grad(result: Any, grad: Any, *_: Any) -> float:
    return 2.0 * _elements(grad) * _taps(result)


def _sequence(result: Any, x: Any, h0: Any, w_ih: Any, w_hh: Any, *_: Any) -> float:
    return 2.0 * _rows(x) * (_elements(w_ih) + _elements(w_hh))


def _lstm(
    result: Any, x: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any, *_: Any
) -> float:
    return 2.0 * _rows(x) * (_elements(w_ih) + _elements(w_hh) + _elements(w_hr))


def _sequence_grad(result: Any, gy: Any, gh: Any, x: Any, h0: Any, w_ih: Any, w_hh: Any, *rest: Any) -> float:
    needs = rest[-1]
    of_states = _elements(w_hh) * (1 + bool(needs[3]))
    return 2.0 * _rows(x) * (_elements(w_ih) * (bool(needs[0]) + bool(needs[2])) + of_states)


def _lstm_grad(
    result: Any, gy: Any, gh: Any, gc: Any, x: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, w_hr: Any, *rest: Any
) -> float:
    needs = rest[-1]
    of_states = _elements(w_hh) * (1 + bool(needs[4])) + _elements(w_hr) * (1 + bool(needs[7]))
    return 2.0 * _rows(x) * (_elements(w_ih) * (bool(needs[0]) + bool(needs[3])) + of_states)


#: FLOPs of the calls that multiply matrices; every other call counts none.
_FLOPS: dict[str, Callable[..., float]] = {
    "attention": _attention,
    "attention_grad": _attention_grad,
    "conv": _conv,
    "conv_input_grad": _conv_input_grad,
    "conv_weight_grad": _conv_weight_grad,
    "gru_sequence": _sequence,
    "gru_sequence_grad": _sequence_grad,
    "linear": _linear,
    "linear_grad": _linear_grad,
    "lstm_sequence": _lstm,
    "lstm_sequence_grad": _lstm_grad,
    "matmul": _matmul,
    "rnn_sequence": _sequence,
    "rnn_sequence_grad": _sequence_grad,
    "self_attention": _self_attention,
    "self_attention_grad": _self_attention_grad,
}


def flops(name: str, args: tuple[Any, ...], result: Any) -> float:
    """A multiply-add is two."""
    formula = _FLOPS.get(name)
    return 0.0 if formula is None else formula(result, *args)


def _size(value: Any) -> int:
    """Bytes of an operand's elements, each once where it is broadcast."""
    if isinstance(value, _core.TensorBase):
        shape, strides = value.shape, value._strides
        return BY_NAME[value._dtype].itemsize * math.prod(n for n, s in zip(shape, strides, strict=True) if s)
    if isinstance(value, (list, tuple)):
        return sum(map(_size, value))
    return int(value.nbytes) if hasattr(value, "__array_interface__") else 0


def moved(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> int:
    """Bytes of the operands that are read, and of the results that are written."""
    if name in _VIEWS or (name in ("getitem", "reshape") and result._is_view()):
        return 0
    read = sum(map(_size, args)) + sum(map(_size, kwargs.values()))
    if name.endswith("_step"):
        # Parameters and states are read and written, gradients read.
        return 2 * read - _size(args[1])
    if name == "copy_":
        return _size(args[0]) + _size(args[1])
    if name in ("embedding", "gather", "getitem", "index_get"):
        # Only the rows that are taken are read.
        return 2 * _size(result) + sum(map(_size, args[1:]))
    if any(result is value for value in (*args, *kwargs.values())):
        # Written in place: the result stands among the operands, as `out`.
        return read
    return read + _size(result)
