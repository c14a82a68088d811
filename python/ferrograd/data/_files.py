"""Where data files lie, and how they get there: `$FERROGRAD_DATA`, a cache folder, a download that is checked."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import sys
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: Names a folder with data files of one's own.
VARIABLE = "FERROGRAD_DATA"
#: Seconds without an answer after which a download is given up.
PATIENCE = 30


class DataError(Exception):
    """A data file that is missing or damaged; the message names it and what was expected."""


@dataclass(frozen=True)
class Source:
    """A file of a data set: its name here, its public address, the SHA-256 of its bytes."""

    name: str
    url: str
    sha256: str


def cache() -> Path:
    """The folder of downloads: `$XDG_CACHE_HOME/ferrograd`, else the platform's own place for caches."""
    if chosen := os.environ.get("XDG_CACHE_HOME"):
        return Path(chosen) / "ferrograd"
    if sys.platform == "win32" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local) / "ferrograd"
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/ferrograd"
    return Path.home() / ".cache/ferrograd"


def searched() -> list[Path]:
    """The folders that are searched, in order.

    Raises:
        DataError: `$FERROGRAD_DATA` is set and is no folder.
    """
    chosen = os.environ.get(VARIABLE)
    if not chosen:
        return [cache()]
    if not Path(chosen).is_dir():
        raise DataError(f"${VARIABLE}: expected a folder with data files, got {chosen}")
    return [Path(chosen), cache()]


def locate(op: str, stems: Sequence[str], sources: Sequence[Source], root: Path | None, download: bool) -> Path:
    """The first folder that has one of the files `stems`; `root` is the only one where it is given.

    Where none has, `download` fetches the sources into `root`, else into the cache.

    Raises:
        DataError: no folder has the file and nothing is to be downloaded, or the download failed.
    """
    folders = searched() if root is None else [root]
    for folder in folders:
        if any((folder / stem).exists() for stem in stems):
            return folder
    if download:
        for source in sources:
            fetch(op, source, folders[-1])
        return folders[-1]
    where = " or ".join(str(folder) for folder in folders)
    unset = "" if root is not None or os.environ.get(VARIABLE) else f" (${VARIABLE} is not set)"
    raise DataError(
        f"{op}: expected the file {stems[-1]} in {where}{unset}, found none: set ${VARIABLE} to the folder that has "
        f"{', '.join(source.name for source in sources)}, or call {op}(download=True) once"
    )


def fetch(op: str, source: Source, folder: Path) -> Path:
    """Downloads a file into a folder, whole and checked or not at all; one that is there is left as it is.

    Raises:
        DataError: the address cannot be read, the folder not be written, or the bytes are not the expected ones.
    """
    path = folder / source.name
    if path.exists():
        return path
    part = folder / f".{source.name}.{os.getpid()}.part"
    digest = hashlib.sha256()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(source.url, timeout=PATIENCE) as answer, part.open("wb") as file:
            while chunk := answer.read(1 << 16):
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if digest.hexdigest() != source.sha256:
            raise DataError(
                f"{op}: {source.url}: expected a file with the SHA-256 {source.sha256}, got {digest.hexdigest()}; "
                f"nothing was kept"
            )
        part.replace(path)
    except (OSError, http.client.HTTPException) as why:
        raise DataError(
            f"{op}: {source.url}: could not be downloaded to {path} ({why}): put the file there by other means, or set "
            f"${VARIABLE} to a folder that has it"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return path
