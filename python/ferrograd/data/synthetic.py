"""Made-up data whose answer is known: two classes in the plane, noisy curves, tasks of memory, pairs of strings.

Each function draws from its own `seed`; the same seed gives the same data. Arrays are NumPy's: features float32, classes
and symbols int64.
"""

from __future__ import annotations

import datetime
import string
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = [
    "adding_problem", "copying", "dates", "delayed_recall", "moons", "noisy_function", "reverse_strings", "spirals",
]  # fmt: skip


def _count(op: str, argument: str, value: int, least: int = 1) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() < least:
        raise ValueError(f"{op}: {argument}: expected an integer of at least {least}, got {value!r}")
    return value.__index__()


def _noise(op: str, value: float) -> float:
    if not value >= 0:
        raise ValueError(f"{op}: noise: expected a standard deviation of at least 0, got {value!r}")
    return float(value)


def _shuffled(rng: np.random.Generator, *arrays: Any) -> tuple[Any, ...]:
    order = rng.permutation(len(arrays[0]))
    return tuple(a[order] for a in arrays)


def spirals(
    samples: int = 600, classes: int = 2, turns: float = 1.5, noise: float = 0.02, seed: int = 0
) -> tuple[Any, Any]:
    """Points on arms that wind around each other: no straight line separates them.

    Arm k is r · (cos θ, sin θ), θ = 2π (turns · r + k / classes), its radius r from 0.05 to 1 with the same density all
    along the arm; `noise` is the standard deviation of what is added to each coordinate.

    Returns:
        Points (N, 2), float32, and their arms (N,), int64; as many of each arm as of the others, or one more.

    Raises:
        ValueError: fewer than one sample or two classes, or a negative noise.
    """
    n, arms = _count("spirals", "samples", samples), _count("spirals", "classes", classes, 2)
    spread = _noise("spirals", noise)
    rng = np.random.default_rng(seed)
    arm = np.arange(n) % arms
    radius = np.sqrt(rng.uniform(0.05**2, 1, n))
    angle = 2 * np.pi * (turns * radius + arm / arms)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    points += spread * rng.standard_normal(points.shape)
    points, arm = _shuffled(rng, points, arm)
    return points.astype(np.float32), arm.astype(np.int64)


def moons(samples: int = 400, noise: float = 0.1, seed: int = 0) -> tuple[Any, Any]:
    """Two half circles of radius 1, one in the other's mouth.

    Returns:
        Points (N, 2), float32, and their half circles (N,), int64.

    Raises:
        ValueError: fewer than one sample, or a negative noise.
    """
    n, spread = _count("moons", "samples", samples), _noise("moons", noise)
    rng = np.random.default_rng(seed)
    moon = np.arange(n) % 2
    angle = rng.uniform(0, np.pi, n)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    lower = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], axis=1)
    points = np.where(moon[:, None] == 0, upper, lower) + spread * rng.standard_normal((n, 2))
    points, moon = _shuffled(rng, points, moon)
    return points.astype(np.float32), moon.astype(np.int64)


def noisy_function(
    samples: int = 30,
    noise: float = 0.2,
    function: Callable[[Any], Any] = lambda x: np.sin(2 * np.pi * x),
    low: float = 0.0,
    high: float = 1.0,
    seed: int = 0,
) -> tuple[Any, Any]:
    """y = function(x) + noise at random places x, in order (lecture: "data = signal + noise").

    Args:
        samples: how many points.
        noise: the standard deviation of what is added to each value.
        function: of an array (N,); default: one period of a sine over [0, 1].
        low: where x begins.
        high: where x ends.
        seed: of the places and the noise.

    Returns:
        x (N, 1) and y (N, 1), float32.

    Raises:
        ValueError: fewer than one sample, a negative noise, or an empty range.
    """
    n, spread = _count("noisy_function", "samples", samples), _noise("noisy_function", noise)
    if not low < high:
        raise ValueError(f"noisy_function: high: expected a number above low = {low}, got {high}")
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(low, high, n))
    y = np.asarray(function(x)) + spread * rng.standard_normal(n)
    return x[:, None].astype(np.float32), y[:, None].astype(np.float32)


