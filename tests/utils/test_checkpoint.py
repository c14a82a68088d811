"""Checkpointing: the same numbers, less memory, the same random masks, and what it notices."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import nn
from ferrograd.nn import functional as F
from ferrograd.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential


def net() -> nn.Sequential:
    fg.manual_seed(3)
    return nn.Sequential(
        nn.Linear(6, 16), nn.ReLU(inplace=True), nn.LayerNorm(16), nn.Dropout(0.5), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 4)
    )  # fmt: skip


def gradients(run: Any, model: nn.Module, x: fg.Tensor) -> list[Any]:
    model.zero_grad()
    x.grad = None
    fg.manual_seed(11)
    loss = F.cross_entropy(run(x), fg.tensor([0, 1, 2]))
    fg.rand(7)  # what is drawn between the two runs changes no mask
    loss.backward()
    return [loss.item(), x.grad.tolist(), *(p.grad.tolist() for p in model.parameters())]


@pytest.mark.parametrize("early_stop", [True, False])
def test_the_same_gradients(early_stop: bool) -> None:
    model, x = net(), fg.randn(3, 6, requires_grad=True)
    plain = gradients(model, model, x)
    assert gradients(lambda x: checkpoint(model, x, early_stop=early_stop), model, x) == plain
    assert gradients(lambda x: checkpoint(model, x, use_reentrant=False), model, x) == plain
    for layers, segments in ((model, 1), (model, 2), (list(model), 3)):
        assert gradients(lambda x, f=layers, n=segments: checkpoint_sequential(f, n, x), model, x) == plain
    nested = gradients(lambda x: checkpoint(lambda y: checkpoint(model[4:], checkpoint(model[:4], y)), x), model, x)
    assert nested == plain


def test_masks_differ_where_the_random_state_is_not_preserved() -> None:
    model, x = net(), fg.randn(3, 6, requires_grad=True)
    plain = gradients(model, model, x)
    other = gradients(lambda x: checkpoint(model, x, preserve_rng_state=False), model, x)
    assert other[0] == plain[0]
    assert other[1] != plain[1]


def test_the_second_run_leaves_the_random_numbers_alone() -> None:
    x = fg.randn(3, requires_grad=True)
    y = checkpoint(lambda x: F.dropout(x * x, 0.5), x)
    state = fg.get_rng_state().tolist()
    y.sum().backward()
    assert fg.get_rng_state().tolist() == state


def test_gradients_of_gradients_and_grad_itself() -> None:
    x = fg.tensor([0.5, -1.0], dtype=fg.float64, requires_grad=True)
    w = fg.tensor([2.0, 3.0], dtype=fg.float64, requires_grad=True)

    def f(x: Any) -> Any:
        return fg.sin(x * w).sum()

    def both(y: Any) -> Any:
        gx, gw = fg.autograd.grad(y, (x, w), create_graph=True)
        return gx, gw, *fg.autograd.grad((gx * gw).sum(), (x, w))

    for found, expected in zip(both(checkpoint(f, x)), both(f(x)), strict=True):
        np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), rtol=1e-12)
    y = checkpoint(f, x)
    y.backward(retain_graph=True)
    y.backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * 2 * w.detach().numpy() * np.cos((x * w).detach().numpy()) / 2)


def test_any_arguments() -> None:
    def f(pair: Any, n: int, *, scale: float, none: Any = None) -> Any:
        return {"y": pair["a"] * n + scale * pair["b"] ** 2}, none

    a, b = fg.ones(2, requires_grad=True), fg.tensor([1.0, 2.0], requires_grad=True)
    result, none = checkpoint(f, {"a": a, "b": b}, 3, scale=2.0)
    assert none is None
    result["y"].sum().backward()
    assert a.grad.tolist() == [3, 3]
    assert b.grad.tolist() == [4, 8]
    with fg.no_grad():
        assert not checkpoint(lambda x: x * 2, a).requires_grad


def test_less_memory() -> None:
    layers = nn.Sequential(*(layer for _ in range(16) for layer in (nn.Linear(64, 64), nn.Tanh())))
    x = fg.randn(1024, 64)  # 256 KB a layer

    def peak(run: Any) -> int:
        fg.reset_peak()
        before = fg.memory_stats()["in_use"]
        run(x).sum().backward()
        return fg.memory_stats()["peak"] - before

    peak(layers)
    plain, pieces = peak(layers), peak(lambda x: checkpoint_sequential(layers, 4, x))
    assert pieces < 0.6 * plain


def test_a_checkpointed_graph_is_no_reference_cycle() -> None:
    layers = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh())
    x = fg.randn(128, 64)
    gc.collect()
    gc.disable()
    try:
        checkpoint(layers, x).sum().backward()
        layers.zero_grad()
        before = fg.memory_stats()["in_use"]
        checkpoint(layers, x).sum().backward()
        layers.zero_grad()
        assert fg.memory_stats()["in_use"] == before
    finally:
        gc.enable()


def test_contexts_of_both_runs() -> None:
    seen: list[str] = []

    class Say:
        def __init__(self, what: str) -> None:
            self.what = what

        def __enter__(self) -> None:
            seen.append(self.what)

        def __exit__(self, *_: object) -> None:
            pass

    x = fg.ones(2, requires_grad=True)
    y = checkpoint(lambda x: x * x, x, context_fn=lambda: (Say("first"), Say("second")))
    assert seen == ["first"]
    y.sum().backward()
    assert seen == ["first", "second"]


def test_runs_that_differ() -> None:
    sizes = iter([2, 3])
    x = fg.ones(3, requires_grad=True)
    y = checkpoint(lambda x: (x[: next(sizes)] * x[0]).sum(), x)
    with pytest.raises(CheckpointError, match=r"saved tensor 0 was of shape \(2,\).* and of shape \(3,\)"):
        y.backward()
    runs = iter([True, False])
    y = checkpoint(lambda x: x * x if next(runs) else x, x, determinism_check="none")
    with pytest.raises(CheckpointError, match="saved 2 tensors when it first ran and 0 when it ran again"):
        y.sum().backward()


def test_arguments_that_were_changed() -> None:
    x, c = fg.ones(2, requires_grad=True), fg.ones(2)
    y = checkpoint(lambda x, c: x * c, x, c)
    c.mul_(2)
    with pytest.raises(CheckpointError, match="an argument of the function has been changed in place since it ran"):
        y.sum().backward()


def test_in_place_ops_inside() -> None:
    x = fg.tensor([1.0, -2.0, 3.0], requires_grad=True)

    def f(x: Any) -> Any:
        y = x * 2
        y.mul_(y)
        y[0] = x[1] * x[2]
        return F.elu(y, inplace=True)

    found = fg.autograd.grad(checkpoint(f, x).sum(), x)[0].tolist()
    assert found == fg.autograd.grad(f(x).sum(), x)[0].tolist()


def test_a_saved_tensor_that_is_changed_inside() -> None:
    def f(x: Any) -> Any:
        c = fg.ones(2)
        y = x * c
        c.mul_(3)
        return y * y

    y = checkpoint(f, fg.ones(2, requires_grad=True))
    with pytest.raises(CheckpointError, match="saved for the gradient has been changed by an in-place operation"):
        y.sum().backward()


def test_wrong_calls() -> None:
    with pytest.raises(ValueError, match="determinism_check: expected 'default' or 'none', got 'always'"):
        checkpoint(lambda x: x, fg.ones(2), determinism_check="always")
    for segments in (0, 3):
        with pytest.raises(ValueError, match=f"segments: expected 1 to 2, got {segments}"):
            checkpoint_sequential([nn.ReLU(), nn.ReLU()], segments, fg.ones(2))
