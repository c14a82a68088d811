"""Generative adversarial networks of convolutions: one network draws pictures, the other tells them from real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core, functions, nn, ops, random
from ..autograd import grad, no_grad
from ..creation import as_tensor
from ..nn import functional as F

if TYPE_CHECKING:
    from .._tensor import Tensor

__all__ = ["DCGAN", "DCGANDiscriminator", "DCGANGenerator", "gradient_penalty"]


class DCGANGenerator(nn.Module):
    """z (N, latent) gives pictures (N, channels, image_size, image_size) from −1 to 1.

    A linear map to small maps, then transposed convolutions 4 × 4 of stride 2, each with batch norm and ReLU, the last
    with tanh; maps halve in number as they double in size (Radford et al. 2015, arXiv:1511.06434).

    Args:
        latent: numbers of z.
        channels: of the pictures.
        image_size: of a side: an even number; it is halved while it is even and above 4, so 28 starts at 7, 64 at 4.
        width: maps before the last convolution.
    """

    def __init__(self, latent: int = 64, channels: int = 1, image_size: int = 28, width: int = 32) -> None:
        super().__init__()
        start, stages = _stages("DCGANGenerator", image_size, latent=latent, channels=channels, width=width)
        self.latent = latent
        maps = width * 2 ** (stages - 1)
        layers = [nn.Linear(latent, maps * start**2, bias=False), nn.Unflatten(1, (maps, start, start))]
        layers += [nn.BatchNorm2d(maps), nn.ReLU()]
        for _ in range(stages - 1):
            layers += [nn.ConvTranspose2d(maps, maps // 2, 4, 2, 1, bias=False), nn.BatchNorm2d(maps // 2), nn.ReLU()]
            maps //= 2
        layers += [nn.ConvTranspose2d(maps, channels, 4, 2, 1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        _reset(self)

    def forward(self, z: Any) -> Any:
        """The pictures."""
        z = as_tensor(z)
        if len(z.shape) != 2 or z.shape[1] != self.latent:
            raise _core.ShapeError(
                f"DCGANGenerator: z: expected shape (N, latent) = (N, {self.latent}), got {tuple(z.shape)}"
            )
        return self.layers(z)


class DCGANDiscriminator(nn.Module):
    """Pictures (N, channels, image_size, image_size) give logits (N,): above 0 where it takes them for real.

    The generator's mirror: convolutions 4 × 4 of stride 2 with LeakyReLU(0.2), then a linear map (Radford et al. 2015).

    Args:
        channels: of the pictures.
        image_size: of a side, as in `DCGANGenerator`.
        width: maps of the first convolution; they double as their size halves.
        norm: batch norm after each convolution but the first. With a gradient penalty False: the penalty is on each
            picture alone, and batch norm mixes them (Gulrajani et al. 2017).
    """

    def __init__(self, channels: int = 1, image_size: int = 28, width: int = 32, norm: bool = True) -> None:
        super().__init__()
        start, stages = _stages("DCGANDiscriminator", image_size, channels=channels, width=width)
        self.shape = (channels, image_size, image_size)
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        maps = width
        for _ in range(stages - 1):
            layers.append(nn.Conv2d(maps, 2 * maps, 4, 2, 1, bias=not norm))
            layers += [nn.BatchNorm2d(2 * maps)] if norm else []
            layers.append(nn.LeakyReLU(0.2))
            maps *= 2
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(maps * start**2, 1))
        _reset(self)

    def forward(self, images: Any) -> Any:
        """The logits."""
        images = as_tensor(images)
        if tuple(images.shape[1:]) != self.shape:
            expected = ", ".join(map(str, ("N", *self.shape)))
            raise _core.ShapeError(
                f"DCGANDiscriminator: images: expected shape ({expected}), got {tuple(images.shape)}"
            )
        return functions.squeeze(self.layers(images), 1)


class DCGAN(nn.Module):
    """A generator G and a discriminator D that learn against each other (Goodfellow et al. 2014; Radford et al. 2015).

    loss='logistic': D lowers −log σ(D(x)) − log(1 − σ(D(G(z)))), G lowers −log σ(D(G(z))), which does not fade while D
    wins. loss='wasserstein': D lowers D(G(z)) − D(x), G lowers −D(G(z)) (Arjovsky et al. 2017); it needs a penalty.
    With `penalty` λ above 0 the loss of D has λ · `gradient_penalty` added, and D has no batch norm.
    lecture: unsupervised learning, generative adversarial networks.

    Args:
        latent: numbers of z, which is standard normal.
        channels: of the pictures.
        image_size: of a side, as in `DCGANGenerator`.
        width: maps at full size, of either network.
        loss: 'logistic' or 'wasserstein'.
        penalty: λ; 10 is usual.

    Example:
        >>> import ferrograd as fg
        >>> gan = fg.models.DCGAN(latent=8, image_size=8, width=4)
        >>> d, g = (fg.optim.Adam(part.parameters(), 2e-4, (0.5, 0.999)) for part in (gan.discriminator, gan.generator))
        >>> d_loss, g_loss = gan.fit_step(fg.zeros(6, 1, 8, 8), d, g)
        >>> gan.sample(3).shape
        (3, 1, 8, 8)
    """

    def __init__(
        self,
        latent: int = 64,
        channels: int = 1,
        image_size: int = 28,
        width: int = 32,
        loss: str = "logistic",
        penalty: float = 0.0,
    ) -> None:
        super().__init__()
        if loss not in ("logistic", "wasserstein"):
            raise ValueError(f"DCGAN: loss: expected 'logistic' or 'wasserstein', got {loss!r}")
        if penalty < 0:
            raise ValueError(f"DCGAN: penalty: expected a number of at least 0, got {penalty}")
        self.latent = latent
        self.loss = loss
        self.penalty = penalty
        self.generator = DCGANGenerator(latent, channels, image_size, width)
        self.discriminator = DCGANDiscriminator(channels, image_size, width, norm=not penalty)

    def noise(self, n: int, generator: random.Generator | None = None) -> Tensor:
        """z (n, latent), standard normal, for `n` pictures."""
        dtype = next(self.generator.parameters()).dtype
        return random.randn(n, self.latent, dtype=dtype, generator=generator)

    def forward(self, z: Any) -> Any:
        """G(z)."""
        return self.generator(z)

    @no_grad()
    def sample(self, n: int, generator: random.Generator | None = None) -> Tensor:
        """`n` pictures, with the mean and variance that batch norm has gathered; no gradient."""
        training = self.generator.training
        self.generator.eval()
        try:
            return self.generator(self.noise(n, generator))  # type: ignore[no-any-return]
        finally:
            self.generator.train(training)

    def discriminator_loss(self, real: Any, fake: Any, generator: random.Generator | None = None) -> Any:
        """What D lowers on as many real pictures (N, channels, H, W) as G's `fake` ones, which are constants here."""
        real, fake = as_tensor(real), as_tensor(fake).detach()
        on_real, on_fake = self.discriminator(real), self.discriminator(fake)
        if self.loss == "wasserstein":
            loss = ops.sub(functions.mean(on_fake), functions.mean(on_real))
        else:
            loss = ops.add(functions.mean(F.softplus(ops.neg(on_real))), functions.mean(F.softplus(on_fake)))
        if self.penalty:
            slope = gradient_penalty(self.discriminator, real, fake, generator=generator)
            loss = ops.add(loss, ops.mul(slope, self.penalty))
        return loss

    def generator_loss(self, fake: Any) -> Any:
        """What G lowers on its pictures `fake`."""
        logits = ops.neg(self.discriminator(fake))
        return functions.mean(logits if self.loss == "wasserstein" else F.softplus(logits))

    def fit_step(
        self,
        real: Any,
        discriminator_optimizer: Any,
        generator_optimizer: Any,
        generator: random.Generator | None = None,
    ) -> tuple[float, float]:
        """One update of D, then one of G, on a batch of real pictures from −1 to 1; the two losses before them."""
        fake = self.generator(self.noise(len(real), generator))
        discriminator_optimizer.zero_grad()
        d_loss = self.discriminator_loss(real, fake, generator)
        d_loss.backward()
        discriminator_optimizer.step()
        generator_optimizer.zero_grad()
        # G's gradient passes through D, whose own has no use here.
        learned = [p for p in self.discriminator.parameters() if p.requires_grad]
        self.discriminator.requires_grad_(False)
        try:
            g_loss = self.generator_loss(fake)
            g_loss.backward()
        finally:
            for p in learned:
                p.requires_grad_(True)
        generator_optimizer.step()
        return d_loss.item(), g_loss.item()

    def extra_repr(self) -> str:
        """The loss."""
        return f"loss={self.loss!r}" + (f", penalty={self.penalty:g}" if self.penalty else "")


