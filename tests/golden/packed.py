"""Recurrent layers on packed sequences, as `make_golden.py packed` runs them in PyTorch."""

from __future__ import annotations

from typing import Any

#: Id -> layer, sizes, options, lengths of the sequences in the batch, whether initial states are given.
PACKED: dict[str, tuple[str, tuple[int, int], dict[str, Any], list[int], bool]] = {
    "rnn": ("RNN", (2, 3), dict(nonlinearity="relu"), [3, 1, 2], False),
    "lstm": ("LSTM", (2, 3), dict(num_layers=2, bidirectional=True), [2, 4, 1, 2], True),
    "lstm-proj": ("LSTM", (2, 3), dict(bidirectional=True, proj_size=2), [1, 3], True),
    "gru": ("GRU", (2, 3), dict(bidirectional=True, batch_first=True), [2, 4, 4], True),
    "gru-sorted": ("GRU", (3, 2), dict(num_layers=2, bias=False), [4, 2, 2], False),
}
