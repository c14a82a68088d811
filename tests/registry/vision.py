"""Patches, shuffles, other sizes, grids, bags of embeddings, bilinear maps: made of indexing and products."""

from __future__ import annotations

import itertools
import math

import numpy as np

import ferrograd as fg
from ferrograd.nn import functional as F

from ._row import Arr, Bad, Row, Sample


def _pair(v):
    return v if isinstance(v, tuple) else (v, v)


def _unfold(x, *, kernel_size, dilation=1, padding=0, stride=1):
    (kh, kw), (dh, dw), (ph, pw), (sh, sw) = map(_pair, (kernel_size, dilation, padding, stride))
    x = np.pad(x, [(0, 0)] * (x.ndim - 2) + [(ph, ph), (pw, pw)])
    oh, ow = ((x.shape[-2] - dh * (kh - 1) - 1) // sh + 1), ((x.shape[-1] - dw * (kw - 1) - 1) // sw + 1)
    columns = [
        x[..., i * sh : i * sh + dh * (kh - 1) + 1 : dh, j * sw : j * sw + dw * (kw - 1) + 1 : dw].reshape(
            *x.shape[:-3], x.shape[-3] * kh * kw
        )
        for i in range(oh)
        for j in range(ow)
    ]
    return np.stack(columns, -1)


def _fold(y, *, output_size, **geometry):
    """The transpose of `_unfold`, by its matrix."""
    h, w = output_size
    matrix = np.stack([_unfold(e.reshape(1, h, w), **geometry).ravel() for e in np.eye(h * w)], -1)
    k = math.prod(_pair(geometry["kernel_size"]))
    channels = y.reshape(*y.shape[:-2], y.shape[-2] // k, -1)
    return (channels @ matrix).reshape(*channels.shape[:-1], h, w)


def _pixel_shuffle(x, *, upscale_factor):
    r = upscale_factor
    *lead, c, h, w = x.shape
    y = np.zeros((*lead, c // (r * r), h * r, w * r))
    for k, i, j in itertools.product(range(c // (r * r)), range(r), range(r)):
        y[..., k, i::r, j::r] = x[..., (k * r + i) * r + j, :, :]
    return y


def _pixel_unshuffle(y, *, downscale_factor):
    r = downscale_factor
    return np.concatenate(
        [y[..., k : k + 1, i::r, j::r] for k in range(y.shape[-3]) for i in range(r) for j in range(r)], -3
    )


def _channel_shuffle(x, *, groups):
    n = x.shape[1] // groups
    return np.stack([x[:, g * n + k] for k in range(n) for g in range(groups)], 1)


def _cubic(d):
    d, a = abs(d), -0.75
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


def _resample(n, m, mode, align_corners):
    """The matrix (m, n) that turns n places into m."""
    matrix = np.zeros((m, n))
    for i in range(m):
        if mode == "nearest":
            matrix[i, i * n // m] = 1
        elif mode == "nearest-exact":
            matrix[i, int((i + 0.5) * n / m)] = 1
        elif mode == "area":
            start, end = i * n // m, math.ceil((i + 1) * n / m)
            matrix[i, start:end] = 1 / (end - start)
        else:
            at = i * (n - 1) / (m - 1) if align_corners else (i + 0.5) * n / m - 0.5
            if mode == "bicubic":
                for k in range(math.floor(at) - 1, math.floor(at) + 3):
                    matrix[i, min(max(k, 0), n - 1)] += _cubic(at - k)
            else:
                at = min(max(at, 0.0), n - 1)
                for k in range(n):
                    matrix[i, k] = max(0.0, 1 - abs(at - k))
    return matrix


def _interpolate(x, *, size, mode, align_corners=None):
    for dim, m in enumerate(size, 2):
        x = np.moveaxis(np.moveaxis(x, dim, -1) @ _resample(x.shape[dim], m, mode, align_corners).T, -1, dim)
    return x


def _affine_grid(theta, *, size, align_corners):
    n, _, h, w = size
    grid = np.zeros((n, h, w, 2))
    for b, i, j in itertools.product(range(n), range(h), range(w)):
        y, x = (2 * k / (m - 1) - 1 if align_corners else (2 * k + 1) / m - 1 for k, m in ((i, h), (j, w)))
        grid[b, i, j] = theta[b] @ (x, y, 1)
    return grid


def _reflect(at, low, high):
    while not low <= at <= high:
        at = 2 * low - at if at < low else 2 * high - at
    return at


def _grid_sample(x, grid, *, mode, padding_mode, align_corners):
    n, c, *extent = x.shape
    result = np.zeros((n, c, *grid.shape[1:-1]))

    def held(at, m):
        if padding_mode == "reflection":
            at = _reflect(at, *((0, m - 1) if align_corners else (-0.5, m - 0.5)))
        return at if padding_mode == "zeros" else min(max(at, 0), m - 1)

    for b, *place in itertools.product(range(n), *map(range, grid.shape[1:-1])):
        point = grid[(b, *place)][::-1]
        at = [
            (p + 1) / 2 * (m - 1) if align_corners else ((p + 1) * m - 1) / 2
            for p, m in zip(point, extent, strict=True)
        ]
        if mode != "bicubic":
            at = [held(p, m) for p, m in zip(at, extent, strict=True)]
        reach = range(-1, 3) if mode == "bicubic" else range(2)
        if mode == "nearest":
            taps = [[(round(p), 1.0)] for p in at]
        else:
            weight = _cubic if mode == "bicubic" else lambda d: 1 - abs(d)
            taps = [[(math.floor(p) + k, weight(p - math.floor(p) - k)) for k in reach] for p in at]
        for corner in itertools.product(*taps):
            pixel = [round(held(k, m)) for (k, _), m in zip(corner, extent, strict=True)]
            if all(0 <= k < m for k, m in zip(pixel, extent, strict=True)):
                result[(b, slice(None), *place)] += math.prod(w for _, w in corner) * x[(b, slice(None), *pixel)]
    return result


def _embedding_bag(weight, factors, *, input, offsets, mode, padding_idx=None):
    ends = [*offsets[1:], len(input)]
    result = np.zeros((len(offsets), weight.shape[1]))
    for b, (start, end) in enumerate(zip(offsets, ends, strict=True)):
        places = [k for k in range(start, end) if input[k] != padding_idx]
        if places:
            rows = weight[[input[k] for k in places]]
            rows = rows if factors is None else rows * factors[places][:, None]
            result[b] = {"sum": rows.sum, "mean": rows.mean, "max": rows.max}[mode](0)
    return result


def _call_bag(weight, factors, *, input, offsets, mode, padding_idx=None):
    return F.embedding_bag(
        np.array(input), weight, np.array(offsets), mode=mode, per_sample_weights=factors, padding_idx=padding_idx
    )


def _torch_bag(t, weight, factors, *, input, offsets, mode, padding_idx=None):
    return t.nn.functional.embedding_bag(
        t.tensor(input),
        weight,
        t.tensor(offsets),
        mode=mode,
        per_sample_weights=factors,
        padding_idx=padding_idx,
    )


def _named(name, reference, samples, errors=(), **more):
    return Row(
        f"F.{name}",
        reference,
        samples,
        list(errors),
        call=getattr(F, name),
        torch=lambda t, *xs, **kw: getattr(t.nn.functional, name)(*xs, **kw),
        **more,
    )


_BAGS = {"input": [4, 0, 2, 2, 1, 0, 3], "offsets": [0, 3, 3, 5]}
#: Places inside and outside, away from pixels and from where they are mirrored.
_PLACES = Arr((2, 2, 3, 2), -2.2, 2.2, away_from=tuple(k / 12 for k in range(-30, 31)), gap=0.02)
_ALL = {"kernel_size": (2, 3), "dilation": (2, 1), "padding": (1, 2), "stride": 2}

ROWS = [
    _named(
        "unfold",
        _unfold,
        [Sample((Arr((1, 2, 3, 4)),), {"kernel_size": 2}), Sample((Arr((2, 4, 5)),), _ALL)],
        [
            Bad((Arr((3, 3)),), {"kernel_size": 2}, fg.ShapeError, r"unfold: input: expected 3D .* or 4D .* \(3, 3\)"),
            Bad((Arr((1, 2, 2)),), {"kernel_size": 3}, RuntimeError, "unfold: expected an image of at least the size"),
            Bad(
                (Arr((1, 2, 2)),), {"kernel_size": 0}, ValueError, "unfold: kernel_size: expected numbers of at least 1"
            ),
        ],
    ),
    _named(
        "fold",
        _fold,
        [
            Sample((Arr((2, 4, 6)),), {"output_size": (3, 4), "kernel_size": 2}),
            Sample((Arr((12, 8)),), {"output_size": (4, 5), **_ALL}),
        ],
        [
            Bad((Arr((3,)),), {"output_size": (2, 2), "kernel_size": 1}, fg.ShapeError, "fold: input: expected 2D"),
            Bad(
                (Arr((5, 6)),),
                {"output_size": (3, 4), "kernel_size": 2},
                RuntimeError,
                r"fold: input: expected a multiple of 4 rows and 6 columns .* got shape \(5, 6\)",
            ),
        ],
    ),
    _named(
        "pixel_shuffle",
        _pixel_shuffle,
        [Sample((Arr((2, 8, 2, 3)),), {"upscale_factor": 2}), Sample((Arr((9, 1, 2)),), {"upscale_factor": 3})],
        [
            Bad((Arr((1, 6, 2, 2)),), {"upscale_factor": 2}, RuntimeError, "pixel_shuffle: input: expected channels"),
            Bad(
                (Arr((4, 2)),),
                {"upscale_factor": 2},
                RuntimeError,
                "pixel_shuffle: input: expected at least 3 dimensions",
            ),
        ],
    ),
    _named(
        "pixel_unshuffle",
        _pixel_unshuffle,
        [Sample((Arr((1, 2, 4, 6)),), {"downscale_factor": 2})],
        [Bad((Arr((1, 3, 4)),), {"downscale_factor": 2}, RuntimeError, r"pixel_unshuffle: input: .* got \(3, 4\)")],
    ),
    _named(
        "channel_shuffle",
        _channel_shuffle,
        [Sample((Arr((2, 6, 2, 2)),), {"groups": 3}), Sample((Arr((1, 4, 2)),), {"groups": 2})],
        [
            Bad(
                (Arr((1, 5, 2)),),
                {"groups": 2},
                RuntimeError,
                "channel_shuffle: groups: expected a divisor of 5 channels",
            )
        ],
    ),
    _named(
        "interpolate",
        _interpolate,
        [
            Sample((Arr((2, 2, 5)),), {"size": (8,), "mode": "nearest"}),
            Sample((Arr((1, 2, 3, 5)),), {"size": (4, 3), "mode": "nearest-exact"}),
            Sample((Arr((1, 2, 5, 3)),), {"size": (2, 7), "mode": "area"}),
            Sample((Arr((2, 1, 4)),), {"size": (7,), "mode": "linear", "align_corners": False}),
            Sample((Arr((1, 2, 3, 4)),), {"size": (5, 3), "mode": "bilinear", "align_corners": True}),
            Sample((Arr((1, 1, 3, 2, 2)),), {"size": (2, 3, 4), "mode": "trilinear", "align_corners": False}),
            Sample((Arr((1, 1, 4, 3)),), {"size": (6, 2), "mode": "bicubic", "align_corners": False}),
            Sample((Arr((1, 1, 2, 3)),), {"size": (3, 5), "mode": "bicubic", "align_corners": True}),
        ],
        [
            Bad(
                (Arr((1, 1, 3)),),
                {"size": 2, "mode": "bilinear"},
                NotImplementedError,
                "expected 4D input for mode 'bilin",
            ),
            Bad(
                (Arr((1, 1, 3)),),
                {"size": 2, "mode": "cubic"},
                NotImplementedError,
                "interpolate: mode: expected one of",
            ),
            Bad((Arr((1, 1, 3)),), {}, ValueError, "expected either size or scale_factor, got neither"),
            Bad((Arr((1, 1, 3)),), {"size": 2, "scale_factor": 2}, ValueError, "got both"),
            Bad((Arr((1, 1, 3)),), {"size": (2, 3)}, ValueError, "interpolate: size: expected 1 numbers"),
            Bad(
                (Arr((1, 1, 3)),),
                {"size": 2, "align_corners": True},
                ValueError,
                "align_corners: expected None for mode",
            ),
            Bad((Arr((1, 1, 3)),), {"size": 0}, fg.ShapeError, r"expected sizes of at least 1, got input \(3,\)"),
            Bad((Arr((1, 1, 3)),), {"size": 2, "recompute_scale_factor": True}, ValueError, "recompute_scale_factor"),
            Bad(
                (Arr((1, 1, 3, 3)),),
                {"size": 2, "mode": "bilinear", "antialias": True},
                NotImplementedError,
                "interpolate: antialias: is not available",
            ),
        ],
        scaled=True,
    ),
    _named(
        "affine_grid",
        _affine_grid,
        [
            Sample((Arr((2, 2, 3)),), {"size": (2, 1, 2, 3), "align_corners": True}),
            Sample((Arr((1, 2, 3)),), {"size": (1, 3, 3, 1), "align_corners": False}),
        ],
        [
            Bad(
                (Arr((2, 2, 2)),),
                {"size": (2, 1, 3, 3), "align_corners": False},
                ValueError,
                r"affine_grid: theta: expected shape \(2, 2, 3\), got \(2, 2, 2\)",
            ),
            Bad(
                (Arr((2, 2, 3)),),
                {"size": (2, 3), "align_corners": False},
                NotImplementedError,
                "expected 4 or 5 numbers",
            ),
            Bad(
                (Arr((2, 2, 3)),),
                {"size": (2, 1, 0, 3), "align_corners": False},
                ValueError,
                "size: expected numbers of",
            ),
        ],
        scaled=True,
    ),
    _named(
        "grid_sample",
        _grid_sample,
        [
            Sample((Arr((2, 2, 3, 4)), _PLACES), {"mode": mode, "padding_mode": padding, "align_corners": aligned})
            for mode, padding, aligned in (
                ("bilinear", "zeros", False),
                ("bilinear", "border", True),
                ("bilinear", "reflection", False),
                ("bilinear", "reflection", True),
                ("bicubic", "zeros", True),
                ("bicubic", "border", False),
                ("bicubic", "reflection", True),
            )
        ]
        + [
            Sample(
                (Arr((1, 2, 2, 3, 2)), Arr((1, 1, 2, 2, 3), -1.5, 1.5, away_from=tuple(k / 6 for k in range(-9, 10)))),
                {"mode": "bilinear", "padding_mode": "zeros", "align_corners": False},
            )
        ],
        [
            Bad(
                (Arr((1, 1, 3, 3)), Arr((1, 2, 2, 3))),
                {"align_corners": False},
                fg.ShapeError,
                r"grid_sample: grid: expected .* got \(1, 2, 2, 3\) for \(1, 1, 3, 3\)",
            ),
            Bad((Arr((1, 1, 3, 3)), Arr((1, 2, 2, 2))), {"mode": "linear"}, ValueError, "grid_sample: mode: expected"),
            Bad((Arr((1, 1, 3, 3)), Arr((1, 2, 2, 2))), {"padding_mode": "wrap"}, ValueError, "padding_mode: expected"),
            Bad(
                (Arr((1, 1, 2, 2, 2)), Arr((1, 1, 1, 1, 3))),
                {"mode": "bicubic", "align_corners": False},
                RuntimeError,
                "'bicubic' takes input of 4 dimensions only",
            ),
        ],
        # A place in float32 is off by what its distance from the origin rounds to.
        rtol=2e-5,
        scaled=True,
    ),
    Row(
        "F.grid_sample",
        lambda x, *, grid, **kw: _grid_sample(x, grid, **kw),
        [
            Sample(
                (Arr((2, 1, 3, 4)),),
                {
                    "grid": _PLACES.make(3),
                    "mode": "nearest",
                    "padding_mode": padding,
                    "align_corners": aligned,
                },
            )
            for padding, aligned in (("zeros", False), ("reflection", True))
        ],
        call=lambda x, *, grid, **kw: F.grid_sample(
            x, grid.astype(x.dtype.name if isinstance(x, fg.Tensor) else x.dtype), **kw
        ),
        torch=lambda t, x, *, grid, **kw: t.nn.functional.grid_sample(x, t.tensor(grid), **kw),
        id="F.grid_sample-nearest",
    ),
    Row(
        "F.embedding_bag",
        _embedding_bag,
        [
            Sample((Arr((5, 3), distinct=True), None), {**_BAGS, "mode": mode, "padding_idx": pad})
            for mode in ("sum", "mean", "max")
            for pad in (None, 0)
        ]
        + [Sample((Arr((5, 2)), Arr((7,))), {**_BAGS, "mode": "sum", "padding_idx": 2})],
        [
            Bad((Arr((4, 2)), None), {**_BAGS, "mode": "sum"}, IndexError, "embedding"),
            Bad(
                (Arr((5, 2)), None),
                {**_BAGS, "mode": "min"},
                ValueError,
                "mode: expected 'sum', 'mean' or 'max', got 'min'",
            ),
            Bad(
                (Arr((5, 2)), Arr((7,))),
                {**_BAGS, "mode": "max"},
                NotImplementedError,
                "per_sample_weights: expected mode",
            ),
            Bad(
                (Arr((5, 2)), Arr((6,))),
                {**_BAGS, "mode": "sum"},
                ValueError,
                r"expected the shape of the input, \(7,\)",
            ),
            Bad(
                (Arr((5,)), None), {**_BAGS, "mode": "sum"}, ValueError, r"weight: expected shape \(V, D\), got \(5,\)"
            ),
            Bad(
                (Arr((5, 2)), None), {"input": [1, 2], "offsets": [1], "mode": "sum"}, RuntimeError, "that rise from 0"
            ),
            Bad((Arr((5, 2)), None), {"input": [1, 2], "offsets": [0, 3], "mode": "sum"}, RuntimeError, "to at most 2"),
            Bad(
                (Arr((5, 2)), None),
                {"input": [[1, 2]], "offsets": [0], "mode": "sum"},
                ValueError,
                "offsets: expected None",
            ),
        ],
        call=_call_bag,
        torch=_torch_bag,
    ),
    Row(
        "F.bilinear",
        lambda x1, x2, w, b: np.einsum("...i,oij,...j->...o", x1, w, x2) + (0 if b is None else b),
        [
            Sample((Arr((4, 2)), Arr((4, 3)), Arr((2, 2, 3)), Arr((2,)))),
            Sample((Arr((2, 3, 2)), Arr((2, 3, 1)), Arr((4, 2, 1)), None)),
            Sample((Arr((3,)), Arr((2,)), Arr((1, 3, 2)), None)),
        ],
        [
            Bad(
                (Arr((4, 2)), Arr((3, 3)), Arr((2, 2, 3)), None),
                {},
                fg.ShapeError,
                r"bilinear: input2: expected .*\(4, 3\)",
            ),
            Bad(
                (Arr((4, 2)), Arr((4, 3)), Arr((2, 3)), None), {}, fg.ShapeError, r"weight: expected shape \(O, I, J\)"
            ),
        ],
        call=F.bilinear,
        torch=lambda t, *xs: t.nn.functional.bilinear(*xs),
        scaled=True,
    ),
]