def gradient_penalty(
    discriminator: Any, real: Any, fake: Any, target: float = 1.0, generator: random.Generator | None = None
) -> Any:
    """The mean of (‖∂D/∂x‖ − target)² at x between real and fake; its own gradient needs the second derivatives of D.

    x = t·real + (1 − t)·fake, t uniform in [0, 1) for each picture (Gulrajani et al. 2017, arXiv:1704.00028). With `fake`
    the same as `real` and target=0 it is the zero-centred penalty on real pictures (Mescheder et al. 2018, R1).

    Args:
        discriminator: gives a number for each picture of a batch.
        real: pictures (N, *).
        fake: others of that shape.
        target: the norm that costs nothing.
        generator: the stream of random numbers; default: `fg.default_generator`.
    """
    real, fake = as_tensor(real).detach(), as_tensor(fake).detach()
    if real.shape != fake.shape or not real.shape:
        raise _core.ShapeError(
            f"gradient_penalty: fake: expected the shape of real, {tuple(real.shape)}, got {tuple(fake.shape)}"
        )
    shape = (real.shape[0],) + (1,) * (len(real.shape) - 1)
    t = random.rand(shape, dtype=real.dtype, generator=generator)
    x = ops.add(fake, ops.mul(t, ops.sub(real, fake))).detach().requires_grad_()
    (slope,) = grad(functions.sum(discriminator(x)), x, create_graph=True)
    norm = functions.norm(functions.flatten(slope, 1), dim=1)
    return functions.mean(functions.square(ops.sub(norm, target)))


def _stages(name: str, image_size: int, **sizes: int) -> tuple[int, int]:
    """The side of the smallest maps, and how often it doubles up to the picture's."""
    for argument, value in {**sizes, "image_size": image_size}.items():
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"{name}: {argument}: expected an int, got {type(value).__name__}")
        if value < 1:
            raise ValueError(f"{name}: {argument}: expected a number of at least 1, got {value}")
    start, stages = image_size, 0
    while start % 2 == 0 and (start > 4 or not stages):
        start, stages = start // 2, stages + 1
    if not stages:
        raise ValueError(f"{name}: image_size: expected an even number, got {image_size}")
    return start, stages


def _reset(model: nn.Module) -> None:
    """The paper's start: weights normal with deviation 0.02, those of norms around 1, biases 0."""
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d)):
            nn.init.normal_(module.weight, 1.0 if isinstance(module, nn.BatchNorm2d) else 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
