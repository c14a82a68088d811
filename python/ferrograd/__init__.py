"""ferrograd: a small, fast, readable neural-network library. PyTorch's names, NumPy in and out, the arithmetic in Rust."""

from . import _core, autograd
from ._core import DTypeError, ShapeError, __version__, empty_cache, is_grad_enabled, memory_stats, set_flush_denormal
from ._config import show_config
from ._settings import (
    are_deterministic_algorithms_enabled, get_float32_matmul_precision, set_float32_matmul_precision,
    use_deterministic_algorithms,
)  # fmt: skip
from ._core import get_num_threads, is_inference_mode_enabled, reset_peak, set_num_threads
from .autograd import enable_grad, inference_mode, no_grad, set_grad_enabled
from .creation import *
from .dtypes import (
    bfloat16, bool_, can_cast, channels_last, channels_last_3d, contiguous_format, device, double, dtype, finfo, float,
    float16, float32, float64, half, iinfo, int, int32, int64, layout, long, memory_format, preserve_format,
    promote_types, result_type, strided, uint8,
)  # fmt: skip
from .functions import *
from ._tensor import Tensor
from . import random
from . import backends, cuda
import ferrograd.linalg as linalg  # what stands under the name so far is functions/linalg.py
from .legacy import (
    BFloat16Tensor, BoolTensor, ByteTensor, DoubleTensor, FloatTensor, HalfTensor, IntTensor, LongTensor,
)  # fmt: skip
from .printing import get_printoptions, printoptions, set_printoptions
from .random import (
    Generator, bernoulli, default_generator, get_rng_state, initial_seed, manual_seed, multinomial, normal, rand,
    rand_like, randint, randint_like, randn, randn_like, randperm, seed, set_rng_state,
)  # fmt: skip

from importlib import import_module as _import_module
from math import e, inf, nan, pi
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import data, func, models, nn, optim, profiler, serialization, testing, train, utils
    from .analysis import receptive_field, summary  # type: ignore[no-redef]
    from .func import vmap
    from .profiler import profile  # type: ignore[no-redef]
    from .serialization import load, load_metadata, save
    from .nn.functional import (
        adaptive_avg_pool1d, avg_pool1d, bilinear, celu_, channel_shuffle, conv1d, conv2d, conv3d, conv_transpose1d,
        conv_transpose2d, conv_transpose3d, hardshrink, pixel_shuffle, pixel_unshuffle, prelu, rrelu_, selu_, threshold_,
    )  # fmt: skip

#: What is loaded on first use, so that an import stays short: a module, or a name and the module that has it.
_LATER = {
    "data": "data", "func": "func", "load": "serialization", "load_metadata": "serialization", "models": "models", "nn": "nn",
    "optim": "optim", "profile": "profiler", "profiler": "profiler", "receptive_field": "analysis", "save": "serialization",
    "serialization": "serialization", "summary": "analysis", "testing": "testing", "train": "train", "utils": "utils",
    "vmap": "func",
}  # fmt: skip
_LATER |= dict.fromkeys(
    (
        "adaptive_avg_pool1d",
        "avg_pool1d",
        "bilinear",
        "celu_",
        "channel_shuffle",
        "conv1d",
        "conv2d",
        "conv3d",
        "conv_transpose1d",
        "conv_transpose2d",
        "conv_transpose3d",
        "hardshrink",
        "pixel_shuffle",
        "pixel_unshuffle",
        "prelu",
        "rrelu_",
        "selu_",
        "threshold_",
    ),
    "nn.functional",
)


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'ferrograd' has no attribute {name!r}")
    module = _import_module(f".{_LATER[name]}", __name__)
    value = module if name == _LATER[name] else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


newaxis = None
Size = tuple  # type: ignore[type-arg]
bool = bool_
