"""Optimizers against PyTorch's golden curves; state dicts; hooks; wrong options."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from golden import golden
from golden.cases import OPTIMIZERS, STEPS

import ferrograd as fg
from ferrograd import nn, optim


class Problem:
    """The least squares of the golden curves."""

    def __init__(self, key, dtype=np.float32):
        self.arrays = golden("optimizers")[key]
        self.x, self.y = (fg.tensor(self.arrays[k].astype(dtype)) for k in "xy")
        self.w, self.b = (nn.Parameter(fg.tensor(self.arrays[k].astype(dtype))) for k in "wb")
        name, options = OPTIMIZERS[key]
        self.optimizer = getattr(optim, name)([self.w, self.b], **options)

    def step(self):
        self.optimizer.zero_grad()
        objective = nn.functional.mse_loss(nn.functional.linear(self.x, self.w, self.b), self.y)
        objective.backward()
        self.optimizer.step()
        return objective.item()


@pytest.mark.parametrize("key", OPTIMIZERS)
def test_curve_is_pytorchs(key):
    """In float64 the same numbers; in float32 a curve at most twice as far from them as PyTorch's."""
    for dtype in (np.float64, np.float32):
        problem = Problem(key, dtype)
        curve = [problem.step() for _ in range(STEPS)]
        ours = {"curve": np.array(curve), "w_end": problem.w.detach().numpy(), "b_end": problem.b.detach().numpy()}
        for name, got in ours.items():
            exact, single = problem.arrays[f"exact/{name}"], problem.arrays[name]
            scale = np.abs(exact).max()
            # Where parameters end, near the minimum, rounding alone decides the last steps.
            extra = 1e-6 if name == "curve" else 2e-5
            allowed = 1e-10 * scale if dtype == np.float64 else 2 * np.abs(single - exact).max() + extra * scale
            assert np.abs(got - exact).max() <= allowed, (name, dtype)


@pytest.mark.parametrize("way", ["state_dict", "deepcopy", "pickle", "file"])
@pytest.mark.parametrize("key", OPTIMIZERS)
def test_a_run_goes_on_where_it_stopped(key, way, tmp_path):
    whole = Problem(key)
    for _ in range(5):
        whole.step()
    if way in ("deepcopy", "pickle"):
        resumed = copy.deepcopy(whole) if way == "deepcopy" else pickle.loads(pickle.dumps(whole))
        assert resumed.optimizer.param_groups[0]["params"][0] is resumed.w
    else:
        resumed = Problem(key)
        with fg.no_grad():
            resumed.w.copy_(whole.w)
            resumed.b.copy_(whole.b)
        state = whole.optimizer.state_dict()
        if way == "file":
            fg.save(state, tmp_path / "state.safetensors")
            state = fg.load(tmp_path / "state.safetensors")
        resumed.optimizer = type(whole.optimizer)([resumed.w, resumed.b], lr=123.0)
        resumed.optimizer.load_state_dict(state)
    for _ in range(5):
        whole.step()
        resumed.step()
    np.testing.assert_array_equal(resumed.w.detach().numpy(), whole.w.detach().numpy())
    np.testing.assert_array_equal(resumed.b.detach().numpy(), whole.b.detach().numpy())


def parameters(*sizes):
    return [nn.Parameter(fg.ones(n)) for n in sizes]


def with_grads(params, value=1.0):
    for p in params:
        p.grad = fg.full(p.shape, value)
    return params


