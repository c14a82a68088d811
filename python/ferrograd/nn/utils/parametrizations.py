"""Ready-made parametrizations: weight and spectral normalisation."""

from __future__ import annotations

from typing import Any

from ..._tensor import Tensor
from ...autograd import no_grad
from ...random import randn
from .. import functional as F
from ..conv_transpose import _ConvTranspose
from ..module import Module
from ._matrix import as_matrix, check_iterations, iterate, norm_except, over_sigma, weight_normed
from .parametrize import register_parametrization

__all__ = ["spectral_norm", "weight_norm"]


class _WeightNorm(Module):
    """w = g · v / ‖v‖, from g (original0) and v (original1)."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Any, weight_v: Any) -> Any:
        """g · v / ‖v‖."""
        return weight_normed(weight_g, weight_v, self.dim)

    def right_inverse(self, weight: Any) -> tuple[Any, Any]:
        """g = ‖w‖ and v = w."""
        return norm_except(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """w = g · v / ‖v‖: length and direction are learned apart (Salimans and Kingma 2016, arXiv:1602.07868).

    State keys: `parametrizations.<name>.original0` (g) and `.original1` (v); those of the former `weight_norm`,
    `<name>_g` and `<name>_v`, load too.

    Args:
        module: whose parameter is meant.
        name: its name.
        dim: the dimension whose slices have a length each; None: one length for all.
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def former_keys(module: Module, state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
        former = [f"{prefix}{name}_g", f"{prefix}{name}_v"]
        if all(key in state_dict for key in former):
            for k, key in enumerate(former):
                state_dict[f"{prefix}parametrizations.{name}.original{k}"] = state_dict.pop(key)

    module.register_load_state_dict_pre_hook(former_keys)
    return module


class _SpectralNorm(Module):
    """W / σ, σ the largest singular value as the power method knows it so far."""

    def __init__(self, weight: Any, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        ndim = len(weight.shape)
        if not -ndim <= dim < ndim:
            raise IndexError(f"spectral_norm: dim: expected a dimension from {-ndim} to {ndim - 1}, got {dim}")
        check_iterations(n_power_iterations)
        self.dim = dim % ndim
        self.eps = eps
        if ndim > 1:
            self.n_power_iterations = n_power_iterations
            with no_grad():
                matrix = as_matrix(weight.detach(), self.dim)
                u, v = (F.normalize(randn(n, dtype=weight.dtype), dim=0, eps=eps) for n in matrix.shape)
            self.register_buffer("_u", u)
            self.register_buffer("_v", v)
            iterate(matrix, u, v, 15, eps, True)

    def forward(self, weight: Any) -> Any:
        """W / σ."""
        if len(weight.shape) == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            iterate(matrix, self._u, self._v, self.n_power_iterations, self.eps, True)
        return over_sigma(weight, matrix, self._u, self._v)

    def right_inverse(self, value: Any) -> Any:
        """The weight itself."""
        return value


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """W / σ, σ its largest singular value, found by the power method while training (arXiv:1802.05957).

    Args:
        module: whose parameter is meant.
        name: its name.
        n_power_iterations: steps of the power method at each use.
        eps: keeps the divisions defined.
        dim: the dimension of the outputs; default 0, for transposed convolutions 1.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(
            f"spectral_norm: name: expected a parameter or a buffer of {type(module).__name__}, got {name!r}"
        )
    if dim is None:
        dim = 1 if isinstance(module, _ConvTranspose) else 0
    return register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))
