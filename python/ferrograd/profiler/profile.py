"""profile: what ran, where and how long."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter
from typing import Any, Self

from .. import _core
from ._watch import Event, ignore, listen

__all__ = ["Event", "Row", "profile"]


@dataclass
class Row:
    """Calls that belong together: of an op, or of a layer."""

    name: str
    calls: int = 0
    #: In the calls of the backend, forward and backward together.
    seconds: float = 0.0
    #: Of these, those of the backward pass.
    backward_seconds: float = 0.0
    #: Floating-point operations of matrix products, convolutions, recurrences and attention; a multiply-add is two.
    flops: float = 0.0
    #: Bytes of operands read and results written.
    bytes: int = 0

    def add(self, event: Event) -> None:
        self.calls += 1
        self.seconds += event.seconds
        self.backward_seconds += event.seconds * event.backward
        self.flops += event.flops
        self.bytes += event.bytes


class profile:
    """Times all that runs inside, prints a table by op and by layer at the end, and can write a time line.

    An op of the forward pass is named as in `ferrograd.ops`' kernels, one of the backward pass as "matmul backward: matmul":
    the op whose gradient it computes, then the kernel. A layer's time is that of its own calls, without the layers that it
    calls. GFLOP/s counts matrix products, convolutions, recurrences and attention (of causal attention the pairs that see
    each other; nothing that a gradient computes again); GB/s the bytes of operands and results, which may
    come from a cache. "% of peak" is the larger of the two's shares of what the machine can do, measured when a table is
    made: multiply-adds in registers, and a copy between arrays larger than the caches. A `Sequential` computes an
    activation with the layer before it; the time is that layer's.

    Watching costs about 4 µs a call, which is not in the calls' times but in those of layers. Other threads are watched too.
    Profiles may be nested; each sees what runs while it is on. When none is on, nothing is watched and nothing is slower.

    Args:
        trace: write a Chrome trace to this path at the end.
        show: print the table at the end; `print(p)` prints it any time.

    Example:
        >>> import ferrograd as fg
        >>> net = fg.nn.Sequential(fg.nn.Linear(4, 8), fg.nn.ReLU(), fg.nn.Linear(8, 2))
        >>> with fg.profile(show=False) as p:
        ...     net(fg.ones(3, 4)).sum().backward()
        >>> [(row.name, row.calls, row.flops) for row in p.by_op() if row.name == "linear"]
        [('linear', 2, 288.0)]
    """

    def __init__(self, trace: str | os.PathLike[str] | None = None, *, show: bool = True) -> None:
        self.trace, self.show = trace, show
        #: What was seen, in the order in which it ended.
        self.events: list[Event] = []
        #: Seconds between the beginning and the end of the `with`, of all of them where it was entered again.
        self.seconds = 0.0
        self._started: list[float] = []

    def __enter__(self) -> Self:
        if self._started:
            raise RuntimeError("profile: this profile is under way already; make another one to nest them")
        listen(self.events.append)
        self._listener = self.events.append
        self._started.append(perf_counter())
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        self.seconds += perf_counter() - self._started.pop()
        ignore(self._listener)
        if self.trace is not None:
            self.chrome_trace(self.trace)
        if self.show and kind is None:
            print(self)

    # -- what was found ------------------------------------------------------------------------------------------------

    @property
    def calls(self) -> list[Event]:
        """The calls of the backend."""
        return [event for event in self.events if event.kind == "call"]

    def by_op(self) -> list[Row]:
        """A row for each op and pass, the longest first."""
        return _rows((_op_name(event), event) for event in self.calls)

    def by_layer(self) -> list[Row]:
        """A row for each layer, the longest first; what ran in none has the name ''."""
        return _rows((event.layer, event) for event in self.calls)

    def table(self, rows: int | None = 30) -> str:
        """The tables by op and by layer, at most `rows` rows each (None: all), the longest first."""
        n = _core.get_num_threads()
        peaks = _peaks(n)
        total = Row("")
        for event in self.calls:
            total.add(event)
        parts = [_table("op", self.by_op(), total, peaks, rows)]
        if any(event.layer for event in self.calls):
            parts.append(_table("layer", self.by_layer(), total, peaks, rows))
        between = self.seconds - total.seconds
        parts.append(
            f"{total.calls} calls, {_time(total.seconds)} in them of {_time(self.seconds)} ({_time(max(between, 0.0))} in "
            f"Python and between); {n} threads, FMA peak {peaks[0] / 1e9:.0f} GFLOP/s, copy {peaks[1] / 1e9:.1f} GB/s"
        )
        return "\n\n".join(parts)

    def __str__(self) -> str:
        return self.table()

    def chrome_trace(self, path: str | os.PathLike[str]) -> None:
        """Writes the events for chrome://tracing or ui.perfetto.dev: layers, nodes of backward and, inside them, calls.

        Times are microseconds since the first event.
        """
        begin = min((event.start for event in self.events), default=0.0)
        threads = {event.thread: k for k, event in enumerate({e.thread: e for e in self.events}.values())}
        process = os.getpid()
        found: list[dict[str, Any]] = [
            {
                "ph": "M", "name": "thread_name", "pid": process, "tid": number,
                "args": {"name": "main" if thread == threading.main_thread().ident else f"thread {number}"},
            }
            for thread, number in threads.items()
        ]  # fmt: skip
        for event in sorted(self.events, key=lambda e: (e.start, -e.seconds)):
            name = f"{event.name} backward" if event.kind == "node" else event.name
            details: dict[str, Any] = {"layer": event.layer}
            if event.kind == "call":
                details |= {"shapes": event.shapes, "FLOP": event.flops, "bytes": event.bytes}
            found.append(
                {
                    "ph": "X", "name": event.layer if event.kind == "layer" else name, "cat": event.kind,
                    "ts": 1e6 * (event.start - begin), "dur": 1e6 * event.seconds, "pid": process,
                    "tid": threads[event.thread], "args": details,
                }
            )  # fmt: skip
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"traceEvents": found, "displayTimeUnit": "ms"}, file)


def _op_name(event: Event) -> str:
    if not event.backward:
        return event.name
    return f"{event.op} backward: {event.name}" if event.op else f"backward: {event.name}"


def _rows(pairs: Iterable[tuple[str, Event]]) -> list[Row]:
    found: dict[str, Row] = {}
    for name, event in pairs:
        found.setdefault(name, Row(name)).add(event)
    return sorted(found.values(), key=lambda row: -row.seconds)


@lru_cache
def _peaks(threads: int) -> tuple[float, float]:
    """FLOP/s and bytes/s of the machine, measured once."""
    return _core.fma_peak(threads), _core.copy_bandwidth(threads)


def _time(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= scale:
            return f"{seconds / scale:.2f} {unit}"
    return f"{seconds * 1e6:.1f} µs"


def _cells(row: Row, total: Row, peaks: tuple[float, float]) -> list[str]:
    seconds = max(row.seconds, 1e-12)
    share = max(row.flops / seconds / peaks[0], row.bytes / seconds / peaks[1])
    return [
        row.name or "–",
        f"{row.calls:,}",
        _time(row.seconds),
        f"{row.seconds / max(total.seconds, 1e-12):.1%}",
        _time(row.backward_seconds) if row.backward_seconds else "–",
        f"{row.flops / seconds / 1e9:.1f}" if row.flops else "–",
        f"{row.bytes / seconds / 1e9:.1f}" if row.bytes else "–",
        f"{share:.0%}" if row.flops or row.bytes else "–",
    ]


def _table(what: str, rows: list[Row], total: Row, peaks: tuple[float, float], limit: int | None) -> str:
    head = [what, "calls", "time", "of all", "backward", "GFLOP/s", "GB/s", "% of peak"]
    shown = rows if limit is None else rows[:limit]
    lines = [_cells(row, total, peaks) for row in shown]
    if len(shown) < len(rows):
        rest = Row(f"{len(rows) - len(shown)} more")
        for row in rows[len(shown) :]:
            for name in ("calls", "seconds", "backward_seconds", "flops", "bytes"):
                setattr(rest, name, getattr(rest, name) + getattr(row, name))
        lines.append(_cells(rest, total, peaks))
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]

    def line(cells: list[str]) -> str:
        first = cells[0].ljust(widths[0])
        return "  ".join([first, *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))])

    rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
    return "\n".join([line(head), rule, *map(line, lines)])
