"""What a recorded step (`recorded/`) hears of the rest of the library: what Python changes and no replay would see."""

from __future__ import annotations

from typing import Any

#: The recorder of the recording that is under way, if there is one.
active: Any = None
#: How often something was changed that decides which calls a step makes: a module's attribute, a hook, a default.
changes = 0

#: Why a step that does so cannot be replayed.
OPTIONS = "it changes options of an optimizer: change them outside, a learning rate's schedule too"


def changed() -> None:
    """Notes such a change: recorded steps are recorded again before they are trusted."""
    global changes
    changes += 1


def unfit(reason: str) -> None:
    """Says of the step that is being recorded, if one is, that it cannot be replayed."""
    if active is not None:
        active.unfit(reason)


def assigned(owner: Any, name: str, before: Any, value: Any) -> None:
    """Notes that an attribute, which was there before, has another value now."""
    if before is value or (type(before) is type(value) and isinstance(value, (int, float, str)) and before == value):
        return
    changed()
    unfit(f"it changes the attribute {name!r} of a {type(owner).__name__}")


class Noted(dict[str, Any]):
    """A dictionary whose changes are noted."""

    def _changing(self) -> None:
        changed()

    def __setitem__(self, key: str, value: Any) -> None:
        if value is not None or key in self:  # an empty place is what layers made for one call have
            self._changing()
        super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        self._changing()
        super().__delitem__(key)

    def __ior__(self, other: Any) -> Any:  # type: ignore[misc]
        self._changing()
        return super().__ior__(other)

    def clear(self) -> None:
        self._changing()
        super().clear()

    def pop(self, *args: Any) -> Any:
        self._changing()
        return super().pop(*args)

    def popitem(self) -> Any:
        self._changing()
        return super().popitem()

    def setdefault(self, *args: Any) -> Any:
        self._changing()
        return super().setdefault(*args)

    def update(self, *args: Any, **kwargs: Any) -> None:
        self._changing()
        super().update(*args, **kwargs)


class Options(Noted):
    """The options of a group of parameters: a step that is recorded may not change them."""

    def _changing(self) -> None:
        unfit(OPTIONS)
