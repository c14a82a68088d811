"""Residual and VGG networks carry torchvision's state keys and sizes, so that its weights load."""

from __future__ import annotations

import math

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import models, nn

STATISTICS = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]


def norm(name):
    return [f"{name}.{key}" for key in STATISTICS]


def resnet_keys(blocks, convolutions, first_is_projected):
    """torchvision's keys: the stem, four stages of blocks, the last layer."""
    keys = ["conv1.weight", *norm("bn1")]
    for stage, count in enumerate(blocks, 1):
        for k in range(count):
            block = f"layer{stage}.{k}"
            for n in range(1, convolutions + 1):
                keys += [f"{block}.conv{n}.weight", *norm(f"{block}.bn{n}")]
            if k == 0 and (stage > 1 or first_is_projected):
                keys += [f"{block}.downsample.0.weight", *norm(f"{block}.downsample.1")]
    return [*keys, "fc.weight", "fc.bias"]


def size(model):
    return sum(p.numel() for p in model.parameters())


@pytest.fixture
def untouched(monkeypatch):
    """Parameters as they come from memory: the large networks are counted only."""
    for name in ("kaiming_uniform_", "kaiming_normal_", "uniform_", "normal_"):
        monkeypatch.setattr(nn.init, name, lambda tensor, *args, **kwargs: tensor)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(("build", "blocks", "convolutions", "parameters"), [
    (models.resnet18, [2, 2, 2, 2], 2, 11_689_512),
    (models.resnet34, [3, 4, 6, 3], 2, 21_797_672),
    (models.resnet50, [3, 4, 6, 3], 3, 25_557_032),
    (models.resnet101, [3, 4, 23, 3], 3, 44_549_160),
    (models.resnet152, [3, 8, 36, 3], 3, 60_192_808),
])  # fmt: skip
def test_residual_networks_are_torchvisions(build, blocks, convolutions, parameters):
    model = build()
    assert list(model.state_dict()) == resnet_keys(blocks, convolutions, convolutions == 3)
    assert size(model) == parameters


@pytest.mark.usefixtures("untouched")
def test_groups_and_widths():
    """torchvision's resnext50_32x4d and wide_resnet50_2."""
    model = models.resnet50(groups=32, width_per_group=4)
    assert size(model) == 25_028_904
    assert model.layer2[0].conv2.weight.shape == (256, 8, 3, 3)
    assert size(models.resnet50(width_per_group=128)) == 68_883_240


def test_first_keys_and_shapes_of_resnet18():
    shapes = {name: value.shape for name, value in models.resnet18(num_classes=7).state_dict().items()}
    assert list(shapes)[:9] == [
        "conv1.weight", "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var", "bn1.num_batches_tracked",
        "layer1.0.conv1.weight", "layer1.0.bn1.weight", "layer1.0.bn1.bias",
    ]  # fmt: skip
    assert shapes["conv1.weight"] == (64, 3, 7, 7)
    assert shapes["layer2.0.conv1.weight"] == (128, 64, 3, 3)
    assert shapes["layer2.0.downsample.0.weight"] == (128, 64, 1, 1)
    assert shapes["layer4.1.bn2.running_var"] == (512,)
    assert shapes["fc.weight"] == (7, 512)
    assert len(shapes) == 122


@pytest.mark.usefixtures("untouched")
def test_vgg11_is_torchvisions():
    model = models.vgg11()
    layers = [f"features.{k}" for k in (0, 3, 6, 8, 11, 13, 16, 18)] + [f"classifier.{k}" for k in (0, 3, 6)]
    assert list(model.state_dict()) == [f"{layer}.{key}" for layer in layers for key in ("weight", "bias")]
    assert size(model) == 132_863_336
    assert model.classifier[0].weight.shape == (4096, 25088)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(("build", "parameters", "last"), [
    (models.vgg11_bn, 132_868_840, "features.26.num_batches_tracked"),
    (models.vgg13, 133_047_848, "features.22.bias"),
    (models.vgg13_bn, 133_053_736, "features.32.num_batches_tracked"),
    (models.vgg16, 138_357_544, "features.28.bias"),
    (models.vgg16_bn, 138_365_992, "features.41.num_batches_tracked"),
    (models.vgg19, 143_667_240, "features.34.bias"),
    (models.vgg19_bn, 143_678_248, "features.50.num_batches_tracked"),
])  # fmt: skip
def test_the_other_vgg_networks_are_torchvisions(build, parameters, last):
    model = build()
    assert [name for name in model.state_dict() if name.startswith("features")][-1] == last
    assert size(model) == parameters


