"""The loop: what it computes is what a hand-written loop computes, and what it takes as data."""

from __future__ import annotations

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import data, nn, optim

from .common import loader, network, task, trainer


def by_hand(epochs: int) -> tuple[nn.Module, list[float]]:
    """The lecture's slide, written out."""
    fg.manual_seed(1)
    model = network()
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    objective = nn.CrossEntropyLoss()
    means = []
    batches = loader()
    for _ in range(epochs):
        total = 0.0
        for x, target in batches:
            loss = objective(model(x), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(target)
        means.append(total / 60)
    return model, means


def test_it_is_the_loop_written_by_hand_to_the_last_bit() -> None:
    model, means = by_hand(3)
    t = trainer()
    history = t.fit(loader(), data.TensorDataset(*task(30, 5)), epochs=3)
    assert history.objective.tolist() == means
    for name, value in model.state_dict().items():
        assert np.array_equal(value.numpy(), t.model.state_dict()[name].numpy()), name


def test_the_curves_are_the_figures_of_the_epochs_end() -> None:
    t = trainer()
    dev = task(30, 5)
    history = t.fit(loader(), dev, epochs=2)
    found = t.evaluate(dev)
    assert history["dev error"][-1] == history.dev_error[-1] == found["error"]
    assert history["dev objective"][-1] == found["objective"]
    assert history.train_error[-1] == t.evaluate(task())["error"]
    t.model.eval()
    wrong = (t.model(fg.from_numpy(dev[0])).argmax(1).numpy() != dev[1]).mean()
    assert found["error"] == wrong
    assert (t.predict(dev[0]).argmax(1).numpy() != dev[1]).mean() == wrong


def test_it_learns() -> None:
    history = trainer(lr=0.03).fit(task(), task(200, 5), epochs=20)
    assert history.dev_error[-1] < 0.25 < history.dev_error[0]
    assert history.objective[-1] < history.objective[0] / 2


def test_two_calls_go_on() -> None:
    first, both = trainer(), trainer()
    once = first.fit(loader(), epochs=4)
    fg.manual_seed(1)
    both = trainer()
    both.fit(loader(), epochs=1)
    twice = both.fit(loader(), epochs=3)
    assert twice["epoch"].tolist() == [1, 2, 3, 4]
    assert twice.objective.tolist() == once.objective.tolist()


@pytest.mark.parametrize("kind", ["loader", "dataset", "arrays", "tensors", "list"])
def test_data_comes_in_many_forms(kind: str) -> None:
    x, y = task()
    given = {
        "loader": loader(),
        "dataset": data.TensorDataset(x, y),
        "arrays": (x, y),
        "tensors": (fg.from_numpy(x), fg.from_numpy(y)),
        "list": [(fg.from_numpy(x[:40]), fg.from_numpy(y[:40])), (fg.from_numpy(x[40:]), fg.from_numpy(y[40:]))],
    }[kind]
    history = trainer().fit(given, given, epochs=2, batch_size=20)
    assert len(history) == 2
    assert np.isfinite(history.train_error).all()
    assert len(history.steps["objective"]) == {"loader": 12, "list": 4}.get(kind, 6)


def test_the_data_is_looked_at_without_a_trace() -> None:
    """The dry run before the first epoch changes no weight, buffer or random number."""
    t = trainer()
    before = {name: value.numpy().copy() for name, value in t.model.state_dict().items()}
    seen = {}

    class Look(fg.train.Callback):
        def on_fit_begin(self, trainer: fg.train.Trainer) -> None:
            seen.update({name: value.numpy().copy() for name, value in trainer.model.state_dict().items()})
            seen["random"] = fg.get_rng_state().numpy()

    state = fg.get_rng_state().numpy()
    t.callbacks = [Look()]
    t.fit(loader(), task(30), epochs=1)
    assert (seen.pop("random") == state).all()
    assert all(np.array_equal(seen[name], before[name]) for name in before)
