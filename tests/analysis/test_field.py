"""The receptive field by formula is the one by gradient: where the input moves an element of the result."""

from __future__ import annotations

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import models, nn
from ferrograd.analysis import ReceptiveField


class Join(nn.Module):
    """Branches, and what joins their results."""

    def __init__(self, join, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.join = join

    def forward(self, x):
        return self.join([branch(x) for branch in self.branches])


class Call(nn.Module):
    """A function as a layer."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def total(parts):
    return parts[0] + parts[1]


def channels(parts):
    return fg.cat(parts, 1)


#: Name: the network, its input's shape. Results lie within the image at the middle place.
NETWORKS = {
    "stack": (nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(2, 2, 5), nn.LeakyReLU()), (1, 1, 24, 28)),
    "strides": (
        nn.Sequential(nn.Conv2d(1, 2, (3, 2), stride=(2, 1), padding=1), nn.AvgPool2d(3, 2), nn.Conv2d(2, 2, 3, dilation=(1, 2))),
        (1, 1, 40, 30),
    ),
    "one dimension": (nn.Sequential(nn.Conv1d(2, 4, 4, dilation=3, groups=2), nn.MaxPool1d(3, 1, 1), nn.Conv1d(4, 1, 2)), (1, 2, 30)),
    "three dimensions": (nn.Sequential(nn.Conv3d(1, 2, (1, 2, 3), padding=(0, 1, 1)), nn.AvgPool3d(2)), (1, 1, 8, 10, 12)),
    "norms": (nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout2d(0.5), nn.Softplus(), nn.Conv2d(4, 1, 3)), (1, 1, 12, 12)),
    "residual": (
        Join(total, nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.ReLU(), nn.Conv2d(2, 2, 5, padding=2)), nn.Identity()),
        (1, 2, 15, 15),
    ),
    "pieces of channels": (
        nn.Sequential(nn.Conv1d(1, 4, 3), Call(lambda x: total(fg.split(x, 2, 1))), nn.Conv1d(2, 1, 3, dilation=2)), (1, 1, 30),
    ),
    "pieces of places": (
        nn.Sequential(nn.Conv1d(1, 2, 3), Call(lambda x: fg.split(x, [9, 15, 4], 2)[1]), nn.Conv1d(2, 1, 3)), (1, 1, 30),
    ),
    "one place": (
        nn.Sequential(nn.Conv2d(1, 2, 3), Call(lambda x: fg.unbind(x, 2)[5]), nn.Conv1d(2, 1, 3)), (1, 1, 14, 16),
    ),
    "a branch to one side": (
        Join(total, nn.Conv1d(1, 1, 5, padding=2, dilation=1), Call(lambda x: nn.functional.pad(x, (6, 0))[..., :-6])),
        (1, 1, 30),
    ),
    "inception": (
        nn.Sequential(Join(channels, nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 3, padding=1), nn.MaxPool2d(3, 1, 1)), nn.Conv2d(5, 1, 2, 2)),
        (1, 1, 16, 16),
    ),
    "slices": (nn.Sequential(nn.Conv1d(1, 1, 3), Call(lambda x: x[:, :, 3:40:2]), nn.Conv1d(1, 1, 2)), (1, 1, 50)),
    "a flip": (nn.Sequential(nn.Conv1d(1, 1, 3, stride=2), Call(lambda x: fg.flip(x, 2)), nn.Conv1d(1, 1, 4)), (1, 1, 41)),
    "channels last": (
        nn.Sequential(nn.Conv2d(1, 3, 3), Call(lambda x: x.permute(0, 2, 3, 1)), nn.LayerNorm(3), nn.Linear(3, 2), Call(lambda x: x.permute(0, 3, 1, 2)), nn.AvgPool2d(2)),
        (1, 1, 14, 14),
    ),
    "softmax of channels": (nn.Sequential(nn.Conv2d(1, 3, 2), nn.Softmax(1), nn.Conv2d(3, 1, 3)), (1, 1, 11, 11)),
    "pieces put together": (
        nn.Sequential(nn.Conv1d(1, 2, 3), Call(lambda x: fg.stack([x[:, 0], x[:, 1]], 1)), Call(lambda x: fg.cat([x, x], 0)[:1])),
        (1, 1, 9),
    ),
    "the mean of all": (nn.Sequential(nn.Conv2d(1, 2, 3), Call(lambda x: x.mean((2, 3))), nn.Linear(2, 3)), (1, 1, 8, 9)),
    "weights from the mean of all": (
        nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), Call(lambda x: x * x.mean((2, 3), keepdim=True)), nn.Conv2d(2, 1, 1)),
        (1, 1, 9, 9),
    ),
    "the mean of a row": (nn.Sequential(nn.Conv2d(1, 2, 3), Call(lambda x: x.mean(3, keepdim=True))), (1, 1, 12, 9)),
    "mirrored padding": (
        nn.Sequential(nn.Conv2d(1, 2, 3, padding=(2, 1), padding_mode="reflect"), nn.ReLU(), nn.Conv2d(2, 1, 3, padding=1, padding_mode="circular")),
        (1, 1, 12, 13),
    ),
    "chosen places": (nn.Sequential(nn.Conv1d(1, 1, 3), Call(lambda x: x[:, :, np.arange(2, 40, 3)]), nn.Conv1d(1, 1, 2)), (1, 1, 50)),
    "adaptive pooling": (nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d((4, 1)), nn.ReLU()), (1, 1, 14, 9)),
    "adaptive maxima": (nn.Sequential(nn.Conv1d(1, 2, 3), nn.AdaptiveMaxPool1d(3)), (1, 1, 14)),
    "flattened": (nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 4), nn.ReLU()), (1, 1, 8, 8)),
    "lenet": (models.lenet5(), (1, 1, 28, 28)),
    "lenet's features": (models.lenet5().features, (1, 1, 28, 28)),
    "a group norm": (nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4)), (1, 1, 8, 8)),
    "attention over places": (
        nn.Sequential(nn.Conv1d(1, 4, 3), Call(lambda x: x.mT), nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)),
        (1, 1, 9),
    ),
}  # fmt: skip


def by_gradient(model, shape, place):
    """(first, last) place of each dimension that moves the result's element at `place`; seen in several random inputs."""
    rng = np.random.default_rng(0)
    touched = np.zeros(shape[2:], bool)
    for _ in range(25):
        x = fg.tensor(rng.uniform(0.5, 1.5, shape), requires_grad=True)
        y = model(x)
        weights = np.zeros(y.shape)
        weights[(0, slice(None), *place)[: y.ndim]] = rng.uniform(0.5, 1.5, y.shape[1] if y.ndim > 1 else 1)
        y.backward(fg.tensor(weights))
        touched |= (x.grad.numpy() != 0).any((0, 1))
    lines = [touched.any(tuple(k for k in range(touched.ndim) if k != d)) for d in range(touched.ndim)]
    return [(int(line.argmax()), len(line) - 1 - int(line[::-1].argmax())) for line in lines]


def positive(model):
    """In float64 with weights above 0, so that no path is closed."""
    rng = np.random.default_rng(1)
    for p in model.double().parameters():
        nn.init.constant_(p, 0.0)
        p.data.copy_(fg.tensor(rng.uniform(0.1, 1.0, p.shape)))
    return model.eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_formula_and_gradient_agree(name):
    model, shape = NETWORKS[name]
    model = positive(model)
    result = model(fg.zeros(shape, dtype=fg.float64))
    middle = [n // 2 for n in result.shape[2:]]
    field = fg.receptive_field(model, shape)
    places = [tuple(middle)]
    if result.ndim == len(shape) and min(result.shape[2:]) > 2:
        places.append(tuple(n // 2 - 1 for n in result.shape[2:]))
    for place in places:
        place = place if result.ndim == len(shape) else (0,) * len(field.size)
        wanted = [
            (start + p * stride, start + p * stride + size - 1)
            for p, start, stride, size in zip(place, field.start, field.stride, field.size, strict=True)
        ]
        assert by_gradient(model, shape, place) == wanted


def test_transposed_convolutions():
    """Places of a period see different numbers of places; the formula gives the most."""
    for stride, kernel in ((2, 2), (2, 3), (2, 5), (3, 4), (1, 3)):
        model = positive(nn.Sequential(nn.Conv1d(1, 1, 3), nn.ConvTranspose1d(1, 1, kernel, stride=stride, padding=1)))
        field = fg.receptive_field(model, (1, 1, 20))
        assert field.stride == (1 / stride,)
        seen = [by_gradient(model, (1, 1, 20), (p,))[0] for p in range(12, 12 + stride)]
        assert max(last - first + 1 for first, last in seen) == field.size[0]
        for p, (first, last) in zip(range(12, 12 + stride), seen, strict=True):
            assert field.start[0] + p / stride <= first
            assert last <= field.start[0] + p / stride + field.size[0]


def test_places_repeated():
    """Nearest neighbours, then a convolution: it sees the most where its window begins with the last of a place's copies."""
    model = positive(nn.Sequential(nn.Conv1d(1, 1, 3), nn.Upsample(scale_factor=3), nn.Conv1d(1, 1, 3)))
    field = fg.receptive_field(model, (1, 1, 12))
    assert field.stride == (1 / 3,)
    seen = [by_gradient(model, (1, 1, 12), (p,))[0] for p in range(9, 12)]
    assert max(last - first + 1 for first, last in seen) == field.size[0] == 4


def test_the_lectures_stack():
    """Two layers of f x f see 2f - 1; a pooling of m doubles the steps."""
    f = 5
    assert fg.receptive_field(nn.Sequential(nn.Conv2d(1, 1, f), nn.Conv2d(1, 1, f)), (1, 1, 20, 20)).size == (9, 9)
    pooled = nn.Sequential(nn.Conv2d(1, 1, f), nn.MaxPool2d(2), nn.Conv2d(1, 1, f))
    assert fg.receptive_field(pooled, (1, 1, 20, 20)) == ReceptiveField((14, 14), (2, 2), (0, 0))


@pytest.mark.parametrize(("model", "size", "stride"), [
    (models.resnet18, 435, 32), (models.resnet50, 427, 32), (models.resnet34, 899, 32),
])  # fmt: skip
def test_residual_networks(model, size, stride, monkeypatch):
    """The published fields of the last stage (resnet50's 3 x 3 strides: 427)."""
    for name in ("kaiming_uniform_", "kaiming_normal_", "uniform_"):
        monkeypatch.setattr(nn.init, name, lambda tensor, *args, **kwargs: nn.init.constant_(tensor, 0.0))
    model = model(num_classes=1)
    model.fc = model.avgpool = nn.Identity()
    model.forward = lambda x: model.layer4(model.layer3(model.layer2(model.layer1(model.maxpool(model.conv1(x))))))
    field = fg.receptive_field(model, (1, 3, 64, 64))
    assert field.size == (size, size)
    assert field.stride == (stride, stride)
    assert str(field) == f"{size} × {size}"


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2), nn.Dropout(0.5))
    model[2].eval()
    model[0].weight.grad = fg.ones(2, 1, 3)
    state, random = {k: v.numpy().copy() for k, v in model.state_dict().items()}, fg.get_rng_state().tolist()
    with fg.no_grad():
        assert fg.receptive_field(model, (1, 1, 9)).size == (3,)
    assert [m.training for m in model] == [True, True, False]
    assert fg.get_rng_state().tolist() == random
    assert all(np.array_equal(v.numpy(), state[k]) for k, v in model.state_dict().items())
    assert model[0].weight.grad.tolist() == np.ones((2, 1, 3)).tolist()


ERRORS = [
    (nn.Linear(3, 3), (2, 3), ValueError, r"input_shape: expected \(N, C, \*sizes\), got \(2, 3\)"),
    (Call(lambda x: x[:, :, [0, 2, 1]]), (1, 1, 5), ValueError, "there is no formula for how 'index_get' moves places"),
    (
        Call(lambda x: x.reshape(1, 1, 2, 3)),
        (1, 1, 6),
        ValueError,
        "there is no formula for how 'reshape' moves places",
    ),
    (nn.AdaptiveAvgPool1d(4), (1, 1, 6), ValueError, "there is no formula for how 'adaptive_avg_pool' moves places"),
    (Join(fg.stack, nn.Identity(), nn.Conv1d(1, 1, 3, padding=1)), (1, 1, 6), ValueError, "how 'stack' moves places"),
    (nn.Flatten(), (1, 2, 6), ValueError, "flattened form"),
    (Call(lambda x: fg.ones(3)), (1, 2, 6), ValueError, "does not depend on the input"),
    (Call(lambda x: None), (1, 2, 6), ValueError, "expected it to return a Tensor"),
    (len, (1, 2, 6), TypeError, "model: expected an nn.Module, got builtin_function_or_method"),
]


@pytest.mark.parametrize(("model", "shape", "error", "match"), ERRORS, ids=[m for *_, m in ERRORS])
def test_wrong_calls(model, shape, error, match):
    with pytest.raises(error, match=match):
        fg.receptive_field(model, shape)
