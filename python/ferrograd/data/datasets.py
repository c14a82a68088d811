"""Handwritten digits: scikit-learn's bundled 1,797 and MNIST's files."""

from __future__ import annotations

import gzip
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


class DataError(Exception):
    """A data file that is missing or damaged; the message names it and what was expected."""


@dataclass(frozen=True)
class Split:
    """Images (N, 1, H, W), float32 from 0 to 1, and their classes (N,), int64, in three parts."""

    name: str
    train: tuple[Any, Any]
    dev: tuple[Any, Any]
    test: tuple[Any, Any]


def _stratified(labels: Any, count: int) -> tuple[Any, Any]:
    """Indices of the other samples and of `count` samples with every class in proportion; the same every time."""
    from sklearn.model_selection import train_test_split

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


def mnist(root: str | Path) -> Split:
    """MNIST from its IDX files (plain or gzipped) in a folder.

    With the 60,000 training images there, these are trained on (a tenth held out to develop) and the 10,000 test images
    tested. With the test files alone, their first 8,000 images are trained on (a tenth held out) and the last 2,000 tested.

    Raises:
        DataError: a file is missing or damaged.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(
            f"{root}: expected a folder with MNIST's files t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz"
        )
    images, labels = _read_pair(root, "t10k")
    if _find(root, "train-images-idx3-ubyte").exists():
        test = (images, labels)
        images, labels = _read_pair(root, "train")
    else:
        if len(images) < 2001:
            raise DataError(f"{root}: expected at least 2,001 images in the t10k files, got {len(images)}")
        test = (images[-2000:], labels[-2000:])
        images, labels = images[:-2000], labels[:-2000]
    train, dev = _stratified(labels, len(labels) // 10)
    return Split("MNIST", (images[train], labels[train]), (images[dev], labels[dev]), test)
