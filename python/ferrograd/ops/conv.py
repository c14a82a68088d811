"""Convolution over one to three dimensions; the three ops are each other's gradients.

Attributes, in all of them: `stride`, `padding`, `dilation` hold one entry a spatial dimension (an entry of `padding` is
one number for both sides, or a pair), `groups` is a number.
"""

from __future__ import annotations

from typing import Any

from .._core import ShapeError, backend
from .._operands import takes_arrays
from ._activation import NEEDS_INPUT, activated, before_activation, with_product
from ._op import op, sparing
from .elementwise import add
from .join import pad
from .view import permute, reshape


@sparing(x="wanted(w)")
def convolution(x: Any, w: Any, b: Any, *, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """y[n, o, p] = b[o] + Σ_c Σ_k w[o, c, k] · x[n, c, p·stride + k·dilation - padding], x being zero outside.

    x (N, C, *sizes), w (O, C / groups, *kernel), b (O,) or None → (N, O, *out) with
    out = ⌊(size + padding before and after - dilation·(kernel - 1) - 1) / stride⌋ + 1. Of the C channels, those of the
    o-th row's group are summed.
    """
    return backend.conv(x, w, b, stride, padding, dilation, groups)


@convolution.rule(saves=("x", "w", "x.shape"))
def _(g, needs, x, w, shape_of_x, **moves):
    return _gradients(g, needs, x, w, shape_of_x, moves)


@sparing(x=f"wanted(w) or {NEEDS_INPUT}")
def convolution_activation(
    x: Any, w: Any, b: Any, *, stride: Any, padding: Any, dilation: Any, groups: int, activation: str
) -> Any:
    """activation(convolution(x, w, b)): 'relu', 'sigmoid', 'tanh', 'gelu' or 'silu', applied while the sums are in cache."""
    return backend.conv(x, w, b, stride, padding, dilation, groups, activation)


@convolution_activation.rule(saves=("x", "w", "b", "result", "x.shape"))
def _(g, needs, x, w, b, result, shape_of_x, *, activation, **moves):
    e = before_activation(g, activation, result, lambda: convolution(x, w, b, **moves))
    return _gradients(e, needs, x, w, shape_of_x, moves)


def _gradients(e: Any, needs: Any, x: Any, w: Any, shape_of_x: Any, moves: dict[str, Any]) -> tuple[Any, Any, Any]:
    gx = conv_input_grad(e, w, input_shape=shape_of_x, **moves) if needs[0] else None
    gw = conv_weight_grad(e, x, weight_shape=w.shape, **moves) if needs[1] else None
    # With the channels last the engine sums e over all but them, as b was broadcast.
    gb = permute(e, dims=(0, *range(2, len(e.shape)), 1)) if needs[2] else None
    return gx, gw, gb


def conv(
    x: Any,
    w: Any,
    b: Any,
    *,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    activation: str | None = None,
) -> Any:
    """`convolution`, or `convolution_activation` where one is named.

    They are two ops because the gradient of an activation needs its result: without one the result is not saved, and
    may be changed in place.
    """
    moves: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    if activation is None:
        return convolution(x, w, b, **moves)
    if not with_product(activation, x, w, b):
        return activated(convolution(x, w, b, **moves), activation)
    return convolution_activation(x, w, b, activation=activation, **moves)


@sparing(e="wanted(w)")
def conv_input_grad(e: Any, w: Any, *, input_shape: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """∂Q/∂x of `convolution` from e = ∂Q/∂y: Σ_o Σ_k w[o, c, k] · e[n, o, p] at p·stride + k·dilation - padding = i."""
    return backend.conv_input_grad(e, w, input_shape, stride, padding, dilation, groups)


@conv_input_grad.rule(saves=("e", "w"))
def _(g, needs, e, w, *, input_shape, **moves):
    ge = convolution(g, w, None, **moves) if needs[0] else None
    return ge, conv_weight_grad(e, g, weight_shape=w.shape, **moves) if needs[1] else None


@op
def conv_weight_grad(
    e: Any, x: Any, *, weight_shape: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    """∂Q/∂w of `convolution` from e = ∂Q/∂y: Σ_n Σ_p e[n, o, p] · x[n, c, p·stride + k·dilation - padding]."""
    return backend.conv_weight_grad(e, x, weight_shape, stride, padding, dilation, groups)


@conv_weight_grad.rule(saves=("e", "x"))
def _(g, needs, e, x, *, weight_shape, **moves):
    ge = convolution(x, g, None, **moves) if needs[0] else None
    return ge, conv_input_grad(e, g, input_shape=x.shape, **moves) if needs[1] else None


@takes_arrays
def conv_transpose(
    x: Any,
    w: Any,
    b: Any,
    *,
    stride: Any,
    padding: Any,
    output_padding: Any,
    dilation: Any,
    groups: int,
) -> Any:
    """The transpose of a convolution as a linear map, which is its input's gradient: x (N, O, *sizes),
    w (O, C / groups, *kernel), b (C,) or None → (N, C, *out) with
    out = (size - 1)·stride - padding before and after + dilation·(kernel - 1) + output_padding + 1.
    """
    if len(x.shape) != len(w.shape) or not 3 <= len(x.shape) <= 5:
        raise ShapeError(
            f"conv_transpose: input: expected 3 to 5 dimensions, as many as the weight of {tuple(w.shape)}, "
            f"got {tuple(x.shape)}"
        )
    out, cut, beyond = [], [], []
    for k in range(len(x.shape) - 2):
        if not 0 <= output_padding[k] < max(stride[k], dilation[k]):
            raise ValueError(
                f"conv_transpose: output_padding: expected at least 0 and less than the stride {stride[k]} or the "
                f"dilation {dilation[k]}, got {output_padding[k]}"
            )
        before, after = padding[k] if isinstance(padding[k], (tuple, list)) else (padding[k], padding[k])
        span = dilation[k] * (w.shape[2 + k] - 1)
        size = (x.shape[2 + k] - 1) * stride[k] - before - after + span + output_padding[k] + 1
        if size < 1:
            raise ShapeError(
                f"conv_transpose: input: expected a result of at least 1 in dimension {2 + k}, got {size} from "
                f"{tuple(x.shape)}"
            )
        # From the stride on, a convolution of the larger result would have a place more than x: cut off less instead.
        more = output_padding[k] if output_padding[k] >= stride[k] else 0
        cut.append(padding[k] if more == 0 else (before, max(after - more, 0)))
        beyond.append(max(more - after, 0))
        out.append(size - beyond[-1])
    y = conv_input_grad(
        x,
        w,
        input_shape=(x.shape[0], w.shape[1] * groups, *out),
        stride=stride,
        padding=tuple(cut),
        dilation=dilation,
        groups=groups,
    )
    if any(beyond):
        y = pad(y, padding=((0, 0), (0, 0), *((0, n) for n in beyond)), value=0.0)
    return y if b is None else add(y, reshape(b, shape=(-1, *[1] * len(out))))
