"""Automatic differentiation: the graph that recorded ops leave behind, and the walk back along it.

`graph.py` is what an op leaves behind, `engine.py` the walk; with `ops/`, between the two, that is all of
back-propagation. The other files are built on them.
"""

from . import graph
from .._core import is_grad_enabled
from ..grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from .anomaly import detect_anomaly, set_detect_anomaly
from .engine import backward, grad
from . import function, functional
from .function import Function
from .gradcheck import GradcheckError, gradcheck, gradgradcheck
from .graph import Node
