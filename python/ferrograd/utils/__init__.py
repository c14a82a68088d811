"""PyTorch's `torch.utils`: what stands beside layers and optimizers."""

from . import data

"""Tools that are neither layers nor ops."""
