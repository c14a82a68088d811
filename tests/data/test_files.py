"""Data files: where they are searched, how they are fetched and checked, and the text data set."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import os
import re
import struct
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import ferrograd as fg
from ferrograd.data import DataError, Text, datasets
from ferrograd.data._files import Source, cache, fetch


def idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def mnist_files(part: str, n: int) -> dict[str, bytes]:
    """Images that are each black but for its label's pixel."""
    labels = (np.arange(n) % 10).astype(np.uint8)
    images = np.zeros((n, 28, 28), np.uint8)
    images[np.arange(n), labels, labels] = 255
    return {
        f"{part}-images-idx3-ubyte.gz": gzip.compress(idx(images), 1),
        f"{part}-labels-idx1-ubyte.gz": gzip.compress(idx(labels), 1),
    }


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A folder of one's own and a cache, both of this test alone; the variable is not set."""
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.delenv("FERROGRAD_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return own, tmp_path / "caches" / "ferrograd"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch):
    """A server of small files on this machine that stands for the public addresses; counts what is asked for."""
    files = mnist_files("train", 100) | mnist_files("t10k", 60) | {"tinyshakespeare.txt": b"to be or not to be"}
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path[1:]
            asked.append(name)
            if name == "short":  # says that more would come than does
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b"not a thousand")
                return
            self.send_response(200 if name in files else 404)
            self.end_headers()
            self.wfile.write(files.get(name, b""))

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        base = f"http://127.0.0.1:{running.server_port}/"

        def source(name: str) -> Source:
            return Source(name, base + name, hashlib.sha256(files.get(name, b"")).hexdigest())

        monkeypatch.setattr(datasets, "MNIST_FILES", tuple(source(s.name) for s in datasets.MNIST_FILES))
        monkeypatch.setattr(datasets, "SHAKESPEARE", source("tinyshakespeare.txt"))
        running.asked, running.base = asked, base
        yield running
        running.shutdown()
        thread.join()


