"""Alpha dropout, and what all kinds of dropout have in common: rate, independence, the seed, evaluation."""

from __future__ import annotations

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import nn
from ferrograd.nn import functional as F

LIMIT = 1.7580993408473766
KINDS = [
    (nn.Dropout, F.dropout, (60, 50)), (nn.Dropout1d, F.dropout1d, (60, 50, 3)),
    (nn.Dropout2d, F.dropout2d, (60, 50, 2, 2)), (nn.Dropout3d, F.dropout3d, (60, 50, 2, 1, 2)),
    (nn.AlphaDropout, F.alpha_dropout, (60, 50)), (nn.FeatureAlphaDropout, F.feature_alpha_dropout, (60, 50, 3)),
]  # fmt: skip
every_kind = pytest.mark.parametrize(("kind", "function", "shape"), KINDS, ids=[kind.__name__ for kind, _, _ in KINDS])


def dropped(kind, y, x):
    """Which elements were dropped, one a channel where channels are."""
    y, x = (a.detach().numpy().reshape(*a.shape[:2], -1) for a in (y, x))
    out = np.isclose(y, y.min(), rtol=1e-5) if "Alpha" in kind.__name__ else y == 0
    assert (out == out[:, :, :1]).all(), "what is dropped together"
    return out[:, :, 0]


@every_kind
def test_rate_independence_and_seed(kind, function, shape):
    layer = kind(0.3)
    x = fg.ones(shape, requires_grad=True)
    fg.manual_seed(5)
    y = layer(x)
    out = dropped(kind, y, x)
    n = out.size
    assert abs(out.mean() - 0.3) < 5 * np.sqrt(0.21 / n)
    # Neighbours along both dimensions agree as often as independent ones do: 0.3² + 0.7² = 0.58.
    for a, b in ((out[1:], out[:-1]), (out[:, 1:], out[:, :-1])):
        assert abs((a == b).mean() - 0.58) < 5 * np.sqrt(0.58 * 0.42 / n)
    again = layer(x)
    assert (dropped(kind, again, x) != out).any(), "the stream goes on"
    fg.manual_seed(5)
    np.testing.assert_array_equal(layer(x).detach().numpy(), y.detach().numpy())
    y.backward(fg.ones(shape))
    gradient = x.grad.numpy().reshape(*shape[:2], -1)[:, :, 0]
    assert (gradient[out] == 0).all()
    assert (gradient[~out] == gradient[~out][0]).all()


@every_kind
def test_evaluation_and_the_ends(kind, function, shape):
    x = fg.ones(shape)
    assert kind(0.3).eval()(x) is x
    assert kind(0.0)(x) is x
    assert not kind(1.0)(x).numpy().any()
    with pytest.raises(ValueError, match=f"{kind.__name__}: p: expected a probability between 0 and 1, got -0.1"):
        kind(-0.1)
    y = fg.ones(shape)
    fg.manual_seed(1)
    want = kind(0.5)(y)
    fg.manual_seed(1)
    assert function(y, 0.5, True, True) is y
    np.testing.assert_array_equal(y.numpy(), want.numpy())
    assert repr(kind(0.5)) == f"{kind.__name__}(p=0.5, inplace=False)"


def test_alpha_dropout_keeps_mean_and_variance():
    fg.manual_seed(2)
    x = fg.randn(200, 200)
    y = F.alpha_dropout(x, 0.4, True).numpy()
    assert abs(y.mean()) < 5 / 200
    assert abs(y.var() - 1) < 0.05
    scale = ((1 - 0.4) * (1 + 0.4 * LIMIT**2)) ** -0.5
    np.testing.assert_allclose(y.min(), min(y.min(), scale * LIMIT * (0.4 - 1)), rtol=1e-6)
    assert F.alpha_dropout(x, 0.4) is x, "PyTorch's default is not to train"
    with pytest.raises(ValueError, match=r"feature_alpha_dropout: input: expected at least 2 dimensions"):
        F.feature_alpha_dropout(fg.ones(3), 0.5, True)
