"""Random numbers from counters: a Generator, and the default one that `fg.manual_seed` sets.

A generator's state is an int64 tensor [seed, counter]. A draw is a function of the two, and moves the counter on in
place, so the same seed gives the same numbers for any number of threads and on any instruction set. They are not
PyTorch's.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _core
from .autograd import no_grad
from .creation import _shape as shape_of
from .creation import get_default_dtype
from .dtypes import dtype_name

if TYPE_CHECKING:
    from ._tensor import Tensor


class Generator:
    """A stream of random numbers of its own: `fg.Generator().manual_seed(0)`."""

    def __init__(self, device: Any = "cpu") -> None:
        #: [seed, counter], the operand of every op that draws.
        self.state: Tensor = _core.from_numpy(np.array([0, 0], dtype=np.int64))

    def manual_seed(self, seed: int) -> Generator:
        """Starts the stream of this seed anew."""
        self._set(_as_int64(seed), 0)
        return self

    def seed(self) -> int:
        """Starts a stream by a seed from the operating system, which is returned."""
        seed = secrets.randbits(63)
        self.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed of the stream."""
        return int(self.state._numpy()[0]) % 2**64

    def get_state(self) -> Tensor:
        """A copy of the state, for `set_state`."""
        return _core.backend.contiguous(self.state)  # type: ignore[no-any-return]

    def set_state(self, new_state: Any) -> Generator:
        """Goes on where `get_state` was called."""
        new = np.asarray(new_state)
        if new.shape != (2,) or new.dtype != np.int64:
            raise TypeError(f"set_state: new_state: expected int64 [seed, counter], got {new.dtype} {new.shape}")
        self._set(int(new[0]), int(new[1]))
        return self

    def _set(self, seed: int, counter: int) -> None:
        with no_grad():
            _core.backend.copy_(self.state, np.array([seed, counter], dtype=np.int64))

    def __repr__(self) -> str:
        return f"<ferrograd.Generator seed={self.initial_seed()}>"


def _as_int64(seed: Any) -> int:
    """A seed from -2⁶³ to 2⁶⁴ - 1 as the int64 of the same bits."""
    try:
        value = seed.__index__()
    except AttributeError:
        raise TypeError(f"manual_seed: seed: expected an integer, got {seed!r}") from None
    if not -(2**63) <= value < 2**64:
        raise RuntimeError(f"manual_seed: seed: expected a number from -2**63 to 2**64 - 1, got {value}")
    return (value + 2**63) % 2**64 - 2**63  # type: ignore[no-any-return]


#: The generator of every draw that names no other.
default_generator = Generator()
default_generator.seed()


def manual_seed(seed: int) -> Generator:
    """Sets the seed of the default generator, which is returned."""
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Sets the default generator's seed to one from the operating system, which is returned."""
    return default_generator.seed()


def initial_seed() -> int:
    """The default generator's seed."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """A copy of the default generator's state."""
    return default_generator.get_state()


def set_rng_state(new_state: Any) -> None:
    """Goes on where `get_rng_state` was called."""
    default_generator.set_state(new_state)


def uniform_(tensor: Any, low: float = 0.0, high: float = 1.0, generator: Generator | None = None) -> Any:
    """Fills a tensor with numbers uniform in [low, high)."""
    return _fill(tensor, "uniform", low, high, generator)


def normal_(tensor: Any, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Any:
    """Fills a tensor with normal numbers."""
    return _fill(tensor, "normal", mean, std, generator)


def _fill(tensor: Any, name: str, a: float, b: float, generator: Generator | None) -> Any:
    state = (generator or default_generator).state
    dtype = "float64" if tensor._dtype == "float64" else "float32"
    with no_grad():
        drawn = getattr(_core.backend, name)(state, tensor.shape, float(a), float(b), dtype)
        _core.backend.copy_(tensor, drawn)
    return tensor


def _drawn(op: str, name: str, size: Any, a: Any, b: Any, generator: Any, dtype: Any, requires_grad: bool) -> Any:
    kind = dtype_name(dtype or get_default_dtype())
    if kind not in ("float32", "float64"):
        raise _core.DTypeError(f"{op}: dtype: expected float32 or float64 (cast the result), got {kind}")
    state = (generator or default_generator).state
    result = getattr(_core.backend, name)(state, shape_of(op, size), float(a), float(b), kind)
    return result.requires_grad_(requires_grad)


def rand(*size: Any, generator: Generator | None = None, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Numbers uniform in [0, 1): `fg.rand(2, 3)` or `fg.rand((2, 3))`."""
    return _drawn("rand", "uniform", size, 0.0, 1.0, generator, dtype, requires_grad)  # type: ignore[no-any-return]


def randn(*size: Any, generator: Generator | None = None, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Standard normal numbers: `fg.randn(2, 3)` or `fg.randn((2, 3))`."""
    return _drawn("randn", "normal", size, 0.0, 1.0, generator, dtype, requires_grad)  # type: ignore[no-any-return]


def rand_like(input: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Numbers uniform in [0, 1) in the shape and dtype of `input`."""
    return rand(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


def randn_like(input: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Standard normal numbers in the shape and dtype of `input`."""
    return randn(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


def randint(
    low: int, high: Any = None, size: Any = None, *, generator: Generator | None = None, dtype: Any = None
) -> Tensor:
    """Integers uniform in [low, high): `fg.randint(10, (2, 3))` or `fg.randint(5, 10, (2, 3))`; int64."""
    if size is None:
        low, high, size = 0, low, high
    if size is None:
        raise TypeError("randint: size: expected a shape, got None")
    state = (generator or default_generator).state
    result = _core.backend.randint(state, shape_of("randint", (size,)), int(low), int(high))
    return result if dtype is None else _core.backend.cast(result, dtype_name(dtype))  # type: ignore[no-any-return]


def randperm(n: int, *, generator: Generator | None = None) -> Tensor:
    """The numbers 0 to n - 1 in random order; int64."""
    return _core.backend.randperm((generator or default_generator).state, n)  # type: ignore[no-any-return]


def bernoulli(input: Any, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that stands in `input`, else 0."""
    with no_grad():
        return _core.backend.bernoulli(input, (generator or default_generator).state)  # type: ignore[no-any-return]
