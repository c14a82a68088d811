"""Recurrent layers: one layer in one direction over whole sequences, fused.

A batch of sequences is packed as PyTorch packs it: with `batch_sizes` (n_0 ≥ n_1 ≥ …), the input (R, I) holds the n_0
rows of step 0, then the n_1 rows of the sequences that are longer than one step, and so on; the longest sequence comes
first. With `batch_sizes` None the input is (T, N, I), all sequences of length T. `reverse` reads each sequence from its
own end. Results of all steps have the form of the input; the state of a sequence that is over stays as it is.

Shapes: initial states (N, H) or None (zero), w_ih (G·H, I), w_hh (G·H, H), biases (G·H,) or None, with G gates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._core import backend
from ._op import op
from .activation import relu, sigmoid, tanh
from .elementwise import add, mul, sub
from .join import concatenate
from .linalg import linear
from .view import getitem, reshape


@op
def rnn_sequence(
    x: Any,
    h0: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any,
    b_hh: Any,
    *,
    batch_sizes: tuple[int, ...] | None,
    reverse: bool,
    nonlinearity: str,
) -> Any:
    """h_t = f(x_t·W_ihᵀ + b_ih + h_{t−1}·W_hhᵀ + b_hh), f "tanh" or "relu".

    With w_hh (H, k·H) = [W_1 … W_k] the recurrence is of order k, Σ_j h_{t−j}·W_jᵀ in the place of one product, and the
    initial states are (N, k·H), h_{−1} first. Returns all states h_t, and the last k of each sequence (N, k·H), the
    latest first.
    """
    return backend.rnn_sequence(x, h0, w_ih, w_hh, b_ih, b_hh, batch_sizes, reverse, nonlinearity)


@rnn_sequence.rule(saves=("x", "h0", "w_ih", "w_hh", "b_ih", "b_hh", "result0"))
def _(g, needs, x, h0, w_ih, w_hh, b_ih, b_hh, y, *, batch_sizes, reverse, nonlinearity):
    # With e = ∂Q/∂a: ∂Q/∂h_t = g_t + Σ_j e_{t+j}·W_j; the weights' gradients are sums over all steps.
    return backend.rnn_sequence_grad(g[0], g[1], x, h0, w_ih, w_hh, y, batch_sizes, reverse, nonlinearity, needs)


@rnn_sequence.unfused
def _(x, h0, w_ih, w_hh, b_ih, b_hh, *, batch_sizes, reverse, nonlinearity):
    function = tanh if nonlinearity == "tanh" else relu
    kept = w_hh.shape[1] - w_hh.shape[0]

    def cell(a, h):
        new = function(add(a, linear(h, w_hh, b_hh)))
        return new, concatenate(new, getitem(h, index=(..., slice(0, kept))), dim=-1) if kept else new

    y, (h,) = _steps(x, w_ih, b_ih, [_initial(h0, x, batch_sizes, w_hh.shape[1])], cell, batch_sizes, reverse)
    return y, h


@op
def lstm_sequence(
    x: Any,
    h0: Any,
    c0: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any,
    b_hh: Any,
    w_hr: Any,
    *,
    batch_sizes: tuple[int, ...] | None,
    reverse: bool,
) -> Any:
    """With a = x_t·W_ihᵀ + b_ih + h_{t−1}·W_hhᵀ + b_hh in four parts, in this order:

    i, f, o = σ(a_i), σ(a_f), σ(a_o), g = tanh(a_g), c_t = f ⊙ c_{t−1} + i ⊙ g, h_t = o ⊙ tanh(c_t). With a projection
    w_hr (P, H), the state is h_t·W_hrᵀ of P numbers, and w_hh (4·H, P).

    Returns all states h_t, the last of each sequence, the last c of each; and what the gradient needs.
    """
    return backend.lstm_sequence(x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, batch_sizes, reverse)


@lstm_sequence.rule(
    saves=(
        "x", "h0", "c0", "w_ih", "w_hh", "b_ih", "b_hh", "w_hr", "result0", "result3", "result4", "result5",
    )
)  # fmt: skip
def _(g, needs, x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, y, gates, cells, states, *, batch_sizes, reverse):
    return backend.lstm_sequence_grad(
        g[0], g[1], g[2], x, h0, c0, w_ih, w_hh, w_hr, y, gates, cells, states, batch_sizes, reverse, needs
    )


@lstm_sequence.unfused
def _(x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, *, batch_sizes, reverse):
    hidden = w_hh.shape[0] // 4

    def cell(a, h, c):
        i, f, g, o = _parts(add(a, linear(h, w_hh, b_hh)), hidden)
        c = add(mul(sigmoid(f), c), mul(sigmoid(i), tanh(g)))
        h = mul(sigmoid(o), tanh(c))
        h = h if w_hr is None else linear(h, w_hr, None)
        return h, h, c

    states = [_initial(h0, x, batch_sizes, w_hh.shape[1]), _initial(c0, x, batch_sizes, hidden)]
    y, (h, c) = _steps(x, w_ih, b_ih, states, cell, batch_sizes, reverse)
    return y, h, c, None, None, None


@op
def gru_sequence(
    x: Any,
    h0: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any,
    b_hh: Any,
    *,
    batch_sizes: tuple[int, ...] | None,
    reverse: bool,
) -> Any:
    """With a = x_t·W_ihᵀ + b_ih and b = h_{t−1}·W_hhᵀ + b_hh in three parts, in this order:

    r = σ(a_r + b_r), z = σ(a_z + b_z), n = tanh(a_n + r ⊙ b_n), h_t = (1 − z) ⊙ n + z ⊙ h_{t−1}.

    Returns all states h_t, and the last of each sequence; and what the gradient needs.
    """
    return backend.gru_sequence(x, h0, w_ih, w_hh, b_ih, b_hh, batch_sizes, reverse)


@gru_sequence.rule(saves=("x", "h0", "w_ih", "w_hh", "b_ih", "b_hh", "result0", "result2"))
def _(g, needs, x, h0, w_ih, w_hh, b_ih, b_hh, y, gates, *, batch_sizes, reverse):
    return backend.gru_sequence_grad(g[0], g[1], x, h0, w_ih, w_hh, y, gates, batch_sizes, reverse, needs)


@gru_sequence.unfused
def _(x, h0, w_ih, w_hh, b_ih, b_hh, *, batch_sizes, reverse):
    hidden = w_hh.shape[1]

    def cell(a, h):
        a, b = _parts(a, hidden), _parts(linear(h, w_hh, b_hh), hidden)
        r, z = sigmoid(add(a[0], b[0])), sigmoid(add(a[1], b[1]))
        n = tanh(add(a[2], mul(r, b[2])))
        h = add(n, mul(z, sub(h, n)))
        return h, h

    y, (h,) = _steps(x, w_ih, b_ih, [_initial(h0, x, batch_sizes, hidden)], cell, batch_sizes, reverse)
    return y, h, None


def _parts(a: Any, hidden: int) -> list[Any]:
    """The columns of each gate."""
    return [getitem(a, index=(..., slice(k, k + hidden))) for k in range(0, a.shape[-1], hidden)]


def _initial(state: Any, x: Any, batch_sizes: tuple[int, ...] | None, width: int) -> Any:
    if state is not None:
        return state
    return backend.full((x.shape[1] if batch_sizes is None else batch_sizes[0], width), 0, x._dtype)


def _rows(a: Any, start: int, stop: int) -> Any:
    return getitem(a, index=(slice(start, stop),))


def _steps(
    x: Any,
    w_ih: Any,
    b_ih: Any,
    states: list[Any],
    cell: Callable[..., Any],
    batch_sizes: tuple[int, ...] | None,
    reverse: bool,
) -> tuple[Any, list[Any]]:
    """The cell at each step, (input's part, *states) -> (output, *new states); all outputs, and the last states."""
    sizes = (x.shape[1],) * x.shape[0] if batch_sizes is None else batch_sizes
    starts = [sum(sizes[:t]) for t in range(len(sizes))]
    a = linear(x, w_ih, b_ih)
    a = reshape(a, shape=(-1, a.shape[-1])) if batch_sizes is None and a.shape[1] else a
    outputs: list[Any] = [None] * len(sizes)
    for t in reversed(range(len(sizes))) if reverse else range(len(sizes)):
        n = sizes[t]
        step = _rows(a, starts[t], starts[t] + n) if batch_sizes is not None or n else getitem(a, index=(t,))
        outputs[t], *new = cell(step, *(_rows(s, 0, n) for s in states))
        # The states of sequences that are over, or not begun, stay as they are.
        states = [
            s if n == states[0].shape[0] else concatenate(s, _rows(old, n, old.shape[0]), dim=0)
            for s, old in zip(new, states, strict=True)
        ]
    y = concatenate(*outputs, dim=0)
    return (reshape(y, shape=(*x.shape[:2], y.shape[-1])) if batch_sizes is None else y), states
