"""Comparisons for tests, with PyTorch's tolerances."""

from __future__ import annotations

from typing import Any

from . import _core
from .creation import as_tensor
from .functions.queries import isclose

__all__ = ["assert_close"]

#: dtype: (rtol, atol).
_TOLERANCES = {"float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}


def assert_close(
    actual: Any, expected: Any, *, rtol: float | None = None, atol: float | None = None, equal_nan: bool = False,
    check_dtype: bool = True, msg: str | None = None,
) -> None:  # fmt: skip
    """Raises an AssertionError unless |actual − expected| ≤ atol + rtol · |expected| everywhere.

    Shapes and (unless `check_dtype` is False) dtypes have to agree; integers have to be equal. The tolerances are
    PyTorch's for the dtype, or both given. Sequences and dicts are compared item by item.
    """
    if (rtol is None) != (atol is None):
        raise ValueError("assert_close: rtol, atol: expected both or none of them, got one")
    options: dict[str, Any] = {
        "rtol": rtol, "atol": atol, "equal_nan": equal_nan, "check_dtype": check_dtype, "msg": msg
    }  # fmt: skip
    if isinstance(actual, dict) and isinstance(expected, dict):
        if actual.keys() != expected.keys():
            raise AssertionError(msg or f"assert_close: keys: {sorted(actual)} and {sorted(expected)}")
        for key in expected:
            assert_close(actual[key], expected[key], **options)
        return
    if isinstance(actual, (list, tuple)) and isinstance(expected, (list, tuple)):
        if len(actual) != len(expected):
            raise AssertionError(msg or f"assert_close: lengths: {len(actual)} and {len(expected)}")
        for a, b in zip(actual, expected, strict=True):
            assert_close(a, b, **options)
        return
    a, b = as_tensor(actual), as_tensor(expected)
    if a.shape != b.shape:
        raise AssertionError(msg or f"assert_close: shapes: {a.shape} and {b.shape}")
    if a._dtype != b._dtype:
        if check_dtype:
            raise AssertionError(msg or f"assert_close: dtypes: {a._dtype} and {b._dtype}")
        dtype = _core.result_type(a, b)
        a, b = a.to(dtype), b.to(dtype)
    found = [_TOLERANCES.get(x._dtype, (0.0, 0.0)) for x in (as_tensor(actual), as_tensor(expected))]
    r, t = (max(pair) for pair in zip(*found, strict=True)) if rtol is None or atol is None else (rtol, atol)
    if a._dtype in ("float16", "bfloat16"):
        a, b = a.float(), b.float()
    close = isclose(a, b, r, t, equal_nan)
    if bool(close.all()):
        return
    wrong = (~close).nonzero()
    place = tuple(wrong[0].tolist())
    raise AssertionError(
        msg
        or f"assert_close: {len(wrong)} of {a.numel()} elements differ by more than {t:g} + {r:g} · |expected|; the first "
        f"at {place}: {a[place].item()} and {b[place].item()}"
    )
