"""The profiler: what it counts is what runs, nothing changes by it, and nothing of it is left."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import _core, nn, optim
from ferrograd.autograd import engine
from ferrograd.autograd.graph import Node


def normal(*shape: int) -> Any:
    return fg.from_numpy(np.random.default_rng(0).standard_normal(shape, np.float32))


def flops(p: fg.profile, backward: bool) -> float:
    return sum(event.flops for event in p.calls if event.backward is backward)


def watched() -> list[Any]:
    """All that the profiler replaces."""
    table = [getattr(_core.backend, name) for name in sorted(dir(_core.backend))]
    return [*table, nn.Module.__call__, Node.__init__, engine._gradients, engine._walk]


def test_flops_of_a_network_are_those_of_its_formulas() -> None:
    model = nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(6 * 4 * 4, 5), nn.ReLU(), nn.Linear(5, 3)
    )  # fmt: skip
    x = normal(4, 2, 8, 8)
    with fg.profile(show=False) as p:
        model(x).sum().backward()
    conv, first, last = 4 * 6 * 64 * 18, 4 * 96 * 5, 4 * 5 * 3
    assert flops(p, backward=False) == 2 * (conv + first + last)
    # The input needs no gradient, so the first layer computes that of its weight only.
    assert flops(p, backward=True) == 2 * (conv + 2 * first + 2 * last)


def test_causal_attention_counts_the_pairs_that_see_each_other() -> None:
    q, k, v = normal(2, 3, 4, 8).requires_grad_(), normal(2, 3, 6, 8), normal(2, 3, 6, 5).requires_grad_()
    for is_causal, pairs in ((False, 24), (True, 1 + 2 + 3 + 4)):
        with fg.profile(show=False) as p:
            y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=is_causal)
        assert flops(p, backward=False) == 2 * 6 * pairs * (8 + 5)
        with fg.profile(show=False) as p:
            y.sum().backward()
        # The gradients of the weights, of q and of v; k needs none.
        assert flops(p, backward=True) == 2 * 6 * pairs * (5 + 8 + 5)


LAYERS = [
    (lambda: nn.Linear(6, 4), (3, 5, 6)),
    (lambda: nn.Conv1d(4, 6, 3, dilation=2, groups=2), (2, 4, 9)),
    (lambda: nn.Conv3d(2, 3, 2, stride=2), (2, 2, 4, 4, 4)),
    (lambda: nn.RNN(3, 4, num_layers=2), (5, 2, 3)),
    (lambda: nn.LSTM(3, 6, proj_size=2), (5, 2, 3)),
    (lambda: nn.GRU(3, 4, bidirectional=True), (5, 2, 3)),
    (lambda: nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0), (5, 2, 8)),
    # The gradients of gelu and silu need what these were applied to; no product is computed again for it.
    (lambda: nn.Sequential(nn.Linear(6, 4), nn.GELU()), (3, 6)),
    (lambda: nn.Sequential(nn.Conv1d(4, 6, 3), nn.SiLU()), (2, 4, 9)),
]


@pytest.mark.parametrize(("make", "shape"), LAYERS)
def test_flops_agree_with_the_summary_and_are_twice_as_many_backward(make: Any, shape: tuple[int, ...]) -> None:
    model, x = make(), normal(*shape).requires_grad_()
    with fg.profile(show=False) as p:
        y = model(x)
        y = y[0] if isinstance(y, tuple) else y
    forward = flops(p, backward=False)
    with fg.profile(show=False) as p:
        y.sum().backward()
    assert forward == 2 * fg.summary(model, shape).multiply_adds > 0
    assert flops(p, backward=True) == 2 * forward


def test_every_call_is_counted_once_with_its_bytes() -> None:
    a, b = normal(30, 20), normal(20)
    with fg.profile(show=False) as p:
        for _ in range(3):
            c = a + b
        d = c.reshape(600).permute(0)
        d.add_(1.0)
    rows = {row.name: row for row in p.by_op()}
    assert {name: row.calls for name, row in rows.items()}["add"] == 4
    # Three sums of two operands, and one in place, which reads the same memory as it writes.
    assert rows["add"].bytes == 3 * 4 * (600 + 20 + 600) + 2 * 4 * 600
    assert rows["reshape"].bytes == rows["permute"].bytes == 0
    assert all(0 < event.seconds <= p.seconds for event in p.calls)
    assert sum(row.calls for row in p.by_layer()) == len(p.calls) == len([e for e in p.events if e.kind == "call"])


def test_a_broadcast_operand_and_a_step_of_the_optimizer_count_the_bytes_that_move() -> None:
    a, w = normal(1, 8).expand(50, 8), nn.Parameter(normal(10, 4))
    w.grad = normal(10, 4)
    optimizer = optim.Adam([w])
    optimizer.step()
    with fg.profile(show=False) as p:
        a * 2.0
        optimizer.step()
    rows = {row.name: row for row in p.by_op()}
    assert rows["mul"].bytes == 4 * (8 + 400)
    # p, m and v are read and written, g is read; the step count and the rate are a few bytes more.
    assert 4 * 40 * 7 <= rows["adam_step"].bytes <= 4 * 40 * 7 + 64


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 4))
        self.heads = nn.ModuleList([nn.Linear(4, 2)])

    def forward(self, x: Any) -> Any:
        return self.heads[0](self.body(x)) * 2.0


def test_calls_belong_to_the_layer_that_made_them_backward_too() -> None:
    with fg.profile(show=False) as p:
        loss = nn.MSELoss()(Net()(normal(3, 5)), fg.zeros(3, 2))
        loss.backward()
    found = {(e.layer, e.name, e.op) for e in p.calls}
    # The Tanh is computed by the layer before it, and its gradient with that layer's.
    assert ("Net.body.0", "linear", "") in found
    assert ("Net.body.0", "linear_grad", "linear") in found
    assert not any("tanh" in name for _, name, _ in found)
    assert not any(layer == "Net.body.1" for layer, _, _ in found)
    assert ("Net.heads.0", "linear_grad", "linear") in found
    assert ("Net", "mul", "mul") in found
    assert any(layer == "MSELoss" for layer, _, _ in found)


def test_sums_that_finish_a_gradient_belong_to_its_layer() -> None:
    class Shift(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.by = nn.Parameter(fg.zeros(4))

        def forward(self, x: Any) -> Any:
            return x + self.by

    model = nn.Sequential(Shift(), nn.Tanh(), Shift())
    with fg.profile(show=False) as p:
        model(normal(3, 4)).sum().backward()
    sums = {(e.layer, e.op) for e in p.calls if e.name == "sum_to"}
    assert sums == {("Sequential.0", "add"), ("Sequential.2", "add")}


def test_what_is_recorded_before_the_profile_has_an_op_but_no_layer() -> None:
    y = nn.Linear(3, 2)(normal(4, 3)).sum()
    with fg.profile(show=False) as p:
        y.backward()
    assert {(e.layer, e.op) for e in p.calls if e.name == "linear_grad"} == {("", "linear")}


def test_a_training_step_is_the_same_to_the_bit() -> None:
    def run(profiled: bool) -> bytes:
        fg.manual_seed(1)
        model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2))
        optimizer = optim.Adam(model.parameters())

        def step() -> None:
            loss = model(normal(5, 6)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        for _ in range(2):
            if profiled:
                with fg.profile(show=False):
                    step()
            else:
                step()
        return b"".join(p.detach().numpy().tobytes() for p in model.parameters())

    assert run(True) == run(False)


def test_nothing_is_watched_afterwards() -> None:
    before = watched()
    with fg.profile(show=False) as p:
        assert watched() != before
        fg.ones(2) + 1
    assert all(a is b for a, b in zip(watched(), before, strict=True))
    n = len(p.events)
    fg.ones(2) + 1
    assert len(p.events) == n > 0


def test_an_error_goes_through_and_nothing_is_watched_or_printed(capsys: pytest.CaptureFixture[str]) -> None:
    before = watched()
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(3, 2))
    with pytest.raises(fg.ShapeError, match=r"layer '1'"), fg.profile() as p:
        model(normal(4, 3))
    assert all(a is b for a, b in zip(watched(), before, strict=True))
    assert capsys.readouterr().out == ""
    # The layers that the error left are over.
    with p:
        fg.ones(2) + 1
    assert p.calls[-1].layer == ""


def test_an_error_in_backward_leaves_the_backward_pass() -> None:
    class Fails(fg.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            raise ArithmeticError("no")

    y = Fails.apply(normal(2).requires_grad_()).sum()
    with fg.profile(show=False) as p:
        with pytest.raises(ArithmeticError):
            y.backward()
        fg.ones(2) + 1
    assert (p.calls[-1].name, p.calls[-1].backward, p.calls[-1].op) == ("add", False, "")


def test_profiles_nest() -> None:
    with fg.profile(show=False) as outer:
        fg.ones(2) + 1
        with fg.profile(show=False) as inner:
            fg.ones(2) * 3
        fg.ones(2) - 1
    assert [e.name for e in inner.calls if e.name != "full"] == ["mul"]
    assert [e.name for e in outer.calls if e.name != "full"] == ["add", "mul", "sub"]
    with outer:
        with pytest.raises(RuntimeError, match="under way"), outer:
            pass
        fg.ones(2) / 1
    assert outer.calls[-1].name == "div"


def test_other_threads_are_watched_in_layers_of_their_own() -> None:
    def work() -> None:
        nn.Linear(3, 2)(normal(4, 3)).sum().backward()

    model = Net()
    with fg.profile(show=False) as p:
        others = [threading.Thread(target=work) for _ in range(3)]
        for thread in others:
            thread.start()
        model(normal(3, 5))
        for thread in others:
            thread.join()
    threads = {e.thread for e in p.calls}
    assert len(threads) >= 2
    mine = [e for e in p.calls if e.thread == threading.get_ident()]
    assert {e.layer for e in mine if e.name == "linear"} == {"Net.body.0", "Net.body.2", "Net.heads.0"}
    rest = [e for e in p.calls if e.thread != threading.get_ident() and e.name in ("linear", "linear_grad")]
    assert len(rest) == 6
    assert {e.layer for e in rest} == {"Linear"}


def test_the_trace_is_a_chrome_trace_with_calls_inside_layers_and_nodes(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    with fg.profile(path, show=False) as p:
        Net()(normal(3, 5)).sum().backward()
    events = json.loads(path.read_text())["traceEvents"]
    spans = [e for e in events if e["ph"] == "X"]
    assert len(spans) == len(p.events)
    assert {e["ph"] for e in events} == {"M", "X"}
    assert all(e.keys() >= {"name", "cat", "ts", "dur", "pid", "tid", "args"} for e in spans)
    assert min(e["ts"] for e in spans) == 0
    # Microseconds, all of them within the time of the profile.
    assert max(e["ts"] + e["dur"] for e in spans) < 1e6 * p.seconds

    def inside(span: Any, outer: Any) -> bool:
        return outer["ts"] <= span["ts"] and span["ts"] + span["dur"] <= outer["ts"] + outer["dur"] + 1e-3

    def named(name: str, kind: str) -> Any:
        return next(e for e in spans if e["name"] == name and e["cat"] == kind)

    linear = next(e for e in spans if e["name"] == "linear" and e["args"]["layer"] == "Net.body.0")
    assert linear["args"]["shapes"] == "(3, 5), (4, 5), (4,)"
    assert linear["args"]["FLOP"] == 2 * 3 * 5 * 4
    for outer in ("Net.body.0", "Net.body", "Net"):
        assert inside(linear, named(outer, "layer"))
    node = next(e for e in spans if e["cat"] == "node" and e["args"]["layer"] == "Net.body.0")
    assert node["name"] == "linear backward"
    assert inside(node, named("backward", "backward"))
    assert inside(next(e for e in spans if e["name"] == "linear_grad" and e["args"]["layer"] == "Net.body.0"), node)
    assert not inside(node, named("Net", "layer"))


def test_the_table_says_where_the_time_goes(capsys: pytest.CaptureFixture[str]) -> None:
    model, x = Net(), normal(3, 5)
    with fg.profile() as p:
        model(x).sum().backward()
    printed = capsys.readouterr().out
    assert printed == f"{p}\n"
    assert printed.splitlines()[0].split() == [
        "op",
        "calls",
        "time",
        "of",
        "all",
        "backward",
        "GFLOP/s",
        "GB/s",
        "%",
        "of",
        "peak",
    ]
    assert "linear backward: linear_grad" in printed
    assert "Net.heads.0" in printed
    assert f"\n{len(p.calls)} calls, " in printed
    rows = p.by_op()
    assert [row.seconds for row in rows] == sorted((row.seconds for row in rows), reverse=True)
    linear = next(line for line in printed.splitlines() if line.startswith("linear "))
    assert float(linear.split()[-3]) == pytest.approx(
        rows_of(p, "linear").flops / rows_of(p, "linear").seconds / 1e9, abs=0.06
    )
    assert "more" in p.table(rows=2)
    assert "more" not in p.table(rows=None)


def rows_of(p: fg.profile, name: str) -> Any:
    return next(row for row in p.by_op() if row.name == name)


def test_an_empty_profile_has_a_table_and_a_trace(tmp_path: Path) -> None:
    with fg.profile(tmp_path / "t.json", show=False) as p:
        pass
    assert "0 calls" in str(p)
    assert json.loads((tmp_path / "t.json").read_text())["traceEvents"] == []
