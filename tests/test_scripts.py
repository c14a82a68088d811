"""Scripts written for PyTorch run here once their imports are changed, and reach the same bar."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from _script import check

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.py"))
ONE_THREAD = {"OMP_NUM_THREADS": "1", "FERROGRAD_NUM_THREADS": "1"}


def with_ferrograd(code: str) -> str:
    """The script with the library changed in its import lines."""
    code = re.sub(r"^import torch$", "import ferrograd as torch", code, flags=re.M)
    return re.sub(r"^(import|from) torch((?:\.\w+)*) (as|import) ", r"\1 ferrograd\2 \3 ", code, flags=re.M)


def bar(code: str) -> float:
    (value,) = re.findall(r"^BAR = ([\d.]+)", code, re.M)
    return float(value)


def figure(code: str) -> float:
    last = check(code, timeout=60, **ONE_THREAD).splitlines()[-1]
    assert last.startswith("figure: ")
    return float(last.removeprefix("figure: "))


@pytest.fixture(params=SCRIPTS, ids=lambda path: path.stem)
def code(request: pytest.FixtureRequest) -> str:
    return request.param.read_text()


def test_only_import_lines_name_another_library(code: str) -> None:
    lines, changed = code.splitlines(), with_ferrograd(code).splitlines()
    assert len(lines) == len(changed)
    differing = [(one, other) for one, other in zip(lines, changed, strict=True) if one != other]
    assert ("import torch", "import ferrograd as torch") in differing
    for one, other in differing:
        assert re.match("(import|from) torch", one)
        assert re.match("(import|from) ferrograd", other)
    assert not any(re.match("(import|from) torch", line) for line in changed)


def test_with_ferrograd_the_script_reaches_its_bar(code: str) -> None:
    assert figure(with_ferrograd(code)) <= bar(code)


def test_without_training_the_script_misses_its_bar(code: str) -> None:
    untrained = re.sub(r"^(EPOCHS|STEPS) = \d+", r"\1 = 0", code, flags=re.M)
    assert untrained != code
    assert figure(with_ferrograd(untrained)) > bar(code)


def test_with_pytorch_the_script_reaches_its_bar_as_it_stands(code: str) -> None:
    pytest.importorskip("torch")
    assert figure(code) <= bar(code)


def test_there_are_twelve_scripts() -> None:
    assert len(SCRIPTS) == 12
