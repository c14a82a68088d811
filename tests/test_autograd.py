"""The engine: what backward and grad do, hooks, modes, graphs that are freed, very deep graphs."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import _core, autograd, ops
from ferrograd.ops import _op

backend = _core.backend


@pytest.fixture
def both() -> Iterator[Any]:
    """An op with three results: x·y, x + y, and one that is not differentiable."""

    @_op.op
    def both(x: Any, y: Any) -> Any:
        return backend.mul(x, y), backend.add(x, y), backend.detach(x)

    @both.rule(saves=("x", "y", "result0"))
    def _(g: Any, needs: Any, x: Any, y: Any, product: Any) -> Any:
        seen.append([k is not None for k in g])
        assert product.tolist() == (x * y).tolist()
        by_x, by_y = [], []
        if g[0] is not None:
            by_x.append(ops.mul(g[0], y))
            by_y.append(ops.mul(g[0], x))
        if g[1] is not None:
            by_x.append(g[1])
            by_y.append(g[1])
        total = [ops.add(*parts) if len(parts) == 2 else parts[0] for parts in (by_x, by_y)]
        return tuple(t if need else None for t, need in zip(total, needs, strict=True))

    seen: list[list[bool]] = []
    both.seen = seen
    yield both
    del _op.OPS["both"]


def leaf(*values: float) -> fg.Tensor:
    return fg.tensor(values, dtype="float32", requires_grad=True)


def grad_of(x: fg.Tensor) -> Any:
    return None if x.grad is None else x.grad.tolist()


# -- backward ---------------------------------------------------------------------------------------------------------


def test_the_chain_rule() -> None:
    x, w = leaf(1, 2), leaf(3, 4)
    y = x * w
    z = y * y + x
    z.backward(fg.tensor([1.0, 10.0]))
    assert grad_of(x) == [2 * 1 * 9 + 1, 10 * (2 * 2 * 16 + 1)]  # 2xw² + 1
    assert grad_of(w) == [2 * 1 * 3, 10 * 2 * 4 * 4]  # 2x²w
    assert not x.grad.requires_grad


def test_gradients_accumulate() -> None:
    x = leaf(1)
    for k in range(1, 4):
        (x * 2).backward()
        assert grad_of(x) == [2.0 * k]
    first = x.grad
    (x * 2).backward()
    assert x.grad is first


def test_a_leaf_used_many_times() -> None:
    x = leaf(3)
    y = x
    for _ in range(4):
        y = y * x
    y.backward()
    assert grad_of(x) == [5 * 3.0**4]


def test_a_diamond_is_walked_once() -> None:
    x = leaf(1)
    calls: list[float] = []
    y = x * 2
    y.register_hook(lambda g: calls.append(g.item()))
    (y * 3 + y * 4 + y).backward()
    assert calls == [8.0]
    assert grad_of(x) == [16.0]


def test_several_outputs() -> None:
    x = leaf(1, 2)
    autograd.backward([x * 2, x * 3], [fg.tensor([1.0, 0.0]), fg.tensor([0.0, 1.0])])
    assert grad_of(x) == [2.0, 3.0]


def test_an_output_that_is_given_twice() -> None:
    x = leaf(1)
    y = x * 2
    autograd.backward([y, y])
    assert grad_of(x) == [4.0]


def test_inputs_of_backward() -> None:
    x, w = leaf(1, 2), leaf(3, 4)
    y = x * w
    z = y * 2
    z.backward(fg.ones(2), inputs=[x, y])
    assert grad_of(x) == [6.0, 8.0]
    assert grad_of(w) is None
    assert grad_of(y) == [2.0, 2.0]


def test_gradients_come_in_the_leafs_dtype() -> None:
    x = fg.tensor([1.0, 2.0], requires_grad=True)
    y = x * fg.tensor([1.0, 2.0], dtype="float64")
    assert y.dtype is fg.float64
    y.backward(fg.ones(2, dtype="float64"))
    assert x.grad is not None
    assert x.grad.dtype is fg.float32


def test_what_the_gradient_must_be() -> None:
    y = leaf(1, 2) * 2
    with pytest.raises(RuntimeError, match=r"for scalar outputs only; outputs\[0\] has shape \(2,\)"):
        y.backward()
    with pytest.raises(fg.ShapeError, match=r"gradient\[0\]: expected the shape of its output, \(2,\), got \(3,\)"):
        y.backward(fg.ones(3))
    with pytest.raises(RuntimeError, match=r"outputs\[0\], of shape \(2,\), does not require grad"):
        fg.ones(2).backward(fg.ones(2))
    with pytest.raises(TypeError, match=r"outputs\[0\]: expected a Tensor, got float"):
        autograd.backward([1.0])
    with pytest.raises(RuntimeError, match="gradients: expected one for each of 1 outputs, got 2"):
        autograd.backward([y], [fg.ones(2), fg.ones(2)])
    y.backward(np.array([1.0, 2.0]))


def test_a_second_walk_needs_retain_graph() -> None:
    x = leaf(1)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert grad_of(x) == [4.0]
    with pytest.raises(
        RuntimeError, match=r"backward of mul: .* a second time.*; use retain_graph=True the first time"
    ):
        y.backward()
    assert grad_of(x) == [4.0]


# -- grad -------------------------------------------------------------------------------------------------------------


def test_grad_touches_no_grad() -> None:
    x, w = leaf(1, 2), leaf(3, 4)
    y = x * w
    by_x, by_y = autograd.grad(y * 2, [x, y], fg.ones(2), retain_graph=True)
    assert (by_x.tolist(), by_y.tolist()) == ([6, 8], [2, 2])
    assert (x.grad, w.grad) == (None, None)
    (itself,) = autograd.grad(y, y, fg.tensor([5.0, 6.0]), retain_graph=True)
    assert itself.tolist() == [5, 6]
    (of_leaf,) = autograd.grad(x, x, fg.ones(2))
    assert of_leaf.tolist() == [1, 1]


def test_grad_skips_what_leads_nowhere() -> None:
    x, w = leaf(1), leaf(2)
    ran: list[str] = []
    side = w * 2
    side.register_hook(lambda g: ran.append("side"))
    autograd.grad(x * 3 + side, x)
    assert ran == []


def test_unused_inputs() -> None:
    x, w = leaf(1), leaf(2)
    with pytest.raises(RuntimeError, match=r"grad: inputs\[1\], of shape \(1,\), was not used .* allow_unused=True"):
        autograd.grad(x * 2, [x, w])
    by_x, by_w = autograd.grad(x * 2, [x, w], allow_unused=True)
    assert by_x.tolist() == [2]
    assert by_w is None
    with pytest.raises(RuntimeError, match=r"grad: inputs\[0\]: expected a Tensor that requires grad"):
        autograd.grad(x * 2, fg.ones(1))


def test_gradients_differentiate_again() -> None:
    x = leaf(2)
    y = x * x * x
    (first,) = autograd.grad(y, x, create_graph=True)
    (second,) = autograd.grad(first, x, create_graph=True)
    (third,) = autograd.grad(second, x)
    assert (first.item(), second.item(), third.item()) == (12, 12, 6)
    assert not third.requires_grad


def test_backward_with_create_graph() -> None:
    x = leaf(2)
    (x * x * x).backward(create_graph=True)
    assert x.grad is not None
    g = x.grad
    x.grad = None
    g.backward()
    assert grad_of(x) == [12.0]


# -- several results --------------------------------------------------------------------------------------------------


def test_an_op_of_several_results(both: Any) -> None:
    x, y = leaf(2, 3), leaf(5, 7)
    product, total, constant = both(x, y)
    assert not constant.requires_grad
    autograd.backward([product, total], [fg.ones(2), fg.tensor([10.0, 20.0])])
    assert (grad_of(x), grad_of(y)) == ([15.0, 27.0], [12.0, 23.0])
    x.grad = y.grad = None
    product, total, _ = both(x, y)
    total.backward(fg.ones(2))
    assert (grad_of(x), grad_of(y)) == ([1.0, 1.0], [1.0, 1.0])
    assert both.seen == [[True, True, False], [False, True, False]]


def test_results_as_inputs_of_grad(both: Any) -> None:
    x, y = leaf(2), leaf(5)
    product, total, _ = both(x, y)
    z = product * 3 + total * total
    by_product, by_total, by_x = autograd.grad(z, [product, total, x])
    assert (by_product.item(), by_total.item(), by_x.item()) == (3, 14, 3 * 5 + 14)


def test_hooks_on_one_of_several_results(both: Any) -> None:
    x, y = leaf(2), leaf(5)
    product, total, _ = both(x, y)
    total.register_hook(lambda g: g * 10)
    product.retain_grad()
    (product * 2 + total).backward()
    assert grad_of(product) == [2.0]
    assert grad_of(x) == [2 * 5 + 10.0]


def test_second_order_through_several_results(both: Any) -> None:
    x, y = leaf(2), leaf(5)
    product, _, _ = both(x, y)
    (by_x,) = autograd.grad(product * product, x, create_graph=True)  # 2xy²
    by_xx, by_xy = autograd.grad(by_x, [x, y])
    assert (by_xx.item(), by_xy.item()) == (50, 40)


# -- hooks ------------------------------------------------------------------------------------------------------------


def test_hooks_change_gradients() -> None:
    x = leaf(1)
    y = x * 2
    handle = y.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: g + 1)
    (y * 3).backward(retain_graph=True)
    assert grad_of(x) == [61.0]
    handle.remove()
    handle.remove()
    x.grad = None
    (y * 3).backward()
    assert grad_of(x) == [7.0]
    assert autograd.grad(x * 2, x)[0].tolist() == [3.0]


def test_hooks_run_in_order_and_retain_grad_last() -> None:
    x = leaf(1)
    y = x * 1
    y.retain_grad()
    order: list[str] = []
    y.register_hook(lambda g: order.append("first"))
    y.register_hook(lambda g: (order.append("second"), g * 5)[1])
    (y * 2).backward()
    assert order == ["first", "second"]
    assert grad_of(y) == [10.0]


def test_a_leafs_hook_runs_once_on_the_sum() -> None:
    x = leaf(1)
    calls: list[float] = []
    x.register_hook(lambda g: calls.append(g.item()))
    (x * 2 + x * 3).backward()
    assert calls == [5.0]


def test_wrong_hooks() -> None:
    x = leaf(1)
    with pytest.raises(RuntimeError, match="register_hook: expected a tensor that requires grad"):
        fg.ones(1).register_hook(print)
    with pytest.raises(RuntimeError, match="retain_grad: expected a tensor that requires grad"):
        fg.ones(1).retain_grad()
    with x.register_hook(lambda g: fg.ones(3)), pytest.raises(fg.ShapeError, match=r"shape \(1,\) from it, got \(3,\)"):
        (x * 2).backward()
    with x.register_hook(lambda g: 5), pytest.raises(TypeError, match="return a Tensor or None, got int"):
        (x * 2).backward()
    assert grad_of(x) is None
    (x * 2).backward()
    assert grad_of(x) == [2.0]


def test_an_exception_in_a_hook_leaves_the_modes_as_they_were() -> None:
    x = leaf(1)
    y = x * 2
    y.register_hook(lambda g: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        y.backward()
    assert fg.is_grad_enabled()


def test_retain_grad_keeps_no_tensor_alive() -> None:
    x = leaf(1)
    y = x * 2
    y.retain_grad()
    alive = weakref.ref(y)
    z = y * 3
    del y
    assert alive() is None
    z.backward()
    assert grad_of(x) == [6.0]


# -- modes ------------------------------------------------------------------------------------------------------------


def recorded() -> bool:
    return bool((leaf(1) * 2).requires_grad)


def test_modes_nest() -> None:
    with fg.no_grad():
        assert not recorded()
        with fg.enable_grad():
            assert recorded()
            with fg.set_grad_enabled(False):
                assert not recorded()
            assert recorded()
        assert not recorded()
    assert recorded()


def test_set_grad_enabled_acts_at_once() -> None:
    try:
        fg.set_grad_enabled(False)
        assert not recorded()
    finally:
        fg.set_grad_enabled(True)
    assert recorded()
    mode = fg.set_grad_enabled(False)
    with mode:
        assert not recorded()
    assert recorded()


def test_a_mode_can_be_entered_again() -> None:
    mode = fg.no_grad()
    with mode, fg.enable_grad(), mode:
        assert not recorded()
    assert recorded()


def test_modes_survive_exceptions() -> None:
    for mode in (fg.no_grad, fg.inference_mode, lambda: fg.set_grad_enabled(False)):
        with pytest.raises(ZeroDivisionError), mode():
            raise ZeroDivisionError
        assert recorded()
        assert not fg.is_inference_mode_enabled()


def test_decorators() -> None:
    @fg.no_grad()
    def with_parentheses() -> bool:
        """What it says."""
        return recorded()

    @fg.no_grad
    def without() -> bool:
        return recorded()

    @fg.inference_mode
    def inference() -> tuple[bool, bool]:
        return recorded(), fg.is_inference_mode_enabled()

    @fg.set_grad_enabled(False)
    def off() -> bool:
        return recorded()

    assert recorded()
    assert not with_parentheses()
    assert not without()
    assert inference() == (False, True)
    assert not off()
    assert recorded()
    assert with_parentheses.__doc__ == "What it says."
    with fg.no_grad():
        assert fg.enable_grad(recorded)()
        assert not recorded()


def test_decorated_generators() -> None:
    """The mode holds while the generator runs, not while its caller does."""
    closed: list[bool] = []

    @fg.no_grad()
    def steps() -> Iterator[Any]:
        try:
            got = yield recorded()
            try:
                yield (got, recorded())
            except KeyError:
                yield ("caught", recorded())
            return "end"
        finally:
            closed.append(recorded())

    generator = steps()
    assert next(generator) is False
    assert recorded()
    assert generator.send(5) == (5, False)
    assert generator.throw(KeyError()) == ("caught", False)
    assert recorded()
    with pytest.raises(StopIteration) as end:
        next(generator)
    assert end.value.value == "end"
    another = steps()
    next(another)
    another.close()
    assert closed == [False, False]
    assert recorded()
    assert list(steps()) == [False, (None, False)]


def test_inference_mode() -> None:
    with fg.inference_mode():
        assert not recorded()
        assert fg.ones(1).is_inference()
        with fg.inference_mode(False):
            assert recorded()
            assert not fg.ones(1).is_inference()
        assert not recorded()
    assert not fg.ones(1).is_inference()


def test_every_thread_has_its_own_mode() -> None:
    inside, leave = threading.Event(), threading.Event()
    found: list[bool] = []

    def other() -> None:
        found.append(recorded())
        with fg.no_grad():
            inside.set()
            assert leave.wait(10)
            found.append(recorded())

    thread = threading.Thread(target=other)
    with fg.no_grad():
        thread.start()
        assert inside.wait(10)
    assert recorded()
    leave.set()
    thread.join()
    assert found == [True, False]


def test_what_is_recorded() -> None:
    x = leaf(1)
    assert not (fg.ones(2) * 2).requires_grad
    assert (x * 2).grad_fn is not None
    assert x.detach().is_leaf
    assert not x.detach().requires_grad
    assert not x.to("int64").requires_grad
    with pytest.raises(RuntimeError, match="only tensors of a floating-point dtype"):
        fg.ones(2, dtype="int64", requires_grad=True)
    with pytest.raises(RuntimeError, match="you can only change it on leaf tensors"):
        (x * 2).requires_grad = False


# -- memory -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_gc() -> Iterator[None]:
    """Without the garbage collector, so that only reference counts free memory."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_a_graph_is_no_reference_cycle(no_gc: None, both: Any) -> None:
    before = fg.memory_stats()["in_use"]
    x, w = fg.ones(1000, requires_grad=True), fg.ones(1000, requires_grad=True)
    y = x * w
    product, total, _ = both(y, w)  # saves one of its own results
    product.retain_grad()
    total.register_hook(lambda g: None)
    z = product * total
    z.mul_(x.reshape(10, 100).reshape(1000))
    watched = [weakref.ref(t) for t in (x, y, product, z)] + [weakref.ref(t.grad_fn) for t in (y, product, z)]
    z.backward(fg.ones(1000), retain_graph=True)
    autograd.grad(z, [x, product], fg.ones(1000), create_graph=True)
    del x, w, y, product, total, z, _
    assert [ref() for ref in watched] == [None] * 7
    assert fg.memory_stats()["in_use"] == before


