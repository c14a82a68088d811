"""PyTorch's `torch.utils`: what stands beside layers and optimizers."""

from . import checkpoint
from . import data

"""Tools that are neither layers nor ops."""