def write(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def test_the_variable_is_searched_before_the_cache(places, monkeypatch) -> None:
    own, cached = places
    write(cached, mnist_files("t10k", 2100))
    assert len(datasets.mnist().train[1]) == 90
    write(own, mnist_files("t10k", 2200))
    monkeypatch.setenv("FERROGRAD_DATA", str(own))
    assert len(datasets.mnist().train[1]) == 180
    (own / "t10k-images-idx3-ubyte.gz").unlink()
    assert len(datasets.mnist().train[1]) == 90


def test_the_cache_lies_where_the_platform_has_caches(monkeypatch) -> None:
    assert cache() == Path(os.environ["XDG_CACHE_HOME"]) / "ferrograd"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    places = {}
    for platform in ("linux", "darwin", "win32"):
        monkeypatch.setattr(sys, "platform", platform)
        monkeypatch.setenv("LOCALAPPDATA", "/local")
        places[platform] = cache().as_posix()
    assert places == {
        "linux": "/home/somebody/.cache/ferrograd",
        "darwin": "/home/somebody/Library/Caches/ferrograd",
        "win32": "/local/ferrograd",
    }


@pytest.mark.parametrize("name", ["mnist", "text"])
def test_what_is_missing_says_how_to_get_it(name: str, places, monkeypatch) -> None:
    own, cached = places
    with pytest.raises(DataError) as unset:
        getattr(datasets, name)()
    file = {"mnist": "t10k-images-idx3-ubyte.gz", "text": "tinyshakespeare.txt"}[name]
    for part in (
        f"{name}: expected the file {file}",
        str(cached),
        "$FERROGRAD_DATA is not set",
        f"{name}(download=True)",
    ):
        assert part in str(unset.value)
    monkeypatch.setenv("FERROGRAD_DATA", str(own))
    with pytest.raises(DataError, match="found none") as found_none:
        getattr(datasets, name)()
    assert str(own) in str(found_none.value)
    assert "not set" not in str(found_none.value)


def test_a_variable_that_names_no_folder_is_an_error(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("FERROGRAD_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"\$FERROGRAD_DATA: expected a folder with data files, got .*nowhere"):
        datasets.mnist()


def test_a_download_goes_into_the_cache_once(server, places) -> None:
    _, cached = places
    first = datasets.mnist(download=True)
    assert [len(part[1]) for part in (first.train, first.dev, first.test)] == [90, 10, 60]
    assert sorted(p.name for p in cached.iterdir()) == sorted(server.asked)
    again = datasets.mnist(download=True)
    assert len(server.asked) == 4
    assert (again.train[0] == first.train[0]).all()
    assert len(datasets.mnist().test[1]) == 60


def test_a_download_goes_into_the_folder_that_is_named(server, tmp_path: Path, places) -> None:
    folder = tmp_path / "new" / "folder"
    assert datasets.text(folder, download=True).text == "to be or not to be"
    assert (folder / "tinyshakespeare.txt").read_bytes() == b"to be or not to be"
    assert not places[1].exists()


def test_files_that_are_there_are_not_fetched(server, places, monkeypatch) -> None:
    own, _ = places
    write(own, mnist_files("t10k", 2100))
    monkeypatch.setenv("FERROGRAD_DATA", str(own))
    assert len(datasets.mnist(download=True).test[1]) == 2000
    assert server.asked == []


def test_wrong_bytes_are_not_kept(server, tmp_path: Path) -> None:
    source = Source("tinyshakespeare.txt", server.base + "tinyshakespeare.txt", "0" * 64)
    with pytest.raises(
        DataError, match=r"text: http://.*: expected a file with the SHA-256 0{64}, got [0-9a-f]{64}; nothing was kept"
    ):
        fetch("text", source, tmp_path / "downloads")
    assert list((tmp_path / "downloads").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "said"), [("nothing.gz", "404"), ("short", "SHA-256|IncompleteRead|Remote end closed")]
)
def test_a_broken_download_leaves_nothing(server, tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        fetch("mnist", Source(name, server.base + name, "1" * 64), tmp_path / "downloads")
    assert list((tmp_path / "downloads").iterdir()) == []


def test_an_interrupted_download_is_not_taken_for_the_test_files_alone(server, places, monkeypatch) -> None:
    *early, last = datasets.MNIST_FILES
    monkeypatch.setattr(datasets, "MNIST_FILES", (*early, Source(last.name, last.url, "2" * 64)))
    with pytest.raises(DataError, match="SHA-256"):
        datasets.mnist(download=True)
    assert len(list(places[1].iterdir())) == 3
    with pytest.raises(DataError, match="expected the file"):
        datasets.mnist()
    monkeypatch.setattr(datasets, "MNIST_FILES", (*early, last))
    assert len(datasets.mnist(download=True).train[1]) == 90
    assert len(server.asked) == 5


def test_an_address_that_does_not_answer_is_one_message(tmp_path: Path) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as closed:
        port = closed.server_port
    with pytest.raises(DataError, match=r"could not be downloaded to .*x\.gz \(.*refused.*\): put the file there"):
        fetch("mnist", Source("x.gz", f"http://127.0.0.1:{port}/x.gz", "0" * 64), tmp_path)


def test_a_folder_that_cannot_be_written_is_one_message(server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="could not be downloaded"):
        fetch("text", datasets.SHAKESPEARE, tmp_path / "file")


def test_every_file_has_a_sum_and_an_address_over_https() -> None:
    sources = (*datasets.MNIST_FILES, datasets.SHAKESPEARE)
    assert len({s.sha256 for s in sources}) == len(sources) == 5
    for source in sources:
        assert re.fullmatch("[0-9a-f]{64}", source.sha256)
        assert source.url.startswith("https://")


def test_a_text_is_numbers_and_back() -> None:
    text = Text("greeting", "hello, wörld!" * 10)
    assert text.vocabulary == " !,dehlorwö"
    assert (len(text.train), len(text.dev)) == (117, 13)
    assert text.train.dtype == np.int64
    assert text.decode(np.concatenate([text.train, text.dev])) == text.text
    assert text.encode("hello").tolist() == [text.vocabulary.index(c) for c in "hello"]
    assert text.decode(fg.from_numpy(text.encode("old"))) == "old"
    assert text.decode([]) == ""
    assert text.encode("").tolist() == []
    assert len(text) == 130
    assert repr(text) == "Text(greeting: 130 characters, 11 different)"


def test_numbers_and_characters_outside_the_vocabulary_are_errors() -> None:
    text = Text("abc", "abcabcabca")
    with pytest.raises(
        ValueError, match=r"Text.encode: text: expected characters of the vocabulary, got 'z' at place 2"
    ):
        text.encode("abz")
    for wrong in (-1, 3):
        with pytest.raises(IndexError, match=f"expected numbers from 0 to 2, got {wrong}"):
            text.decode([0, wrong])
    with pytest.raises(TypeError, match="expected integers, got float64"):
        text.decode([0.5])


def test_a_text_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text("so it begins and ends", encoding="utf-8")
    assert datasets.text(path).name == "book"
    path.write_bytes(b"so it \xff begins")
    with pytest.raises(DataError, match=r"book\.txt: expected a text in UTF-8: byte 6 is 0xff"):
        datasets.text(path)
    path.write_bytes(b"short")
    with pytest.raises(DataError, match="at least 10 characters, got 5"):
        datasets.text(path)


def test_a_damaged_shakespeare_is_named(tmp_path: Path) -> None:
    (tmp_path / "tinyshakespeare.txt").write_bytes(b"First Citizen:\nBefore we proceed any furth")
    with pytest.raises(
        DataError, match=r"tinyshakespeare\.txt: expected the tiny Shakespeare text of 1,115,394 bytes .* got 42 bytes"
    ):
        datasets.text(tmp_path)
