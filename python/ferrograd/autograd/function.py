"""Functions whose gradient the user writes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Final

from .. import _core
from ..dtypes import BY_NAME
from ..grad_mode import no_grad
from ..ops._op import Op
from .graph import Output, record


class FunctionCtx:
    """What `forward` leaves for `backward`: saved tensors, and whatever is assigned to it."""

    #: Which arguments require a gradient.
    needs_input_grad: tuple[bool, ...] = ()

    def __init__(self) -> None:
        self._to_save: tuple[Any, ...] = ()
        self._saved: tuple[Any, ...] | None = None
        self._edges: tuple[Any, ...] = ()
        self._dirty: tuple[Any, ...] = ()
        self._non_differentiable: tuple[Any, ...] = ()
        self._materialize = True

    def save_for_backward(self, *tensors: Any) -> None:
        """Saves arguments, results or other tensors (or None); changing one in place before backward is an error."""
        for k, tensor in enumerate(tensors):
            if tensor is not None and not isinstance(tensor, _core.TensorBase):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument {k} is of type {type(tensor).__name__}"
                )
        self._to_save = tensors

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What was saved; to be asked for in `backward`."""
        if self._saved is None:
            raise RuntimeError("saved_tensors: what was saved can be read in backward only")
        return self._saved

    def mark_dirty(self, *args: Any) -> None:
        """Says which arguments `forward` has changed in place; it must return them."""
        self._dirty = args

    def mark_non_differentiable(self, *args: Any) -> None:
        """Says which results have no gradient."""
        self._non_differentiable = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether `backward` gets zeros, in place of None, for results that nothing depends on; by default it does."""
        self._materialize = value


class Function:
    """An op of the user's: `forward` computes it, `backward` its gradient; `apply` calls it.

    `forward(ctx, *args)` runs without recording and keeps what `backward` needs in `ctx`; or `forward(*args)` does
    without a context, and `setup_context(ctx, inputs, output)` fills it. `backward(ctx, *grads)` gets the gradient of
    each result and returns one for each argument, None where there is none. Made of ops, it can be differentiated again.

    Example:
        >>> import ferrograd as fg
        >>> class Cube(fg.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         ctx.save_for_backward(x)
        ...         return x**3
        ...
        ...     @staticmethod
        ...     def backward(ctx, g):
        ...         (x,) = ctx.saved_tensors
        ...         return g * 3 * x**2
        >>> x = fg.tensor(2.0, requires_grad=True)
        >>> Cube.apply(x).backward()
        >>> x.grad.item()
        12.0
    """

    def __init__(self, *_: Any, **__: Any) -> None:
        raise RuntimeError(f"{type(self).__name__} is called as {type(self).__name__}.apply(...); it has no instances")

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Computes the results: a tensor or a tuple."""
        raise NotImplementedError("autograd.Function: expected a static method forward")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Fills the context after a `forward` that takes none."""
        raise NotImplementedError("autograd.Function: setup_context")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradients of the arguments."""
        raise NotImplementedError("autograd.Function: expected a static method backward")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """The results of `forward`, in the graph."""
        ctx = FunctionCtx()
        has_setup = cls.setup_context is not Function.setup_context
        if has_setup:
            import inspect

            bound = inspect.signature(cls.forward).bind(*args, **kwargs)
            bound.apply_defaults()
            if bound.kwargs:
                raise TypeError(f"{cls.__name__}.apply: keyword-only arguments of forward are not supported")
            args = bound.args
        elif kwargs:
            raise TypeError(f"{cls.__name__}.apply() takes no keyword arguments")
        ctx.needs_input_grad = tuple(isinstance(x, _core.TensorBase) and x.requires_grad for x in args)
        recorded = any(ctx.needs_input_grad) and _core.is_grad_enabled()
        with no_grad():
            if has_setup:
                output = cls.forward(*args)
                cls.setup_context(ctx, args, output)
            else:
                output = cls.forward(ctx, *args)
        return _record(cls, ctx, args, output) if recorded else output


def _among(tensor: Any, many: tuple[Any, ...]) -> bool:
    return any(tensor is other for other in many)


class _Call:
    """One call of a Function, as the engine sees an op."""

    unfused: Final = None
    gaps: Final = ()
    __slots__ = ("function", "name", "parts", "saves", "shapes", "single", "spec")

    def __init__(
        self, function: type[Function], args: tuple[Any, ...], outputs: list[Any], spec: tuple[int, ...]
    ) -> None:
        self.function = function
        self.name = function.__name__
        self.spec = spec
        self.saves = tuple(f"saved_tensors[{k}]" for k in range(len(spec)))
        self.shapes = [x.shape if isinstance(x, _core.TensorBase) else None for x in args]
        #: The shape and dtype of each result that is a tensor; None for the others.
        self.parts = [(y.shape, y._dtype) if isinstance(y, _core.TensorBase) else None for y in outputs]
        self.single = len(outputs) == 1

    def vjp(self, g: Any, needs: list[bool], *saved: Any, ctx: FunctionCtx) -> tuple[Any, ...]:
        """What `backward` makes of the gradients of the results: one gradient for each edge of the node."""
        given = iter([g] if self.single else g)
        grads = [None if part is None else next(given) for part in self.parts]
        if ctx._materialize:
            grads = [
                _core.backend.full(part[0], 0, part[1]) if g is None and part is not None else g
                for g, part in zip(grads, self.parts, strict=True)
            ]
        ctx._saved = saved
        try:
            found = self.function.backward(ctx, *grads)
        finally:
            ctx._saved = None
        found = found if isinstance(found, tuple) else (found,)
        n = len(self.shapes)
        if len(found) < n or any(share is not None for share in found[n:]):
            raise RuntimeError(
                f"function {self.name}Backward returned an incorrect number of gradients (expected {n}, got {len(found)})"
            )
        result: list[Any] = [None] * len(needs)
        for k, (share, shape) in enumerate(zip(found, self.shapes, strict=False)):
            if share is None:
                continue
            if not isinstance(share, _core.TensorBase):
                raise TypeError(
                    f"{self.name}.backward: gradient {k}: expected a Tensor or None, got {type(share).__name__}"
                )
            if shape is None:
                raise RuntimeError(
                    f"function {self.name}Backward returned a gradient different from None at position {k}, but the "
                    "corresponding forward input was not a Tensor"
                )
            if needs[k]:
                self._check_shape(k, share.shape, shape)
                result[k] = share
        return tuple(result)

    def _check_shape(self, k: int, got: tuple[int, ...], expected: tuple[int, ...]) -> None:
        """A gradient may have been broadcast: the engine sums it."""
        extra = len(got) - len(expected)
        if extra < 0 or any(e not in (1, n) for e, n in zip(expected, got[extra:], strict=True)):
            raise _core.ShapeError(
                f"function {self.name}Backward returned an invalid gradient at index {k} - got {list(got)} but expected "
                f"shape compatible with {list(expected)}"
            )


def _record(cls: type[Function], ctx: FunctionCtx, args: tuple[Any, ...], output: Any) -> Any:
    """The results, in the graph."""
    outputs = list(output) if isinstance(output, tuple) else [output]
    for x in ctx._dirty:
        if _index(x, outputs) is None:
            raise RuntimeError(f"{cls.__name__}: mark_dirty: what was changed in place has to be returned as well")
        _core.backend.copy_(x, x, True, cls.__name__)
    places = [k for k, y in enumerate(outputs) if isinstance(y, _core.TensorBase)]
    parts = [_own(outputs[k], args, outputs[:k], ctx._dirty) for k in places]
    differentiable = [
        BY_NAME[part._dtype].is_floating_point and _index(outputs[k], ctx._non_differentiable) is None
        for k, part in zip(places, parts, strict=True)
    ]
    spec, further = _where_saved(ctx, args, [outputs[k] for k in places])
    # A tensor that needed no gradient until now is no operand of the op that has written into it.
    constants = [k for k, x in enumerate(args) if _index(x, ctx._dirty) is not None and not x.requires_grad]
    for part, yes in zip(parts, differentiable, strict=True):
        if yes and not part.requires_grad:
            part.requires_grad = True
    call = _Call(cls, args, outputs, spec)
    node = record(call, (*args, *further), {"ctx": ctx}, parts[0] if call.single else tuple(parts))
    node.edges = tuple(None if k in constants else edge for k, edge in enumerate(node.edges))
    ctx._to_save, ctx._edges = (), node.edges
    for k, (place, part) in enumerate(zip(places, parts, strict=True)):
        if differentiable[k]:
            part._node = node if call.single else Output(node, k, part)
        outputs[place] = part
    return tuple(outputs) if isinstance(output, tuple) else outputs[0]


def _index(tensor: Any, many: Sequence[Any]) -> int | None:
    """Where a tensor itself stands among others."""
    return next((k for k, other in enumerate(many) if tensor is other), None)


def _own(y: Any, args: tuple[Any, ...], before: list[Any], dirty: tuple[Any, ...]) -> Any:
    """A result as a tensor of its own: not an argument that was handed on, nor another result once more."""
    if _index(y, before) is None and (_index(y, args) is None or _index(y, dirty) is not None):
        return y
    with no_grad():
        return _core.backend.view(y, y.shape)


def _where_saved(ctx: FunctionCtx, args: tuple[Any, ...], results: list[Any]) -> tuple[tuple[int, ...], list[Any]]:
    """How `_core.capture` is told to save what the context asks for, and what of it is neither argument nor result."""
    spec = []
    further: list[Any] = []
    for tensor in ctx._to_save:
        argument, result = _index(tensor, args), _index(tensor, results)
        if tensor is not None and result is not None and (argument is None or _index(tensor, ctx._dirty) is not None):
            spec.append(-1 - result)
        elif tensor is not None and argument is not None:
            spec.append(argument)
        else:
            spec.append(len(args) + len(further))
            further.append(tensor)
    return tuple(spec), further


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """For a `backward` that is not made of ops: differentiating its result raises, in place of giving a wrong number."""

    @functools.wraps(backward)
    def once(ctx: FunctionCtx, *grads: Any) -> Any:
        with no_grad():
            found = backward(ctx, *grads)
        if not _core.is_grad_enabled():
            return found
        many = found if isinstance(found, tuple) else (found,)
        guarded = tuple(_refusing(g, ctx, grads) if isinstance(g, _core.TensorBase) else g for g in many)
        return guarded if isinstance(found, tuple) else guarded[0]

    return once


def _refuse(tensor: Any) -> Any:
    return _core.backend.detach(tensor)


def _refuse_gradient(g: Any, needs: Any) -> Any:
    raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")


_refuse_op = Op(_refuse)
_refuse_op.vjp = _refuse_gradient


def _refusing(g: Any, ctx: FunctionCtx, grads: tuple[Any, ...]) -> Any:
    result = _refuse(g)
    node = record(_refuse_op, (result,), {}, result)
    roots = (x if x._node is None else x._node for x in grads if isinstance(x, _core.TensorBase) and x.requires_grad)
    node.edges = (*(edge for edge in ctx._edges if edge is not None), *roots)
    result._node = node
    return result
