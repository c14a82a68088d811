"""`fg.record`: a replayed step is the step, to the bit; what a replay would not see is noticed or said."""

from __future__ import annotations

import copy
import gc
import threading
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from test_registry import ROWS, Row, as_operands, float_operands

import ferrograd as fg
from ferrograd import nn, optim

F = nn.functional


@pytest.fixture(autouse=True)
def seeded() -> None:
    fg.manual_seed(0)


def batches(n: int = 8, shape: tuple[int, ...] = (6, 5), classes: int = 3) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [(rng.standard_normal(shape, np.float32), rng.integers(0, classes, shape[0])) for _ in range(n)]


def times(n: int, call: Callable[[int], Any]) -> list[Any]:
    return [call(k) for k in range(n)]


def mlp() -> Any:
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Dropout(0.4), nn.Linear(8, 3))


def trainer(model: Any, optimizer: Any, loss: Any = F.cross_entropy) -> Callable[[Any, Any], Any]:
    def step(x: Any, y: Any) -> Any:
        value = loss(model(x), y)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return value

    return step


def state(model: Any, optimizer: Any = None) -> list[bytes]:
    """Parameters, buffers, gradients, the optimizer's state and that of the random numbers, as bytes."""
    tensors = [*model.parameters(), *model.buffers(), fg.default_generator.state]
    tensors += [p.grad for p in model.parameters() if p.grad is not None]
    if optimizer is not None:
        for p in model.parameters():
            tensors += [v for v in optimizer.state[p].values() if isinstance(v, fg.Tensor)]
    return [t.detach().numpy().tobytes() for t in tensors]


def both(
    make: Callable[[], Any],
    optimizer_of: Callable[[Any], Any] = lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
    data: Any = None,
    between: Callable[[int, Any, Any], None] = lambda k, model, optimizer: None,
    step_of: Callable[..., Any] = trainer,
) -> Any:
    """Trains two equal models, one by the step as it is and one by its recording; everything has to be equal."""
    ends = []
    for recorded in (False, True):
        fg.manual_seed(7)
        model = make()
        optimizer = optimizer_of(model.parameters())
        step = step_of(model, optimizer)
        step = fg.record(step) if recorded else step
        results = []
        for k, (x, y) in enumerate(data or batches()):
            between(k, model, optimizer)
            results.append(step(fg.from_numpy(x), fg.from_numpy(y)))
        ends.append(([r.detach().numpy().tobytes() for r in results], state(model, optimizer)))
    assert ends[0] == ends[1]
    return step


OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-2),
    "nesterov": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda p: optim.Adam(p, amsgrad=True),
    "adamw": lambda p: optim.AdamW(p),
    "adagrad": lambda p: optim.Adagrad(p),
    "adadelta": lambda p: optim.Adadelta(p),
    "adamax": lambda p: optim.Adamax(p),
    "nadam": lambda p: optim.NAdam(p),
    "radam": lambda p: optim.RAdam(p),
    "rmsprop": lambda p: optim.RMSprop(p, momentum=0.5, centered=True),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_training_step_replays_bit_equal(name: str) -> None:
    """MLP + dropout + each optimizer: results, parameters, gradients, states and random numbers."""
    step = both(mlp, OPTIMIZERS[name])
    assert step.recordings == 3
    assert step.replays == 5


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Linear(4, 3)
        self.relu, self.pool = nn.ReLU(inplace=True), nn.MaxPool2d(2)

    def forward(self, x: Any) -> Any:
        y = self.relu(self.norm(self.conv(x)))
        y = self.relu(y + x.mean(1, keepdim=True))
        y += 1.0
        return self.head(self.pool(y).mean((2, 3)))


class Sequence(nn.Module):
    def __init__(self, kind: type) -> None:
        super().__init__()
        self.layer, self.head = kind(5, 6, num_layers=2, batch_first=True, dropout=0.2), nn.Linear(6, 3)

    def forward(self, x: Any) -> Any:
        return self.head(self.layer(x)[0][:, -1])


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 8, padding_idx=0)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Any) -> Any:
        return self.head(self.block(self.embedding(x)).mean(1))


MODELS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "convolutions": (Residual, (4, 3, 8, 8)),
    "rnn": (lambda: Sequence(nn.RNN), (4, 7, 5)),
    "lstm": (lambda: Sequence(nn.LSTM), (4, 7, 5)),
    "gru": (lambda: Sequence(nn.GRU), (4, 7, 5)),
}


@pytest.mark.parametrize("name", MODELS)
def test_models(name: str) -> None:
    make, shape = MODELS[name]
    assert both(make, lambda p: optim.Adam(p, lr=1e-2), batches(shape=shape)).replays == 5


def test_a_transformer() -> None:
    rng = np.random.default_rng(0)
    data = [(rng.integers(0, 11, (4, 6)), rng.integers(0, 3, 4)) for _ in range(8)]
    assert both(Words, lambda p: optim.AdamW(p), data).replays == 5


# -- every op ----------------------------------------------------------------------------------------------------------

