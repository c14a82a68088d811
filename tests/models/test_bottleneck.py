"""Features of a narrow layer and of any other, and the deep network with memory."""

from __future__ import annotations

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import models, nn


def test_what_passes_the_narrow_layer_decides_the_classes(rng):
    fg.manual_seed(0)
    model = models.BottleneckNet((6, 5, 2), num_classes=3, after=(4,), activation=nn.Tanh).double()
    w = {name: value.numpy() for name, value in model.state_dict().items()}
    x = rng.standard_normal((7, 6))
    narrow = np.tanh(x @ w["extractor.0.weight"].T + w["extractor.0.bias"]) @ w["extractor.2.weight"].T
    narrow += w["extractor.2.bias"]
    np.testing.assert_allclose(model.features(x).detach().numpy(), narrow, rtol=1e-12)
    h = np.tanh(np.tanh(narrow) @ w["classifier.1.weight"].T + w["classifier.1.bias"])
    want = h @ w["classifier.3.weight"].T + w["classifier.3.bias"]
    np.testing.assert_allclose(model(x).detach().numpy(), want, rtol=1e-12)
    shapes = [tuple(p.shape) for p in models.BottleneckNet(num_classes=9).parameters() if p.ndim == 2]
    assert shapes == [(256, 784), (32, 256), (256, 32), (9, 256)]
    assert [tuple(p.shape) for p in models.BottleneckNet((4, 2), 3, after=()).parameters()] == [
        (2, 4),
        (2,),
        (3, 2),
        (3,),
    ]
    with pytest.raises(ValueError, match=r"BottleneckNet: sizes: expected at least 2 numbers, got \(3,\)"):
        models.BottleneckNet((3,))


def test_features_of_any_layer(rng):
    fg.manual_seed(0)
    model = models.lenet5().eval()
    x = rng.random((2, 1, 28, 28)).astype(np.float32)
    extractor = models.create_feature_extractor(model, {"classifier.3": "wide", "features.2": "maps"})
    found = extractor(x)
    assert list(found) == ["wide", "maps"]
    maps = model.features[:3](x)
    wide = model.classifier[:4](model.features(x))
    np.testing.assert_array_equal(found["maps"].detach().numpy(), maps.detach().numpy())
    np.testing.assert_allclose(found["wide"].detach().numpy(), wide.detach().numpy(), rtol=1e-5, atol=1e-6)
    # The model is the same one, learns through it, and is left without hooks.
    assert next(extractor.parameters()) is next(model.parameters())
    found["maps"].sum().backward()
    assert model.features[0].weight.grad is not None
    assert model.features[3].weight.grad is None
    assert not any(m._forward_hooks for m in model.modules())
    assert list(models.create_feature_extractor(model, ["features"])(x)) == ["features"]


def test_a_failing_model_is_left_without_hooks():
    model = nn.Sequential(nn.Linear(4, 2), nn.Linear(3, 1))
    with pytest.raises(fg.ShapeError):
        models.create_feature_extractor(model, ["0"])(fg.ones(2, 4))
    assert not model[0]._forward_hooks


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.unused = nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, x):
        return self.used(x)


ERRORS = [
    (["used", "layer9"], ValueError, "expected paths of modules, got layer9; the model has used, unused"),
    ([], ValueError, "expected paths of modules, got none"),
    ("used", TypeError, "return_nodes: expected a list or a dict, got 'used'"),
    (["unused"], RuntimeError, "the model did not call unused"),
]


@pytest.mark.parametrize(("nodes", "error", "match"), ERRORS, ids=[m for _, _, m in ERRORS])
def test_wrong_nodes(nodes, error, match):
    with pytest.raises(error, match=match):
        models.create_feature_extractor(Unused(), nodes)(fg.ones(1, 2))


@pytest.mark.parametrize("bottleneck", [None, 3])
def test_dfsmn_is_memory_then_layers_at_each_step(bottleneck, rng):
    fg.manual_seed(0)
    options = dict(hidden_size=6, proj_size=4, num_layers=2, lookback=2, lookahead=1, stride=2, dense_layers=2)
    model = models.DFSMN(5, 7, bottleneck=bottleneck, batch_first=True, **options).double()
    x = rng.standard_normal((3, 15, 5))
    w = {name: value.numpy() for name, value in model.state_dict().items()}
    h = model.memory(x).detach().numpy()
    for k in (0, 2):
        h = np.maximum(h @ w[f"dense.{k}.weight"].T + w[f"dense.{k}.bias"], 0)
    if bottleneck:
        h = h @ w["dense.4.weight"].T + w["dense.4.bias"]
    np.testing.assert_allclose(model.features(x).detach().numpy(), h, rtol=1e-10, atol=1e-12)
    want = h @ w["output.weight"].T + w["output.bias"]
    np.testing.assert_allclose(model(x).detach().numpy(), want, rtol=1e-10, atol=1e-12)
    # Time first, and one sequence alone, are the same numbers.
    other = models.DFSMN(5, 7, bottleneck=bottleneck, **options).double()
    other.load_state_dict(model.state_dict())
    np.testing.assert_allclose(other(x.swapaxes(0, 1)).detach().numpy(), want.swapaxes(0, 1), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(other(x[0]).detach().numpy(), want[0], rtol=1e-10, atol=1e-12)


def test_the_context_of_a_dfsmn_is_what_its_gradient_reaches(rng):
    fg.manual_seed(0)
    model = models.DFSMN(3, 2, 16, 8, num_layers=2, lookback=2, lookahead=1, stride=2).double()
    assert model.context == (8, 4)
    x = fg.tensor(rng.standard_normal((30, 1, 3)), requires_grad=True)
    model(x)[15].sum().backward()
    touched = np.flatnonzero(x.grad.numpy().any((1, 2)))
    assert (touched[0], touched[-1]) == (15 - 8, 15 + 4)
    assert "context=(8, 4)" in repr(model)
    with pytest.raises(ValueError, match="DFSMN: dense_layers: expected a number of at least 0, got -1"):
        models.DFSMN(3, 2, dense_layers=-1)
    with pytest.raises(ValueError, match="DFSMN: num_layers: expected a number of at least 1, got 0"):
        models.DFSMN(3, 2, num_layers=0)
