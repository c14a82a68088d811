"""A generative adversarial network learns to draw points of a noisy circle."""

import math

import torch
from torch import nn, optim

STEPS = 1000
BAR = 0.06  # of the energy distance from the points drawn to true ones; all points at the centre have 0.7

LATENT, BATCH = 4, 64


def real_points(n):
    angle = 2 * math.pi * torch.rand(n)
    return torch.stack([angle.cos(), angle.sin()], dim=1) + 0.05 * torch.randn(n, 2)


def energy_distance(x, y):
    def mean_distance(a, b):
        return (a.unsqueeze(1) - b.unsqueeze(0)).norm(dim=-1).mean()

    return 2 * mean_distance(x, y) - mean_distance(x, x) - mean_distance(y, y)


def weights_init(module):
    if isinstance(module, nn.Linear):
        nn.init.kaiming_normal_(module.weight, a=0.2, nonlinearity="leaky_relu")
        nn.init.zeros_(module.bias)


torch.manual_seed(0)
generator = nn.Sequential(
    nn.Linear(LATENT, 32),
    nn.ReLU(True),
    nn.Linear(32, 32),
    nn.ReLU(True),
    nn.Linear(32, 2),
)
discriminator = nn.Sequential(
    nn.Linear(2, 48),
    nn.LeakyReLU(0.2, inplace=True),
    nn.Linear(48, 48),
    nn.LeakyReLU(0.2, inplace=True),
    nn.Linear(48, 1),
)
generator.apply(weights_init)
discriminator.apply(weights_init)

criterion = nn.BCEWithLogitsLoss()
optimizer_g = optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999))
optimizer_d = optim.Adam(discriminator.parameters(), lr=2e-3, betas=(0.5, 0.999))
real_label, fake_label = torch.ones(BATCH, 1), torch.zeros(BATCH, 1)

for step in range(STEPS):
    # Discriminator: maximize log D(x) + log(1 - D(G(z)))
    discriminator.zero_grad()
    fake = generator(torch.randn(BATCH, LATENT))
    loss_real = criterion(discriminator(real_points(BATCH)), real_label)
    loss_fake = criterion(discriminator(fake.detach()), fake_label)
    loss_real.backward()
    loss_fake.backward()
    optimizer_d.step()

    # Generator: maximize log D(G(z))
    generator.zero_grad()
    loss_g = criterion(discriminator(fake), real_label)
    loss_g.backward()
    optimizer_g.step()
    if step % 200 == 199:
        print(f"step {step + 1}  discriminator {(loss_real + loss_fake).item():.3f}  generator {loss_g.item():.3f}")

with torch.no_grad():
    distance = energy_distance(generator(torch.randn(500, LATENT)), real_points(500))
print(f"figure: {distance.item():.4f}")
