"""Recurrent layers over whole sequences, one sequence and one step at a time in the reference."""

from __future__ import annotations

import numpy as np

import ferrograd as fg

from ._row import Arr, Bad, Row, Sample


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _sequences(x, batch_sizes):
    """The rows of each sequence, in the order of time; and the number of rows."""
    if batch_sizes is None:
        steps, batch = x.shape[:2]
        return [[t * batch + b for t in range(steps)] for b in range(batch)]
    starts = np.cumsum([0, *batch_sizes])
    return [[int(starts[t]) + b for t, n in enumerate(batch_sizes) if b < n] for b in range(batch_sizes[0])]


def _run(x, w_ih, states, batch_sizes, reverse, cell, width=None):
    """`cell(input's product, *states) -> (output, *states)` along each sequence; outputs of `width`, the state's."""
    width = states[0].shape[1] if width is None else width
    rows = _sequences(x, batch_sizes)
    flat = x.reshape(-1, x.shape[-1]) @ w_ih.T
    states = [s.copy() for s in states]
    y = np.zeros((len(flat), width))
    for b, sequence in enumerate(rows):
        for row in reversed(sequence) if reverse else sequence:
            y[row], *new = cell(flat[row], *(s[b] for s in states))
            for s, value in zip(states, new, strict=True):
                s[b] = value
    return y.reshape(*x.shape[:-1], y.shape[1]), *states


def _given(state, x, batch_sizes, width):
    return np.zeros((x.shape[1] if batch_sizes is None else batch_sizes[0], width)) if state is None else state


def _bias(bias):
    return 0.0 if bias is None else bias


def _rnn(x, h0, w_ih, w_hh, b_ih, b_hh, *, batch_sizes, reverse, nonlinearity):
    hidden = w_hh.shape[0]

    def cell(a, h):
        a = a + _bias(b_ih) + w_hh @ h + _bias(b_hh)
        new = np.tanh(a) if nonlinearity == "tanh" else np.maximum(a, 0)
        return new, np.concatenate([new, h[:-hidden]])

    return _run(x, w_ih, [_given(h0, x, batch_sizes, w_hh.shape[1])], batch_sizes, reverse, cell, hidden)


def _lstm(x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, *, batch_sizes, reverse):
    hidden = w_hh.shape[0] // 4

    def cell(a, h, c):
        i, f, g, o = np.split(a + _bias(b_ih) + w_hh @ h + _bias(b_hh), 4)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        h = _sigmoid(o) * np.tanh(c)
        h = h if w_hr is None else w_hr @ h
        return h, h, c

    states = [_given(h0, x, batch_sizes, w_hh.shape[1]), _given(c0, x, batch_sizes, hidden)]
    return _run(x, w_ih, states, batch_sizes, reverse, cell)


def _gru(x, h0, w_ih, w_hh, b_ih, b_hh, *, batch_sizes, reverse):
    def cell(a, h):
        a, b = np.split(a + _bias(b_ih), 3), np.split(w_hh @ h + _bias(b_hh), 3)
        r, z = _sigmoid(a[0] + b[0]), _sigmoid(a[1] + b[1])
        n = np.tanh(a[2] + r * b[2])
        h = (1 - z) * n + z * h
        return h, h

    return _run(x, w_ih, [_given(h0, x, batch_sizes, w_hh.shape[1])], batch_sizes, reverse, cell)


#: Input shape, hidden size, batch_sizes, reverse, biases, initial states. Hidden sizes around the vectors and panels of
#: every instruction set, rows around the tiles; the larger ones are shared among threads.
_CASES = [
    ((3, 2, 3), 2, None, False, True, True),
    ((3, 2, 2), 3, None, True, False, False),
    ((6, 3), 2, (3, 2, 1), False, True, True),
    ((7, 2), 3, (3, 2, 2), True, True, True),
    ((5, 2), 1, (2, 2, 1), True, False, False),
    ((1, 1, 1), 1, None, False, True, False),
    ((2, 0, 3), 2, None, False, True, True),
    ((5, 14, 9), 33, None, False, True, True),
    ((3, 40, 17), 70, None, True, True, True),
    ((90, 8), 48, (40, 31, 19), True, True, True),
    ((90, 8), 64, (40, 31, 19), False, False, False),
]


def _samples(gates, cell_states=0, out=None, order=1, **attributes):
    """`out` is the part of the hidden size that a projection leaves."""
    samples = []
    for shape, hidden, sizes, reverse, biases, initial in _CASES:
        batch = shape[1] if sizes is None else sizes[0]
        kept = hidden * order if out is None else max(1, int(hidden * out))
        scale = 2 / np.sqrt(hidden + shape[-1])
        states = [(batch, kept), (batch, hidden)][: 1 + cell_states]
        rows = gates * hidden
        operands = [
            Arr(shape),
            *(Arr(s) if initial else None for s in states),
            Arr((rows, shape[-1]), -scale, scale),
            Arr((rows, kept), -scale, scale),
            *(Arr((rows,)) if biases else None for _ in range(2)),
        ]
        if cell_states:
            operands.append(None if out is None else Arr((kept, hidden), -scale, scale))
        samples.append(Sample(tuple(operands), {"batch_sizes": sizes, "reverse": reverse, **attributes}))
    return samples