def test_state_dict_has_pytorchs_form():
    a, b, c = with_grads(parameters(2, 3, 4))
    c.grad = None
    adam = optim.AdamW([{"params": [b]}, {"params": [a, c], "lr": 0.5}], lr=0.1, amsgrad=True)
    adam.step()
    state = adam.state_dict()
    assert list(state) == ["state", "param_groups"]
    assert [g["params"] for g in state["param_groups"]] == [[0], [1, 2]]
    assert [g["lr"] for g in state["param_groups"]] == [0.1, 0.5]
    assert list(state["state"]) == [0, 1], "no state without a gradient"
    assert list(state["state"][0]) == ["step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"]
    assert state["state"][0]["step"].item() == 1.0
    assert state["state"][1]["exp_avg"].shape == (2,)
    sgd = optim.SGD(with_grads([a, b]), momentum=0.9)
    sgd.step()
    assert {k: list(v) for k, v in sgd.state_dict()["state"].items()} == {
        0: ["momentum_buffer"],
        1: ["momentum_buffer"],
    }
    plain = optim.SGD(with_grads([a]))
    plain.step()
    assert plain.state_dict()["state"] == {}


def test_state_keys_are_pytorchs():
    for make, keys in [
        (lambda p: optim.Adagrad(p), ["step", "sum"]),
        (lambda p: optim.Adadelta(p), ["step", "square_avg", "acc_delta"]),
        (lambda p: optim.RMSprop(p), ["step", "square_avg"]),
        (
            lambda p: optim.RMSprop(p, momentum=0.9, centered=True),
            ["step", "square_avg", "momentum_buffer", "grad_avg"],
        ),
        (lambda p: optim.Adamax(p), ["step", "exp_avg", "exp_inf"]),
        (lambda p: optim.NAdam(p), ["step", "mu_product", "exp_avg", "exp_avg_sq"]),
        (lambda p: optim.RAdam(p), ["step", "exp_avg", "exp_avg_sq"]),
    ]:
        optimizer = make(with_grads(parameters(2)))
        optimizer.step()
        state = optimizer.state_dict()["state"][0]
        assert sorted(state) == sorted(keys)
        assert all(isinstance(value, fg.Tensor) for value in state.values())
        assert state["step"].item() == 1.0
        assert state["step"].dtype == fg.float32


def test_adagrad_has_its_state_from_the_start():
    adagrad = optim.Adagrad(parameters(2), initial_accumulator_value=0.5)
    assert adagrad.state_dict()["state"][0]["sum"].tolist() == [0.5, 0.5]


def test_a_gradient_that_never_changes_has_no_variance():
    (a,) = parameters(8)
    rmsprop = optim.RMSprop([a], alpha=0.5, eps=1e-2, centered=True)
    a.grad = fg.full((8,), 0.1)
    for _ in range(200):
        rmsprop.step()
    assert np.isfinite(a.detach().numpy()).all(), "rounding took m² above v"


def test_hooks_run_around_steps_and_states():
    (a,) = with_grads(parameters(1))
    sgd, seen = optim.SGD([a], lr=0.5), []
    handles = [
        sgd.register_step_pre_hook(lambda o, args, kwargs: seen.append(("pre", a.item()))),
        sgd.register_step_post_hook(lambda o, args, kwargs: seen.append(("post", a.item()))),
    ]
    sgd.step()
    assert seen == [("pre", 1.0), ("post", 0.5)]
    for handle in handles:
        handle.remove()
    sgd.step()
    assert len(seen) == 2
    sgd.register_step_pre_hook(lambda o, args, kwargs: ((lambda: 7.0,), kwargs))
    assert sgd.step() == 7.0, "a hook may change the arguments"
    with (
        sgd.register_step_pre_hook(lambda o, args, kwargs: 3),
        pytest.raises(RuntimeError, match="expected None or a tuple"),
    ):
        sgd.step()
    order = []
    sgd.register_state_dict_pre_hook(lambda o: order.append("second"))
    sgd.register_state_dict_pre_hook(lambda o: order.append("first"), prepend=True)
    sgd.register_state_dict_post_hook(lambda o, state: {**state, "more": 1})
    state = sgd.state_dict()
    assert order == ["first", "second"]
    assert state["more"] == 1
    sgd.register_load_state_dict_pre_hook(
        lambda o, state: {**state, "param_groups": [{**state["param_groups"][0], "lr": 9.0}]}
    )
    sgd.register_load_state_dict_post_hook(lambda o: order.append(o.param_groups[0]["lr"]))
    sgd.load_state_dict(state)
    assert order[-1] == 9.0
    copied = copy.deepcopy(sgd)
    assert "more" not in copied.state_dict(), "hooks stay behind"


