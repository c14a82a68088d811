"""autograd.Function: the user's own gradient, all that a context can do, and what it refuses."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import ferrograd as fg
from ferrograd.autograd import Function
from ferrograd.autograd.function import once_differentiable


class Product(Function):
    """x · y, its backward made of ops."""

    @staticmethod
    def forward(ctx: Any, x: Any, y: Any) -> Any:
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        x, y = ctx.saved_tensors
        return g * y, g * x


class Exp(Function):
    """eˣ, saving its result."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        y = fg.exp(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (y,) = ctx.saved_tensors
        return g * y


def leaf(*values: float) -> fg.Tensor:
    return fg.tensor(values, dtype=fg.float64, requires_grad=True)


def test_forward_and_backward() -> None:
    x, y = leaf(1, 2), leaf(3, 4)
    z = Product.apply(x, y)
    assert z.tolist() == [3, 8]
    assert repr(z.grad_fn) == "<ProductBackward>"
    z.backward(fg.tensor([1.0, 10.0], dtype=fg.float64))
    assert x.grad.tolist() == [3, 40]
    assert y.grad.tolist() == [1, 20]


def test_double_backward() -> None:
    x = leaf(1, 2)
    (g,) = fg.autograd.grad(Product.apply(x, Product.apply(x, x)).sum(), x, create_graph=True)
    assert g.tolist() == [3, 12]
    (h,) = fg.autograd.grad(g.sum(), x, create_graph=True)
    assert h.tolist() == [6, 12]
    g = fg.func.grad(fg.func.grad(lambda x: Exp.apply(x).sum() if x.ndim else Exp.apply(x)))(fg.tensor(1.0))
    assert g.item() == pytest.approx(np.e)


def test_gradcheck_of_functions() -> None:
    x, y = leaf(0.5, -2), leaf(3, 0.1)
    assert fg.autograd.gradcheck(Product.apply, (x, y))
    assert fg.autograd.gradgradcheck(Product.apply, (x, y))
    assert fg.autograd.gradgradcheck(Exp.apply, (x,))


def test_setup_context_with_keywords_and_defaults() -> None:
    class Scale(Function):
        @staticmethod
        def forward(x: Any, factor: float = 2.0) -> Any:
            return x * factor

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            _, ctx.factor = inputs
            ctx.shape = output.shape

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            assert ctx.shape == (2,)
            return g * ctx.factor, None

    x = leaf(1, 2)
    (Scale.apply(x) + Scale.apply(x, factor=3.0)).sum().backward()
    assert x.grad.tolist() == [5, 5]
    assert not Scale.apply(x.detach()).requires_grad


def test_without_gradients_nothing_is_kept() -> None:
    x = leaf(1, 2)
    with fg.no_grad():
        z = Product.apply(x, x)
    assert z.grad_fn is None
    x = x.detach()
    alive = weakref.ref(x)
    z = Product.apply(x, x)
    assert not z.requires_grad
    del x
    gc.collect()
    assert alive() is None


def test_what_backward_is_told() -> None:
    told: list[Any] = []

    class Look(Function):
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any, n: int) -> Any:
            told.append(ctx.needs_input_grad)
            return x * y, fg.tensor([1, 2]), x + y, "text"

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            told.append([None if g is None else g.tolist() for g in grads])
            return grads[0], None, None

    x, y = leaf(1, 2), leaf(3, 4).detach()
    product, integers, total, text = Look.apply(x, y, 3)
    assert text == "text"
    assert not integers.requires_grad
    assert total.requires_grad
    product.sum().backward()
    assert told == [(True, False, False), [[1, 1], [0, 0], [0, 0], None]]
    assert x.grad.tolist() == [1, 1]


