"""Automatic differentiation: the graph that recorded ops leave behind, and the walk back along it.

`graph.py` is what an op leaves behind, `engine.py` the walk; with `ops/`, between the two, that is all of
back-propagation. The other files are built on them.
"""

from typing import TYPE_CHECKING

from .._core import is_grad_enabled
from .._later import later
from ..grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from . import anomaly, graph
from .anomaly import detect_anomaly, set_detect_anomaly
from .graph import Node

if TYPE_CHECKING:
    from . import engine, function, functional, hooks
    from .engine import backward, grad
    from .function import Function
    from .gradient_check import GradcheckError, gradcheck, gradgradcheck

#: What is loaded on first use: the names and the modules that have them.
_LATER = {
    "Function": "function", "GradcheckError": "gradient_check", "backward": "engine",
    "engine": "engine", "function": "function", "functional": "functional", "grad": "engine",
    "gradcheck": "gradient_check", "gradgradcheck": "gradient_check", "hooks": "hooks",
}  # fmt: skip
__getattr__, __dir__ = later(__name__, _LATER)
