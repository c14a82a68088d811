"""Batch norm in evaluation is a linear map: folded into the layer before it."""

from __future__ import annotations

import copy
import functools
from typing import Any

from ... import ops
from ...autograd import no_grad
from ..parameter import Parameter

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """A copy of the convolution that does what the batch norm after it does too; both in evaluation.

    `transpose` says that it is a transposed convolution.
    """
    return _fused("fuse_conv_bn_eval", conv, bn, functools.partial(fuse_conv_bn_weights, transpose=transpose))


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """A copy of the linear layer that does what the batch norm after it does too; both in evaluation."""
    if bn.num_features not in (1, linear.out_features):
        raise ValueError(
            f"fuse_linear_bn_eval: bn: expected {linear.out_features} features, or 1, got {bn.num_features}"
        )
    return _fused("fuse_linear_bn_eval", linear, bn, fuse_linear_bn_weights)


def _fused(op: str, layer: Any, bn: Any, fuse: Any) -> Any:
    if layer.training or bn.training:
        raise RuntimeError(f"{op}: expected both layers in evaluation mode; call eval()")
    if bn.running_mean is None or bn.running_var is None:
        raise RuntimeError(f"{op}: bn: expected running statistics, got None")
    fused = copy.deepcopy(layer)
    fused.weight, fused.bias = fuse(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    )
    return fused


def fuse_conv_bn_weights(
    conv_w: Any,
    conv_b: Any,
    bn_rm: Any,
    bn_rv: Any,
    bn_eps: float,
    bn_w: Any,
    bn_b: Any,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """w · s and (b - mean) · s + shift, with s = scale / √(var + eps) for each output channel."""
    with no_grad():
        scale = ops.rsqrt(ops.add(bn_rv, bn_eps))
        scale = scale if bn_w is None else ops.mul(scale, bn_w)
        ones = (1,) * (len(conv_w.shape) - 2)
        weight = ops.mul(conv_w, ops.reshape(scale, shape=(1, -1, *ones) if transpose else (-1, 1, *ones)))
        bias = ops.mul(ops.neg(bn_rm) if conv_b is None else ops.sub(conv_b, bn_rm), scale)
        bias = bias if bn_b is None else ops.add(bias, bn_b)
    learned = True if conv_b is None else conv_b.requires_grad
    return Parameter(weight, conv_w.requires_grad), Parameter(bias, learned)


def fuse_linear_bn_weights(
    linear_w: Any, linear_b: Any, bn_rm: Any, bn_rv: Any, bn_eps: float, bn_w: Any, bn_b: Any
) -> tuple[Parameter, Parameter]:
    """As `fuse_conv_bn_weights`, for a weight (out, in)."""
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)
