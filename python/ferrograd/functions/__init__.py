"""PyTorch's functions with PyTorch's signatures and defaults; those that are methods of Tensor too say `@method()`.

They fill in defaults, accept NumPy's names where those differ (`axis` for `dim`, `keepdims` for `keepdim`), and call the
primitives in `ferrograd.ops`; there is no arithmetic here.
"""

from ..creation import as_tensor
from ._method import install
from .arithmetic import *  # noqa: F403
from .comparison import *  # noqa: F403
from .elementary import *  # noqa: F403
from .indexing import *  # noqa: F403
from .linalg import *  # noqa: F403
from .reduction import *  # noqa: F403
from .shape import *  # noqa: F403
