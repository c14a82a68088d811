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
from . import data
from . import func
from . import models
from . import nn
from . import optim
from . import random
from . import utils
from . import backends, cuda, testing
import ferrograd.linalg as linalg  # what stands under the name so far is functions/linalg.py
from .legacy import (
    BFloat16Tensor, BoolTensor, ByteTensor, DoubleTensor, FloatTensor, HalfTensor, IntTensor, LongTensor,
)  # fmt: skip
from .nn.functional import (
    adaptive_avg_pool1d, avg_pool1d, bilinear, celu_, channel_shuffle, conv1d, conv2d, conv3d, conv_transpose1d,
    conv_transpose2d, conv_transpose3d, hardshrink, pixel_shuffle, pixel_unshuffle, prelu, rrelu_, selu_, threshold_,
)  # fmt: skip
from .func import vmap
from .printing import get_printoptions, printoptions, set_printoptions
from .analysis import receptive_field, summary
from .random import (
    Generator, bernoulli, default_generator, get_rng_state, initial_seed, manual_seed, multinomial, normal, rand,
    rand_like, randint, randint_like, randn, randn_like, randperm, seed, set_rng_state,
)  # fmt: skip
from .serialization import load, load_metadata, save

from math import e, inf, nan, pi

newaxis = None
Size = tuple  # type: ignore[type-arg]
bool = bool_
