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


@pytest.mark.parametrize(
    ("fill", "mean", "std"),
    [
        (lambda x, g: x.uniform_(-1, 3, generator=g), 1.0, 4 / 12**0.5),
        (lambda x, g: x.uniform_(**{"from": 0, "to": 2}, generator=g), 1.0, 2 / 12**0.5),
        (lambda x, g: x.normal_(3, 2, generator=g), 3.0, 2.0),
        (lambda x, g: x.exponential_(2, generator=g), 0.5, 0.5),
        (lambda x, g: x.geometric_(0.25, generator=g), 4.0, 12**0.5),
        (lambda x, g: x.bernoulli_(0.2, generator=g), 0.2, 0.4),
        (lambda x, g: x.bernoulli_(fg.full((20_000,), 0.2), generator=g), 0.2, 0.4),
        (lambda x, g: x.log_normal_(0, 0.5, generator=g), 1.1331, 0.6039),
        (lambda x, g: x.random_(10, generator=g), 4.5, 2.872),
        (lambda x, g: x.random_(2, 4, generator=g), 2.5, 0.5),
        (lambda x, g: x.random_(generator=g), 2**23, 2**24 / 12**0.5),
    ],
)
def test_tensors_filled_with_random_numbers(fill, mean, std):
    x = fg.zeros(20_000)
    assert fill(x, fg.Generator().manual_seed(1)) is x
    found = x.numpy().astype(np.float64)
    assert abs(found.mean() - mean) < 6 * std / 20_000**0.5
    assert abs(found.std() / std - 1) < 0.06
    again = fill(fg.zeros(20_000), fg.Generator().manual_seed(1))
    assert fg.equal(x, again)


def test_fillings_refuse_what_they_cannot_do():
    leaf = fg.zeros(2, requires_grad=True)
    for call, error, match in [
        (lambda: leaf.normal_(), RuntimeError, "leaf tensor that requires grad"),
        (lambda: fg.zeros(2).uniform_(1, 0), RuntimeError, "uniform_: to: expected a number of at least from"),
        (lambda: fg.zeros(2).normal_(0, -1), RuntimeError, "normal_: std: expected a number of at least 0"),
        (lambda: fg.zeros(2).exponential_(0), RuntimeError, "exponential_: lambd"),
        (lambda: fg.zeros(2).geometric_(1), RuntimeError, "geometric_: p"),
        (lambda: fg.zeros(2).random_(3, 3), RuntimeError, "random_: to: expected a number above from"),
        (lambda: fg.zeros(2, dtype=fg.int64).normal_(), TypeError, "expected a floating-point dtype, got int64"),
        (lambda: fg.zeros(2).uniform_(low=1), TypeError, "uniform_: expected from, to and generator"),
        (lambda: fg.normal(0.0, 1.0), TypeError, "normal: size: expected a shape"),
        (lambda: fg.normal(fg.zeros(2), -1.0), RuntimeError, "normal: std"),
    ]:
        with pytest.raises(error, match=match):
            call()
    with fg.no_grad():
        assert leaf.uniform_(1, 2).min().item() >= 1


def test_what_draws_takes_pytorchs_arguments():
    generator = fg.Generator("cpu").manual_seed(3)
    copy = generator.clone_state()
    assert generator.device == fg.device("cpu")
    assert fg.equal(fg.rand(2, generator=generator, device="cpu"), fg.rand(size=(2,), generator=copy))
    assert fg.randn((2,), dtype=fg.float16).dtype == fg.float16
    assert fg.randint(high=3, size=(2,), low=1, dtype=fg.int32, device="cpu").dtype == fg.int32
    assert fg.randint(high=3, size=(50,)).max().item() == 2
    assert fg.randint_like(fg.zeros(3), 5, 6).tolist() == [5, 5, 5]
    assert fg.randperm(3, dtype=fg.int32).dtype == fg.int32
    assert fg.normal(fg.tensor([0.0, 100.0]), 1e-3).round().tolist() == [0, 100]
    assert fg.normal(5.0, 0.0, (2,)).tolist() == [5, 5]
    assert fg.bernoulli(fg.zeros(3), 1.0).tolist() == [1, 1, 1]
    assert sorted(fg.ones(4).multinomial(4).tolist()) == [0, 1, 2, 3]


def test_a_fork_of_the_generator_leaves_it_as_it_was():
    fg.manual_seed(5)
    with fg.random.fork_rng():
        inside = fg.rand(3)
    assert fg.equal(fg.rand(3), inside)
