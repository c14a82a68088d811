"""Losses and distances that are made of other ops."""

from __future__ import annotations

import itertools
import math

import numpy as np

import ferrograd as fg
from ferrograd.nn import functional as F

from ._row import Arr, Bad, Row, Sample

X, Y = Arr((3, 4)), Arr((3, 4))
SIGNS = np.array([1, -1, 1])
_REDUCE = {"mean": np.mean, "sum": np.sum, "none": lambda loss: loss, "batchmean": lambda loss: loss.sum() / len(loss)}


def elementwise(name, formula, operands, errors=(), reductions=("mean", "sum", "none"), **attributes):
    """A row of a loss by its name in `nn.functional`, over the reductions."""

    def reference(*values, reduction, **kwargs):
        return np.asarray(_REDUCE[reduction](formula(*values, **kwargs)))

    return Row(
        f"F.{name}",
        reference,
        [Sample(operands, {**attributes, "reduction": r}) for r in reductions],
        [
            Bad(
                operands,
                {**attributes, "reduction": "all"},
                ValueError,
                f"{name}: reduction: expected 'mean', 'sum' or",
            ),
            *errors,
        ],
        call=getattr(F, name),
        torch=lambda t, *values, **kw: getattr(t.nn.functional, name)(
            *(t.as_tensor(v) if isinstance(v, np.ndarray) else v for v in values), **kw
        ),
        scaled=True,
    )


def softplus(z):
    return np.logaddexp(0, z)


def _huber(x, y, delta):
    d = np.abs(x - y)
    return np.where(d < delta, d * d / 2, delta * (d - delta / 2))


def _smooth_l1(x, y, beta):
    d = np.abs(x - y)
    return np.where(d < beta, d * d / (2 * beta), d - beta / 2)


def _with_logits(x, y, weight=None, pos_weight=1.0):
    return (y * pos_weight * softplus(-x) + (1 - y) * softplus(x)) * (1.0 if weight is None else weight)


def _poisson(x, y, full):
    stirling = y * np.log(y) - y + np.log(2 * np.pi * y) / 2
    return np.exp(x) - y * x + (np.where(y > 1, stirling, 0) if full else 0)


def _gaussian(x, y, v, full):
    return (np.log(v) + (x - y) ** 2 / v) / 2 + (math.log(2 * math.pi) / 2 if full else 0)


def _cosine_embedding(x1, x2, y, margin):
    cosine = (x1 * x2).sum(-1) / np.linalg.norm(x1, axis=-1) / np.linalg.norm(x2, axis=-1)
    return np.where(y == 1, 1 - cosine, np.maximum(cosine - margin, 0))


def _distance(x1, x2, p=2.0, eps=1e-6):
    return (np.abs(x1 - x2 + eps) ** p).sum(-1) ** (1 / p)


def _triplet(a, p, n, margin, swap):
    far = np.minimum(_distance(a, n), _distance(p, n)) if swap else _distance(a, n)
    return np.maximum(_distance(a, p) - far + margin, 0)


def _nll(x, y, ignore_index=-100):
    taken = -np.take_along_axis(x, np.where(y == ignore_index, 0, y)[:, None], 1)[:, 0]
    return np.where(y == ignore_index, 0, taken)


def _multi_margin(x, y, p, margin):
    n, c = x.shape
    h = np.maximum(margin - x[np.arange(n), y][:, None] + x, 0) ** p
    h[np.arange(n), y] = 0
    return h.sum(1) / c


def _multilabel_margin(x, y):
    loss = np.zeros(len(x))
    for n, row in enumerate(y):
        labels = list(itertools.takewhile(lambda k: k >= 0, row))
        others = [i for i in range(x.shape[1]) if i not in labels]
        loss[n] = sum(max(0.0, 1 - x[n, j] + x[n, i]) for j in labels for i in others) / x.shape[1]
    return loss


def _ctc(logits, *, targets, input_lengths, target_lengths, blank=0):
    """Every path of each sample, as long as T and C are small."""
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    losses = []
    for n, (steps, count) in enumerate(zip(input_lengths, target_lengths, strict=True)):
        total = 0.0
        for path in itertools.product(range(logits.shape[2]), repeat=steps):
            merged = [k for k, _ in itertools.groupby(path) if k != blank]
            if merged == list(targets[n][:count]):
                total += math.exp(sum(log_p[t, n, k] for t, k in enumerate(path)))
        losses.append(-math.log(total))
    return np.array(losses)


def _call_ctc(logits, **kw):
    return F.ctc_loss(F.log_softmax(logits, -1), **kw, reduction="none")


def _torch_ctc(t, logits, *, targets, **kw):
    return t.nn.functional.ctc_loss(logits.log_softmax(-1), t.tensor(targets), **kw, reduction="none")


