"""State dicts: keys, sharing, strictness, and one error that names everything that does not fit."""

from __future__ import annotations

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import nn


def net():
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2, bias=False))


def test_keys_are_pytorchs():
    assert list(net().state_dict()) == [
        "0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked",
        "3.weight",
    ]  # fmt: skip


def test_values_share_memory_and_are_detached():
    m = net()
    state = m.state_dict()
    assert not any(v.requires_grad for v in state.values())
    state["0.bias"][0] = 42.0
    assert m[0].bias[0].item() == 42.0
    kept = m.state_dict(keep_vars=True)
    assert kept["0.bias"] is m[0].bias
    assert next(iter(m.state_dict(prefix="net."))) == "net.0.weight"


def test_round_trip():
    a, b = net(), net()
    assert a[0].weight.tolist() != b[0].weight.tolist()
    parameters = list(b.parameters())
    result = b.load_state_dict(a.state_dict())
    assert repr(result) == "<All keys matched successfully>"
    assert (result.missing_keys, result.unexpected_keys) == ([], [])
    for key, value in a.state_dict().items():
        assert b.state_dict()[key].tolist() == value.tolist()
    assert all(p is q for p, q in zip(parameters, b.parameters(), strict=True))
    with fg.no_grad():
        a[0].bias[0] = 99.0
    assert b[0].bias[0].item() != 99.0, "a copy"


def test_ndarrays_and_other_dtypes_are_converted():
    m = nn.Linear(2, 1)
    m.load_state_dict({"weight": np.array([[1.0, 2.0]]), "bias": fg.tensor([3.0], dtype=fg.float64)})
    assert m.weight.tolist() == [[1.0, 2.0]]
    assert m.weight.dtype == fg.float32
    assert m.bias.tolist() == [3.0]


def test_one_error_names_everything_and_changes_nothing():
    m = net()
    before = m[0].bias.tolist()
    state = m.state_dict()
    state = {k: v for k, v in state.items() if k not in ("1.bias", "3.weight")}
    state["0.weight"] = fg.zeros(3, 5)
    state["0.bias"] = fg.full((3,), 7.0)
    state["head.weight"] = fg.zeros(1)
    with pytest.raises(RuntimeError) as caught:
        m.load_state_dict(state)
    message = str(caught.value)
    assert message.startswith("Error(s) in loading state_dict for Sequential:\n\t")
    assert 'Missing key(s) in state_dict: "1.bias", "3.weight".' in message
    assert 'Unexpected key(s) in state_dict: "head.weight".' in message
    assert (
        "size mismatch for 0.weight: copying a param with shape (3, 5) from checkpoint, "
        "the shape in current model is (3, 4)." in message
    )
    assert m[0].bias.tolist() == before


def test_not_strict():
    m = net()
    result = m.load_state_dict({"0.bias": fg.full((3,), 7.0), "x": fg.zeros(1)}, strict=False)
    assert m[0].bias.tolist() == [7.0] * 3
    assert "0.weight" in result.missing_keys
    assert result.unexpected_keys == ["x"]
    assert "missing_keys=[" in repr(result)
    with pytest.raises(RuntimeError, match=r"size mismatch for 0.bias"):
        m.load_state_dict({"0.bias": fg.zeros(4)}, strict=False)


def test_assign_takes_the_tensors_themselves():
    m = nn.Linear(2, 1)
    m.weight.requires_grad_(False)
    weight = fg.tensor([[1.0, 2.0]], dtype=fg.float64)
    m.load_state_dict({"weight": weight, "bias": fg.zeros(1, dtype=fg.float64)}, assign=True)
    assert type(m.weight) is nn.Parameter
    assert m.weight.dtype == fg.float64
    assert not m.weight.requires_grad
    assert m.bias.requires_grad
    weight[0, 0] = 9.0
    assert m.weight.tolist() == [[9.0, 2.0]]


def test_assign_keeps_ties():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
            self.b.weight = self.a.weight

    source, m = Tied(), Tied()
    m.load_state_dict(source.state_dict(keep_vars=True), assign=True)
    assert m.a.weight is m.b.weight


def test_wrong_arguments():
    with pytest.raises(TypeError, match="state_dict: expected a mapping, got list"):
        nn.Linear(2, 1).load_state_dict([])
    with pytest.raises(RuntimeError, match='"bias": expected a Tensor or an ndarray, got str'):
        nn.Linear(2, 1).load_state_dict({"weight": fg.zeros(1, 2), "bias": "zero"})


def test_non_persistent_buffers_stay_out():
    m = nn.Module()
    m.register_buffer("a", fg.ones(1))
    m.register_buffer("b", fg.ones(1), persistent=False)
    m.register_buffer("c", None)
    assert list(m.state_dict()) == ["a"]
    m.load_state_dict({"a": fg.zeros(1)})
    assert m.a.item() == 0.0
