"""Tensors filled with random numbers, in place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .. import _core, creation, ops
from ._method import method
from .arithmetic import _copy

if TYPE_CHECKING:
    from .._tensor import Tensor

__all__: list[str] = []


def _random_module() -> Any:
    # Late: it holds a generator, whose state is a Tensor, and this file is read before there is that class.
    from .. import random

    return random


@method()
def bernoulli(self: Any, p: float | None = None, *, generator: Any = None) -> Tensor:
    """1 with the probability that stands in the tensor (or p), else 0."""
    return _random_module().bernoulli(self, p, generator=generator)  # type: ignore[no-any-return]


@method()
def multinomial(self: Any, num_samples: int, replacement: bool = False, *, generator: Any = None) -> Tensor:
    """Indices drawn with probabilities in proportion to each row; see `fg.multinomial`."""
    return _random_module().multinomial(self, num_samples, replacement, generator=generator)  # type: ignore[no-any-return]


def _drawn(self: Any, name: str, a: float, b: float, generator: Any) -> Any:
    """Random floats in the shape of `self`."""
    state = (generator or _random_module().default_generator).state
    dtype = "float64" if self._dtype == "float64" else "float32"
    return getattr(_core.backend, name)(state, self.shape, float(a), float(b), dtype)


def _floats(name: str, self: Any) -> None:
    if not self.is_floating_point():
        raise _core.DTypeError(f"{name}: self: expected a floating-point dtype, got {self._dtype}")


@method("uniform_")
def _uniform(self: Any, *bounds: float, generator: Any = None, **named: float) -> Tensor:
    """Fills the tensor with numbers uniform in [from, to): `x.uniform_(-1, 1)`; [0, 1) by default."""
    _floats("uniform_", self)
    low, high = (*bounds, *(0.0, 1.0)[len(bounds) :])
    low, high = named.pop("from", low), named.pop("to", high)
    if named or len(bounds) > 2:
        raise TypeError(f"uniform_: expected from, to and generator, got {sorted(named) or bounds}")
    if not low <= high:
        raise RuntimeError(f"uniform_: to: expected a number of at least from ({low}), got {high}")
    return _copy(self, _drawn(self, "uniform", low, high, generator))


@method("normal_")
def _normal(self: Any, mean: float = 0, std: float = 1, *, generator: Any = None) -> Tensor:
    """Fills the tensor with mean + std · (standard normal numbers)."""
    _floats("normal_", self)
    if not std >= 0:
        raise RuntimeError(f"normal_: std: expected a number of at least 0, got {std}")
    return _copy(self, _drawn(self, "normal", mean, std, generator))


@method("log_normal_")
def _log_normal(self: Any, mean: float = 1, std: float = 2, *, generator: Any = None) -> Tensor:
    """Fills the tensor with numbers whose logarithm is normal, of this mean and deviation."""
    _floats("log_normal_", self)
    if not std > 0:
        raise RuntimeError(f"log_normal_: std: expected a number above 0, got {std}")
    return _copy(self, ops.exp(_drawn(self, "normal", mean, std, generator)))


@method("exponential_")
def _exponential(self: Any, lambd: float = 1, *, generator: Any = None) -> Tensor:
    """Fills the tensor with numbers of the density lambd · e^(−lambd · x)."""
    _floats("exponential_", self)
    if not lambd > 0:
        raise RuntimeError(f"exponential_: lambd: expected a number above 0, got {lambd}")
    u = _drawn(self, "uniform", 0.0, 1.0, generator)
    return _copy(self, ops.div(ops.neg(ops.log1p(ops.neg(u))), float(lambd)))


@method("geometric_")
def _geometric(self: Any, p: float, *, generator: Any = None) -> Tensor:
    """Fills the tensor with the number of trials up to the first success, each of probability p."""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_: p: expected a number between 0 and 1, got {p}")
    u = _drawn(self, "uniform", 0.0, 1.0, generator)
    trials = ops.ceil(ops.div(ops.log1p(ops.neg(u)), math.log1p(-p)))
    return _copy(self, ops.maximum(trials, 1.0))


@method("bernoulli_")
def _bernoulli(self: Any, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Fills the tensor with 1 with probability p, a number or a tensor of probabilities, else 0."""
    if isinstance(p, (int, float)):
        p = creation.full(self.shape, float(p), dtype="float64")
    else:
        p = ops.expand(p, shape=self.shape)
    return _copy(self, bernoulli(p, generator=generator))


#: Up to which number each dtype holds every integer.
_WHOLE = {"float64": 2**53, "float32": 2**24, "float16": 2**11, "bfloat16": 2**8, "int64": 2**63 - 1,
          "int32": 2**31 - 1, "uint8": 2**8 - 1, "bool": 1}  # fmt: skip


@method("random_")
def _random(self: Any, *bounds: int, generator: Any = None, **named: Any) -> Tensor:
    """Fills the tensor with integers uniform in [from, to); `x.random_(10)` is [0, 10).

    Without bounds: from 0 to the largest integer of the dtype, of a float to the last before which none is missing.
    """
    low, high = (0, *bounds) if len(bounds) == 1 else bounds or (0, None)
    low, high = named.pop("from", low), named.pop("to", high)
    if named or len(bounds) > 2:
        raise TypeError(f"random_: expected from, to and generator, got {sorted(named) or bounds}")
    if high is None:
        most = _WHOLE[self._dtype]
        # int64 has no room for one more than its largest, which is left out.
        high = most if self._dtype == "int64" else most + 1
    if not low < high:
        raise RuntimeError(f"random_: to: expected a number above from ({low}), got {high}")
    state = (generator or _random_module().default_generator).state
    return _copy(self, _core.backend.randint(state, self.shape, int(low), int(high)))
