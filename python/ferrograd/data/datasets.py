"""Handwritten digits (scikit-learn's bundled 1,797 and MNIST's files) and the tiny Shakespeare text."""

from __future__ import annotations

import gzip
import hashlib
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ._files import DataError, Source, locate
from .corpus import Text

_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
#: The training files first: test files alone are a data set too, which an interrupted download must not look like.
MNIST_FILES = tuple(
    Source(name, _MNIST + name, sha256)
    for name, sha256 in (
        ("train-images-idx3-ubyte.gz", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        ("train-labels-idx1-ubyte.gz", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        ("t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
        ("t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    )
)
SHAKESPEARE = Source(
    "tinyshakespeare.txt",
    "https://raw.githubusercontent.com/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/"
    "data/tinyshakespeare/input.txt",
    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
)
#: How the file of that name begins if it is that text.
_FIRST_LINE = b"First Citizen:"


@dataclass(frozen=True)
class Split:
    """Images (N, 1, H, W), float32 from 0 to 1, and their classes (N,), int64, in three parts."""

    name: str
    train: tuple[Any, Any]
    dev: tuple[Any, Any]
    test: tuple[Any, Any]


def _stratified(labels: Any, count: int) -> tuple[Any, Any]:
    """Indices of the other samples and of `count` samples with every class in proportion; the same every time."""
    try:
        from sklearn.model_selection import train_test_split
    except ImportError:
        raise DataError(
            "the parts are drawn by scikit-learn, which is not installed: pip install 'ferrograd[sklearn]'"
        ) from None
    others, chosen = train_test_split(np.arange(len(labels)), test_size=count, stratify=labels, random_state=0)
    return others, chosen


def digits() -> Split:
    """scikit-learn's digits: 8 × 8 pixels, 1,197 to train, 200 to develop, 400 to test; every class in proportion.

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998.

    Raises:
        DataError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise DataError(
            "the digits come with scikit-learn, which is not installed: pip install 'ferrograd[demo]'"
        ) from None
    pixels, labels = load_digits(return_X_y=True)
    images = (pixels / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    labels = labels.astype(np.int64)
    rest, test = _stratified(labels, 400)
    train, dev = (rest[part] for part in _stratified(labels[rest], 200))
    return Split(
        "scikit-learn digits",
        (images[train], labels[train]),
        (images[dev], labels[dev]),
        (images[test], labels[test]),
    )


def read_idx(path: Path, dims: int) -> Any:
    """An IDX file (MNIST's format: magic, sizes, bytes), plain or gzipped, as a uint8 array of `dims` dimensions.

    Source: Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits.

    Raises:
        DataError: the file is missing, damaged, or something else than such an array.
    """
    what = f"an IDX file of unsigned bytes in {dims} dimension{'s' * (dims > 1)}"
    try:
        raw = path.read_bytes()
    except OSError as why:
        raise DataError(f"{path}: expected {what}: {why.strerror}") from None
    if raw[:2] == b"\x1f\x8b":
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as why:
            raise DataError(f"{path}: expected {what}, gzipped: the file is damaged ({why})") from None
    header = 4 + 4 * dims
    if len(raw) < header or raw[:4] != bytes((0, 0, 8, dims)):
        raise DataError(f"{path}: expected {what}, got a file that begins with {raw[:4].hex(' ') or 'nothing'}")
    shape = struct.unpack(f">{dims}I", raw[4:header])
    size = 1
    for d in shape:
        size *= d
    if len(raw) - header != size:
        raise DataError(
            f"{path}: expected {size} bytes after the header, as its sizes {shape} say, got {len(raw) - header}"
        )
    return np.frombuffer(raw, np.uint8, size, header).reshape(shape)


def _find(root: Path, stem: str) -> Path:
    plain = root / stem
    return plain if plain.exists() else root / f"{stem}.gz"


def _read_pair(root: Path, part: str) -> tuple[Any, Any]:
    images_path = _find(root, f"{part}-images-idx3-ubyte")
    labels_path = _find(root, f"{part}-labels-idx1-ubyte")
    images, labels = read_idx(images_path, 3), read_idx(labels_path, 1)
    if images.shape[1:] != (28, 28):
        raise DataError(f"{images_path}: expected images of 28 × 28 pixels, got {images.shape[1]} × {images.shape[2]}")
    if len(images) != len(labels):
        raise DataError(f"{labels_path}: expected {len(images)} labels, one an image, got {len(labels)}")
    if labels.size and labels.max() > 9:
        raise DataError(f"{labels_path}: expected labels from 0 to 9, got {labels.max()}")
    return (images.astype(np.float32) / 255)[:, None], labels.astype(np.int64)


def mnist(root: str | Path | None = None, download: bool = False) -> Split:
    """MNIST from its IDX files (plain or gzipped) in a folder.

    With the 60,000 training images there, these are trained on (a tenth held out to develop) and the 10,000 test images
    tested. With the test files alone, their first 8,000 images are trained on (a tenth held out) and the last 2,000 tested.

    Args:
        root: the folder; default: `$FERROGRAD_DATA`, then the cache (`$XDG_CACHE_HOME/ferrograd`, `~/.cache/ferrograd`).
        download: whether the four files (11.6 MB) are fetched, their SHA-256 checked, where no searched folder has the
            test images; into `root`, else into the cache.

    Raises:
        DataError: a file is missing or damaged, or cannot be fetched.
    """
    given = None if root is None else Path(root)
    if given is not None and not download and not given.is_dir():
        raise DataError(
            f"{given}: expected a folder with MNIST's files t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz"
        )
    folder = given
    if folder is None or download:
        stems = ("t10k-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz")
        folder = locate("mnist", stems, MNIST_FILES, given, download)
    images, labels = _read_pair(folder, "t10k")
    if _find(folder, "train-images-idx3-ubyte").exists():
        test = (images, labels)
        images, labels = _read_pair(folder, "train")
    else:
        if len(images) < 2001:
            raise DataError(f"{folder}: expected at least 2,001 images in the t10k files, got {len(images)}")
        test = (images[-2000:], labels[-2000:])
        images, labels = images[:-2000], labels[:-2000]
    train, dev = _stratified(labels, len(labels) // 10)
    return Split("MNIST", (images[train], labels[train]), (images[dev], labels[dev]), test)


def text(root: str | Path | None = None, download: bool = False) -> Text:
    """Tiny Shakespeare: 1,115,394 characters of his plays, 65 different ones (`tinyshakespeare.txt`).

    Source: A. Karpathy, The Unreasonable Effectiveness of Recurrent Neural Networks, 2015.

    Args:
        root: the folder with the file, or a UTF-8 text file of one's own; default: `$FERROGRAD_DATA`, then the cache
            (`$XDG_CACHE_HOME/ferrograd`, `~/.cache/ferrograd`).
        download: whether the file (1.1 MB) is fetched, its SHA-256 checked, where no searched folder has it; into `root`,
            else into the cache.

    Raises:
        DataError: the file is missing, damaged, empty or no UTF-8 text, or cannot be fetched.
    """
    given = None if root is None else Path(root)
    if given is not None and given.is_file():
        return _read_text(given)
    return _read_text(locate("text", (SHAKESPEARE.name,), (SHAKESPEARE,), given, download) / SHAKESPEARE.name)


def _read_text(path: Path) -> Text:
    try:
        raw = path.read_bytes()
    except OSError as why:
        raise DataError(f"{path}: expected a text in UTF-8: {why.strerror}") from None
    shakespeare = path.name == SHAKESPEARE.name and raw.startswith(_FIRST_LINE)
    if shakespeare and (found := hashlib.sha256(raw).hexdigest()) != SHAKESPEARE.sha256:
        raise DataError(
            f"{path}: expected the tiny Shakespeare text of 1,115,394 bytes with the SHA-256 {SHAKESPEARE.sha256}, got "
            f"{len(raw):,} bytes with {found}: the file is damaged"
        )
    try:
        content = raw.decode()
    except UnicodeDecodeError as why:
        raise DataError(f"{path}: expected a text in UTF-8: byte {why.start} is {raw[why.start]:#04x}") from None
    if len(content) < 10:
        raise DataError(f"{path}: expected a text of at least 10 characters, got {len(content)}")
    return Text("tiny Shakespeare" if shakespeare else path.stem, content)
