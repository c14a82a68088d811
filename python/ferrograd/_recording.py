"""What a recorded step (`recorded.py`) hears of the rest of the library: what Python changes and no replay would see."""

from __future__ import annotations

from typing import Any

#: The recorder of the recording that is under way, if there is one.
active: Any = None
#: How often something was changed that decides which calls a step makes: a module's attribute, a hook, a default.
changes = 0


def changed() -> None:
    """Notes such a change: recorded steps are recorded again before they are trusted."""
    global changes
    changes += 1


def unfit(reason: str) -> None:
    """Says of the step that is being recorded, if one is, that it cannot be replayed."""
    if active is not None:
        active.unfit(reason)
