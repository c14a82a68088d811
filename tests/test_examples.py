"""The examples: a few steps of each run, with small data that stands for the real; their form."""

from __future__ import annotations

import gzip
import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from _forked import Forks
from sklearn.datasets import load_digits

FOLDER = Path(__file__).parent.parent / "examples"
SCRIPTS = sorted(FOLDER.glob("[0-9][0-9]_*.py"))
#: What shows that a script reads files that are not in scikit-learn.
FILES = re.compile(r"\b(mnist|text)\(")


def idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for `$FERROGRAD_DATA`: scikit-learn's digits in MNIST's size and format, and a text of few words."""
    folder = tmp_path_factory.mktemp("data")
    pixels, labels = load_digits(return_X_y=True)
    chosen = np.arange(2600) % len(labels)
    images = np.kron(pixels.reshape(-1, 8, 8)[chosen], np.ones((3, 3))) * (255 / 16)
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2))).astype(np.uint8)
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(padded), 1))
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels[chosen].astype(np.uint8)), 1))
    words = [
        "the",
        "of",
        "and",
        "to",
        "in",
        "that",
        "is",
        "with",
        "for",
        "it",
        "as",
        "on",
        "be",
        "at",
        "by",
        "this",
        "had",
        "not",
        "are",
        "but",
    ]
    rng = np.random.default_rng(0)
    lines = [" ".join(rng.choice(words, 8)).capitalize() + ".\n" for _ in range(600)]
    (folder / "tinyshakespeare.txt").write_text("".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """Runs scripts on one core."""
    without = {name: value for name, value in os.environ.items() if name != "FERROGRAD_DATA"}
    one = dict.fromkeys(("FERROGRAD_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    modules = [
        "numpy",
        "sklearn.datasets",
        "PIL.Image",
        "matplotlib.figure",
        "matplotlib.backends.backend_agg",
        "ferrograd.nn",
    ]
    running = Forks(tmp_path_factory.mktemp("forks"), modules, {**without, **one})
    yield running
    running.close()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_few_steps_of_an_example(script: Path, tmp_path: Path, data: Path, forks: Forks) -> None:
    done = forks.run(script, "--quick", "--out", str(tmp_path), FERROGRAD_DATA=str(data))
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(r"result: .+ \| .+ \| quick", done.stdout.splitlines()[-1])
    (picture,) = tmp_path.glob("*.png")
    assert picture.name == f"{script.stem}.png"
    content = picture.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(content) <= 60_000


@pytest.mark.parametrize(
    "script", [s for s in SCRIPTS if FILES.search(s.read_text(encoding="utf-8"))], ids=lambda path: path.stem
)
def test_without_its_data_an_example_says_how_to_get_it(script: Path, tmp_path: Path, forks: Forks) -> None:
    done = forks.run(script, "--quick", "--out", str(tmp_path / "out"), XDG_CACHE_HOME=str(tmp_path / "empty"))
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith("no data: ")
    assert "$FERROGRAD_DATA" in done.stderr
    assert "download=True" in done.stderr
    assert "result: " not in done.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_is_short_and_says_what_to_see(script: Path) -> None:
    lines = script.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 90
    assert lines[0].startswith(f'"""Row {int(script.name[:2])}: ')
    last = next(k for k, line in reversed(list(enumerate(lines))) if not line.startswith("#"))
    assert lines[last + 1].startswith("# What to see: ")


def test_no_row_has_two_examples() -> None:
    rows = [int(script.name[:2]) for script in SCRIPTS]
    assert len(set(rows)) == len(rows)
    assert set(rows) <= set(range(1, 39))


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ("import sys; print(sys.argv[1:], __name__)", 0, "['--quick'] __main__\n"),
        ("print('a'); raise SystemExit(3)", 3, "a\n"),
        ("import sys; sys.exit('too bad')", 1, "too bad\n"),
        ("import sys; print('b', file=sys.stderr); 1 / 0", 1, "b\n"),
        ("import time; time.sleep(60)", -9, ""),
        ("import os; print(os.environ['GIVEN'], 'FERROGRAD_DATA' in os.environ)", 0, "yes False\n"),
    ],
)  # fmt: skip
def test_a_fork_ends_as_its_script_does(body: str, status: int, said: str, tmp_path: Path, forks: Forks) -> None:
    (tmp_path / "script.py").write_text(body)
    done = forks.run(tmp_path / "script.py", "--quick", limit=0.5 if "sleep" in body else 60, GIVEN="yes")
    assert done.returncode == status
    assert (done.stdout + done.stderr).startswith(said)
