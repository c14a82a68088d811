"""Losses that compare an output with a target element by element."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ... import _core, ops
from ..._operands import takes_arrays
from ..._warn import warn
from ...creation import as_tensor
from .._check import check_reduction
from ._reduction import reduced, reduction_of

if TYPE_CHECKING:
    from ..._tensor import Tensor

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "gaussian_nll_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
]


def _shapes(op: str, input: Any, target: Any, weight: Any = None) -> None:
    if tuple(input.shape) != tuple(target.shape):
        warn(
            f"{op}: target: expected the shape of the input, {tuple(input.shape)}, got {tuple(target.shape)}; "
            "the two are broadcast, which is seldom what is meant",
        )
    if weight is not None and tuple(weight.shape) != tuple(input.shape):
        raise _core.ShapeError(
            f"{op}: weight: expected the shape of the input, {tuple(input.shape)}, got {tuple(weight.shape)}"
        )


def _weighted_mean(loss: Any, weight: Any, reduction: str) -> Any:
    """Reduced; the mean divides by the sum of the weights."""
    if weight is None:
        return reduced(loss, reduction)
    if reduction != "mean":
        return reduced(ops.mul(loss, weight), reduction)
    return ops.div(*(ops.sum(x, dim=(), keepdim=False) for x in (ops.mul(loss, weight), weight)))


@takes_arrays
def l1_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Tensor:
    """weight · |x - y|, reduced."""
    reduction = reduction_of("l1_loss", reduction, size_average, reduce)
    _shapes("l1_loss", input, target, weight)
    return _weighted_mean(ops.abs(ops.sub(input, target)), weight, reduction)  # type: ignore[no-any-return]


@takes_arrays
def mse_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Tensor:
    """weight · (x - y)², reduced."""
    reduction = reduction_of("mse_loss", reduction, size_average, reduce)
    _shapes("mse_loss", input, target, weight)
    floats = any(as_tensor(x).is_floating_point() for x in (input, target))
    squares = ops.huber(input, target, delta=math.inf, scale=2.0) if floats else ops.square(ops.sub(input, target))
    return _weighted_mean(squares, weight, reduction)  # type: ignore[no-any-return]


@takes_arrays
def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Tensor:
    """weight · (x - y)² / 2 where |x - y| < delta, else weight · delta · (|x - y| - delta / 2); reduced.

    The mean divides by the number of elements, as in PyTorch, not by the sum of the weights.
    """
    if delta <= 0:
        raise ValueError(f"huber_loss: delta: expected a number above 0, got {delta}")
    check_reduction("huber_loss", reduction)
    _shapes("huber_loss", input, target, weight)
    loss = ops.huber(input, target, delta=float(delta), scale=1.0)
    return reduced(loss if weight is None else ops.mul(loss, weight), reduction)  # type: ignore[no-any-return]


@takes_arrays
def smooth_l1_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """(x - y)² / (2 beta) where |x - y| < beta, else |x - y| - beta / 2; reduced."""
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta: expected a number of at least 0, got {beta}")
    reduction = reduction_of("smooth_l1_loss", reduction, size_average, reduce)
    _shapes("smooth_l1_loss", input, target)
    loss = (
        ops.huber(input, target, delta=float(beta), scale=1.0 / beta) if beta > 0 else ops.abs(ops.sub(input, target))
    )
    return reduced(loss, reduction)  # type: ignore[no-any-return]


def _same_shape(op: str, input: Any, target: Any) -> None:
    if tuple(input.shape) != tuple(target.shape):
        raise ValueError(
            f"{op}: target: expected the shape of the input, {tuple(input.shape)}, got {tuple(target.shape)}"
        )


def _unit(op: str, name: str, x: Any, hint: str = "") -> None:
    _core.backend.check_range(x, 0, 1, f"{op}: {name}: expected all elements between 0 and 1{hint}", "RuntimeError")


@takes_arrays
def binary_cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-weight · (y log x + (1 - y) log(1 - x)) for x in [0, 1]; the logarithms are held above -100; reduced."""
    op = "binary_cross_entropy"
    reduction = reduction_of(op, reduction, size_average, reduce)
    _same_shape(op, input, target)
    _unit(op, "input", input, " (binary_cross_entropy_with_logits takes numbers before the sigmoid)")
    _unit(op, "target", target)
    loss = ops.binary_cross_entropy(input, target)
    return reduced(loss if weight is None else ops.mul(loss, weight), reduction)  # type: ignore[no-any-return]


