"""What every test shares."""

from __future__ import annotations

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import _core


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(_core, "testing"):
        raise pytest.UsageError("the tests need the test build of the core: run `make test`")


@pytest.fixture(autouse=True)
def seed() -> None:
    """A test's weights and dropout are its own: they don't depend on which tests ran before it in the same process."""
    fg.manual_seed(20261123)


@pytest.fixture
def threads():
    """Sets the number of threads; restored after the test."""
    before = fg.get_num_threads()
    yield fg.set_num_threads
    fg.set_num_threads(before)


@pytest.fixture
def isa():
    """Sets the instruction set of the process; restored after the test."""
    before = _core.isa()
    yield _core.testing.set_isa
    _core.testing.set_isa(before)


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers, the same in every run."""
    return np.random.default_rng(20261123)


def pytest_make_parametrize_id(val: object) -> str | None:
    """A function's name instead of its address: parallel test processes must agree on what a test is called."""
    return getattr(val, "__name__", None) if callable(val) else None
