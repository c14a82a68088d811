"""What is shipped: one wheel of at most 5 MB and an sdist that builds from nothing but itself."""

from __future__ import annotations

import fcntl
import importlib.metadata
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

import pytest

import ferrograd as fg
from ferrograd import _core

ROOT = Path(__file__).parent.parent
CARGO = tomllib.loads((ROOT / "Cargo.toml").read_text())
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
VERSION = CARGO["workspace"]["package"]["version"]


def run(*command: str | Path, **environment: str) -> None:
    """Runs a command of its own, as if from a shell: not a part of the make or the environment around these tests."""
    drop = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHONPATH", "VIRTUAL_ENV"}
    clean = {name: value for name, value in os.environ.items() if name not in drop}
    done = subprocess.run(command, cwd=ROOT, env=clean | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel() -> Iterator[zipfile.ZipFile]:
    """The release wheel of these sources; built if it is older than they are, by one of pytest's processes."""
    (ROOT / "dist").mkdir(exist_ok=True)
    with open(ROOT / "dist/.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run("make", "wheel")
    (path,) = (ROOT / "dist").glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked sdist."""
    folder = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "maturin", "sdist", "--out", folder)
    (path,) = folder.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")
    return folder / f"ferrograd-{VERSION}"


def test_the_version_is_one() -> None:
    """It is written in Cargo.toml alone; pyproject.toml takes it from there."""
    assert "version" in PYPROJECT["project"]["dynamic"]
    assert "version" not in PYPROJECT["project"]
    for member in CARGO["workspace"]["members"]:
        assert tomllib.loads((ROOT / member / "Cargo.toml").read_text())["package"]["version"] == {"workspace": True}
    assert fg.__version__ == _core.__version__ == importlib.metadata.version("ferrograd") == VERSION


def test_the_wheel_is_small(wheel: zipfile.ZipFile) -> None:
    assert Path(str(wheel.filename)).stat().st_size <= 5_000_000


def test_the_wheel_is_for_every_python_from_3_11(wheel: zipfile.ZipFile) -> None:
    name = Path(str(wheel.filename)).name
    assert name.startswith(f"ferrograd-{VERSION}-cp311-abi3-")


def test_the_wheel_has_types_and_licences(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    licences = {f"ferrograd-{VERSION}.dist-info/licenses/{name}" for name in ("LICENSE-MIT", "LICENSE-APACHE")}
    assert {"ferrograd/py.typed", "ferrograd/_core.pyi"} | licences <= names
    shared = [name for name in names if name.endswith((".so", ".pyd"))]
    assert len(shared) == 1
    assert shared[0].startswith("ferrograd/_core")


def test_the_wheel_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    names = {name for name in wheel.namelist() if not name.startswith(f"ferrograd-{VERSION}.dist-info/")}
    source = ROOT / "python"
    expected = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.suffix in {".py", ".pyi"} or path.name == "py.typed"
    }
    assert {name for name in names if not name.endswith((".so", ".pyd"))} == expected


def test_the_wheels_metadata(wheel: zipfile.ZipFile) -> None:
    metadata = Parser().parsestr(wheel.read(f"ferrograd-{VERSION}.dist-info/METADATA").decode())
    assert metadata["Version"] == VERSION
    assert metadata["License-Expression"] == "MIT OR Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert set(metadata.get_all("Provides-Extra")) == set(PYPROJECT["project"]["optional-dependencies"])


def test_the_sdist_has_all_that_a_build_reads(sdist: Path) -> None:
    needed = {"Cargo.toml", "Cargo.lock", "pyproject.toml", "README.md", "LICENSE-MIT", "LICENSE-APACHE"}
    needed |= {
        path.relative_to(ROOT).as_posix()
        for folder in ("rust", "python")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".rs", ".py", ".pyi"} or path.name in {"Cargo.toml", "py.typed"}
    }
    found = {path.relative_to(sdist).as_posix() for path in sdist.rglob("*") if path.is_file()}
    assert needed - found == set()
    assert not [name for name in found if name.endswith((".so", ".pyd", ".pyc"))]


@pytest.mark.long
def test_the_sdist_builds_from_nothing_but_itself(sdist: Path, tmp_path: Path) -> None:
    """pip in a fresh environment, with a target folder of its own; then it computes."""
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    run(python, "-m", "pip", "install", sdist, CARGO_TARGET_DIR=str(tmp_path / "target"))
    run(python, "-I", "-c", f"import ferrograd as fg; assert fg.__version__ == {VERSION!r}; (fg.ones(3) + 1).numpy()")
