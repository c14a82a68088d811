"""Jacobians and Hessians, whole."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..autograd._products import Push, filled, pull, stacked, unit_vectors
from ..utils._pytree import unflatten
from ._level import Level


def jacrev(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False,
    chunk_size: int | None = None,
) -> Callable[..., Any]:  # fmt: skip
    """The function x ↦ J with J_ij = dy_i/dx_j of y = f(x), row by row: one walk back for each element of y.

    Args:
        func: the function f; it returns a tensor or a tree of them.
        argnums: by which positional arguments to differentiate.
        has_aux: `func` returns (f, aux); the result is then (J, aux).
        chunk_size: accepted; the rows are made one at a time.

    Returns:
        A function whose result has the structure of the output, with that of the arguments in place of each tensor:
        J of shape (*y.shape, *x.shape).
    """

    @functools.wraps(func)
    def transformed(*args: Any, **kwargs: Any) -> Any:
        level = Level("jacrev")
        lifted, spec = level.lift_arguments(args, argnums)
        result, aux = level.run(func, lifted, kwargs, has_aux)
        outputs, output_spec = level.outputs(result)
        inputs = level.inputs
        jacobians = []
        for y in outputs:
            create_graph = level.outside(y)
            rows = [filled(pull([y], inputs, [v], create_graph), inputs) for v in unit_vectors(y)]
            of_y = [stacked([row[k] for row in rows], y.shape + x.shape, 0, x._dtype) for k, x in enumerate(inputs)]
            jacobians.append(level.lower_all(of_y, spec))
        whole = unflatten(jacobians, output_spec)
        return (whole, level.lower(aux)) if has_aux else whole

    return transformed


#: By rows: the better choice where the outputs are fewer than the inputs, as a network's are.
jacobian = jacrev


def jacfwd(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False, *,
    chunk_size: int | None = None, randomness: str = "error",
) -> Callable[..., Any]:  # fmt: skip
    """As `jacrev`, column by column: one product J u (see `jvp`) for each element of x.

    Better where the inputs are fewer than the outputs. `chunk_size` and `randomness` are accepted: the function runs once.
    """

    @functools.wraps(func)
    def transformed(*args: Any, **kwargs: Any) -> Any:
        level = Level("jacfwd")
        lifted, spec = level.lift_arguments(args, argnums)
        result, aux = level.run(func, lifted, kwargs, has_aux)
        outputs, output_spec = level.outputs(result)
        inputs = level.inputs
        push = Push(outputs, inputs)
        create_graph = level.outside(*outputs)
        by_input = []  # for each input, for each output
        for k, x in enumerate(inputs):
            columns = []
            for unit in unit_vectors(x):
                direction = filled([None] * k + [unit] + [None] * (len(inputs) - k - 1), inputs)
                columns.append(filled(push(direction, create_graph), outputs))
            by_input.append(
                [stacked([c[j] for c in columns], y.shape + x.shape, y.ndim, y._dtype) for j, y in enumerate(outputs)]
            )
        jacobians = [level.lower_all([of_x[j] for of_x in by_input], spec) for j in range(len(outputs))]
        whole = unflatten(jacobians, output_spec)
        return (whole, level.lower(aux)) if has_aux else whole

    return transformed


def hessian(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """The function x ↦ H with H_ij = d²y/dx_i dx_j, the Jacobian of the Jacobian: of shape (*y.shape, *x.shape, *x.shape).

    For a tuple `argnums`, `H[i][j]` is the block of arguments i and j.
    """
    return jacrev(jacrev(func, argnums), argnums)