def test_an_own_optimizer_that_is_written_for_pytorch():
    from ferrograd.optim.optimizer import Optimizer, required

    class Slow(Optimizer):
        def __init__(self, params, lr=required, slowness=2.0):
            super().__init__(params, {"lr": lr, "slowness": slowness})

        @fg.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    state = self.state[p]
                    if len(state) == 0:
                        state["step"] = 0
                    state["step"] += 1
                    p.add_(p.grad, alpha=-group["lr"] / group["slowness"])

    (a,) = with_grads(parameters(1))
    slow, seen = Slow([a], lr=0.5), []
    slow.register_step_post_hook(lambda *_: seen.append(1))
    slow.step()
    assert (a.item(), slow.state[a]["step"], seen) == (0.75, 1, [1])
    with pytest.raises(ValueError, match="expected the required option 'lr', got none"):
        Slow([a])


def test_groups_have_options_of_their_own():
    a, b = with_grads(parameters(1, 1))
    sgd = optim.SGD([{"params": a, "lr": 0.5}, {"params": [b]}], lr=0.25)
    sgd.step()
    assert (a.item(), b.item()) == (0.5, 0.75)
    (c,) = with_grads(parameters(1))
    sgd.add_param_group({"params": c, "lr": 1.0})
    sgd.step()
    assert (a.item(), b.item(), c.item()) == (0.0, 0.5, 0.0)
    sgd.param_groups[1]["lr"] = 0.5
    sgd.step()
    assert b.item() == 0.0, "a learning rate may change between steps"


def test_the_learning_rate_may_be_a_tensor():
    (a,) = with_grads(parameters(1))
    lr = fg.tensor(0.5)
    sgd = optim.SGD([a], lr=lr)
    sgd.step()
    lr.copy_(fg.tensor(0.25))
    sgd.step()
    assert a.item() == 0.25


def test_a_parameter_that_joins_later_has_steps_of_its_own():
    a, b = parameters(1, 1)
    c, d = parameters(1, 1)
    together, apart = optim.Adam([a, b], lr=0.1), optim.Adam([c], lr=0.1)
    for p in (a, c):
        p.grad = fg.ones(1)
    for _ in range(3):
        together.step()
        apart.step()
    with_grads([b])
    together.step()
    fresh = optim.Adam(with_grads([d]), lr=0.1)
    fresh.step()
    assert b.item() == d.item(), "its first step is corrected as a first step"
    apart.step()
    assert a.item() == c.item()


def test_named_parameters_are_taken():
    sgd = optim.SGD(nn.Linear(2, 1).named_parameters())
    assert sgd.param_groups[0]["param_names"] == ["weight", "bias"]


def test_closure():
    (a,) = parameters(1)
    sgd = optim.SGD([a], lr=0.1)

    def closure():
        sgd.zero_grad()
        loss = (a * a).sum()
        loss.backward()
        return loss

    with fg.no_grad():
        assert sgd.step(closure).item() == 1.0
    assert a.item() == pytest.approx(0.8)


def test_zero_grad():
    (a,) = with_grads(parameters(2))
    sgd = optim.SGD([a])
    sgd.zero_grad(set_to_none=False)
    assert a.grad.tolist() == [0.0, 0.0]
    sgd.zero_grad()
    assert a.grad is None
    sgd.step()
    assert a.tolist() == [1.0, 1.0]


def test_a_step_is_no_part_of_a_graph_but_seen_by_it():
    (a,) = with_grads(parameters(2))
    y = (a * a).sum()
    optim.SGD([a]).step()
    assert a.is_leaf
    assert a.requires_grad
    with pytest.raises(RuntimeError, match="changed by an in-place operation"):
        y.backward()


