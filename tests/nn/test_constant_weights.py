"""Weights that are only evaluated are packed once for many calls; whatever changes them is seen."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import _core, nn, optim


def layer(inputs: int = 300, outputs: int = 200) -> Any:
    fg.manual_seed(0)
    return nn.Linear(inputs, outputs)


def evaluate(model: Any, x: Any, times: int = 3) -> np.ndarray:
    """The result of several calls, all of which have to be equal to the bit."""
    with fg.no_grad():
        results = [model(x).numpy().copy() for _ in range(times)]
    assert all((y == results[0]).all() for y in results)
    return results[0]


def close_to_reference(y: np.ndarray, model: Any, x: Any) -> None:
    w, b, x = (t.detach().numpy().astype(np.float64) for t in (model.weight, model.bias, x))
    np.testing.assert_allclose(y, x @ w.T + b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("isa_name", _core.isas())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("rows", "inputs", "outputs"), [(3, 300, 200), (40, 1100, 70), (33, 512, 512), (150, 600, 3200)]
)
def test_values(rows: int, inputs: int, outputs: int, dtype: str, isa_name: str, isa: Any) -> None:
    isa(isa_name)
    model, x = layer(inputs, outputs).to(dtype), fg.randn(rows, inputs, dtype=dtype)
    close_to_reference(evaluate(model, x), model, x)


def test_the_number_of_threads_does_not_matter() -> None:
    model, x = layer(700, 1500), fg.randn(300, 700)
    before, results = fg.get_num_threads(), []
    for threads in (1, 2, 8):
        fg.set_num_threads(threads)
        results.append(evaluate(model, x))
    fg.set_num_threads(before)
    assert (results[0] == results[1]).all()
    assert (results[0] == results[2]).all()


def step(model: Any) -> None:
    optimizer = optim.SGD(model.parameters(), lr=0.5)
    model(fg.ones(4, 300)).square().mean().backward()
    optimizer.step()


def in_place(model: Any) -> None:
    with fg.no_grad():
        model.weight.mul_(2.0)


def through_numpy(model: Any) -> None:
    model.weight.detach().numpy()[:] += 1.0


CHANGES: dict[str, Callable[[Any], Any]] = {
    "a training step": step,
    "an op in place": in_place,
    "a view": lambda model: model.weight.detach()[3:5].fill_(7.0),
    "numpy": through_numpy,
    "dlpack": lambda model: np.from_dlpack(model.weight.detach()).__iadd__(1.0),
    "data": lambda model: setattr(model.weight, "data", fg.randn(200, 300)),
    "the state": lambda model: model.load_state_dict({k: v * 3 for k, v in model.state_dict().items()}),
    "initialization": lambda model: nn.init.uniform_(model.weight),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_seen(name: str) -> None:
    model, x = layer(), fg.randn(64, 300)
    before = evaluate(model, x)
    for _ in range(3):
        CHANGES[name](model)
        after = evaluate(model, x)
        close_to_reference(after, model, x)
    assert (before != after).any()


def test_memory_that_numpy_holds_is_read_anew() -> None:
    """Once a writable array of the weights is out, its writes are seen by nobody: nothing is kept."""
    model, x = layer(), fg.randn(64, 300)
    evaluate(model, x)
    shown = model.weight.detach().numpy()
    for k in range(4):
        shown[:] = k
        close_to_reference(evaluate(model, x), model, x)
    shared = np.random.default_rng(0).standard_normal((200, 300), np.float32)
    model.weight = nn.Parameter(fg.from_numpy(shared))
    for k in range(4):
        shared[:] = k
        close_to_reference(evaluate(model, x), model, x)


def test_slices_of_one_memory_and_batches() -> None:
    both = fg.randn(400, 300)
    x = fg.randn(2, 50, 300)
    with fg.no_grad():
        for _ in range(4):
            for w in (both[:200], both[200:], both[::2]):
                want = x.numpy().astype(np.float64) @ w.numpy().astype(np.float64).T
                np.testing.assert_allclose(nn.functional.linear(x, w).numpy(), want, rtol=1e-4, atol=1e-4)


def test_memory_is_given_back() -> None:
    """The copy is as large as the weights; training, and the end of the weights, give it back."""
    model, x = layer(1024, 1024), fg.randn(64, 1024)
    gc.collect()
    with fg.no_grad():
        model(x)
        fg.empty_cache()  # a larger block from there would count as a whole
        before = fg.memory_stats()["in_use"]
        model(x)
        kept = fg.memory_stats()["in_use"] - before
        assert 4 * 2**20 <= kept <= 5 * 2**20
    model(x)
    assert fg.memory_stats()["in_use"] <= before
    evaluate(model, x)
    del model
    gc.collect()
    assert fg.memory_stats()["in_use"] <= before - 4 * 2**20