def adding_problem(samples: int = 1000, length: int = 50, seed: int = 0) -> tuple[Any, Any]:
    """Sequences of (number, mark): the answer is the sum of the two marked numbers.

    Numbers are uniform in [0, 1); one mark lies in the first half, one in the second. Answering 1 always has the mean
    square error 1/6. Source: S. Hochreiter, J. Schmidhuber, Long Short-Term Memory, 1997.

    Returns:
        Sequences (N, T, 2) and sums (N, 1), float32.

    Raises:
        ValueError: fewer than one sample, or a length below 2.
    """
    n, t = _count("adding_problem", "samples", samples), _count("adding_problem", "length", length, 2)
    rng = np.random.default_rng(seed)
    numbers = rng.random((n, t))
    marks = np.zeros((n, t))
    rows = np.arange(n)
    for places in (rng.integers(0, t // 2, n), rng.integers(t // 2, t, n)):
        marks[rows, places] = 1
    sums = (numbers * marks).sum(1, keepdims=True)
    return np.stack([numbers, marks], axis=2).astype(np.float32), sums.astype(np.float32)


def delayed_recall(samples: int = 1000, length: int = 50, symbols: int = 4, seed: int = 0) -> tuple[Any, Any]:
    """Sequences whose first symbol is asked for at their end: a task of long memory.

    The first step shows one of the symbols 0 … K − 1, all others show random ones of K … 2K − 1 that mean nothing.

    Returns:
        Sequences (N, T) of numbers from 0 to 2K − 1 and their first symbols (N,), int64.

    Raises:
        ValueError: fewer than one sample, a length below 2, or fewer than two symbols.
    """
    n, t = _count("delayed_recall", "samples", samples), _count("delayed_recall", "length", length, 2)
    k = _count("delayed_recall", "symbols", symbols, 2)
    rng = np.random.default_rng(seed)
    sequences = rng.integers(k, 2 * k, (n, t))
    sequences[:, 0] = rng.integers(0, k, n)
    return sequences, sequences[:, 0].copy()


def copying(samples: int = 1000, items: int = 10, delay: int = 20, symbols: int = 8, seed: int = 0) -> tuple[Any, Any]:
    """Sequences that are to be repeated after a delay.

    A sequence shows its items (numbers from 1 to K), `delay` blanks (0), the sign K + 1 and blanks; the target is blank
    and shows the items from the sign on. Source: S. Hochreiter, J. Schmidhuber, Long Short-Term Memory, 1997, as set by
    M. Arjovsky, A. Shah, Y. Bengio, Unitary Evolution Recurrent Neural Networks, 2016.

    Returns:
        Sequences and targets (N, items + delay + items), int64, numbers from 0 to K + 1.

    Raises:
        ValueError: fewer than one sample, item, step of delay, or symbol.
    """
    n, m = _count("copying", "samples", samples), _count("copying", "items", items)
    wait, k = _count("copying", "delay", delay), _count("copying", "symbols", symbols)
    rng = np.random.default_rng(seed)
    shown = rng.integers(1, k + 1, (n, m))
    sequences = np.zeros((n, m + wait + m), np.int64)
    targets = np.zeros_like(sequences)
    sequences[:, :m] = shown
    sequences[:, m + wait] = k + 1
    targets[:, m + wait :] = shown
    return sequences, targets


def reverse_strings(
    samples: int = 1000,
    length: tuple[int, int] = (3, 8),
    alphabet: str = string.ascii_lowercase,
    seed: int = 0,
) -> tuple[list[str], list[str]]:
    """Different random strings, and each of them backwards.

    Args:
        samples: how many.
        length: the least and the largest number of characters.
        alphabet: what they are made of.
        seed: of the strings.

    Raises:
        ValueError: there are not so many different strings, or the lengths are no range.
    """
    n = _count("reverse_strings", "samples", samples)
    least, largest = length
    if not 1 <= least <= largest:
        raise ValueError(f"reverse_strings: length: expected 1 ≤ least ≤ largest, got {length}")
    letters = sorted(set(alphabet))
    # Different strings are drawn until there are enough, which ends soon while at most half of all are wanted.
    possible = sum(len(letters) ** size for size in range(least, largest + 1))
    if 2 * n > possible:
        raise ValueError(
            f"reverse_strings: samples: expected at most half of the {possible:,} strings of {length[0]} to {length[1]} "
            f"out of {len(letters)} characters, got {n:,}"
        )
    rng = np.random.default_rng(seed)
    found: dict[str, None] = {}
    while len(found) < n:
        size = int(rng.integers(least, largest + 1))
        found["".join(letters[k] for k in rng.integers(0, len(letters), size))] = None
    sources = list(found)
    return sources, [s[::-1] for s in sources]


# The calendar module's names are those of the machine's language.
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
#: How people write dates; each says which day it is without doubt.
_WRITTEN: tuple[Callable[[datetime.date], str], ...] = (
    lambda d: f"{d.day} {_MONTHS[d.month - 1]} {d.year}",
    lambda d: f"{_MONTHS[d.month - 1]} {d.day}, {d.year}",
    lambda d: f"{d.day} {_MONTHS[d.month - 1][:3]} {d.year}",
    lambda d: f"{_MONTHS[d.month - 1][:3]} {d.day}, {d.year}",
    lambda d: f"{d.day:02}.{d.month:02}.{d.year}",
    lambda d: f"{d.day}.{d.month}.{d.year}",
    lambda d: f"{_DAYS[d.weekday()]}, {d.day} {_MONTHS[d.month - 1]} {d.year}",
    lambda d: f"the {d.day}{_ordinal(d.day)} of {_MONTHS[d.month - 1]} {d.year}",
)


def _ordinal(day: int) -> str:
    return "th" if 11 <= day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def dates(samples: int = 1000, first: int = 1950, last: int = 2049, seed: int = 0) -> tuple[list[str], list[str]]:
    """Different dates as people write them, and as ISO 8601 does: "March 3, 1998" and "1998-03-03".

    Args:
        samples: how many; each its own way of writing a day, though a day may come in several.
        first: the first year.
        last: the last year.
        seed: of the days and the ways of writing.

    Raises:
        ValueError: there are not so many, or the years are no range within 1 … 9999.
    """
    n = _count("dates", "samples", samples)
    if not 1 <= first <= last <= 9999:
        raise ValueError(f"dates: first, last: expected 1 ≤ first ≤ last ≤ 9999, got {first} and {last}")
    begin = datetime.date(first, 1, 1).toordinal()
    days = datetime.date(last, 12, 31).toordinal() - begin + 1
    if 2 * n > days:
        raise ValueError(f"dates: samples: expected at most {days // 2:,} for the years {first} to {last}, got {n:,}")
    rng = np.random.default_rng(seed)
    found: dict[str, str] = {}
    while len(found) < n:
        day = datetime.date.fromordinal(begin + int(rng.integers(days)))
        found[_WRITTEN[rng.integers(len(_WRITTEN))](day)] = day.isoformat()
    return list(found), list(found.values())
