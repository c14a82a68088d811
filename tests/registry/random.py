"""Random numbers, against the same generator in NumPy."""

from __future__ import annotations

import numpy as np

import ferrograd as fg

from ._row import Arr, Bad, Row, Sample

LANES = 16


def philox(seed: int, counters: np.ndarray) -> np.ndarray:
    """Philox4x32-10 of 64-bit counters: (n, 4) words (Salmon et al. 2011)."""
    mask = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    x = [counters & mask, counters >> half, np.zeros_like(counters), np.zeros_like(counters)]
    key = [np.uint64(seed & 0xFFFFFFFF), np.uint64(seed >> 32 & 0xFFFFFFFF)]
    for _ in range(10):
        a, b = np.uint64(0xD2511F53) * x[0], np.uint64(0xCD9E8D57) * x[2]
        x = [(b >> half) ^ x[1] ^ key[0], b & mask, (a >> half) ^ x[3] ^ key[1], a & mask]
        key = [(key[0] + np.uint64(0x9E3779B9)) & mask, (key[1] + np.uint64(0xBB67AE85)) & mask]
    return np.stack(x, 1)


def words(state: np.ndarray, groups: int) -> np.ndarray:
    """(groups, 64): word 16 i + j of a group is word i of its block j."""
    counters = (np.arange(groups * LANES, dtype=np.int64) + int(state[1])).astype(np.uint64)
    blocks = philox(int(state[0]), counters)
    return blocks.reshape(groups, LANES, 4).transpose(0, 2, 1).reshape(groups, 64)


def _wide(w: np.ndarray) -> np.ndarray:
    """(groups, 32) whole numbers below 2**53."""
    return ((w[:, 32:] >> np.uint64(5)) * np.uint64(1 << 26) + (w[:, :32] >> np.uint64(6))).astype(np.float64)


