"""Pooling, against windows gathered tap by tap."""

from __future__ import annotations

import itertools

import numpy as np

import ferrograd as fg
from ferrograd.nn import functional as F

from ._row import Arr, Bad, Row, Sample


def _output_size(n, k, s, p, d, ceil):
    out = (n + 2 * p - d * (k - 1) - 1 + (s - 1 if ceil else 0)) // s + 1
    return out - 1 if ceil and (out - 1) * s >= n + p else out


def _taps(shape, kernel_size, stride, padding, dilation, ceil_mode):
    """For each tap: where it lies for each window (an index for each spatial dimension), and whether it is inside."""
    sizes = shape[-len(kernel_size) :]
    outs = [_output_size(*a, ceil_mode) for a in zip(sizes, kernel_size, stride, padding, dilation, strict=True)]
    for tap in itertools.product(*map(range, kernel_size)):
        at = [np.arange(o) * s + t * d - p for o, s, t, d, p in zip(outs, stride, tap, dilation, padding, strict=True)]
        mask = np.ones((), bool)
        for a, n in zip(at, sizes, strict=True):
            mask = mask[..., None] & ((a >= 0) & (a < n))
        yield np.ix_(*[np.clip(a, 0, n - 1) for a, n in zip(at, sizes, strict=True)]), mask


def _max_pool(x, *, kernel_size, stride, padding, dilation, ceil_mode):
    best, place = None, None
    sizes = x.shape[-len(kernel_size) :]
    for at, mask in _taps(x.shape, kernel_size, stride, padding, dilation, ceil_mode):
        v = np.where(mask, x[(..., *at)], -np.inf)
        flat = np.broadcast_to(np.ravel_multi_index(np.broadcast_arrays(*at), sizes), v.shape)
        if best is None:
            best, place = np.full(v.shape, -np.inf), np.zeros(v.shape, np.int64)
        larger = v > best
        best, place = np.where(larger, v, best), np.where(larger, flat, place)
    return best, place


def _max_pool_grad(g, indices, *, sizes, window=None):
    lead = g.shape[: -len(sizes)]
    out = np.zeros((int(np.prod(lead)), int(np.prod(sizes))))
    rows = np.arange(len(out))[:, None]
    if g.size:
        np.add.at(out, (rows, indices.reshape(len(out), -1)), g.reshape(len(out), -1))
    return out.reshape(*lead, *sizes)


