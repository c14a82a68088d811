"""DLPack in both directions: NumPy, PyTorch where it is installed, capsules of both kinds, lifetimes."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import ferrograd as fg

DTYPES = ["bool", "uint8", "int32", "int64", "float16", "float32", "float64"]


class Producer:
    """Exports a Tensor or an ndarray as the keywords given to it say."""

    def __init__(self, source: Any, device: tuple[int, int] = (1, 0), **fixed: Any) -> None:
        self.source, self.device, self.fixed = source, device, fixed

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self.source.__dlpack__(**(kwargs | self.fixed))


class Old(Producer):
    """A library from before DLPack 1.0: its `__dlpack__` knows no keyword."""

    def __dlpack__(self) -> Any:  # type: ignore[override]
        return self.source.__dlpack__()


def capsule_name(capsule: Any) -> str:
    return repr(capsule).split('"')[1]


@pytest.mark.parametrize("dtype", DTYPES)
def test_out_to_numpy(dtype: str) -> None:
    tensor = fg.tensor([[0, 1, 1], [1, 0, 1]], dtype=dtype)
    array = np.from_dlpack(tensor)
    assert array.dtype == dtype
    assert array.ctypes.data == tensor.data_ptr()
    assert array.tolist() == tensor.tolist()
    array[0, 0] = 1
    assert tensor[0, 0].item() == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_in_from_numpy(dtype: str) -> None:
    array = np.array([[0, 1, 1], [1, 0, 1]], dtype)
    tensor = fg.from_dlpack(array)
    assert tensor.dtype.name == dtype
    assert tensor.data_ptr() == array.ctypes.data
    assert tensor.tolist() == array.tolist()
    tensor[0, 0] = 1
    assert array[0, 0] == 1


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4)[::-1, ::-2], np.arange(6.0).reshape(2, 3).T, np.array(3.0), np.zeros((0, 3)),
        np.broadcast_to(np.arange(3.0), (2, 3)), np.arange(8.0)[2:6],
    ],
    ids=["negative", "transposed", "0-d", "zero-size", "broadcast", "offset"],
)  # fmt: skip
def test_layouts(array: np.ndarray) -> None:
    tensor = fg.from_dlpack(array)
    np.testing.assert_array_equal(tensor.numpy(), array)
    np.testing.assert_array_equal(np.from_dlpack(tensor), array)
    np.testing.assert_array_equal((tensor * 2).numpy(), array * 2)
    if array.size:
        assert np.from_dlpack(tensor).ctypes.data == array.ctypes.data


def test_the_owner_may_go_first() -> None:
    array = np.full(1000, 3.0)
    owner = weakref.ref(array)
    tensor = fg.from_dlpack(array)
    del array
    gc.collect()
    assert owner() is not None
    part = tensor[5:8]
    del tensor
    assert part.tolist() == [3.0] * 3
    del part
    gc.collect()
    assert owner() is None

    before = fg.memory_stats()["in_use"]
    shown = np.from_dlpack(fg.full((1000,), 2.0))
    others = [fg.full((1000,), float(k)) for k in range(5)]
    assert shown.tolist() == [2.0] * 1000
    del others, shown
    assert fg.memory_stats()["in_use"] == before


@pytest.mark.parametrize("version", [None, (0, 8), (1, 0), (1, 3), (2, 0)])
def test_capsules_that_nobody_consumes_are_freed(version: Any) -> None:
    before = fg.memory_stats()["in_use"]
    capsule = fg.zeros(1000).__dlpack__(max_version=version)
    assert capsule_name(capsule) == ("dltensor_versioned" if version and version[0] >= 1 else "dltensor")
    assert fg.memory_stats()["in_use"] > before
    del capsule
    assert fg.memory_stats()["in_use"] == before


@pytest.mark.parametrize("version", [None, (1, 0)])
def test_a_capsule_is_consumed_once(version: Any) -> None:
    before = fg.memory_stats()["in_use"]
    capsule = fg.full((1000,), 4.0).__dlpack__(max_version=version)
    tensor = fg.from_dlpack(capsule)
    assert capsule_name(capsule).startswith("used_dltensor")
    with pytest.raises(BufferError, match="consumed"):
        fg.from_dlpack(capsule)
    del capsule
    assert tensor.tolist() == [4.0] * 1000
    del tensor
    assert fg.memory_stats()["in_use"] == before


@pytest.mark.parametrize("kind", [Producer, Old])
def test_producers_of_both_ages(kind: type[Producer]) -> None:
    tensor = fg.tensor([1.0, 2.0])
    again = fg.from_dlpack(kind(tensor))
    assert again.data_ptr() == tensor.data_ptr()
    again[0] = 5
    assert tensor.tolist() == [5.0, 2.0]


def test_read_only_memory() -> None:
    array = np.zeros(3)
    array.flags.writeable = False
    tensor = fg.from_dlpack(array)
    with pytest.raises(RuntimeError, match="read-only"):
        tensor.add_(1)
    assert not np.from_dlpack(tensor).flags.writeable
    with pytest.raises(BufferError, match="read-only memory"):
        tensor.__dlpack__()
    assert fg.from_dlpack(Old(fg.tensor(array))).add_(1).tolist() == [1, 1, 1]
    assert capsule_name(tensor.__dlpack__(copy=True)) == "dltensor"


def test_copies() -> None:
    tensor = fg.tensor([1.0, 2.0])
    assert fg.from_dlpack(tensor, copy=True).data_ptr() != tensor.data_ptr()
    assert fg.from_dlpack(tensor, copy=False).data_ptr() == tensor.data_ptr()
    assert fg.from_dlpack(Old(tensor), copy=True).data_ptr() != tensor.data_ptr()
    array = np.from_dlpack(tensor, copy=True)
    assert array.ctypes.data != tensor.data_ptr()
    assert array.tolist() == [1.0, 2.0]


def test_unaligned_memory_is_copied() -> None:
    raw = np.zeros(33, np.uint8)
    array = raw[1:].view(np.float64).reshape(2, 2)[:, ::-1]
    array[...] = [[1, 2], [3, 4]]
    tensor = fg.from_dlpack(array)
    assert tensor.tolist() == [[1, 2], [3, 4]]
    assert tensor.data_ptr() % 8 == 0


def test_a_tensor_that_requires_grad_is_not_exported() -> None:
    leaf = fg.ones(2, requires_grad=True)
    for tensor in (leaf, leaf * 2):
        with pytest.raises(BufferError, match=r"requires grad.*detach\(\)"):
            np.from_dlpack(tensor)
    assert np.from_dlpack(leaf.detach()).tolist() == [1.0, 1.0]


def test_what_cannot_be_exchanged() -> None:
    tensor = fg.ones(2)
    for bad in ({"stream": 1}, {"dl_device": (2, 0)}):
        with pytest.raises(BufferError, match=f"__dlpack__: {next(iter(bad))}: expected"):
            tensor.__dlpack__(**bad)
    assert tensor.__dlpack_device__() == (1, 0)
    assert capsule_name(tensor.__dlpack__(stream=None, dl_device=(1, 0), copy=None)) == "dltensor"
    with pytest.raises(BufferError, match="device type 2"):
        fg.from_dlpack(Producer(tensor, device=(2, 0)))
    with pytest.raises(TypeError, match="expected an object with __dlpack__ and __dlpack_device__, got list"):
        fg.from_dlpack([1.0])
    with pytest.raises(BufferError, match="capsule"):
        fg.from_dlpack(__import__("datetime").datetime_CAPI)
    for array in (np.zeros(2, np.int8), np.zeros(2, np.uint16), np.zeros(2, complex)):
        with pytest.raises(TypeError, match=rf"DLPack type code \d of {array.itemsize * 8} bits"):
            fg.from_dlpack(array)
    with pytest.raises(RuntimeError, match="device: expected 'cpu'"):
        fg.from_dlpack(tensor, device="cuda")


def test_bfloat16_through_our_own_capsules() -> None:
    tensor = fg.tensor([1.5, -2.0], dtype=fg.bfloat16)
    again = fg.from_dlpack(tensor)
    assert again.dtype is fg.bfloat16
    assert again.float().tolist() == [1.5, -2.0]


@pytest.mark.parametrize("dtype", [*DTYPES, "bfloat16"])
def test_pytorch(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    ours = fg.tensor([[0, 1, 1], [1, 0, 1]], dtype=dtype)
    theirs = torch.from_dlpack(ours)
    assert theirs.dtype == getattr(torch, dtype)
    assert theirs.data_ptr() == ours.data_ptr()
    assert theirs.tolist() == ours.tolist()
    back = fg.from_dlpack(theirs.T)
    assert back.dtype is ours.dtype
    assert back.data_ptr() == ours.data_ptr()
    assert back.shape == (3, 2)
    address = ours.data_ptr()
    del ours, theirs
    assert back.data_ptr() == address
    assert back.tolist() == [[0, 1], [1, 0], [1, 1]]
    with pytest.raises(BufferError, match="grad"):
        fg.from_dlpack(torch.ones(2, requires_grad=True))
