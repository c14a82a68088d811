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


def test_a_denoising_auto_encoder_damages_its_input_while_training():
    fg.manual_seed(0)
    model = models.AutoEncoder((2000, 3), noise=0.5, masking=0.25)
    x = fg.ones(40, 2000)
    damaged = model.corrupt(x, fg.Generator().manual_seed(1)).numpy()
    kept = damaged[damaged != 0]
    assert abs(1 - kept.size / damaged.size - 0.25) < 0.01
    assert abs(kept.mean() - 1) < 0.01
    assert abs(kept.std() - 0.5) < 0.01
    np.testing.assert_array_equal(model.corrupt(x, fg.Generator().manual_seed(1)).numpy(), damaged)
    fg.manual_seed(1)
    y = model(x)
    np.testing.assert_array_equal(y.detach().numpy(), model.decode(model.encode(damaged)).detach().numpy())
    assert not np.array_equal(model(x).detach().numpy(), y.detach().numpy())
    whole = model.eval()(x).detach().numpy()
    np.testing.assert_array_equal(whole, model.decode(model.encode(x)).detach().numpy())
    assert repr(model).startswith("AutoEncoder(\n  noise=0.5, masking=0.25\n")
    plain = models.AutoEncoder((4, 2))
    assert plain.corrupt(x) is x
    assert repr(plain).startswith("AutoEncoder(\n  (encoder)")


def test_noise_on_a_plane_is_taken_off():
    """Points on a plane in ten dimensions: what stands off the plane is noise, eight tenths of it."""
    fg.manual_seed(0)
    plane = fg.randn(2, 10)
    model = models.AutoEncoder((10, 2), noise=0.5)
    optimizer = fg.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(400):
        x = fg.randn(64, 2) @ plane
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), x).backward()
        optimizer.step()
    x = fg.randn(500, 2) @ plane
    noisy = model.corrupt(x)
    model.eval()
    before, after = (nn.functional.mse_loss(y, x).item() for y in (noisy, model(noisy)))
    assert before == pytest.approx(0.25, rel=0.05)
    assert after < 0.25 * before


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"noise": -0.1}, "AutoEncoder: noise: expected a deviation of at least 0, got -0.1"),
        ({"masking": 1.5}, "AutoEncoder: masking: expected a probability between 0 and 1, got 1.5"),
    ],
)
def test_wrong_damage(options, match):
    with pytest.raises(ValueError, match=match):
        models.AutoEncoder((3, 2), **options)
