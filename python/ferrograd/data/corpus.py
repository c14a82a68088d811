"""Text as a sequence of numbers, one a character."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np


class Text:
    """A text, its characters' numbers, and its two parts: to train (the first nine tenths) and to develop (the rest).

    A character's number is its place in the vocabulary, all different characters of the text in order.

    Attributes:
        name: what the text is called.
        text: the text.
        vocabulary: its different characters, sorted.
        train: the numbers of its first 90 %, int64.
        dev: the numbers of the rest, int64.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        points = _points(text)
        self._points, numbers = np.unique(points, return_inverse=True)
        self.vocabulary = "".join(map(chr, self._points))
        numbers = numbers.astype(np.int64)
        cut = len(numbers) * 9 // 10
        self.train, self.dev = numbers[:cut], numbers[cut:]

    def encode(self, text: str) -> Any:
        """The numbers of a text's characters (n,), int64.

        Raises:
            ValueError: a character is not in the vocabulary.
        """
        points = _points(text)
        numbers = np.searchsorted(self._points, points)
        known = np.isin(points, self._points)
        if not known.all():
            raise ValueError(
                f"Text.encode: text: expected characters of the vocabulary, got {chr(points[~known][0])!r} "
                f"at place {int(np.argmin(known))}"
            )
        return numbers.astype(np.int64)

    def decode(self, numbers: Iterable[int] | Any) -> str:
        """The characters with these numbers: a list, an array or a tensor of them.

        Raises:
            IndexError: a number is not in 0 … len(vocabulary) − 1.
        """
        chosen = np.asarray(numbers if hasattr(numbers, "__array__") else list(numbers))
        if chosen.size == 0:
            return ""
        if chosen.dtype.kind not in "iu":
            raise TypeError(f"Text.decode: numbers: expected integers, got {chosen.dtype}")
        chosen = chosen.ravel()
        wrong = (chosen < 0) | (chosen >= len(self.vocabulary))
        if wrong.any():
            raise IndexError(
                f"Text.decode: numbers: expected numbers from 0 to {len(self.vocabulary) - 1}, got {chosen[wrong][0]}"
            )
        return "".join(map(chr, self._points[chosen]))

    def __len__(self) -> int:
        return len(self.text)

    def __repr__(self) -> str:
        return f"Text({self.name}: {len(self.text):,} characters, {len(self.vocabulary)} different)"


def _points(text: str) -> Any:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
