"""Hooks on what ops save and on gradients that have been added up; options of grad."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import ferrograd as fg
from ferrograd import nn
from ferrograd.autograd.graph import saved_tensors_hooks


def test_what_is_packed_is_unpacked() -> None:
    kept: dict[int, Any] = {}

    def pack(t: fg.Tensor) -> int:
        assert not t.requires_grad
        kept[len(kept)] = t.tolist()
        return len(kept) - 1

    x = fg.tensor([1.0, 2.0], requires_grad=True)
    with saved_tensors_hooks(pack, lambda k: fg.tensor(kept[k])):
        y = fg.exp(x * x)
    assert kept[0] == kept[1] == [1.0, 2.0]
    kept[2] = [1.0, 10.0]
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 40.0]


def test_unpacked_tensors_are_in_the_graph() -> None:
    x = fg.tensor([1.0, 2.0], requires_grad=True)
    with saved_tensors_hooks(lambda t: t.numpy().copy(), fg.from_numpy):
        y = fg.exp(x * x)  # saves a leaf, and a result
        z = fg.cat([y * x, x])  # saves a tuple of shapes
    (g,) = fg.autograd.grad(z.sum(), x, create_graph=True)
    (h,) = fg.autograd.grad(g.sum(), x)
    e = [2.718281828459045, 54.598150033144236]
    assert h.tolist() == pytest.approx([(6 * v + 4 * v**3) * e for v, e in zip([1, 2], e, strict=True)], rel=1e-5)


def test_hooks_nest_and_belong_to_their_thread() -> None:
    seen: list[str] = []
    x = fg.ones(1, requires_grad=True)

    def elsewhere() -> None:
        (x * 2 * x).backward()

    def note(what: str) -> Any:
        return saved_tensors_hooks(lambda t: (seen.append(what), t)[1], lambda t: t)

    with note("outer"):
        with note("inner"):
            y = x * 3.0 * x
        z = y * x
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert seen.count("outer") + seen.count("inner") == len(seen)
        assert set(seen) == {"outer", "inner"}
        before = len(seen)
    w = z * x
    assert len(seen) == before
    w.backward()
    assert x.grad.item() == 3 * 4 + 2 * 2


def test_the_hooks_results_are_checked() -> None:
    x = fg.ones(1, requires_grad=True)
    with saved_tensors_hooks(lambda t: 1, lambda k: k):
        y = x * x
    with pytest.raises(TypeError, match="unpack_hook: expected it to return a Tensor, got int"):
        y.backward()


def test_hooks_once_a_gradient_has_been_added() -> None:
    x = fg.ones(2, requires_grad=True)
    seen: list[Any] = []
    x.register_hook(lambda g: g * 10)
    handle = x.register_post_accumulate_grad_hook(lambda p: seen.append((p is x, p.grad.tolist())))
    (x * 2).sum().backward()
    (x * 2).sum().backward()
    assert seen == [(True, [20, 20]), (True, [40, 40])]
    fg.autograd.grad((x * 2).sum(), x)
    handle.remove()
    (x * 2).sum().backward()
    assert len(seen) == 2


def test_an_optimizer_inside_backward() -> None:
    model = nn.Linear(2, 1, bias=False)
    optimizer = fg.optim.SGD(model.parameters(), lr=0.5)

    def step(p: Any) -> None:
        optimizer.step()
        p.grad = None

    model.weight.register_post_accumulate_grad_hook(step)
    before = model.weight.tolist()
    model(fg.ones(1, 2)).sum().backward()
    assert model.weight.grad is None
    assert model.weight.tolist() == [[pytest.approx(w - 0.5) for w in before[0]]]


def test_where_such_a_hook_cannot_be() -> None:
    x = fg.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="expected a leaf, got the result of an op"):
        (x * 2).register_post_accumulate_grad_hook(print)
    with pytest.raises(RuntimeError, match="expected a tensor that requires grad"):
        fg.ones(2).register_post_accumulate_grad_hook(print)


def test_materialized_gradients() -> None:
    x, y = fg.ones(2, requires_grad=True), fg.ones(3, requires_grad=True)
    gx, gy = fg.autograd.grad(x.sum(), (x, y), materialize_grads=True)
    assert (gx.tolist(), gy.tolist()) == ([1, 1], [0, 0, 0])
    with pytest.raises(ValueError, match="allow_unused: expected True or None with materialize_grads, got False"):
        fg.autograd.grad(x.sum(), (x, y), allow_unused=False, materialize_grads=True)
    with pytest.raises(NotImplementedError, match="is_grads_batched: expected False; see fg.func.vmap"):
        fg.autograd.grad(x, x, fg.ones(5, 2), is_grads_batched=True)
    fg.autograd.backward(tensors=[x.sum()], grad_tensors=[fg.tensor(2.0)])
    assert x.grad.tolist() == [2, 2]