#: The rows some sample of which cannot be replayed: their functions, or the rows' own calls, read values, make a generator
#: whose state is written, or give shapes that depend on the data. All others have to be replayed.
UNREPLAYED = set(
    [
        "F.embedding_bag",
        "F.grid_sample",
        "F.grid_sample-nearest",
        "F.multilabel_margin_loss",
        "batch_norm-running",
        "bernoulli",
        "dropout",
        "index_get-mask",
        "masked_scatter",
        "matrix_power",
        "nanquantile",
        "nonzero",
        "normal-float32",
        "normal-float64",
        "quantile",
        "quantile-nan",
        "randint",
        "randperm",
        "scatter-multiply",
        "scatter_reduce-amax",
        "scatter_reduce-amin",
        "scatter_reduce-prod",
        "uniform-float32",
        "uniform-float64",
    ]
)


@pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in ROWS])
def test_every_op(row: Row) -> None:
    """Each row's op with its gradients, in a step of its own: four calls are bit-equal to four of the step itself."""
    for sample in [s for s in row.samples if s.numel <= 2000][:3]:
        values = sample.make(row.id)
        arrays = [k for k, x in enumerate(values) if isinstance(x, np.ndarray)]
        wanted = float_operands(sample) if row.differentiable else []

        def step(*given: Any, values: Any = values, arrays: Any = arrays, wanted: Any = wanted, s: Any = sample) -> Any:
            operands = list(values)
            for k, x in zip(arrays, given, strict=True):
                operands[k] = x.detach().requires_grad_() if k in wanted else x
            results = [y for y in row.results(row.run(operands, s.attributes)) if isinstance(y, fg.Tensor)]
            outputs = [y.detach() for y in results]
            results = [y for y in results if y.requires_grad]
            if wanted and results:
                cotangents = [fg.full(y.shape, 0.5, dtype=y.dtype) for y in results]
                inputs = [operands[k] for k in wanted]
                outputs += [
                    g for g in fg.autograd.grad(results, inputs, cotangents, allow_unused=True) if g is not None
                ]
            return outputs

        def four(call: Any, values: Any = values, arrays: Any = arrays) -> list[list[bytes]]:
            fg.manual_seed(1)
            operands = [as_operands(values, "float32") for _ in range(4)]
            return [[t._readable().tobytes() for t in call(*(o[k] for k in arrays))] for o in operands]

        recorded = fg.record(step)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore" if row.id in UNREPLAYED else "error")
            assert four(recorded) == four(step)
        assert recorded.replays > 0 or row.id in UNREPLAYED


def test_shapes_that_depend_on_the_data() -> None:
    for op in (lambda x: x[x > 0], lambda x: fg.nonzero(x)):
        step = fg.record(op)
        with pytest.warns(UserWarning, match="depends on the data"):
            step(fg.tensor([1.0, -1.0, 2.0]))


# -- what changes between calls ----------------------------------------------------------------------------------------


def test_learning_rates_change_without_a_recording() -> None:
    def between(k: int, model: Any, optimizer: Any) -> None:
        optimizer.param_groups[0]["lr"] = 0.1 / (k + 1) if k != 6 else 0.1 / 2

    assert both(mlp, between=between).recordings == 3


def test_a_schedule_outside() -> None:
    schedules: dict[int, Any] = {}

    def between(k: int, model: Any, optimizer: Any) -> None:
        if k == 0:
            schedules[id(optimizer)] = optim.lr_scheduler.CosineAnnealingLR(optimizer, 8)
        else:
            schedules[id(optimizer)].step()

    assert both(mlp, between=between).recordings == 3


