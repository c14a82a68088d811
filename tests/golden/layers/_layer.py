"""What a row of the layers' table is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Layer:
    """A layer by the name that both libraries have, its arguments, and what it is called with.

    `shape` is the input's, or a tuple of shapes where there are several inputs. `kind`, one for all inputs or a tuple,
    is "float" (normal numbers), "unit" (between 0 and 1), "index" (integers below `high`), or "bool". `call` holds
    further keywords of the call; the last inputs are passed under the names in `keywords`.
    """

    id: str
    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    shape: tuple[Any, ...] = (4, 5)
    kind: str | tuple[str, ...] = "float"
    high: int = 0
    training: bool = True
    call: dict[str, Any] = field(default_factory=dict)
    keywords: tuple[str, ...] = ()

    def run(self, layer: Any, inputs: list[Any]) -> Any:
        """The layer's result for these inputs."""
        at = len(inputs) - len(self.keywords)
        return layer(*inputs[:at], **dict(zip(self.keywords, inputs[at:], strict=True)), **self.call)

    @property
    def inputs(self) -> list[tuple[str, tuple[int, ...]]]:
        """Kind and shape of each input."""
        shapes = self.shape if self.shape and isinstance(self.shape[0], tuple) else (self.shape,)
        kinds = self.kind if isinstance(self.kind, tuple) else (self.kind,) * len(shapes)
        return list(zip(kinds, shapes, strict=True))


def leaves(value: Any) -> list[Any]:
    """The tensors of a result, which may be nested tuples, in their order."""
    if isinstance(value, (tuple, list)):
        return [leaf for part in value for leaf in leaves(part)]
    return [] if value is None else [value]
