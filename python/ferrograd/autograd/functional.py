"""Jacobians, Hessians and products with them, of functions of tensors; `ferrograd.func` has newer forms of the same.

Every function takes `func`, its inputs (a tensor or a tuple of them), and:

    create_graph: the results can be differentiated, by the inputs that require a gradient among other things.
    strict: raise where an output does not depend on an input, in place of giving zeros.

A single input or output is a tensor in the result too, several are a tuple.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import _core, ops
from ..grad_mode import enable_grad
from ._products import Push, filled, pull, stacked, unit_vectors

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


class _Call:
    """One call of the function: its inputs as tensors to differentiate by, and its outputs."""

    def __init__(self, name: str, func: Callable[..., Any], inputs: Any, create_graph: bool, strict: bool) -> None:
        self.name = name
        self.create_graph = create_graph
        self.strict = strict
        self.many_inputs = isinstance(inputs, tuple)
        with enable_grad():
            self.inputs = [self._own(x) for x in self._tensors("inputs", inputs)]
            result = func(*self.inputs)
        self.many_outputs = isinstance(result, tuple)
        self.outputs = self._tensors("outputs", result)
        if strict:
            for k, y in enumerate(self.outputs):
                if not y.requires_grad:
                    raise RuntimeError(f"{name}: strict: output {k} does not require gradients: it depends on no input")

    def _tensors(self, what: str, given: Any) -> list[Any]:
        many = list(given) if isinstance(given, tuple) else [given]
        for k, x in enumerate(many):
            if not isinstance(x, _core.TensorBase):
                raise TypeError(f"{self.name}: {what}[{k}]: expected a Tensor, got {type(x).__name__}")
        return many

    def _own(self, x: Any) -> Any:
        if self.create_graph and x.requires_grad:
            return ops.alias(x)
        return ops.detach(x).requires_grad_()

    def scalar(self) -> Any:
        """The only output, a number."""
        if self.many_outputs or self.outputs[0].numel() != 1:
            raise RuntimeError(f"{self.name}: func: expected it to return a Tensor of one element")
        return self.outputs[0]

    def vectors(self, v: Any, likes: Sequence[Any], what: str) -> list[Any]:
        """The vectors that belong to these tensors; 1 where there is one of one element and none was given."""
        if v is None:
            if len(likes) != 1 or likes[0].numel() != 1:
                raise RuntimeError(f"{self.name}: v: it can be left out only where {what} is one Tensor of one element")
            return [_core.backend.full(likes[0].shape, 1, likes[0]._dtype)]
        many = self._tensors("v", v)
        if len(many) != len(likes):
            raise RuntimeError(f"{self.name}: v: expected {len(likes)} tensors, got {len(many)}")
        for k, (x, like) in enumerate(zip(many, likes, strict=True)):
            if x.shape != like.shape:
                raise _core.ShapeError(f"{self.name}: v[{k}]: expected shape {like.shape}, got {x.shape}")
        return many

    def checked(self, found: Sequence[Any], what: str = "the output") -> Sequence[Any]:
        """What was found; under `strict` all of it must have been."""
        for k, g in enumerate(found):
            if g is None and self.strict:
                raise RuntimeError(f"{self.name}: strict: {what} is independent of input {k}")
        return found

    def result(self, found: Sequence[Any], likes: Sequence[Any], many: bool) -> Any:
        """A tensor or a tuple, outside the graph unless the graph was asked for."""
        whole = [y if self.create_graph else ops.detach(y) for y in filled(found, likes)]
        return tuple(whole) if many else whole[0]

    def output(self) -> Any:
        """What the function returned."""
        return self.result(self.outputs, self.outputs, self.many_outputs)


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(f(x), vᵀJ) with J = df/dx; v has the shapes of the output and may be left out where that is one number."""
    call = _Call("vjp", func, inputs, create_graph, strict)
    given = call.vectors(v, call.outputs, "the output")
    found = call.checked(pull(call.outputs, call.inputs, given, create_graph))
    return call.output(), call.result(found, call.inputs, call.many_inputs)


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(f(x), J v) with J = df/dx; v has the shapes of the inputs and may be left out where that is one number."""
    call = _Call("jvp", func, inputs, create_graph, strict)
    given = call.vectors(v, call.inputs, "the input")
    push = Push(call.outputs, call.inputs)
    call.checked(push.gradients)
    return call.output(), call.result(push(given, create_graph), call.outputs, call.many_outputs)


def hvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(Q(x), H v) with H the Hessian of a function Q that returns one number; v has the shapes of the inputs."""
    return _hessian_product("hvp", func, inputs, v, create_graph, strict)


