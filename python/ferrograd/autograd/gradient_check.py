"""Gradients against finite differences: (f(x + ε) − f(x − ε)) / 2ε, one element of the inputs at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import _core
from .._warn import warn
from ..dtypes import BY_NAME
from ..grad_mode import enable_grad, no_grad
from ._products import filled, pull, unit_vectors


class GradcheckError(RuntimeError):
    """A gradient that is not what finite differences say."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_grad_dtypes: bool = False,
    fast_mode: bool = False,
) -> bool:
    """Compares the gradients of `func` with finite differences.

    Args:
        func: a function of tensors that returns a tensor or a tuple of them.
        inputs: its arguments; those that require a gradient are checked, and should be float64.
        eps: the step of the finite differences.
        atol: they agree where |a − n| ≤ atol + rtol · |n|.
        rtol: see `atol`.
        raise_exception: raise where they do not; else return False.
        nondet_tol: how far two walks back may differ.
        check_grad_dtypes: a gradient must have the dtype of its input.
        fast_mode: compare uᵀJv for one random u and v in place of the whole Jacobian J.

    Raises:
        GradcheckError: where a gradient is wrong, naming the output and the input and showing both Jacobians.
    """
    try:
        _check(func, _tuple(inputs), eps, atol, rtol, nondet_tol, check_grad_dtypes, fast_mode)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_grad_dtypes: bool = False,
    fast_mode: bool = False,
) -> bool:
    """As `gradcheck`, of the gradients themselves: by the inputs and by the gradients of the outputs.

    `grad_outputs` are the latter; random ones by default.
    """
    inputs = _tuple(inputs)
    outputs = _differentiable(_tuple(func(*inputs)))
    if grad_outputs is None:
        random = np.random.default_rng(0)
        grad_outputs = [_core.from_numpy(np.asarray(random.standard_normal(y.shape), dtype=y._dtype)) for y in outputs]
        given = tuple(g.requires_grad_() for g in grad_outputs)
    else:
        given = _tuple(grad_outputs)

    @enable_grad()
    def gradients(*args: Any) -> Any:
        own = [x if _is_checked(x) else _again(x, like) for x, like in zip(args, inputs, strict=False)]
        by = [x for x, like in zip(own, inputs, strict=True) if _is_checked(like)]
        v = args[len(inputs) :]
        return tuple(filled(pull(_differentiable(_tuple(func(*own))), by, v, create_graph=True), by))

    return gradcheck(
        gradients,
        (*inputs, *given),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_grad_dtypes=check_grad_dtypes,
        fast_mode=fast_mode,
    )


def _again(x: Any, like: Any) -> Any:
    """An input that the finite differences gave as a constant, differentiable as it was."""
    return x.detach().requires_grad_() if _is_checked(like) else x


def _tuple(x: Any) -> tuple[Any, ...]:
    return tuple(x) if isinstance(x, (tuple, list)) else (x,)


def _is_checked(x: Any) -> bool:
    return isinstance(x, _core.TensorBase) and x.requires_grad


def _differentiable(outputs: tuple[Any, ...]) -> list[Any]:
    for y in outputs:
        if not isinstance(y, _core.TensorBase):
            raise ValueError(f"gradcheck: func: expected it to return tensors, got {type(y).__name__}")
    return [y for y in outputs if BY_NAME[y._dtype].is_floating_point and y.requires_grad]


