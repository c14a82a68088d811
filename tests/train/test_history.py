"""The curves as numbers, files and a picture; metrics; what is seen of a run."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _script import check

import ferrograd as fg
from ferrograd import nn, optim
from ferrograd.train.progress import Progress, kind_of_place

from .common import loader, network, task, trainer


@pytest.fixture(scope="module")
def history() -> fg.train.History:
    return trainer(metrics=["error", "accuracy"]).fit(loader(), task(20, 5), epochs=3)


def test_columns_are_arrays_and_rows_records(history: fg.train.History) -> None:
    assert history.columns == [
        "epoch", "objective", "train error", "train accuracy", "dev objective", "dev error", "dev accuracy", "lr",
        "gradient norm", "seconds",
    ]  # fmt: skip
    assert history["dev error"].dtype == np.float64
    assert history[-1]["epoch"] == 3
    assert [record["epoch"] for record in history] == [1, 2, 3]
    assert history["train accuracy"] == pytest.approx(1 - history.train_error)
    assert history.steps["lr"].shape == (18,)
    assert history["objective"][0] == pytest.approx(history.steps["objective"][:6].mean())
    assert set(history.layers) == {"0.weight", "0.bias", "1.weight", "1.bias", "4.weight", "4.bias"}
    assert all(len(norms) == 4 and min(norms) > 0 for norms in history.layers.values())
    assert "development error" in repr(history)
    with pytest.raises(KeyError, match="'dev eror': expected one of epoch, objective"):
        history["dev eror"]


def test_files_give_back_every_bit(history: fg.train.History, tmp_path: Path) -> None:
    history.to_csv(tmp_path / "h.csv")
    table = fg.train.History.from_csv(tmp_path / "h.csv")
    assert table.records == history.records
    assert table.metric == "error"
    history.to_json(tmp_path / "h.json")
    whole = fg.train.History.from_json(tmp_path / "h.json")
    assert whole.records == history.records
    assert whole.layers == history.layers
    assert all((whole.steps[name] == history.steps[name]).all() for name in whole.steps)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    path.write_text("epoch,objective\n1,0.5\n2,much\n")
    with pytest.raises(ValueError, match=r"h.csv, line 3: expected numbers, got \['2', 'much'\]"):
        fg.train.History.from_csv(path)
    path.write_text('{"records": []')
    with pytest.raises(ValueError, match="h.csv: expected what to_json writes"):
        fg.train.History.from_json(path)


def test_the_picture_has_the_three_curves(history: fg.train.History, tmp_path: Path) -> None:
    figure = history.plot(tmp_path / "curves.png", title="three curves")
    assert (tmp_path / "curves.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    above, below = figure.axes
    curves = {line.get_label(): line.get_ydata() for ax in (above, below) for line in ax.lines}
    assert (curves["objective"] == history.objective).all()
    assert curves["training error"] == pytest.approx(100 * history.train_error)
    assert curves["development error"] == pytest.approx(100 * history.dev_error)
    assert (above.get_ylabel(), below.get_ylabel(), below.get_xlabel()) == ("objective", "error (%)", "epoch")
    with pytest.raises(ValueError, match="plot: history: expected at least one epoch"):
        fg.train.History().plot()


def test_the_picture_without_matplotlib_is_one_clear_error(
    history: fg.train.History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"the picture needs matplotlib: pip install 'ferrograd\[plot\]'"):
        history.plot()


# -- metrics -----------------------------------------------------------------------------------------------------------


def figure(metric: fg.train.Metric, output: Any, target: Any) -> float:
    """In two batches."""
    metric.reset()
    metric.update(fg.tensor(output[:3]), fg.tensor(target[:3]))
    metric.update(fg.tensor(output[3:]), fg.tensor(target[3:]))
    return metric.value()


def test_the_error_rate_of_classes() -> None:
    rng = np.random.default_rng(0)
    y, t = rng.normal(size=(5, 4)), np.array([0, 3, 1, 2, 2])
    wrong = (y.argmax(1) != t).mean()
    assert figure(fg.train.Error(), y, t) == wrong
    assert figure(fg.train.Accuracy(), y, t) == 1 - wrong
    assert figure(fg.train.Error(), y, np.eye(4)[t]) == wrong
    best2 = np.argsort(-y, axis=1)[:, :2]
    assert figure(fg.train.Error(top=2), y, t) == (~(best2 == t[:, None]).any(1)).mean()
    assert figure(fg.train.Error(top=9), y, t) == 0
    ignored = np.where(t == 2, -100, t)
    assert figure(fg.train.Error(), y, ignored) == (y.argmax(1) != t)[t != 2].mean()


def test_the_error_rate_of_every_place_of_a_sequence() -> None:
    rng = np.random.default_rng(0)
    t = rng.integers(0, 4, (5, 6))
    y = rng.normal(size=(5, 4, 6))
    assert figure(fg.train.Error(), y, t) == (y.argmax(1) != t).mean()
    y = rng.normal(size=(5, 6, 4))
    assert figure(fg.train.Error(), y, t) == (y.argmax(2) != t).mean()


def test_the_error_rate_of_two_classes() -> None:
    y, t = np.array([-1.0, 2, 0.3, -0.1, 0.6]), np.array([0.0, 1, 0, 1, 1])
    assert figure(fg.train.Error(), y, t) == 2 / 5
    assert figure(fg.train.Error(), y[:, None], t[:, None]) == 2 / 5
    assert figure(fg.train.Error(threshold=0.5), y, t) == 1 / 5
    with pytest.raises(fg.ShapeError, match="error: output, target: expected a number for each class"):
        figure(fg.train.Error(), np.zeros((5, 3)), np.zeros((5, 2), np.int64))


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        (nn.CrossEntropyLoss(), "error"), (nn.NLLLoss(), "error"), (nn.BCELoss(), "error"), (nn.BCEWithLogitsLoss(), "error"),
        (nn.MSELoss(), "mse"), (nn.L1Loss(), "mae"), (lambda y, t: y.sum(), None),
    ],
)  # fmt: skip
def test_the_metric_suits_the_loss(loss: Any, name: str | None) -> None:
    model = network()
    t = fg.train.Trainer(model, loss, optim.SGD(model.parameters(), lr=0.1))
    assert [m.name for m in t.metrics] == ([name] if name else [])
    assert t.history.metric == name


def test_functions_and_dicts_of_them_are_metrics() -> None:
    def largest_logit(y: Any, t: Any) -> Any:
        return y.max()

    for metrics, name in ((largest_logit, "largest logit"), ({"top": largest_logit}, "top")):
        history = trainer(metrics=metrics).fit(loader(), task(20), epochs=1)
        assert f"dev {name}" in history.columns


def test_a_loss_that_sums_counts_by_the_sample() -> None:
    def run(reduction: str) -> fg.train.History:
        fg.manual_seed(1)
        model = network()
        optimizer = optim.SGD(model.parameters(), lr=0.0)
        loss = nn.CrossEntropyLoss(reduction=reduction)
        return fg.train.Trainer(model, loss, optimizer, progress=False).fit(loader(batch=16), task(20), epochs=1)

    mean, total = run("mean"), run("sum")
    assert mean.objective == pytest.approx(total.objective, rel=1e-5)
    assert mean["dev objective"] == pytest.approx(total["dev objective"], rel=1e-5)


def test_without_metrics_and_development_data_the_objective_counts() -> None:
    t = trainer(metrics=[])
    t.fit(loader(), epochs=1)
    assert t.monitored()[0] == "objective"
    t.fit(loader(), task(20), epochs=1)
    assert t.monitored()[0] == "dev objective"
    assert t.history.plot().axes


# -- what is seen ------------------------------------------------------------------------------------------------------

RUN = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from train.common import loader, task, trainer
sys.stderr = sys.stdout
trainer(progress=None).fit(loader(), task(20), epochs=2)
"""


