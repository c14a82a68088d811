"""NumPy arrays in and out: shared memory, every layout, writability, NumPy's functions and operators on Tensors."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import _numpy

# -- memory -----------------------------------------------------------------------------------------------------------


def test_from_numpy_shares_memory() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    tensor = fg.from_numpy(array)
    array[0, 0] = 7
    assert tensor[0, 0].item() == 7
    tensor[1, 2] = 9
    assert array[1, 2] == 9
    assert tensor.data_ptr() == array.ctypes.data


def test_tensor_copies() -> None:
    array = np.zeros(3)
    tensor = fg.tensor(array)
    array[0] = 1
    assert tensor.tolist() == [0, 0, 0]


def test_numpy_shares_memory() -> None:
    tensor = fg.zeros(3)
    array = tensor.numpy()
    array[1] = 5
    assert tensor.tolist() == [0, 5, 0]
    tensor[2] = 6
    assert array.tolist() == [0, 5, 6]
    assert np.shares_memory(np.asarray(tensor), array)


def test_a_tensor_keeps_its_array_alive() -> None:
    array = np.full(1000, 3.0)
    owner = weakref.ref(array)
    tensor = fg.from_numpy(array)
    del array
    gc.collect()
    assert owner() is not None
    assert tensor.tolist() == [3.0] * 1000
    view = tensor[10:20]
    del tensor
    assert view.tolist() == [3.0] * 10
    del view
    assert owner() is None


def test_an_array_keeps_its_tensor_alive() -> None:
    fg.empty_cache()
    tensor = fg.full((1000,), 2.0)
    array = tensor.numpy()[5:10]
    in_use = fg.memory_stats()["in_use"]
    del tensor
    others = [fg.full((1000,), float(k)) for k in range(5)]
    assert array.tolist() == [2.0] * 5
    del others
    assert fg.memory_stats()["in_use"] == in_use
    del array
    assert fg.memory_stats()["in_use"] < in_use


def test_round_trips_do_not_copy() -> None:
    array = np.arange(4.0)
    assert fg.from_numpy(array).numpy().ctypes.data == array.ctypes.data
    assert fg.as_tensor(array).numpy().ctypes.data == array.ctypes.data


LAYOUTS = {
    "0-d": lambda: np.array(3.0),
    "zero-size": lambda: np.zeros((0, 3)),
    "zero-size inside": lambda: np.zeros((4, 3))[2:2],
    "transposed": lambda: np.arange(6.0).reshape(2, 3).T,
    "Fortran": lambda: np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "negative strides": lambda: np.arange(12.0).reshape(3, 4)[::-1, ::-2],
    "step": lambda: np.arange(12.0)[1::3],
    "broadcast": lambda: np.broadcast_to(np.arange(3.0), (4, 3)),
    "six dimensions": lambda: np.arange(64.0).reshape(2, 2, 2, 2, 2, 2).transpose(5, 0, 4, 1, 3, 2),
    "matrix": lambda: np.asmatrix(np.arange(6.0).reshape(2, 3)),
    "aligned field": lambda: np.zeros(4, dtype=[("a", "f8"), ("b", "f8")])["b"],
}


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_are_shared(name: str) -> None:
    array = LAYOUTS[name]()
    tensor = fg.from_numpy(array)
    assert tensor.shape == array.shape
    np.testing.assert_array_equal(tensor.numpy(), array)
    if array.size:
        assert tensor.data_ptr() == array.ctypes.data
        assert tuple(s * 8 for s in tensor.stride()) == array.strides
    np.testing.assert_array_equal((tensor + 1).numpy(), np.asarray(array) + 1)
    np.testing.assert_array_equal(fg.add(array, array).numpy(), np.asarray(array) * 2)


def unaligned() -> np.ndarray:
    raw = np.zeros(33, np.uint8)
    view = raw[1:].view(np.float64)
    view[...] = [1, 2, 3, 4]
    assert not view.flags.aligned
    return view


COPIED = {
    "byte-swapped": lambda: np.array([1.0, 2, 3, 4], dtype=">f8"),
    "unaligned": unaligned,
    "packed field": lambda: np.array([(0, 1.0), (0, 2.0), (0, 3.0), (0, 4.0)], dtype=[("a", "u1"), ("b", "f8")])["b"],
}


@pytest.mark.parametrize("name", COPIED)
def test_layouts_that_no_kernel_can_read_are_copied(name: str) -> None:
    array = COPIED[name]()
    tensor = fg.from_numpy(array)
    assert tensor.tolist() == [1, 2, 3, 4]
    assert (tensor + array).tolist() == [2, 4, 6, 8]
    assert not np.shares_memory(tensor.numpy(), array)


def test_masked_arrays_are_refused() -> None:
    masked = np.ma.masked_array([1.0, 2.0], [True, False])
    with pytest.raises(TypeError, match=r"from_numpy: array: .*mask.*\.filled"):
        fg.from_numpy(masked)
    with pytest.raises(TypeError, match=r"add: other: .*mask"):
        fg.ones(2) + masked


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(2, complex), np.array(["a"]), np.array([object()]), np.zeros(2, np.int8), np.zeros(2, np.uint16),
        np.zeros(2, np.uint64), np.zeros(2, np.longdouble), np.zeros(2, "M8[s]"), np.zeros(2, [("a", "f4")]),
    ],
    ids=lambda a: str(a.dtype),
)  # fmt: skip
def test_dtypes_that_we_have_not(array: np.ndarray) -> None:
    for call in (fg.from_numpy, fg.tensor, fg.as_tensor, lambda a: fg.add(a, 1)):
        with pytest.raises(TypeError, match="expected") as caught:
            call(array)
        assert str(array.dtype) in str(caught.value)


def test_what_is_no_array() -> None:
    with pytest.raises(TypeError, match="from_numpy: array: expected an ndarray, got list"):
        fg.from_numpy([1.0])
    with pytest.raises(TypeError, match="add: other: expected a Tensor, an ndarray or a number, got complex"):
        fg.ones(2) + 1j


def test_read_only_arrays() -> None:
    array = np.zeros(3)
    array.flags.writeable = False
    tensor = fg.from_numpy(array)
    assert not tensor.numpy().flags.writeable
    for write in (lambda: tensor.add_(1), lambda: tensor.__setitem__(0, 1.0), lambda: fg.add(tensor, 1, out=tensor)):
        with pytest.raises(RuntimeError, match="read-only"):
            write()
    assert array.tolist() == [0, 0, 0]
    assert fg.tensor(array).add_(1).tolist() == [1, 1, 1]


def test_writability_follows_the_graph() -> None:
    leaf = fg.zeros(3)
    assert leaf.numpy().flags.writeable
    leaf.requires_grad = True
    result = leaf * 2
    for tensor in (leaf, result, leaf[1:], result.reshape(3, 1)):
        for array in (tensor.numpy(), np.asarray(tensor)):
            assert not array.flags.writeable
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 1
    assert leaf.detach().numpy().flags.writeable
    with fg.no_grad():
        assert (leaf * 2).numpy().flags.writeable


def test_dtypes_go_through_unchanged() -> None:
    for name in ("bool", "uint8", "int32", "int64", "float16", "float32", "float64"):
        array = np.array([0, 1], name)
        tensor = fg.from_numpy(array)
        assert tensor.dtype.name == name
        assert tensor.numpy().dtype == array.dtype
        assert tensor.tolist() == array.tolist()
    assert fg.from_numpy(np.zeros(2, np.longlong)).dtype is fg.int64


def test_bfloat16_arrays() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.array([1.5, -2.0], ml_dtypes.bfloat16)
    tensor = fg.from_numpy(array)
    assert tensor.dtype is fg.bfloat16
    assert tensor.float().tolist() == [1.5, -2.0]
    back = tensor.numpy()
    assert back.dtype == array.dtype
    assert back.ctypes.data == array.ctypes.data
    assert np.asarray(fg.tensor([1.0], dtype=fg.bfloat16)).dtype == array.dtype


def test_bfloat16_without_ml_dtypes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ml_dtypes", None)
    with pytest.raises(TypeError, match=r"NumPy has no bfloat16; convert with \.float\(\)"):
        fg.tensor([1.0], dtype=fg.bfloat16).numpy()


def test_array_protocol() -> None:
    tensor = fg.tensor([1.0, 2.0])
    assert np.asarray(tensor).ctypes.data == tensor.data_ptr()
    assert np.array(tensor).ctypes.data != tensor.data_ptr()
    assert np.asarray(tensor, dtype=np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="copy"):
        np.array(tensor, dtype=np.float64, copy=False)
    assert np.array(tensor, copy=False).ctypes.data == tensor.data_ptr()
    assert np.array([fg.tensor(1.0), fg.tensor(2.0)]).tolist() == [1.0, 2.0]


# -- NumPy's functions ------------------------------------------------------------------------------------------------

#: Names in the tables of `_numpy.py` that this build has no function for.
PENDING: set[str] = set()


def test_what_is_not_mapped() -> None:
    assert _numpy.unmapped() == PENDING


def test_the_tables_name_numpy() -> None:
    assert all(isinstance(getattr(np, name), np.ufunc) for name in [*_numpy.UFUNCS, *_numpy.REDUCTIONS])
    assert all(callable(getattr(np, name)) for name in [*_numpy.FUNCTIONS, *_numpy.QUESTIONS])


def test_operators_between_arrays_and_tensors() -> None:
    array, tensor = np.array([1.0, 2.0], np.float32), fg.tensor([3.0, 4.0])
    for result in (array + tensor, tensor + array, np.add(array, tensor), np.add(tensor, array)):
        assert type(result) is fg.Tensor
        assert result.tolist() == [4.0, 6.0]
    for scalar in (np.float32(2), np.float64(2), np.int64(2), np.array(2.0)):
        assert type(scalar * tensor) is fg.Tensor
        assert (scalar * tensor).dtype is fg.float32
        assert (scalar * tensor).tolist() == (tensor * scalar).tolist() == [6.0, 8.0]
    assert (array @ tensor).item() == (tensor @ array).item() == 11


def test_an_array_operand_is_recorded() -> None:
    leaf = fg.ones(2, requires_grad=True)
    result = np.array([2.0, 3.0], np.float32) * leaf
    assert result.requires_grad
    result.backward(fg.ones(2))
    assert leaf.grad is not None
    assert leaf.grad.tolist() == [2.0, 3.0]


@pytest.mark.parametrize("name", [name for name, ours in _numpy.UFUNCS.items() if ours not in _numpy.unmapped()])
def test_ufuncs(name: str) -> None:
    ufunc = getattr(np, name)
    dtype = np.int64 if name.startswith("bitwise") or name == "invert" else np.float32
    operands = [np.array([[1, 2], [3, 4]], dtype), np.array([[2, 1], [1, 2]], dtype)][: ufunc.nin]
    with np.errstate(all="ignore"):  # outside of a function's domain
        want = ufunc(*operands)
    got = ufunc(fg.tensor(operands[0]), *operands[1:])
    assert type(got) is fg.Tensor
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-6)
    assert got.numpy().dtype == want.dtype
    into = fg.zeros(2, 2, dtype=want.dtype)
    assert ufunc(fg.tensor(operands[0]), *operands[1:], out=into) is into
    np.testing.assert_allclose(into.numpy(), want, rtol=1e-6)


CALLS: dict[str, Any] = {
    "all": lambda x: [np.all(x > 0), np.all(x > 0, axis=0)],
    "amax": lambda x: [np.amax(x), np.amax(x, axis=1)],
    "amin": lambda x: [np.amin(x), np.amin(x, axis=1, keepdims=True)],
    "any": lambda x: [np.any(x > 3), np.any(x > 3, axis=1)],
    "argmax": lambda x: [np.argmax(x), np.argmax(x, axis=1)],
    "argmin": lambda x: [np.argmin(x), np.argmin(x, axis=1, keepdims=True)],
    "argsort": lambda x: [np.argsort(x), np.argsort(x, axis=0), np.argsort(x, axis=None, kind="stable")],
    "broadcast_to": lambda x: [np.broadcast_to(x, (2, 2, 3)), np.broadcast_to(x[0, 0], 3)],
    "clip": lambda x: [np.clip(x, 1, 3), np.clip(x, None, 2), np.clip(x, min=2)],
    "column_stack": lambda x: [np.column_stack((x[0], x.T[:, :1]))],
    "concatenate": lambda x: [np.concatenate([x, np.ones((1, 3), np.float32)]), np.concatenate((x, x), axis=None)],
    "copy": lambda x: [np.copy(x)],
    "count_nonzero": lambda x: [np.count_nonzero(x > 2, axis=0), np.count_nonzero(x > 2, axis=1, keepdims=True)],
    "cumprod": lambda x: [np.cumprod(x), np.cumprod(x, axis=1)],
    "cumsum": lambda x: [np.cumsum(x), np.cumsum(x, axis=0), np.cumsum(x, axis=-1, dtype=np.float64)],
    "diag": lambda x: [np.diag(x), np.diag(x[0], 1)],
    "diagonal": lambda x: [np.diagonal(x, 1)],
    "diff": lambda x: [np.diff(x), np.diff(x, 2, axis=1), np.diff(x, axis=0, prepend=np.float32(1), append=x[:1])],
    "dot": lambda x: [np.dot(x, x.T), np.dot(x, np.float32(2)), np.dot(x, x[0])],
    "dstack": lambda x: [np.dstack((x, x))],
    "einsum": lambda x: [np.einsum("ij,kj->ik", x, x), np.einsum("ij->j", x)],
    "empty_like": lambda x: [np.empty_like(x) * 0],
    "expand_dims": lambda x: [np.expand_dims(x, 1), np.expand_dims(x, (0, -1))],
    "fix": lambda x: [np.fix(x), np.fix(-x)],
    "flip": lambda x: [np.flip(x), np.flip(x, 0), np.flip(x, axis=(0, 1))],
    "full_like": lambda x: [np.full_like(x, 7)],
    "hstack": lambda x: [np.hstack((x, x))],
    "inner": lambda x: [np.inner(x, x)],
    "isin": lambda x: [np.isin(x, [0.5, 3.75]), np.isin(x, np.array([0.5], np.float32), invert=True)],
    "kron": lambda x: [np.kron(x, x[:1])],
    "max": lambda x: [np.max(x), np.max(x, axis=(0, 1)), np.max(x, axis=-1, keepdims=True)],
    "mean": lambda x: [np.mean(x), np.mean(x, axis=0), np.mean(x, axis=(0, 1), keepdims=True)],
    "min": lambda x: [np.min(x), np.min(x, axis=0)],
    "moveaxis": lambda x: [np.moveaxis(x, 0, 1)],
    "nan_to_num": lambda x: [np.nan_to_num(np.where(x > 2, np.float32(np.inf), x)), np.nan_to_num(x, nan=1.0)],
    "nanmean": lambda x: [np.nanmean(x), np.nanmean(x, axis=0)],
    "nansum": lambda x: [np.nansum(x), np.nansum(x, axis=1, keepdims=True)],
    "ones_like": lambda x: [np.ones_like(x), np.ones_like(x, dtype=np.int64)],
    "outer": lambda x: [np.outer(x[0], x[1]), np.outer(x, x)],
    "prod": lambda x: [np.prod(x), np.prod(x, axis=1)],
    "ravel": lambda x: [np.ravel(x), np.ravel(x.T)],
    "repeat": lambda x: [np.repeat(x, 2), np.repeat(x, [1, 2], axis=0)],
    "reshape": lambda x: [np.reshape(x, (3, 2)), np.reshape(x, -1), np.reshape(x.T, (6,))],
    "roll": lambda x: [np.roll(x, 1), np.roll(x, 1, axis=1)],
    "rot90": lambda x: [np.rot90(x), np.rot90(x, 2)],
    "round": lambda x: [np.round(x), np.round(x, 1), np.round(x, decimals=2)],
    "searchsorted": lambda x: [np.searchsorted(x[0], x), np.searchsorted(x[0], x, side="right")],
    "sinc": lambda x: [np.sinc(x), np.sinc(x * 0)],
    "sort": lambda x: [np.sort(x), np.sort(x, axis=0), np.sort(x, axis=None)],
    "split": lambda x: [*np.split(x, 3, axis=1), *np.split(x, [1], 1)],
    "squeeze": lambda x: [np.squeeze(x[:1]), np.squeeze(x[:1], axis=0)],
    "stack": lambda x: [np.stack([x, x]), np.stack([x, np.zeros((2, 3), np.float32)], axis=-1)],
    "std": lambda x: [np.std(x), np.std(x, axis=0, ddof=1)],
    "sum": lambda x: [np.sum(x), np.sum(x, axis=1), np.sum(x, axis=(0, 1), keepdims=True), np.add.reduce(x)],
    "swapaxes": lambda x: [np.swapaxes(x, 0, 1)],
    "take": lambda x: [np.take(x, [0, 5]), np.take(x, 1, axis=0), np.take(x, [[0, 2]], axis=1)],
    "take_along_axis": lambda x: [np.take_along_axis(x, np.array([[2], [0]]), 1)],
    "tensordot": lambda x: [np.tensordot(x, x.T, 1), np.tensordot(x, x, axes=([0, 1], [0, 1]))],
    "tile": lambda x: [np.tile(x, 2), np.tile(x, (2, 1, 2))],
    "trace": lambda x: [np.trace(x), np.trace(x, 1)],
    "transpose": lambda x: [np.transpose(x), np.transpose(x, (1, 0))],
    "tril": lambda x: [np.tril(x), np.tril(x, 1)],
    "triu": lambda x: [np.triu(x), np.triu(x, -1)],
    "trapezoid": lambda x: [np.trapezoid(x), np.trapezoid(x, dx=0.5, axis=0), np.trapezoid(x, x[0])],
    "var": lambda x: [np.var(x), np.var(x, axis=1), np.var(x, axis=1, ddof=1, keepdims=True)],
    "vstack": lambda x: [np.vstack((x, x[0]))],
    "where": lambda x: [np.where(x > 2, x, -x), np.where(x > 2, x, 0)],
    "zeros_like": lambda x: [np.zeros_like(x)],
}


def test_every_function_has_a_call() -> None:
    assert set(CALLS) == set(_numpy.FUNCTIONS)


@pytest.mark.parametrize("name", [name for name in CALLS if _numpy.FUNCTIONS[name][0] not in _numpy.unmapped()])
def test_functions(name: str) -> None:
    array = np.array([[1.25, 2.5, 3.75], [4.5, 0.5, 2.25]], np.float32)
    for got, want in zip(CALLS[name](fg.tensor(array)), CALLS[name](array), strict=True):
        assert type(got) is fg.Tensor
        assert got.shape == np.shape(want)
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-6)
        assert got.numpy().dtype == np.asarray(want).dtype


def test_functions_are_recorded() -> None:
    leaf = fg.tensor([[1.0, 2.0]], requires_grad=True)
    result = np.transpose(np.reshape(np.multiply(leaf, [[3.0, 4.0]]), (2, 1)))
    result.backward(fg.ones(1, 2))
    assert leaf.grad is not None
    assert leaf.grad.tolist() == [[3.0, 4.0]]


UNMAPPED: dict[str, Any] = {
    "np.partition": lambda x: np.partition(x, 1),
    "np.cbrt": np.cbrt,
    "np.add.accumulate": np.add.accumulate,
    "np.add.outer": lambda x: np.add.outer(x, x),
    "np.add in another dtype": lambda x: np.add(x, 1, dtype=np.float64),
    "np.add into an ndarray": lambda x: np.add(x, 1, out=np.zeros(2, np.float32)),
    "np.linalg.norm": np.linalg.norm,
    "np.fft.fft": np.fft.fft,
    "np.histogram": np.histogram,
    "np.unwrap": np.unwrap,
    "np.modf": np.modf,
}


@pytest.mark.parametrize("name", UNMAPPED)
def test_what_is_unmapped_computes_in_numpy(name: str) -> None:
    array = np.array([2.0, 1.0], np.float32)
    got, want = UNMAPPED[name](fg.tensor(array)), UNMAPPED[name](array)
    assert type(got) is type(want)
    for y, w in zip(got, want, strict=True) if isinstance(want, tuple) else [(got, want)]:
        np.testing.assert_array_equal(y, w)


@pytest.mark.parametrize("name", UNMAPPED)
def test_what_is_unmapped_names_detach(name: str) -> None:
    leaf = fg.tensor([2.0, 1.0], requires_grad=True)
    with pytest.raises(TypeError, match=r"np\.\w+.*requires grad; use detach\(\)"):
        UNMAPPED[name](leaf)
    UNMAPPED[name](leaf.detach())


def test_out_as_an_ndarray() -> None:
    array = np.ones(2, np.float32)
    same = array
    array += fg.tensor([1.0, 2.0])
    assert array is same
    assert array.tolist() == [2.0, 3.0]
    with pytest.raises(TypeError, match=r"use detach\(\)"):
        array += fg.tensor([1.0, 2.0], requires_grad=True)


def test_out_as_a_tensor() -> None:
    out = fg.zeros(2)
    version = out._version
    assert np.add(fg.ones(2), np.ones(2, np.float32), out=out) is out
    assert np.cbrt(fg.tensor([8.0, 27.0]), out=out) is out
    np.testing.assert_allclose(out.numpy(), [2, 3], rtol=1e-6)
    assert out._version == version + 2
    with pytest.raises(TypeError, match=r"use detach\(\)"):
        np.add(fg.ones(2, requires_grad=True), 1, out=out)


def test_questions_are_answered_for_tensors_that_require_grad() -> None:
    leaf = fg.tensor([[1.0, 2.0]], requires_grad=True)
    assert np.shape(leaf) == (1, 2)
    assert np.ndim(leaf) == 2
    assert np.size(leaf) == 2
    assert np.allclose(leaf, [[1, 2]])
    assert np.array_equal(leaf, [[1, 2]])
    assert np.shares_memory(leaf, leaf.detach())


def test_operands_that_know_better_go_first() -> None:
    class Mine:
        __array_ufunc__ = None

        def __radd__(self, other: Any) -> str:
            return "mine"

    assert np.add.__call__(np.ones(2), fg.ones(2)).tolist() == [2, 2]
    with pytest.raises(TypeError):
        np.add(fg.ones(2), Mine())


def test_lists_as_operands_of_numpys_functions() -> None:
    assert np.add(fg.ones(2), [1.0, 2.0]).tolist() == [2.0, 3.0]
    assert type(np.multiply([1.0, 2.0], fg.ones(2))) is fg.Tensor


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_a_matrix_is_an_array() -> None:
    matrix = np.asmatrix([[1.0, 2.0], [3.0, 4.0]])
    tensor = fg.tensor([[1.0, 0.0], [0.0, 1.0]], dtype="float64")
    assert (tensor * matrix).tolist() == [[1, 0], [0, 4]]
    assert fg.from_numpy(matrix).numpy().tolist() == [[1, 2], [3, 4]]
