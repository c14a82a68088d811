"""The figures of `peers.py` as Markdown tables."""

from __future__ import annotations

import math
import statistics
from typing import Any

from worker import LIBRARIES
from workloads import WORKLOADS

TITLES = {
    "gemm": "Matrix products",
    "conv": "Convolutions",
    "ops": "Ops",
    "train": "Training steps",
    "infer": "Inference",
}
EAGER = "torch"


def first_results_differ(first: dict[str, float | None]) -> str:
    """What the libraries' first losses are, where they are not the same up to rounding."""
    known = {name: value for name, value in first.items() if value is not None and name != "jax"}
    if not known or max(known.values()) - min(known.values()) < 1e-3 * abs(max(known.values())):
        return ""
    return ", ".join(f"{name} {value}" for name, value in known.items())


def human(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def markdown(rows: list[list[str]]) -> str:
    """A table; the first row is its head."""
    rows = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    )


def geometric_mean(values: list[float]) -> float:
    return math.exp(statistics.fmean(math.log(v) for v in values))


def peaks(figures: dict[str, Any]) -> tuple[float, float]:
    """FLOP/s and bytes/s of the machine: the medians of what the runs measured."""
    measured = figures["machine"]["peaks"]
    return statistics.median(m["fma_peak"] for m in measured), statistics.median(m["copy"] for m in measured)


def bounds(name: str, figures: dict[str, Any]) -> tuple[float, float]:
    """Seconds of the workload's products at the FMA peak and of its bytes at a copy's rate; 0 where they do not matter."""
    fma, copy = peaks(figures)
    return WORKLOADS[name].flops / fma, WORKLOADS[name].bytes / copy


def floor(name: str, figures: dict[str, Any]) -> float:
    """The least seconds that the workload takes on this machine."""
    return max(bounds(name, figures))


def is_bound_by_memory(name: str, figures: dict[str, Any]) -> bool:
    products, bytes_ = bounds(name, figures)
    return bytes_ > products


def typical(t: list[float], figures: dict[str, Any]) -> float:
    """The median of rounds; the least on a busy machine, where every disturbance adds."""
    return min(t) if figures["machine"].get("busy") else statistics.median(t)


def ratios(name: str, figures: dict[str, Any]) -> tuple[float | None, float | None, float | None]:
    """PyTorch eager's time over ours, the fastest peer's over ours, and that over our recorded step's."""
    medians = {library: typical(t, figures) for library, t in figures["times"][name].items()}
    ours, recorded = medians.pop("ferrograd"), medians.pop("ferrograd recorded", None)
    eager = medians[EAGER] / ours if EAGER in medians else None
    if not medians:
        return None, None, None
    fastest = min(medians.values())
    return eager, fastest / ours, fastest / recorded if recorded else None


def times(suite: str, figures: dict[str, Any]) -> str:
    """A suite's table, and its geometric means."""
    measured = figures.get("times", {})
    names = [name for name in WORKLOADS if name in measured and WORKLOADS[name].suite == suite]
    if not names:
        return ""
    libraries = [library for library in LIBRARIES if any(library in measured[name] for name in names)]
    found = {name: ratios(name, figures) for name in names}
    # A column of what was not measured says nothing.
    heads = ["eager / ours", "fastest / ours", "fastest / recorded"][
        : 2 + any(r[2] is not None for r in found.values())
    ]
    rows = [["workload", "floor", *libraries, "floor / ours", *heads]]
    for name in names:
        cells = [f"`{name}` {WORKLOADS[name].what}"]
        least = floor(name, figures)
        cells.append(human(least) if least else "–")
        for library in libraries:
            t = measured[name].get(library)
            middle = typical(t, figures) if t else 0.0
            cells.append(f"{human(middle)} ({(max(t) - min(t)) / middle:.0%})" if t else "–")
        cells.append(f"{least / typical(measured[name]['ferrograd'], figures):.0%}" if least else "–")
        cells += ["–" if ratio is None else f"{ratio:.2f}" for ratio in found[name][: len(heads)]]
        rows.append(cells)
    lines = [f"## {TITLES[suite]}", "", markdown(rows)]
    for title, some in (
        ("", [name for name in names if not name.endswith(" plain")]),
        (" with a hand-written forward", [name for name in names if name.endswith(" plain")]),
    ):
        eager, fastest, recorded = ([r for name in some if (r := found[name][k]) is not None] for k in range(3))
        if eager and fastest:
            means = f"{geometric_mean(eager):.2f} against PyTorch eager, {geometric_mean(fastest):.2f} against the fastest peer"
            means += f" of each; recorded {geometric_mean(recorded):.2f} against that." if recorded else " of each."
            lines += ["", f"Geometric means of {len(fastest)} workloads{title}: {means}"]
    return "\n".join(lines)


