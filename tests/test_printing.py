"""Tensors look as they do in PyTorch."""

from __future__ import annotations

import json

import pytest
from golden.printing import CASES, FILE, shown

import ferrograd as fg

TEXTS = json.loads(FILE.read_text())


@pytest.mark.parametrize("name", CASES)
def test_repr_is_that_of_pytorch(name: str) -> None:
    assert shown(fg, name) == TEXTS[name]


def test_repr_agrees_with_the_installed_pytorch() -> None:
    torch = pytest.importorskip("torch")
    for name in CASES:
        assert shown(fg, name) == shown(torch, name).replace("torch.", "ferrograd.")


def test_a_result_shows_its_node() -> None:
    x = fg.tensor([1.0], requires_grad=True)
    assert repr(x * 2) == "tensor([2.], grad_fn=<mulBackward>)"


def test_a_subclass_shows_its_name() -> None:
    class Mine(fg.Tensor):
        pass

    mine = fg.Tensor._make(Mine, fg.ones(2), False)
    assert repr(mine) == "Mine([1., 1.])"
    assert repr(fg.nn.Parameter(fg.ones(2))) == "Parameter containing:\ntensor([1., 1.], requires_grad=True)"


def test_bfloat16_is_shown_widened() -> None:
    assert repr(fg.tensor([1.5], dtype=fg.bfloat16)) == "tensor([1.5000], dtype=ferrograd.bfloat16)"


def test_a_number_is_formatted_as_one() -> None:
    loss = fg.tensor(0.123456, requires_grad=True)
    assert f"{loss:.3f} {fg.tensor(7):>3} {fg.tensor(2.5)}" == "0.123   7 2.5"
    assert f"{fg.tensor([1.0])}" == "tensor([1.])"
    with pytest.raises(TypeError, match="unsupported format string"):
        f"{fg.tensor([1.0]):.2f}"


def test_options() -> None:
    before = fg.get_printoptions()
    with fg.printoptions(precision=1):
        assert repr(fg.tensor([0.25])) == "tensor([0.2])"
    assert fg.get_printoptions() == before
    with pytest.raises(ValueError, match="profile: expected one of default, short, full"):
        fg.set_printoptions(profile="tall")
