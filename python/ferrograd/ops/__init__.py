"""What can be computed: one function a primitive, its forward and its gradient rule side by side.

Operands are positional, attributes are keywords, and nothing is filled in: PyTorch's signatures and defaults are in
`ferrograd.functions` and `ferrograd.nn.functional`, which call these. `_op.py` says how an op is written.
"""

import sys

from .. import autograd
from ._op import OPS, Op, op
from .activation import *  # noqa: F403
from .conv import *  # noqa: F403
from .elementwise import *  # noqa: F403
from .index import *  # noqa: F403
from .join import *  # noqa: F403
from .linalg import *  # noqa: F403
from .loss import *  # noqa: F403
from .norm import *  # noqa: F403
from .pooling import *  # noqa: F403
from .random import *  # noqa: F403
from .reduce import *  # noqa: F403
from .softmax import *  # noqa: F403
from .view import *  # noqa: F403

autograd.ops = sys.modules[__name__]
