"""Padding, made of indexing."""

from __future__ import annotations

import numpy as np

import ferrograd as fg
from ferrograd.nn import functional as F

from ._row import Arr, Bad, Row, Sample

_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _pad(x, *, pad, mode, value=None):
    counts = list(zip(pad[::2], pad[1::2], strict=True))[::-1]
    width = [(0, 0)] * (x.ndim - len(counts)) + counts
    more = {"constant_values": value or 0.0} if mode == "constant" else {}
    return np.pad(x, width, _MODES[mode], **more)


ROWS = [
    Row(
        "F.pad",
        _pad,
        [
            *(Sample((Arr((2, 3, 4)),), {"pad": (2, 1, 0, 2), "mode": mode}) for mode in _MODES),
            Sample((Arr((1, 2, 3, 3)),), {"pad": (1, 2), "mode": "constant", "value": -1.5}),
        ],
        [
            Bad(
                (Arr((2, 3)),),
                {"pad": (3, 0), "mode": "reflect"},
                fg.ShapeError,
                "pad: pad: expected at most 2 elements",
            )
        ],
        call=F.pad,
        torch=lambda t, x, **kw: t.nn.functional.pad(x, **kw),
    ),
]
