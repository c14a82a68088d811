"""autograd.functional and gradcheck: values, shapes of results, strictness, and gradients that are found wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ferrograd as fg
from ferrograd.autograd import GradcheckError, functional, gradcheck, gradgradcheck


def tensor(values: Any, requires_grad: bool = False) -> fg.Tensor:
    return fg.tensor(values, dtype=fg.float64, requires_grad=requires_grad)


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(np.asarray(found.detach()), np.asarray(expected), rtol=1e-10, atol=1e-12)


def two(x: Any, y: Any) -> Any:
    return x**2 * y, (x * y).sum()


X, Y = [1.0, 2.0], [3.0, 4.0]


@pytest.mark.parametrize("strategy", ["reverse-mode", "forward-mode"])
def test_jacobian(strategy: str) -> None:
    (axx, axy), (bx, by) = functional.jacobian(two, (tensor(X), tensor(Y)), strategy=strategy, vectorize=True)
    close(axx, np.diag([6.0, 16.0]))
    close(axy, np.diag([1.0, 4.0]))
    close(bx, Y)
    close(by, X)
    single = functional.jacobian(lambda x: x.sum(0), fg.ones(2, 3), strategy=strategy)
    assert single.shape == (3, 2, 3)
    assert not single.requires_grad


@pytest.mark.parametrize("strategy", ["reverse-mode", "forward-mode"])
def test_hessian(strategy: str) -> None:
    h = functional.hessian(lambda x, y: (x**2 * y).sum(), (tensor(X), tensor(Y)), outer_jacobian_strategy=strategy)
    close(h[0][0], np.diag([6.0, 8.0]))
    close(h[0][1], np.diag([2.0, 4.0]))
    close(h[1][1], np.zeros((2, 2)))
    close(functional.hessian(lambda x: (x**3).sum(), tensor(X)), np.diag([6.0, 12.0]))


def test_products() -> None:
    x, y = tensor(X), tensor(Y)
    (a, b), (vx, vy) = functional.vjp(two, (x, y), (tensor([1.0, 10.0]), tensor(100.0)))
    close(a, [3.0, 16.0])
    close(b, 11.0)
    close(vx, [306.0, 560.0])
    close(vy, [101.0, 240.0])
    _, (ja, jb) = functional.jvp(two, (x, y), (tensor([1.0, 0.0]), tensor([0.0, 1.0])))
    close(ja, [6.0, 4.0])
    close(jb, 3.0 + 2.0)
    for product in (functional.hvp, functional.vhp):
        value, (hx, hy) = product(lambda x, y: (x**2 * y).sum(), (x, y), (tensor([1.0, 0.0]), tensor([0.0, 1.0])))
        close(value, 19.0)
        close(hx, [6.0, 4.0])
        close(hy, [2.0, 0.0])
    close(functional.vjp(lambda x: (x**2).sum(), x)[1], [2.0, 4.0])
    close(functional.jvp(lambda x: x**2, tensor(3.0))[1], 6.0)
    close(functional.hvp(lambda x: x**3, tensor(3.0))[1], 18.0)


def test_the_results_can_be_differentiated() -> None:
    x = tensor(X, requires_grad=True)
    for find, by in (
        (lambda: functional.jacobian(lambda x: x**3, x, create_graph=True).sum(), 6),
        (lambda: functional.jacobian(lambda x: x**3, x, create_graph=True, strategy="forward-mode").sum(), 6),
        (lambda: functional.vjp(lambda x: (x**3).sum(), x, create_graph=True)[1].sum(), 6),
        (lambda: functional.jvp(lambda x: x**3, x, tensor([1.0, 1.0]), create_graph=True)[1].sum(), 6),
    ):
        (g,) = fg.autograd.grad(find(), x)
        close(g, by * np.array(X))
    (g,) = fg.autograd.grad(functional.hessian(lambda x: (x**3).sum(), x, create_graph=True).sum(), x)
    close(g, [6.0, 6.0])
    (g,) = fg.autograd.grad(functional.hvp(lambda x: (x**3).sum(), x, tensor(X), create_graph=True)[1].sum(), x)
    close(g, 6 * np.array(X))
    assert not functional.jacobian(lambda x: x**3, x).requires_grad


def test_zeros_and_strictness() -> None:
    x, y = tensor(X), tensor(Y)
    close(functional.jacobian(lambda x, y: x, (x, y))[1], np.zeros((2, 2)))
    close(functional.jvp(lambda x: tensor([1.0]), x, x)[1], [0.0])
    close(functional.hvp(lambda x: x.sum(), x, x)[1], [0.0, 0.0])
    calls = [
        lambda: functional.jacobian(lambda x, y: x, (x, y), strict=True),
        lambda: functional.jacobian(lambda x, y: x, (x, y), strict=True, strategy="forward-mode"),
        lambda: functional.vjp(lambda x, y: x, (x, y), x, strict=True),
        lambda: functional.jvp(lambda x, y: x, (x, y), (x, y), strict=True),
        lambda: functional.hvp(lambda x, y: (x**2).sum(), (x, y), (x, y), strict=True),
        lambda: functional.hvp(lambda x: x.sum(), x, x, strict=True),
    ]
    for call in calls:
        with pytest.raises(
            RuntimeError, match=r"strict: (the output|the gradient) is independent of input|depends on no input"
        ):
            call()
    with pytest.raises(RuntimeError, match="strict: output 0 does not require gradients"):
        functional.vjp(lambda x: tensor(1.0), x, strict=True)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: functional.vjp(lambda x: x, 1.0), TypeError, r"vjp: inputs\[0\]: expected a Tensor, got float"),
        (lambda: functional.vjp(lambda x: 1.0, fg.ones(2)), TypeError, r"vjp: outputs\[0\]: expected a Tensor, got float"),
        (lambda: functional.vjp(lambda x: x, fg.ones(2)), RuntimeError, "vjp: v: it can be left out only where the output is one"),
        (lambda: functional.jvp(lambda x: x, fg.ones(2)), RuntimeError, "jvp: v: it can be left out only where the input is one"),
        (lambda: functional.vjp(lambda x: x, fg.ones(2), fg.ones(3)), fg.ShapeError, r"vjp: v\[0\]: expected shape \(2,\), got \(3,\)"),
        (lambda: functional.vjp(lambda x: x, fg.ones(2), (fg.ones(2),) * 2), RuntimeError, "v: expected 1 tensors, got 2"),
        (lambda: functional.hvp(lambda x: x, fg.ones(2), fg.ones(2)), RuntimeError, "hvp: func: expected it to return a Tensor of one element"),
        (lambda: functional.jacobian(lambda x: x, fg.ones(2), strategy="sideways"), ValueError, "strategy: expected 'reverse-mode' or"),
    ],
)  # fmt: skip
def test_wrong_calls(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


# -- gradcheck --------------------------------------------------------------------------------------------------------


class Wrong(fg.autograd.Function):
    """2x, whose gradient is said to be 3 and whose gradient's gradient is right."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return 2 * x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return 3 * g


