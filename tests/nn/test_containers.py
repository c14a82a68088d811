"""Sequential, ModuleList, ModuleDict, ParameterList."""

from __future__ import annotations

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import nn


def layers(n):
    return [nn.Linear(2, 2) for _ in range(n)]


def test_sequential_by_position_and_by_name():
    a, b = layers(2)
    net = nn.Sequential(a, b)
    assert len(net) == 2
    assert net[0] is a
    assert net[-1] is b
    assert list(net) == [a, b]
    named = nn.Sequential({"fc": a, "out": b})
    assert list(named._modules) == ["fc", "out"]
    assert named.fc is a
    assert named[1] is b
    part = named[1:]
    assert type(part) is nn.Sequential
    assert list(part._modules) == ["out"]
    with pytest.raises(IndexError, match="Sequential: index 2 is out of range for 2 modules"):
        net[2]


@pytest.mark.parametrize("kind", [nn.Sequential, nn.ModuleList])
def test_lists_change(kind):
    a, b, c, d = layers(4)
    box = kind(a, b) if kind is nn.Sequential else kind([a, b])
    assert box.append(c) is box
    assert list(box) == [a, b, c]
    box.insert(1, d)
    assert list(box) == [a, d, b, c]
    assert list(box._modules) == ["0", "1", "2", "3"]
    del box[0]
    assert list(box) == [d, b, c]
    assert list(box._modules) == ["0", "1", "2"]
    assert box.pop() is c
    assert box.pop(0) is d
    assert list(box) == [b]
    box[0] = a
    assert list(box) == [a]
    assert box.extend([b, c]) is box
    del box[1:]
    assert list(box) == [a]
    with pytest.raises(TypeError, match="int is not a Module subclass"):
        box.append(3)
    with pytest.raises(TypeError, match="int is not a Module subclass"):
        box.insert(0, 3)


def test_module_list():
    a, b, c = layers(3)
    box = nn.ModuleList([a])
    box += [b]
    assert list(box + [c]) == [a, b, c]  # noqa: RUF005
    assert type(box[:1]) is nn.ModuleList
    assert len(list(box.parameters())) == 4
    with pytest.raises(NotImplementedError, match="ModuleList: forward"):
        box(1)


def test_module_dict():
    a, b = layers(2)
    box = nn.ModuleDict({"a": a})
    box["b"] = b
    assert list(box) == ["a", "b"]
    assert box["b"] is b
    assert "a" in box
    assert len(box) == 2
    assert list(box.items()) == [("a", a), ("b", b)]
    assert list(box.state_dict()) == ["a.weight", "a.bias", "b.weight", "b.bias"]
    assert box.pop("a") is a
    box.update([("c", a)])
    assert list(box.keys()) == ["b", "c"]
    assert list(box.values()) == [b, a]
    del box["c"]
    box.clear()
    assert len(box) == 0
    with pytest.raises(TypeError, match="expected a mapping or pairs, got int"):
        box.update(3)
    with pytest.raises(NotImplementedError, match="ModuleDict: forward"):
        box(1)


def test_parameter_list():
    class Poly(nn.Module):
        def __init__(self):
            super().__init__()
            self.terms = nn.ParameterList([fg.ones(2), nn.Parameter(fg.zeros(2))])

    m = Poly()
    m.terms.append(fg.full((1,), 3.0))
    assert [n for n, _ in m.named_parameters()] == ["terms.0", "terms.1", "terms.2"]
    assert type(m.terms[0]) is nn.Parameter
    assert m.terms[-1].item() == 3.0
    assert len(m.terms[1:]) == 2
    m.terms[0] = fg.full((2,), 5.0)
    assert m.terms[0].tolist() == [5.0, 5.0]
    assert "(2): Parameter containing: [float32 of size (1,)]" in repr(m)
    with pytest.raises(IndexError):
        m.terms[3]


# -- activations computed with the layer before


ACTIVATIONS = [nn.ReLU, nn.Sigmoid, nn.Tanh, nn.GELU, nn.SiLU]


class Spy(nn.Linear):
    """A layer of the same formula that notes what it is asked for."""

    asked: str | None = "nothing"

    def __call__(self, input, **kwargs):
        self.asked = kwargs.get("activation")
        return super().__call__(input, **kwargs)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("make", [
    lambda: (nn.Linear(5, 7), (3, 5)),
    lambda: (nn.Conv2d(2, 4, 3, padding=1), (2, 2, 5, 6)),
    lambda: (nn.BatchNorm2d(3), (4, 3, 5, 6)),
], ids=["linear", "conv2d", "batchnorm2d"])  # fmt: skip
def test_fused_is_unfused(activation, make, rng):
    layer, shape = make()
    x = fg.tensor(rng.standard_normal(shape).astype(np.float32))
    results = []
    for fused in (True, False):
        net = nn.Sequential(layer, activation())
        if not fused:
            net[1].register_forward_hook(lambda *_: None)
        layer.zero_grad()
        leaf = x.clone().requires_grad_()
        y = net(leaf)
        (y * y).sum().backward()
        results.append([y, leaf.grad, *(p.grad for p in layer.parameters())])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=3e-6, atol=3e-6)


