"""Data sets, read and checked; samples, their order, and batches of them (`fg.utils.data` in PyTorch)."""

from .collate import default_collate, default_convert
from .corpus import Text
from .dataset import (
    ChainDataset, ConcatDataset, Dataset, IterableDataset, StackDataset, Subset, TensorDataset, random_split,
)  # fmt: skip
from . import datasets, synthetic, transforms
from .datasets import DataError, Split, digits, mnist, text
from .loader import DataLoader, WorkerInfo, get_worker_info
from .sampler import (
    BatchSampler, RandomSampler, Sampler, SequentialSampler, SubsetRandomSampler, WeightedRandomSampler,
)  # fmt: skip

__all__ = [
    "BatchSampler", "ChainDataset", "ConcatDataset", "DataError", "DataLoader", "Dataset", "IterableDataset",
    "RandomSampler", "Sampler", "SequentialSampler", "Split", "StackDataset", "Subset", "SubsetRandomSampler",
    "TensorDataset", "Text", "WeightedRandomSampler", "WorkerInfo", "datasets", "default_collate", "default_convert",
    "digits", "get_worker_info", "mnist", "random_split", "synthetic", "text", "transforms",
]  # fmt: skip
