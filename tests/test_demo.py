"""The demo's data, its errors, and the command itself."""

from __future__ import annotations

import gzip
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ferrograd import data
from ferrograd.__main__ import main
from ferrograd.demo import shifted


def idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_mnist(root: Path, n: int = 2600, part: str = "t10k") -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
    labels = (np.arange(n) % 10).astype(np.uint8)
    (root / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images), 1))
    (root / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))


def test_digits_are_split_in_proportion() -> None:
    split = data.digits()
    assert [len(part[1]) for part in (split.train, split.dev, split.test)] == [1197, 200, 400]
    for images, labels in (split.train, split.dev, split.test):
        assert images.shape == (len(labels), 1, 8, 8)
        assert images.dtype == np.float32
        shares = np.bincount(labels, minlength=10) / len(labels)
        assert abs(shares - 0.1).max() < 0.012
    flat = np.concatenate([part[0].reshape(len(part[1]), -1) for part in (split.train, split.dev, split.test)])
    assert len(flat) == 1797
    again = data.digits()
    assert (again.test[0] == split.test[0]).all()


def test_mnist_from_its_test_files(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    split = data.mnist(tmp_path)
    assert [len(part[1]) for part in (split.train, split.dev, split.test)] == [540, 60, 2000]


def test_mnist_whole(tmp_path: Path) -> None:
    write_mnist(tmp_path, 50)
    write_mnist(tmp_path, 200, "train")
    split = data.mnist(tmp_path)
    assert [len(part[1]) for part in (split.train, split.dev, split.test)] == [180, 20, 50]


def test_shifting_moves_by_at_most_a_pixel() -> None:
    images = np.zeros((200, 1, 8, 8), np.float32)
    images[:, 0, 4, 4] = 1
    moved = shifted(images, np.random.default_rng(0))
    where = np.argwhere(moved[:, 0] == 1)[:, 1:]
    assert len(where) == 200
    assert {tuple(w) for w in where} == {(y, x) for y in (3, 4, 5) for x in (3, 4, 5)}


def truncated(root: Path) -> None:
    path = root / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-1000])


def short(root: Path) -> None:
    path = root / "t10k-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1])


def foreign(root: Path) -> None:
    (root / "t10k-labels-idx1-ubyte").write_bytes(b"%PDF-1.7 ...")


def missing(root: Path) -> None:
    (root / "t10k-labels-idx1-ubyte").unlink()


def wrong_label(root: Path) -> None:
    path = root / "t10k-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\x0b")


def fewer_labels(root: Path) -> None:
    (root / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(7, np.uint8)))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (truncated, "t10k-images-idx3-ubyte.gz: expected an IDX file of unsigned bytes in 3 dimensions, gzipped: the file is damaged"),
        (short, "t10k-labels-idx1-ubyte: expected 2600 bytes after the header, as its sizes (2600,) say, got 2599"),
        (foreign, "t10k-labels-idx1-ubyte: expected an IDX file of unsigned bytes in 1 dimension, got a file that begins with 25 50"),
        (missing, "t10k-labels-idx1-ubyte.gz: expected an IDX file of unsigned bytes in 1 dimension: No such file"),
        (wrong_label, "t10k-labels-idx1-ubyte: expected labels from 0 to 9, got 11"),
        (fewer_labels, "t10k-labels-idx1-ubyte: expected 2600 labels, one an image, got 7"),
    ],
)  # fmt: skip
def test_a_bad_file_is_one_line(tmp_path: Path, damage, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_mnist(tmp_path)
    damage(tmp_path)
    assert main(["demo", "--data", str(tmp_path), "--out", str(tmp_path / "out"), "--plain"]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_a_missing_folder_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--data", str(tmp_path / "nowhere"), "--plain"]) == 2
    assert "nowhere: expected a folder with MNIST's files" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--epochs", "0"], ["--epochs", "x"], ["--nonsense"]])
def test_wrong_arguments(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["demo", *arguments])
    assert stopped.value.code == 2


def run_demo(out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ferrograd", "demo", "--plain", "--out", str(out), *arguments],
        capture_output=True, text=True, timeout=300, env=dict(os.environ), check=False,
    )  # fmt: skip


def test_the_demo_learns(tmp_path: Path) -> None:
    done = run_demo(tmp_path, "--epochs", "10")
    assert done.returncode in (0, 1), done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("scikit-learn digits: 1,197 images to train, 200 to develop, 400 to test")
    assert sum(line.startswith("epoch ") for line in lines) == 10
    last = next(line for line in lines if line.startswith("test error"))
    assert float(last.split()[2].rstrip("%")) < 5
    assert (tmp_path / "curves.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"

    import ferrograd as fg
    from ferrograd.demo import error, small_net

    model = small_net()
    model.load_state_dict(fg.load(tmp_path / "model.safetensors"))
    assert f"{error(model, data.digits().test):.2%}" == last.split()[2]


def test_one_epoch_is_above_the_bar(tmp_path: Path) -> None:
    done = run_demo(tmp_path, "--epochs", "1")
    assert done.returncode == 1
    assert "ABOVE the bar of 2.0%" in done.stdout


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    for name in ("a", "b"):
        run_demo(tmp_path / name, "--epochs", "1", "--seed", "4")
    first, second = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("a", "b"))
    assert first == second
