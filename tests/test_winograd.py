"""Winograd's convolution: its error beside the direct sum's, its switch, and what the direct sum still computes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from _script import check, run
from registry import conv as plain

import ferrograd as fg
from ferrograd import _core, ops

MOVES: dict[str, Any] = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
PRINT = "import ferrograd as fg; print(fg.backends.conv.winograd)"


@pytest.fixture(autouse=True)
def _switch() -> Iterator[None]:
    yield
    fg.backends.conv.winograd = True


def passes(dtype: type, scale: np.ndarray | float = 1.0) -> list[np.ndarray]:
    """The three results over 64 → 48 channels at 2 × 18 × 13, in `dtype`."""
    rng = np.random.default_rng(3)
    arrays = [rng.standard_normal(shape, np.float32) for shape in ((2, 64, 18, 13), (48, 64, 3, 3), (2, 48, 18, 13))]
    x, w, e = (a.astype(dtype) for a in arrays)
    x = (x * scale).astype(dtype)
    return [
        ops.convolution(x, w, None, **MOVES).numpy(),
        ops.conv_input_grad(e, w, input_shape=x.shape, **MOVES).numpy(),
        ops.conv_weight_grad(e, x, weight_shape=w.shape, **MOVES).numpy(),
    ]


def error(got: np.ndarray, exact: np.ndarray) -> float:
    return float(np.linalg.norm(got - exact) / np.linalg.norm(exact))


@pytest.mark.parametrize("isa_name", _core.isas())
def test_the_error_is_near_the_direct_sums(isa_name: str, isa: Any) -> None:
    isa(isa_name)
    exact, fast = passes(np.float64), passes(np.float32)
    fg.backends.conv.winograd = False
    for e, f, d in zip(exact, fast, passes(np.float32), strict=True):
        assert not np.array_equal(f, d), "the switch changed nothing"
        assert error(f, e) <= min(8 * error(d, e), 3e-6)
        assert np.abs(f - e).max() <= 1e-5 * np.abs(e).max()


def test_images_of_very_different_scales_keep_their_own_precision() -> None:
    scale = np.array([1e-6, 1e6]).reshape(2, 1, 1, 1)
    exact, fast = passes(np.float64, scale)[0], passes(np.float32, scale)[0]
    for image in range(2):
        assert error(fast[image], exact[image]) <= 3e-6


def test_float64_groups_strides_and_few_channels_are_summed_directly() -> None:
    rng = np.random.default_rng(4)
    cases = [
        (np.float64, (1, 32, 20, 20), (32, 32, 3, 3), {}),
        (np.float32, (1, 64, 20, 20), (64, 32, 3, 3), {"groups": 2}),
        (np.float32, (1, 32, 20, 20), (32, 32, 3, 3), {"stride": (2, 1)}),
        (np.float32, (1, 32, 20, 20), (32, 32, 3, 3), {"dilation": (1, 2)}),
        (np.float32, (1, 31, 20, 20), (32, 31, 3, 3), {}),
    ]
    for dtype, x_shape, w_shape, more in cases:
        x, w = (rng.standard_normal(shape).astype(dtype) for shape in (x_shape, w_shape))
        results = []
        for mode in (True, False):
            fg.backends.conv.winograd = mode
            results.append(ops.convolution(x, w, None, **{**MOVES, **more}).numpy())
        assert np.array_equal(*results)


@pytest.mark.parametrize("padding", [((0, 2), (2, 1)), ((2, 0), (0, 0))])
def test_paddings_of_every_side(padding: Any) -> None:
    rng = np.random.default_rng(5)
    moves = {**MOVES, "padding": padding}
    x, w = rng.uniform(-1, 1, (2, 40, 17, 22)).astype(np.float32), rng.uniform(-1, 1, (36, 40, 3, 3)).astype(np.float32)
    out = plain._out(x.shape[2:], (3, 3), (1, 1), padding, (1, 1))
    e = rng.uniform(-1, 1, (2, 36, *out)).astype(np.float32)
    x64, w64, e64 = (a.astype(np.float64) for a in (x, w, e))
    y = ops.convolution(x, w, None, **moves).numpy()
    gx = ops.conv_input_grad(e, w, input_shape=x.shape, **moves).numpy()
    gw = ops.conv_weight_grad(e, x, weight_shape=w.shape, **moves).numpy()
    assert error(y, plain.convolution(x64, w64, None, **moves)) <= 3e-6
    assert error(gx, plain.conv_input_grad(e64, w64, input_shape=x.shape, **moves)) <= 3e-6
    assert error(gw, plain.conv_weight_grad(e64, x64, weight_shape=w.shape, **moves)) <= 3e-6


def test_the_switch_of_the_environment() -> None:
    assert check(PRINT, FERROGRAD_WINOGRAD="0").strip() == "False"
    assert check(PRINT, FERROGRAD_WINOGRAD="1").strip() == "True"
    assert check(PRINT, FERROGRAD_WINOGRAD="").strip() == "True"
    done = run(PRINT, FERROGRAD_WINOGRAD="off")
    assert done.returncode != 0
    assert "FERROGRAD_WINOGRAD: expected 0 or 1, got 'off'" in done.stderr
    with pytest.raises(TypeError):
        fg.backends.conv.winograd = "off"  # type: ignore[assignment]
