"""The adversarial network: shapes, losses by hand, the penalty's second derivatives, and a picture that is learned."""

from __future__ import annotations

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import models, nn, optim


def small(**changes):
    fg.manual_seed(0)
    return models.DCGAN(**(dict(latent=5, image_size=8, width=4) | changes))


def optimizers(gan, lr=0.1):
    return optim.SGD(gan.discriminator.parameters(), lr=lr), optim.SGD(gan.generator.parameters(), lr=lr)


@pytest.mark.parametrize(
    ("size", "start", "convolutions"), [(64, 4, 4), (32, 4, 3), (28, 7, 2), (8, 4, 1), (6, 3, 1), (2, 1, 1)]
)
def test_sizes_halve_to_a_small_map(size, start, convolutions):
    gan = models.DCGAN(latent=3, channels=2, image_size=size, width=2)
    images = gan(gan.noise(2))
    assert images.shape == (2, 2, size, size)
    assert abs(images.detach().numpy()).max() <= 1
    assert gan.discriminator(images).shape == (2,)
    assert gan.generator.layers[1].unflattened_size == (2**convolutions, start, start)
    for part, kind in ((gan.generator, nn.ConvTranspose2d), (gan.discriminator, nn.Conv2d)):
        found = [m for m in part.modules() if isinstance(m, kind)]
        assert len(found) == convolutions
        assert {m.kernel_size for m in found} == {(4, 4)}


def test_starting_values():
    gan = models.DCGAN()
    first, norm = gan.generator.layers[0].weight.detach().numpy(), gan.generator.layers[2].weight.detach().numpy()
    assert abs(first.std() / 0.02 - 1) < 0.05
    assert abs(norm.mean() - 1) < 0.02
    assert not gan.discriminator.layers[-1].bias.detach().numpy().any()


def test_the_penalty_takes_batch_norm_out_of_the_discriminator():
    def norms(**options):
        parts = models.DCGAN(latent=3, width=2, **options).discriminator.modules()
        return sum(isinstance(m, nn.BatchNorm2d) for m in parts)

    assert norms() == 1
    assert norms(penalty=10.0) == 0
    assert small(loss="wasserstein", penalty=10.0).extra_repr() == "loss='wasserstein', penalty=10"


def softplus(x):
    return np.logaddexp(0, x)


def test_losses_are_the_formulas(rng):
    real, fake = rng.uniform(-1, 1, (2, 6, 1, 8, 8))
    for loss in ("logistic", "wasserstein"):
        gan = small(loss=loss).double()
        on_real, on_fake = (gan.discriminator(x).detach().numpy() for x in (real, fake))
        if loss == "logistic":
            want = softplus(-on_real).mean() + softplus(on_fake).mean(), softplus(-on_fake).mean()
        else:
            want = on_fake.mean() - on_real.mean(), -on_fake.mean()
        assert gan.discriminator_loss(real, fake).item() == pytest.approx(want[0], rel=1e-10)
        assert gan.generator_loss(fg.tensor(fake)).item() == pytest.approx(want[1], rel=1e-10)
        # The same, and λ times the penalty at the same points.
        costly = small(loss=loss, penalty=3.0).double()
        costly.load_state_dict(gan.state_dict())
        slope = models.gradient_penalty(
            costly.discriminator, real, fake, generator=fg.Generator().manual_seed(2)
        ).item()
        total = costly.discriminator_loss(real, fake, fg.Generator().manual_seed(2)).item()
        assert total == pytest.approx(want[0] + 3 * slope, rel=1e-10)


def test_the_penalty_of_a_linear_discriminator(rng):
    w = fg.tensor(rng.standard_normal(12), requires_grad=True)
    real, fake = rng.standard_normal((2, 5, 3, 4))
    for target in (1.0, 0.0):
        w.grad = None
        penalty = models.gradient_penalty(lambda x: x.flatten(1) @ w, real, fake, target)
        penalty.backward()
        norm = np.linalg.norm(w.detach().numpy())
        assert penalty.item() == pytest.approx((norm - target) ** 2, rel=1e-12)
        np.testing.assert_allclose(w.grad.numpy(), 2 * (norm - target) * w.detach().numpy() / norm, rtol=1e-10)


def test_the_points_of_the_penalty_lie_between_real_and_fake():
    seen = []

    def discriminator(x):
        seen.append(x.detach().numpy())
        return (x**2).sum((1, 2))

    real, fake = np.full((400, 2, 1), 3.0), np.full((400, 2, 1), 1.0)
    penalty = models.gradient_penalty(discriminator, real, fake, generator=fg.Generator().manual_seed(0))
    (x,) = seen
    assert (x[:, 0] == x[:, 1]).all()
    assert 1.0 <= x.min() < 1.02 < 2.98 < x.max() < 3.0
    assert x.mean() == pytest.approx(2.0, abs=0.15)
    assert penalty.item() == pytest.approx(np.mean((2 * np.linalg.norm(x[:, :, 0], axis=1) - 1) ** 2), rel=1e-10)


def test_the_gradient_of_the_penalty_against_finite_differences(rng):
    """Through convolutions and LeakyReLU: the second derivatives of D."""
    critic = small(penalty=1.0, image_size=16).discriminator.double()
    for p in critic.parameters():
        nn.init.normal_(p, std=0.3)
    real, fake = rng.standard_normal((2, 3, 1, 16, 16))

    def penalty():
        return models.gradient_penalty(critic, real, fake, generator=fg.Generator().manual_seed(1))

    penalty().backward()
    for p in critic.parameters():
        # LeakyReLU bends nowhere, so biases move no slope.
        grad = np.zeros(p.shape) if p.grad is None else p.grad.numpy()
        assert grad.any() == (p.ndim > 1)
        towards = rng.standard_normal(p.shape)
        values = []
        for step in (1e-6, -2e-6, 1e-6):
            with fg.no_grad():
                p += fg.tensor(step * towards)
            values.append(penalty().item())
        assert (values[0] - values[1]) / 2e-6 == pytest.approx((grad * towards).sum(), rel=1e-4, abs=1e-7)


