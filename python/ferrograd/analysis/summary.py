"""The layers of a model as a table."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .. import nn
from ..autograd import enable_grad, no_grad
from ..creation import as_tensor, zeros
from ._extent import UndefinedField, trace
from ._undisturbed import check_model, default_dtype, tensors, undisturbed
from .cost import multiply_adds
from .field import ReceptiveField, describe

__all__ = ["LayerSummary", "Summary", "summary"]

#: Layers of windows over places: where a model has one, receptive fields are worth a column.
_WINDOWS = tuple(kind for name, kind in vars(nn).items() if re.fullmatch(r"\w*(Conv|Pool)\w*[123]d", name))


@dataclass
class LayerSummary:
    """One call of a layer."""

    #: The layer's path in the model, '' for the model itself.
    path: str
    #: Its class.
    kind: str
    #: How many layers called each other to come here.
    depth: int
    output_shapes: tuple[tuple[int, ...], ...] = ()
    #: Its own parameters, and those of layers inside that are never called; 0 for a later call.
    parameters: int = 0
    #: Its own multiply-adds, without those of the layers it calls.
    multiply_adds: int = 0
    #: None where there is none, or no formula.
    receptive_field: ReceptiveField | None = None
    #: It was called before.
    again: bool = False
    #: Bytes of what it returns; 0 where that is what a layer inside returned, or the input.
    output_bytes: int = 0


@dataclass
class Summary:
    """What `summary` found: the rows of the table in the order of the calls, and totals. `str()` is the table."""

    layers: list[LayerSummary]
    parameters: int
    trainable_parameters: int
    multiply_adds: int
    input_bytes: int
    #: Of all results of layers, as a training step keeps them.
    output_bytes: int
    parameter_bytes: int
    depth: int | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return "\n".join(_table(self))

    __repr__ = __str__


def summary(
    model: nn.Module,
    input_shape: Any = None,
    *,
    dtypes: Any = None,
    input_data: Any = None,
    depth: int | None = None,
) -> Summary:
    """Runs the model once on zeros and says of each layer its output shape, parameters, multiply-adds and receptive field.

    The model runs in evaluation mode and is left as it was: training flags, buffers, gradients and random numbers. Only
    calls of modules are seen; multiply-adds are those of `fg.analysis.multiply_adds`.

    Args:
        model: the model.
        input_shape: the shape of its input, the batch included, or a list of shapes for several inputs.
        dtypes: the input's dtype, or one for each, `fg.int64` for indices; default: the parameters'.
        input_data: the inputs themselves, in place of shapes: a Tensor or ndarray, or a tuple of arguments.
        depth: how deep layers within layers are shown; their numbers are added to the layer that holds them.

    Raises:
        ValueError: for neither or both of `input_shape` and `input_data`.
        TypeError: for a model that is no Module.

    Example:
        >>> import ferrograd as fg
        >>> found = fg.summary(fg.nn.Sequential(fg.nn.Linear(4, 3), fg.nn.ReLU()), (1, 4))
        >>> found.parameters, found.multiply_adds, found.layers[1].output_shapes
        (15, 12, ((1, 3),))
    """
    if (input_shape is None) == (input_data is None):
        raise ValueError("summary: input_shape, input_data: expected one of the two")
    check_model("summary", model)
    inputs = _zeros(model, input_shape, dtypes) if input_data is None else _given(input_data)
    leaf = _image(model, inputs)
    recorder = _Recorder(model)
    with undisturbed(model), enable_grad() if leaf is not None else no_grad(), recorder:
        model(*inputs)
    if leaf is not None:
        recorder.add_fields(leaf)
    parameters = list(model.parameters())
    return Summary(
        layers=recorder.rows,
        parameters=sum(p.numel() for p in parameters),
        trainable_parameters=sum(p.numel() for p in parameters if p.requires_grad),
        multiply_adds=sum(row.multiply_adds for row in recorder.rows),
        input_bytes=sum(x.nbytes for x in tensors(inputs)),
        output_bytes=sum(row.output_bytes for row in recorder.rows),
        parameter_bytes=sum(p.nbytes for p in parameters),
        depth=depth,
    )


def _zeros(model: nn.Module, shape: Any, dtypes: Any) -> list[Any]:
    several = bool(shape) and isinstance(shape[0], (tuple, list))
    shapes = list(shape) if several else [tuple(shape)]
    if isinstance(dtypes, Sequence) and not isinstance(dtypes, str):
        chosen = list(dtypes)
    else:
        chosen = [default_dtype(model) if dtypes is None else dtypes] * len(shapes)
    if len(chosen) != len(shapes):
        raise ValueError(f"summary: dtypes: expected one for each of {len(shapes)} inputs, got {len(chosen)}")
    return [zeros(tuple(s), dtype=dtype) for s, dtype in zip(shapes, chosen, strict=True)]


def _given(data: Any) -> list[Any]:
    arguments = list(data) if isinstance(data, (tuple, list)) else [data]
    return [as_tensor(x).detach() if hasattr(x, "shape") else x for x in arguments]


def _image(model: nn.Module, inputs: list[Any]) -> Any:
    """The one input that receptive fields are measured in, made a leaf that records: (N, C, *sizes)."""
    found = tensors(inputs)
    if len(found) != 1 or found[0].ndim < 3 or not found[0].is_floating_point():
        return None
    if not any(isinstance(module, _WINDOWS) for module in model.modules()):
        return None
    found[0].requires_grad = True
    return found[0]


class _Recorder(contextlib.AbstractContextManager["_Recorder"]):
    """Hooks on all modules of a model that write down their calls."""

    def __init__(self, model: nn.Module) -> None:
        self.rows: list[LayerSummary] = []
        self._model = model
        self._open: list[LayerSummary] = []
        self._called: dict[nn.Module, LayerSummary] = {}
        self._nodes: list[Any] = []
        self._results: set[int] = set()
        self._kept: list[Any] = []  # alive, so that an id stands for one tensor

    def __enter__(self) -> _Recorder:
        self._handles = []
        for path, module in self._model.named_modules():
            enter, leave = self._hooks(path)
            self._handles.append(module.register_forward_pre_hook(enter, with_kwargs=True))
            self._handles.append(module.register_forward_hook(leave, with_kwargs=True))
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._count_parameters()

    def _hooks(self, path: str) -> tuple[Any, Any]:
        def enter(module: nn.Module, args: Any, kwargs: Any) -> None:
            row = LayerSummary(path, type(module).__name__, len(self._open), again=module in self._called)
            self._called.setdefault(module, row)
            self.rows.append(row)
            self._nodes.append(None)
            self._open.append(row)
            self._see([*args, *kwargs.values()])

        def leave(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            row = self._open.pop()
            results = tensors(output)
            row.output_shapes = tuple(tuple(y.shape) for y in results)
            row.multiply_adds = multiply_adds(module, (*args, *kwargs.values()), output)
            row.output_bytes = sum(y.nbytes for y in results if id(y) not in self._results)
            self._see(results)
            if results:
                self._nodes[next(k for k, other in enumerate(self.rows) if other is row)] = results[0]._node

        return enter, leave

    def _see(self, values: list[Any]) -> None:
        found = tensors(values)
        self._kept += found
        self._results |= {id(x) for x in found}

    def _count_parameters(self) -> None:
        counted: set[int] = set()
        for module, row in self._called.items():
            for p in _own_parameters(module, self._called):
                if id(p) not in counted:
                    counted.add(id(p))
                    row.parameters += p.numel()

    def add_fields(self, leaf: Any) -> None:
        """The receptive field of each row's first result."""
        for row, found in zip(self.rows, trace(leaf, self._nodes), strict=True):
            if found is not None and not isinstance(found, UndefinedField):
                row.receptive_field = describe(found, leaf.shape)


