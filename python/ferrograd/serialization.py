"""Weights to and from files, through safetensors: no code is run by loading one.

A file holds named arrays and a header that says where each lies. Tensors that share all their memory (tied weights) are
written once; the header's metadata names the others. What a checkpoint holds besides tensors (numbers, strings, lists,
dicts) stands in the metadata as JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import _core
from .creation import as_tensor
from .dtypes import device

#: Where the metadata keeps `{alias: name}` of tensors that are written once, and the shape of nested checkpoints.
_TIED = "ferrograd.tied"
_STRUCTURE = "ferrograd.structure"

_DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "I64": "int64", "I32": "int32", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


def save(obj: Any, path: str | os.PathLike[str], *, metadata: Mapping[str, str] | None = None) -> None:
    """Writes a module's state, a state dict or a checkpoint to a safetensors file.

    The file appears as a whole or not at all: it is written beside its place, synced, and renamed. What stood there
    before stays until then.

    Args:
        obj: a Module, a Tensor, a dict of Tensors or ndarrays by name, or dicts, lists, numbers and strings around such.
        path: where to.
        metadata: strings by name for the file's header; `load_metadata` reads them.

    Raises:
        TypeError: for what has no place in such a file, naming its key.
        OSError: where the file cannot be written.
    """
    tensors: dict[str, Any] = {}
    from .nn.module import Module  # loaded here, so that an import of ferrograd does not load all layers

    if isinstance(obj, Module):
        obj = obj.state_dict()
    if not isinstance(obj, (Mapping, list, tuple)) and not _is_array(obj):
        raise TypeError(f"save: obj: expected a Module, a Tensor, or a dict or list of such, got {type(obj).__name__}")
    header = _strings(metadata)
    if isinstance(obj, Mapping) and all(isinstance(k, str) and _is_array(v) for k, v in obj.items()):
        tensors.update(obj)
    else:
        header[_STRUCTURE] = json.dumps(_describe(obj, "", tensors))
    if "__metadata__" in tensors:
        raise ValueError("save: obj: the name '__metadata__' is the file format's own")
    owned, tied = _owned(tensors)
    if tied:
        header[_TIED] = json.dumps(tied)
    _write(owned, os.path.realpath(os.fspath(path)), header)


def load(path: str | os.PathLike[str], map_location: Any = None, *, weights_only: bool = True) -> Any:
    """What `save` has written (or, of any safetensors file, Tensors by name); tied ones are the same Tensor.

    Args:
        path: where from.
        map_location: a device, which can only be the CPU, or PyTorch's mapping of devices to it, which has nothing to do.
        weights_only: accepted; a file holds nothing that could run.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: where it is damaged, cut short, or not a safetensors file; the message names it.
    """
    if map_location is not None and not callable(map_location) and not isinstance(map_location, Mapping):
        device(map_location)
    path = os.fspath(path)
    header = _read_header(path)
    metadata = header.metadata
    tensors = header.read()
    for alias, name in header.tied().items():
        tensors[alias] = tensors[name]
    if _STRUCTURE in metadata:
        try:
            return _rebuild(json.loads(metadata[_STRUCTURE]), tensors)
        except (ValueError, LookupError, TypeError) as why:
            raise ValueError(f"load: {path}: metadata: expected the structure of a checkpoint: {why!r}") from None
    return tensors


def load_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The strings that `save(..., metadata=)` put into the file's header."""
    metadata = _read_header(os.fspath(path)).metadata
    return {k: v for k, v in metadata.items() if k not in (_TIED, _STRUCTURE)}


# -- writing -----------------------------------------------------------------------------------------------------------


def _is_array(value: Any) -> bool:
    return isinstance(value, (_core.TensorBase, np.ndarray))


def _strings(metadata: Mapping[str, str] | None) -> dict[str, str]:
    for key, value in (metadata or {}).items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"save: metadata: expected strings, got {key!r}: {value!r}")
        if key in (_TIED, _STRUCTURE):
            raise ValueError(f"save: metadata: the name {key!r} is ferrograd's own")
    return dict(metadata or {})


def _describe(value: Any, path: str, tensors: dict[str, Any]) -> Any:
    """A checkpoint as JSON; its tensors go into `tensors` under the path that stands in their place."""
    from .nn.module import Module

    if isinstance(value, Module):
        value = value.state_dict()
    if _is_array(value):
        name = path or "tensor"
        while name in tensors:
            name += "_"
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, (str, int)) or isinstance(key, bool):
                raise TypeError(f"save: obj{_at(path)}: expected keys that are strings or ints, got {key!r}")
        return {"dict": [[k, _describe(v, f"{path}.{k}" if path else str(k), tensors)] for k, v in value.items()]}
    if isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_describe(v, f"{path}.{k}" if path else str(k), tensors) for k, v in enumerate(value)]}
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(
        f"save: obj{_at(path)}: expected a Tensor, an ndarray, a number, a string, None, or lists or dicts of these, "
        f"got {type(value).__name__}"
    )


def _at(path: str) -> str:
    return f"['{path}']" if path else ""


