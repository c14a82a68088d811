"""Residual networks against the same networks in PyTorch: logits and every parameter's gradient.

The yardstick is the network in float64: our distance from it is at most twice PyTorch's, which sums convolutions directly,
in the median of five draws of weights and images. In a single draw, one unit that falls on the other side of its kink
moves the gradients before it by more than all rounding, in either library: our distance was then up to 350 times
PyTorch's or a tenth of it, with direct convolutions as with Winograd's. ResNet-50 is trained on eight images of
128 x 128, since over two of 64 x 64, where the last batch norms see eight values each, most draws have such a unit.
"""

from __future__ import annotations

import copy

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import models

torch = pytest.importorskip("torch")


class Block(torch.nn.Module):
    """A residual block of two convolutions, or of three with the outer ones 1 x 1."""

    def __init__(self, inputs, width, outputs, stride, deep):
        super().__init__()
        sizes = (
            [(inputs, width, 1), (width, width, 3), (width, outputs, 1)]
            if deep
            else [(inputs, width, 3), (width, width, 3)]
        )
        for k, (a, b, kernel) in enumerate(sizes, 1):
            step = stride if k == (2 if deep else 1) else 1
            setattr(self, f"conv{k}", torch.nn.Conv2d(a, b, kernel, step, kernel // 2, bias=False))
            setattr(self, f"bn{k}", torch.nn.BatchNorm2d(b))
        self.count = len(sizes)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = torch.nn.Sequential(
                torch.nn.Conv2d(inputs, outputs, 1, stride, bias=False), torch.nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        for k in range(1, self.count + 1):
            x = getattr(self, f"bn{k}")(getattr(self, f"conv{k}")(x))
            x = torch.relu(x if k < self.count else x + shortcut)
        return x


def network(blocks, deep, classes):
    """He et al. 2015, table 1, the stride of a deep block in its 3 x 3 convolution."""
    layers, inputs = {}, 64
    layers["conv1"] = torch.nn.Conv2d(3, 64, 7, 2, 3, bias=False)
    layers["bn1"] = torch.nn.BatchNorm2d(64)
    layers["relu"] = torch.nn.ReLU()
    layers["maxpool"] = torch.nn.MaxPool2d(3, 2, 1)
    for stage, count in enumerate(blocks):
        width = 64 * 2**stage
        outputs = 4 * width if deep else width
        made = []
        for k in range(count):
            made.append(Block(inputs, width, outputs, 2 if stage and not k else 1, deep))
            inputs = outputs
        layers[f"layer{stage + 1}"] = torch.nn.Sequential(*made)
    layers["avgpool"] = torch.nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = torch.nn.Flatten()
    layers["fc"] = torch.nn.Linear(inputs, classes)
    model = torch.nn.Sequential()
    for name, layer in layers.items():
        model.add_module(name, layer)
    return model


def distance(a, b):
    return float(np.linalg.norm((np.asarray(a, np.float64) - b).ravel()))


def run(model, tensor, x, target, loss):
    """Logits, and the gradients by name."""
    logits = model(tensor(x))
    loss(logits, target).backward()
    return [logits.detach().numpy(), {name: p.grad.numpy() for name, p in model.named_parameters()}]


@pytest.fixture
def convolutions():
    """`fg.backends.conv`, restored after the test."""
    before = fg.backends.conv.winograd
    yield fg.backends.conv
    fg.backends.conv.winograd = before


def compare(build, blocks, deep, training, images, seed):
    """For the logits and each gradient: our distance from the network in float64, PyTorch's, and the norm of the whole."""
    torch.manual_seed(seed)
    theirs = network(blocks, deep, 10).train(training)
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    exact = copy.deepcopy(theirs).double()
    ours = build(num_classes=10).train(training)
    ours.load_state_dict(theirs.state_dict())
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(images, np.float32)
    target = rng.integers(0, 10, len(x))
    cross_entropy = torch.nn.functional.cross_entropy
    got = run(ours, fg.tensor, x, target, fg.nn.functional.cross_entropy)
    want = run(theirs, torch.tensor, x, torch.tensor(target), cross_entropy)
    statistics = {name: value.clone().numpy() for name, value in theirs.state_dict().items() if "running" in name}
    exact = run(exact, torch.tensor, x.astype(np.float64), torch.tensor(target), cross_entropy)
    for name, value in statistics.items():
        np.testing.assert_allclose(ours.state_dict()[name].numpy(), value, rtol=1e-4, atol=1e-5, err_msg=name)
    assert set(got[1]) == set(exact[1])
    whole = np.sqrt(sum(np.square(g).sum() for g in exact[1].values()))
    rows = {"logits": (distance(got[0], exact[0]), distance(want[0], exact[0]), np.linalg.norm(exact[0]))}
    for name, g in exact[1].items():
        rows[name] = (distance(got[1][name], g), distance(want[1][name], g), whole)
    return rows


@pytest.mark.parametrize(("build", "blocks", "deep", "training", "images"), [
    (models.resnet18, [2, 2, 2, 2], False, True, (2, 3, 64, 64)),
    (models.resnet18, [2, 2, 2, 2], False, False, (2, 3, 64, 64)),
    (models.resnet50, [3, 4, 6, 3], True, True, (8, 3, 128, 128)),
    (models.resnet50, [3, 4, 6, 3], True, False, (2, 3, 64, 64)),
], ids=["resnet18-train", "resnet18-eval", "resnet50-train", "resnet50-eval"])  # fmt: skip
@pytest.mark.parametrize("winograd", [True, False], ids=["winograd", "direct"])
def test_logits_and_gradients(build, blocks, deep, training, images, winograd, convolutions):
    convolutions.winograd = winograd
    torch.set_num_threads(1)
    draws = [compare(build, blocks, deep, training, images, seed) for seed in range(5)]
    for name in draws[0]:
        excess = [ours - (2 * theirs + 1e-6 * whole) for ours, theirs, whole in (draw[name] for draw in draws)]
        assert np.median(excess) <= 0, name