@takes_arrays
def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Tensor:
    """-weight · (pos_weight · y log σ(x) + (1 - y) log(1 - σ(x))), σ the sigmoid; reduced.

    Computed as (1 - y) x + (1 + (pos_weight - 1) y) · log(1 + e⁻ˣ), which does not overflow.
    """
    op = "binary_cross_entropy_with_logits"
    reduction = reduction_of(op, reduction, size_average, reduce)
    _same_shape(op, input, target)
    soft = ops.softplus(ops.neg(input), beta=1.0, threshold=float("inf"))
    if pos_weight is not None:
        soft = ops.mul(ops.add(ops.mul(ops.sub(pos_weight, 1.0), target), 1.0), soft)
    loss = ops.add(ops.mul(ops.sub(1.0, target), input), soft)
    return reduced(loss if weight is None else ops.mul(loss, weight), reduction)  # type: ignore[no-any-return]


def kl_div(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """y · (log y - x) for log-probabilities x and probabilities y (their logarithms with `log_target`); reduced.

    'batchmean' divides the sum by the size of the first dimension: the mean divergence of a batch of distributions.
    """
    of_batch = reduction == "batchmean"
    if reduction == "mean" and size_average is None and reduce is None:
        warn(
            "kl_div: reduction: 'mean' divides by the number of elements; 'batchmean' divides by the batch's size, as the "
            "divergence is defined",
        )
    reduction = "sum" if of_batch else reduction_of("kl_div", reduction, size_average, reduce)
    if log_target:
        loss = ops.mul(ops.exp(target), ops.sub(target, input))
    else:
        # 0 log 0 is 0.
        safe = ops.where(ops.eq(target, 0.0), 1.0, target)
        loss = ops.sub(ops.mul(target, ops.log(safe)), ops.mul(target, input))
    result = reduced(loss, reduction)
    if of_batch and len(input.shape):
        return ops.div(result, float(input.shape[0]))  # type: ignore[no-any-return]
    return result  # type: ignore[no-any-return]


def poisson_nll_loss(
    input: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """eˣ - y x for the logarithm x of a Poisson rate and a count y; x - y log(x + eps) for the rate itself; reduced.

    With `full`, Stirling's y log y - y + log(2π y) / 2 is added where y > 1.
    """
    reduction = reduction_of("poisson_nll_loss", reduction, size_average, reduce)
    if log_input:
        loss = ops.sub(ops.exp(input), ops.mul(target, input))
    else:
        loss = ops.sub(input, ops.mul(target, ops.log(ops.add(input, eps))))
    if full:
        many = ops.gt(target, 1.0)
        y = ops.where(many, target, 1.0)
        log_y = ops.log(y)
        stirling = ops.add(ops.sub(ops.mul(y, log_y), y), ops.mul(ops.add(log_y, math.log(2 * math.pi)), 0.5))
        loss = ops.add(loss, ops.where(many, stirling, 0.0))
    return reduced(loss, reduction)  # type: ignore[no-any-return]


@takes_arrays
def gaussian_nll_loss(
    input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """(log v + (x - y)² / v) / 2 for means x and variances v, held above eps; reduced.

    `full` adds log(2π) / 2. `var` is a number, or has the shape of x, or that with the last dimension left out, or with
    one dimension of size 1. Its gradient is that of a variance above eps, as in PyTorch.
    """
    check_reduction("gaussian_nll_loss", reduction)
    shape = tuple(input.shape)
    if isinstance(var, (int, float)):
        if not var >= 0:
            raise ValueError(f"gaussian_nll_loss: var: expected no number below 0, got {var}")
        var = ops.expand(_core.backend.full((), var, ops.detach(input)._dtype), shape=shape)
    else:
        of_var = tuple(var.shape)
        if of_var == shape[:-1] and shape:
            var = ops.reshape(var, shape=(*of_var, 1))
        elif of_var != shape and not (
            len(of_var) == len(shape) and [v for v, n in zip(of_var, shape, strict=True) if v != n] == [1]
        ):
            raise ValueError(
                f"gaussian_nll_loss: var: expected the input's shape {shape}, that without its last dimension, or with one "
                f"dimension of 1, got {of_var}"
            )
        _core.backend.check_range(var, 0, None, "gaussian_nll_loss: var: expected no number below 0", "ValueError")
    var = ops.add(var, ops.detach(ops.sub(ops.clip(var, float(eps), None), var)))
    loss = ops.mul(ops.add(ops.log(var), ops.div(ops.square(ops.sub(input, target)), var)), 0.5)
    if full:
        loss = ops.add(loss, 0.5 * math.log(2 * math.pi))
    return reduced(loss, reduction)  # type: ignore[no-any-return]