def test_a_log_file_gets_a_plain_line_an_epoch() -> None:
    text = check(RUN)
    lines = text.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("epoch 1/2  objective ")
    assert "training error" in lines[0]
    assert "development error" in lines[0]
    assert text.replace("\n", "").isprintable()


def test_a_terminal_gets_a_bar_with_the_curves_at_its_end(capfd: pytest.CaptureFixture[str]) -> None:
    trainer(progress="bar").fit(loader(), task(20), epochs=2)
    out, err = capfd.readouterr()
    assert out == ""
    last = err.rstrip().split("\r")[-1]
    assert last.startswith("epoch 2/2 ")
    assert "6/6" in last
    assert "development error" in last
    assert err.count("\n") == 2


def test_a_bar_counts_where_the_number_of_batches_is_not_known(capfd: pytest.CaptureFixture[str]) -> None:
    batches = list(loader())
    trainer(progress="bar").fit((pair for pair in batches), epochs=1)
    assert "6 batches" in capfd.readouterr().err


def test_nothing_is_shown_where_nothing_is_wanted(capfd: pytest.CaptureFixture[str]) -> None:
    trainer(progress=False).fit(loader(), epochs=1)
    assert capfd.readouterr() == ("", "")


def test_the_place_is_recognised(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    assert kind_of_place() == "lines"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert kind_of_place() == "bar"
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    assert kind_of_place() == "notebook"
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: None))
    assert kind_of_place() == "bar"
    with Progress("epoch 1/1", 3, "notebook") as progress:
        progress.step(1.0)
        progress.close("done")
    assert "epoch 1/1" in capfd.readouterr().err
