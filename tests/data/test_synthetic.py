"""Made-up data: its answers are right, the same seed gives it again."""

from __future__ import annotations

import datetime
import re

import numpy as np
import pytest

from ferrograd.data import synthetic

SMALL = {
    synthetic.spirals: {"samples": 50}, synthetic.moons: {"samples": 50}, synthetic.noisy_function: {"samples": 20},
    synthetic.adding_problem: {"samples": 40, "length": 9}, synthetic.delayed_recall: {"samples": 40, "length": 9},
    synthetic.copying: {"samples": 40, "items": 3, "delay": 5}, synthetic.reverse_strings: {"samples": 40},
    synthetic.dates: {"samples": 40},
}  # fmt: skip


def same(a, b) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("make", SMALL, ids=lambda f: f.__name__)
def test_the_same_seed_gives_the_same_data(make) -> None:
    assert same(make(**SMALL[make], seed=3), make(**SMALL[make], seed=3))
    assert not same(make(**SMALL[make], seed=3), make(**SMALL[make], seed=4))
    assert {len(part) for part in make(**SMALL[make])} == {SMALL[make]["samples"]}


def test_every_function_is_tried_here() -> None:
    assert sorted(f.__name__ for f in SMALL) == sorted(synthetic.__all__)


def test_without_noise_points_lie_on_their_arm() -> None:
    points, arm = synthetic.spirals(300, classes=3, turns=1.0, noise=0.0)
    radius = np.hypot(*points.T)
    assert 0.05 <= radius.min() < radius.max() <= 1
    turned = np.exp(1j * (np.arctan2(points[:, 1], points[:, 0]) - 2 * np.pi * (radius + arm / 3)))
    assert abs(turned - 1).max() < 1e-5
    assert np.bincount(arm).tolist() == [100, 100, 100]
    assert (points.dtype, arm.dtype) == (np.float32, np.int64)


def test_without_noise_points_lie_on_their_half_circle() -> None:
    points, moon = synthetic.moons(200, noise=0.0)
    centre = np.where(moon[:, None] == 0, (0.0, 0.0), (1.0, 0.5))
    assert abs(np.hypot(*(points - centre).T) - 1).max() < 1e-6
    assert ((points - centre)[:, 1] * (1 - 2 * moon) >= -1e-6).all()
    assert moon.sum() == 100


def test_a_noisy_function_is_signal_and_noise() -> None:
    x, y = synthetic.noisy_function(4000, noise=0.3, function=np.square, low=-2, high=1)
    assert x.shape == y.shape == (4000, 1)
    assert (np.diff(x[:, 0]) >= 0).all()
    assert -2 <= x.min() < -1.9
    noise = y - x**2
    assert abs(noise.mean()) < 0.02
    assert abs(noise.std() - 0.3) < 0.02
    exact = synthetic.noisy_function(5, noise=0)
    assert np.allclose(exact[1], np.sin(2 * np.pi * exact[0]), atol=1e-6)


def test_the_adding_problem_adds_what_is_marked() -> None:
    x, y = synthetic.adding_problem(500, 11)
    assert x.shape == (500, 11, 2)
    marks = x[:, :, 1]
    assert (marks[:, :5].sum(1) == 1).all()
    assert (marks[:, 5:].sum(1) == 1).all()
    assert np.allclose((x[:, :, 0] * marks).sum(1), y[:, 0])
    assert abs(((y - 1) ** 2).mean() - 1 / 6) < 0.02


def test_delayed_recall_asks_for_the_first_symbol() -> None:
    x, y = synthetic.delayed_recall(300, 12, symbols=3)
    assert (x[:, 0] == y).all()
    assert set(y) == {0, 1, 2}
    assert set(x[:, 1:].ravel()) == {3, 4, 5}


def test_copying_repeats_after_the_sign() -> None:
    x, y = synthetic.copying(50, items=4, delay=6, symbols=5)
    assert x.shape == y.shape == (50, 14)
    assert (y[:, 10:] == x[:, :4]).all()
    assert (y[:, :10] == 0).all()
    assert (x[:, 10] == 6).all()
    assert (x[:, 4:10] == 0).all()
    assert set(x[:, :4].ravel()) == {1, 2, 3, 4, 5}


def test_strings_are_different_and_reversed() -> None:
    sources, targets = synthetic.reverse_strings(500, (2, 4), "abcdef")
    assert len(set(sources)) == 500
    assert {len(s) for s in sources} == {2, 3, 4}
    assert all(s == t[::-1] for s, t in zip(sources, targets, strict=True))


def test_dates_are_the_day_that_is_written() -> None:
    sources, targets = synthetic.dates(400, 1990, 2009)
    assert len(set(sources)) == 400
    months = [datetime.date(2000, m, 1).strftime("%b") for m in range(1, 13)]
    for source, target in zip(sources, targets, strict=True):
        day = datetime.date.fromisoformat(target)
        assert 1990 <= day.year <= 2009
        numbers = [int(number) for number in re.findall(r"\d+", source)]
        month = numbers[1] if "." in source else next(k for k, m in enumerate(months, 1) if m in source)
        assert (month, numbers[-1], numbers[0]) == (day.month, day.year, day.day)
        if named := re.match(r"(\w+day),", source):
            assert named[1] == day.strftime("%A")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: synthetic.spirals(0), "spirals: samples: expected an integer of at least 1, got 0"),
        (lambda: synthetic.spirals(9, 1), "spirals: classes: expected an integer of at least 2, got 1"),
        (lambda: synthetic.moons(2.5), "moons: samples: expected an integer of at least 1, got 2.5"),
        (lambda: synthetic.moons(noise=-1), "moons: noise: expected a standard deviation of at least 0, got -1"),
        (lambda: synthetic.noisy_function(low=1, high=1), "noisy_function: high: expected a number above low = 1, got 1"),
        (lambda: synthetic.adding_problem(length=1), "adding_problem: length: expected an integer of at least 2, got 1"),
        (lambda: synthetic.delayed_recall(symbols=1), "delayed_recall: symbols: expected an integer of at least 2"),
        (lambda: synthetic.copying(items=0), "copying: items: expected an integer of at least 1, got 0"),
        (lambda: synthetic.reverse_strings(40, (1, 2), "abc"), "reverse_strings: samples: expected at most half of the 12 strings of 1 to 2 out of 3 characters, got 40"),
        (lambda: synthetic.reverse_strings(4, (3, 2)), "reverse_strings: length: expected 1 ≤ least ≤ largest, got (3, 2)"),
        (lambda: synthetic.dates(400, 2000, 2000), "dates: samples: expected at most 183 for the years 2000 to 2000, got 400"),
        (lambda: synthetic.dates(1, 0, 5), "dates: first, last: expected 1 ≤ first ≤ last ≤ 9999, got 0 and 5"),
    ],
)  # fmt: skip
def test_wrong_arguments(call, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        call()