def _away_from_the_kink(seed, shape, hidden, sizes, reverse):
    """A ReLU recurrence whose sums stay away from 0: states are positive, and each unit's sum has the sign of its bias."""
    rng = np.random.default_rng(seed)
    batch = shape[1] if sizes is None else sizes[0]

    def draw(shape, low, high):
        return rng.uniform(low, high, shape).astype(np.float32).astype(np.float64)

    bias = np.where(np.arange(hidden) % 3 == 0, -4.0, 1.0)
    operands = (
        draw(shape, -1, 1),
        draw((batch, hidden), 0, 1),
        draw((hidden, shape[-1]), -0.5, 0.5) / shape[-1],
        np.abs(draw((hidden, hidden), 0.1, 0.5)) / hidden,
        draw((hidden,), -0.1, 0.1) + bias,
        draw((hidden,), -0.1, 0.1),
    )
    return Sample(operands, {"batch_sizes": sizes, "reverse": reverse, "nonlinearity": "relu"})


def _torch_rnn(kind):
    """The same layer in PyTorch, from a packed sequence where there are batch sizes."""

    def run(t, *operands, batch_sizes, reverse, nonlinearity="tanh"):
        states = operands[1:3] if kind == "LSTM" else operands[1:2]
        weights = operands[1 + len(states) :]
        w_hr = weights[4] if kind == "LSTM" else None
        x, (w_ih, w_hh, b_ih, b_hh) = operands[0], weights[:4]
        hidden = w_hh.shape[1] if w_hr is None else w_hr.shape[1]
        batch = x.shape[1] if batch_sizes is None else batch_sizes[0]
        given = [
            t.zeros(batch, width, dtype=x.dtype) if s is None else s
            for s, width in zip(states, (w_hh.shape[1], hidden), strict=False)
        ]
        options = {"bias": b_ih is not None, "bidirectional": reverse, "dtype": x.dtype}
        options |= {"nonlinearity": nonlinearity} if kind == "RNN" else {}
        options |= {"proj_size": w_hr.shape[0]} if w_hr is not None else {}
        layer = getattr(t.nn, kind)(x.shape[-1], hidden, **options)
        # PyTorch has the reverse direction only beside the other: what is asked for is the second half.
        suffix = "_reverse" if reverse else ""
        named = {"weight_ih": w_ih, "weight_hh": w_hh, "bias_ih": b_ih, "bias_hh": b_hh, "weight_hr": w_hr}
        parameters = dict(layer.named_parameters())
        parameters |= {f"{k}_l0{suffix}": v for k, v in named.items() if v is not None}
        both = [t.stack([t.zeros_like(s), s] if reverse else [s]) for s in given]
        if batch_sizes is not None:
            x = t.nn.utils.rnn.PackedSequence(x, t.tensor(batch_sizes))
        y, last = t.func.functional_call(layer, parameters, (x, tuple(both) if kind == "LSTM" else both[0]))
        y = y if batch_sizes is None else y.data
        last = last if kind == "LSTM" else (last,)
        return y[..., -w_hh.shape[1] :], *(s[-1] for s in last)

    return run


