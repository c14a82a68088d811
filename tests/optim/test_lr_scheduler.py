"""Schedules against PyTorch's golden curves; saving and resuming; order of steps; wrong arguments."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest
from golden import golden
from golden.schedules import SCHEDULES, STEPS, advance, settings

import ferrograd as fg
from ferrograd import nn, optim
from ferrograd.optim import lr_scheduler

every_schedule = pytest.mark.parametrize("key", SCHEDULES)


def two_groups(optimizer=optim.SGD, **options):
    p, q = nn.Parameter(fg.zeros(1)), nn.Parameter(fg.zeros(1))
    options = {"lr": 0.1, "momentum": 0.9} if optimizer is optim.SGD else {"lr": 0.1, **options}
    return optimizer([{"params": [p]}, {"params": [q], "lr": 0.02}], **options)


def run(optimizer, schedule, steps):
    curve = []
    for k in steps:
        optimizer.step()
        advance(schedule, k)
        curve.append(settings(optimizer))
    return np.array(curve)


@every_schedule
def test_curve_is_pytorchs(key):
    optimizer = two_groups()
    schedule = SCHEDULES[key](lr_scheduler, optimizer)
    first = settings(optimizer)
    curve = np.vstack([[first], run(optimizer, schedule, range(STEPS))])
    np.testing.assert_allclose(curve, golden("schedules")[key]["curve"], rtol=1e-12, atol=1e-15)
    assert schedule.get_last_lr() == [group["lr"] for group in optimizer.param_groups]


@every_schedule
def test_state_keys_are_pytorchs(key):
    schedule = SCHEDULES[key](lr_scheduler, two_groups())
    assert sorted(schedule.state_dict()) == list(golden("schedules")[key]["keys"])


@pytest.mark.parametrize("way", ["state_dict", "deepcopy"])
@every_schedule
def test_a_run_goes_on_where_it_stopped(key, way):
    optimizer = two_groups()
    schedule = SCHEDULES[key](lr_scheduler, optimizer)
    run(optimizer, schedule, range(37))
    if way == "deepcopy":
        again, resumed = copy.deepcopy((optimizer, schedule))
    else:
        again = two_groups()
        resumed = SCHEDULES[key](lr_scheduler, again)
        resumed.load_state_dict(copy.deepcopy(schedule.state_dict()))
        again.load_state_dict(optimizer.state_dict())
    np.testing.assert_array_equal(run(again, resumed, range(37, 80)), run(optimizer, schedule, range(37, 80)))


def test_a_schedule_begins_at_last_epoch():
    optimizer = two_groups()
    with pytest.raises(KeyError, match=r"'initial_lr' in param_groups\[0\]"):
        lr_scheduler.StepLR(optimizer, 3, last_epoch=5)
    whole = lr_scheduler.CosineAnnealingLR(optimizer, 30)
    run(optimizer, whole, range(12))
    want = whole.get_last_lr()
    again = lr_scheduler.CosineAnnealingLR(optimizer, 30, last_epoch=11)
    assert again.last_epoch == 12
    np.testing.assert_allclose(again.get_last_lr(), want)


def test_the_closed_form_for_an_epoch():
    for make in (
        lambda o: lr_scheduler.StepLR(o, 4),
        lambda o: lr_scheduler.MultiStepLR(o, [3, 9]),
        lambda o: lr_scheduler.ConstantLR(o, 0.5, 7),
        lambda o: lr_scheduler.LinearLR(o, 0.5, 1.0, 9),
        lambda o: lr_scheduler.ExponentialLR(o, 0.9),
        lambda o: lr_scheduler.PolynomialLR(o, 20, 1.5),
        lambda o: lr_scheduler.CosineAnnealingLR(o, 15, 0.01),
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 4, 2),
    ):
        optimizer, other = two_groups(), two_groups()
        stepped, told = make(optimizer), make(other)
        for epoch in range(1, 14):
            optimizer.step()
            other.step()
            stepped.step()
            if isinstance(told, lr_scheduler.CosineAnnealingWarmRestarts):
                told.step(epoch)
            else:
                with pytest.warns(UserWarning, match="step: epoch"):
                    told.step(epoch)
            np.testing.assert_allclose(told.get_last_lr(), stepped.get_last_lr(), rtol=1e-12)


def test_warm_restarts_take_fractions():
    optimizer = two_groups()
    schedule = lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 4)
    schedule.step(2.5)
    assert schedule.get_last_lr()[0] == pytest.approx(0.1 * (1 + np.cos(np.pi * 2.5 / 4)) / 2)
    with pytest.raises(ValueError, match="epoch: expected a number of at least 0, got -1"):
        schedule.step(-1)


def test_beta_cycles_where_there_is_no_momentum():
    for make in (
        lambda o: lr_scheduler.OneCycleLR(o, 0.5, total_steps=20),
        lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, 5, base_momentum=0.85, max_momentum=0.95),
    ):
        adam = two_groups(optim.Adam)
        schedule = make(adam)
        assert adam.param_groups[1]["betas"] == (0.95, 0.999)
        for _ in range(5):
            adam.step()
            schedule.step()
        assert adam.param_groups[0]["betas"][0] < 0.9
    with pytest.raises(ValueError, match="cycle_momentum: expected an optimizer with momentum or betas, got Adagrad"):
        lr_scheduler.CyclicLR(two_groups(optim.Adagrad), 0.01, 0.1)


def test_a_learning_rate_that_is_a_tensor_stays_the_same_one():
    rate = fg.tensor(0.5, dtype=fg.float64)
    optimizer = optim.SGD([nn.Parameter(fg.ones(1))], lr=rate)
    schedule = lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    schedule.step()
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == 0.25
    (last,) = schedule.get_last_lr()
    assert last is not rate
    assert last.item() == 0.25


def test_the_order_of_steps_is_watched():
    optimizer = two_groups()
    optimizer.step()
    schedule = lr_scheduler.StepLR(optimizer, 3)
    with pytest.warns(UserWarning, match=r"`lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        schedule.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schedule.step()
        for kind in (optim.SGD, optim.Adam):
            other = two_groups(kind)
            right = lr_scheduler.StepLR(other, 3)
            other.step()
            right.step()

        class Own(optim.Optimizer):
            def step(self, closure=None):
                return None

        own = Own([nn.Parameter(fg.ones(1))], {"lr": 1.0})
        right = lr_scheduler.StepLR(own, 1)
        own.step()
        right.step()
    with pytest.warns(UserWarning, match="get_last_lr"):
        schedule.get_lr()


def test_an_own_schedule():
    class Halving(lr_scheduler.LRScheduler):
        def get_lr(self):
            return [base * 0.5**self.last_epoch for base in self.base_lrs]

    optimizer = two_groups()
    schedule = Halving(optimizer)
    optimizer.step()
    schedule.step()
    assert schedule.get_last_lr() == [0.05, 0.01]
    with pytest.raises(NotImplementedError, match="LRScheduler: get_lr"):
        lr_scheduler.LRScheduler(optimizer)


def test_callable_objects_are_saved():
    class Decay:
        def __init__(self, factor):
            self.factor = factor

        def __call__(self, epoch):
            return self.factor**epoch

    for make in (
        lambda o, f: lr_scheduler.LambdaLR(o, [f, f]),
        lambda o, f: lr_scheduler.CyclicLR(o, 0.01, 0.1, 5, scale_fn=f),
    ):
        mine, other = Decay(0.5), Decay(0.9)
        state = make(two_groups(), mine).state_dict()
        make(two_groups(), other).load_state_dict(state)
        assert other.factor == 0.5
    plain = lr_scheduler.LambdaLR(two_groups(), lambda epoch: 0.5)
    assert plain.state_dict()["lr_lambdas"] == [None, None]


def test_plateau_after_a_group_was_added():
    optimizer = two_groups()
    schedule = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, min_lr=0.05)
    listed = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, min_lr=[0.01, 0.01])
    optimizer.add_param_group({"params": [nn.Parameter(fg.ones(1))]})
    for _ in range(2):
        schedule.step(fg.tensor(1.0))
    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.02, 0.05]
    listed.step(1.0)
    with pytest.raises(RuntimeError, match="min_lrs: expected 3 values, one a parameter group, got 2"):
        listed.step(float("nan"))


ERRORS = [
    (lambda o: lr_scheduler.StepLR(3, 1), TypeError, "optimizer: expected an Optimizer, got int"),
    (lambda o: lr_scheduler.LambdaLR(o, [abs]), ValueError, "LambdaLR: lr_lambda: expected 2 values, one a parameter group"),
    (lambda o: lr_scheduler.MultiplicativeLR(o, 0.5), TypeError, "lr_lambda: expected a function, got float"),
    (lambda o: lr_scheduler.ConstantLR(o, 1.5), ValueError, "ConstantLR: factor: expected a number between 0 and 1"),
    (lambda o: lr_scheduler.LinearLR(o, 0.0), ValueError, "LinearLR: start_factor: expected a number above 0"),
    (lambda o: lr_scheduler.LinearLR(o, 0.5, -1.0), ValueError, "end_factor: expected a number between 0 and 1"),
    (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 0), ValueError, "T_0: expected a positive integer, got 0"),
    (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 2, 0), ValueError, "T_mult: expected an integer of at least 1"),
    (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 2, 1, "0"), ValueError, "eta_min: expected a number"),
    (lambda o: lr_scheduler.CyclicLR(o, 0.1, 1.0, mode="square"), ValueError, "mode: expected 'triangular'"),
    (lambda o: lr_scheduler.CyclicLR(o, [0.1], 1.0), ValueError, "base_lr: expected 2 values"),
    (lambda o: lr_scheduler.OneCycleLR(o, 0.1), ValueError, "total_steps: expected it, or epochs and steps_per_epoch"),
    (lambda o: lr_scheduler.OneCycleLR(o, 0.1, 0), ValueError, "total_steps: expected a positive integer, got 0"),
    (lambda o: lr_scheduler.OneCycleLR(o, 0.1, None, 2, 1.5), ValueError, "steps_per_epoch: expected a positive integer"),
    (lambda o: lr_scheduler.OneCycleLR(o, 0.1, 9, pct_start=2.0), ValueError, "pct_start: expected a float between 0 and 1"),
    (lambda o: lr_scheduler.OneCycleLR(o, 0.1, 9, anneal_strategy="up"), ValueError, "anneal_strategy: expected 'cos'"),
    (lambda o: run(o, lr_scheduler.OneCycleLR(o, 0.1, 5), range(7)), ValueError, "step: expected at most 5 steps, got 6"),
    (lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=1.0), ValueError, "factor: expected a number below 1, got 1.0"),
    (lambda o: lr_scheduler.ReduceLROnPlateau(o, "least"), ValueError, "mode: expected 'min' or 'max', got 'least'"),
    (lambda o: lr_scheduler.ReduceLROnPlateau(o, threshold_mode="x"), ValueError, "threshold_mode: expected 'rel' or 'abs'"),
    (lambda o: lr_scheduler.ReduceLROnPlateau(o, min_lr=[0.1]), ValueError, "min_lr: expected 2 values, got 1"),
    (lambda o: lr_scheduler.SequentialLR(o, [], []), ValueError, "SequentialLR: schedulers: expected at least one, got none"),
    (lambda o: lr_scheduler.SequentialLR(o, [3], []), TypeError, r"schedulers\[0\]: expected a schedule, got int"),
    (
        lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.StepLR(o, 1)], [4]),
        ValueError,
        "milestones: expected 0, one less than schedulers, got 1",
    ),
    (
        lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.StepLR(o, 1), lr_scheduler.StepLR(two_groups(), 1)]),
        ValueError,
        r"ChainedScheduler: schedulers\[1\]: expected one of the same optimizer",
    ),
    (
        lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.ReduceLROnPlateau(o)]),
        ValueError,
        "expected one that needs no metric",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "match"), ERRORS, ids=[m for _, _, m in ERRORS])
def test_wrong_arguments(call, error, match):
    with pytest.raises(error, match=match):
        call(two_groups())


def test_live_state_dicts_move_both_ways():
    torch = pytest.importorskip("torch")
    for key, make in SCHEDULES.items():
        optimizer = two_groups()
        ours = make(lr_scheduler, optimizer)
        run(optimizer, ours, range(25))
        p, q = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
        other = torch.optim.SGD([{"params": [p]}, {"params": [q], "lr": 0.02}], lr=0.1, momentum=0.9)
        theirs = make(torch.optim.lr_scheduler, other)
        theirs.load_state_dict(copy.deepcopy(ours.state_dict()))
        back = two_groups()
        resumed = make(lr_scheduler, back)
        resumed.load_state_dict(copy.deepcopy(theirs.state_dict()))
        for group, same, third in zip(other.param_groups, optimizer.param_groups, back.param_groups, strict=True):
            changed = {k: v for k, v in same.items() if k not in ("params",)}
            group.update(changed)
            third.update(changed)
        want = run(optimizer, ours, range(25, 90))
        np.testing.assert_allclose(run(other, theirs, range(25, 90)), want, rtol=1e-12, atol=1e-15, err_msg=key)
        np.testing.assert_array_equal(run(back, resumed, range(25, 90)), want, err_msg=key)


def test_a_schedule_of_ones_own_under_pytorchs_former_name():
    class Halves(lr_scheduler._LRScheduler):
        def get_lr(self):
            return [lr / 2**self.last_epoch for lr in self.base_lrs]

    optimizer = two_groups()
    before = [group["lr"] for group in optimizer.param_groups]
    schedule = Halves(optimizer)
    optimizer.step()
    schedule.step()
    assert schedule.get_last_lr() == [lr / 2 for lr in before]