def test_a_step_is_one_update_of_each_by_its_own_loss(rng):
    real = rng.uniform(-1, 1, (6, 1, 8, 8))
    for options in ({}, {"loss": "wasserstein", "penalty": 10.0}):
        gan, twin = small(**options).double(), small(**options).double()
        losses = gan.fit_step(real, *optimizers(gan), fg.Generator().manual_seed(1))
        stream = fg.Generator().manual_seed(1)
        fake = twin(twin.noise(6, stream))
        d, g = optimizers(twin)
        d_loss = twin.discriminator_loss(real, fake, stream)
        d_loss.backward()
        assert all(p.grad is None for p in twin.generator.parameters())
        d.step()
        twin.discriminator.zero_grad()
        g_loss = twin.generator_loss(fake)
        g_loss.backward()
        g.step()
        assert losses == (d_loss.item(), g_loss.item())
        for key, value in twin.state_dict().items():
            np.testing.assert_array_equal(gan.state_dict()[key].numpy(), value.numpy())
        assert all(p.requires_grad for p in gan.parameters())


def test_what_is_frozen_stays_so():
    gan = small()
    gan.discriminator.layers[0].requires_grad_(False)
    gan.fit_step(fg.zeros(4, 1, 8, 8), *optimizers(gan))
    assert [p.requires_grad for p in gan.discriminator.layers[0].parameters()] == [False, False]
    assert all(p.requires_grad for p in gan.discriminator.layers[-1].parameters())


def test_samples_follow_the_seed_and_leave_the_network_as_it_was():
    gan = small()
    before = {key: value.numpy().copy() for key, value in gan.state_dict().items()}
    a, b, c = (gan.sample(3, fg.Generator().manual_seed(s)).numpy() for s in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()
    assert gan.generator.training
    for key, value in gan.state_dict().items():
        np.testing.assert_array_equal(before[key], value.numpy())
    again = small(latent=5)
    nn.init.ones_(again.generator.layers[0].weight)
    again.load_state_dict(gan.state_dict())
    np.testing.assert_array_equal(again.sample(3, fg.Generator().manual_seed(1)).numpy(), a)
    # In evaluation a picture does not depend on the others drawn with it.
    z = gan.noise(4)
    np.testing.assert_allclose(
        gan.eval()(z)[:1].detach().numpy(), gan(z[:1]).detach().numpy(), rtol=1e-5, atol=1e-7
    )  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"loss": "wasserstein", "penalty": 10.0}])
def test_a_cross_and_a_ring_are_learned(options):
    """Real pictures of two kinds in noise; drawn ones come near both."""
    ring = -np.ones((8, 8), np.float32)
    ring[1:7, 1:7], ring[3:5, 3:5] = 1, -1
    cross = -np.ones((8, 8), np.float32)
    cross[3:5], cross[:, 3:5] = 1, 1
    rng = np.random.default_rng(0)
    gan = small(width=8, **options)
    d, g = (optim.Adam(part.parameters(), 2e-3, (0.5, 0.9)) for part in (gan.discriminator, gan.generator))

    def distances():
        drawn = gan.sample(100, fg.Generator().manual_seed(0)).numpy()[:, 0]
        return np.stack([abs(drawn - kind).mean((1, 2)) for kind in (ring, cross)])

    before = distances()
    for _ in range(250):
        kinds = np.where(rng.random((32, 1, 1)) < 0.5, ring, cross)
        real = 0.9 * kinds + 0.1 * rng.uniform(-1, 1, (32, 8, 8))
        gan.fit_step(real[:, None].astype(np.float32), d, g)
    after = distances()
    assert before.min(0).mean() > 0.8
    assert after.min(0).mean() < 0.3
    assert 0.1 < (after[0] < after[1]).mean() < 0.9


GAN = small()
ERRORS = [
    (lambda: models.DCGAN(loss="hinge"), ValueError, "DCGAN: loss: expected 'logistic' or 'wasserstein', got 'hinge'"),
    (lambda: models.DCGAN(penalty=-1), ValueError, "DCGAN: penalty: expected a number of at least 0, got -1"),
    (lambda: models.DCGAN(image_size=27), ValueError, "image_size: expected an even number, got 27"),
    (lambda: models.DCGAN(image_size=28.0), TypeError, "image_size: expected an int, got float"),
    (lambda: models.DCGAN(latent=0), ValueError, "latent: expected a number of at least 1, got 0"),
    (lambda: models.DCGANDiscriminator(width=0), ValueError, "DCGANDiscriminator: width: expected a number of at least 1"),
    (lambda: GAN(fg.zeros(3, 4)), fg.ShapeError, r"z: expected shape \(N, latent\) = \(N, 5\), got \(3, 4\)"),
    (lambda: GAN.discriminator(fg.zeros(3, 1, 8, 9)), fg.ShapeError, r"expected shape \(N, 1, 8, 8\), got \(3, 1, 8, 9\)"),
    (
        lambda: models.gradient_penalty(GAN.discriminator, fg.zeros(3, 1, 8, 8), fg.zeros(2, 1, 8, 8)),
        fg.ShapeError,
        r"fake: expected the shape of real, \(3, 1, 8, 8\), got \(2, 1, 8, 8\)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "match"), ERRORS, ids=[m for _, _, m in ERRORS])
def test_wrong_arguments(call, error, match):
    with pytest.raises(error, match=match):
        call()