class WrongAgain(fg.autograd.Function):
    """x², whose gradient is right and has no gradient of its own."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 2 * x.detach() * g


@pytest.mark.parametrize("fast_mode", [False, True])
def test_gradcheck(fast_mode: bool) -> None:
    x, y = tensor([[0.5, -1.0]], True), tensor([2.0, 3.0], True)

    def f(x: Any, y: Any, n: int) -> Any:
        return fg.sin(x * y) * n, x.argmax(), fg.exp(y)

    assert gradcheck(f, (x, y, 3), fast_mode=fast_mode, check_grad_dtypes=True)
    assert gradgradcheck(f, (x, y, 3), fast_mode=fast_mode)
    assert gradcheck(fg.mul, (x, tensor(0.7, True)), fast_mode=fast_mode)
    assert gradcheck(lambda y: fg.sin(y), y, fast_mode=fast_mode)
    with pytest.raises(GradcheckError, match="Jacobian mismatch for output 0 with respect to input 0"):
        gradcheck(Wrong.apply, (x,), fast_mode=fast_mode)
    assert not gradcheck(Wrong.apply, (x,), raise_exception=False, fast_mode=fast_mode)
    assert gradcheck(WrongAgain.apply, (x,), fast_mode=fast_mode)
    assert not gradgradcheck(WrongAgain.apply, (x,), raise_exception=False, fast_mode=fast_mode)


def test_gradcheck_sees_outputs_cut_from_the_graph() -> None:
    x = tensor([1.0, 2.0], True)
    with pytest.raises(GradcheckError, match="output 0 has no graph and depends on input 0"):
        gradcheck(lambda x: x.detach() * 2, (x,))
    assert gradcheck(lambda x: tensor([5.0]), (x,))


def test_gradcheck_sees_gradients_that_change() -> None:
    calls = iter(range(100))

    class Drifting(fg.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return 2 * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * (2 + 1e-7 * next(calls))

    with pytest.raises(GradcheckError, match="Backward is not reentrant"):
        gradcheck(Drifting.apply, (tensor([1.0], True),))
    assert gradcheck(Drifting.apply, (tensor([1.0], True),), nondet_tol=1e-3)


def test_what_gradcheck_needs() -> None:
    with pytest.raises(ValueError, match="expects at least one input tensor to require gradient"):
        gradcheck(lambda x: x, (fg.ones(2),))
    with pytest.warns(UserWarning, match="input 0 requires a gradient and is float32"), pytest.raises(GradcheckError):
        gradcheck(lambda x: x * x, (fg.ones(2, requires_grad=True),))
