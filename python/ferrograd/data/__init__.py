"""Data sets, read and checked."""

from .datasets import DataError, Split, digits, mnist

__all__ = ["DataError", "Split", "digits", "mnist"]
