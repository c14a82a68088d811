"""Hooks of the state dict, hooks that are always called, extra state, buffers as attributes, setting submodules."""

from __future__ import annotations

import copy

import pytest

import ferrograd as fg
from ferrograd import nn


def test_always_called_hooks_see_a_failure():
    class Fails(nn.Module):
        def forward(self, x):
            raise ValueError("no")

    seen = []
    model = Fails()
    model.register_forward_hook(lambda module, args, output: seen.append("usual"))
    model.register_forward_hook(lambda module, args, output: seen.append(output), always_call=True)
    model.register_forward_hook(
        lambda module, args, kwargs, output: seen.append((args, kwargs)), with_kwargs=True, always_call=True
    )
    with pytest.raises(ValueError, match="no"):
        model(1)
    assert seen == [None, ((1,), {})]
    model.register_forward_hook(lambda module, args, output: 1 / 0, always_call=True)
    with (
        pytest.warns(UserWarning, match="always_call=True raised .* division by zero"),
        pytest.raises(ValueError, match="no"),
    ):
        model(1)
    calm = nn.Identity()
    calm.register_forward_hook(lambda module, args, output: output + 1, always_call=True)
    assert calm(1) == 2


def test_always_called_hooks_are_called_once():
    seen = []
    model = nn.Identity()
    model.register_forward_hook(lambda module, args, output: seen.append("first"), always_call=True)
    model.register_forward_hook(lambda module, args, output: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model(1)
    assert seen == ["first"]


def test_state_dict_hooks():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    seen = []
    model[1].register_state_dict_pre_hook(lambda module, prefix, keep_vars: seen.append((prefix, keep_vars)))

    def rename(module, state_dict, prefix, local_metadata):
        state_dict[prefix + "w"] = state_dict.pop(prefix + "weight")

    handle = model[1].register_state_dict_post_hook(rename)
    assert list(model.state_dict()) == ["0.weight", "0.bias", "1.bias", "1.w"]
    assert seen == [("1.", False)]
    handle.remove()
    model[1].register_state_dict_post_hook(lambda *args: {})
    with pytest.raises(RuntimeError, match="state_dict post-hook: expected None"):
        model.state_dict()


def test_load_hooks_rename_and_forgive():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    state = {k: fg.full(v.shape, 3.0) for k, v in model.state_dict().items()}
    state["1.w"] = state.pop("1.weight")
    calls = []

    def before(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs):
        calls.append((module is model[1], sorted(state_dict), prefix, strict))
        state_dict[prefix + "weight"] = state_dict.pop(prefix + "w")

    handle = model[1].register_load_state_dict_pre_hook(before)
    assert repr(model.load_state_dict(state)) == "<All keys matched successfully>"
    assert calls == [(True, ["1.bias", "1.w"], "1.", True)]
    assert model[1].weight.tolist() == [[3.0] * 2] * 2
    assert "1.w" in state, "the mapping that was given stays as it is"
    handle.remove()

    def after(module, incompatible):
        assert model[0].bias.tolist() == [4.0, 4.0], "loaded by then"
        incompatible.missing_keys.clear()
        incompatible.unexpected_keys.clear()

    state["0.bias"] = fg.full((2,), 4.0)
    handle = model.register_load_state_dict_post_hook(after)
    model.load_state_dict(state)
    handle.remove()
    model.register_load_state_dict_post_hook(lambda module, incompatible: None)
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "1.weight"'):
        model.load_state_dict(state)
    model[0].register_load_state_dict_post_hook(lambda module, incompatible: incompatible)
    with pytest.raises(RuntimeError, match="load_state_dict post-hook: expected None"):
        model.load_state_dict(model.state_dict())


def test_errors_that_a_load_hook_adds_are_raised():
    model = nn.Linear(1, 1)
    model.register_load_state_dict_pre_hook(lambda *args: args[-1].append("too old"))
    with pytest.raises(RuntimeError, match=r"Error\(s\) in loading state_dict for Linear:\n\ttoo old"):
        model.load_state_dict(model.state_dict())


class Counts(nn.Module):
    def __init__(self):
        super().__init__()
        self.count = 0

    def get_extra_state(self):
        return {"count": self.count}

    def set_extra_state(self, state):
        self.count = state["count"]


def test_extra_state():
    model = nn.Sequential(Counts(), nn.Linear(1, 1))
    model[0].count = 5
    state = model.state_dict()
    assert state["0._extra_state"] == {"count": 5}
    other = nn.Sequential(Counts(), nn.Linear(1, 1))
    other.load_state_dict(state)
    assert other[0].count == 5
    del state["0._extra_state"]
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "0._extra_state"'):
        other.load_state_dict(state)
    with pytest.raises(RuntimeError, match=r'Unexpected key\(s\) in state_dict: "_extra_state"'):
        nn.Identity().load_state_dict({"_extra_state": 1})
    with pytest.raises(RuntimeError, match="Linear: get_extra_state: a class with an extra state has to define it"):
        nn.Linear(1, 1).get_extra_state()


def test_batch_norm_loads_states_from_before_there_was_a_count():
    layer = nn.BatchNorm1d(2)
    layer(fg.tensor([[1.0, 2.0], [3.0, 5.0]]))
    state = layer.state_dict()
    del state["num_batches_tracked"]
    layer.load_state_dict(state)
    assert layer.num_batches_tracked.item() == 1
    with pytest.raises(RuntimeError, match='"weight", "bias", "running_mean", "running_var", "num_batches_tracked"'):
        layer.load_state_dict({})


def test_buffers_are_registered_when_assigned():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.kept = nn.Buffer(fg.ones(2))
            self.hidden = nn.Buffer(fg.zeros(1), persistent=False)
            self.plain = fg.ones(1)

    model = Model()
    assert [name for name, _ in model.named_buffers()] == ["kept", "hidden"]
    assert list(model.state_dict()) == ["kept"]
    assert isinstance(model.kept, nn.Buffer)
    assert isinstance(model.kept, fg.Tensor)
    assert not model.kept.requires_grad
    assert [name for name, _ in copy.deepcopy(model).named_buffers()] == ["kept", "hidden"]
    assert model.double().kept.dtype == fg.float64
    model.plain = nn.Buffer(fg.ones(3))
    assert list(model.state_dict()) == ["kept", "plain"]
    assert nn.Buffer().shape == (0,)


def test_set_submodule():
    model = nn.Sequential(nn.Sequential(nn.Linear(1, 1)), nn.ReLU())
    new = nn.Tanh()
    model.set_submodule("0.0", new)
    assert model[0][0] is new
    model.set_submodule("0.more", nn.ReLU())
    assert list(model[0]._modules) == ["0", "more"]
    with pytest.raises(AttributeError, match="Sequential has no attribute 'other'"):
        model.set_submodule("0.other", new, strict=True)
    with pytest.raises(AttributeError, match="'training' .* is not an nn.Module"):
        model.set_submodule("0.training", new)
    with pytest.raises(ValueError, match="set_submodule: target: expected a path"):
        model.set_submodule("", new)
    with pytest.raises(ValueError, match="set_submodule: module: expected an nn.Module, got int"):
        model.set_submodule("0", 3)


def test_modules_with_duplicates_and_conversion_by_type():
    shared = nn.Linear(1, 1)
    model = nn.Sequential(shared, shared)
    assert len(list(model.modules())) == 2
    assert len(list(model.modules(remove_duplicate=False))) == 3
    assert model.type(fg.float64)[0].weight.dtype == fg.float64
    with pytest.raises(RuntimeError, match="cuda: this build of ferrograd computes on the CPU"):
        model.cuda()
