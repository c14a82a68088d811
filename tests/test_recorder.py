"""A backend call is describable as data: a recorder at `_core.backend` replays a whole training step bit-equal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import _core, nn, optim

#: The functions of the table whose result has a shape that depends on data; a recorded step may not use them.
DATA_DEPENDENT = {"nonzero"}


class Recorder:
    """Stands before every function of the table and writes down the calls: names, operands by number, attributes."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any], Any]] = []
        self.known: dict[int, int] = {}  # id of a Tensor -> its number
        self.values: list[Any] = []  # the Tensors by number; results are made anew by each replay
        self.made: set[int] = set()  # the numbers of results
        self.active = False

    def number(self, tensor: Any, made: bool) -> int:
        # The memory tells a tensor: the engine wraps what it saved in new objects.
        key = (tensor.data_ptr(), tensor.shape, tensor._strides, tensor._dtype)
        if made or key not in self.known:
            self.known[key] = len(self.values)
            self.values.append(tensor)
        if made:
            self.made.add(self.known[key])
        return self.known[key]

    def encode(self, value: Any, made: bool = False) -> Any:
        if isinstance(value, _core.TensorBase):
            return ("tensor", self.number(value, made))
        if isinstance(value, (list, tuple)):
            return (type(value).__name__, [self.encode(v, made) for v in value])
        assert value is None or value is Ellipsis or isinstance(value, (bool, int, float, str, slice)), (
            f"an attribute that is no data: {value!r}"
        )
        return ("value", value)

    def decode(self, code: Any, values: list[Any]) -> Any:
        kind, content = code
        if kind == "tensor":
            return values[content]
        if kind in ("list", "tuple"):
            items = [self.decode(c, values) for c in content]
            return items if kind == "list" else tuple(items)
        return content

    def wrap(self, name: str, function: Any) -> Any:
        def recorded(*args: Any, **kwargs: Any) -> Any:
            if not self.active:
                return function(*args, **kwargs)
            assert name not in DATA_DEPENDENT
            operands = self.encode(args), {k: self.encode(v) for k, v in kwargs.items()}
            result = function(*args, **kwargs)
            in_place = any(result is a for a in [*args, *kwargs.values()])
            self.calls.append((name, *operands, None if in_place else self.encode(result, made=True)))
            return result

        return recorded

    def replay(self) -> None:
        """Runs the calls again, on the tensors that were there before them."""
        values = [None if k in self.made else v for k, v in enumerate(self.values)]
        for name, args, kwargs, result in self.calls:
            got = getattr(_core.backend, name)(
                *self.decode(args, values), **{k: self.decode(v, values) for k, v in kwargs.items()}
            )
            self.store(result, got, values)

    def store(self, code: Any, got: Any, values: list[Any]) -> None:
        if code is None or code[0] == "value":
            return
        if code[0] == "tensor":
            values[code[1]] = got
            return
        for c, g in zip(code[1], got, strict=True):
            self.store(c, g, values)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    for name in dir(_core.backend):
        function = getattr(_core.backend, name)
        if not name.startswith("_") and callable(function):
            monkeypatch.setattr(_core.backend, name, recorder.wrap(name, function))
    return recorder


def test_a_training_step_replays_bit_equal(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLP + dropout + Adam: the replayed step ends in the same parameters and optimizer state, to the bit."""
    fg.manual_seed(3)
    model = nn.Sequential(nn.Linear(20, 40), nn.ReLU(), nn.Dropout(0.4), nn.Linear(40, 5))
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    rng = np.random.default_rng(0)
    x = fg.from_numpy(rng.standard_normal((32, 20), np.float32))
    y = fg.from_numpy(rng.integers(0, 5, 32))

    def step() -> None:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def state() -> list[Any]:
        tensors = list(model.parameters())
        for p in model.parameters():
            tensors += [v for v in optimizer.state[p].values() if isinstance(v, fg.Tensor)]
        return [*tensors, fg.default_generator.state]

    step()  # the optimizer makes its state
    before = [t.detach().numpy().copy() for t in state()]
    recorder.active = True
    step()
    recorder.active = False
    calls = list(recorder.calls)
    after = [t.detach().numpy().copy() for t in state()]
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
    monkeypatch.undo()
    with fg.no_grad():
        for t, value in zip(state(), before, strict=True):
            t.copy_(fg.tensor(value))
    with fg.no_grad():
        recorder.replay()
    assert len(calls) > 5
    for t, value in zip(state(), after, strict=True):
        assert t.detach().numpy().tobytes() == value.tobytes()