def test_backward_frees_what_was_saved(no_gc: None) -> None:
    x = fg.ones(100_000, requires_grad=True)
    y = x * x
    for _ in range(9):
        y = y * x
    held = fg.memory_stats()["in_use"]
    y.backward(fg.ones(100_000))
    x.grad = None
    assert held - fg.memory_stats()["in_use"] >= 9 * 400_000
    assert y.numel() == 100_000


DEPTH = 100_000


@pytest.mark.parametrize("kind", ["add", "mul", "view"])
def test_a_graph_of_100_000_nodes(kind: str, no_gc: None) -> None:
    """Built, differentiated and dropped without recursion and without the garbage collector."""
    before = fg.memory_stats()["in_use"]
    x = leaf(1)
    step: Any = {"add": ops.add, "mul": lambda y, _: y * 1.0, "view": lambda y, _: y.reshape(1, 1).reshape(1)}[kind]
    y = x * 1
    first = weakref.ref(y.grad_fn)
    for _ in range(DEPTH):
        y = step(y, x)
    assert sys.getrecursionlimit() < DEPTH
    (by_x,) = autograd.grad(y, x, retain_graph=True)
    y.backward(retain_graph=True)
    assert by_x.item() == (DEPTH + 1 if kind == "add" else 1)
    assert grad_of(x) == [by_x.item()]
    assert first() is not None
    del y
    assert first() is None
    del x, by_x
    assert fg.memory_stats()["in_use"] == before


