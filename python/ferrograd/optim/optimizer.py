"""Optimizer: the base of all of them. It keeps parameter groups, their options and each parameter's state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any

from .. import _core, _interpose, _recording
from .._core import set_grad_mode
from ..autograd import enable_grad
from ..creation import as_tensor
from ..dtypes import BY_NAME
from ..nn.module import zero_grad
from ._hooks import Hooks


class _Required:
    def __repr__(self) -> str:
        return "<required parameter>"


#: The default of an option that every group has to give.
required = _Required()


class Optimizer(Hooks):
    """The base of optimizers: `param_groups`, `state`, and how both are saved.

    A subclass gives its options with their defaults to `__init__` and says in `_step_group` how one group is updated,
    with one call of a kernel for all its parameters.

    Args:
        params: parameters, or dicts with 'params' and options of their own (a group each).
        defaults: the options of groups that do not say otherwise.
    """

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self._rates: dict[int, list[Any]] = {}
        #: The step count of updates that do not depend on it.
        self._count = _core.backend.full((), 0, "int64")
        self.state: dict[Any, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        if isinstance(params, _core.TensorBase):
            raise TypeError(
                f"params: expected parameters or dicts of them, got a single {type(params).__name__}: use [p]"
            )
        if isinstance(params, Mapping):
            raise TypeError("params: expected an iterable of parameters or of dicts, got a single dict; use [group]")
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds parameters with options of their own: `{'params': ..., 'lr': 0.1}`."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group: expected a dict, got {type(param_group).__name__}")
        given = param_group["params"]
        if isinstance(given, set):
            raise TypeError("params: expected parameters in an order that is always the same, got a set")
        parameters: list[Any] = [given] if isinstance(given, _core.TensorBase) else list(given)
        if parameters and all(isinstance(p, tuple) and len(p) == 2 for p in parameters):
            names, parameters = [name for name, _ in parameters], [p for _, p in parameters]
            param_group = {**param_group, "param_names": names}
        for p in parameters:
            if not isinstance(p, _core.TensorBase):
                raise TypeError(
                    f"params: an optimizer can only optimize Tensors, but one of them is {type(p).__name__}"
                )
            if not p.is_leaf:
                raise ValueError("params: can't optimize a non-leaf Tensor: it is the result of an op")
        group = _recording.Options({**self.defaults, **param_group, "params": parameters})
        missing = [name for name, value in group.items() if value is required]
        if missing:
            raise ValueError(f"param_group: expected the required option {missing[0]!r}, got none")
        self._check(group)
        if len({id(p) for p in parameters}) != len(parameters):
            raise ValueError("params: some parameters appear more than once in one group")
        taken = {id(p) for g in self.param_groups for p in g["params"]}
        if any(id(p) in taken for p in parameters):
            raise ValueError("params: some parameters appear in more than one parameter group")
        self.param_groups.append(group)

    def _check(self, group: dict[str, Any]) -> None:
        """Raises ValueError for options out of range; a subclass says which."""

    def _step_group(self, group: dict[str, Any], params: list[Any], grads: list[Any]) -> None:
        """Updates `params`, all of which have gradients, in one call; a subclass says how."""
        raise NotImplementedError(f"{type(self).__name__}: _step_group: an optimizer has to say how a group is updated")

    def _states(self, params: list[Any], **fresh: float) -> tuple[list[Any], ...]:
        """The step counts of `params`, and of each named state a list; what is missing starts with the value given."""
        lists: tuple[list[Any], ...] = tuple([] for _ in range(1 + len(fresh)))
        for p in params:
            state = self.state[p]
            if "step" not in state:
                state["step"] = _core.backend.full((), 0, "float32")
            lists[0].append(state["step"])
            for values, (name, value) in zip(lists[1:], fresh.items(), strict=True):
                if name not in state:
                    state[name] = _core.backend.full(p.shape, value, p._dtype)
                values.append(state[name])
        return lists

    def _rate(self, group: dict[str, Any]) -> Any:
        """The group's learning rate as the 0-d array that the kernel reads: one array, filled anew when it changes.

        Filling it is no part of a recorded step, which does so itself before each replay.
        """
        lr = group["lr"]
        if isinstance(lr, _core.TensorBase):
            return lr
        entry = self._rates.get(id(group))
        if entry is None or entry[0] is not group:
            entry = self._rates[id(group)] = [group, lr, _core.backend.full((), float(lr), "float64")]
        elif entry[1] != lr:
            _interpose.plain("copy_")(entry[2], float(lr))
            entry[1] = lr
        return entry[2]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates all parameters that have a gradient.

        Args:
            closure: computes the loss and its gradients anew; it is called first and what it returns is returned.
        """
        if _recording.active is not None:
            _recording.active.steps(self)
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        before = set_grad_mode(False)
        try:
            for group in self.param_groups:
                params, grads = [], []
                for p in group["params"]:
                    g = p._grad
                    if g is not None:
                        params.append(p)
                        grads.append(g)
                if params:
                    self._step_group(group, params, grads)
        finally:
            set_grad_mode(before)
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets all gradients, or fills them with zeros."""
        for group in self.param_groups:
            zero_grad(group["params"], set_to_none)

    # -- state ---------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """State and options; parameters are numbered through all groups, as in PyTorch."""
        for hook in self._hooked("state_dict_pre"):
            hook(self)
        number = {id(p): k for k, p in enumerate(self._parameters())}
        groups = [{**g, "params": [number[id(p)] for p in g["params"]]} for g in self.param_groups]
        state = {number[id(p)]: dict(values) for p, values in self.state.items()}
        result = {"state": dict(sorted(state.items())), "param_groups": groups}
        for hook in self._hooked("state_dict_post"):
            result = hook(self, result) or result
        return result

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over copies of what `state_dict` gave, for the same parameters in the same order.

        Raises:
            ValueError: where groups or their sizes differ.
        """
        for hook in self._hooked("load_state_dict_pre"):
            state_dict = hook(self, state_dict) or state_dict
        groups = state_dict["param_groups"]
        if len(groups) != len(self.param_groups):
            raise ValueError(
                f"load_state_dict: param_groups: expected {len(self.param_groups)} groups, got {len(groups)}"
            )
        for k, (own, saved) in enumerate(zip(self.param_groups, groups, strict=True)):
            if len(own["params"]) != len(saved["params"]):
                raise ValueError(
                    f"load_state_dict: param_groups[{k}]: expected {len(own['params'])} parameters, "
                    f"got {len(saved['params'])}"
                )
        ids = chain.from_iterable(g["params"] for g in groups)
        by_id = dict(zip(ids, self._parameters(), strict=True))
        state: dict[Any, dict[str, Any]] = defaultdict(dict)
        for k, values in state_dict["state"].items():
            if k not in by_id:
                raise ValueError(f"load_state_dict: state: expected the numbers of parameters, got {k!r}")
            state[by_id[k]] = {name: _like(value, name, by_id[k]) for name, value in values.items()}
        merged: list[dict[str, Any]] = [
            _recording.Options({**own, **saved, "params": own["params"]})
            for own, saved in zip(self.param_groups, groups, strict=True)
        ]
        for group in merged:
            self._check(group)
        self.state, self.param_groups = state, merged
        _recording.changed()
        for hook in self._hooked("load_state_dict_post"):
            hook(self)

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or a pickle takes along: all but the hooks, as in PyTorch."""
        return {
            name: value for name, value in self.__dict__.items() if name not in ("_hooks", "_opt_called", "_watched")
        }

    def _parameters(self) -> Iterable[Any]:
        return chain.from_iterable(g["params"] for g in self.param_groups)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for k, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {k}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])


def _like(value: Any, name: str, parameter: Any) -> Any:
    """A copy of a saved value, in the parameter's dtype; a step count keeps its own."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    value = as_tensor(value)
    floating = BY_NAME[value._dtype].is_floating_point and name != "step"
    return _core.backend.cast(value, parameter._dtype if floating else value._dtype)


