"""What is wrong is named: on runs made wrong on purpose, none of which set a threshold, and on healthy ones."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import nn
from ferrograd.train.probe import dead_units

from .common import loader, network, task, trainer

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
import _faults

#: The development runs have the seeds 100 to 103, other data and other models.
SEEDS = range(10, 15)


def named(fault: str | None, seeds: Any) -> Iterator[tuple[str, str]]:
    """What each run of all models and data sets is called, and which it is."""
    for model in _faults.MODELS:
        for data in _faults.DATA:
            for seed in seeds:
                history, net = _faults.run(model, data, fault, seed)
                yield fg.train.diagnose(history, net).name, f"{model} on {data}, seed {seed}"


def check(seeds: Any) -> None:
    """The bars of row 33: 80 % named rightly, at most one false alarm in 30 healthy runs."""
    wrong: dict[str, list[str]] = {}
    runs = 0
    for fault in _faults.FAULTS:
        found = list(named(fault, seeds))
        wrong[fault] = [f"{run}: {name}" for name, run in found if name != fault]
        runs += len(found)
        assert len(wrong[fault]) <= 0.4 * len(found), wrong[fault]
    assert sum(map(len, wrong.values())) <= 0.2 * runs, wrong


def test_faults_are_named() -> None:
    check(SEEDS[:1])


def test_healthy_runs_raise_no_alarm() -> None:
    found = [*named(None, SEEDS[:3]), *list(named(None, SEEDS[3:4]))[:3]]
    alarms = [f"{run}: {name}" for name, run in found if name != "healthy"]
    assert len(found) == 30
    assert len(alarms) <= 1, alarms


@pytest.mark.long
def test_faults_are_named_with_all_seeds() -> None:
    check(SEEDS)
    alarms = [f"{run}: {name}" for name, run in named(None, SEEDS) if name != "healthy"]
    assert len(alarms) <= 1, alarms


def test_a_finding_has_figures_and_advice() -> None:
    history, net = _faults.run("fully connected", "wine", "over-fitting", 10)
    (finding,) = fg.train.diagnose(history, net)
    assert finding.name == "over-fitting"
    assert finding.evidence["best epoch"] < len(history)
    assert finding.evidence["development objective over its lowest"] == pytest.approx(
        history["dev objective"][-1] / history["dev objective"].min()
    )
    assert "EarlyStopping" in finding.advice
    assert str(fg.train.diagnose(history)).startswith("over-fitting (gap of the curves over the first objective ")


def test_a_healthy_run_says_so() -> None:
    history, net = _faults.run("fully connected", "digits", None, 10)
    found = fg.train.diagnose(history, net)
    assert (found.name, len(found), list(found)) == ("healthy", 0, [])
    assert str(found) == "healthy: the curves fall, and the development curve with them"


def test_a_run_that_ended_in_nan_can_be_asked_about() -> None:
    t = trainer(lr=1e30)
    with pytest.raises(FloatingPointError):
        t.fit(loader(), epochs=5)
    (finding, *_) = fg.train.diagnose(t.history, t.model)
    assert finding.name == "learning rate too high"
    assert finding.evidence["step that is not finite"] == len(t.history.steps["objective"])


def test_a_history_from_a_file_is_diagnosed_as_it_was(tmp_path: Path) -> None:
    for fault in ("learning rate too low", "vanishing gradient", "over-fitting", None):
        history, _ = _faults.run("fully connected", "wine", fault, 10)
        history.to_json(tmp_path / "h.json")
        again = fg.train.diagnose(fg.train.History.from_json(tmp_path / "h.json"))
        assert str(again) == str(fg.train.diagnose(history))
        history.to_csv(tmp_path / "h.csv")
        by_curves = fg.train.diagnose(fg.train.History.from_csv(tmp_path / "h.csv")).name
        assert by_curves == (fault or "healthy") or fault == "vanishing gradient"


def test_without_curves_there_is_nothing_to_say() -> None:
    t = trainer()
    assert fg.train.diagnose(t.history).name == "no data"
    t.fit(loader(), epochs=2)
    found = fg.train.diagnose(t.history, t.model)
    assert found.name == "no data"
    assert next(iter(found)).evidence == {"epochs": 2.0}


# -- dead units --------------------------------------------------------------------------------------------------------


def test_dead_units_are_counted() -> None:
    """Of known layers: which units can be positive is set by hand."""
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 2))
    with fg.no_grad():
        model[0].bias[:4] = -1e3
        model[2].bias[:2] = 1e3
    before = fg.get_rng_state().tolist()
    found = dead_units(model, [fg.from_numpy(task()[0])])
    assert [(u.layer, u.dead, u.units) for u in found] == [("1", 4, 6), ("3", 2, 5)]
    assert found[0].share == pytest.approx(4 / 6)
    assert fg.get_rng_state().tolist() == before
    assert model.training


def test_dead_units_of_convolutions_are_channels_and_of_recurrent_layers_features() -> None:
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Sigmoid())
    with fg.no_grad():
        model[1].bias[1] = -1e3
    found = dead_units(model, [fg.from_numpy(rng.normal(size=(8, 1, 8, 8)).astype(np.float32))])
    assert [(u.layer, u.dead, u.units) for u in found] == [("2", 1, 4), ("4", 0, 4)]
    recurrent = nn.RNN(3, 5, nonlinearity="relu", batch_first=True)
    with fg.no_grad():
        recurrent.bias_ih_l0[:3] = -1e3
    found = dead_units(recurrent, [fg.from_numpy(rng.normal(size=(8, 6, 3)).astype(np.float32))])
    assert [(u.dead, u.units) for u in found] == [(3, 5)]


def test_a_layer_that_is_alive_has_none() -> None:
    fg.manual_seed(0)
    model = network(64)
    assert max(u.share for u in dead_units(model, [fg.from_numpy(task(200)[0])])) < 0.2
