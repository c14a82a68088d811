"""Training: the loop, the three learning curves, checkpoints that a killed run goes on from, and what curves tell."""

from .callbacks import Callback, EarlyStopping
from .history import History
from .metrics import Accuracy, Error, Mean, Metric
from .trainer import Trainer

__all__ = ["Accuracy", "Callback", "EarlyStopping", "Error", "History", "Mean", "Metric", "Trainer"]
