"""A variational auto-encoder of handwritten digits (8 × 8 pixels, bundled with scikit-learn)."""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn, optim
from torch.utils.data import DataLoader, Dataset

EPOCHS = 15
BAR = 25.5  # nats an image of unseen digits; a decoder that does not see the code has 26.6, an untrained one 45


class Digits(Dataset):
    def __init__(self, train):
        images = torch.tensor(load_digits().data, dtype=torch.float32) / 16
        self.images = images[:1500] if train else images[1500:]

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index]


class VAE(nn.Module):
    def __init__(self, latent=8):
        super().__init__()
        self.fc1 = nn.Linear(64, 128)
        self.fc21 = nn.Linear(128, latent)
        self.fc22 = nn.Linear(128, latent)
        self.fc3 = nn.Linear(latent, 128)
        self.fc4 = nn.Linear(128, 64)

    def encode(self, x):
        h = F.relu(self.fc1(x))
        return self.fc21(h), self.fc22(h)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        eps = torch.randn_like(std)
        return mu + eps * std

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x):
        mu, logvar = self.encode(x)
        return self.decode(self.reparameterize(mu, logvar)), mu, logvar


def loss_function(recon_x, x, mu, logvar):
    """Negative evidence lower bound: reconstruction plus the Gaussians' divergence from the standard normal."""
    bce = F.binary_cross_entropy(recon_x, x, reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce + kld


torch.manual_seed(0)
train_loader = DataLoader(Digits(train=True), batch_size=50, shuffle=True)
test_loader = DataLoader(Digits(train=False), batch_size=100)

model = VAE()
optimizer = optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(EPOCHS):
    model.train()
    total = 0.0
    for data in train_loader:
        optimizer.zero_grad()
        recon, mu, logvar = model(data)
        loss = loss_function(recon, data, mu, logvar)
        loss.backward()
        total += loss.item()
        optimizer.step()
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1:2d}  train loss {total / len(train_loader.dataset):.3f}")

model.eval()
with torch.no_grad():
    total = 0.0
    for data in test_loader:
        recon, mu, logvar = model(data)
        total += loss_function(recon, data, mu, logvar).item()
print(f"figure: {total / len(test_loader.dataset):.3f}")
