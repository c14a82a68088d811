"""An error raised inside a model says in which layer."""

from __future__ import annotations

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import nn


def test_path_and_layer():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Identity(), nn.Linear(4, 2))

        def forward(self, x):
            return self.features(x)

    with pytest.raises(fg.ShapeError) as caught:
        Net()(fg.ones(2, 3))
    message = str(caught.value)
    assert message.endswith("\n  in layer 'features.3' (Linear(in_features=4, out_features=2, bias=True))")
    assert message.count("in layer") == 1
    assert "(2, 3)" in message


def test_a_bare_layer():
    with pytest.raises(fg.ShapeError, match=r"\n  in Linear\(in_features=4, out_features=2, bias=False\)$"):
        nn.Linear(4, 2, bias=False)(fg.ones(2, 3))


class Raises(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def forward(self, x):
        raise self.error


def test_through_a_list_that_is_not_called():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.ModuleDict({"x": Raises(ValueError("no"))})])

        def forward(self, x):
            return self.layers[0]["x"](x)

    with pytest.raises(ValueError, match=r"^no\n  in layer 'outer.layers.0.x' \(Raises\(\)\)$"):
        nn.Sequential({"outer": Net()})(1)


def test_a_module_made_on_the_way():
    class Net(nn.Module):
        def forward(self, x):
            return nn.Linear(3, 1)(x)

    with pytest.raises(ValueError, match=r"in layer '0.Linear'"):
        nn.Sequential(Net())(fg.ones(2, 2))


class Coded(Exception):
    def __init__(self, code, reason):
        super().__init__(code, reason)
        self.code = code


class Worded(Exception):
    def __str__(self):
        return "words of its own"


@pytest.mark.parametrize("error", [KeyError("k"), Coded(3, "why"), Worded("x"), OSError(2, "no"), StopIteration()],
                         ids=lambda e: type(e).__name__)  # fmt: skip
def test_errors_that_are_no_plain_message_get_a_note(error):
    text = str(error)
    with pytest.raises(type(error)) as caught:
        nn.Sequential(nn.Sequential(Raises(error)))(1)
    assert caught.value is error
    assert str(error) == text
    assert error.__notes__ == ["  in layer '0.0' (Raises())"]


def test_the_users_own_error_class_is_kept():
    class Odd(RuntimeError):
        pass

    with pytest.raises(Odd, match=r"^odd\n  in layer '0' \(Raises\(\)\)$"):
        nn.Sequential(Raises(Odd("odd")))(1)


def test_an_error_caught_on_the_way_does_not_matter():
    class Careful(nn.Module):
        def __init__(self):
            super().__init__()
            self.risky = Raises(ValueError("no"))

        def forward(self, x):
            try:
                return self.risky(x)
            except ValueError:
                return x

    assert nn.Sequential(Careful())(3) == 3


def test_keyboard_interrupt_passes_untouched():
    with pytest.raises(KeyboardInterrupt) as caught:
        nn.Sequential(Raises(KeyboardInterrupt()))(1)
    assert not hasattr(caught.value, "__notes__")


LAYERS = {
    "linear": (lambda: nn.Linear(3, 2), (4, 3)),
    "conv1d": (lambda: nn.Conv1d(3, 2, 1), (4, 3, 5)),
    "conv2d": (lambda: nn.Conv2d(3, 2, 1), (4, 3, 5, 5)),
    "conv3d": (lambda: nn.Conv3d(3, 2, 1), (4, 3, 5, 5, 5)),
    "batchnorm1d": (lambda: nn.BatchNorm1d(3), (4, 3)),
    "batchnorm2d-eval": (lambda: nn.BatchNorm2d(3).eval(), (4, 3, 2, 2)),
    "layernorm": (lambda: nn.LayerNorm(3), (4, 3)),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("of", ["tensor", "ndarray"])
def test_a_wrong_dtype_names_both_and_the_cure(name, of):
    make, shape = LAYERS[name]
    x = np.ones(shape)
    with pytest.raises(fg.DTypeError) as caught:
        nn.Sequential(make())(fg.tensor(x) if of == "tensor" else x)
    message = str(caught.value)
    assert "the input is float64, the layer's parameters are float32" in message
    assert ("x.to(fg.float32)" if of == "tensor" else "x.astype('float32')") in message
    assert "layer.to(fg.float64)" in message
    assert "in layer '0'" in message
    nn.Sequential(make().double())(x)  # the cure cures


def test_storage_dtypes_name_the_cure():
    with pytest.raises(fg.DTypeError, match=r"the input is float16, .*x.to\(fg.float32\)"):
        nn.Linear(3, 2)(fg.ones(4, 3).half())
