"""Functions of layers, with PyTorch's names, signatures and defaults, over `ferrograd.ops`; one file a family.

Linear maps, convolutions and batch norm take `activation=` ('relu', 'sigmoid', 'tanh', 'gelu', 'silu') as well and
compute it in the same pass over memory.
"""

from .activation import *
from .attention import *
from .class_loss import *
from .conv import *
from .ctc import *
from .distance import *
from .dropout import *
from .embedding import *
from .embedding_bag import *
from .fold import *
from .grid import *
from .interpolate import *
from .fractional_pooling import *
from .linear import *
from .loss import *
from .norm import *
from .padding import *
from .pooling import *
from .ranking_loss import *
from .softmax import *