def test_starting_values():
    fg.manual_seed(0)
    model = models.resnet18(num_classes=10, zero_init_residual=True)
    weight = model.layer3[0].conv2.weight.detach().numpy()
    assert abs(weight.std() / math.sqrt(2 / (256 * 9)) - 1) < 0.01, "He-normal by the outputs"
    assert not model.layer1[0].bn2.weight.detach().numpy().any()
    assert (model.layer1[0].bn1.weight.detach().numpy() == 1).all()
    assert (models.resnet18(num_classes=1).layer1[0].bn2.weight.detach().numpy() == 1).all()


def test_a_network_for_small_images():
    """The stem keeps the size of 32 x 32 images, and the last stage still sees 4 x 4."""
    model = models.resnet18(num_classes=10, stem="cifar").eval()
    assert model.conv1.weight.shape == (64, 3, 3, 3)
    seen = []
    model.layer4.register_forward_hook(lambda module, args, result: seen.append(result.shape))
    assert model(fg.zeros(1, 3, 32, 32)).shape == (1, 10)
    assert seen == [(1, 512, 4, 4)]


def test_dilation_in_place_of_stride():
    model = models.resnet50(replace_stride_with_dilation=[False, True, True], num_classes=2).eval()
    assert [model.layer4[k].conv2.dilation for k in (0, 1)] == [(2, 2), (4, 4)]
    seen = []
    model.layer4.register_forward_hook(lambda module, args, result: seen.append(result.shape))
    with fg.no_grad():
        model(fg.zeros(1, 3, 64, 64))
    assert seen == [(1, 2048, 8, 8)]


def test_another_norm():
    model = models.resnet18(norm_layer=lambda channels: nn.Identity(), num_classes=3)
    assert isinstance(model.layer2[0].downsample[1], nn.Identity)
    assert model.eval()(fg.zeros(2, 3, 33, 47)).shape == (2, 3)


def test_a_state_goes_through_a_file(tmp_path):
    fg.manual_seed(1)
    one, other = (models.resnet18(num_classes=4, stem="cifar").eval() for _ in range(2))
    fg.save(one.state_dict(), tmp_path / "resnet.safetensors")
    other.load_state_dict(fg.load(tmp_path / "resnet.safetensors"))
    x = fg.randn(1, 3, 16, 16)
    assert np.array_equal(one(x).detach().numpy(), other(x).detach().numpy())


ERRORS = [
    (
        lambda: models.resnet18(weights="DEFAULT"),
        ValueError,
        "resnet18: weights: expected None, got 'DEFAULT': .*load_state_dict",
    ),
    (lambda: models.vgg11_bn(weights=1), ValueError, "vgg11_bn: weights: expected None, got 1"),
    (
        lambda: models.resnet18(groups=2),
        ValueError,
        "BasicBlock: groups, base_width, dilation: expected 1, 64 and 1, got 2",
    ),
    (lambda: models.resnet18(stem="tiny"), ValueError, "stem: expected 'imagenet' or 'cifar', got 'tiny'"),
    (lambda: models.resnet50(replace_stride_with_dilation=[True]), ValueError, "expected None or 3 bools"),
]


@pytest.mark.parametrize(("call", "error", "match"), ERRORS, ids=[m for _, _, m in ERRORS])
def test_wrong_arguments(call, error, match):
    with pytest.raises(error, match=match):
        call()
