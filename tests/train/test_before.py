"""What is tried before a run: the learning-rate range test, a batch learned by heart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import nn, optim

from .common import loader, network, task, trainer


def state(t: fg.train.Trainer) -> dict[str, Any]:
    return {name: value.numpy().copy() for name, value in t.model.state_dict().items()} | {
        "random": fg.get_rng_state().numpy().copy(), "lr": np.array(t.lr), "moments": len(t.optimizer.state),
    }  # fmt: skip


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return list(a) == list(b) and all(np.array_equal(a[name], b[name]) for name in a)


def test_the_range_test_leaves_no_trace() -> None:
    t = trainer()
    t.fit(loader(), epochs=1)
    before = state(t)
    t.model[1].eval()
    found = t.lr_find(task())
    assert same(before, state(t))
    assert not t.model[1].training
    assert len(t.history) == 1
    assert t.step == 6
    assert len(found.lrs) == len(found.losses) == len(found.smoothed) <= 100
    assert found.lrs[0] == 1e-6
    assert found.lrs[1:] / found.lrs[:-1] == pytest.approx(10 ** (7 / 99))


def test_the_suggested_rate_learns_and_ten_times_the_turning_point_does_not() -> None:
    """On a task whose largest stable rate is known: linear regression, 2 / the largest eigenvalue."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 8)).astype(np.float32)
    y = (x @ rng.normal(size=(8, 1)) + 0.1 * rng.normal(size=(256, 1))).astype(np.float32)
    largest = 2 / np.linalg.eigvalsh(2 * x.T @ x / 256)[-1]
    fg.manual_seed(0)
    model = nn.Linear(8, 1)
    t = fg.train.Trainer(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=1.0), progress=False)
    found = t.lr_find((x, y), batch_size=256, start=1e-3)
    assert found.diverged
    assert largest / 50 < found.suggestion < largest / 2
    assert found.suggestion < found.steepest * 10
    optimizer = optim.SGD(model.parameters(), lr=found.suggestion)
    history = fg.train.Trainer(model, nn.MSELoss(), optimizer, progress=False).fit((x, y), epochs=20)
    assert history.objective[-1] < 0.05 * history.objective[0]


def test_groups_keep_the_ratio_of_their_rates() -> None:
    fg.manual_seed(0)
    model = network()
    groups = [{"params": model[0].parameters(), "lr": 0.1}, {"params": model[4].parameters(), "lr": 0.01}]
    optimizer = optim.SGD(groups, lr=1.0)
    seen = []
    step = optimizer.step

    def look() -> Any:
        seen.append([group["lr"] for group in optimizer.param_groups])
        return step()

    optimizer.step = look  # type: ignore[method-assign]
    fg.train.Trainer(model, nn.CrossEntropyLoss(), optimizer).lr_find(loader(), steps=12)
    assert np.array(seen)[:, 0] / np.array(seen)[:, 1] == pytest.approx(10)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.01]


def test_the_range_tests_picture(tmp_path: Path) -> None:
    found = trainer().lr_find(loader(), steps=30)
    (axes,) = found.plot(tmp_path / "lr.png").axes
    assert (tmp_path / "lr.png").exists()
    assert axes.get_xscale() == "log"
    assert f"suggestion: {found.suggestion:.2g}" in [text.get_text() for text in axes.get_legend().get_texts()]


def test_a_loss_that_is_never_finite() -> None:
    x, y = task()
    with pytest.raises(ValueError, match="lr_find: start: expected a rate at which the loss stays finite"):
        trainer().lr_find((x * np.nan, y))


def test_a_batch_is_learned_by_heart_and_forgotten() -> None:
    t = trainer(lr=0.1)
    before = state(t)
    history = t.overfit_batch(loader(batch=8), 20, steps=80)
    assert same(before, state(t))
    assert len(history) == 80
    assert history.train_error[-1] < 0.1 < history.train_error[0]
    assert len(t.history) == 0


def test_a_model_with_a_mistake_does_not_learn_even_a_batch() -> None:
    model = network()
    for p in model.parameters():
        p.requires_grad = False
    model[4].bias.requires_grad = True
    t = fg.train.Trainer(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=0.05), progress=False)
    assert t.overfit_batch(task(), 20, steps=60).train_error[-1] > 0.2