def _check(
    func: Any,
    inputs: tuple[Any, ...],
    eps: float,
    atol: float,
    rtol: float,
    nondet_tol: float,
    dtypes: bool,
    fast: bool,
) -> None:
    places = [k for k, x in enumerate(inputs) if _is_checked(x)]
    if not places:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the them have requires_grad=True"
        )
    for k in places:
        if inputs[k]._dtype != "float64":
            warn(
                f"gradcheck: input {k} requires a gradient and is {inputs[k]._dtype}; finite differences need float64",
            )
    with enable_grad():
        outputs = _tuple(func(*inputs))
        wanted = [inputs[k] for k in places]
        checked = _differentiable(outputs)
        numbers = [k for k, y in enumerate(outputs) if any(y is other for other in checked)]
    if not checked:
        _check_constant(func, inputs, places, eps)
        return
    for i, y in zip(numbers, checked, strict=True):
        analytic = _analytic(y, wanted, fast)
        for first, second in zip(analytic, _analytic(y, wanted, fast), strict=True):
            if not np.allclose(first, second, rtol=0, atol=nondet_tol, equal_nan=True):
                raise GradcheckError(
                    "Backward is not reentrant, i.e., running backward with same input and grad_output multiple times "
                    f"gives different values, although analytical gradient matches numerical gradient; output {i}"
                )
        if dtypes:
            _check_dtypes(y, wanted)
        for k, found in zip(places, analytic, strict=True):
            numeric = _numeric(func, inputs, k, i, eps, fast)
            if not np.allclose(found, numeric, rtol=rtol, atol=atol, equal_nan=True):
                raise GradcheckError(
                    f"Jacobian mismatch for output {i} with respect to input {k},\n"
                    f"numerical:{numeric}\nanalytical:{found}\n"
                )


def _check_constant(func: Any, inputs: tuple[Any, ...], places: list[int], eps: float) -> None:
    """Where no output requires a gradient, none may depend on the inputs."""
    with no_grad():
        outputs = _tuple(func(*inputs))
    for i, y in enumerate(outputs):
        if not BY_NAME[y._dtype].is_floating_point:
            continue
        for k in places:
            if np.any(_numeric(func, inputs, k, i, eps, False) != 0):
                raise GradcheckError(
                    f"Numerical gradient for function expected to be zero: output {i} has no graph and depends on input {k}"
                )


def _check_dtypes(y: Any, inputs: Sequence[Any]) -> None:
    for x, g in zip(inputs, pull([y], inputs, [_core.backend.full(y.shape, 1, y._dtype)], False), strict=True):
        if g is not None and g._dtype != x._dtype:
            raise GradcheckError(f"Gradient dtype does not match input dtype: {g._dtype} and {x._dtype}")


def _directions(shape: tuple[int, ...], seed: int) -> Any:
    """A random vector, the same each time."""
    return np.random.default_rng(seed).standard_normal(shape)


def _analytic(y: Any, inputs: Sequence[Any], fast: bool) -> list[Any]:
    """dy/dx of each input, of shape (elements of y, elements of x); in fast mode uᵀ dy/dx v."""
    if fast:
        u = _core.from_numpy(np.asarray(_directions(y.shape, 1), dtype=y._dtype))
        found = filled(pull([y], inputs, [u], False), inputs)
        return [np.sum(g._numpy() * _directions(g.shape, 2)) for g in found]
    rows = [[g._numpy().ravel() for g in filled(pull([y], inputs, [v], False), inputs)] for v in unit_vectors(y)]
    return [np.array([row[k] for row in rows]).reshape(y.numel(), x.numel()) for k, x in enumerate(inputs)]


def _numeric(func: Any, inputs: tuple[Any, ...], k: int, i: int, eps: float, fast: bool) -> Any:
    """The same by finite differences, output i by input k."""
    base = np.array(inputs[k].detach()._numpy())

    def at(step: Any) -> Any:
        moved = _core.from_numpy(np.asarray(base + step, dtype=base.dtype))
        with no_grad():
            y = _tuple(func(*inputs[:k], moved, *inputs[k + 1 :]))[i]
        return np.array(y._numpy(), dtype=np.float64)

    if fast:
        v = _directions(base.shape, 2)
        change = (at(eps * v) - at(-eps * v)) / (2 * eps)
        return np.sum(change * _directions(change.shape, 1))
    columns = []
    for place in np.ndindex(base.shape):
        step = np.zeros(base.shape)
        step[place] = eps
        columns.append(((at(step) - at(-step)) / (2 * eps)).ravel())
    return np.array(columns).reshape(base.size, -1).T