def _own_parameters(module: nn.Module, called: Any) -> Iterator[Any]:
    yield from module.parameters(recurse=False)
    for child in module.children():
        if child not in called:
            yield from _own_parameters(child, called)


# -- the table ---------------------------------------------------------------------------------------------------------


def _folded(rows: list[LayerSummary], depth: int | None) -> list[LayerSummary]:
    """Rows up to a depth, with the numbers of those below."""
    if depth is None:
        return rows
    shown: list[LayerSummary] = []
    for row in rows:
        if row.depth <= depth:
            shown.append(LayerSummary(**vars(row)))
        else:
            shown[-1].parameters += row.parameters
            shown[-1].multiply_adds += row.multiply_adds
    return shown


def _table(found: Summary) -> list[str]:
    rows = _folded(found.layers, found.depth)
    with_fields = any(row.receptive_field is not None for row in rows)
    head = ["layer", "output shape", "parameters", "multiply-adds", "receptive field"][: 4 + with_fields]
    lines = []
    callers: list[str] = []
    counted = {row.path for row in rows if row.parameters}
    for row in rows:
        callers[row.depth :] = [row.path]
        name = row.path.removeprefix(f"{callers[row.depth - 1]}." if row.depth and callers[row.depth - 1] else "")
        cells = [
            "  " * row.depth + (f"{name}: " if name else "") + row.kind,
            ", ".join(map(str, row.output_shapes)) or "–",
            f"{row.parameters:,}" if row.parameters else "(again)" if row.again and row.path in counted else "–",
            f"{row.multiply_adds:,}" if row.multiply_adds else "–",
        ]
        lines.append([*cells, str(row.receptive_field or "–")] if with_fields else cells)
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    rule = "─" * (sum(widths) + 2 * (len(widths) - 1))

    def line(cells: list[str]) -> str:
        left, right = zip(cells[:2], widths[:2], strict=True), zip(cells[2:], widths[2:], strict=True)
        return "  ".join([c.ljust(w) for c, w in left] + [c.rjust(w) for c, w in right]).rstrip()

    frozen = found.parameters - found.trainable_parameters
    return [
        line(head),
        rule,
        *map(line, lines),
        rule,
        f"parameters: {found.parameters:,}" + (f", of which {frozen:,} are not trained" if frozen else ""),
        f"multiply-adds: {found.multiply_adds:,}",
        f"memory: parameters {_size(found.parameter_bytes)}, inputs {_size(found.input_bytes)}, "
        f"results {_size(found.output_bytes)}",
    ]


def _size(n: int) -> str:
    k = min(int(math.log(max(n, 1), 1024)), 4)
    return f"{n} B" if k == 0 else f"{n / 1024**k:.1f} {'KMGT'[k - 1]}iB"