def _take(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return values.reshape(-1)[: int(np.prod(shape))].reshape(shape)


def _groups(shape: tuple[int, ...], per: int) -> int:
    return -(-int(np.prod(shape)) // per)


def _unit(state, shape, dtype):
    if dtype == "float32":
        return _take((words(state, _groups(shape, 64)) >> np.uint64(8)).astype(np.float64) * 2.0**-24, shape)
    return _take(_wide(words(state, _groups(shape, 32))) * 2.0**-53, shape)


def _uniform(state, *, shape, low, high, dtype):
    low, high, unit = (np.asarray(v, dtype) for v in (low, high, _unit(state, shape, dtype)))
    return low + unit * (high - low)


def _normal(state, *, shape, mean, std, dtype):
    if dtype == "float32":
        w = words(state, _groups(shape, 64)).astype(np.float64)
        u, t = (w[:, :32] + 1) * 2.0**-32, w[:, 32:] * 2.0**-32
    else:
        w = _wide(words(state, _groups(shape, 32)))
        u, t = (w[:, :16] + 1) * 2.0**-53, w[:, 16:] * 2.0**-53
    radius = np.sqrt(-2 * np.log(u))
    pairs = np.concatenate([radius * np.cos(2 * np.pi * t), radius * np.sin(2 * np.pi * t)], 1)
    mean, std, pairs = (np.asarray(v, dtype) for v in (mean, std, _take(pairs, shape)))
    return mean + std * pairs


def _below(w: np.ndarray, bound: int) -> list[int]:
    return [((int(b) << 32 | int(a)) * bound) >> 64 for row in w for a, b in zip(row[:32], row[32:], strict=True)]


def _randint(state, *, shape, low, high):
    return _take(np.array(_below(words(state, _groups(shape, 32)), high - low), np.int64) + low, shape)


def _randperm(state, *, n):
    order = np.arange(n)
    w = words(state, _groups((n,), 32))
    for i in range(n):
        row = w[i // 32]
        random = int(row[32 + i % 32]) << 32 | int(row[i % 32])
        j = i + (random * (n - i) >> 64)
        order[[i, j]] = order[[j, i]]
    return order


def _bernoulli(p, state):
    return (_take(words(state, _groups(p.shape, 64)).astype(np.float64), p.shape) < p * 2.0**32).astype(np.float64)


def _dropout(x, state, *, p):
    w = _take(words(state, _groups(x.shape, 64)), x.shape)
    mask = w >= np.uint64(round(p * 2**32))
    return x * mask * (1 / (1 - p) if p < 1 else 0.0), mask


def _fresh(name, at):
    """The op on a copy of the state at operand `at`: the op moves it on."""

    def call(*operands, **attributes):
        operands = list(operands)
        operands[at] = fg.tensor(np.array(operands[at]))
        return getattr(fg.ops, name)(*operands, **attributes)

    return call


STATE = np.array([0x123456789ABCDEF, 2**33 - 5])
_SHAPES = [(3, 5), (), (0, 2), (129,), (300, 301)]

ROWS = [
    *[
        Row(
            "uniform",
            _uniform,
            [Sample((STATE,), {"shape": s, "low": -1.0, "high": 3.0, "dtype": dtype}) for s in _SHAPES],
            [
                Bad(
                    (STATE,),
                    {"shape": (3,), "low": 1.0, "high": 0.0, "dtype": dtype},
                    ValueError,
                    r"uniform: low, high: expected finite",
                ),
                Bad(
                    (STATE,),
                    {"shape": (-3,), "low": 0.0, "high": 1.0, "dtype": dtype},
                    fg.ShapeError,
                    r"uniform: size: expected sizes of at least 0",
                ),
                Bad(
                    (np.array([1]),),
                    {"shape": (3,), "low": 0.0, "high": 1.0, "dtype": dtype},
                    fg.ShapeError,
                    r"uniform: state: expected \(2,\)",
                ),
                Bad(
                    (STATE,),
                    {"shape": (3,), "low": 0.0, "high": 1.0, "dtype": "int64"},
                    TypeError,
                    r"uniform: dtype: expected float32 or float64",
                ),
            ],
            call=_fresh("uniform", 0),
            differentiable=False,
            id=f"uniform-{dtype}",
        )
        for dtype in ("float32", "float64")
    ],
    *[
        Row(
            "normal",
            _normal,
            [Sample((STATE,), {"shape": s, "mean": 1.0, "std": 2.0, "dtype": dtype}) for s in _SHAPES],
            [
                Bad(
                    (STATE,),
                    {"shape": (3,), "mean": 0.0, "std": -1.0, "dtype": dtype},
                    ValueError,
                    r"normal: std: expected a number of at least 0",
                )
            ],
            call=_fresh("normal", 0),
            scaled=True,
            differentiable=False,
            id=f"normal-{dtype}",
        )
        for dtype in ("float32", "float64")
    ],
    Row(
        "randint",
        _randint,
        [Sample((STATE,), {"shape": s, "low": -3, "high": 10}) for s in _SHAPES[:4]]
        + [Sample((STATE,), {"shape": (50_000,), "low": 0, "high": 2**40})],
        [Bad((STATE,), {"shape": (3,), "low": 3, "high": 3}, ValueError, r"randint: low, high: expected low < high")],
        call=_fresh("randint", 0),
        differentiable=False,
    ),
    Row(
        "randperm",
        _randperm,
        [Sample((STATE,), {"n": n}) for n in (0, 1, 7, 1000)],
        [Bad((STATE,), {"n": -1}, fg.ShapeError, r"randperm: size")],
        call=_fresh("randperm", 0),
        differentiable=False,
    ),
    Row(
        "bernoulli",
        _bernoulli,
        [Sample((Arr(s, low=0.0, high=1.0), STATE)) for s in _SHAPES],
        [
            Bad(
                (np.array([0.5, 1.5]), STATE),
                {},
                ValueError,
                r"bernoulli: p: expected probabilities from 0 to 1, got 1.5",
            )
        ],
        call=_fresh("bernoulli", 1),
        differentiable=False,
    ),
    Row(
        "dropout",
        _dropout,
        [Sample((Arr(s), STATE), {"p": p}) for s in _SHAPES for p in (0.3, 0.0, 1.0)],
        [
            Bad((Arr((3,)), STATE), {"p": 1.5}, ValueError, r"dropout: p: expected a probability from 0 to 1, got 1.5"),
            Bad((np.ones(3, np.int64), STATE), {"p": 0.5}, TypeError, r"dropout: input: expected float32 or float64"),
        ],
        call=_fresh("dropout", 1),
        covers=("dropout_grad",),
    ),
    Row(
        "dropout_grad",
        lambda g, mask, *, p: g * mask / (1 - p),
        [Sample((Arr(s), Arr(s, kind="bool")), {"p": 0.3}) for s in _SHAPES],
        [
            Bad(
                (Arr((3,)), np.ones(4, bool)),
                {"p": 0.3},
                fg.ShapeError,
                r"dropout_grad: mask: expected the shape of grad, \(3,\)",
            )
        ],
    ),
]
