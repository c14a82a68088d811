"""Writes tests/golden/promotion.json: what `torch.result_type` says of every pair of operands.

Run it with an interpreter that has PyTorch: `python tools/golden_promotion.py`.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import torch

DTYPES = ["bool", "uint8", "int32", "int64", "float16", "bfloat16", "float32", "float64"]
SCALARS = {"bool": True, "int": 1, "float": 1.0}


def operands() -> dict[str, object]:
    """Every kind of operand by name: an array, a 0-d array, a Python number."""
    found: dict[str, object] = {}
    for name in DTYPES:
        dtype = getattr(torch, name)
        found[f"{name} array"] = torch.ones(2, dtype=dtype)
        found[f"{name} 0-d"] = torch.ones((), dtype=dtype)
    return found | {f"{name} number": value for name, value in SCALARS.items()}


def main() -> None:
    """Writes the table, one line a left operand."""
    table = {}
    for (a, x), (b, y) in itertools.product(operands().items(), repeat=2):
        table.setdefault(a, {})[b] = str(torch.result_type(x, y)).removeprefix("torch.")
    lines = ",\n".join(f"  {json.dumps(a)}: {json.dumps(row)}" for a, row in table.items())
    out = Path(__file__).parent.parent / "tests" / "golden" / "promotion.json"
    out.write_text(f'{{\n  "torch": "{torch.__version__}",\n{lines}\n}}\n')


if __name__ == "__main__":
    main()
