"""Layers, losses and the Module that holds them; PyTorch's names. One file a family."""

from . import functional, init, utils
from .activation import *
from .adaptive import *
from .attention import *
from .containers import *
from .conv import *
from .conv_transpose import *
from .delay import *
from .distance import *
from .dropout import *
from .embedding import *
from .fold import *
from .higher_order import *
from .instance_norm import *
from .linear import *
from .loss import *
from .module import *
from .norm import *
from .padding import *
from .parameter import *
from .parameter_containers import *
from .pooling import *
from .ranking_loss import *
from .rnn import *
from .rnn_cell import *
from .softmax import *
from .transformer import *
from .upsampling import *
