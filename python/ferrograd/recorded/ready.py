"""A recording that is trusted: what it took for granted, and its replay."""

from __future__ import annotations

from typing import Any, NamedTuple

from .. import _core, _interpose, _recording
from .forms import is_tensor, rebuilt
from .recorder import Recorder


class Seen(NamedTuple):
    """An optimizer as it was when its step was recorded."""

    optimizer: Any
    #: Each group, its options then, and the array that holds the learning rate.
    groups: list[tuple[dict[str, Any], dict[str, Any], Any]]
    own: list[dict[str, Any]]
    state: Any
    #: The parameters and their states, and with the options.
    states: Any
    whole: Any

    @classmethod
    def of(cls, optimizer: Any) -> Seen:
        own = optimizer.param_groups
        lists, states = [own, *(g["params"] for g in own)], [optimizer.state, *optimizer.state.values()]
        return cls(
            optimizer,
            [(g, dict(g), _rate(optimizer, g)) for g in own],
            own,
            optimizer.state,
            _core.Snapshot.of(states, lists, None),
            _core.Snapshot.of([*states, *own], lists, "lr"),
        )

    def same(self) -> bool:
        """Whether it is as it was; a learning rate may differ, and is filled into the array that the recording reads."""
        optimizer = self.optimizer
        if optimizer.state is not self.state or optimizer.param_groups is not self.own:
            return False
        if not self.whole.same() and not self._equal():
            return False
        for group, _, rate in self.groups:
            if _rate(optimizer, group) is not rate:
                return False
        optimizer.__dict__["_opt_called"] = True
        return True

    def _equal(self) -> bool:
        """As `same`, where options may be other objects of the same value."""
        return self.states.same() and all(_same_options(group, before) for group, before, _ in self.groups)


def _rate(optimizer: Any, group: dict[str, Any]) -> Any:
    return optimizer._rate(group) if "lr" in group else None


def _same_options(group: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether the options that are part of a recording are equal."""
    if group.keys() != before.keys():
        return False
    for name, value in group.items():
        known = before[name]
        if known is value:
            continue
        if name == "params" or is_tensor(value) or is_tensor(known) or (name != "lr" and known != value):
            return False
    return True


class Ready(NamedTuple):
    """A recording that is trusted."""

    tape: Any
    #: What the result looks like, and whether it is one tensor.
    result: Any
    single: bool
    #: Where an argument showed the same memory in both recordings, its place: only there it cannot be told from the same
    #: memory reached by another way.
    places: list[tuple[int, Any]]
    changes: int
    optimizers: list[Seen]

    @classmethod
    def of(cls, recorder: Recorder, before: Recorder) -> Ready:
        free = before.free | {k for k, (a, b) in enumerate(zip(recorder.places, before.places, strict=True)) if a != b}
        recorder.free = free
        places = [(k, place) for k, place in enumerate(recorder.places) if k not in free]
        optimizers = [Seen.of(optimizer) for optimizer, _ in recorder.options]
        result = recorder.result
        recorder.trim()
        return cls(recorder.tape(), result, result == ("tensor", 0), places, _recording.changes, optimizers)

    def fits(self, inputs: list[Any]) -> bool:
        """Whether everything that the recording took for granted still holds."""
        if self.changes != _recording.changes or not self.tape.fits():
            return False
        for k, place in self.places:
            if inputs[k]._place != place:
                return False
        return all(optimizer.same() for optimizer in self.optimizers)

    def replay(self, inputs: list[Any]) -> Any:
        outputs = self.tape.replay(inputs, _core.backend if _interpose.watched() else None)
        return outputs[0] if self.single else rebuilt(self.result, outputs)