APART = Arr((3, 4), 0.0, 1.0, distinct=True)

ROWS = [
    elementwise("l1_loss", lambda x, y: np.abs(x - y), (APART, Arr((3, 4), 1.5, 3.0))),
    elementwise("mse_loss", lambda x, y: (x - y) ** 2, (X, Y)),
    elementwise("huber_loss", _huber, (X, Y), delta=0.7),
    elementwise("smooth_l1_loss", _smooth_l1, (X, Y), beta=0.5),
    elementwise(
        "binary_cross_entropy_with_logits", _with_logits, (Arr((3, 4), -5, 5), Arr((3, 4), 0, 1), Arr((4,), 0.5, 2, differentiable=False))
    ),
    elementwise("poisson_nll_loss", _poisson, (X, Arr((3, 4), 0.2, 3.0, away_from=(1.0,))), full=True),
    elementwise(
        "gaussian_nll_loss",
        _gaussian,
        (X, Y, Arr((3, 1), 0.5, 2.0)),
        [
            Bad((X, Y, Arr((3, 4), -1, -0.5)), {}, ValueError, "gaussian_nll_loss: var: expected no number below 0"),
            Bad((X, Y, Arr((4,))), {}, ValueError, r"gaussian_nll_loss: var: expected the input's shape \(3, 4\), .* \(4,\)"),
        ],
        full=True,
    ),
    elementwise(
        "margin_ranking_loss",
        lambda x1, x2, y, margin: np.maximum(-y * (x1 - x2) + margin, 0),
        (Arr((3,), 0.0, 1.0), Arr((3,), 2.0, 3.0), SIGNS),
        [
            Bad(
                (Arr((3,)), Arr((1, 3)), SIGNS),
                {},
                fg.ShapeError,
                r"margin_ranking_loss: expected .* got shapes \(3,\), \(1, 3\) and \(3,\)",
            )
        ],
        margin=0.5,
    ),
    elementwise(
        "hinge_embedding_loss",
        lambda x, y, margin: np.where(y == 1, x, np.maximum(margin - x, 0)),
        (Arr((3,), 0.1, 1.0), SIGNS),
        [Bad((Arr((4,)), SIGNS), {}, fg.ShapeError, "expected a shape that broadcasts")],
        margin=1.5,
    ),
    elementwise("soft_margin_loss", lambda x, y: softplus(-y * x), (Arr((3,)), SIGNS)),
    elementwise(
        "cosine_embedding_loss",
        _cosine_embedding,
        (X, Y, SIGNS),
        [
            Bad((X, Y, Arr((3, 4))), {}, fg.ShapeError, r"cosine_embedding_loss: target: expected shape \(N,\)"),
            Bad((Arr((3,)), Arr((3,)), SIGNS), {}, fg.ShapeError, "cosine_embedding_loss: target: expected"),
        ],
        margin=-0.9,
    ),
    elementwise(
        "triplet_margin_loss",
        _triplet,
        (X, Y, Arr((3, 4), 0, 2)),
        [
            Bad((X, Y, Arr((4,))), {}, fg.ShapeError, "triplet_margin_loss: expected anchor, positive and negative"),
            Bad((X, Y, X), {"margin": 0}, ValueError, "triplet_margin_loss: margin: expected a number above 0, got 0"),
        ],
        margin=5.0,
        swap=True,
    ),
    elementwise(
        "multi_margin_loss",
        _multi_margin,
        (Arr((3, 4)), np.array([1, 0, 3])),
        [
            Bad((X, np.array([1, 0, 4])), {}, IndexError, "multi_margin_loss: target: expected .* from 0 to 3, got 4"),
            Bad((X, np.array([1, 0])), {}, fg.ShapeError, r"multi_margin_loss: target: expected shape \(3,\)"),
            Bad((X, np.array([1, 0, 2])), {"p": 3}, ValueError, "multi_margin_loss: p: expected 1 or 2, got 3"),
            Bad((X, np.array([1, 0, 2])), {"weight": np.ones(3)}, fg.ShapeError, r"weight: expected shape \(4,\)"),
        ],
        p=2,
        margin=5.0,
    ),
    elementwise(
        "multilabel_margin_loss",
        _multilabel_margin,
        (Arr((2, 4)), np.array([[2, 0, -1, 1], [3, -1, 0, 0]])),
        [
            Bad((X, np.array([1, 0])), {}, fg.ShapeError, r"target: expected the shape of the input, \(3, 4\), got \(2,\)"),
            Bad((Arr((1, 2)), np.array([[2, 0]])), {}, RuntimeError, "target: expected labels from 0 to 1, or -1, got 2"),
        ],
    ),
    elementwise(
        "multilabel_soft_margin_loss",
        lambda x, y, weight: _with_logits(x, y, weight).mean(-1),
        (X, Arr((3, 4), 0, 1), Arr((4,), 0.5, 2)),
    ),
    elementwise(
        "kl_div",
        lambda x, y, log_target: np.exp(y) * (y - x) if log_target else y * (np.log(y) - x),
        (X, Arr((3, 4), 0.1, 1.0)),
        reductions=("batchmean", "sum", "none"),
        log_target=False,
    ),
    Row(
        "F.nll_loss",
        lambda x, y, ignore_index, reduction: _nll(x, y, ignore_index),
        [Sample((X, np.array([0, 2, 1])), {"ignore_index": 2, "reduction": "none"})],
        [
            Bad((X, np.array([0, 4, 1])), {}, IndexError, "nll_loss: target: expected class indices from 0 to 3, got 4"),
            Bad((X, np.array([0, -1, 1])), {}, IndexError, "nll_loss: target: expected class indices .* got -1"),
            Bad((X, np.array([0, 1])), {}, fg.ShapeError, r"nll_loss: target: expected shape \(3,\)"),
            Bad((X, np.array([0, 1, 2])), {"weight": np.ones(3)}, fg.ShapeError, r"nll_loss: weight: expected shape \(4,\)"),
        ],
        call=F.nll_loss,
        torch=lambda t, x, y, **kw: t.nn.functional.nll_loss(x, t.as_tensor(y), **kw),
    ),
    Row(
        "F.ctc_loss",
        _ctc,
        [
            Sample(
                (Arr((4, 3, 3)),),
                {"targets": [[1, 2], [1, 1], [2, 0]], "input_lengths": [4, 3, 2], "target_lengths": [2, 2, 1]},
            ),
            Sample((Arr((2, 1, 2)),), {"targets": [[1]], "input_lengths": [2], "target_lengths": [0]}),
            Sample((Arr((3, 1, 3)),), {"targets": [[0, 1]], "input_lengths": [3], "target_lengths": [2], "blank": 2}),
        ],
        [
            Bad(
                (Arr((2, 1, 3)),),
                {"targets": [[3]], "input_lengths": [2], "target_lengths": [1]},
                IndexError,
                "ctc_loss: targets: expected labels from 0 to 2, got 3",
            ),
            Bad(
                (Arr((2, 1, 3)),),
                {"targets": [[1]], "input_lengths": [3], "target_lengths": [1]},
                RuntimeError,
                "ctc_loss: input_lengths: expected at most 2, got 3",
            ),
            Bad(
                (Arr((2, 1, 3)),),
                {"targets": [[1]], "input_lengths": [2], "target_lengths": [2]},
                RuntimeError,
                r"ctc_loss: targets: expected shape \(1, 2\) at least, got \(1, 1\)",
            ),
            Bad(
                (Arr((2, 1, 3)),),
                {"targets": [[1]], "input_lengths": [2, 2], "target_lengths": [1]},
                RuntimeError,
                "ctc_loss: input_lengths: expected 1 numbers, one a sample, got 2",
            ),
            Bad(
                (Arr((2, 1, 3)),),
                {"targets": [[1]], "input_lengths": [2], "target_lengths": [1], "blank": 3},
                RuntimeError,
                "ctc_loss: blank: expected a class from 0 to 2, got 3",
            ),
        ],
        call=_call_ctc,
        torch=_torch_ctc,
        scaled=True,
    ),
    Row(
        "F.cosine_similarity",
        lambda x1, x2, dim: (x1 * x2).sum(dim)
        / np.linalg.norm(x1, axis=dim) / np.linalg.norm(x2, axis=dim),
        [Sample((X, Y), {"dim": 1}), Sample((Arr((2, 3, 2)), Arr((2, 3, 2))), {"dim": -2})],
        [Bad((X, Y), {"dim": 2}, IndexError, "cosine_similarity: dim: expected a dimension from -2 to 1")],
        call=F.cosine_similarity,
        torch=lambda t, x1, x2, dim: t.nn.functional.cosine_similarity(x1, x2, dim),
        scaled=True,
    ),
    Row(
        "F.pairwise_distance",
        _distance,
        [Sample((X, Arr((3, 4), 3, 4)), {"p": p}) for p in (1.0, 2.0, 3.5)]
        + [Sample((X, Arr((4,), 3, 4))), Sample((Arr((4,)), Arr((4,))))],
        [Bad((X, Arr((3,))), {}, fg.ShapeError, "expected a shape that broadcasts")],
        call=F.pairwise_distance,
        torch=lambda t, x1, x2, **kw: t.nn.functional.pairwise_distance(x1, x2, **kw),
    ),
]  # fmt: skip
