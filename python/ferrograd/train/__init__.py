"""Training: the loop, the three learning curves, checkpoints that a killed run goes on from, and what curves tell."""

from .callbacks import Callback, EarlyStopping
from .checkpoint import Checkpoint
from .diagnosis import Diagnosis, Finding, diagnose
from .history import History
from .loggers import CSVLogger, TensorBoard
from .lr_find import LRFound
from .metrics import Accuracy, Error, Mean, Metric
from .trainer import Trainer

__all__ = [
    "Accuracy", "CSVLogger", "Callback", "Checkpoint", "Diagnosis", "EarlyStopping", "Error", "Finding", "History",
    "LRFound", "Mean", "Metric", "TensorBoard", "Trainer", "diagnose",
]  # fmt: skip
