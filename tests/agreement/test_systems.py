"""The lecture's models give PyTorch's numbers: outputs, gradients, loss curves, optimizers and schedules.

Where PyTorch is installed it runs beside; elsewhere its runs come from golden.npz (make_golden.py writes it).
"""

from __future__ import annotations

import functools
import importlib.util
import warnings

import pytest

import ferrograd as fg

from .runs import GOLDEN, Run, Truth, failures, measured, read, run, small, training_failures
from .systems import SYSTEMS
from .training import NAMES, train

LIVE = importlib.util.find_spec("torch") is not None


@functools.cache
def golden() -> dict[str, Truth]:
    return read()


def truth_of(name: str, golden_name: str, system: bool) -> list[Truth]:
    """The yardstick of the golden file, and the live one where there is one."""
    truths = [golden()[golden_name]]
    if LIVE:
        import torch

        torch.set_num_threads(1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exact, theirs = (
                run(torch, name, SYSTEMS[name], dtype) if system else train(torch, name, dtype)
                for dtype in ("float64", "float32")
            )
        truths.append(measured(exact, theirs))
    return truths


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_model_gives_the_numbers_of_pytorch(name: str) -> None:
    ours = run(fg, name, SYSTEMS[name], "float32")
    assert ours.losses[-1] < ours.losses[0] / 2  # it learns, so the curve says something
    for truth in truth_of(name, name, True):
        assert failures(ours, truth) == []


@pytest.mark.parametrize("name", NAMES)
def test_an_optimizer_or_schedule_gives_the_numbers_of_pytorch(name: str) -> None:
    ours = train(fg, name, "float32")
    for truth in truth_of(name, f"training {name}", False):
        assert training_failures(ours, truth) == []


@pytest.mark.parametrize("name", SYSTEMS)
def test_float64_is_the_same_run(name: str) -> None:
    """Our float64 run is the yardstick itself but for rounding."""
    ours, truth = run(fg, name, SYSTEMS[name], "float64"), golden()[name]
    exact = truth._replace(
        far_output=0.0, far_gradients=dict.fromkeys(truth.far_gradients, 0.0), far_losses=0 * truth.losses
    )
    assert failures(ours, exact) == []
    assert abs(ours.losses - truth.losses).max() < 1e-10


def test_the_golden_file_is_small_and_complete() -> None:
    assert GOLDEN.stat().st_size <= 600_000
    assert set(golden()) == {*SYSTEMS, *(f"training {name}" for name in NAMES)}


def test_the_yardstick_notices() -> None:
    """A gradient that is wrong in one parameter, an output and a curve that drift: each is named."""
    name = "mlp"
    ours, truth = run(fg, name, SYSTEMS[name]._replace(steps=10), "float32"), golden()[name]
    truth = truth._replace(losses=truth.losses[:10], far_losses=truth.far_losses[:10])
    assert failures(ours, truth) == []

    def wrong(**changed: object) -> Run:
        return ours._replace(**changed)  # type: ignore[arg-type]

    g = dict(ours.gradients)
    g["2.weight"] = g["2.weight"] * (1 + 1e-3)
    assert ["2.weight" in f for f in failures(wrong(gradients=g), truth)] == [True]
    assert "output" in failures(wrong(output=ours.output + 1e-5), truth)[0]
    assert "losses" in failures(wrong(losses=ours.losses + 1e-5), truth)[0]
    del g["2.bias"]
    with pytest.raises(AssertionError, match=r"other parameters: \['2.bias'\]"):
        failures(wrong(gradients=g), truth)
    assert small(truth).output.shape == truth.output.shape
