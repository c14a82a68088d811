"""`docs/pytorch.md` says what of PyTorch is here, and says nothing that no test touches."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ferrograd as fg

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


def test_numbers_and_dtypes_differ_as_the_page_says() -> None:
    small = fg.tensor([1, 2], dtype=fg.uint8)
    for call in (lambda: small + 300, lambda: small == -1, lambda: fg.full((1,), 300, dtype=fg.uint8)):
        with pytest.raises(ValueError, match="expected a value of uint8, 0 to 255"):
            call()
    assert small.all().dtype is small.any().dtype is fg.bool
    with pytest.raises(ValueError, match="pow: exponent: expected powers of at least 0"):
        fg.pow(fg.tensor([2, 1]), fg.tensor([-1, -1]))
    assert fg.tensor([-2.5, 300.0, float("nan")]).to(fg.uint8).tolist() == [0, 255, 0]


def test_a_bounded_norm_is_a_constant() -> None:
    x = fg.tensor([[0.3, 0.4]], requires_grad=True)
    fg.cosine_similarity(x, fg.tensor([[3.0, 4.0]]), eps=2.0).sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), [[0.3, 0.4]], rtol=1e-6)
