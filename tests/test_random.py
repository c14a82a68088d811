"""Functions that draw random numbers."""

from __future__ import annotations

import numpy as np
import pytest

import ferrograd as fg


def test_shapes_and_dtypes():
    assert fg.rand(2, 3).shape == fg.rand((2, 3)).shape == (2, 3)
    assert fg.randn(4).dtype == fg.float32
    assert fg.rand(2, dtype=fg.float64).dtype == fg.float64
    assert fg.rand_like(fg.zeros(2, 3, dtype=fg.float64)).dtype == fg.float64
    assert fg.randn_like(fg.zeros(2, 3)).shape == (2, 3)
    assert fg.rand(2, requires_grad=True).requires_grad
    assert fg.randint(5, (2, 3)).dtype == fg.int64
    assert fg.randint(5, (2,), dtype=fg.int32).dtype == fg.int32
    assert fg.rand(0).shape == (0,)


def test_ranges():
    fg.manual_seed(0)
    x = fg.rand(10_000).numpy()
    assert 0 <= x.min() < 0.01
    assert 0.99 < x.max() < 1
    assert set(fg.randint(-2, 3, (1000,)).tolist()) == {-2, -1, 0, 1, 2}
    assert sorted(fg.randperm(100).tolist()) == list(range(100))
    assert fg.randperm(100).tolist() != list(range(100))
    assert abs(fg.bernoulli(fg.full((10_000,), 0.3)).numpy().mean() - 0.3) < 5 * np.sqrt(0.21 / 10_000)


def test_the_seed_decides(threads):
    def draw():
        fg.manual_seed(5)
        return [fg.rand(100_000).tolist(), fg.randn(3).tolist(), fg.randint(9, (4,)).tolist(), fg.randperm(5).tolist()]

    threads(1)
    first = draw()
    threads(4)
    assert draw() == first
    assert fg.initial_seed() == 5
    state = fg.get_rng_state()
    after = fg.rand(3).tolist()
    fg.set_rng_state(state)
    assert fg.rand(3).tolist() == after
    assert fg.seed() == fg.initial_seed()


def test_wrong_arguments():
    with pytest.raises(TypeError, match=r"rand: dtype: expected a floating-point dtype, got int64"):
        fg.rand(2, dtype=fg.int64)
    with pytest.raises(TypeError, match="randint: size: expected a shape, got None"):
        fg.randint(5)
    with pytest.raises(ValueError, match="randint: low, high: expected low < high"):
        fg.randint(5, 5, (2,))
    with pytest.raises(TypeError, match=r"rand: size: expected integers, got 1.5"):
        fg.rand(1.5)