def test_what_is_fused():
    spy = Spy(2, 2)
    x = fg.ones(1, 2)

    def asked(*modules):
        spy.asked = "not called"
        nn.Sequential(*modules)(x)
        return spy.asked

    assert asked(spy, nn.ReLU()) == "relu"
    assert asked(spy, nn.GELU()) == "gelu"
    assert asked(nn.Linear(2, 2), nn.Tanh(), spy, nn.SiLU()) == "silu"
    assert asked(spy) is None
    assert asked(spy, nn.Linear(2, 2), nn.ReLU()) is None
    assert asked(spy, nn.GELU(approximate="tanh")) is None
    assert asked(spy, nn.Identity(), nn.ReLU()) is None
    assert asked(nn.Sequential(spy), nn.ReLU()) is None


def test_hooks_and_other_formulas_are_not_fused():
    spy = Spy(2, 2)
    x = fg.full((1, 2), -1.0)
    calls = []
    relu = nn.ReLU()
    handle = relu.register_forward_pre_hook(lambda m, args: calls.append("relu"))
    nn.Sequential(spy, relu)(x)
    assert spy.asked is None
    assert calls == ["relu"]
    handle.remove()
    handle = spy.register_forward_hook(lambda m, args, y: calls.append(y))
    nn.Sequential(spy, relu)(x)
    assert spy.asked is None
    np.testing.assert_array_equal(calls[-1].detach().numpy(), spy(x).detach().numpy())
    handle.remove()

    class Shifted(nn.ReLU):
        def forward(self, x):
            return super().forward(x) + 1.0

    class Negated(nn.Linear):
        def forward(self, x):
            return super().forward(x) * -1.0

    y = nn.Sequential(spy, Shifted())(x)
    np.testing.assert_allclose(y.detach().numpy(), np.maximum(spy(x).detach().numpy(), 0) + 1)
    negated = Negated(2, 2)
    y = nn.Sequential(negated, nn.ReLU())(x)
    np.testing.assert_allclose(y.detach().numpy(), np.maximum(negated(x).detach().numpy(), 0))
    patched = nn.ReLU()
    patched.forward = lambda x: x * 0.0 + 5.0
    assert nn.Sequential(spy, patched)(x).tolist() == [[5.0, 5.0]]


def test_sequential_arithmetic():
    a, b = nn.Linear(2, 2), nn.ReLU()
    both = nn.Sequential(a) + nn.Sequential(b)
    assert list(both) == [a, b]
    assert list(both * 2) == list(2 * both) == [a, b, a, b]
    grown = nn.Sequential(a)
    grown += nn.Sequential(b)
    assert list(grown) == [a, b]
    grown *= 2
    assert list(grown.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert list(grown.pop(slice(1, 3))) == [b, a]
    assert list(grown) == [a, b]
    with pytest.raises(TypeError, match="unsupported operand type"):
        both + a
    with pytest.raises(TypeError, match=r"unsupported operand types for \*: 'Sequential' and 'float'"):
        both * 2.0
    with pytest.raises(ValueError, match="expected a positive number to multiply by, got 0"):
        both * 0
    with pytest.raises(IndexError, match="insert: index 3 is out of range for 2 modules"):
        both.insert(3, a)
    assert "0" not in dir(both)


def test_parameter_list_changes():
    terms = nn.ParameterList([fg.zeros(1), fg.ones(2)])
    terms += [fg.ones(3)]
    assert [p.shape for p in terms] == [(1,), (2,), (3,)]
    assert terms.pop(0).shape == (1,)
    assert list(terms.state_dict()) == ["0", "1"]
    assert terms[-1].shape == (3,)
    with pytest.raises(TypeError, match="extend: values: expected an iterable of parameters, got Tensor"):
        terms.extend(fg.ones(2))


def test_parameter_dict():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.terms = nn.ParameterDict({"left": fg.ones(2), "right": nn.Parameter(fg.zeros(2))})

        def forward(self, x, choice):
            return self.terms[choice] * x

    model = Model()
    assert list(model.state_dict()) == ["terms.left", "terms.right"]
    model(fg.ones(2), "left").sum().backward()
    assert model.terms.left.grad.tolist() == [1.0, 1.0]
    terms = model.terms
    assert list(terms) == list(terms.keys()) == ["left", "right"]
    assert list(reversed(terms)) == ["right", "left"]
    assert len(terms) == 2
    assert "left" in terms
    assert "up" not in terms
    assert terms.get("up") is None
    assert terms.setdefault("up", fg.ones(1)) is terms["up"]
    assert isinstance(terms["up"], nn.Parameter)
    terms["note"] = "words"
    assert repr(terms).splitlines()[-2:] == ["  (note): Object of type: str", ")"]
    assert terms.pop("note") == "words"
    assert [k for k, _ in (terms | {"down": fg.ones(1)}).items()] == ["left", "right", "up", "down"]
    assert terms.copy()["left"] is terms["left"]
    assert terms.popitem()[0] == "up"
    terms |= [("left", fg.zeros(1))]
    assert terms["left"].shape == (1,)
    assert list(terms.fromkeys(["a"], 1.0).values()) == [1.0]
    terms.clear()
    assert list(model.parameters()) == []
    with pytest.raises(KeyError, match="left"):
        terms["left"]
    with pytest.raises(TypeError, match="expected a string as key, got int"):
        terms[0] = fg.ones(1)
    with pytest.raises(TypeError, match="update: parameters: expected a mapping or pairs, got int"):
        terms.update(3)
    with pytest.raises(NotImplementedError, match="a dict of parameters cannot be called"):
        terms()
