"""Integers, NaN and infinities in numerical functions."""

from __future__ import annotations

import math

import numpy as np
import pytest

import ferrograd as fg


def test_divisors_and_multiples(rng):
    a, b = rng.integers(-60, 60, (7, 1)), rng.integers(-60, 60, 9)
    a[0] = b[0] = 0
    assert fg.gcd(fg.tensor(a), fg.tensor(b)).tolist() == np.gcd(a, b).tolist()
    assert fg.lcm(fg.tensor(a), fg.tensor(b)).tolist() == np.lcm(a, b).tolist()
    with pytest.raises(TypeError, match="gcd: other: expected an integer dtype, got float32"):
        fg.gcd(fg.tensor(1), fg.tensor(1.0))


def test_shifts():
    x = fg.tensor([1, -5, 12])
    assert (x << 2).tolist() == [4, -20, 48]
    assert (x >> 1).tolist() == [0, -3, 6]
    assert fg.bitwise_right_shift(x, fg.tensor([0, 1, 2])).tolist() == [1, -3, 3]
    x <<= 1
    x >>= fg.tensor(1)
    assert x.tolist() == [1, -5, 12]
    with pytest.raises(TypeError, match="bitwise_left_shift: input: expected an integer dtype"):
        fg.ones(2) << 1


def test_a_number_wins_over_nan():
    a, b = fg.tensor([math.nan, 1.0, math.nan]), fg.tensor([2.0, math.nan, math.nan])
    assert fg.fmax(a, b).tolist()[:2] == fg.fmin(a, b).tolist()[:2] == [2, 1]
    assert fg.fmax(a, b).isnan().tolist() == [False, False, True]
    assert fg.fmax(fg.tensor([1, 5]), fg.tensor(3)).tolist() == [3, 5]


def test_infinities():
    x = fg.tensor([math.inf, -math.inf, math.nan, 1.0])
    assert fg.isposinf(x).tolist() == [True, False, False, False]
    assert x.isneginf().tolist() == [False, True, False, False]
    assert x.isreal().all().item()


def test_places_of_flat_indices():
    rows, columns = fg.unravel_index(fg.tensor([0, 5, 3]), (2, 3))
    assert (rows.tolist(), columns.tolist()) == ([0, 1, 1], [0, 2, 0])
    with pytest.raises(ValueError, match="unravel_index: indices: expected numbers from 0 to 5"):
        fg.unravel_index(fg.tensor([6]), (2, 3))


def test_sum_to_size():
    assert fg.ones(2, 3).sum_to_size(2, 1).tolist() == [[3], [3]]
    with pytest.raises(ValueError, match="sum_to_size: size: expected a shape that broadcasts"):
        fg.ones(2, 3).sum_to_size(4, 3)


def test_in_place_forms_as_functions():
    x = fg.tensor([-1.0, 4.0])
    assert fg.relu_(x) is x
    assert fg.sqrt_(x).tolist() == [0, 2]
    assert fg.fill_(x, 3.0) is x
    assert fg.zero_(x).tolist() == [0, 0]
