"""ferrograd: a small, fast, readable neural-network library. PyTorch's names, NumPy in and out, the arithmetic in Rust."""

from . import _core, autograd
from ._core import DTypeError, ShapeError, __version__, empty_cache, is_grad_enabled, memory_stats, set_flush_denormal
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

from math import e, inf, nan, pi
from typing import TYPE_CHECKING

from ._later import later as _later

if TYPE_CHECKING:
    from . import (
        backends, cuda, data, func, linalg, models, nn, optim, profiler, random, serialization, testing, train, utils,
    )  # fmt: skip
    from ._config import show_config
    from ._settings import (
        are_deterministic_algorithms_enabled, get_float32_matmul_precision, set_float32_matmul_precision,
        use_deterministic_algorithms,
    )  # fmt: skip
    from .analysis import receptive_field, summary  # type: ignore[no-redef]
    from .func import vmap
    from .legacy import (
        BFloat16Tensor, BoolTensor, ByteTensor, DoubleTensor, FloatTensor, HalfTensor, IntTensor, LongTensor,
    )  # fmt: skip
    from .printing import get_printoptions, printoptions, set_printoptions
    from .profiler import profile  # type: ignore[no-redef]
    from .recorded import record
    from .random import (
        Generator, bernoulli, default_generator, get_rng_state, initial_seed, manual_seed, multinomial, normal, rand,
        rand_like, randint, randint_like, randn, randn_like, randperm, seed, set_rng_state,
    )  # fmt: skip
    from .serialization import load, load_metadata, save
    from .nn.functional import (
        adaptive_avg_pool1d, avg_pool1d, bilinear, celu_, channel_shuffle, conv1d, conv2d, conv3d, conv_transpose1d,
        conv_transpose2d, conv_transpose3d, hardshrink, pixel_shuffle, pixel_unshuffle, prelu, rrelu_, selu_, threshold_,
    )  # fmt: skip

del linalg  # functions/linalg.py; what is meant by the name is linalg.py

#: What is loaded on first use: the names and the modules that have them.
_LATER = {name: name for name in (
    "backends", "cuda", "data", "func", "linalg", "models", "nn", "optim", "profiler", "random", "serialization", "testing",
    "train", "utils",
)}  # fmt: skip
for _module, _names in {
    "_config": "show_config",
    "_settings": "are_deterministic_algorithms_enabled get_float32_matmul_precision set_float32_matmul_precision "
    "use_deterministic_algorithms",
    "analysis": "receptive_field summary",
    "func": "vmap",
    "legacy": "BFloat16Tensor BoolTensor ByteTensor DoubleTensor FloatTensor HalfTensor IntTensor LongTensor",
    "nn.functional": "adaptive_avg_pool1d avg_pool1d bilinear celu_ channel_shuffle conv1d conv2d conv3d conv_transpose1d "
    "conv_transpose2d conv_transpose3d hardshrink pixel_shuffle pixel_unshuffle prelu rrelu_ selu_ threshold_",
    "printing": "get_printoptions printoptions set_printoptions",
    "profiler": "profile",
    "random": "Generator bernoulli default_generator get_rng_state initial_seed manual_seed multinomial normal rand "
    "rand_like randint randint_like randn randn_like randperm seed set_rng_state",
    "recorded": "record",
    "serialization": "load load_metadata save",
}.items():
    _LATER |= dict.fromkeys(_names.split(), _module)
__getattr__, __dir__ = _later(__name__, _LATER)

newaxis = None
Size = tuple  # type: ignore[type-arg]
bool = bool_
