"""What a row of the registry is made of."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Arr:
    """A random operand: uniform in [low, high), kept `gap` away from each number in `away_from` (kinks).

    `kind` is "float" (differentiable; runs in float32 and float64), "int" (int64) or "bool". `distinct` spreads the
    values so that no two are closer than 1e-3 (ties have exact tests of their own).
    """

    shape: tuple[int, ...]
    low: float = -2.0
    high: float = 2.0
    kind: str = "float"
    away_from: tuple[float, ...] = ()
    gap: float = 1e-2
    distinct: bool = False
    differentiable: bool = True

    def make(self, seed: int) -> np.ndarray:
        """The operand in float64, int64 or bool."""
        rng = np.random.default_rng(seed)
        if self.kind == "bool":
            return np.asarray(rng.random(self.shape) < 0.5)
        if self.kind == "int":
            return np.asarray(rng.integers(int(self.low), int(self.high), self.shape))
        n = int(np.prod(self.shape, dtype=np.int64))
        if self.distinct and n:
            x = np.linspace(self.low, self.high, n)
            rng.shuffle(x)
            x = x.reshape(self.shape)
        else:
            x = rng.uniform(self.low, self.high, self.shape)
        for kink in self.away_from:
            near = np.abs(x - kink) < self.gap
            x = np.where(near, kink + np.where(x >= kink, self.gap, -self.gap) * 2, x)
        # Exact in float32, so that both dtypes see the same numbers.
        return np.asarray(x).astype(np.float32).astype(np.float64)


@dataclass(frozen=True)
class Sample:
    """One call: operands (an `Arr`, a number, None, or a fixed ndarray) and attributes."""

    operands: tuple[Any, ...]
    attributes: dict[str, Any] = field(default_factory=dict)

    def make(self, name: str) -> list[Any]:
        """The operands as float64 (int64, bool) arrays; the same every time."""
        seed = zlib.crc32(repr((name, self)).encode())
        return [x.make(seed + k) if isinstance(x, Arr) else x for k, x in enumerate(self.operands)]

    @property
    def numel(self) -> int:
        """Elements of the largest operand."""
        return max((int(np.prod(x.shape)) for x in self.operands if hasattr(x, "shape")), default=1)


@dataclass(frozen=True)
class Bad:
    """A call that raises `exception` with a message that matches `match`."""

    operands: tuple[Any, ...]
    attributes: dict[str, Any]
    exception: type[Exception]
    match: str


@dataclass
class Row:
    """An op with its samples, its wrong calls and its reference.

    Args:
        name: the op's name in `ferrograd.ops` (several rows may share it).
        reference: the op in plain NumPy on float64 arrays: same operands, same attributes; an array or a tuple.
        samples: calls with small and large operands; zero-size and 0-d ones among them where the op takes them.
        errors: wrong calls.
        call: how to call it; default `getattr(ferrograd.ops, name)`.
        rtol: relative error allowed in float32, against the largest magnitude of the result where `scaled`.
        differentiable: whether float operands have gradients.
        second: whether second-order gradients are checked.
        parts: which of several results are compared and differentiated; default all.
        covers: other ops that this row exercises (the kernels of its gradient, say).
        torch: the same call in PyTorch, `f(torch, *operands, **attributes)`; None where it has none.
    """

    name: str
    reference: Callable[..., Any] | None
    samples: Sequence[Sample]
    errors: Sequence[Bad] = ()
    call: Callable[..., Any] | None = None
    rtol: float = 3e-6
    scaled: bool = False
    differentiable: bool = True
    second: bool = True
    parts: tuple[int, ...] | None = None
    covers: tuple[str, ...] = ()
    torch: Callable[..., Any] | None = None
    id: str = ""

    def __post_init__(self) -> None:
        self.id = self.id or self.name

    def run(self, operands: Sequence[Any], attributes: dict[str, Any]) -> Any:
        """The op on these operands."""
        from ferrograd import ops

        return (self.call or getattr(ops, self.name))(*operands, **attributes)

    def results(self, outcome: Any) -> list[Any]:
        """The results that are compared, as a list."""
        many = list(outcome) if isinstance(outcome, (tuple, list)) else [outcome]
        return many if self.parts is None else [many[k] for k in self.parts]
