"""The named tuples that functions of several results give."""

from __future__ import annotations

from typing import Any, NamedTuple


class ValuesIndices(NamedTuple):
    """Elements along a dimension, and their indices."""

    values: Any
    indices: Any


class MinMax(NamedTuple):
    """The smallest and the largest elements."""

    min: Any
    max: Any