def test_a_wide_graph(no_gc: None) -> None:
    x = leaf(1)
    parts = [x * float(k % 3) for k in range(20_000)]
    autograd.backward(parts)
    assert grad_of(x) == [float(sum(k % 3 for k in range(20_000)))]


def test_a_dropped_deep_graph_that_was_never_walked(no_gc: None) -> None:
    before = fg.memory_stats()["in_use"]
    x = leaf(1)
    y = x
    for _ in range(DEPTH):
        y = y * x
    del y
    del x
    assert fg.memory_stats()["in_use"] == before


def test_nodes_say_what_they_are() -> None:
    x = leaf(1)
    y = x * 2
    assert repr(y.grad_fn) == "<mulBackward>"
    assert "grad_fn=<mulBackward>" in repr(y)
    assert y.grad_fn.next_functions == ((x, 0), (None, 0))
    assert x.grad_fn is None


def test_only_the_gradients_that_are_asked_for_are_computed() -> None:
    layer, x = fg.nn.Conv2d(4, 3, 3), fg.randn(2, 4, 6, 6, requires_grad=True)
    y = layer(x).sum()
    with fg.profile(show=False) as p:
        (g,) = fg.autograd.grad(y, [x], retain_graph=True)
    names = [call.name for call in p.calls]
    assert "conv_input_grad" in names
    assert "conv_weight_grad" not in names
    with fg.profile(show=False) as p:
        (again,) = fg.autograd.grad(y, [x], create_graph=True)
    assert "conv_weight_grad" not in [call.name for call in p.calls]
    y.backward(inputs=[x])
    assert layer.weight.grad is None
    np.testing.assert_array_equal(x.grad.numpy(), g.numpy())
    np.testing.assert_array_equal(again.detach().numpy(), g.numpy())
