"""Random geometries of the three convolution ops against plain float64 NumPy, on every instruction set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from registry import conv as plain

from ferrograd import _core, ops

ISAS = _core.isas()
#: float32: the products of one sum are rounded once each, and so are the partial sums; their errors rarely add up.
EPSILON = 16 * 2.0**-24


def geometry(rng: np.random.Generator, spatial: int) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """(input shape, weight shape, attributes), a kernel that fits."""
    while True:
        groups = int(rng.choice([1, 1, 1, 2, 3, 8]))
        depthwise = rng.random() < 0.2
        c_in, c_out = (1, 1) if depthwise else (int(rng.integers(1, 9)), int(rng.choice([1, 2, 5, 16, 17, 33])))
        size = [int(rng.integers(1, (60, 16, 8)[spatial - 1])) for _ in range(spatial)]
        kernel = [int(rng.integers(1, 5)) for _ in range(spatial)]
        moves: dict[str, Any] = {
            "stride": [int(rng.integers(1, 4)) for _ in range(spatial)],
            "padding": [tuple(int(p) for p in rng.integers(0, 4, 2)) for _ in range(spatial)],
            "dilation": [int(rng.integers(1, 4)) for _ in range(spatial)],
            "groups": groups,
        }
        out = plain._out(size, kernel, moves["stride"], moves["padding"], moves["dilation"])
        if min(out) >= 1:
            return (int(rng.integers(1, 4)), c_in * groups, *size), (c_out * groups, c_in, *kernel), moves


def arranged(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """The same values in one of several memory orders."""
    match int(rng.integers(4)):
        case 0:
            return x
        case 1:
            return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
        case 2:
            return np.asfortranarray(x)
        case _:
            return np.ascontiguousarray(x[..., ::-1])[..., ::-1]


def mismatches(spatial: int, count: int, seed: int) -> list[Any]:
    """The geometries of which one of the three results is wrong."""
    rng = np.random.default_rng((seed, spatial))
    wrong = []
    for _ in range(count):
        x_shape, w_shape, moves = geometry(rng, spatial)
        x = arranged(rng, rng.uniform(-1, 1, x_shape).astype(np.float32))
        w = arranged(rng, rng.uniform(-1, 1, w_shape).astype(np.float32))
        out = plain._out(x_shape[2:], w_shape[2:], moves["stride"], moves["padding"], moves["dilation"])
        e = arranged(rng, rng.uniform(-1, 1, (x_shape[0], w_shape[0], *out)).astype(np.float32))
        calls = [
            (ops.convolution, plain.convolution, (x, w, None), {}),
            (ops.conv_input_grad, plain.conv_input_grad, (e, w), {"input_shape": x_shape}),
            (ops.conv_weight_grad, plain.conv_weight_grad, (e, x), {"weight_shape": w_shape}),
        ]
        for op, reference, operands, shapes in calls:
            exact = [None if a is None else a.astype(np.float64) for a in operands]
            want = reference(*exact, **shapes, **moves)
            bound = reference(*(None if a is None else np.abs(a) for a in exact), **shapes, **moves)
            got = op(*operands, **shapes, **moves).numpy()
            if got.shape != want.shape or not (np.abs(got - want) <= EPSILON * bound).all():
                wrong.append((op.__name__, x_shape, w_shape, moves))
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
