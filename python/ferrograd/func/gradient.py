"""Gradients and products with Jacobians and Hessians."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _core
from ..autograd._products import Push, filled, pull
from ..utils._pytree import flatten, flatten_as
from ._level import Level


def value_and_grad(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """The function x ↦ (Q(x), dQ/dx) of a function Q that returns a scalar.

    Args:
        func: the function Q.
        argnums: by which positional arguments to differentiate; a tuple gives a tuple of gradients.
        has_aux: `func` returns (Q, aux); the result is then ((Q, aux), dQ/dx).

    Raises:
        RuntimeError: where `func` does not return a scalar tensor.
    """
    return _value_and_grad("value_and_grad", func, argnums, has_aux)


def _value_and_grad(name: str, func: Callable[..., Any], argnums: Any, has_aux: bool) -> Callable[..., Any]:
    @functools.wraps(func)
    def transformed(*args: Any, **kwargs: Any) -> Any:
        level = Level(name)
        lifted, spec = level.lift_arguments(args, argnums)
        value, aux = level.run(func, lifted, kwargs, has_aux)
        _check_scalar(name, value)
        found = pull([value], level.inputs, [_one(value)], create_graph=level.outside(value))
        gradients = level.lower_all(filled(found, level.inputs), spec)
        value = level.lower(value)
        return ((value, level.lower(aux)) if has_aux else value), gradients

    return transformed


def _check_scalar(name: str, value: Any) -> None:
    if not isinstance(value, _core.TensorBase):
        raise RuntimeError(f"{name}: expected the function to return a tensor, got {type(value).__name__}")
    if value.ndim != 0:
        raise RuntimeError(f"{name}: expected the function to return a scalar tensor, got shape {value.shape}")


def _one(value: Any) -> Any:
    return _core.backend.full(value.shape, 1, value._dtype)


def grad_and_value(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """As `value_and_grad`, the gradient first: x ↦ (dQ/dx, Q(x)) or (dQ/dx, (Q, aux)); PyTorch's order."""
    both = _value_and_grad("grad_and_value", func, argnums, has_aux)

    @functools.wraps(func)
    def transformed(*args: Any, **kwargs: Any) -> Any:
        value, gradients = both(*args, **kwargs)
        return gradients, value

    return transformed


