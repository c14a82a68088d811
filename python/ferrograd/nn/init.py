"""Starting values for parameters, in place; each function returns the tensor."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from .. import _core, random
from .._warn import warn
from ..autograd import no_grad

_LINEAR = ("linear", *(f"{kind}{n}d" for kind in ("conv", "conv_transpose") for n in (1, 2, 3)))


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """√(1 / E[f(z)²]) or the usual number near it: by how much weights before this function are scaled."""
    if nonlinearity in _LINEAR or nonlinearity == "sigmoid":
        return 1.0
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"calculate_gain: param: expected a number, got {param!r}")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity == "selu":
        return 0.75
    raise ValueError(
        "calculate_gain: nonlinearity: expected linear, conv1d–3d, conv_transpose1d–3d, sigmoid, tanh, relu, leaky_relu "
        f"or selu, got {nonlinearity!r}"
    )


def _fans(op: str, tensor: Any) -> tuple[int, int]:
    """Inputs of an output and outputs of an input, for a weight (out, in, *kernel)."""
    if tensor.ndim < 2:
        raise ValueError(f"{op}: tensor: expected at least 2 dimensions (out, in, *kernel), got shape {tensor.shape}")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def uniform_(tensor: Any, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Any:
    """Uniform in [a, b)."""
    return random.uniform_(tensor, a, b, generator)


def normal_(tensor: Any, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Any:
    """Normal with this mean and standard deviation."""
    return random.normal_(tensor, mean, std, generator)


def constant_(tensor: Any, val: float) -> Any:
    """`val` everywhere."""
    with no_grad():
        _core.backend.copy_(tensor, val)
    return tensor


def zeros_(tensor: Any) -> Any:
    """0 everywhere."""
    return constant_(tensor, 0.0)


def ones_(tensor: Any) -> Any:
    """1 everywhere."""
    return constant_(tensor, 1.0)


def eye_(tensor: Any) -> Any:
    """The identity matrix, as far as the tensor reaches."""
    if tensor.ndim != 2:
        raise ValueError(f"eye_: tensor: expected 2 dimensions, got shape {tensor.shape}")
    with no_grad():
        _core.backend.copy_(tensor, np.eye(*tensor.shape, dtype=np.float32))
    return tensor


def dirac_(tensor: Any, groups: int = 1) -> Any:
    """The identity as a convolution (out, in, *kernel): 1 at the middle of the kernel from channel c to channel c."""
    if tensor.ndim not in (3, 4, 5):
        raise ValueError(f"dirac_: tensor: expected 3 to 5 dimensions (out, in, *kernel), got shape {tensor.shape}")
    if groups < 1 or tensor.shape[0] % groups:
        raise ValueError(f"dirac_: groups: expected a divisor of {tensor.shape[0]} output channels, got {groups}")
    weight = np.zeros(tensor.shape, np.float32)
    middle = tuple(k // 2 for k in tensor.shape[2:])
    each = tensor.shape[0] // groups
    for group in range(groups):
        for c in range(min(each, tensor.shape[1])):
            weight[(group * each + c, c, *middle)] = 1
    with no_grad():
        _core.backend.copy_(tensor, weight)
    return tensor


def xavier_uniform_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
    """Uniform in ±gain · √(6 / (fan_in + fan_out)) (Glorot and Bengio 2010)."""
    fan_in, fan_out = _fans("xavier_uniform_", tensor)
    bound = gain * math.sqrt(6.0 / (fan_in + fan_out))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
    """Normal with standard deviation gain · √(2 / (fan_in + fan_out)) (Glorot and Bengio 2010)."""
    fan_in, fan_out = _fans("xavier_normal_", tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / (fan_in + fan_out)), generator)


def _kaiming_std(op: str, tensor: Any, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"{op}: mode: expected 'fan_in' or 'fan_out', got {mode!r}")
    fan = _fans(op, tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan) if fan else 0.0


def kaiming_uniform_(
    tensor: Any, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> Any:
    """Uniform in ±gain · √(3 / fan) (He et al. 2015, arXiv:1502.01852); `a` is the slope of a leaky ReLU."""
    bound = math.sqrt(3.0) * _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Any, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> Any:
    """Normal with standard deviation gain / √fan (He et al. 2015, arXiv:1502.01852)."""
    return normal_(tensor, 0.0, _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity), generator)


def trunc_normal_(
    tensor: Any, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator: Any = None
) -> Any:
    """Normal with this mean and standard deviation, drawn anew where it falls outside [a, b]."""
    if not a < b:
        raise ValueError(f"trunc_normal_: b: expected a number above a ({a}), got {b}")
    if std <= 0 or a - mean > 6 * std or mean - b > 6 * std:
        raise ValueError(
            f"trunc_normal_: expected std above 0 and [{a}, {b}] within six deviations of {mean}, got std {std}"
        )
    normal_(tensor, mean, std, generator)
    values = np.array(tensor.detach()._readable(), dtype=np.float64)
    while (outside := (values < a) | (values > b)).any():
        again = _core.backend.empty((int(outside.sum()),), "float64")
        values[outside] = normal_(again, mean, std, generator)._numpy()
    with no_grad():
        _core.backend.copy_(tensor, values)
    return tensor


def orthogonal_(tensor: Any, gain: float = 1, generator: Any = None) -> Any:
    """Orthogonal rows or columns, whichever are fewer, times `gain` (Saxe et al. 2013, arXiv:1312.6120)."""
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_: tensor: expected at least 2 dimensions, got shape {tensor.shape}")
    if tensor.numel() == 0:
        return tensor
    rows, columns = tensor.shape[0], tensor.numel() // tensor.shape[0]
    drawn = _core.backend.empty((max(rows, columns), min(rows, columns)), "float64")
    normal_(drawn, 0.0, 1.0, generator)
    q, r = np.linalg.qr(drawn._numpy())
    # Signs that make the distribution uniform over orthogonal matrices.
    q *= np.where(np.diag(r) < 0, -1.0, 1.0)
    q = q.T if rows < columns else q
    with no_grad():
        _core.backend.copy_(tensor, (gain * q).reshape(tensor.shape))
    return tensor


def sparse_(tensor: Any, sparsity: float, std: float = 0.01, generator: Any = None) -> Any:
    """Normal with this deviation, the share `sparsity` of each column 0 (Martens 2010)."""
    if tensor.ndim != 2:
        raise ValueError(f"sparse_: tensor: expected 2 dimensions, got shape {tensor.shape}")
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparse_: sparsity: expected a share between 0 and 1, got {sparsity}")
    rows, columns = tensor.shape
    count = math.ceil(sparsity * rows)
    normal_(tensor, 0.0, std, generator)
    values = np.array(tensor.detach()._readable())
    for column in range(columns):
        values[random.randperm(rows, generator=generator)._numpy()[:count], column] = 0
    with no_grad():
        _core.backend.copy_(tensor, values)
    return tensor


def _former(function: Any) -> Any:
    """PyTorch's name of the function from before in-place functions had an underscore."""
    name = function.__name__.removesuffix("_")

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        warn(f"init.{name} is deprecated; use init.{name}_", FutureWarning)
        return function(*args, **kwargs)

    return call


uniform, normal, constant, eye, dirac = map(_former, (uniform_, normal_, constant_, eye_, dirac_))
xavier_uniform, xavier_normal = map(_former, (xavier_uniform_, xavier_normal_))
kaiming_uniform, kaiming_normal = map(_former, (kaiming_uniform_, kaiming_normal_))
orthogonal, sparse = map(_former, (orthogonal_, sparse_))