CHANGES: dict[str, Callable[[Any, Any], Any]] = {
    "momentum": lambda model, optimizer: optimizer.param_groups[0].update(momentum=0.5),
    "weight decay": lambda model, optimizer: optimizer.param_groups[0].update(weight_decay=0.1),
    "eval": lambda model, optimizer: model.eval(),
    "frozen": lambda model, optimizer: model[0].requires_grad_(False),
    "dropout": lambda model, optimizer: setattr(model[2], "p", 0.1),
    "data": lambda model, optimizer: setattr(model[0].weight, "data", fg.ones(8, 5)),
    "a parameter": lambda model, optimizer: setattr(model[0], "bias", None),
    "a hook": lambda model, optimizer: model[3].register_forward_hook(lambda m, args, y: y * 2),
    "a gradient's hook": lambda model, optimizer: model[0].weight.register_hook(lambda g: g * 2),
    "a group": lambda model, optimizer: optimizer.add_param_group({"params": [nn.Parameter(fg.ones(2))]}),
    "the optimizer's state": lambda model, optimizer: optimizer.load_state_dict(optimizer.state_dict()),
    "the model's state": lambda model, optimizer: model.load_state_dict({k: v * 2 for k, v in model.state_dict().items()}),
    "seed": lambda model, optimizer: fg.manual_seed(99),
    "no gradients": lambda model, optimizer: [setattr(p, "grad", None) for p in model.parameters()],
    "a layer": lambda model, optimizer: setattr(model, "1", nn.ReLU()),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_between_calls_is_noticed(name: str) -> None:
    def between(k: int, model: Any, optimizer: Any) -> None:
        if k == 5:
            CHANGES[name](model, optimizer)

    assert both(mlp, data=batches(12), between=between).replays >= 5


def test_training_and_evaluation_in_turn() -> None:
    """A recording that is the same as the one that was trusted is trusted again at once."""

    def between(k: int, model: Any, optimizer: Any) -> None:
        if k % 4 == 3:
            model.eval()
            model.train()

    step = both(mlp, data=batches(12), between=between)
    assert step.recordings == 6
    assert step.replays == 6


def test_a_change_of_the_default_dtype_is_noticed() -> None:
    step = fg.record(lambda x: x.sum() + fg.ones(2))
    try:
        for _ in range(4):
            step(fg.ones(3))
        fg.set_default_dtype(fg.float64)
        assert step(fg.ones(3)).dtype == fg.float64
    finally:
        fg.set_default_dtype(fg.float32)


# -- gradients ---------------------------------------------------------------------------------------------------------


def accumulating(model: Any, optimizer: Any) -> Callable[[Any, Any], Any]:
    def step(x: Any, y: Any) -> Any:
        value = F.cross_entropy(model(x), y)
        value.backward()
        return value

    return step


def test_gradients_accumulate_and_are_forgotten_outside() -> None:
    def every_third(k: int, model: Any, optimizer: Any) -> None:
        if k % 3 == 0:
            optimizer.zero_grad()

    both(mlp, data=batches(14), step_of=accumulating)
    both(mlp, data=batches(14), step_of=accumulating, between=every_third)
    step = both(mlp, data=batches(14), step_of=accumulating, between=lambda k, m, o: o.zero_grad())
    assert step.recordings == 2
    assert step.replays == 12


@pytest.mark.parametrize("kind", ["last", "zeros", "attribute"])
def test_where_gradients_are_forgotten(kind: str) -> None:
    def step_of(model: Any, optimizer: Any) -> Callable[[Any, Any], Any]:
        def step(x: Any, y: Any) -> Any:
            if kind == "attribute":
                for p in model.parameters():
                    p.grad = None
            elif kind == "zeros":
                optimizer.zero_grad(set_to_none=False)
            value = F.cross_entropy(model(x), y)
            value.backward()
            optimizer.step()
            if kind == "last":
                optimizer.zero_grad()
            return value

        return step

    assert both(mlp, step_of=step_of).replays >= 4


def test_clipped_gradients() -> None:
    def step_of(model: Any, optimizer: Any) -> Callable[[Any, Any], Any]:
        def step(x: Any, y: Any) -> Any:
            value = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            value.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            optimizer.step()
            return value

        return step

    assert both(mlp, step_of=step_of).replays == 5


def test_parameters_as_arguments_and_functional_gradients() -> None:
    w = fg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)

    @fg.record
    def step(w: Any, x: Any) -> Any:
        loss = (x @ w).tanh().sum()
        (g,) = fg.autograd.grad(loss, [w])
        return loss, g

    for k in range(5):
        x = fg.full((3, 2), float(k))
        loss, g = step(w, x)
        want = (x @ w).tanh().sum()
        (want_g,) = fg.autograd.grad(want, [w])
        assert loss.item() == want.item()
        assert g.tolist() == want_g.tolist()
        assert not loss.requires_grad
        assert w.grad is None
    assert step.replays == 3


# -- arguments and results ---------------------------------------------------------------------------------------------


def test_arrays_containers_keywords_and_numbers() -> None:
    @fg.record
    def step(pair: Any, *, scale: float, extra: Any = None) -> Any:
        x, named = pair
        return {"sum": x + named["y"] * scale, "rest": [extra, (x * 2, "name", 3)]}

    for k in range(5):
        got = step((np.full(3, k, np.float32), {"y": fg.ones(3)}), scale=2.0)
        assert got["sum"].tolist() == [k + 2.0] * 3
        assert got["rest"][0] is None
        assert got["rest"][1][0].tolist() == [2.0 * k] * 3
        assert got["rest"][1][1:] == ("name", 3)
    assert step.replays == 3
    for k in range(3):
        assert step((np.full(3, k, np.float32), {"y": fg.ones(3)}), scale=5.0)["sum"].tolist() == [k + 5.0] * 3
        assert step((np.full(2, k, np.float32), {"y": fg.ones(2)}), scale=2.0)["sum"].tolist() == [k + 2.0] * 2
        assert step((np.full(3, k, np.float64), {"y": fg.ones(3)}), scale=2.0)["sum"].dtype == fg.float64
    assert step.replays == 3 + 3


def test_arrays_come_as_tensors_in_any_case() -> None:
    seen: list[type] = []

    def step(x: Any) -> Any:
        seen.append(type(x))
        return x * len(seen)

    recorded = fg.record(step)
    with pytest.warns(UserWarning, match="has other arguments: 4, then 5"):
        times(7, lambda k: recorded(np.ones(2, np.float32)))
    with fg.autograd.detect_anomaly():
        recorded(np.ones(2, np.float32))
    assert seen == [fg.Tensor] * 8


