"""Tensors to be shown, and PyTorch's `repr` of them in `printing.json`: `python tests/golden/printing.py` writes it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_name("printing.json")
NAN, INF = math.nan, math.inf


def _spread(*shape: int) -> np.ndarray:
    """Numbers that look random and are the same everywhere."""
    return np.sin(np.arange(math.prod(shape), dtype=np.float64) * 12.9898).reshape(shape)


def _f32(x: Any) -> np.ndarray:
    return np.asarray(x, np.float32)


#: name: (array, whether it requires grad, print options)
CASES: dict[str, tuple[np.ndarray, bool, dict[str, Any]]] = {
    "0-d": (_f32(1.5), False, {}),
    "0-d whole": (_f32(3), False, {}),
    "0-d int": (np.asarray(7), False, {}),
    "0-d bool": (np.asarray(True), False, {}),
    "0-d grad": (_f32(0.25), True, {}),
    "fixed": (_f32([1, 2.5, -3.25]), False, {}),
    "whole": (_f32([1, 200, -3]), False, {}),
    "zeros": (_f32([0, 0, -0.0]), False, {}),
    "scientific": (_f32([1e-5, 1, 1e5]), False, {}),
    "small": (_f32([1e-5, 2e-5]), False, {}),
    "large": (_f32([123456789.0, 2.5]), False, {}),
    "large whole": (_f32([1e9, 1e9]), False, {}),
    "ratio": (_f32([0.5, 500.5]), False, {}),
    "ratio above": (_f32([0.5, 501.0]), False, {}),
    "nan": (_f32([NAN, 1, 2]), False, {}),
    "inf": (_f32([INF, -INF, 0.5]), False, {}),
    "only nan": (_f32([NAN, INF]), False, {}),
    "matrix": (_f32(_spread(2, 3)), False, {}),
    "grad": (_f32(_spread(2, 3)), True, {}),
    "3-d": (_f32(_spread(2, 2, 3)), False, {}),
    "4-d": (_f32(_spread(2, 1, 2, 2)), False, {}),
    "long lines": (_f32(_spread(30)), False, {}),
    "long rows": (_f32(_spread(2, 12)), False, {}),
    "long ints": (np.arange(40) * 7919, False, {}),
    "suffix on a new line": (_f32(_spread(7)), True, {}),
    "ints": (np.arange(6).reshape(2, 3) - 3, False, {}),
    "int32": (np.arange(3, dtype=np.int32), False, {}),
    "uint8": (np.arange(3, dtype=np.uint8), False, {}),
    "bools": (np.array([[True, False], [False, True]]), False, {}),
    "float64": (_spread(3), False, {}),
    "float64 grad": (_spread(3), True, {}),
    "float16": (_spread(3).astype(np.float16), False, {}),
    "empty": (_f32([]), False, {}),
    "empty matrix": (np.zeros((0, 3), np.float32), False, {}),
    "empty ints": (np.zeros((2, 0), np.int64), False, {}),
    "empty float64": (np.zeros(0), True, {}),
    "summary": (_f32(_spread(1001)), False, {}),
    "not yet a summary": (np.arange(1000), False, {}),
    "summary of a matrix": (_f32(_spread(40, 40)), False, {}),
    "summary of rows": (np.arange(2000).reshape(500, 4), False, {}),
    "summary of columns": (np.arange(2000).reshape(4, 500), False, {}),
    "summary of 3-d": (_f32(_spread(9, 12, 10)), False, {}),
    "summary hides the large": (_f32(np.where(np.arange(1500) == 700, 1e6, _spread(1500))), False, {}),
    "precision": (_f32(_spread(3)), False, {"precision": 2}),
    "threshold": (np.arange(10), False, {"threshold": 5}),
    "edgeitems": (np.arange(100).reshape(10, 10), False, {"threshold": 5, "edgeitems": 1}),
    "no edges": (np.arange(10), False, {"threshold": 5, "edgeitems": 0}),
    "linewidth": (_f32(_spread(12)), False, {"linewidth": 30}),
    "sci_mode": (_f32([1, 2]), False, {"sci_mode": True}),
    "no sci_mode": (_f32([1e-5, 2e9]), False, {"sci_mode": False}),
    "short": (_f32(_spread(50, 50)), False, {"profile": "short"}),
    "full": (np.arange(1100), False, {"profile": "full"}),
}


def shown(library: Any, name: str) -> str:
    """`repr` of a case under one of the two libraries."""
    array, requires_grad, options = CASES[name]
    with library_options(library, options):
        return repr(library.from_numpy(array.copy()).requires_grad_(requires_grad))


def library_options(library: Any, options: dict[str, Any]) -> Any:
    """PyTorch keeps `printoptions` elsewhere."""
    where = library._tensor_str if library.__name__ == "torch" else library
    return where.printoptions(**options)


if __name__ == "__main__":
    import torch

    found = {name: shown(torch, name).replace("torch.", "ferrograd.") for name in CASES}
    FILE.write_text(json.dumps(found, indent=0, ensure_ascii=False) + "\n")
    print(f"{FILE.name}: {len(found)} texts, {FILE.stat().st_size / 1024:.0f} KiB")
