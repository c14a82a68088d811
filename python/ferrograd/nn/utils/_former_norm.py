"""Weight and spectral normalisation as hooks before `forward`, with the state keys of PyTorch's former functions."""

from __future__ import annotations

from typing import Any

from ..._warn import warn
from ...autograd import no_grad
from ...random import randn
from .. import functional as F
from ..conv_transpose import _ConvTranspose
from ..module import Module
from ..parameter import Parameter
from ._matrix import as_matrix, check_iterations, iterate, norm_except, over_sigma, weight_normed

__all__ = ["remove_spectral_norm", "remove_weight_norm", "spectral_norm", "weight_norm"]


class _Norm:
    """A hook that sets an attribute of the module before each forward."""

    title: str
    parts: tuple[str, ...]

    def __init__(self, name: str) -> None:
        self.name = name

    def compute(self, module: Any, training: bool) -> Any:
        """The normalised weight."""
        raise NotImplementedError

    def __call__(self, module: Any, args: Any) -> None:
        setattr(module, self.name, self.compute(module, module.training))

    def attach(self, module: Module) -> None:
        """Registers the hook; one of a kind for each parameter."""
        if _find(type(self), module, self.name) is not None:
            raise RuntimeError(f"{self.title}: name: '{self.name}' has one already")
        module.register_forward_pre_hook(self)

    def detach(self, module: Module) -> None:
        """A plain parameter with the present value again."""
        with no_grad():
            weight = self.compute(module, False)
        delattr(module, self.name)
        for part in self.parts:
            delattr(module, f"{self.name}_{part}")
        module.register_parameter(self.name, Parameter(weight.detach()))


def _find(kind: type[_Norm], module: Module, name: str) -> int | None:
    for key, (hook, _) in module._forward_pre_hooks.items():
        if isinstance(hook, kind) and hook.name == name:
            return key
    return None


def _remove(kind: type[_Norm], module: Module, name: str) -> Module:
    key = _find(kind, module, name)
    if key is None:
        raise ValueError(f"remove_{kind.title}: name: {type(module).__name__} has no {kind.title} of '{name}'")
    module._forward_pre_hooks[key][0].detach(module)
    del module._forward_pre_hooks[key]
    return module


def _parameter(title: str, module: Module, name: str) -> Any:
    weight = module._parameters.get(name)
    if weight is None:
        raise ValueError(f"{title}: name: expected a parameter of {type(module).__name__}, got {name!r}")
    return weight


class _WeightNorm(_Norm):
    title, parts = "weight_norm", ("g", "v")

    def __init__(self, name: str, dim: int | None) -> None:
        super().__init__(name)
        self.dim = -1 if dim is None else dim

    def compute(self, module: Any, training: bool) -> Any:
        """g · v / ‖v‖."""
        return weight_normed(getattr(module, f"{self.name}_g"), getattr(module, f"{self.name}_v"), self.dim)


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """w = g · v / ‖v‖ before each forward, with the state keys `<name>_g` and `<name>_v` (arXiv:1602.07868).

    `parametrizations.weight_norm` has taken its place, in PyTorch too.
    """
    warn("weight_norm is deprecated; use nn.utils.parametrizations.weight_norm", FutureWarning)
    hook = _WeightNorm(name, dim)
    hook.attach(module)
    with no_grad():
        weight = _parameter("weight_norm", module, name)
        g = norm_except(weight.detach(), hook.dim)
    delattr(module, name)
    module.register_parameter(f"{name}_g", Parameter(g))
    module.register_parameter(f"{name}_v", Parameter(weight.detach()))
    hook(module, None)
    return module


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Makes the weight a plain parameter with its present value again."""
    return _remove(_WeightNorm, module, name)


class _SpectralNorm(_Norm):
    title, parts = "spectral_norm", ("orig", "u", "v")

    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float) -> None:
        super().__init__(name)
        check_iterations(n_power_iterations)
        self.n_power_iterations = n_power_iterations
        self.dim = dim
        self.eps = eps

    def compute(self, module: Any, training: bool) -> Any:
        """W / (uᵀ W v), after steps of the power method while training."""
        weight, u, v = (getattr(module, f"{self.name}_{part}") for part in self.parts)
        matrix = as_matrix(weight, self.dim)
        if training:
            iterate(matrix, u, v, self.n_power_iterations, self.eps, False)
        return over_sigma(weight, matrix, u, v)


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """W / σ before each forward, with the state keys `<name>_orig`, `<name>_u` and `<name>_v` (arXiv:1802.05957).

    `parametrizations.spectral_norm` has taken its place, in PyTorch too.
    """
    if dim is None:
        dim = 1 if isinstance(module, _ConvTranspose) else 0
    hook = _SpectralNorm(name, n_power_iterations, dim, eps)
    weight = _parameter("spectral_norm", module, name)
    hook.attach(module)
    with no_grad():
        shape = as_matrix(weight.detach(), dim).shape
        u, v = (F.normalize(randn(n, dtype=weight.dtype), dim=0, eps=eps) for n in shape)
    delattr(module, name)
    module.register_parameter(f"{name}_orig", weight)
    setattr(module, name, weight.detach())
    module.register_buffer(f"{name}_u", u)
    module.register_buffer(f"{name}_v", v)
    return module


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Makes the weight a plain parameter with its present value again."""
    return _remove(_SpectralNorm, module, name)
