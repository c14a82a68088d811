"""ferrograd."""

from __future__ import annotations

from typing import Any

import ferrograd as fg

from . import WORKLOADS
from .like_torch import Suite

SUITE = Suite(fg)
STEPS = SUITE.steps()
_recorded = Suite(fg, record=fg.record).steps()
VARIANTS = {"recorded": {k: v for k, v in _recorded.items() if WORKLOADS[k].suite in ("train", "infer")}}


def version() -> str:
    return f"ferrograd {fg.__version__}"


def set_threads(n: int) -> None:
    fg.set_num_threads(n)


def machine() -> dict[str, Any]:
    """The peaks of the machine, measured in this run, and the instruction set."""
    from ferrograd import _core

    n = fg.get_num_threads()
    peaks = {"fma_peak": _core.fma_peak(n), "copy": _core.copy_bandwidth(n), "region": _core.empty_region()}
    return {"isa": _core.isa(), **peaks}


def instructions() -> float | None:
    """Integer additions that a thread does in a second just now: half of the machine's where a core is shared."""
    from ferrograd import _core

    return _core.instruction_rate(fg.get_num_threads())


def steady_state() -> dict[str, Any]:
    """Page faults, misses of the memory pool and growth over 1,000 training steps after a warm-up.

    A few pages are touched for the first time in each of the first 2,000 steps' hundreds, none after them.
    """
    import gc
    import resource

    once = STEPS["mlp adam"]()
    for _ in range(2500):
        once()
    gc.collect()
    gc.disable()
    before, memory = resource.getrusage(resource.RUSAGE_SELF), fg.memory_stats()
    for _ in range(1000):
        once()
    after, now = resource.getrusage(resource.RUSAGE_SELF), fg.memory_stats()
    gc.enable()
    return {
        "faults": after.ru_minflt - before.ru_minflt,
        "misses": now["misses"] - memory["misses"],
        "growth_kib": after.ru_maxrss - before.ru_maxrss,
        "in_use_bytes": now["in_use"] - memory["in_use"],
    }