def _owned(tensors: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The tensors to write, row-major, and which names stand for the same memory as another."""
    owned: dict[str, Any] = {}
    tied: dict[str, str] = {}
    seen: dict[tuple[Any, ...], str] = {}
    for name, value in tensors.items():
        tensor = as_tensor(value).detach()
        key = (tensor._address, tensor._dtype, tensor.shape, tensor.stride())
        if tensor.numel() and key in seen:
            tied[name] = seen[key]
            continue
        seen[key] = name
        owned[name] = tensor.contiguous()
    return owned, tied


def _write(tensors: dict[str, Any], path: str, metadata: dict[str, str]) -> None:
    # Loaded on first use: importing ferrograd stays fast.
    from safetensors import SafetensorError, TensorSpec, serialize_file

    specs = {
        name: TensorSpec(dtype=t._dtype, shape=list(t.shape), data_ptr=t._address, data_len=t.nbytes)
        for name, t in tensors.items()
    }
    folder, name = os.path.split(path)
    beside = os.path.join(folder, f".{name}.{os.getpid()}-{os.urandom(4).hex()}.tmp")
    try:
        # Made here, so that it gets the permissions that the umask gives, or those of the file that it replaces;
        # safetensors may put a file of its own in this place.
        os.close(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        mode = os.stat(path if os.path.exists(path) else beside).st_mode & 0o7777
        serialize_file(specs, beside, metadata=metadata or None)
        os.chmod(beside, mode)
        _sync(beside, os.O_RDWR)
        os.replace(beside, path)
    except BaseException as why:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        if isinstance(why, SafetensorError):
            raise OSError(f"save: {path}: cannot be written: {why}") from None
        if isinstance(why, OSError) and why.strerror:
            raise type(why)(why.errno, f"save: cannot be written: {why.strerror}", path) from None
        raise
    if hasattr(os, "O_DIRECTORY"):
        # The rename itself lasts only once its folder is on the disk.
        _sync(folder or ".", os.O_RDONLY)


def _sync(path: str, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# -- reading -----------------------------------------------------------------------------------------------------------


class _Header:
    """What the head of a file says: metadata, and dtype, shape and place of each tensor."""

    def __init__(self, path: str, entries: dict[str, Any], start: int) -> None:
        self.path = path
        self.metadata: dict[str, str] = entries.pop("__metadata__", None) or {}
        self.entries = entries
        self.start = start

    def read(self) -> dict[str, Any]:
        """The tensors; each one's bytes are read straight into its memory."""
        import ctypes

        tensors = {}
        with open(self.path, "rb", buffering=0) as file:
            for name, entry in self.entries.items():
                if entry["dtype"] not in _DTYPES:
                    raise ValueError(
                        f"load: {self.path}: '{name}': expected one of {', '.join(_DTYPES)}, got {entry['dtype']}"
                    )
                dtype = _DTYPES[entry["dtype"]]
                tensor = _core.backend.empty(tuple(entry["shape"]), dtype)
                begin, end = entry["data_offsets"]
                if end > begin:
                    file.seek(self.start + begin)
                    memory = memoryview((ctypes.c_char * (end - begin)).from_address(tensor._address)).cast("B")
                    self._fill(file, memory, name)
                if dtype == "bool" and tensor._numpy().view(np.uint8).max(initial=0) > 1:
                    raise ValueError(f"load: {self.path}: '{name}': expected the bytes 0 and 1 only, as BOOL has")
                tensors[name] = tensor
        return tensors

    def _fill(self, file: Any, memory: memoryview, name: str) -> None:
        # One read gives 2 GiB at most.
        while memory:
            count = file.readinto(memory)
            if not count:
                raise ValueError(f"load: {self.path}: '{name}': expected {len(memory)} more bytes, got the file's end")
            memory = memory[count:]

    def tied(self) -> dict[str, str]:
        """`{alias: name}` of tensors that are written once."""
        try:
            tied = json.loads(self.metadata.get(_TIED, "{}"))
            good = isinstance(tied, dict) and all(name in self.entries for name in tied.values())
        except (ValueError, TypeError):
            good = False
        if not good:
            raise ValueError(f"load: {self.path}: metadata: expected tied names that the file has, got damaged ones")
        aliases = {a: n for a, n in self.metadata.items() if n in self.entries and a not in self.entries}
        # `safetensors.torch.save_model` names tied weights in the metadata, newer releases nothing else.
        if self.metadata.get("format") == "pt" or len(aliases) == len(self.metadata):
            tied |= aliases
        return tied  # type: ignore[no-any-return]


def _read_header(path: str) -> _Header:
    from safetensors import SafetensorError, safe_open

    if not os.path.exists(path):
        raise FileNotFoundError(f"load: {path}: no such file; expected a safetensors file, as fg.save writes")
    if os.path.isdir(path):
        raise IsADirectoryError(f"load: {path}: expected a safetensors file, got a directory")
    size = os.path.getsize(path)
    if size < 8:
        raise ValueError(f"load: {path}: expected a safetensors file, got {size} bytes")
    try:
        # It checks that the header is well formed and that the places in it fill the file exactly.
        with safe_open(path, framework="numpy"):
            pass
    except SafetensorError as why:
        reason = " ".join(str(why).split())
        raise ValueError(
            f"load: {path}: expected a whole safetensors file, got {size} bytes that are damaged or cut short: {reason}"
        ) from None
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        entries = json.loads(file.read(length))
    return _Header(path, entries, 8 + length)


def _rebuild(value: Any, tensors: dict[str, Any]) -> Any:
    """The inverse of `_describe`."""
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {k: _rebuild(v, tensors) for k, v in content}
    if kind == "list":
        return [_rebuild(v, tensors) for v in content]
    if kind == "tuple":
        return tuple(_rebuild(v, tensors) for v in content)
    raise ValueError(f"unknown kind {kind!r}")
