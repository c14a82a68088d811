"""`fg.testing`."""

from __future__ import annotations

import math

import numpy as np
import pytest

import ferrograd as fg
from ferrograd.testing import assert_close


def test_what_is_close():
    x = fg.tensor([1.0, 2.0], requires_grad=True)
    assert_close(x, x + 1e-6)
    assert_close(x, np.array([1.0, 2.0], np.float32))
    assert_close([x, {"a": 1}], [x, {"a": 1}])
    assert_close(x.detach().half(), x.detach().half())
    assert_close(fg.tensor([math.nan]), fg.tensor([math.nan]), equal_nan=True)
    assert_close(fg.ones(2), fg.ones(2, dtype=fg.float64), check_dtype=False)
    assert_close(1.0, 1.05, rtol=0.1, atol=0)


@pytest.mark.parametrize(
    ("a", "b", "match"),
    [
        (fg.ones(2), fg.ones(2) + 1e-4, r"2 of 2 elements differ .* the first at \(0,\): 1.0 and 1.0001"),
        (fg.ones(2), fg.ones(1), r"shapes: \(2,\) and \(1,\)"),
        (fg.ones(2), fg.ones(2, dtype=fg.float64), "dtypes: float32 and float64"),
        (fg.tensor([3]), fg.tensor([4]), "1 of 1 elements"),
        (fg.tensor([math.nan]), fg.tensor([math.nan]), "nan and nan"),
        ([1], [1, 2], "lengths: 1 and 2"),
        ({"a": 1}, {"b": 1}, "keys"),
    ],
)
def test_what_is_not(a, b, match):
    with pytest.raises(AssertionError, match=match):
        assert_close(a, b)
    with pytest.raises(AssertionError, match="^mine$"):
        assert_close(a, b, msg="mine")


def test_one_tolerance_alone():
    with pytest.raises(ValueError, match="expected both or none"):
        assert_close(1.0, 1.0, rtol=0.1)
