"""Module: attributes, names, modes, conversions, copies, hooks, repr."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import nn


class Scale(nn.Module):
    """x · factor + offset, offset a buffer."""

    def __init__(self, factor=2.0, persistent=True):
        super().__init__()
        self.factor = nn.Parameter(fg.full((3,), factor))
        self.register_buffer("offset", fg.full((3,), 1.0), persistent=persistent)

    def forward(self, x):
        return x * self.factor + self.offset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = Scale(2.0)
        self.inner = nn.ModuleList([Scale(3.0), Scale(4.0, persistent=False)])
        self.count = 7

    def forward(self, x):
        for layer in self.inner:
            x = layer(x)
        return self.first(x)


def test_forward_and_gradient():
    net = Net()
    y = net(fg.ones(3))
    assert y.tolist() == [2 * (4 * (3 + 1) + 1) + 1] * 3
    y.backward(fg.ones(3))
    assert net.first.factor.grad.tolist() == [17.0] * 3
    assert net.inner[0].factor.grad.tolist() == [8.0] * 3


def test_names():
    net = Net()
    assert [n for n, _ in net.named_modules()] == ["", "first", "inner", "inner.0", "inner.1"]
    assert [n for n, _ in net.named_children()] == ["first", "inner"]
    assert [n for n, _ in net.named_parameters()] == ["first.factor", "inner.0.factor", "inner.1.factor"]
    assert [n for n, _ in net.named_parameters(recurse=False)] == []
    assert next(n for n, _ in net.named_parameters("net")) == "net.first.factor"
    assert [n for n, _ in net.named_buffers()] == ["first.offset", "inner.0.offset", "inner.1.offset"]
    assert len(list(net.parameters())) == 3
    assert len(list(net.buffers())) == 3
    assert [type(m) for m in net.children()] == [Scale, nn.ModuleList]
    assert len(list(net.modules())) == 5


def test_a_shared_module_is_listed_once():
    shared = Scale()
    net = nn.Sequential(shared, shared)
    assert [n for n, _ in net.named_parameters()] == ["0.factor"]
    assert [n for n, _ in net.named_parameters(remove_duplicate=False)] == ["0.factor", "1.factor"]
    assert [n for n, _ in net.named_modules()] == ["", "0"]
    assert [n for n, _ in net.named_modules(remove_duplicate=False)] == ["", "0", "1"]
    assert [n for n, _ in net.named_children()] == ["0"]
    assert list(net.state_dict()) == ["0.factor", "0.offset", "1.factor", "1.offset"]


def test_a_shared_parameter_is_listed_once():
    a, b = Scale(), Scale()
    b.factor = a.factor
    net = nn.ModuleList([a, b])
    assert [n for n, _ in net.named_parameters()] == ["0.factor"]
    assert [n for n, _ in net.named_parameters(remove_duplicate=False)] == ["0.factor", "1.factor"]


def test_get():
    net = Net()
    assert net.get_submodule("inner.1") is net.inner[1]
    assert net.get_submodule("") is net
    assert net.get_parameter("inner.0.factor") is net.inner[0].factor
    assert net.get_buffer("first.offset") is net.first.offset
    with pytest.raises(AttributeError, match=r"has no attribute 'nothing' \(of 'inner.nothing'\)"):
        net.get_submodule("inner.nothing")
    with pytest.raises(AttributeError, match=r"'count' .* is not an nn.Module"):
        net.get_submodule("count")
    with pytest.raises(AttributeError, match=r"'offset' .* is not an nn.Parameter"):
        net.get_parameter("first.offset")


def test_attributes_move_between_registers():
    m = nn.Module()
    m.x = 1
    m.x = nn.Parameter(fg.ones(2))
    assert "x" not in m.__dict__
    assert list(m._parameters) == ["x"]
    m.x = Scale()
    assert list(m._modules) == ["x"]
    assert not m._parameters
    m.x = nn.Parameter(fg.ones(2))
    m.x = None
    assert m._parameters == {"x": None}
    assert list(m.parameters()) == []
    m.b = fg.ones(2)
    assert "b" in m.__dict__, "a plain tensor is a plain attribute"
    m.register_buffer("c", fg.ones(2), persistent=False)
    replacement = fg.zeros(2)
    m.c = replacement
    assert m._buffers["c"] is replacement
    assert "c" not in m.state_dict()
    del m.c
    assert not hasattr(m, "c")
    assert m._non_persistent_buffers_set == set()
    del m.x, m.b
    assert not hasattr(m, "x")
    with pytest.raises(AttributeError, match="'Module' object has no attribute 'x'"):
        m.x  # noqa: B018
    with pytest.raises(AttributeError):
        del m.x


def test_attributes_of_the_wrong_kind():
    m = Scale()
    with pytest.raises(
        TypeError, match=r"cannot assign 'Tensor' as parameter 'factor' \(nn.Parameter or None expected\)"
    ):
        m.factor = fg.ones(3)
    with pytest.raises(TypeError, match="cannot assign 'float' as buffer 'offset'"):
        m.offset = 1.0
    m.child = Scale()
    with pytest.raises(TypeError, match="cannot assign 'int' as child module 'child'"):
        m.child = 3
    with pytest.raises(KeyError, match="attribute 'forward' already exists"):
        m.register_buffer("forward", fg.ones(1))
    with pytest.raises(KeyError, match="without dots"):
        m.register_parameter("a.b", None)
    with pytest.raises(KeyError, match="not empty"):
        m.add_module("", Scale())
    with pytest.raises(TypeError, match="name: expected a string, got int"):
        m.add_module(3, Scale())
    with pytest.raises(TypeError, match="int is not a Module subclass"):
        m.add_module("x", 3)
    with pytest.raises(TypeError, match="cannot assign 'Tensor' object to parameter 'x'"):
        m.register_parameter("x", fg.ones(2))
    with pytest.raises(TypeError, match="cannot assign 'list' object to buffer 'x'"):
        m.register_buffer("x", [1])


def test_without_init():
    class Lazy(nn.Module):
        def __init__(self):
            self.p = nn.Parameter(fg.ones(2))

    with pytest.raises(AttributeError, match=r"cannot assign parameters before Module.__init__\(\) call"):
        Lazy()

    class Silent(nn.Module):
        def __init__(self):
            pass

    with pytest.raises(AttributeError, match=r"was super\(\).__init__\(\) called\?"):
        Silent()(1)


def test_forward_is_needed():
    with pytest.raises(NotImplementedError, match="Module: forward"):
        nn.Module()(1)


def test_dir_lists_everything():
    assert {"factor", "offset", "forward", "training"} <= set(dir(Scale()))


def test_train_and_eval():
    net = Net()
    assert net.training
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    assert net.train().inner[1].training
    with pytest.raises(ValueError, match="mode: expected a bool, got 'yes'"):
        net.train("yes")


def test_apply_goes_children_first():
    seen = []
    net = Net()
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen == ["Scale", "Scale", "Scale", "ModuleList", "Net"]


def test_to_keeps_the_parameter_objects():
    net = Net()
    before = list(net.parameters())
    net.register_buffer("steps", fg.tensor(3))
    net(fg.ones(3)).backward(fg.ones(3))
    assert net.double() is net
    assert [p is q for p, q in zip(before, net.parameters(), strict=True)] == [True] * 3
    assert {p.dtype for p in net.parameters()} == {fg.float64}
    assert net.first.offset.dtype == fg.float64
    assert net.first.factor.grad.dtype == fg.float64
    assert net.steps.dtype == fg.int64, "integers stay"
    assert net.first.factor.is_leaf
    assert net(fg.ones(3, dtype=fg.float64)).dtype == fg.float64
    assert {p.dtype for p in net.to("cpu", fg.float32).parameters()} == {fg.float32}
    assert {p.dtype for p in net.half().parameters()} == {fg.float16}
    assert {p.dtype for p in net.bfloat16().parameters()} == {fg.bfloat16}
    assert {p.dtype for p in net.to(fg.ones(1)).parameters()} == {fg.float32}
    with pytest.raises(TypeError, match="floating-point dtypes only, got int64"):
        net.to(fg.int64)
    with pytest.raises(RuntimeError, match="expected 'cpu', got 'cuda'"):
        net.to("cuda")


def test_zero_grad():
    net = Net()
    net(fg.ones(3)).backward(fg.ones(3))
    grad = net.first.factor.grad
    net.zero_grad(set_to_none=False)
    assert net.first.factor.grad is grad
    assert grad.tolist() == [0.0] * 3
    net.zero_grad()
    assert net.first.factor.grad is None


def test_requires_grad():
    net = Net().requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())
    assert not net(fg.ones(3)).requires_grad


def test_deepcopy_is_independent_and_keeps_ties():
    net = Net()
    net.inner[1].factor = net.inner[0].factor
    twin = copy.deepcopy(net)
    assert twin.inner[0].factor is twin.inner[1].factor
    assert type(twin.inner[0].factor) is nn.Parameter
    with fg.no_grad():
        twin.first.factor[0] = 100.0
    assert net.first.factor.tolist() == [2.0] * 3
    assert twin.first.factor.tolist() == [100.0, 2.0, 2.0]
    assert twin.first.factor.requires_grad
    assert twin.inner[1]._non_persistent_buffers_set == {"offset"}


def test_pickle():
    net = Net()
    again = pickle.loads(pickle.dumps(net))
    assert again(fg.ones(3)).tolist() == net(fg.ones(3)).tolist()
    assert list(again.state_dict()) == list(net.state_dict())
    assert type(again.first.factor) is nn.Parameter


def test_a_module_is_freed_without_the_collector():
    net = Net()
    net(fg.ones(3)).backward(fg.ones(3))
    watch = weakref.ref(net.inner[0])
    gc.disable()
    try:
        del net
        assert watch() is None
    finally:
        gc.enable()


# -- hooks


def test_forward_pre_hook_changes_the_arguments():
    m = Scale()
    seen = []
    handle = m.register_forward_pre_hook(lambda module, args: seen.append((module, args)) or (args[0] * 10.0,))
    assert m(fg.ones(3)).tolist() == [21.0] * 3
    assert seen[0][0] is m
    handle.remove()
    assert m(fg.ones(3)).tolist() == [3.0] * 3
    m.register_forward_pre_hook(lambda module, args: args[0] * 2.0)
    assert m(fg.ones(3)).tolist() == [5.0] * 3, "one value in place of a tuple"


def test_forward_hook_changes_the_output():
    m = Scale()
    order = []
    m.register_forward_hook(lambda module, args, y: order.append("a"))
    m.register_forward_hook(lambda module, args, y: (order.append("b"), y * 10.0)[1])
    m.register_forward_hook(lambda module, args, y: order.append("c"), prepend=True)
    assert m(fg.ones(3)).tolist() == [30.0] * 3
    assert order == ["c", "a", "b"]


def test_hooks_with_kwargs():
    class Named(nn.Module):
        def forward(self, x, *, times):
            return x * times

    m = Named()
    m.register_forward_pre_hook(lambda m, args, kwargs: (args, {"times": kwargs["times"] + 1.0}), with_kwargs=True)
    seen = []
    m.register_forward_hook(lambda m, args, kwargs, y: seen.append(kwargs["times"]), with_kwargs=True)
    assert m(fg.ones(1), times=2.0).tolist() == [3.0]
    assert seen == [3.0]
    m.register_forward_pre_hook(lambda m, args, kwargs: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match=r"expected None or a pair \(args, kwargs\), got int"):
        m(fg.ones(1), times=2.0)


def test_a_hook_may_remove_itself():
    m = Scale()
    handles = []
    handles.append(m.register_forward_hook(lambda *_: handles[0].remove()))
    m(fg.ones(3))
    assert not m._forward_hooks


def test_full_backward_hooks():
    class Two(nn.Module):
        def forward(self, x, y, times):
            return x * y, x * times

    m = Two()
    seen = []
    handle = m.register_full_backward_hook(lambda module, gi, go: seen.append((module, gi, go)))
    x, y = fg.full((2,), 3.0, requires_grad=True), fg.full((2,), 5.0)
    a, b = m(x, y, 7.0)
    (a * 2.0).sum().backward()
    (module, grad_input, grad_output) = seen.pop()
    assert module is m
    assert [None if g is None else g.tolist() for g in grad_input] == [[10.0, 10.0], None, None]
    assert [None if g is None else g.tolist() for g in grad_output] == [[2.0, 2.0], None]
    assert x.grad.tolist() == [10.0, 10.0]
    handle.remove()
    m.register_full_backward_pre_hook(lambda module, go: tuple(None if g is None else g * 10.0 for g in go))
    m.register_full_backward_hook(lambda module, gi, go: (gi[0] + 1.0, None, None))
    x.grad = None
    a, b = m(x, y, 7.0)
    (a + b).sum().backward()
    assert x.grad.tolist() == [121.0, 121.0]
    m.register_full_backward_hook(lambda module, gi, go: gi[0])
    a, b = m(x, y, 7.0)
    with pytest.raises(RuntimeError, match="full backward hook: expected 3 gradients, got 1"):
        a.sum().backward()


def test_full_backward_hook_without_an_input_gradient():
    m = Scale()
    seen = []
    m.register_full_backward_hook(lambda module, gi, go: seen.append((gi, go[0].tolist())))
    m(fg.ones(3)).backward(fg.full((3,), 2.0))
    assert seen == [((None,), [2.0] * 3)]
    assert m.factor.grad.tolist() == [2.0] * 3
    with fg.no_grad():
        m(fg.ones(3))
    assert len(seen) == 1


# -- text


def test_repr():
    assert repr(Net()) == ("Net(\n  (first): Scale()\n  (inner): ModuleList(\n    (0-1): 2 x Scale()\n  )\n)")
    net = nn.Sequential(nn.Linear(4, 2), nn.ReLU())
    assert repr(net) == ("Sequential(\n  (0): Linear(in_features=4, out_features=2, bias=True)\n  (1): ReLU()\n)")


def test_parameter():
    data = fg.ones(2)
    p = nn.Parameter(data)
    assert p.requires_grad
    assert p.is_leaf
    assert isinstance(p, fg.Tensor)
    assert repr(p) == "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
    data[0] = 5.0
    assert p.tolist() == [5.0, 1.0], "the memory is shared"
    assert type(p * 2.0) is fg.Tensor
    assert not nn.Parameter(fg.tensor([1, 2]), requires_grad=False).requires_grad
    with pytest.raises(RuntimeError, match="only a floating-point dtype can require gradients, got int64"):
        nn.Parameter(fg.tensor([1, 2]))
    assert nn.Parameter(np.ones(2, np.float32)).shape == (2,)
    assert nn.Parameter().shape == (0,)
