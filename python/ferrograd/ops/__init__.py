"""What can be computed: one function a primitive, its forward and its gradient rule side by side.

Operands are positional, attributes are keywords, and nothing is filled in: PyTorch's signatures and defaults are in
`ferrograd.functions` and `ferrograd.nn.functional`, which call these. `_op.py` says how an op is written.
"""

from ._op import OPS, Op, op
from .activation import *
from .attention import *
from .conv import *
from .elementwise import *
from .index import *
from .join import *
from .linalg import *
from .loss import *
from .norm import *
from .pooling import *
from .random import *
from .reduce import *
from .scan import *
from .rnn import *
from .scattering import *
from .softmax import *
from .sort import *
from .special import *
from .view import *
