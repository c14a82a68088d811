"""One call of a transform: its own inputs, and what of its results the graph around it must know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _core, ops
from ..autograd._products import reaches_other_leaves
from ..dtypes import BY_NAME
from ..grad_mode import enable_grad
from ..utils._pytree import Spec, flatten, map_tree, unflatten


class Level:
    """The inputs of one transform as tensors of its own, so that it differentiates by them and by nothing else.

    Gradients are recorded inside whatever the mode around it. A result stays in the graph around it only if it leads to
    something that requires a gradient there: an input, or a tensor that the function itself looked up.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.outer_records = _core.is_grad_enabled()
        self.inputs: list[Any] = []
        self._own: set[int] = set()

    def lift(self, argument: str, tree: Any) -> Any:
        """The tree of this level's own tensors."""
        return map_tree(lambda leaf: self._lift(argument, leaf), tree)

    def _lift(self, argument: str, x: Any) -> Any:
        if isinstance(x, np.ndarray):
            x = _core.from_numpy(x)
        if not isinstance(x, _core.TensorBase):
            raise ValueError(f"{self.name}: {argument}: expected a Tensor, got {type(x).__name__}")
        if not BY_NAME[x._dtype].is_floating_point:
            raise RuntimeError(
                f"{self.name}: {argument}: expected a floating-point dtype to differentiate by, got {x._dtype}"
            )
        if self.outer_records and x.requires_grad:
            own = ops.alias(x)
        else:
            own = ops.detach(x).requires_grad_()
            self._own.add(id(own))
        self.inputs.append(own)
        return own

    def lift_arguments(self, args: tuple[Any, ...], argnums: int | tuple[int, ...]) -> tuple[tuple[Any, ...], Spec]:
        """The arguments with those of `argnums` lifted, and the shape of the tree of these."""
        numbers = argnums if isinstance(argnums, tuple) else (argnums,)
        if not numbers:
            raise RuntimeError(f"{self.name}: argnums: expected at least one, got ()")
        places = []
        for k in numbers:
            if not -len(args) <= k < len(args):
                raise RuntimeError(f"{self.name}: argnums: expected one of {len(args)} positional arguments, got {k}")
            places.append(k % len(args))
        if len(set(places)) != len(places):
            raise RuntimeError(f"{self.name}: argnums: expected each argument once, got {argnums}")
        lifted = list(args)
        for k in places:
            lifted[k] = self.lift(f"argument {k}", args[k])
        chosen = tuple(lifted[k] for k in places)
        return tuple(lifted), flatten(chosen if isinstance(argnums, tuple) else chosen[0])[1]

    def run(self, function: Any, args: Sequence[Any], kwargs: dict[str, Any], has_aux: bool) -> tuple[Any, Any]:
        """What the function returns, and its second part where it has one."""
        with enable_grad():
            result = function(*args, **kwargs)
        if not has_aux:
            return result, None
        if not (isinstance(result, tuple) and len(result) == 2):
            raise RuntimeError(f"{self.name}: has_aux: expected the function to return a pair (output, aux)")
        return result

    def outputs(self, result: Any) -> tuple[list[Any], Spec]:
        """The tensors of what the function returned."""
        leaves, spec = flatten(result)
        for y in leaves:
            if not isinstance(y, _core.TensorBase):
                raise RuntimeError(f"{self.name}: expected the function to return tensors, got {type(y).__name__}")
        return leaves, spec

    def outside(self, *tensors: Any) -> bool:
        """Whether the graph around this level reaches one of the tensors."""
        return self.outer_records and reaches_other_leaves(tensors, self._own)

    def lower(self, tree: Any) -> Any:
        """The tree for the graph around this level."""
        leaves, spec = flatten(tree)
        return self.lower_all(leaves, spec)

    def lower_all(self, leaves: Sequence[Any], spec: Spec) -> Any:
        """The tree of the leaves for the graph around this level."""
        recorded = [y for y in leaves if isinstance(y, _core.TensorBase) and y.requires_grad]
        # One look at the whole graph, where nothing of it is to be kept.
        keep = {id(y) for y in recorded if self.outside(y)} if self.outside(*recorded) else set()
        cut = {id(y) for y in recorded} - keep
        return unflatten([ops.detach(y) if id(y) in cut else y for y in leaves], spec)
