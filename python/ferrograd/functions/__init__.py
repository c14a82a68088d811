"""PyTorch's functions with PyTorch's signatures and defaults; those that are methods of Tensor too say `@method()`.

They fill in defaults, accept NumPy's names where those differ (`axis` for `dim`, `keepdims` for `keepdim`), and call the
primitives in `ferrograd.ops`; there is no arithmetic here.
"""

from ..creation import as_tensor
from ._method import install
from .affine import *
from .angles import *
from .arithmetic import *
from .comparison import *
from .diagonals import *
from .einsum import *
from .elementary import *
from .indexing import *
from .joining import *
from .linalg import *
from .norms import *
from .numeric import *
from .products import *
from .queries import *
from .reduction import *
from .repeats import *
from .sampling import *
from .scan import *
from .sets import *
from .scattering import *
from .shape import *
from .signs import *
from .sorting import *
from .special import *
from .windows import *
from .written import *
from .statistics import *
