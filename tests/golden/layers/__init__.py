"""Layers as they are compared with PyTorch, one file a family; its arrays lie beside it, `<family>.npz`.

A family's file is found by its name alone and holds `LAYERS`, a list of rows.
"""

from __future__ import annotations

import importlib
import pkgutil

from ._layer import Layer, leaves

__all__ = ["FAMILIES", "Layer", "leaves"]

#: Family -> id -> row.
FAMILIES: dict[str, dict[str, Layer]] = {}
for _module in pkgutil.iter_modules(__path__):
    if not _module.name.startswith("_"):
        FAMILIES[_module.name] = {row.id: row for row in importlib.import_module(f"{__name__}.{_module.name}").LAYERS}