def test_both_dtypes_in_one_group():
    a, b = parameters(2)[0], nn.Parameter(fg.ones(2, dtype=fg.float64))
    a.grad, b.grad = fg.ones(2), fg.ones(2, dtype=fg.float64)
    adam = optim.Adam([a, b], lr=0.5)
    adam.step()
    assert a.dtype == fg.float32
    assert adam.state[b]["exp_avg"].dtype == fg.float64
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-6)


ERRORS = [
    (lambda p: optim.SGD(p, lr=-1.0), ValueError, "SGD: lr: invalid value -1.0: expected a number of at least 0"),
    (lambda p: optim.SGD(p, lr=float("nan")), ValueError, "SGD: lr: invalid value nan"),
    (lambda p: optim.SGD(p, lr="fast"), TypeError, "SGD: lr: expected a number, got str"),
    (lambda p: optim.SGD(p, momentum=-0.1), ValueError, "SGD: momentum: invalid value -0.1"),
    (lambda p: optim.SGD(p, weight_decay=-0.1), ValueError, "SGD: weight_decay: invalid value -0.1"),
    (lambda p: optim.SGD(p, nesterov=True), ValueError, "SGD: nesterov: expected a momentum above 0"),
    (lambda p: optim.SGD(p, nesterov=True, momentum=0.9, dampening=0.1), ValueError, "and no dampening"),
    (lambda p: optim.SGD(p, differentiable=True), ValueError, "SGD: differentiable: expected False"),
    (lambda p: optim.Adam(p, lr=-1.0), ValueError, "Adam: lr: invalid value -1.0"),
    (lambda p: optim.Adam(p, eps=-1e-8), ValueError, "Adam: eps: invalid value -1e-08"),
    (lambda p: optim.Adam(p, betas=(1.0, 0.9)), ValueError, "Adam: betas: invalid value 1.0 at 0"),
    (lambda p: optim.AdamW(p, betas=(0.9, -0.1)), ValueError, "AdamW: betas: invalid value -0.1 at 1"),
    (lambda p: optim.Adam(p, betas=(0.9,)), ValueError, "betas: expected two numbers"),
    (lambda p: optim.AdamW(p, weight_decay=-1.0), ValueError, "AdamW: weight_decay: invalid value -1.0"),
    (lambda p: optim.SGD(p, lr=fg.ones(2)), ValueError, r"SGD: lr: expected a Tensor of one element, got shape \(2,\)"),
    (lambda p: optim.Adagrad(p, lr_decay=-1.0), ValueError, "Adagrad: lr_decay: invalid value -1.0"),
    (
        lambda p: optim.Adagrad(p, initial_accumulator_value=-1.0),
        ValueError,
        "initial_accumulator_value: invalid value",
    ),
    (lambda p: optim.Adagrad(p, differentiable=True), ValueError, "Adagrad: differentiable: expected False"),
    (
        lambda p: optim.Adadelta(p, rho=1.5),
        ValueError,
        "Adadelta: rho: invalid value 1.5: expected a number from 0 to 1",
    ),
    (lambda p: optim.Adadelta(p, eps=-1.0), ValueError, "Adadelta: eps: invalid value -1.0"),
    (lambda p: optim.RMSprop(p, alpha=-0.1), ValueError, "RMSprop: alpha: invalid value -0.1"),
    (lambda p: optim.RMSprop(p, momentum=-0.1), ValueError, "RMSprop: momentum: invalid value -0.1"),
    (lambda p: optim.Adamax(p, betas=(0.9, 1.0)), ValueError, "Adamax: betas: invalid value 1.0 at 1"),
    (lambda p: optim.NAdam(p, momentum_decay=-1.0), ValueError, "NAdam: momentum_decay: invalid value -1.0"),
    (lambda p: optim.NAdam(p, betas=(-0.1, 0.9)), ValueError, "NAdam: betas: invalid value -0.1 at 0"),
    (lambda p: optim.RAdam(p, weight_decay=-1.0), ValueError, "RAdam: weight_decay: invalid value -1.0"),
    (lambda p: optim.SGD([]), ValueError, "empty parameter list"),
    (lambda p: optim.SGD(p[0]), TypeError, "got a single Parameter"),
    (lambda p: optim.SGD({"params": p}), TypeError, "got a single dict"),
    (lambda p: optim.SGD([3.0]), TypeError, "can only optimize Tensors, but one of them is float"),
    (lambda p: optim.SGD([p[0] * 2.0]), ValueError, "can't optimize a non-leaf Tensor"),
    (lambda p: optim.SGD([p[0], p[0]]), ValueError, "appear more than once in one group"),
    (lambda p: optim.SGD([{"params": p}, {"params": p}]), ValueError, "appear in more than one parameter group"),
    (lambda p: optim.SGD([{"params": set(p)}]), TypeError, "an order that is always the same, got a set"),
    (lambda p: optim.SGD(p).add_param_group(p), TypeError, "param_group: expected a dict, got list"),
    (lambda p: optim.SGD([{"params": p, "lr": -1.0}]), ValueError, "lr: invalid value -1.0"),
]


