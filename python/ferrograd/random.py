"""Random numbers from counters: a Generator, and the default one that `fg.manual_seed` sets.

A generator's state is an int64 tensor [seed, counter]. A draw is a function of the two, and moves the counter on in
place, so the same seed gives the same numbers for any number of threads and on any instruction set. They are not
PyTorch's.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _core
from ._operands import takes_arrays
from .autograd import no_grad
from .creation import _shape as shape_of
from .creation import get_default_dtype, tensor
from .dtypes import BY_NAME, dtype_name, result_type
from .dtypes import device as device_of

if TYPE_CHECKING:
    from ._tensor import Tensor


class Generator:
    """A stream of random numbers of its own: `fg.Generator().manual_seed(0)`."""

    def __init__(self, device: Any = "cpu") -> None:
        #: Where the numbers are drawn.
        self.device = device_of(device)
        #: [seed, counter], the operand of every op that draws.
        self.state: Tensor = _core.from_numpy(np.array([0, 0], dtype=np.int64))

    def manual_seed(self, seed: int) -> Generator:
        """Starts the stream of this seed anew."""
        self._set(_as_int64(seed), 0)
        return self

    def seed(self) -> int:
        """Starts a stream by a seed from the operating system, which is returned."""
        seed = int.from_bytes(os.urandom(8), "little") >> 1
        self.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed of the stream."""
        return int(self.state._numpy()[0]) % 2**64

    def clone_state(self) -> Generator:
        """Another generator in the same state."""
        return Generator(self.device).set_state(self.get_state())

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


@contextlib.contextmanager
def fork_rng(devices: Any = (), enabled: bool = True) -> Iterator[None]:
    """What is drawn inside a `with` leaves the default generator as it was; `devices` is accepted."""
    before = get_rng_state()
    try:
        yield
    finally:
        if enabled:
            set_rng_state(before)


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


def _drawn(
    op: str, name: str, sizes: Any, size: Any, a: float, b: float, generator: Any, dtype: Any, device: Any,
    requires_grad: bool,
) -> Any:  # fmt: skip
    kind = dtype_name(dtype or get_default_dtype())
    if not BY_NAME[kind].is_floating_point:
        raise _core.DTypeError(f"{op}: dtype: expected a floating-point dtype, got {kind}")
    if device is not None:
        device_of(device)
    state = (generator or default_generator).state
    computed = "float64" if kind == "float64" else "float32"
    result = getattr(_core.backend, name)(state, shape_of(op, sizes, size), float(a), float(b), computed)
    if kind != computed:
        result = _core.backend.cast(result, kind)
    return result.requires_grad_(requires_grad)


