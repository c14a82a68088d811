"""Random geometries of the pooling ops, forward and gradient, against plain float64 NumPy, on every instruction set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from test_conv_geometry import arranged

from ferrograd import _core, ops

ISAS = _core.isas()
#: float32: a sum of at most a few hundred elements, rounded once each.
EPSILON = 16 * 2.0**-24


def output_size(n: int, k: int, s: int, p: int, d: int, ceil: bool) -> int:
    """PyTorch's rule: with `ceil`, a last window that reaches over the end, but begins before it."""
    out = (n + 2 * p - d * (k - 1) - 1 + (s - 1 if ceil else 0)) // s + 1
    return out - 1 if ceil and (out - 1) * s >= n + p else out


def geometry(rng: np.random.Generator, spatial: int) -> tuple[tuple[int, ...], dict[str, Any]]:
    """(input shape, window) with an element of the input in each window."""
    while True:
        size = [int(v) for v in rng.integers(1, (40, 12, 7)[spatial - 1], spatial)]
        kernel = [int(v) for v in rng.integers(1, 5, spatial)]
        dilation = [int(v) for v in rng.integers(1, 4, spatial)] if rng.random() < 0.4 else [1] * spatial
        window = {
            "kernel_size": kernel,
            "stride": kernel if rng.random() < 0.3 else [int(v) for v in rng.integers(1, 5, spatial)],
            "padding": [int(rng.integers(0, k // 2 + 1)) for k in kernel],
            "dilation": dilation,
            "ceil_mode": bool(rng.random() < 0.4),
        }
        lead = [int(rng.choice([1, 2, 3, 17]))]
        if rng.random() < 0.8:
            lead.insert(0, int(rng.integers(1, 3)))
        if all(inside.any(1).all() for inside, _ in taps(size, window)):
            return (*lead, *size), window


def taps(size: Any, window: dict[str, Any]) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each dimension, (whether tap k of window o is inside, where it lies), both (windows, taps)."""
    found = []
    for n, k, s, p, d in zip(
        size, window["kernel_size"], window["stride"], window["padding"], window["dilation"], strict=True
    ):
        out = output_size(n, k, s, p, d, window["ceil_mode"])
        at = np.arange(max(out, 0))[:, None] * s + np.arange(k) * d - p
        found.append(((at >= 0) & (at < n) if out > 0 else np.zeros((1, k), bool), at))
    return found


class Windows:
    """The elements of every window as the last dimension, by their flat index in the plane; −1 is the padding."""

    def __init__(self, size: tuple[int, ...], per_dimension: list[tuple[np.ndarray, np.ndarray]]) -> None:
        spatial = len(size)
        flat, inside = np.zeros((1,) * 2 * spatial, np.int64), np.ones((1,) * 2 * spatial, bool)
        for k, (n, (mask, at)) in enumerate(zip(size, per_dimension, strict=True)):
            shape = [1] * (2 * spatial)
            shape[k], shape[spatial + k] = at.shape
            flat, inside = flat * n + at.reshape(shape), inside & mask.reshape(shape)
        self.outs = flat.shape[:spatial]
        self.plane = int(np.prod(size))
        self.index = np.where(inside, flat, self.plane).reshape(*self.outs, -1)

    def largest(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(values, flat indices) of the largest elements, the first of equals."""
        lead = x.shape[: -len(self.outs)]
        padded = np.concatenate([x.reshape(*lead, -1), np.full((*lead, 1), -np.inf)], -1)
        values = padded[..., self.index]
        best = values.argmax(-1)[..., None]
        places = np.take_along_axis(np.broadcast_to(self.index, values.shape), best, -1)
        return np.take_along_axis(values, best, -1)[..., 0], places[..., 0]

    def sums(self, x: np.ndarray) -> np.ndarray:
        """The sum of each window."""
        lead = x.shape[: -len(self.outs)]
        return np.concatenate([x.reshape(*lead, -1), np.zeros((*lead, 1))], -1)[..., self.index].sum(-1)

    def spread(self, g: np.ndarray, places: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
        """Zeros of `size` and each element of g added at its places, (…, *outs, n)."""
        lead = g.shape[: -len(self.outs)]
        rows = int(np.prod(lead))
        places = np.broadcast_to(places, (*g.shape, places.shape[-1]))
        at = places.reshape(rows, -1) + np.arange(rows)[:, None] * (self.plane + 1)
        amounts = np.broadcast_to(g[..., None], places.shape)
        out = np.bincount(at.reshape(-1), amounts.reshape(-1), rows * (self.plane + 1))
        return out.reshape(rows, -1)[:, : self.plane].reshape(*lead, *size)


def adaptive(size: tuple[int, ...], outs: tuple[int, ...]) -> Windows:
    """The windows of adaptive pooling."""
    per = []
    for n, out in zip(size, outs, strict=True):
        start, end = np.arange(out) * n // out, -(-np.arange(1, out + 1) * n // out)
        at = start[:, None] + np.arange((end - start).max())
        per.append((at < end[:, None], at))
    return Windows(size, per)


def divisor(size: Any, window: dict[str, Any], windows: Windows, include: bool, fixed: int | None) -> Any:
    """What sums are divided by."""
    if fixed is not None:
        return float(fixed)
    if not include:
        return (windows.index < windows.plane).sum(-1)
    count = np.ones(())
    for n, k, s, p, out in zip(
        size, window["kernel_size"], window["stride"], window["padding"], windows.outs, strict=True
    ):
        start = np.arange(out) * s - p
        count = count[..., None] * (np.minimum(start + k, n + p) - start)
    return count


def check(rng: np.random.Generator, shape: tuple[int, ...], window: dict[str, Any]) -> list[str]:
    """The names of the ops whose result is wrong for this geometry."""
    spatial = len(window["kernel_size"])
    lead, size = shape[:-spatial], shape[-spatial:]
    windows = Windows(size, taps(size, window))
    outs = tuple(int(v) for v in rng.integers(1, 8, spatial))
    own = adaptive(size, outs)
    values = rng.integers(-3, 4, shape) if rng.random() < 0.5 else rng.uniform(-1, 1, shape)
    x = arranged(rng, values.astype(np.float32))
    g = arranged(rng, rng.uniform(-1, 1, (*lead, *windows.outs)).astype(np.float32))
    h = arranged(rng, rng.uniform(-1, 1, (*lead, *outs)).astype(np.float32))
    exact, g64, h64 = (a.astype(np.float64) for a in (x, g, h))
    wrong = []

    def equal(name: str, got: Any, want: np.ndarray) -> None:
        if got.shape != want.shape or not (got.numpy() == want).all():
            wrong.append(name)

    def close(name: str, got: Any, want: np.ndarray, bound: np.ndarray) -> None:
        if got.shape != want.shape or not (np.abs(got.numpy() - want) <= EPSILON * bound).all():
            wrong.append(name)

    for name, where, result, gradient in [
        ("max_pool", windows, ops.max_pool(x, **window), (g, g64)),
        ("adaptive_max_pool", own, ops.adaptive_max_pool(x, sizes=outs), (h, h64)),
    ]:
        best, places = where.largest(exact)
        equal(name, result[0], best)
        equal(f"{name}: indices", result[1], places)
        back, magnitude = (where.spread(e, places[..., None], size) for e in (gradient[1], np.abs(gradient[1])))
        of = tuple(window.values()) if name == "max_pool" else None
        close(f"{name}: gradient", ops.max_pool_grad(gradient[0], result[1], sizes=size, window=of), back, magnitude)

    count = (own.index < own.plane).sum(-1)
    close(
        "adaptive_avg_pool",
        ops.adaptive_avg_pool(x, sizes=outs),
        own.sums(exact) / count,
        own.sums(np.abs(exact)) / count,
    )
    back, magnitude = (own.spread(e / count, own.index, size) for e in (h64, np.abs(h64)))
    close("adaptive_avg_pool: gradient", ops.adaptive_avg_pool_grad(h, sizes=size), back, magnitude)

    if window["dilation"] == [1] * spatial:
        fixed = int(rng.integers(1, 5)) if rng.random() < 0.2 else None
        mean = {k: v for k, v in window.items() if k != "dilation"}
        mean |= {"count_include_pad": bool(rng.random() < 0.5), "divisor_override": fixed}
        count = divisor(size, window, windows, mean["count_include_pad"], fixed)
        close("avg_pool", ops.avg_pool(x, **mean), windows.sums(exact) / count, windows.sums(np.abs(exact)) / count)
        back, magnitude = (windows.spread(e / count, windows.index, size) for e in (g64, np.abs(g64)))
        close("avg_pool: gradient", ops.avg_pool_grad(g, sizes=size, **mean), back, magnitude)
    return wrong


def mismatches(spatial: int, count: int, seed: int) -> list[Any]:
    """The geometries for which a result is wrong."""
    rng = np.random.default_rng((seed, spatial))
    wrong = []
    for _ in range(count):
        shape, window = geometry(rng, spatial)
        found = check(rng, shape, window)
        if found:
            wrong.append((found, shape, window))
    return wrong


@pytest.mark.parametrize("isa_name", ISAS)
@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_random_geometries(spatial: int, isa_name: str, isa: Any) -> None:
    isa(isa_name)
    assert mismatches(spatial, -(-2000 // len(ISAS)), seed=ISAS.index(isa_name)) == []


@pytest.mark.long
@pytest.mark.parametrize("isa_name", ISAS)
@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_many_random_geometries(spatial: int, isa_name: str, isa: Any) -> None:
    isa(isa_name)
    assert mismatches(spatial, 10_000, seed=100 + ISAS.index(isa_name)) == []


def test_the_reference_sees_windows_as_numpy_does(rng: np.random.Generator) -> None:
    x = rng.standard_normal((2, 3, 8, 9))
    window = {"kernel_size": [3, 2], "stride": [2, 1], "padding": [0, 0], "dilation": [1, 1], "ceil_mode": False}
    want = sliding_window_view(x, (3, 2), (2, 3))[:, :, ::2]
    windows = Windows((8, 9), taps((8, 9), window))
    np.testing.assert_array_equal(windows.largest(x)[0], want.max((-2, -1)))
    np.testing.assert_allclose(windows.sums(x), want.sum((-2, -1)), rtol=1e-12, atol=1e-12)
