"""Losses: cross-entropy of softmax with class indices, fused, and of a probability with one; distances of numbers."""

from __future__ import annotations

from typing import Any

from .._core import backend
from ._op import op
from .elementwise import abs, add, cast, clip, div, le, log, log1p, mul, ne, neg, sub, where
from .index import gather
from .reduce import sum
from .softmax import log_softmax
from .view import reshape


@op
def cross_entropy(
    logits: Any, target: Any, weight: Any, *, reduction: str, ignore_index: int, label_smoothing: float
) -> Any:
    """The cross-entropy of softmax(logits) with class indices, 0 where the target is `ignore_index`.

    With s the label smoothing, C classes, weights w (1 where None) and t the target of a sample:

        loss = −(1 − s) · w_t · log p_t − s/C · Σ_c w_c · log p_c

    "mean" divides the sum by Σ w_t over the samples that are not ignored. Shapes: logits (N, C, *) or (C,), target
    (N, *) or (), weight (C,).
    """
    return backend.cross_entropy(logits, target, weight, reduction, ignore_index, label_smoothing)


@cross_entropy.rule(saves=("logits", "target", "weight"))
def _(g, needs, logits, target, weight, *, reduction, ignore_index, label_smoothing):
    return (
        backend.cross_entropy_grad(g, logits, target, weight, reduction, ignore_index, label_smoothing),
        None,
        None,
    )


@cross_entropy.unfused
def _(logits, target, weight, *, reduction, ignore_index, label_smoothing):
    dim = 1 if len(logits.shape) > 1 else 0
    log_p = log_softmax(logits, dim=dim)
    target = cast(target, dtype="int64")
    valid = ne(target, ignore_index)
    target = where(valid, target, 0)
    weights = cast(valid, dtype=logits._dtype)
    if weight is not None:
        weights = mul(weights, reshape(gather(weight, reshape(target, shape=(-1,)), dim=0), shape=target.shape))
    shape = (*logits.shape[:dim], 1, *logits.shape[dim + 1 :])
    of_target = reshape(gather(log_p, reshape(target, shape=shape), dim=dim), shape=target.shape)
    loss = mul(mul(where(valid, neg(of_target), 0.0), weights), 1.0 - label_smoothing)
    if label_smoothing:
        classes = logits.shape[dim]
        if weight is not None:
            log_p = mul(log_p, reshape(weight, shape=(-1,) + (1,) * (len(logits.shape) - dim - 1)))
        smooth = mul(neg(sum(log_p, dim=(dim,), keepdim=False)), label_smoothing / classes)
        loss = add(loss, where(valid, smooth, 0.0))
    if reduction == "none":
        return loss
    total = sum(loss, dim=(), keepdim=False)
    return total if reduction == "sum" else div(total, sum(weights, dim=(), keepdim=False))


@op
def huber(x: Any, y: Any, *, delta: float, scale: float) -> Any:
    """scale · h_i (d_i − h_i / 2) with d = x − y and h the same held within ±delta: scale · d²/2 near 0."""
    return backend.huber(x, y, delta, scale)


@huber.rule(saves=("x", "y"))
def _(g, needs, x, y, *, delta, scale):
    gx = huber_grad(g, x, y, delta=delta, scale=scale)
    return gx if needs[0] else None, neg(gx) if needs[1] else None


@op
def huber_grad(g: Any, x: Any, y: Any, *, delta: float, scale: float) -> Any:
    """g_i · scale · h_i."""
    return backend.huber_grad(g, x, y, delta, scale)


@huber_grad.rule(saves=("g", "x", "y"))
def _(gg, needs, g, x, y, *, delta, scale):
    gx = None
    if needs[1] or needs[2]:
        gx = where(le(abs(sub(x, y)), delta), mul(mul(gg, g), scale), 0.0)
    return (
        huber_grad(gg, x, y, delta=delta, scale=scale) if needs[0] else None,
        gx if needs[1] else None,
        neg(gx) if needs[2] else None,
    )


@op
def binary_cross_entropy(x: Any, target: Any) -> Any:
    """−t_i log x_i − (1 − t_i) log(1 − x_i) for x in [0, 1]; the logarithms are held above −100."""
    yes, no = backend.clip(backend.log(x), -100.0), backend.clip(backend.log1p(backend.neg(x)), -100.0)
    return backend.neg(backend.add(backend.mul(target, yes), backend.mul(backend.sub(1.0, target), no)))


@binary_cross_entropy.rule(saves=("x", "target"))
def _(g, needs, x, target):
    gx = gt = None
    if needs[0]:
        # Held as in PyTorch: a sigmoid that is 0 or 1 in its dtype has slope 0, and 0 times this is 0.
        gx = mul(g, div(sub(x, target), clip(mul(x, sub(1.0, x)), 1e-12, None)))
    if needs[1]:
        gt = mul(g, sub(clip(log1p(neg(x)), -100.0, None), clip(log(x), -100.0, None)))
    return gx, gt
