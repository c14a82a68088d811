"""`docs/pytorch.md` says what of PyTorch is here, and says nothing that no test touches."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def parity() -> Any:
    spec = importlib.util.spec_from_file_location("parity", ROOT / "tools" / "parity.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_package_has(parity: Any) -> None:
    assert parity.PAGE.read_text() == parity.page(), "python tools/parity.py writes it anew"


def test_every_claimed_name_is_named_in_a_test(parity: Any) -> None:
    assert parity.untouched() == []


def test_every_difference_is_of_something_that_is_here(parity: Any) -> None:
    for space, names in parity.DIFFERENCES.items():
        assert set(names) <= set(parity.present(space)), space
