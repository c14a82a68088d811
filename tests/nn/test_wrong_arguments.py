"""What a caller sees of a wrong argument: which one, and at which line."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import nn
from ferrograd.nn import functional as F

X = np.zeros((2, 3), np.float32)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: F.cross_entropy(X, 1.5), "cross_entropy: target: expected a Tensor or an ndarray, got float"),
        (lambda: F.mse_loss(X, [1.0]), "mse_loss: target: expected a Tensor or an ndarray, got list"),
        (lambda: F.mse_loss(target=None, input=X), "mse_loss: target: expected a Tensor or an ndarray, got NoneType"),
        (lambda: fg.sort([3, 1]), "sort: input: expected a Tensor or an ndarray, got list"),
        (lambda: nn.MaxPool2d(2)("x"), "max_pool2d: input: expected a Tensor or an ndarray, got str"),
        (lambda: fg.zeros_like([1]), "zeros_like: input: expected a Tensor or an ndarray, got list"),
        (lambda: fg.tensor(X).view_as([1]), "view_as: other: expected a Tensor or an ndarray, got list"),
        (lambda: fg.addmm([1], X.T, X), "addmm: input: expected a Tensor or an ndarray, got list"),
    ],
)
def test_an_argument_that_is_no_array_is_named(call: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call()


def test_an_attribute_error_of_the_callers_own_stays() -> None:
    class Distance:
        def __call__(self, a: Any, b: Any) -> Any:
            return a.no_such_attribute

    with pytest.raises(AttributeError, match="no_such_attribute"):
        F.triplet_margin_with_distance_loss(fg.tensor(X), fg.tensor(X), fg.tensor(X), distance_function=Distance())


@pytest.mark.parametrize(
    "call",
    [
        lambda: F.softmax(fg.tensor(X)),
        lambda: nn.Softmax()(fg.tensor(X)),
        lambda: nn.MSELoss()(fg.tensor(X), X[:1]),
        lambda: F.mse_loss(X, X, size_average=True),
        lambda: nn.LSTM(3, 3, dropout=0.5),
    ],
)
def test_a_warning_points_at_the_callers_line(call: Any) -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        call()
    assert [w.filename for w in seen] == [__file__]
    assert seen[0].lineno == call.__code__.co_firstlineno