def test_gradients_that_are_not_materialized() -> None:
    seen: list[Any] = []

    class Two(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.set_materialize_grads(False)
            return 2 * x, 3 * x

        @staticmethod
        def backward(ctx: Any, a: Any, b: Any) -> Any:
            seen.append((a is None, b is None))
            return 3 * b

    x = leaf(1)
    Two.apply(x)[1].backward()
    assert seen == [(True, False)]
    assert x.grad.tolist() == [3]


def test_results_without_a_gradient() -> None:
    class Sort(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            order = fg.tensor(np.argsort(x.numpy()))
            y = x[order]
            rank = order.double()
            ctx.mark_non_differentiable(rank)
            ctx.save_for_backward(order)
            return y, rank

        @staticmethod
        def backward(ctx: Any, g: Any, none: Any) -> Any:
            (order,) = ctx.saved_tensors
            assert none.tolist() == [0, 0, 0]
            return fg.zeros(3, dtype=fg.float64).scatter_add(0, order, g)

    x = leaf(3, 1, 2)
    y, rank = Sort.apply(x)
    assert not rank.requires_grad
    assert y.tolist() == [1, 2, 3]
    y.backward(fg.tensor([1.0, 10.0, 100.0], dtype=fg.float64))
    assert x.grad.tolist() == [100, 1, 10]


def test_arguments_that_are_handed_on() -> None:
    class Same(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x, x

        @staticmethod
        def backward(ctx: Any, a: Any, b: Any) -> Any:
            return 10 * a + b

    x = leaf(1)
    a, b = Same.apply(x)
    assert a is not x
    assert a is not b
    (a + 2 * b).backward()
    assert x.grad.tolist() == [12]
    assert x.is_leaf


class AddOne(Function):
    """x + 1 written over x."""

    @staticmethod
    def forward(ctx: Any, x: Any, w: Any = None) -> Any:
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        return x.add_(1 if w is None else w)

    @staticmethod
    def backward(ctx: Any, g: Any, *_: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 5 * g, g * x if ctx.needs_input_grad[1] else None


def test_arguments_that_are_changed_in_place() -> None:
    x = leaf(1, 2)
    y = x * 2
    z = AddOne.apply(y, None)
    assert z is y
    assert y.tolist() == [3, 5]
    y.sum().backward()
    assert x.grad.tolist() == [10, 10]


def test_a_constant_that_becomes_a_result() -> None:
    w, y = leaf(3, 4), fg.tensor([1, 2], dtype=fg.float64)
    z = AddOne.apply(y, w)
    assert z is y
    assert y.requires_grad
    y.sum().backward()
    assert w.grad.tolist() == [4, 6]
    assert y.grad is None


def test_writing_over_a_leaf_or_losing_what_was_written() -> None:
    with pytest.raises(RuntimeError, match="AddOne: a leaf tensor that requires grad is being used in an in-place"):
        AddOne.apply(leaf(1), None)

    class Lost(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.mark_dirty(x)
            return x.add_(1) * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    with pytest.raises(RuntimeError, match="mark_dirty: what was changed in place has to be returned as well"):
        Lost.apply(leaf(1) * 2)


def test_a_saved_tensor_that_was_changed() -> None:
    x = leaf(1, 2)
    y = x * 1
    z = Product.apply(y, y)
    y.mul_(2)
    with pytest.raises(
        RuntimeError, match=r"backward of Product: 'saved_tensors\[0\]', of shape \(2,\).*has been changed"
    ):
        z.sum().backward()


def test_saved_tensors_are_freed_with_the_graph() -> None:
    x = leaf(1, 2)
    z = Product.apply(x, x).sum()
    z.backward(retain_graph=True)
    z.backward()
    assert x.grad.tolist() == [4, 8]
    with pytest.raises(
        RuntimeError, match="backward of sum|backward of Product: trying to go through the graph a second"
    ):
        z.backward()


def test_a_graph_of_functions_is_no_reference_cycle() -> None:
    gc.collect()
    gc.disable()
    try:
        x = leaf(1, 2)
        y = Exp.apply(x)
        alive = weakref.ref(y)
        z = Product.apply(y, y).sum()
        z.backward()
        del y, z
        assert alive() is None
    finally:
        gc.enable()


def test_intermediate_values_can_be_saved() -> None:
    class Tanh(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            slope = 1 - fg.tanh(x) ** 2
            ctx.save_for_backward(None, slope)
            return fg.tanh(x)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            none, slope = ctx.saved_tensors
            assert none is None
            return g * slope

    x = leaf(0.3)
    Tanh.apply(x).backward()
    assert x.grad.item() == pytest.approx(1 - np.tanh(0.3) ** 2)


def test_once_differentiable() -> None:
    class Square(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, g: Any) -> Any:
            assert not fg.is_grad_enabled()
            (x,) = ctx.saved_tensors
            return fg.from_numpy(2 * x.detach().numpy() * g.detach().numpy())

    x = leaf(3)
    Square.apply(x).backward()
    assert x.grad.tolist() == [6]
    (g,) = fg.autograd.grad(Square.apply(x), x, create_graph=True)
    assert g.tolist() == [6]
    with pytest.raises(RuntimeError, match="differentiate twice a function that was marked with @once_differentiable"):
        fg.autograd.grad(g, x)


def returning(result: Any) -> Any:
    class Wrong(Function):
        @staticmethod
        def forward(ctx: Any, x: Any, n: int) -> Any:
            return x * n

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return result

    return Wrong.apply(leaf(1, 2), 3).sum().backward


@pytest.mark.parametrize(
    ("result", "error", "message"),
    [
        (fg.ones(2), RuntimeError, r"WrongBackward returned an incorrect number of gradients \(expected 2, got 1\)"),
        ((fg.ones(2), None, fg.ones(2)), RuntimeError, r"incorrect number of gradients \(expected 2, got 3\)"),
        ((1.0, None), TypeError, "Wrong.backward: gradient 0: expected a Tensor or None, got float"),
        ((None, fg.ones(2)), RuntimeError, "returned a gradient different from None at position 1"),
        ((fg.ones(3), None), fg.ShapeError, r"invalid gradient at index 0 - got \[3\] but expected shape compatible with \[2\]"),
    ],
)  # fmt: skip
def test_wrong_gradients(result: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        returning(result)()


def test_gradients_may_be_broadcast_and_further_ones_none() -> None:
    returning((fg.ones(5, 2), None, None))()


def test_wrong_calls() -> None:
    with pytest.raises(RuntimeError, match="Product is called as Product.apply"):
        Product()
    with pytest.raises(TypeError, match=r"Product.apply\(\) takes no keyword arguments"):
        Product.apply(leaf(1), y=leaf(2))
    with pytest.raises(NotImplementedError, match="expected a static method forward"):
        Function.apply(leaf(1))

    class Bad(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x, 1)

    with pytest.raises(TypeError, match="save_for_backward can only save variables, but argument 1 is of type int"):
        Bad.apply(leaf(1))

    class Early(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return ctx.saved_tensors

    with pytest.raises(RuntimeError, match="what was saved can be read in backward only"):
        Early.apply(leaf(1))

    class NoBackward(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

    with pytest.raises(NotImplementedError, match="expected a static method backward"):
        NoBackward.apply(leaf(1)).backward()
