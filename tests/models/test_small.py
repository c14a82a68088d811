"""LeNet-5 and the auto-encoder."""

from __future__ import annotations

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import models, nn


def test_lenet5_has_its_61706_parameters():
    model = models.lenet5()
    assert list(model.state_dict()) == [
        f"{layer}.{key}"
        for layer in ("features.0", "features.3", "classifier.1", "classifier.3", "classifier.5")
        for key in ("weight", "bias")
    ]
    assert sum(p.numel() for p in model.parameters()) == 61_706
    assert model(fg.zeros(2, 1, 28, 28)).shape == (2, 10)
    old = models.lenet5(num_classes=3, in_channels=2, activation=nn.Tanh, pooling=nn.AvgPool2d)
    assert isinstance(old.features[1], nn.Tanh)
    assert old(fg.zeros(2, 2, 28, 28)).shape == (2, 3)


def test_an_auto_encoder_mirrors_its_encoder():
    model = models.AutoEncoder((6, 5, 2), nn.Tanh, nn.Sigmoid)
    kinds = [[type(layer).__name__ for layer in part] for part in (model.encoder, model.decoder)]
    assert kinds == [["Linear", "Tanh", "Linear"], ["Linear", "Tanh", "Linear", "Sigmoid"]]
    assert [tuple(p.shape) for p in model.parameters() if p.ndim == 2] == [(5, 6), (2, 5), (5, 2), (6, 5)]
    x = fg.rand(3, 6)
    code = model.encode(x)
    assert code.shape == (3, 2)
    assert np.array_equal(model.decode(code).detach().numpy(), model(x).detach().numpy())
    with pytest.raises(ValueError, match="sizes: expected at least 2 numbers, got \\(3,\\)"):
        models.AutoEncoder((3,))


def test_an_auto_encoder_learns_a_plane():
    """Points on a plane in space pass through two numbers."""
    fg.manual_seed(0)
    x = fg.randn(64, 2) @ fg.tensor([[1.0, 0.5, -1.0], [0.0, 1.0, 1.0]])
    model = models.AutoEncoder((3, 2))
    optimizer = fg.optim.Adam(model.parameters(), lr=0.03)
    losses = []
    for _ in range(300):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), x)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 1e-3 * losses[0]
