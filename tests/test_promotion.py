"""The dtype of every pair of operands is PyTorch's; what PyTorch says was written down by tools/golden_promotion.py."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ferrograd as fg

GOLDEN = json.loads((Path(__file__).parent / "golden" / "promotion.json").read_text())
TABLE = {a: row for a, row in GOLDEN.items() if a != "torch"}
NUMBERS = {"bool number": True, "int number": 1, "float number": 1.0}
#: NumPy scalars promote as the Python numbers of their category.
NUMPY_SCALARS = {
    "bool number": [np.bool_(True)],
    "int number": [np.uint8(1), np.int32(1), np.int64(1)],
    "float number": [np.float16(1), np.float32(1), np.float64(1)],
}
COMPUTED = {"uint8", "int32", "int64", "float32", "float64"}


def operand(name: str) -> Any:
    if name in NUMBERS:
        return NUMBERS[name]
    dtype, _, kind = name.partition(" ")
    return fg.ones((2,) if kind == "array" else (), dtype=dtype)


def test_the_table_is_whole() -> None:
    kinds = {f"{d} {k}" for d in fg.dtypes.BY_NAME for k in ("array", "0-d")} | set(NUMBERS)
    assert set(TABLE) == kinds
    assert all(set(row) == kinds for row in TABLE.values())


@pytest.mark.parametrize("a", TABLE)
def test_result_type(a: str) -> None:
    for b, want in TABLE[a].items():
        if a in NUMBERS and b in NUMBERS:
            continue
        assert fg.result_type(operand(a), operand(b)).name == want, (a, b)
        for scalar in NUMPY_SCALARS.get(b, []):
            assert fg.result_type(operand(a), scalar).name == want, (a, repr(scalar))


@pytest.mark.parametrize("a", TABLE)
def test_ops_give_the_result_type(a: str) -> None:
    tried = 0
    for b, want in TABLE[a].items():
        if want not in COMPUTED or (a in NUMBERS and b in NUMBERS):
            continue
        x, y = operand(a), operand(b)
        for other in [y, *NUMPY_SCALARS.get(b, [])]:
            result = x + other
            assert result.dtype.name == want, (a, b)
            assert result._readable().reshape(-1)[0] == 2
        if isinstance(y, fg.Tensor) and y.dtype is not fg.bfloat16:
            assert fg.add(x, y.numpy()).dtype.name == want, (a, b)
        tried += 1
    assert tried > 0


@pytest.mark.parametrize(("a", "b"), list(itertools.product(fg.dtypes.BY_NAME, repeat=2)))
def test_promote_types(a: str, b: str) -> None:
    assert fg.promote_types(a, b).name == TABLE[f"{a} array"][f"{b} array"]


@pytest.mark.parametrize(
    ("dtype", "value"),
    [("uint8", 300), ("uint8", -1), ("int32", 2**31), ("int32", -(2**31) - 1), ("int64", 2**63), ("float32", 2**63)],
)
def test_an_integer_that_does_not_fit_is_an_error(dtype: str, value: int) -> None:
    """NumPy raises too; PyTorch wraps silently."""
    with pytest.raises(ValueError, match=r"add: other: expected (a value of u?int\d+|an integer of 64 bits)"):
        fg.ones(2, dtype=dtype) + value
    with pytest.raises(ValueError, match="full: fill_value: expected"):
        fg.full((2,), value, dtype=dtype)


def test_integers_at_the_ends_of_their_range() -> None:
    assert (fg.zeros(1, dtype="uint8") + 255).tolist() == [255]
    assert (fg.zeros(1, dtype="int32") + (2**31 - 1)).tolist() == [2**31 - 1]
    assert (fg.zeros(1, dtype="int64") + (-(2**63))).tolist() == [-(2**63)]


def test_integer_arrays_wrap_as_in_both_libraries() -> None:
    x = fg.tensor(np.array([255, 1], np.uint8))
    assert (x + x).tolist() == [254, 2]
    y = fg.tensor(np.array([2**63 - 1]))
    assert (y + 1).tolist() == [-(2**63)]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_for_storage(dtype: str) -> None:
    x = fg.tensor([1.0, 2.0], dtype=dtype)
    for compute in (lambda: x + x, lambda: x * 2.0, lambda: fg.matmul(x, x)):
        with pytest.raises(fg.DTypeError, match=rf"got {dtype}, .*\.float\(\)"):
            compute()
    assert (x + fg.ones(2)).dtype is fg.float32
    assert x.float().to(dtype).tolist() == [1.0, 2.0]


def test_a_result_does_not_fit_an_in_place_operand() -> None:
    x = fg.zeros(2, dtype="int64")
    with pytest.raises((TypeError, RuntimeError), match="out|result"):
        x.add_(1.5)
    assert x.tolist() == [0, 0]
    y = fg.zeros(2)
    y.add_(fg.ones(2, dtype="int64"))
    assert y.tolist() == [1.0, 1.0]