def vhp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(Q(x), vᵀH) with H the Hessian of a function Q that returns one number; as H is symmetric, the same as `hvp`."""
    return _hessian_product("vhp", func, inputs, v, create_graph, strict)


def _hessian_product(name: str, func: Any, inputs: Any, v: Any, create_graph: bool, strict: bool) -> tuple[Any, Any]:
    call = _Call(name, func, inputs, create_graph, strict)
    value = call.scalar()
    given = call.vectors(v, call.inputs, "the input")
    one = _core.backend.full(value.shape, 1, value._dtype)
    gradients = call.checked(pull([value], call.inputs, [one], create_graph=True))
    used = [(g, u) for g, u in zip(gradients, given, strict=True) if g is not None]
    found = call.checked(pull([g for g, _ in used], call.inputs, [u for _, u in used], create_graph), "the gradient")
    return call.output(), call.result(found, call.inputs, call.many_inputs)


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """J with J_ij = dy_i/dx_j of y = f(x), of shape (*y.shape, *x.shape).

    A tuple for several outputs, of tuples for several inputs. The strategy is "reverse-mode", one walk back for each
    element of y, or "forward-mode", one product J v for each of x; `vectorize` is accepted, they are made one at a time.
    """
    if strategy not in ("reverse-mode", "forward-mode"):
        raise ValueError(f"jacobian: strategy: expected 'reverse-mode' or 'forward-mode', got {strategy!r}")
    call = _Call("jacobian", func, inputs, create_graph, strict)
    blocks = (_by_rows if strategy == "reverse-mode" else _by_columns)(call)
    whole = tuple(call.result(of_y, of_y, call.many_inputs) for of_y in blocks)
    return whole if call.many_outputs else whole[0]


def _by_rows(call: _Call) -> list[list[Any]]:
    blocks = []
    for y in call.outputs:
        rows = [
            filled(call.checked(pull([y], call.inputs, [unit], call.create_graph)), call.inputs)
            for unit in unit_vectors(y)
        ]
        blocks.append(
            [stacked([row[k] for row in rows], y.shape + x.shape, 0, x._dtype) for k, x in enumerate(call.inputs)]
        )
    return blocks


def _by_columns(call: _Call) -> list[list[Any]]:
    push = Push(call.outputs, call.inputs)
    call.checked(push.gradients)
    blocks: list[list[Any]] = [[] for _ in call.outputs]
    for k, x in enumerate(call.inputs):
        before, after = [None] * k, [None] * (len(call.inputs) - k - 1)
        columns = [
            filled(push(filled([*before, unit, *after], call.inputs), call.create_graph), call.outputs)
            for unit in unit_vectors(x)
        ]
        for j, y in enumerate(call.outputs):
            blocks[j].append(stacked([column[j] for column in columns], y.shape + x.shape, y.ndim, y._dtype))
    return blocks


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """H with H_ij = d²Q/dx_i dx_j of a function Q that returns one number, of shape (*x.shape, *x.shape).

    A tuple of tuples of such blocks for several inputs; `outer_jacobian_strategy` and `vectorize` are those of `jacobian`.
    """

    def gradient(*own: Any) -> Any:
        call = _Call("hessian", func, own, create_graph=True, strict=strict)
        value = call.scalar()
        found = call.checked(pull([value], call.inputs, [_core.backend.full(value.shape, 1, value._dtype)], True))
        return call.result(found, call.inputs, isinstance(inputs, tuple))

    return jacobian(gradient, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)