def _bad(gates, cell_states=0, **attributes):
    plain = {"batch_sizes": None, "reverse": False, **attributes}
    rows = gates * 2
    none = (None,) * (1 + cell_states)
    tail = (None, None) + (None,) * cell_states
    weights = (Arr((rows, 3)), Arr((rows, 2)))
    return [
        Bad((Arr((4, 3)), *none, *weights, *tail), plain, fg.ShapeError, r"input: expected shape \(T, N, in\)"),
        Bad(
            (Arr((4, 2, 3)), *none, *weights, *tail),
            plain | {"batch_sizes": (4, 4)},
            fg.ShapeError,
            r"input: expected shape \(rows, in\), got \(4, 2, 3\)",
        ),
        Bad(
            (Arr((4, 2, 2)), *none, *weights, *tail), plain, fg.ShapeError, rf"weight_ih: expected shape \({rows}, 2\)"
        ),
        Bad(
            (Arr((4, 2, 3)), *none, weights[0], Arr((rows + 1, 2)), *tail),
            plain,
            fg.ShapeError,
            r"weight_hh: expected shape",
        ),
        Bad(
            (Arr((4, 2, 3)), Arr((3, 2)), *none[1:], *weights, *tail),
            plain,
            fg.ShapeError,
            r"h0: expected shape \(2, 2\), got \(3, 2\)",
        ),
        Bad(
            (Arr((4, 2, 3)), *none, *weights, Arr((3,)), *tail[1:]),
            plain,
            fg.ShapeError,
            rf"bias_ih: expected shape \({rows},\), got \(3,\)",
        ),
        Bad(
            (Arr((4, 2, 3)), *none, *weights, None, Arr((3,)), *tail[2:]),
            plain,
            fg.ShapeError,
            r"bias_hh: expected shape",
        ),
        Bad((Arr((0, 2, 3)), *none, *weights, *tail), plain, ValueError, "batch_sizes: expected one step or more"),
        Bad(
            (Arr((4, 3)), *none, *weights, *tail),
            plain | {"batch_sizes": (1, 3)},
            ValueError,
            r"batch_sizes: expected sizes that never grow, got \[1, 3\]",
        ),
        Bad(
            (Arr((4, 3)), *none, *weights, *tail),
            plain | {"batch_sizes": (2, 1)},
            ValueError,
            r"batch_sizes: expected 4 rows together",
        ),
        Bad(
            (Arr((4, 3)), *none, *weights, *tail),
            plain | {"batch_sizes": (5, -1)},
            ValueError,
            r"batch_sizes: expected numbers of at least 0, got -1",
        ),
        Bad(
            (Arr((4, 2, 3), kind="int"), *none, *weights, *tail),
            plain,
            fg.DTypeError,
            "input: expected a floating-point dtype",
        ),
        Bad(
            (Arr((4, 2, 3)), *none, weights[0], np.zeros((rows, 2)), *tail),
            plain,
            fg.DTypeError,
            "weight_hh: expected float32, as the input has, got float64",
        ),
    ]


ROWS = [
    Row(
        "rnn_sequence",
        _rnn,
        _samples(1, nonlinearity="tanh"),
        [
            *_bad(1, nonlinearity="tanh"),
            Bad(
                (Arr((4, 2, 3)), None, Arr((2, 3)), Arr((2, 2)), None, None),
                {"batch_sizes": None, "reverse": False, "nonlinearity": "gelu"},
                ValueError,
                "nonlinearity: expected 'tanh' or 'relu', got 'gelu'",
            ),
        ],
        rtol=1e-5,
        scaled=True,
        torch=_torch_rnn("RNN"),
    ),
    Row(
        "rnn_sequence",
        _rnn,
        [s for order in (2, 5) for s in _samples(1, order=order, nonlinearity="tanh")],
        id="rnn_sequence-order",
        rtol=1e-5,
        scaled=True,
    ),
    Row(
        "rnn_sequence",
        _rnn,
        [
            _away_from_the_kink(0, (4, 2, 3), 4, None, False),
            _away_from_the_kink(1, (6, 2), 3, (3, 2, 1), True),
            _away_from_the_kink(2, (3, 20, 5), 40, None, True),
        ],
        id="rnn_sequence-relu",
        rtol=1e-5,
        scaled=True,
        torch=_torch_rnn("RNN"),
    ),
    Row(
        "lstm_sequence",
        _lstm,
        _samples(4, 1),
        [
            *_bad(4, 1),
            Bad(
                (Arr((4, 2, 3)), None, Arr((2, 3)), Arr((8, 3)), Arr((8, 2)), None, None, None),
                {"batch_sizes": None, "reverse": False},
                fg.ShapeError,
                r"c0: expected shape \(2, 2\), got \(2, 3\)",
            ),
            Bad(
                (Arr((4, 2, 3)), None, None, Arr((8, 3)), Arr((8, 1)), None, None, Arr((2, 2))),
                {"batch_sizes": None, "reverse": False},
                fg.ShapeError,
                r"weight_hr: expected shape \(1, 2\), got \(2, 2\)",
            ),
        ],
        parts=(0, 1, 2),
        rtol=1e-5,
        scaled=True,
        torch=_torch_rnn("LSTM"),
    ),
    *[
        Row(
            "lstm_sequence",
            _lstm,
            [s for k, s in enumerate(_samples(4, 1, out=0.6)) if k in chosen],
            id=name,
            parts=(0, 1, 2),
            rtol=1e-5,
            scaled=True,
            torch=torch,
        )
        for name, chosen, torch in (
            ("lstm_sequence-projected", (1, 2, 3, 6, 7, 9), _torch_rnn("LSTM")),
            # PyTorch has no projection that is as wide as the state.
            ("lstm_sequence-projected-fully", (4,), None),
        )
    ],
    Row(
        "gru_sequence",
        _gru,
        _samples(3),
        _bad(3),
        parts=(0, 1),
        rtol=1e-5,
        scaled=True,
        torch=_torch_rnn("GRU"),
    ),
]