def test_every_layout_of_an_argument() -> None:
    step = fg.record(lambda x: (x.reshape(-1) * 2, x.sum(0)))
    x = fg.arange(24.0).reshape(4, 6)
    for view in (x, x.t(), x[:, ::2], x.flip(0), x[1:], x[:1].expand(4, 6)):
        for _ in range(4):
            flat, total = step(view)
            assert flat.tolist() == [2 * v for row in view.tolist() for v in row]
            assert total.tolist() == view.sum(0).tolist()


def test_one_tensor_at_two_places() -> None:
    """What was one tensor when the step was recorded may be two later, and the other way round."""
    weight = fg.tensor([1.0, 2.0])
    step = fg.record(lambda x, y: x * 2 + y * weight)
    for _ in range(3):
        assert step(weight, weight).tolist() == [3.0, 8.0]
    for _ in range(4):
        assert step(fg.zeros(2), fg.ones(2)).tolist() == [1.0, 2.0]
        assert step(fg.ones(2), fg.zeros(2)).tolist() == [2.0, 2.0]
    assert step(weight, weight).tolist() == [3.0, 8.0]
    assert step.replays >= 5


def test_one_memory_written_and_read_by_two_ways() -> None:
    shared = fg.zeros(2)

    def step(x: Any, y: Any) -> Any:
        x.add_(1.0)
        y.mul_(2.0)
        return x + y + shared

    recorded, x = fg.record(step), fg.zeros(2)
    copies = [x.clone(), x.clone()]
    for _ in range(5):
        got = recorded(x, x).tolist()
        copies[0].add_(1.0).mul_(2.0)
        assert x.tolist() == copies[0].tolist()
        assert got == (copies[0] * 2 + shared).tolist()
    before = shared.tolist()
    for k in range(5):
        y = fg.ones(2)
        assert recorded(shared, y).tolist() == [2 * (before[0] + k + 1) + 2.0] * 2
        assert shared.tolist() == [before[0] + k + 1] * 2


def test_an_argument_that_is_written_into() -> None:
    @fg.record
    def step(x: Any) -> Any:
        x.add_(1.0)
        return x

    x = fg.zeros(3)
    for k in range(5):
        assert step(x) is x
        assert x.tolist() == [k + 1.0] * 3
    wide = fg.zeros(3, 4)
    for k in range(5):
        assert step(wide[:, ::2]).tolist() == [[k + 1.0] * 2] * 3
        assert wide.tolist() == [[k + 1.0, 0.0] * 2] * 3
    assert step.replays == 6


def test_methods_modules_and_names() -> None:
    class Model:
        def __init__(self) -> None:
            self.w = fg.tensor([2.0])

        @fg.record
        def step(self, x: Any) -> Any:
            """Doubles."""
            return x * self.w

    model, other = Model(), Model()
    other.w = fg.tensor([3.0])
    for _ in range(3):
        assert model.step(fg.ones(2)).tolist() == [2.0, 2.0]
        assert other.step(fg.ones(2)).tolist() == [3.0, 3.0]
    assert Model.step.__doc__ == "Doubles."
    assert "step: 4 recordings, 2 replays" in repr(Model.step)
    layer = nn.Linear(3, 2)
    run = fg.record(layer)
    with fg.no_grad():
        for _ in range(4):
            x = fg.randn(4, 3)
            assert run(x).tolist() == layer(x).tolist()
    assert run.replays == 2


def test_modes_are_forms_of_their_own() -> None:
    layer = nn.Linear(3, 2)
    run = fg.record(lambda x: layer(x).detach())
    x = fg.randn(4, 3)
    for mode in (fg.no_grad, fg.inference_mode, fg.enable_grad):
        for _ in range(3):
            with mode():
                assert run(x).is_inference() == (mode is fg.inference_mode)
                assert fg.is_grad_enabled() == (mode is fg.enable_grad)
    assert run.replays == 3


# -- what cannot be replayed -------------------------------------------------------------------------------------------


class Thing:
    pass