def gain(times: dict[str, list[float]]) -> float:
    """How many times as fast two threads were as one."""
    return statistics.median(times["1"]) / statistics.median(times["2"])


def scaling(figures: dict[str, Any]) -> str:
    measured = figures.get("scaling", {})
    if not measured:
        return ""
    rows = [["workload", "1 thread", "2 threads", "scaling", "that of", "in the same rounds", "ratio"]]
    for name, found in measured.items():
        ours, reference = gain(found["times"]), gain(found["reference"])
        cells = [f"`{name}`", *(human(statistics.median(found["times"][n])) for n in "12"), f"{ours:.2f}"]
        rows.append(
            [
                *cells,
                "a copy" if is_bound_by_memory(name, figures) else "a product",
                f"{reference:.2f}",
                f"{ours / reference:.2f}",
            ]
        )
    return "## Scaling from one thread to two\n\n" + markdown(rows)


def memory(figures: dict[str, Any]) -> str:
    measured = figures.get("memory", {})
    if not measured:
        return ""
    libraries = [library for library in LIBRARIES if any(library in found for found in measured.values())]
    head = [f"{library}: peak, faults" for library in libraries]
    rows = [["workload", *head, "torch's peak / ours"]]
    for name, found in measured.items():
        cells = [f"`{name}`"]
        for library in libraries:
            m = found.get(library)
            cells.append(f"{m['peak'] / 2**20:.1f} MiB, {m['faults']:.0f}" if m else "–")
        ours, eager = (found.get(library, {}).get("peak", 0.0) for library in ("ferrograd", EAGER))
        # Less than this is lost in what the libraries have taken already.
        rows.append([*cells, f"{eager / ours:.2f}" if min(ours, eager) > 2**20 else "–"])
    text = "Peak memory above what the library takes after its first step, and page faults a step in steady state."
    return f"## Memory\n\n{text}\n\n{markdown(rows)}"


def table(figures: dict[str, Any]) -> str:
    """All that was measured."""
    parts = []
    if "machine" in figures:
        fma, copy = peaks(figures)
        busy = figures["machine"].get("busy")
        clock = "the least processor times, of one thread on a busy machine," if busy else "medians"
        versions = dict.fromkeys(figures["machine"]["versions"].values())
        parts.append(
            f"{figures['machine']['processor']}; {', '.join(versions)}\n\n"
            f"FMA peak {fma / 1e9:.0f} GFLOP/s, copy {copy / 1e9:.1f} GB/s (medians of {len(figures['machine']['peaks'])} "
            f"measurements). Times are {clock} of rounds in which the libraries take turns; (spread) = (max − min) / it; "
            "a ratio is a peer's time over ours. The floor is the larger of FLOPs at the FMA peak and bytes at the copy's rate."
        )
        rates = figures["machine"].get("instructions")
        if rates:
            least, middle, most = (1e-9 * f(rates) for f in (min, statistics.median, max))
            parts.append(
                f"Integer additions that a thread did in a second, measured after each of {len(rates)} rounds: {middle:.1f} G "
                f"({least:.1f}–{most:.1f}). Where it is half of the most, a core's other hardware thread was busy: loops of "
                "many instructions are slower then, of every library, though the FMA peak is not."
            )
    parts += [times(suite, figures) for suite in TITLES]
    parts += [scaling(figures), memory(figures)]
    extra = figures.get("import ms above numpy")
    if extra:
        parts.append("Import, above numpy's: " + ", ".join(f"{library} {ms:.0f} ms" for library, ms in extra.items()))
    for name, steady in figures.get("steady", {}).items():
        parts.append(
            f"1,000 steps of `{name}` after a warm-up: {steady['faults']} page faults, {steady['misses']} requests to the "
            f"system for memory, {steady['growth_kib']} KiB growth"
        )
    return "\n\n".join(part for part in parts if part)
