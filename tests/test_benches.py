"""The benchmarks' workloads do what their table says: its operations are those that run, its names those of each library."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ferrograd as fg

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benches"))
import choices
import report
import where
import workloads
from workloads import costs, ferrograd_, networks

SMALL = ("mlp tiny", "mlp sgd", "lenet adam", "conv3d", "tdnn", "rnn", "lstm", "gru", "gpt nano")


def forward_flops(model: Any, x: Any) -> float:
    with fg.profile(show=False) as p, fg.no_grad():
        model(x)
    return sum(event.flops for event in p.calls)


@pytest.mark.parametrize("name", SMALL)
def test_multiply_adds_of_the_table_are_those_that_run(name: str) -> None:
    model, x, _ = ferrograd_.SUITE.model(name, plain=False)
    assert forward_flops(model, x) == 2 * workloads.NETWORKS[name][1]


@pytest.mark.parametrize("name", SMALL)
def test_a_training_step_multiplies_three_times_as_much_but_for_the_first_layer(name: str) -> None:
    step = ferrograd_.STEPS[name]()
    with fg.profile(show=False) as p:
        first = step()
    assert sum(event.flops for event in p.calls) == workloads.WORKLOADS[name].flops
    assert step() < first


@pytest.mark.parametrize(("depth", "size"), [(18, 32), (50, 64)])
def test_multiply_adds_of_residual_networks(depth: int, size: int) -> None:
    model = networks.network(fg, f"resnet{depth}", False).eval()
    assert forward_flops(model, fg.zeros(1, 3, size, size)) == 2 * costs.resnet_macs(depth, size)


def test_every_workload_can_be_set_up_and_belongs_to_a_suite() -> None:
    assert set(ferrograd_.STEPS) == set(workloads.WORKLOADS)
    assert set(workloads.BRIEF) <= set(workloads.WORKLOADS)
    assert {w.suite for w in workloads.WORKLOADS.values()} == {"gemm", "conv", "ops", "train", "infer"}


def test_fused_and_plain_forms_start_with_the_same_weights_and_give_the_same_loss() -> None:
    for name in ("mlp tiny", "lenet adam", "gpt nano"):
        fused, plain = ferrograd_.STEPS[name](), ferrograd_.STEPS[f"{name} plain"]()
        assert fused() == pytest.approx(plain(), rel=1e-6)


def test_recorded_steps_are_replayed_and_give_the_same_losses() -> None:
    eager, recorded = (steps["mlp tiny"]() for steps in (ferrograd_.STEPS, ferrograd_.VARIANTS["recorded"]))
    assert [eager() for _ in range(6)] == [recorded() for _ in range(6)]


def test_losses_that_differ_are_told() -> None:
    assert report.first_results_differ({"ferrograd": 2.3, "torch": 2.3001, "jax": 9.0}) == ""
    assert "torch 2.4" in report.first_results_differ({"ferrograd": 2.3, "torch": 2.4})
    assert report.first_results_differ({"ferrograd": None, "torch": None}) == ""


def test_the_table_has_medians_floors_ratios_and_geometric_means() -> None:
    machine = {"processor": "a processor, 2 threads", "versions": {"ferrograd": "ours"}}
    machine["peaks"] = [{"fma_peak": 2e11, "copy": 2e10}]
    times = {
        "sgemm 1024": {"ferrograd": [0.02, 0.011, 0.01], "torch": [0.022, 0.022, 0.9], "numpy": [0.033] * 3},
        "sgemm 512": {"ferrograd": [0.002] * 3, "torch": [0.001] * 3},
    }
    text = report.table({"machine": machine, "times": times})
    row = next(line for line in text.splitlines() if "`sgemm 1024`" in line)
    cells = [cell.strip() for cell in row.split("|")[2:-1]]
    assert cells[0] == "10.7 ms"  # 2 · 1024³ at 200 GFLOP/s
    assert cells[1].startswith("11 ms")
    assert cells[-3:] == ["98%", "2.00", "2.00"]
    assert "Geometric means of 2 workloads: 1.00 against PyTorch eager, 1.00 against the fastest peer" in text
    assert "Integer additions" not in text
    shared = report.table({"machine": machine | {"instructions": [6e9, 12e9, 7e9]}, "times": times})
    assert "measured after each of 3 rounds: 7.0 G (6.0–12.0)" in shared
    # A recorded step has a column of its own and takes no part in the other ratios.
    recorded = times | {"sgemm 1024": times["sgemm 1024"] | {"ferrograd recorded": [0.0055] * 3}}
    text = report.table({"machine": machine, "times": recorded})
    row = next(line for line in text.splitlines() if "`sgemm 1024`" in line)
    assert [cell.strip() for cell in row.split("|")[-4:-1]] == ["2.00", "2.00", "4.00"]
    assert "1.00 against the fastest peer of each; recorded 4.00 against that." in text
    # On a busy machine the least counts.
    busy = report.table({"machine": machine | {"busy": True}, "times": times})
    assert "`sgemm 1024`" in busy
    assert next(line for line in busy.splitlines() if "`sgemm 1024`" in line).split("|")[-2].strip() == "2.20"
    assert report.geometric_mean([2.0, 8.0]) == pytest.approx(4.0)
    assert np.isfinite(report.floor("copy", {"machine": machine}))


def test_scaling_is_compared_with_what_a_product_or_a_copy_reached_in_the_same_rounds() -> None:
    machine = {"processor": "two cores", "versions": {"2": "ours"}, "peaks": [{"fma_peak": 2e11, "copy": 2e10}]}
    found = {"times": {"1": [0.3, 0.4, 0.9], "2": [0.2] * 3}, "reference": {"1": [0.5] * 3, "2": [0.3, 0.25, 0.2]}}
    text = report.table({"machine": machine, "scaling": {"gelu": found, "gpt": found}})
    rows = {
        line.split("`")[1]: [cell.strip() for cell in line.split("|")[2:-1]]
        for line in text.splitlines()
        if "`" in line
    }
    assert rows["gelu"] == ["400 ms", "200 ms", "2.00", "a copy", "2.00", "1.00"]
    assert rows["gpt"][3] == "a product"


def test_where_the_time_of_a_step_goes() -> None:
    row = where.row("mlp tiny", 3, (1e11, 1e10))
    name, step, kernels, outside = [cell.strip() for cell in row.split("|")[1:-1]]
    assert name == "`mlp tiny`"
    assert step.endswith("s")
    assert "linear" in kernels
    shares = [int(cell.split("%")[0].rsplit(" ", 1)[1]) for cell in kernels.split("; ")]
    assert 90 <= sum(shares) <= 110
    assert 0 <= int(outside.rstrip("%")) <= 100


def test_choices_run_either_way(capsys: Any) -> None:
    for case in choices.CASES.values():
        for f in case():
            f()
    choices.report("two", [[1.0, 2.0, 3.0], [2.0, 4.0, 9.0]])
    assert capsys.readouterr().out == "| two | 2 s | 4 s | 2.00 |\n"