UNFIT: dict[str, tuple[Callable[[Any], Any], str]] = {
    "item": (lambda x: x * x.sum().item(), "reads the values"),
    "bool": (lambda x: x * 2 if x.sum() > 0 else x, "reads the values"),
    "numpy": (lambda x: fg.from_numpy(np.exp(x.numpy())), "reads the values"),
    "text": (lambda x: x * len(f"{x}"), "reads the values"),
    "dlpack": (lambda x: fg.from_numpy(np.from_dlpack(x)), "another library"),
    "random": (lambda x: x + np.random.default_rng().random(3), r"Python (makes|made) anew|has other arguments"),
    "fresh": (lambda x: x + fg.tensor(np.random.default_rng().random(3)), "anew each time"),
    "shape": (lambda x: fg.nonzero(x), "depends on the data"),
    "object": (lambda x: Thing(), "returns a Thing"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_cannot_be_replayed_runs_as_it_is_and_says_why(name: str) -> None:
    function, why = UNFIT[name]
    step = fg.record(function)
    with pytest.warns(UserWarning, match=why) as caught:
        times(8, lambda k: step(fg.tensor([1.0, 2.0, 3.0])))
    assert len(caught) == 1
    assert step.replays == 0
    assert caught[0].filename == __file__


def test_numbers_that_count_in_python() -> None:
    count = iter(range(100))
    step = fg.record(lambda x: x + next(count))
    with pytest.warns(UserWarning, match=r"call 0, add, has other arguments: 3, then 4"):
        assert [step(fg.zeros(1)).item() for _ in range(8)] == list(range(8))


def test_a_carried_tensor_and_a_schedule_inside() -> None:
    carried = [fg.zeros(2)]

    def step(x: Any) -> Any:
        carried[0] = carried[0] * 0.5 + x
        return carried[0]

    recorded = fg.record(step)
    with pytest.warns(UserWarning, match="another one each time"):
        got = times(8, lambda k: recorded(fg.ones(2)))
    assert got[-1].tolist() == [2 - 0.5**7] * 2
    model = nn.Linear(5, 3)
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    schedule = optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    plain = trainer(model, optimizer)

    @fg.record
    def scheduled(x: Any, y: Any) -> Any:
        loss = plain(x, y)
        schedule.step()
        return loss

    with pytest.warns(UserWarning, match="call scheduler.step"):
        times(5, lambda k: scheduled(*batches(5)[k]))
    assert optimizer.param_groups[0]["lr"] == 0.5**5


def test_a_graph_that_is_handed_out_is_whole() -> None:
    layer = nn.Linear(3, 2)
    run = fg.record(layer)
    with pytest.warns(UserWarning, match="call backward inside"):
        times(4, lambda k: run(fg.ones(4, 3)).sum().backward())
    assert layer.weight.grad.tolist() == [[16.0] * 3] * 2
    x = fg.ones(3, requires_grad=True)
    begun = x * 2
    with pytest.warns(UserWarning, match="begun outside"):
        fg.record(lambda: begun.sum().detach())()


def test_too_many_forms_and_restless_settings() -> None:
    step = fg.record(lambda x, k: x * k)
    with pytest.warns(UserWarning, match="more than 64 different forms"):
        got = times(70, lambda k: step(fg.ones(1), k).item())
    assert got == list(range(70))
    layer = nn.Dropout(0.5)
    restless = fg.record(layer)

    def changed(k: int) -> None:
        layer.other = object()
        restless(fg.ones(3))

    with pytest.warns(UserWarning, match="32 times in a row"):
        times(40, changed)


def test_errors() -> None:
    with pytest.raises(TypeError, match="record: function: expected a callable, got int"):
        fg.record(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="can be hashed, got set"):
        fg.record(lambda x, s: x)(fg.ones(1), {1, 2})
    table = fg.arange(4.0)
    step = fg.record(lambda i: F.embedding(i, table.reshape(4, 1)))
    for k in (0, 1, 2, 9, 3, 9, 1):
        if k == 9:
            with pytest.raises(IndexError, match="embedding"):
                step(fg.tensor([9]))
        else:
            assert step(fg.tensor([k])).tolist() == [[float(k)]]
    assert step.replays == 5  # those that raise too

    def fails(x: Any) -> Any:
        raise KeyError("mine")

    for _ in range(3):
        with pytest.raises(KeyError, match="mine"):
            fg.record(fails)(fg.ones(1))
    assert fg._core.backend.add.__class__.__name__ == "builtin_function_or_method"
    assert "_numpy" not in vars(fg.Tensor)


# -- ways to a result that silently differs ----------------------------------------------------------------------------


def linear_step(lr: float = 0.1, **options: Any) -> tuple[Any, Any, Any]:
    model = nn.Linear(3, 1)
    optimizer = optim.SGD(model.parameters(), lr=lr, **options)
    return model, optimizer, trainer(model, optimizer, lambda y, t: (y - t).square().mean())


def same_as_eager(act: Callable[[int, Any, Any, Any], None], calls: int = 12, make: Any = linear_step) -> Any:
    """`act(k, model, optimizer, step)` for k = 0, 1, …, once with the step and once with its recording: equal to the bit."""
    ends = []
    for recorded in (False, True):
        fg.manual_seed(5)
        model, optimizer, step = make()
        step = fg.record(step) if recorded else step
        for k in range(calls):
            act(k, model, optimizer, step)
        ends.append(state(model))
    assert ends[0] == ends[1]
    return step


def data() -> tuple[Any, Any]:
    return fg.randn(4, 3), fg.randn(4, 1)


def test_a_learning_rate_that_another_step_has_used() -> None:
    high, low = 0.1, 0.01

    def act(k: int, model: Any, optimizer: Any, step: Any) -> None:
        optimizer.param_groups[0]["lr"] = high
        step(*data())
        optimizer.param_groups[0]["lr"] = low
        trainer(model, optimizer, F.mse_loss)(*data())
        if k == 6:
            optimizer.param_groups = [{**g, "lr": 0.03} for g in optimizer.param_groups]

    assert same_as_eager(act).replays > 5


def test_options_that_the_step_sets_itself() -> None:
    high = 0.1

    def make() -> Any:
        model, optimizer, plain = linear_step(high)

        def step(x: Any, y: Any, lr: float) -> Any:
            optimizer.param_groups[0]["lr"] = lr
            return plain(x, y)

        return model, optimizer, step

    with pytest.warns(UserWarning, match="changes options of an optimizer"):
        step = same_as_eager(lambda k, m, o, step: step(*data(), high if k % 6 < 3 else 0.01), make=make)
    assert step.replays == 0


def test_gradients_of_parameters_that_the_step_does_not_use() -> None:
    def make() -> Any:
        model = nn.ModuleDict({"used": nn.Linear(3, 1), "other": nn.Linear(3, 1)})
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def step(x: Any, y: Any) -> Any:
            loss = F.mse_loss(model["used"](x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            return loss

        return model, optimizer, step

    def act(k: int, model: Any, optimizer: Any, step: Any) -> None:
        if k in (5, 8):
            model["other"](fg.ones(2, 3)).sum().backward()
        step(*data())

    assert same_as_eager(act, make=make).replays >= 3


def test_gradients_that_are_looked_at_and_forgotten() -> None:
    def make() -> Any:
        model, optimizer, _ = linear_step()

        def step(x: Any, y: Any) -> Any:
            for p in model.parameters():
                if p.grad is not None:
                    p.grad = None
            loss = F.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        return model, optimizer, step

    def act(k: int, model: Any, optimizer: Any, step: Any) -> None:
        if k == 6:
            optimizer.zero_grad()
        step(*data())

    assert same_as_eager(act, make=make).replays >= 6


STATES: dict[str, Callable[[Any, Any], Any]] = {
    "cleared": lambda model, optimizer: optimizer.state.clear(),
    "replaced": lambda model, optimizer: setattr(optimizer, "state", type(optimizer.state)(dict)),
    "a buffer": lambda model, optimizer: optimizer.state[model.weight].update(momentum_buffer=fg.ones(1, 3)),
    "a parameter appended": lambda model, optimizer: optimizer.param_groups[0]["params"].append(
        nn.Parameter(fg.ones(2))
    ),
    "parameters replaced": lambda model, optimizer: optimizer.param_groups[0].update(params=[model.bias]),
}


@pytest.mark.parametrize("name", STATES)
def test_states_and_parameters_of_optimizers(name: str) -> None:
    def act(k: int, model: Any, optimizer: Any, step: Any) -> None:
        if k == 6:
            STATES[name](model, optimizer)
        step(*data())

    assert same_as_eager(act, make=lambda: linear_step(momentum=0.9)).replays >= 5


MODULES: dict[str, Callable[[Any], Any]] = {
    "state assigned": lambda m: m.load_state_dict({k: v * 2 for k, v in m.state_dict().items()}, assign=True),
    "a parameter of a list": lambda m: m.params.__setitem__(0, nn.Parameter(fg.ones(3))),
    "a layer taken out": lambda m: m.layers.pop("second"),
    "all layers": lambda m: m.layers.clear(),
    "a layer deleted": lambda m: m.layers.__delitem__("first"),
}


class Holder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.params = nn.ParameterList([fg.full((3,), 2.0)])
        self.layers = nn.ModuleDict({"first": nn.Linear(3, 3), "second": nn.Tanh()})

    def forward(self, x: Any) -> Any:
        for layer in self.layers.values():
            x = layer(x)
        return x * self.params[0]


@pytest.mark.parametrize("name", MODULES)
def test_modules_changed_by_other_ways(name: str) -> None:
    model = Holder()
    run = fg.record(model)
    with fg.no_grad():
        for k in range(9):
            if k == 5:
                MODULES[name](model)
            x = fg.randn(2, 3)
            assert run(x).tolist() == model(x).tolist()
    assert run.replays >= 5


def test_functional_calls_and_cached_parametrizations() -> None:
    model = nn.Linear(3, 2)
    run = fg.record(lambda x: model(x).detach())
    x, calls = fg.randn(4, 3), Calls(model, run)
    weights = [fg.full((2, 3), float(k)) for k in range(8)]
    with pytest.warns(UserWarning, match="another one each time"):
        got = [fg.func.functional_call(calls, {"model.weight": w}, x).tolist() for w in weights]
    assert got == [fg.func.functional_call(model, {"weight": w}, x).tolist() for w in weights]
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
    run = fg.record(lambda x: layer(x).detach())
    with fg.no_grad():
        with nn.utils.parametrize.cached():
            times(4, lambda k: run(fg.ones(1, 3)))
        assert run.replays == 1
        layer.parametrizations.weight.original0.mul_(2.0)
        assert run(fg.ones(1, 3)).tolist() == layer(fg.ones(1, 3)).tolist()


class Calls(nn.Module):
    def __init__(self, model: Any, run: Any) -> None:
        super().__init__()
        self.model, self.run = model, run

    def forward(self, x: Any) -> Any:
        return self.run(x)


def test_arrays_that_the_step_makes_or_fills() -> None:
    def accumulated(x: Any) -> Any:
        total = fg.from_numpy(np.zeros(3, np.float32))
        total += x
        return total

    step = fg.record(accumulated)
    with pytest.warns(UserWarning, match="writes into a tensor that it makes of an array"):
        assert [step(fg.ones(3)).tolist() for _ in range(4)] == [[1.0] * 3] * 4
    fresh = fg.record(lambda: fg.from_numpy(np.ones(3, np.float32)))
    first = fresh()
    for _ in range(4):
        fresh().add_(1.0)
    assert first.tolist() == [1.0] * 3
    assert fresh.replays == 3
    filled, count = np.zeros(3, np.float32), iter(range(99))

    def refilled(x: Any) -> Any:
        filled[:] = next(count)
        return x + filled

    step = fg.record(refilled)
    with pytest.warns(UserWarning, match="other arrays"):
        assert [step(fg.zeros(3))[0].item() for _ in range(7)] == list(range(7))


def test_tied_parameters_of_two_objects() -> None:
    def make() -> Any:
        a, b = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
        b.weight.data = a.weight.data
        model = nn.Sequential(a, nn.Tanh(), b)
        optimizer = optim.SGD([a.weight], lr=0.1)

        def step(x: Any) -> Any:
            model(x).square().sum().backward()

        return model, optimizer, step

    def act(k: int, model: Any, optimizer: Any, step: Any) -> None:
        model.zero_grad()
        step(fg.randn(4, 3))
        optimizer.step()
        if k == 6:
            model[2].weight.data = fg.ones(3, 3)

    assert same_as_eager(act, make=make).replays >= 5


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Any) -> Any:
        self.calls += 1
        return x if self.calls <= 3 else x * 2


class Keeping(nn.Module):
    def forward(self, x: Any) -> Any:
        self.last = x * 1
        return x + 1


@pytest.mark.parametrize(("make", "name"), [(Counting, "calls"), (Keeping, "last")])
def test_attributes_that_the_step_changes(make: Any, name: str) -> None:
    model, plain = make(), make()
    step = fg.record(model)
    with pytest.warns(UserWarning, match=f"changes the attribute '{name}' of a {make.__name__}"):
        got = [step(fg.full((1,), float(k))).item() for k in range(6)]
    assert got == [plain(fg.full((1,), float(k))).item() for k in range(6)]


def test_layers_that_the_step_makes() -> None:
    step = fg.record(lambda x, y: nn.CrossEntropyLoss(label_smoothing=0.1)(nn.Softplus(beta=2)(x), y))
    for x, y in batches(6, (4, 3)):
        assert step(x, y).item() == step.function(fg.tensor(x), fg.tensor(y)).item()
    assert step.replays == 4


def test_gradients_with_a_graph() -> None:
    w = fg.tensor([1.0, 2.0], requires_grad=True)

    def step(x: Any) -> Any:
        w.grad = None
        (w * w * x).sum().backward(create_graph=True)

    recorded = fg.record(step)
    with pytest.warns(UserWarning, match="gradients that are part of a graph"):
        times(4, lambda k: recorded(fg.ones(2)))
    assert w.grad.requires_grad
    leaf = fg.record(lambda x: x.detach().requires_grad_())
    for _ in range(4):
        assert not leaf(fg.ones(2)).requires_grad


def test_tensors_that_leave_and_enter_the_graph_in_place() -> None:
    p = fg.tensor([1.0, 2.0], requires_grad=True)

    def leaves(x: Any) -> Any:
        h = (x * p).detach_()
        h.add_(1.0)
        return h

    def enters(x: Any) -> Any:
        x = x * 1
        x += p
        x += p
        (g,) = fg.autograd.grad(x.square().sum(), [p])
        return x, g

    for function in (leaves, enters):
        step = fg.record(function)
        for _ in range(5):
            x = fg.randn(2)
            got, want = step(x), function(x)
            got, want = ([t.tolist() for t in r] if isinstance(r, tuple) else r.tolist() for r in (got, want))
            assert got == want
        assert step.replays == 3


def test_classes_of_containers() -> None:
    class Named(NamedTuple):
        x: Any
        k: int

    def step(given: Any) -> Any:
        made = defaultdict(float, {k: v * 2 for k, v in given.items()})
        return made, OrderedDict(a=given["x"]), Named(given["x"] + 1, 3)

    recorded = fg.record(step)
    for k in range(5):
        made, ordered, named = recorded(defaultdict(int, x=fg.full((1,), float(k))))
        assert type(made) is defaultdict
        assert made["none"] == 0.0
        assert made["x"].item() == 2.0 * k
        assert type(ordered) is OrderedDict
        assert ordered["a"].item() == k
        assert type(named) is Named
        assert named.x.item() == k + 1
        assert named.k == 3
    assert recorded.replays == 3


def test_zeros_have_signs_and_copies_recordings_of_their_own() -> None:
    step = fg.record(lambda x, k: x / k)
    for _ in range(3):
        assert step(fg.ones(1), 0.0).item() == np.inf
    assert step(fg.ones(1), -0.0).item() == -np.inf
    model = mlp()
    model.step = fg.record(model.forward)
    with fg.no_grad():
        times(3, lambda k: model.step(fg.ones(2, 5)))
        other = copy.deepcopy(model)
        other[0].weight.zero_()
        assert other.step.replays == 0
        other.eval()
        assert other.step(fg.ones(1, 5)).tolist() == other(fg.ones(1, 5)).tolist()


def test_threads_that_wait_for_each_other() -> None:
    inner = fg.record(lambda x: x * 2)

    def waits(x: Any) -> Any:
        found: list[Any] = []
        thread = threading.Thread(target=lambda: found.append(inner(fg.ones(2)).tolist()))
        thread.start()
        thread.join(20)
        assert found == [[2.0, 2.0]]
        return x + 1

    step = fg.record(waits)
    for _ in range(3):
        assert step(fg.ones(1)).item() == 2.0


def test_a_schedule_made_after_the_recording() -> None:
    _, optimizer, plain = linear_step()
    step = fg.record(plain)
    times(5, lambda k: step(*data()))
    schedule = optim.lr_scheduler.StepLR(optimizer, 1)
    step(*data())
    schedule.step()  # no warning that the optimizer made no step


# -- with the rest of the library --------------------------------------------------------------------------------------


def test_a_step_inside_a_step() -> None:
    inner = fg.record(lambda x: x * 2)
    outer = fg.record(lambda x: inner(x) + 1)
    for k in range(4):
        assert outer(fg.full((2,), float(k))).tolist() == [2.0 * k + 1] * 2
    assert outer.replays == 2
    assert inner.recordings == 0


def test_a_profile_sees_the_calls_of_a_replay() -> None:
    step = fg.record(lambda x: (x @ x).relu())
    for _ in range(3):
        step(fg.ones(4, 4))
    with fg.profile() as p:
        assert step(fg.ones(4, 4)).tolist() == [[4.0] * 4] * 4
    assert step.replays == 2
    assert {"matmul", "relu"} <= {event.name for event in p.events if event.kind == "call"}


def test_a_recording_under_a_profile() -> None:
    step = fg.record(lambda x: x * 2 + 1)
    with fg.profile() as p:
        for _ in range(4):
            assert step(fg.ones(2)).tolist() == [3.0, 3.0]
    assert step.replays == 2
    assert sum(event.name == "add" for event in p.events) == 4


def test_other_threads_are_not_recorded() -> None:
    stop = threading.Event()

    def noise() -> None:
        while not stop.is_set():
            fg.ones(3).numpy().sum()
            fg.tensor([1.0, 2.0]) * 2

    thread = threading.Thread(target=noise)
    thread.start()
    try:
        for _ in range(20):
            both(mlp)
    finally:
        stop.set()
        thread.join()


def test_two_threads_replay_and_record() -> None:
    step = fg.record(lambda x: (x * 2 + 1).sum())
    wrong: list[Any] = []

    def work(seed: int) -> None:
        for k in range(200):
            n = 1 + (k + seed) % 3
            if step(fg.full((n,), float(k))).item() != n * (2 * k + 1):
                wrong.append((seed, k))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert step.replays > 0  # while one thread records, the others run the step itself


def test_anomaly_detection_and_hooks_of_saved_values_run_the_step_itself() -> None:
    model = mlp()
    step = fg.record(trainer(model, optim.SGD(model.parameters(), lr=0.1)))
    x, y = batches(1)[0]
    for _ in range(4):
        step(x, y)
    before = step.replays
    with fg.autograd.detect_anomaly():
        step(x, y)
    with fg.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        step(x, y)
    assert step.replays == before
    step(x, y)
    assert step.replays == before + 1


def test_the_shape_of_a_result_is_checked() -> None:
    """The net below `DATA_DEPENDENT`: a call whose result changes its shape ends the replay."""
    tape = fg._core.Tape.of(
        [("add", fg._core.backend.add, [("slot", 0), ("fixed", 1)], {}, (False, False), (1, (2,), "float32"))],
        1, 2, [("slot", 1)], [], [],
    )  # fmt: skip
    assert tape.replay([fg.ones(2)])[0].tolist() == [2.0, 2.0]
    with pytest.raises(RuntimeError, match=r"add: its result had shape \(2,\) .* has shape \(3,\)"):
        tape.replay([fg.ones(3)])
    with pytest.raises(ValueError, match="inputs: expected 1, got 0"):
        tape.replay([])
    with pytest.raises(ValueError, match="expected a number below 2, got 5"):
        fg._core.Tape.of([], 1, 2, [("slot", 5)], [], [])


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_threads_and_memory(threads: int) -> None:
    """Large calls release the GIL and run in parallel; a recording and a replay hold no more memory than the step, and nothing
    grows."""
    before = fg.get_num_threads()
    fg.set_num_threads(threads)
    try:
        model = nn.Sequential(nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 256))
        optimizer = optim.Adam(model.parameters())
        plain = trainer(model, optimizer, F.mse_loss)
        step = fg.record(plain)
        x, y = fg.randn(512, 256), fg.randn(512, 256)
        for _ in range(4):
            step(x, y)
        peaks = []
        for call in (plain, fg.record(plain), step):
            gc.collect()
            fg.reset_peak()
            call(x, y)
            peaks.append(fg.memory_stats()["peak"])
        assert max(peaks) == peaks[0]
        used = fg.memory_stats()["in_use"]
        for _ in range(20):
            step(x, y)
        assert fg.memory_stats()["in_use"] <= used
        assert step.replays >= 20
    finally:
        fg.set_num_threads(before)