def grad(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function x ↦ dQ/dx of a function Q that returns a scalar.

    Args:
        func: the function Q.
        argnums: by which positional arguments to differentiate; a tuple gives a tuple of gradients.
        has_aux: `func` returns (Q, aux); the result is then (dQ/dx, aux).

    Raises:
        RuntimeError: where `func` does not return a scalar tensor.

    Example:
        >>> import ferrograd as fg
        >>> fg.func.grad(fg.func.grad(lambda x: x**3))(fg.tensor(2.0)).item()
        12.0
    """
    both = _value_and_grad("grad", func, argnums, has_aux)

    @functools.wraps(func)
    def transformed(*args: Any, **kwargs: Any) -> Any:
        value, gradients = both(*args, **kwargs)
        return (gradients, value[1]) if has_aux else gradients

    return transformed


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """(f(x), v ↦ vᵀJ) with J = df/dx; the product can be asked for many times.

    Args:
        func: the function f; it returns a tensor or a tree of them.
        primals: its arguments.
        has_aux: `func` returns (f, aux); the result is then (f(x), v ↦ vᵀJ, aux).

    Returns:
        The output and a function that takes v, of the output's structure and shapes, and returns the gradient of each
        primal: a tuple, or the gradient itself of a single primal.
    """
    if not primals:
        raise RuntimeError("vjp: primals: expected at least one, got none")
    level = Level("vjp")
    lifted = tuple(level.lift(f"primals[{k}]", x) for k, x in enumerate(primals))
    result, aux = level.run(func, lifted, {}, has_aux)
    outputs, output_spec = level.outputs(result)
    spec = flatten(lifted if len(lifted) > 1 else lifted[0])[1]
    outside = level.outside(*outputs)

    def product(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        v = _checked("vjp", "cotangents", flatten_as("vjp", "cotangents", cotangents, output_spec), outputs)
        # The product can be asked for under another mode than the function ran in.
        records = _core.is_grad_enabled() and (outside or any(g.requires_grad for g in v))
        found = pull(outputs, level.inputs, v, records if create_graph is None else create_graph, retain_graph)
        return level.lower_all(filled(found, level.inputs), spec)

    output = level.lower_all(outputs, output_spec)
    return (output, product, level.lower(aux)) if has_aux else (output, product)


def _checked(op: str, argument: str, vectors: list[Any], likes: list[Any]) -> list[Any]:
    """The vectors as tensors in the shapes and dtypes of what they belong to."""
    found = []
    for v, like in zip(vectors, likes, strict=True):
        v = _core.from_numpy(v) if isinstance(v, np.ndarray) else v
        if not isinstance(v, _core.TensorBase):
            raise RuntimeError(f"{op}: {argument}: expected tensors, got {type(v).__name__}")
        if v.shape != like.shape:
            raise _core.ShapeError(f"{op}: {argument}: expected shape {like.shape}, got {v.shape}")
        if v._dtype != like._dtype:
            raise _core.DTypeError(f"{op}: {argument}: expected dtype {like._dtype}, got {v._dtype}")
        found.append(v)
    return found


def _lifted(name: str, func: Any, primals: Any, has_aux: bool) -> tuple[Level, Any, Any]:
    """A level, the primals lifted into it, what the function returns of them, and its second part."""
    if not isinstance(primals, tuple) or not primals:
        raise RuntimeError(f"{name}: primals: expected a tuple that is not empty, got {type(primals).__name__}")
    level = Level(name)
    lifted = tuple(level.lift(f"primals[{k}]", x) for k, x in enumerate(primals))
    result, aux = level.run(func, lifted, {}, has_aux)
    return level, result, aux


def _tangents(name: str, tangents: Any, primals: Any, level: Level) -> list[Any]:
    if not isinstance(tangents, tuple):
        raise RuntimeError(f"{name}: tangents: expected a tuple, got {type(tangents).__name__}")
    leaves = flatten_as(name, "tangents", tangents, flatten(primals)[1])
    return _checked(name, "tangents", leaves, level.inputs)


def jvp(
    func: Callable[..., Any], primals: tuple[Any, ...], tangents: tuple[Any, ...], *, strict: bool = False,
    has_aux: bool = False,
) -> Any:  # fmt: skip
    """(f(x), J u) with J = df/dx, for a direction u in the space of the arguments.

    J u is the derivative of v ↦ vᵀJ, which is linear in v: two walks back, and no rule of its own for any op.

    Args:
        func: the function f; it returns a tensor or a tree of them.
        primals: a tuple of its arguments.
        tangents: a tuple of u, in the structure and shapes of `primals`.
        strict: raise where an output does not depend on the primals, in place of giving zeros.
        has_aux: `func` returns (f, aux); the result is then (f(x), J u, aux).
    """
    level, result, aux = _lifted("jvp", func, primals, has_aux)
    outputs, spec = level.outputs(result)
    u = _tangents("jvp", tangents, primals, level)
    push = Push(outputs, level.inputs)
    found = push(u, level.outer_records and (level.outside(*outputs) or any(t.requires_grad for t in u)))
    if strict and any(y is None for y in found):
        raise RuntimeError("jvp: strict: an output does not depend on the primals")
    values = level.lower_all(outputs, spec), level.lower_all(filled(found, outputs), spec)
    return (*values, level.lower(aux)) if has_aux else values


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """(f(x), u ↦ J u) with J = df/dx: as `jvp`, for many directions at one place."""
    level, result, _ = _lifted("linearize", func, primals, False)
    outputs, spec = level.outputs(result)
    push = Push(outputs, level.inputs)
    outside = level.outside(*outputs)

    def product(*tangents: Any) -> Any:
        u = _tangents("linearize", tangents, primals, level)
        records = _core.is_grad_enabled() and (outside or any(t.requires_grad for t in u))
        return level.lower_all(filled(push(u, records), outputs), spec)

    return level.lower_all(outputs, spec), product


def hvp(func: Callable[..., Any], primals: tuple[Any, ...], tangents: tuple[Any, ...], has_aux: bool = False) -> Any:
    """(Q(x), H u) with H the Hessian of a function Q that returns a scalar.

    H u is the gradient of the number uᵀ dQ/dx, so H itself is never made (Pearlmutter 1994).

    Args:
        func: the function Q.
        primals: a tuple of its arguments.
        tangents: a tuple of u, in the structure and shapes of `primals`.
        has_aux: `func` returns (Q, aux); the result is then (Q(x), H u, aux).

    Returns:
        The value and the tuple of products, one a primal; the product itself where there is one primal.
    """
    level, value, aux = _lifted("hvp", func, primals, has_aux)
    _check_scalar("hvp", value)
    u = _tangents("hvp", tangents, primals, level)
    gradients = pull([value], level.inputs, [_one(value)], create_graph=True)
    used = [(g, t) for g, t in zip(gradients, u, strict=True) if g is not None]
    records = level.outer_records and (level.outside(value) or any(t.requires_grad for t in u))
    found = pull([g for g, _ in used], level.inputs, [t for _, t in used], records)
    spec = flatten(primals if len(primals) > 1 else primals[0])[1]
    result = level.lower(value), level.lower_all(filled(found, level.inputs), spec)
    return (*result, level.lower(aux)) if has_aux else result
