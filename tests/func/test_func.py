"""Functional transforms: values against formulas, trees, nesting, and what stays in the graph around them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import func, nn
from ferrograd.nn import functional as F

f64 = fg.float64


def tensor(values: Any, requires_grad: bool = False) -> fg.Tensor:
    return fg.tensor(values, dtype=f64, requires_grad=requires_grad)


def random(rng: np.random.Generator, *shape: int) -> fg.Tensor:
    return fg.from_numpy(rng.standard_normal(shape))


def close(found: Any, expected: Any, atol: float = 1e-12) -> None:
    np.testing.assert_allclose(np.asarray(found.detach()), np.asarray(expected), rtol=1e-10, atol=atol)


# -- gradients --------------------------------------------------------------------------------------------------------


def test_grad_of_a_power() -> None:
    x = tensor(3.0)
    assert func.grad(lambda x: x**3)(x).item() == 27.0
    assert x.grad is None
    assert not x.requires_grad


def test_grad_of_grad_of_grad() -> None:
    third = func.grad(func.grad(func.grad(lambda x: x**5)))
    found = third(tensor(2.0))
    assert found.item() == 60.0 * 4.0
    assert not found.requires_grad


def test_argnums_and_aux() -> None:
    def f(x: Any, y: Any) -> Any:
        return (x * x * y).sum(), {"twice": 2 * x}

    x, y = tensor([1.0, 2.0]), tensor([3.0, 4.0])
    (gx, gy), aux = func.grad(f, argnums=(0, 1), has_aux=True)(x, y)
    close(gx, [6.0, 16.0])
    close(gy, [1.0, 4.0])
    close(aux["twice"], [2.0, 4.0])
    assert not aux["twice"].requires_grad
    (value, aux), g = func.value_and_grad(f, argnums=-1, has_aux=True)(x, y)
    assert value.item() == 19.0
    close(g, [1.0, 4.0])
    g, (value, aux) = func.grad_and_value(f, has_aux=True)(x, y)
    assert value.item() == 19.0
    close(g, [6.0, 16.0])
    value, g = func.value_and_grad(lambda x: (x * x).sum())(x)
    assert (value.item(), g.tolist()) == (5.0, [2.0, 4.0])


def test_arguments_are_trees() -> None:
    def f(p: Any, scale: float) -> Any:
        return scale * (p["w"][0] * p["w"][1] + p["b"] ** 2).sum()

    p = {"w": [tensor([1.0, 2.0]), tensor([3.0, 4.0])], "b": tensor([5.0, 6.0])}
    g = func.grad(f)(p, scale=2.0)
    assert list(g) == ["w", "b"]
    close(g["w"][0], [6.0, 8.0])
    close(g["w"][1], [2.0, 4.0])
    close(g["b"], [20.0, 24.0])


def test_an_input_that_is_not_used_has_a_gradient_of_zeros() -> None:
    g = func.grad(lambda x, y: x.sum(), argnums=(0, 1))(tensor([1.0]), tensor([2.0, 3.0]))
    assert [t.tolist() for t in g] == [[1.0], [0.0, 0.0]]
    assert func.grad(lambda x: tensor(1.0))(tensor([1.0, 2.0])).tolist() == [0.0, 0.0]


def test_arrays_are_arguments() -> None:
    assert func.grad(lambda x: (x * x).sum())(np.array([1.0, 2.0])).tolist() == [2.0, 4.0]


def test_a_gradient_is_part_of_the_graph_around_it() -> None:
    x = tensor([1.0, 2.0], requires_grad=True)
    g = func.grad(lambda x: (x**3).sum())(x)
    g.sum().backward()
    close(x.grad, [6.0, 12.0])


def test_what_the_function_looks_up_is_part_of_the_graph_around_it() -> None:
    w = tensor([1.0, 2.0], requires_grad=True)
    g = func.grad(lambda x: (w * x**2).sum())(tensor([3.0, 4.0]))
    assert g.requires_grad
    g.sum().backward()
    close(w.grad, [6.0, 8.0])


def test_modes_around_and_inside() -> None:
    x = tensor([1.0, 2.0], requires_grad=True)
    with fg.no_grad():
        g = func.grad(lambda x: (x**2).sum())(x)
    close(g, [2.0, 4.0])
    assert not g.requires_grad

    def held_back(x: Any) -> Any:
        with fg.no_grad():
            constant = x**2
        return (x**2 - constant).sum()

    close(func.grad(held_back)(tensor([1.0, 2.0])), [2.0, 4.0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: func.grad(lambda x: x)(fg.ones(2)), r"grad: expected the function to return a scalar tensor, got shape \(2,\)"),
        (lambda: func.grad(lambda x: 1.0)(fg.ones(2)), "grad: expected the function to return a tensor, got float"),
        (lambda: func.grad(lambda x: x)(fg.tensor([1, 2])), "grad: argument 0: expected a floating-point dtype to differentiate by, got int64"),
        (lambda: func.grad(lambda x: x, argnums=1)(fg.ones(2)), "argnums: expected one of 1 positional arguments, got 1"),
        (lambda: func.grad(lambda x, y: x, argnums=(0, -2))(fg.ones(2), fg.ones(2)), "argnums: expected each argument once"),
        (lambda: func.grad(lambda x: x.sum(), has_aux=True)(fg.ones(2)), r"has_aux: expected the function to return a pair"),
        (lambda: func.vjp(lambda x: [x], fg.ones(2))[1](fg.ones(2)), r"vjp: cotangents: expected the structure \[\*\], got Tensor"),
        (lambda: func.vjp(lambda x: x, fg.ones(2))[1](fg.ones(3)), r"vjp: cotangents: expected shape \(2,\), got \(3,\)"),
        (lambda: func.vjp(lambda x: x, fg.ones(2))[1](fg.ones(2, dtype=f64)), "vjp: cotangents: expected dtype float32, got float64"),
        (lambda: func.jvp(lambda x: x, fg.ones(2), fg.ones(2)), "jvp: primals: expected a tuple that is not empty, got Tensor"),
        (lambda: func.jvp(lambda x: x, (fg.ones(2),), [fg.ones(2)]), "jvp: tangents: expected a tuple, got list"),
        (lambda: func.jvp(lambda x: x, (fg.ones(2),), (fg.ones(3),)), r"jvp: tangents: expected shape \(2,\), got \(3,\)"),
        (lambda: func.jvp(lambda x: fg.ones(2), (fg.ones(2),), (fg.ones(2),), strict=True), "an output does not depend on the primals"),
    ],
)  # fmt: skip
def test_wrong_calls(call: Any, message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        call()


def test_a_number_is_no_argument_to_differentiate_by() -> None:
    with pytest.raises(ValueError, match="grad: argument 0: expected a Tensor, got float"):
        func.grad(lambda x: x)(1.0)


# -- products ---------------------------------------------------------------------------------------------------------


def test_vjp_and_jvp_are_products_with_the_jacobian(rng: np.random.Generator) -> None:
    w, x, u, v = random(rng, 4, 3), random(rng, 3), random(rng, 3), random(rng, 4)

    def f(x: Any) -> Any:
        return fg.tanh(w @ x)

    y = np.tanh(w.numpy() @ x.numpy())
    jacobian = (1 - y**2)[:, None] * w.numpy()
    output, pull = func.vjp(f, x)
    close(output, y)
    close(pull(v), v.numpy() @ jacobian)
    close(pull(2 * v), 2 * v.numpy() @ jacobian)
    output, pushed = func.jvp(f, (x,), (u,))
    close(output, y)
    close(pushed, jacobian @ u.numpy())
    output, push = func.linearize(f, x)
    close(push(u), jacobian @ u.numpy())
    close(push(-u), -jacobian @ u.numpy())
    assert not pushed.requires_grad


def test_vjp_of_trees() -> None:
    def f(x: Any, y: Any) -> Any:
        return {"product": x * y, "sum": [x + y]}

    x, y = tensor([1.0, 2.0]), tensor([3.0, 4.0])
    _, pull = func.vjp(f, x, y)
    gx, gy = pull({"sum": [tensor([1.0, 1.0])], "product": tensor([10.0, 100.0])})
    close(gx, [31.0, 401.0])
    close(gy, [11.0, 201.0])
    (value, pushed), aux = func.jvp(lambda x, y: (f(x, y), "aux"), (x, y), (x, y), has_aux=True)[:2], "aux"
    close(pushed["product"], [6.0, 16.0])
    close(pushed["sum"][0], [4.0, 6.0])
    close(value["product"], [3.0, 8.0])
    assert aux == "aux"


def test_products_nest(rng: np.random.Generator) -> None:
    x, u = random(rng, 3), random(rng, 3)

    def f(x: Any) -> Any:
        return (fg.sin(x) * x[0]).sum()

    # The derivative of uᵀ∇f along u, forward over reverse and reverse over forward.
    _, forward = func.jvp(func.grad(f), (x,), (u,))
    backward = func.grad(lambda x: func.jvp(f, (x,), (u,))[1])(x)
    _, product = func.hvp(f, (x,), (u,))
    h = func.hessian(f)(x)
    close(forward, h.numpy() @ u.numpy())
    close(backward, h.numpy() @ u.numpy())
    close(product, h.numpy() @ u.numpy())


def test_a_jvp_of_a_jvp() -> None:
    def f(x: Any) -> Any:
        return x**4

    one = tensor(1.0)
    second = func.jvp(lambda x: func.jvp(f, (x,), (one,))[1], (tensor(2.0),), (one,))[1]
    assert second.item() == pytest.approx(12 * 4)


def test_a_product_is_linear_in_its_vector_and_says_so_to_the_graph() -> None:
    x, v = tensor([1.0, 2.0]), tensor([1.0, 1.0], requires_grad=True)
    _, pull = func.vjp(lambda x: x**2, x)
    pull(v).sum().backward()
    close(v.grad, [2.0, 4.0])
    u = tensor([1.0, 1.0], requires_grad=True)
    func.jvp(lambda x: x**3, (x,), (u,))[1].sum().backward()
    close(u.grad, [3.0, 12.0])


def test_hvp_with_aux_and_several_arguments() -> None:
    def q(x: Any, y: Any) -> Any:
        return (x**2 * y).sum(), "aux"

    x, y = tensor([1.0, 2.0]), tensor([3.0, 4.0])
    value, (hx, hy), aux = func.hvp(q, (x, y), (tensor([1.0, 0.0]), tensor([0.0, 1.0])), has_aux=True)
    assert (value.item(), aux) == (19.0, "aux")
    close(hx, [2 * 3, 2 * 2])
    close(hy, [2 * 1, 0])


def test_second_order_through_fused_layers(rng: np.random.Generator) -> None:
    """A step along a direction changes the gradient by the Hessian: jvp, hvp and finite differences agree."""
    model = nn.Sequential(nn.Linear(3, 5), nn.Sigmoid(), nn.LayerNorm(5), nn.Linear(5, 4)).double()
    x, t = random(rng, 6, 3), fg.tensor([0, 1, 2, 3, 0, 1])
    weights = {k: p.detach() for k, p in model.named_parameters()}
    directions = {k: random(rng, *p.shape) for k, p in weights.items()}

    def loss(p: Any) -> Any:
        return F.cross_entropy(func.functional_call(model, p, x), t)

    _, by_hvp = func.hvp(loss, (weights,), (directions,))
    _, by_jvp = func.jvp(func.grad(loss), (weights,), (directions,))
    h = 1e-6
    plus = func.grad(loss)({k: p + h * directions[k] for k, p in weights.items()})
    minus = func.grad(loss)({k: p - h * directions[k] for k, p in weights.items()})
    for k in weights:
        close(by_hvp[k], ((plus[k] - minus[k]) / (2 * h)).numpy(), atol=1e-8)
        close(by_jvp[k], by_hvp[k].numpy(), atol=1e-12)


# -- Jacobians --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jacobian", [func.jacrev, func.jacfwd, func.jacobian])
def test_jacobians(jacobian: Any, rng: np.random.Generator) -> None:
    a, x = random(rng, 2, 3), random(rng, 3, 2)
    found = jacobian(lambda x: a @ x)(x)
    expected = np.einsum("ik,jl->ijkl", a.numpy(), np.eye(2))
    close(found, expected)
    assert not found.requires_grad


@pytest.mark.parametrize("jacobian", [func.jacrev, func.jacfwd])
def test_jacobians_of_trees_with_aux(jacobian: Any) -> None:
    def f(p: Any, c: Any) -> Any:
        return {"a": p[0] * p[1], "b": p[0].sum()}, c

    p = (tensor([1.0, 2.0]), tensor([3.0, 4.0]))
    found, aux = jacobian(f, has_aux=True)(p, 7)
    close(found["a"][0], np.diag([3.0, 4.0]))
    close(found["a"][1], np.diag([1.0, 2.0]))
    close(found["b"][0], [1.0, 1.0])
    close(found["b"][1], [0.0, 0.0])
    assert aux == 7
    both = jacobian(lambda x, y: x * y, argnums=(0, 1))(*p)
    close(both[1], np.diag([1.0, 2.0]))


def test_hessians() -> None:
    x, y = tensor([1.0, 2.0]), tensor([3.0])
    h = func.hessian(lambda x, y: (x**3).sum() * y.sum(), argnums=(0, 1))(x, y)
    close(h[0][0], np.diag([18.0, 36.0]))
    close(h[0][1], [[3.0], [12.0]])
    close(h[1][0], [[3.0, 12.0]])
    close(h[1][1], [[0.0]])
    mixed = func.jacfwd(func.jacrev(lambda x: (x**3).sum()))(x)
    close(mixed, np.diag([6.0, 12.0]))
    close(func.jacrev(func.jacfwd(lambda x: (x**3).sum()))(x), np.diag([6.0, 12.0]))


def test_jacobians_without_elements() -> None:
    assert func.jacrev(lambda x: x[:0])(tensor([1.0, 2.0])).shape == (0, 2)
    assert func.jacfwd(lambda x: x)(fg.zeros(0)).shape == (0, 0)


# -- modules ----------------------------------------------------------------------------------------------------------


def test_a_module_as_a_function_of_its_parameters() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    before = dict(model.named_parameters())
    x = fg.randn(4, 2)
    other = {k: (2 * p).detach() for k, p in before.items()}
    found = func.functional_call(model, other, (x,))
    assert dict(model.named_parameters()) == before
    model.load_state_dict(other)
    assert found.tolist() == model(x).tolist()


def test_gradients_by_the_parameters_of_a_module() -> None:
    model = nn.Linear(2, 1)
    x = fg.tensor([[1.0, 2.0], [3.0, 4.0]])
    grads = func.grad(lambda p: func.functional_call(model, p, x).sum())(dict(model.named_parameters()))
    assert grads["weight"].tolist() == [[4.0, 6.0]]
    assert grads["bias"].tolist() == [2.0]
    assert model.weight.grad is None


def test_buffers_and_several_dicts() -> None:
    model = nn.BatchNorm1d(2)
    buffers = {k: b.clone() for k, b in model.named_buffers()}
    func.functional_call(model, [dict(model.named_parameters()), buffers], fg.tensor([[1.0, 2.0], [3.0, 6.0]]))
    assert model.running_mean.tolist() == [0.0, 0.0]
    np.testing.assert_allclose(buffers["running_mean"].numpy(), [0.2, 0.4], rtol=1e-6)
    assert buffers["num_batches_tracked"].item() == 1


def test_tied_weights() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(2, 2, bias=False)
            self.b = nn.Linear(2, 2, bias=False)
            self.b.weight = self.a.weight

        def forward(self, x: Any) -> Any:
            return self.b(self.a(x))

    model, x, w = Tied(), fg.tensor([1.0, 1.0]), fg.tensor([[2.0, 0.0], [0.0, 3.0]])
    assert func.functional_call(model, {"a.weight": w}, x).tolist() == [4.0, 9.0]
    once = func.functional_call(model, {"a.weight": w, "b.weight": fg.eye(2)}, x, tie_weights=False)
    assert once.tolist() == [2.0, 3.0]
    with pytest.raises(ValueError, match="'b.weight' shares its tensor with another name that is given another value"):
        func.functional_call(model, {"a.weight": w, "b.weight": fg.eye(2)}, x)
    assert model.a.weight is model.b.weight


def test_wrong_functional_calls() -> None:
    model, x = nn.Linear(2, 1), fg.ones(2)
    weight = fg.ones(1, 2)
    with pytest.raises(RuntimeError, match=r"missing keys \['bias'\], unexpected keys \['wieght'\]"):
        func.functional_call(model, {"weight": weight, "wieght": weight}, x, strict=True)
    with pytest.raises(ValueError, match="'weight' stands in several dicts"):
        func.functional_call(model, ({"weight": weight}, {"weight": weight}), x)
    with pytest.raises(ValueError, match="expected a dict or a sequence of dicts, got Tensor"):
        func.functional_call(model, weight, x)
    with pytest.raises(TypeError, match="'weight': expected a Tensor, got int"):
        func.functional_call(model, {"weight": 1}, x)
    before = model.weight
    with pytest.raises(fg.ShapeError):
        func.functional_call(model, {"weight": fg.ones(1, 3)}, x)
    assert model.weight is before


# -- vmap -------------------------------------------------------------------------------------------------------------


def test_vmap_is_the_loop(rng: np.random.Generator) -> None:
    a, b = random(rng, 5, 3), random(rng, 3, 5)
    found = func.vmap(lambda x, y: fg.dot(x, y), in_dims=(0, 1))(a, b)
    close(found, np.einsum("ij,ji->i", a.numpy(), b.numpy()))
    shared = func.vmap(lambda x, y: x + y, in_dims=(0, None), out_dims=-1)(a, b[:, 0])
    close(shared, (a.numpy() + b.numpy()[:, 0]).T)
    trees = func.vmap(lambda p: {"twice": 2 * p["x"], "sum": p["x"].sum()}, in_dims=({"x": 0, "c": None},))(
        {"x": a, "c": 1}
    )
    close(trees["twice"], 2 * a.numpy())
    close(trees["sum"], a.numpy().sum(1))
    nested = func.vmap(func.vmap(lambda x: x * x))(a)
    close(nested, a.numpy() ** 2)


def test_gradients_of_each_sample() -> None:
    model = nn.Linear(2, 1)
    x = fg.tensor([[1.0, 2.0], [3.0, 4.0]])
    p = {k: v.detach() for k, v in model.named_parameters()}
    each = func.vmap(func.grad(lambda p, x: func.functional_call(model, p, x).sum()), in_dims=(None, 0))(p, x)
    assert each["weight"].tolist() == [[[1.0, 2.0]], [[3.0, 4.0]]]


def test_gradients_flow_through_vmap() -> None:
    x = tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    func.vmap(lambda row: (row**2).sum())(x).sum().backward()
    close(x.grad, [[2.0, 4.0], [6.0, 8.0]])


def test_randomness_under_vmap() -> None:
    x = fg.zeros(3, 4)

    def draw(row: Any) -> Any:
        return row + fg.rand(4)

    with pytest.raises(RuntimeError, match="vmap: the function draws random numbers; say randomness='different'"):
        func.vmap(draw)(x)
    same = func.vmap(draw, randomness="same")(x).numpy()
    different = func.vmap(draw, randomness="different")(x).numpy()
    assert (same == same[0]).all()
    assert not (different == different[0]).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: func.vmap(lambda x, y: x)(fg.ones(2), fg.ones(3)), r"expected slices of one number in every argument, got \[2, 3\]"),
        (lambda: func.vmap(lambda x: x, in_dims=None)(fg.ones(2)), "expected a dimension to slice along"),
        (lambda: func.vmap(lambda x: x, in_dims=1)(fg.ones(2)), r"dimension 1 is none of a tensor of shape \(2,\)"),
        (lambda: func.vmap(lambda x: x, in_dims=(0, 0))(fg.ones(2)), "in_dims: expected a number, None, or one for each part"),
        (lambda: func.vmap(lambda x: x)(1), "in_dims: 0 was given for a int; expected None there"),
        (lambda: func.vmap(lambda x: 1)(fg.ones(2)), "expected the function to return tensors, got int"),
        (lambda: func.vmap(lambda x: x, out_dims=None)(fg.ones(2)), "out_dims: expected a dimension for each result"),
    ],
)  # fmt: skip
def test_wrong_vmaps(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
