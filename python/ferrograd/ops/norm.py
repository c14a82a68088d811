"""Layer and batch normalisation, fused."""

from __future__ import annotations

from typing import Any

from .._core import backend
from ._op import op, sparing
from .activation import relu
from .elementwise import add, div, mul, sqrt, sub
from .reduce import mean, var
from .view import reshape


def _normalize(x: Any, center: Any, variance: Any, weight: Any, bias: Any, eps: float) -> Any:
    y = div(sub(x, center), sqrt(add(variance, eps)))
    y = y if weight is None else mul(y, weight)
    return y if bias is None else add(y, bias)


@op
def layer_norm(x: Any, weight: Any, bias: Any, *, normalized_shape: tuple[int, ...], eps: float) -> Any:
    """y = (x − mean) / √(var + eps) · weight + bias over the last dimensions; the biased variance.

    Shapes: x (*, *normalized_shape), weight and bias normalized_shape or None. Returns y, and mean and 1/√(var + eps)
    of the shape of the leading dimensions, which are not differentiable.
    """
    return backend.layer_norm(x, weight, bias, normalized_shape, eps)


@layer_norm.rule(saves=("x", "weight", "bias", "result1", "result2"))
def _(g, needs, x, weight, bias, mean_of_x, rstd, *, normalized_shape, eps):
    return backend.layer_norm_grad(g[0], x, weight, mean_of_x, rstd, normalized_shape, needs)


@layer_norm.unfused
def _(x, weight, bias, *, normalized_shape, eps):
    dim = tuple(range(-len(normalized_shape), 0))
    center, variance = mean(x, dim=dim, keepdim=True), var(x, dim=dim, correction=0.0, keepdim=True)
    return _normalize(x, center, variance, weight, bias, eps), None, None


@sparing(result0="activation is not None")
def batch_norm(
    x: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    momentum: Any,
    *,
    eps: float,
    activation: str | None,
) -> Any:
    """y = (x − mean) / √(var + eps) · weight + bias, then the activation ("relu" or None).

    Mean and biased variance are the batch's, over all dimensions but the channels. Running statistics, where given, are
    updated in place, r ← (1 − momentum) · r + momentum · statistic, with the unbiased variance. Shapes: x (N, C, *),
    the others (C,) or None, momentum (). Returns y, and mean and 1/√(var + eps), which are not differentiable.
    """
    return backend.batch_norm(x, weight, bias, running_mean, running_var, momentum, eps, _is_relu(activation))


def _is_relu(activation: str | None) -> bool:
    if activation not in (None, "relu"):
        raise ValueError(f"batch_norm: activation: expected 'relu' or None, got {activation!r}")
    return activation == "relu"


@batch_norm.rule(saves=("x", "weight", "bias", "result0", "result1", "result2"))
def _(g, needs, x, weight, bias, y, mean_of_x, rstd, *, eps, activation):
    y = y if activation == "relu" else None
    return *backend.batch_norm_grad(g[0], x, y, weight, mean_of_x, rstd, needs[:3]), None, None, None


@batch_norm.unfused
def _(x, weight, bias, running_mean, running_var, momentum, *, eps, activation):
    dim = (0, *range(2, len(x.shape)))
    center, variance = mean(x, dim=dim, keepdim=True), var(x, dim=dim, correction=0.0, keepdim=True)
    return _by_channel(x, center, variance, weight, bias, eps, activation), None, None


def _by_channel(x: Any, center: Any, variance: Any, weight: Any, bias: Any, eps: float, activation: str | None) -> Any:
    def channels(a: Any) -> Any:
        return None if a is None else reshape(a, shape=(1, -1) + (1,) * (len(x.shape) - 2))

    y = _normalize(x, channels(center), channels(variance), channels(weight), channels(bias), eps)
    return relu(y) if activation == "relu" else y


@sparing(result="activation is not None")
def batch_norm_eval(
    x: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, *, eps: float, activation: str | None
) -> Any:
    """As `batch_norm` with given statistics, which are constants."""
    return backend.batch_norm_eval(x, weight, bias, running_mean, running_var, eps, _is_relu(activation))


@batch_norm_eval.rule(saves=("x", "weight", "bias", "running_mean", "running_var", "result"))
def _(g, needs, x, weight, bias, running_mean, running_var, y, *, eps, activation):
    y = y if activation == "relu" else None
    gradients = backend.batch_norm_eval_grad(g, x, y, weight, running_mean, running_var, eps, needs[:3])
    return *gradients, None, None


@batch_norm_eval.unfused
def _(x, weight, bias, running_mean, running_var, *, eps, activation):
    return _by_channel(x, running_mean, running_var, weight, bias, eps, activation)
