"""Writes golden.npz: the yardsticks of all runs, from PyTorch. `python tests/agreement/make_golden.py`."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from agreement.runs import GOLDEN, measured, run, write
from agreement.systems import SYSTEMS
from agreement.training import NAMES, train

if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # a schedule's advice
    truths = {
        name: measured(run(torch, name, system, "float64"), run(torch, name, system, "float32"))
        for name, system in SYSTEMS.items()
    }
    for name in NAMES:
        truth = measured(train(torch, name, "float64"), train(torch, name, "float32"))
        truths[f"training {name}"] = truth._replace(output=truth.output[:0], gradients={}, far_gradients={})
    write(truths)
    print(GOLDEN.stat().st_size, "bytes")