def _divisor(shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    if divisor_override is not None:
        return float(divisor_override)
    ones = (1,) * len(kernel_size)
    if not count_include_pad:
        return sum(mask.astype(float) for _, mask in _taps(shape, kernel_size, stride, padding, ones, ceil_mode))
    parts = []
    for n, k, s, p in zip(shape[-len(kernel_size) :], kernel_size, stride, padding, strict=True):
        start = np.arange(_output_size(n, k, s, p, 1, ceil_mode)) * s - p
        parts.append(np.minimum(start + k, n + p) - start)
    out = np.ones(())
    for part in parts:
        out = out[..., None] * part
    return out


def _avg_pool(x, *, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    ones = (1,) * len(kernel_size)
    taps = _taps(x.shape, kernel_size, stride, padding, ones, ceil_mode)
    total = sum(np.where(mask, x[(..., *at)], 0.0) for at, mask in taps)
    return total / _divisor(x.shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def _avg_pool_grad(g, *, sizes, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    shape = (*g.shape[: -len(sizes)], *sizes)
    out = np.zeros(shape)
    g = g / _divisor(shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    for at, mask in _taps(shape, kernel_size, stride, padding, (1,) * len(sizes), ceil_mode):
        np.add.at(out, (..., *at), np.where(mask, g, 0.0))
    return out


def _adaptive_windows(shape, sizes):
    """For each output element (a multi-index of `sizes`): the slices of its window."""
    per = [
        [slice(i * m // n, -(-(i + 1) * m // n)) for i in range(n)]
        for m, n in zip(shape[-len(sizes) :], sizes, strict=True)
    ]
    for o in np.ndindex(*sizes):
        yield o, tuple(per[k][i] for k, i in enumerate(o))


def _adaptive_avg_pool(x, *, sizes):
    out = np.zeros((*x.shape[: -len(sizes)], *sizes))
    for o, at in _adaptive_windows(x.shape, sizes):
        out[(..., *o)] = x[(..., *at)].mean(tuple(range(-len(sizes), 0)))
    return out


def _adaptive_avg_pool_grad(g, *, sizes):
    spatial = len(sizes)
    out = np.zeros((*g.shape[:-spatial], *sizes))
    for o, at in _adaptive_windows(out.shape, g.shape[-spatial:]):
        part = out[(..., *at)]
        part += g[(..., *o)][(..., *(None,) * spatial)] / np.prod(part.shape[-spatial:])
    return out


def _adaptive_max_pool(x, *, sizes):
    lead, spatial = x.shape[: -len(sizes)], len(sizes)
    best, place = np.zeros((*lead, *sizes)), np.zeros((*lead, *sizes), np.int64)
    flat = np.arange(np.prod(x.shape[-spatial:], dtype=int)).reshape(x.shape[-spatial:])
    for o, at in _adaptive_windows(x.shape, sizes):
        part, places = x[(..., *at)].reshape(*lead, flat[at].size), flat[at].reshape(-1)
        k = part.argmax(-1)
        best[(..., *o)], place[(..., *o)] = np.take_along_axis(part, k[..., None], -1)[..., 0], places[k]
    return best, place


def _channels_last(op):
    """The op on the same values with the channels innermost in memory."""

    return lambda x, *operands, **attributes: op(_in_channels_last(x), *operands, **attributes)


def _in_channels_last(x):
    n = len(x.shape)
    inside = fg.ops.contiguous(fg.ops.permute(x, dims=(0, *range(2, n), 1)))
    return fg.ops.permute(inside, dims=(0, n - 1, *range(1, n - 1)))


def _of_windows(shape, window):
    """The attributes of `max_pool_grad` for windows over `shape`, and indices that are theirs."""
    places = _max_pool(np.random.default_rng(0).permutation(int(np.prod(shape))).reshape(shape) * 1.0, **window)[1]
    return places, {"sizes": shape[-len(window["kernel_size"]) :], "window": tuple(window.values())}


def _window(k, s=None, p=0, d=1, ceil=False):
    n = len(k)
    spread = lambda v: v if isinstance(v, tuple) else (v,) * n  # noqa: E731
    return {
        "kernel_size": k,
        "stride": k if s is None else spread(s),
        "padding": spread(p),
        "dilation": spread(d),
        "ceil_mode": ceil,
    }


def _mean(window, include=True, divisor=None):
    kept = {k: v for k, v in window.items() if k != "dilation"}
    return {**kept, "count_include_pad": include, "divisor_override": divisor}


_GEOMETRIES = [
    ((2, 3, 8), _window((2,))),
    ((3, 7), _window((3,), 2, 1)),
    ((2, 3, 6, 8), _window((2, 2))),
    ((2, 2, 7, 5), _window((3, 3), 2, 1)),
    ((1, 2, 6, 7), _window((2, 3), (2, 2), (1, 1), ceil=True)),
    ((3, 5, 6), _window((2, 2), 1)),
    ((1, 2, 4, 5, 6), _window((2, 2, 2))),
    ((2, 3, 4, 5), _window((3, 2, 2), (1, 2, 2), (1, 0, 1), ceil=True)),
    ((0, 3, 6, 6), _window((2, 2))),
    ((8, 12, 40, 50), _window((2, 2))),
    ((8, 12, 29, 33), _window((3, 3), 2, 1)),
]
_DILATED = [((2, 3, 9), _window((3,), 1, 1, 2)), ((1, 2, 9, 8), _window((2, 3), (2, 1), (1, 1), (3, 2)))]


def _torch_max(t, x, **w):
    f = getattr(t.nn.functional, f"max_pool{len(w['kernel_size'])}d")
    return f(x, w["kernel_size"], w["stride"], w["padding"], w["dilation"], w["ceil_mode"], True)


def _torch_avg(t, x, *, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    f = getattr(t.nn.functional, f"avg_pool{len(kernel_size)}d")
    extra = () if len(kernel_size) == 1 else (divisor_override,)
    return f(x, kernel_size, stride, padding, ceil_mode, count_include_pad, *extra)


def _means():
    for k, (shape, window) in enumerate(_GEOMETRIES):
        yield shape, _mean(window, include=k % 2 == 0, divisor=3 if k % 3 == 2 else None)


#: Shapes and output sizes: windows of one size, of several, that overlap, and that repeat elements.
_ADAPTIVE = [
    ((2, 3, 8), (4,)),
    ((3, 7), (3,)),
    ((2, 3, 5), (9,)),
    ((2, 3, 6, 8), (1, 1)),
    ((2, 2, 7, 5), (3, 2)),
    ((3, 5, 6), (2, 8)),
    ((1, 2, 4, 5, 6), (2, 2, 5)),
    ((2, 4, 5, 3), (1, 2, 3)),
    ((0, 3, 6, 6), (2, 2)),
    ((8, 12, 40, 50), (7, 7)),
    ((4, 16, 33, 40), (1, 1)),
]
_ADAPTIVE_BATCHED = [(shape, sizes) for shape, sizes in _ADAPTIVE if len(shape) == len(sizes) + 2]


def _torch_adaptive(kind):
    return lambda t, x, *, sizes: getattr(t.nn.functional, f"adaptive_{kind}_pool{len(sizes)}d")(
        x, sizes, *((True,) if kind == "max" else ())
    )


def _pooled(shape, window):
    return _avg_pool(np.zeros(shape), **window).shape


def _lp_pool(x, *, norm_type, kernel_size, stride, ceil_mode):
    if np.isinf(norm_type):
        sign = np.sign(norm_type)
        window = _window(kernel_size, stride, ceil=ceil_mode)
        return sign * _max_pool(sign * np.abs(x), **window)[0]
    mean = _avg_pool(x**norm_type, **_mean(_window(kernel_size, stride, ceil=ceil_mode)))
    return (mean * np.prod(kernel_size)) ** (1 / norm_type)


def _max_unpool(x, indices, *, kernel_size, stride, padding, output_size=None):
    lead, own = x.shape[: -len(kernel_size)], x.shape[-len(kernel_size) :]
    size = output_size or [
        (n - 1) * s + k - 2 * p for n, k, s, p in zip(own, kernel_size, stride, padding, strict=True)
    ]
    out = np.zeros((*lead, int(np.prod(size))))
    np.put_along_axis(out, indices.reshape(*lead, -1), x.reshape(*lead, -1), -1)
    return out.reshape(*lead, *size)


def _places(shape, spatial, plane):
    """Indices of a plane, each at most once."""
    rng, lead = np.random.default_rng(3), shape[:-spatial]
    n = int(np.prod(shape[-spatial:]))
    rows = [rng.permutation(plane)[:n] for _ in range(int(np.prod(lead)))]
    return np.array(rows, np.int64).reshape(shape)


def _public(name):
    return lambda x, *rest, kernel_size, **kwargs: getattr(F, f"{name}{len(kernel_size)}d")(
        x, *rest, kernel_size=kernel_size, **kwargs
    )


_BATCHED = [(shape, window) for shape, window in _GEOMETRIES if len(shape) == len(window["kernel_size"]) + 2]

ROWS = [
    Row(
        "max_pool",
        _max_pool,
        [Sample((Arr(shape, distinct=True),), window) for shape, window in _GEOMETRIES + _DILATED],
        [
            Bad(
                (Arr((2, 3, 5)),),
                _window((6,)),
                fg.ShapeError,
                r"max_pool: input: expected at least 6 in spatial dimension 0",
            ),
            Bad(
                (Arr((2, 3, 5)),),
                _window((2,), 2, 2),
                ValueError,
                r"max_pool: padding: expected at most half of kernel_size, 1",
            ),
            Bad((Arr((2, 3, 5)),), _window((2,), 0), ValueError, r"max_pool: stride: expected numbers from 1"),
            Bad((Arr((5,)),), _window((2,)), fg.ShapeError, r"max_pool: input: expected 2 or 3 dimensions"),
            Bad(
                (np.ones((1, 2, 4), np.int64),),
                _window((2,)),
                TypeError,
                r"max_pool: input: expected float32 or float64",
            ),
        ],
        covers=("max_pool_grad",),
        torch=lambda t, x, **w: _torch_max(t, x, **w) if x.numel() else (x[..., :3, :3], x[..., :3, :3].long()),
    ),
    Row(
        "max_pool",
        _max_pool,
        [Sample((Arr(shape, distinct=True),), window) for shape, window in _BATCHED],
        call=_channels_last(lambda x, **w: fg.ops.max_pool(x, **w)),
        id="max_pool-channels_last",
    ),
    Row(
        # The windows are known, and the channels innermost: apart and overlapping windows, and indices of others.
        "max_pool_grad",
        _max_pool_grad,
        [
            *[
                Sample((Arr(places.shape), places), attributes)
                for places, attributes in (_of_windows(shape, window) for shape, window in _BATCHED if 0 not in shape)
            ],
            Sample((Arr((2, 3, 2)), np.full((2, 3, 2), 3)), {"sizes": (4,), "window": tuple(_window((2,)).values())}),
        ],
        call=lambda g, indices, **attributes: fg.ops.max_pool_grad(
            _in_channels_last(g), _in_channels_last(indices), **attributes
        ),
        rtol=1e-5,
        scaled=True,
        id="max_pool_grad-windows",
    ),
    Row(
        "max_pool_grad",
        _max_pool_grad,
        [
            Sample((Arr((2, 3, 4)), Arr((2, 3, 4), low=0, high=9, kind="int")), {"sizes": (9,)}),
            Sample((Arr((2, 3, 4)), Arr((2, 3, 4), low=0, high=30, kind="int")), {"sizes": (5, 6)}),
            Sample((Arr((0, 3, 4)), np.zeros((0, 3, 4), np.int64)), {"sizes": (9,)}),
            Sample((Arr((6, 9, 20, 21)), Arr((6, 9, 20, 21), low=0, high=1600, kind="int")), {"sizes": (40, 40)}),
        ],
        [
            Bad(
                (Arr((2, 3)), np.full((2, 3), 5)),
                {"sizes": (5,)},
                IndexError,
                r"max_pool_grad: indices: index 5 is out of bounds",
            ),
            Bad((Arr((2, 3)), np.full((2, 3), -1)), {"sizes": (5,)}, IndexError, r"index -1 is out of bounds"),
            Bad(
                (Arr((2, 3)), np.zeros((2, 4), np.int64)),
                {"sizes": (5,)},
                fg.ShapeError,
                r"indices: expected the shape of grad",
            ),
        ],
        rtol=1e-5,
        scaled=True,
    ),
    Row(
        "avg_pool",
        _avg_pool,
        [Sample((Arr(shape),), window) for shape, window in _means()],
        [
            Bad(
                (Arr((2, 3, 5)),),
                _mean(_window((2,)), divisor=0),
                ValueError,
                r"avg_pool: divisor_override: expected a number other",
            ),
            Bad((Arr((2, 3, 5)),), _mean(_window((6,))), fg.ShapeError, r"avg_pool: input: expected at least 6"),
        ],
        covers=("avg_pool_grad",),
        rtol=1e-5,
        scaled=True,
    ),
    Row(
        "avg_pool",
        _avg_pool,
        [
            Sample(
                (Arr(shape),), _mean(window, include=k % 2 == 0, divisor=5 if k % 3 == 2 and len(shape) > 3 else None)
            )
            for k, (shape, window) in enumerate(_BATCHED)
        ],
        call=_channels_last(lambda x, **w: fg.ops.avg_pool(x, **w)),
        rtol=1e-5,
        scaled=True,
        torch=lambda t, x, **w: _torch_avg(t, x, **w) if x.numel() else x[..., :3, :3],
        id="avg_pool-channels_last",
    ),
    Row(
        "avg_pool_grad",
        _avg_pool_grad,
        [
            Sample((Arr(_pooled(shape, window)),), {"sizes": shape[-len(window["kernel_size"]) :], **window})
            for shape, window in _means()
        ],
        [
            Bad(
                (Arr((2, 3, 5)),),
                {"sizes": (8,), **_mean(_window((2,)))},
                fg.ShapeError,
                r"avg_pool_grad: grad: expected the shape that these windows give, \(2, 3, 4\)",
            )
        ],
        rtol=1e-5,
        scaled=True,
    ),
    Row(
        "adaptive_avg_pool",
        _adaptive_avg_pool,
        [Sample((Arr(shape),), {"sizes": sizes}) for shape, sizes in _ADAPTIVE],
        [
            Bad((Arr((2, 3, 0)),), {"sizes": (2,)}, fg.ShapeError, r"adaptive_avg_pool: input: expected spatial dim"),
            Bad((Arr((2,)),), {"sizes": (2,)}, fg.ShapeError, r"adaptive_avg_pool: input: expected \(\[N,\] C, …\)"),
            Bad((np.ones((2, 3), int),), {"sizes": (2,)}, TypeError, r"adaptive_avg_pool: input: expected float32"),
        ],
        covers=("adaptive_avg_pool_grad",),
        rtol=1e-5,
        scaled=True,
        torch=_torch_adaptive("avg"),
    ),
    Row(
        "adaptive_avg_pool",
        _adaptive_avg_pool,
        [Sample((Arr(shape),), {"sizes": sizes}) for shape, sizes in _ADAPTIVE_BATCHED],
        call=_channels_last(lambda x, **w: fg.ops.adaptive_avg_pool(x, **w)),
        rtol=1e-5,
        scaled=True,
        id="adaptive_avg_pool-channels_last",
    ),
    Row(
        "adaptive_avg_pool_grad",
        _adaptive_avg_pool_grad,
        [Sample((Arr(shape),), {"sizes": sizes}) for shape, sizes in _ADAPTIVE],
        [
            Bad(
                (Arr((2, 3)),),
                {"sizes": (2, 2, 2)},
                fg.ShapeError,
                r"adaptive_avg_pool_grad: grad: expected \(\[N,\] C, …\) with 3 spatial",
            )
        ],
        rtol=1e-5,
        scaled=True,
    ),
    Row(
        "adaptive_max_pool",
        _adaptive_max_pool,
        [Sample((Arr(shape, distinct=True),), {"sizes": sizes}) for shape, sizes in _ADAPTIVE],
        [
            Bad((Arr((2, 3, 0)),), {"sizes": (2,)}, fg.ShapeError, r"adaptive_max_pool: input: expected spatial dim"),
            Bad((np.ones((2, 3), int),), {"sizes": (2,)}, TypeError, r"adaptive_max_pool: input: expected float32"),
        ],
        torch=lambda t, x, *, sizes: (
            _torch_adaptive("max")(t, x, sizes=sizes) if x.numel() else (x[..., :2, :2], x[..., :2, :2].long())
        ),
    ),
    Row(
        "adaptive_max_pool",
        _adaptive_max_pool,
        [Sample((Arr(shape, distinct=True),), {"sizes": sizes}) for shape, sizes in _ADAPTIVE_BATCHED],
        call=_channels_last(lambda x, **w: fg.ops.adaptive_max_pool(x, **w)),
        id="adaptive_max_pool-channels_last",
    ),
    Row(
        "lp_pool",
        _lp_pool,
        [
            Sample(
                (Arr(shape, low=low, distinct=True),),
                {"norm_type": p, "kernel_size": k, "stride": stride, "ceil_mode": ceil},
            )
            for shape, low, p, k, stride, ceil in [
                ((2, 3, 9), -2.0, 2.0, (3,), (2,), False),
                ((2, 3, 8), 0.1, 3.0, (3,), None, True),
                ((3, 6, 7), 0.1, 1.5, (2, 3), (1, 2), False),
                ((1, 2, 6, 6), -1.0, float("inf"), (2, 2), None, False),
                ((1, 2, 6, 6), -1.0, -float("inf"), (3, 2), None, True),
                ((1, 2, 4, 5, 4), -2.0, 2.0, (2, 2, 2), None, False),
                ((4, 8, 30, 31), -2.0, 2.0, (3, 3), (2, 2), False),
            ]
        ],
        [
            Bad(
                (Arr((2, 3, 5)),),
                {"norm_type": 2.0, "kernel_size": (6,), "stride": None, "ceil_mode": False},
                fg.ShapeError,
                r"avg_pool: input: expected at least 6",
            )
        ],
        call=_public("lp_pool"),
        rtol=1e-5,
        torch=lambda t, x, *, norm_type, kernel_size, stride, ceil_mode: getattr(
            t.nn.functional, f"lp_pool{len(kernel_size)}d"
        )(x, norm_type, kernel_size if len(kernel_size) > 1 else kernel_size[0], stride, ceil_mode),
    ),
    Row(
        "max_unpool",
        _max_unpool,
        [
            Sample(
                (Arr(shape), _places(shape, len(k), plane)),
                {"kernel_size": k, "stride": stride, "padding": padding, "output_size": size},
            )
            for shape, k, stride, padding, size, plane in [
                ((2, 3, 4), (2,), (2,), (0,), None, 8),
                ((3, 3, 2), (3, 2), (2, 2), (1, 0), None, 20),
                ((2, 3, 3, 2), (2, 2), (2, 2), (0, 0), (7, 5), 35),
                ((1, 2, 2, 2, 1), (2, 2, 2), (2, 2, 2), (0, 0, 0), None, 32),
                ((4, 6, 20, 21), (2, 2), (2, 2), (0, 0), None, 1680),
            ]
        ],
        [
            Bad(
                (Arr((2, 3)), np.full((2, 3), 6)),
                {"kernel_size": (2,), "stride": (2,), "padding": (0,)},
                IndexError,
                r"index 6 is out of bounds",
            )
        ],
        call=_public("max_unpool"),
        torch=lambda t, x, indices, *, kernel_size, **kw: getattr(t.nn.functional, f"max_unpool{len(kernel_size)}d")(
            x, indices, kernel_size, **kw
        ),
    ),
]
