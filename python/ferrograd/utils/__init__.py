"""PyTorch's `torch.utils`: what stands beside layers and optimizers."""

from . import data