def at_least_zero(optimizer: str, group: dict[str, Any], *names: str) -> None:
    """ValueError where one of these options is negative or no number."""
    for name in names:
        value = group[name]
        if not (isinstance(value, (int, float, _core.TensorBase)) or hasattr(value, "__float__")):
            raise TypeError(f"{optimizer}: {name}: expected a number, got {type(value).__name__}")
        if isinstance(value, _core.TensorBase) and value.numel() != 1:
            raise ValueError(f"{optimizer}: {name}: expected a Tensor of one element, got shape {tuple(value.shape)}")
        if not float(value) >= 0.0:
            raise ValueError(f"{optimizer}: {name}: invalid value {value}: expected a number of at least 0")


def betas_below_one(optimizer: str, group: dict[str, Any]) -> None:
    """ValueError where `betas` are not two numbers from 0 to below 1."""
    if len(group["betas"]) != 2:
        raise ValueError(f"{optimizer}: betas: expected two numbers, got {group['betas']}")
    for k, beta in enumerate(group["betas"]):
        if not 0.0 <= float(beta) < 1.0:
            raise ValueError(f"{optimizer}: betas: invalid value {beta} at {k}: expected a number from 0 to below 1")


def no_differentiable(optimizer: str, differentiable: bool) -> None:
    """ValueError where a step should be part of a graph."""
    if differentiable:
        raise ValueError(f"{optimizer}: differentiable: expected False (a step is one kernel, not recorded), got True")