@pytest.mark.parametrize(("call", "error", "match"), ERRORS, ids=[m for _, _, m in ERRORS])
def test_wrong_options(call, error, match):
    with pytest.raises(error, match=match):
        call(parameters(2))


def test_a_state_dict_that_does_not_fit():
    one, two = optim.SGD(parameters(1)), optim.SGD(parameters(1, 2))
    with pytest.raises(ValueError, match=r"param_groups\[0\]: expected 1 parameters, got 2"):
        one.load_state_dict(two.state_dict())
    three = optim.SGD([{"params": parameters(1)}, {"params": parameters(1)}])
    with pytest.raises(ValueError, match="param_groups: expected 1 groups, got 2"):
        one.load_state_dict(three.state_dict())


def test_repr():
    assert repr(optim.SGD(parameters(1), lr=0.5)) == (
        "SGD (\nParameter Group 0\n    dampening: 0\n    lr: 0.5\n    maximize: False\n    momentum: 0\n"
        "    nesterov: False\n    weight_decay: 0\n)"
    )


def test_live_state_dicts_move_both_ways():
    torch = pytest.importorskip("torch")
    for key, (name, options) in OPTIMIZERS.items():
        ours = Problem(key)
        w, b = (torch.tensor(ours.arrays[k], requires_grad=True) for k in "wb")
        theirs = getattr(torch.optim, name)([w, b], **options)
        x, y = (torch.tensor(ours.arrays[k]) for k in "xy")
        for _ in range(3):
            ours.step()
        with torch.no_grad():
            w.copy_(torch.tensor(ours.w.detach().numpy()))
            b.copy_(torch.tensor(ours.b.detach().numpy()))
        state = ours.optimizer.state_dict()
        state["state"] = {
            k: {n: torch.tensor(v.numpy()) for n, v in values.items()} for k, values in state["state"].items()
        }
        theirs.load_state_dict(state)
        back = Problem(key)
        for _ in range(3):
            ours.step()
            theirs.zero_grad()
            ((x @ w.T + b - y) ** 2).mean().backward()
            theirs.step()
        np.testing.assert_allclose(ours.w.detach().numpy(), w.detach().numpy(), rtol=1e-5, atol=1e-6, err_msg=key)
        with fg.no_grad():
            back.w.copy_(fg.tensor(w.detach().numpy()))
            back.b.copy_(fg.tensor(b.detach().numpy()))
        back.optimizer.load_state_dict(theirs.state_dict())
        ours.step()
        back.step()
        np.testing.assert_allclose(back.w.detach().numpy(), ours.w.detach().numpy(), rtol=1e-5, atol=1e-6, err_msg=key)
