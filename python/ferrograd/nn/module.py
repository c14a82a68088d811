"""Module: the base of every layer and model. It holds parameters, buffers and child modules, and does no arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .. import _core, _recording
from .._tensor import Tensor
from ..autograd import no_grad
from ..dtypes import BY_NAME, dtype_name
from ..dtypes import device as _device
from . import _state
from ._hooks import HOOKS, Hooked
from ._where import locate, watch_calls
from .parameter import Buffer, Parameter

__all__ = ["Module"]


class Module(Hooked):
    """The base of layers and models.

    A subclass creates its parameters and child modules in `__init__`, after `super().__init__()`, by assigning them as
    attributes, and says what it computes in `forward`; call the module itself, not `forward`.

    An exception raised inside a model names the layer it came from at the end of its message.

    Example:
        >>> import ferrograd as fg
        >>> class Scale(fg.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.factor = fg.nn.Parameter(fg.full((), 3.0))
        ...
        ...     def forward(self, x):
        ...         return x * self.factor
        >>> Scale()(fg.ones(2)).tolist()
        [3.0, 3.0]
    """

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]

    #: The activation that a layer before this module can compute with its own result, and whether this is such a layer.
    _fused: str | None = None
    _fuses = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "forward" in cls.__dict__:
            # Another formula than the parent's is not fused unless its class says so itself.
            cls._fuses = cls.__dict__.get("_fuses", False)
            cls._fused = cls.__dict__.get("_fused")

    def __init__(self) -> None:
        # Past __setattr__, which looks into these.
        self.__dict__.update(
            training=True,
            _parameters=_recording.Noted(),
            _buffers=_recording.Noted(),
            _non_persistent_buffers_set=set(),
            _modules=_recording.Noted(),
            **{name: {} for name in HOOKS},
        )

    # -- the call ------------------------------------------------------------------------------------------------------

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; a subclass says it."""
        raise NotImplementedError(f"{type(self).__name__}: forward: a Module has to say what it computes in forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if self._forward_pre_hooks or self._forward_hooks or self._backward_hooks or self._backward_pre_hooks:
                return self._call_with_hooks(args, kwargs)
            return self.forward(*args, **kwargs)
        except Exception as error:
            locate(error, self, args)
            raise

    # -- attributes ----------------------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        # Only for names that are not in __dict__; it may be empty while a copy or an unpickled module is made.
        own = self.__dict__
        if "_parameters" in own and name in own["_parameters"]:
            return own["_parameters"][name]
        if "_modules" in own and name in own["_modules"]:
            return own["_modules"][name]
        if "_buffers" in own and name in own["_buffers"]:
            return own["_buffers"][name]
        hint = "" if "_modules" in own else "; was super().__init__() called?"
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'{hint}")

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        if name in own:
            _recording.assigned(self, name, own[name], value)
        registers = own.get("_parameters"), own.get("_buffers"), own.get("_modules")
        if isinstance(value, Parameter):
            self._needs_init("parameters", registers[0])
            self._forget(name, "_parameters")
            self.register_parameter(name, value)
        elif isinstance(value, Buffer):
            self._needs_init("buffers", registers[1])
            self._forget(name, "_buffers")
            self.register_buffer(name, value, value.persistent)
        elif isinstance(value, Module):
            self._needs_init("modules", registers[2])
            self._forget(name, "_modules")
            self.register_module(name, value)
        elif registers[0] is not None and name in registers[0]:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{type(value).__name__}' as parameter '{name}' (nn.Parameter or None expected)"
                )
            registers[0][name] = None
        elif registers[2] is not None and name in registers[2]:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{type(value).__name__}' as child module '{name}' (nn.Module or None expected)"
                )
            registers[2][name] = None
        elif registers[1] is not None and name in registers[1]:
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(
                    f"cannot assign '{type(value).__name__}' as buffer '{name}' (fg.Tensor or None expected)"
                )
            registers[1][name] = value
        else:
            object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        _recording.changed()
        for register in (self._parameters, self._buffers, self._modules):
            if name in register:
                del register[name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._parameters, *self._buffers, *self._modules})

    def _needs_init(self, what: str, register: Any) -> None:
        if register is None:
            raise AttributeError(f"cannot assign {what} before Module.__init__() call")

    def _forget(self, name: str, keep: str) -> None:
        """Takes a name out of wherever it stands, but for the register `keep`."""
        own = self.__dict__
        own.pop(name, None)
        for kind in ("_parameters", "_buffers", "_modules"):
            if kind != keep:
                own[kind].pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def _check_name(self, op: str, name: Any, register: Any) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{op}: name: expected a string, got {type(name).__name__}")
        if "." in name or name == "":
            raise KeyError(f"{op}: name: expected a name without dots and not empty, got {name!r}")
        if hasattr(self, name) and name not in register:
            raise KeyError(f"attribute '{name}' already exists")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter, or the place of one (None)."""
        self._needs_init("parameters", self.__dict__.get("_parameters"))
        self._check_name("register_parameter", name, self._parameters)
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"cannot assign '{type(param).__name__}' object to parameter '{name}' "
                    "(nn.Parameter or None required)"
                )
            if not param.is_leaf:
                raise ValueError(
                    f"cannot assign non-leaf Tensor to parameter '{name}': parameters are made explicitly; "
                    "compute the value from one in forward()"
                )
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Adds a tensor that moves with the module and is not learned; part of the state dict if `persistent`."""
        self._needs_init("buffers", self.__dict__.get("_buffers"))
        self._check_name("register_buffer", name, self._buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{type(tensor).__name__}' object to buffer '{name}' (fg.Tensor or None required)"
            )
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def register_module(self, name: str, module: Module | None) -> None:
        """As `add_module`."""
        self.add_module(name, module)

    def add_module(self, name: str, module: Module | None) -> None:
        """Adds a child, or the place of one (None)."""
        self._needs_init("modules", self.__dict__.get("_modules"))
        self._check_name("add_module", name, self._modules)
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        self._modules[name] = module

    # -- what it holds -------------------------------------------------------------------------------------------------

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it, with their paths."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, child in self._modules.items():
            if child is not None:
                yield from child.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all below it."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The immediate children with their names, each once."""
        seen = set()
        for name, child in self._modules.items():
            if child is not None and child not in seen:
                seen.add(child)
                yield name, child

    def children(self) -> Iterator[Module]:
        """The immediate children, each once."""
        for _, child in self.named_children():
            yield child

    def _named(self, kind: str, prefix: str, recurse: bool, remove_duplicate: bool) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        owners = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for path, owner in owners:
            for name, value in owner.__dict__[kind].items():
                if value is None or id(value) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(value))
                yield f"{path}.{name}" if path else name, value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters with their paths; a shared one once, unless `remove_duplicate=False`."""
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, for an optimizer; a shared one once."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers with their paths."""
        return self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def get_submodule(self, target: str) -> Module:
        """The module at a path such as 'features.3'; the module itself for ''."""
        module = self
        for name in target.split(".") if target else ():
            child = getattr(module, name, None)
            if child is None:
                raise AttributeError(
                    f"get_submodule: {type(module).__name__} has no attribute '{name}' (of '{target}')"
                )
            if not isinstance(child, Module):
                raise AttributeError(f"get_submodule: '{name}' (of '{target}') is not an nn.Module")
            module = child
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Puts a module at a path such as 'features.3'; with `strict` in place of one that is there."""
        if target == "":
            raise ValueError("set_submodule: target: expected a path, got ''")
        if not isinstance(module, Module):
            raise ValueError(f"set_submodule: module: expected an nn.Module, got {type(module).__name__}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        there = getattr(parent, name, None)
        if strict and not hasattr(parent, name):
            raise AttributeError(f"set_submodule: {type(parent).__name__} has no attribute '{name}' (of '{target}')")
        if there is not None and not isinstance(there, Module):
            raise AttributeError(f"set_submodule: '{name}' (of '{target}') is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a path such as 'features.3.weight'."""
        return self._get(target, "_parameters", "an nn.Parameter")  # type: ignore[no-any-return]

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a path such as 'features.3.running_mean'."""
        return self._get(target, "_buffers", "a buffer")  # type: ignore[no-any-return]

    def _get(self, target: str, kind: str, what: str) -> Any:
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if owner.__dict__[kind].get(name) is None:
            raise AttributeError(f"{type(owner).__name__}: '{name}' (of '{target}') is not {what}")
        return owner.__dict__[kind][name]

    # -- state ---------------------------------------------------------------------------------------------------------

    def state_dict(
        self, *, destination: dict[str, Any] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """Parameters and persistent buffers by path, outside any graph; they share the module's memory."""
        state = {} if destination is None else destination
        for hook in list(self._state_dict_pre_hooks.values()):
            hook(self, prefix, keep_vars)
        for name, value in _state.own_state(self).items():
            state[prefix + name] = value if keep_vars else value.detach()
        if _state.has_extra(self, "get_extra_state"):
            state[prefix + _state.EXTRA] = self.get_extra_state()
        for name, child in self._modules.items():
            if child is not None:
                child.state_dict(destination=state, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in list(self._state_dict_hooks.values()):
            if hook(self, state, prefix, {}) is not None:
                raise RuntimeError("state_dict post-hook: expected None (change the state dict in place), got a value")
        return state

    def get_extra_state(self) -> Any:
        """What a subclass adds to its part of the state dict, under `_extra_state`; it defines `set_extra_state` too."""
        raise RuntimeError(f"{type(self).__name__}: get_extra_state: a class with an extra state has to define it")

    def set_extra_state(self, state: Any) -> None:
        """Takes back what `get_extra_state` gave."""
        raise RuntimeError(f"{type(self).__name__}: set_extra_state: a class with an extra state has to define it")

    def _complete_state(self, state: dict[str, Any], prefix: str) -> None:
        """Adds to a state dict that is loaded what older ones of this class lack."""

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _state.IncompatibleKeys:
        """Copies a state dict (Tensors or ndarrays) into the module.

        Args:
            state_dict: values by path, as `state_dict` gives them.
            strict: missing and unexpected keys are an error.
            assign: take the tensors themselves, with their dtype, in place of copying.

        Raises:
            RuntimeError: naming every missing, unexpected and mis-shaped key; nothing is changed then.
        """
        return _state.load(self, state_dict, strict, assign)

    # -- modes and conversions -----------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Any:
        """Training behaviour (dropout drops, batch norm takes the batch's statistics) here and below."""
        if not isinstance(mode, bool):
            raise ValueError(f"train: mode: expected a bool, got {mode!r}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Any:
        """Evaluation behaviour here and below."""
        return self.train(False)

    def apply(self, fn: Callable[[Module], Any]) -> Any:
        """Calls `fn` on every module below, children first, then on this one."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Whether gradients are recorded for the parameters."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the parameters' gradients, or fills them with zeros."""
        zero_grad(self.parameters(), set_to_none)

    def to(self, *args: Any, dtype: Any = None, device: Any = None, **_: Any) -> Any:
        """Floating-point parameters and buffers in another dtype: `model.to(fg.float64)`, `model.to('cpu')`.

        The Parameter objects stay, so that an optimizer keeps its hold on them.
        """
        for a in args:
            if isinstance(a, Tensor):
                dtype = a.dtype
            elif isinstance(a, _device) or (isinstance(a, str) and a not in BY_NAME):
                device = a
            elif not isinstance(a, bool):
                dtype = a
        if device is not None:
            _device(device)
        if dtype is None:
            return self
        name = dtype_name(dtype)
        if not BY_NAME[name].is_floating_point:
            raise TypeError(f"to: dtype: a module can be converted to floating-point dtypes only, got {name}")
        with no_grad():
            for tensor in [*self.parameters(), *self.buffers()]:
                _convert(tensor, name)
        return self

    def type(self, dst_type: Any) -> Any:
        """Floating-point parameters and buffers in another dtype."""
        return self.to(dst_type)

    def float(self) -> Any:
        """Parameters and buffers as float32."""
        return self.to("float32")

    def double(self) -> Any:
        """Parameters and buffers as float64."""
        return self.to("float64")

    def half(self) -> Any:
        """Parameters and buffers as float16, which stores only."""
        return self.to("float16")

    def bfloat16(self) -> Any:
        """Parameters and buffers as bfloat16, which stores only."""
        return self.to("bfloat16")

    def cpu(self) -> Any:
        """On the CPU."""
        return self

    def cuda(self, device: Any = None) -> Any:
        """Raises: there is no GPU here."""
        raise RuntimeError(
            "cuda: this build of ferrograd computes on the CPU; ask fg.cuda.is_available() first, or use .to(device)"
        )

    # -- text ----------------------------------------------------------------------------------------------------------

    def _get_name(self) -> str:
        return self.__class__.__name__

    def extra_repr(self) -> str:
        """What stands between the parentheses of the `repr`; a subclass says it."""
        return ""

    def _child_reprs(self) -> list[str]:
        return [f"({name}): {_indented(repr(child))}" for name, child in self._modules.items()]

    def __repr__(self) -> str:
        extra = self.extra_repr().split("\n") if self.extra_repr() else []
        children = self._child_reprs()
        if not children and len(extra) <= 1:
            return f"{type(self).__name__}({''.join(extra)})"
        return f"{type(self).__name__}(\n  " + "\n  ".join([*extra, *children]) + "\n)"


watch_calls(Module.__call__)


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def _convert(tensor: Any, name: str) -> None:
    if BY_NAME[tensor._dtype].is_floating_point and tensor._dtype != name:
        tensor._set_data(_core.backend.cast(tensor, name))
        if tensor._grad is not None:
            tensor._grad = _core.backend.cast(tensor._grad, name)


def zero_grad(parameters: Any, set_to_none: bool = True) -> None:
    """Forgets gradients, or fills them with zeros outside any graph."""
    for p in parameters:
        if set_to_none and _recording.active is not None:
            _recording.active.forgets(p)
        if p._grad is None:
            continue
        if set_to_none:
            p._grad = None
            continue
        if p._grad.requires_grad:
            p._grad = p._grad.detach()
        with no_grad():
            _core.backend.copy_(p._grad, 0)
