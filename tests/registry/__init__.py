"""The table of ops, one file a family. `test_registry.py` derives its tests from `ROWS`.

To register an op, add a `Row` to `ROWS` of its family's file; a family's file is found by its name alone.
"""

from __future__ import annotations

import importlib
import pkgutil

from ._row import Arr, Bad, Row, Sample

__all__ = ["ROWS", "Arr", "Bad", "Row", "Sample"]

ROWS: list[Row] = []
for _module in pkgutil.iter_modules(__path__):
    if not _module.name.startswith("_"):
        ROWS.extend(importlib.import_module(f"{__name__}.{_module.name}").ROWS)
