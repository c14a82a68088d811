"""What can be computed: one function a primitive, its forward and its gradient rule side by side.

Operands are positional, attributes are keywords, and nothing is filled in: PyTorch's signatures and defaults are in
`ferrograd.functions` and `ferrograd.nn.functional`, which call these. `_op.py` says how an op is written.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

from ._op import OPS, Op, op
from .activation import *
from .elementwise import *
from .index import *
from .join import *
from .linalg import *
from .random import *
from .reduce import *
from .scan import *
from .scattering import *
from .softmax import *
from .sort import *
from .view import *

if TYPE_CHECKING:
    from .attention import *
    from .conv import *
    from .loss import *
    from .norm import *
    from .pooling import *
    from .rnn import *
    from .special import *

#: What layers are made of, and functions that few programs call: loaded all at once with the first of them, so that an
#: import stays short.
_LATER = ("attention", "conv", "loss", "norm", "pooling", "rnn", "special")


def __getattr__(name: str) -> Any:
    public: dict[str, Any] = {}
    if not name.startswith("_"):
        for module in _LATER:
            public |= {key: x for key, x in vars(_import_module(f".{module}", __name__)).items() if key[0] != "_"}
    if name not in public:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # After all of them, because importing the module `conv` puts it in the place of the op.
    globals().update(public)
    return public[name]