def rand(
    *sizes: Any, size: Any = None, generator: Generator | None = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Numbers uniform in [0, 1): `fg.rand(2, 3)` or `fg.rand((2, 3))`."""
    return _drawn("rand", "uniform", sizes, size, 0.0, 1.0, generator, dtype, device, requires_grad)  # type: ignore[no-any-return]


def randn(
    *sizes: Any, size: Any = None, generator: Generator | None = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Standard normal numbers: `fg.randn(2, 3)` or `fg.randn((2, 3))`."""
    return _drawn("randn", "normal", sizes, size, 0.0, 1.0, generator, dtype, device, requires_grad)  # type: ignore[no-any-return]


@takes_arrays
def rand_like(
    input: Any, *, generator: Generator | None = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Numbers uniform in [0, 1) in the shape and dtype of `input`."""
    dtype = dtype or input.dtype
    return rand(tuple(input.shape), generator=generator, dtype=dtype, device=device, requires_grad=requires_grad)


@takes_arrays
def randn_like(
    input: Any, *, generator: Generator | None = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Standard normal numbers in the shape and dtype of `input`."""
    dtype = dtype or input.dtype
    return randn(tuple(input.shape), generator=generator, dtype=dtype, device=device, requires_grad=requires_grad)


def randint(
    low: Any = 0, high: Any = None, size: Any = None, *, generator: Generator | None = None, dtype: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Integers uniform in [low, high): `fg.randint(10, (2, 3))` or `fg.randint(5, 10, (2, 3))`; int64."""
    if high is None:
        low, high = 0, low
    elif size is None:
        low, high, size = 0, low, high
    if size is None:
        raise TypeError("randint: size: expected a shape, got None")
    if device is not None:
        device_of(device)
    state = (generator or default_generator).state
    result = _core.backend.randint(state, shape_of("randint", (size,)), int(low), int(high))
    result = result if dtype is None else _core.backend.cast(result, dtype_name(dtype))
    return result.requires_grad_(requires_grad)  # type: ignore[no-any-return]


@takes_arrays
def randint_like(
    input: Any, low: Any, high: Any = None, *, generator: Generator | None = None, dtype: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Integers uniform in [low, high) in the shape and dtype of `input`; with one number, in [0, low)."""
    low, high = (0, low) if high is None else (low, high)
    dtype = dtype or input.dtype
    return randint(
        low, high, tuple(input.shape), generator=generator, dtype=dtype, device=device, requires_grad=requires_grad
    )


def randperm(
    n: int, *, generator: Generator | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """The numbers 0 to n - 1 in random order; int64."""
    if device is not None:
        device_of(device)
    result = _core.backend.randperm((generator or default_generator).state, n)
    result = result if dtype is None else _core.backend.cast(result, dtype_name(dtype))
    return result.requires_grad_(requires_grad)  # type: ignore[no-any-return]


def normal(mean: Any, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None, **like: Any) -> Tensor:
    """mean + std · (standard normal numbers) in the shape of the tensors `mean` and `std`, or in `size` for numbers.

    There are no gradients, as in PyTorch.
    """
    if size is not None:
        return _drawn("normal", "normal", (size,), None, mean, std, generator, like.get("dtype"), like.get("device"), False)  # type: ignore[no-any-return]  # fmt: skip
    tensors = [x for x in (mean, std) if hasattr(x, "shape")]
    if not tensors:
        raise TypeError("normal: size: expected a shape where mean and std are numbers, got None")
    if (isinstance(std, (int, float)) and std < 0) or (hasattr(std, "shape") and bool((std < 0).any())):
        raise RuntimeError("normal: std: expected numbers of at least 0, got a negative one")
    dtype = result_type(*tensors)
    shape = np.broadcast_shapes(*(tuple(x.shape) for x in tensors))
    with no_grad():
        drawn = randn(shape, generator=generator, dtype=dtype if dtype.is_floating_point else None)
        return _core.backend.add(mean, _core.backend.mul(drawn, std))  # type: ignore[no-any-return]


def bernoulli(input: Any, p: float | None = None, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that stands in `input` (or p, in the shape of `input`), else 0."""
    with no_grad():
        if p is not None:
            input = _core.backend.full(input.shape, float(p), input._dtype)
        return _core.backend.bernoulli(input, (generator or default_generator).state)  # type: ignore[no-any-return]


def multinomial(
    input: Any, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """`num_samples` indices a row, drawn with probabilities in proportion to the row: (n,) or (m, n) gives int64.

    Without replacement no index comes twice, and a row needs as many numbers above 0.
    """
    weights = np.asarray(input)
    if weights.dtype.kind != "f":
        raise _core.DTypeError(f"multinomial: input: expected a floating-point dtype, got {weights.dtype}")
    if weights.ndim not in (1, 2) or weights.shape[-1] == 0:
        raise _core.ShapeError(f"multinomial: input: expected a vector or a matrix, got shape {weights.shape}")
    if num_samples <= 0:
        raise RuntimeError(f"multinomial: num_samples: expected a number above 0, got {num_samples}")
    weights = weights.astype(np.float64)
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise RuntimeError("multinomial: input: expected finite numbers of at least 0, got inf, nan or a negative one")
    enough = 1 if replacement else num_samples
    if (np.count_nonzero(weights, axis=-1) < enough).any():
        raise RuntimeError(f"multinomial: input: expected at least {enough} numbers above 0 in each row")
    rows = weights.reshape(-1, weights.shape[-1])
    drawn = (len(rows), num_samples if replacement else rows.shape[1])
    u = _core.backend.uniform((generator or default_generator).state, drawn, 0.0, 1.0, "float64")._numpy()
    if replacement:
        ends = np.cumsum(rows, axis=-1)
        picked = np.stack([np.searchsorted(e, v * e[-1], "right") for e, v in zip(ends, u, strict=True)])
    else:
        # An exponential race: the smallest of E_i / w_i is i with probability w_i / Σ w, and so on among the rest.
        with np.errstate(divide="ignore"):
            picked = np.argsort(-np.log1p(-u) / rows, axis=-1)[:, :num_samples]
    return tensor(picked.reshape(*weights.shape[:-1], num_samples))
