"""Regression: a multilayer perceptron learns Friedman's function from noisy samples.

y = 10 sin(π x₀ x₁) + 20 (x₂ - ½)² + 10 x₃ + 5 x₄ + noise of deviation 1; five further inputs mean nothing.
"""

import torch
from sklearn.datasets import make_friedman1
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset, random_split

EPOCHS = 40
BAR = 0.8  # of the root mean squared error of noiseless targets; their deviation is 4.7, a linear fit's error 2.5

torch.manual_seed(0)

features, targets = make_friedman1(1500, noise=1.0, random_state=0)
x = 2 * torch.tensor(features, dtype=torch.float32) - 1
y = torch.tensor(targets, dtype=torch.float32).unsqueeze(1)
mean, deviation = y.mean(), y.std()
dataset = TensorDataset(x, (y - mean) / deviation)
train_set, valid_set = random_split(dataset, [1300, 200])
train_loader = DataLoader(train_set, batch_size=50, shuffle=True)
valid_loader = DataLoader(valid_set, batch_size=200)

model = nn.Sequential(
    nn.Linear(10, 64),
    nn.ReLU(),
    nn.Linear(64, 64),
    nn.ReLU(),
    nn.Linear(64, 1),
)
criterion = nn.MSELoss()
optimizer = optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.3)
scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=max(EPOCHS, 1))

for epoch in range(EPOCHS):
    model.train()
    running = 0.0
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        running += loss.item() * len(x)
    scheduler.step()

    model.eval()
    with torch.no_grad():
        valid = sum(criterion(model(x), y).item() * len(x) for x, y in valid_loader) / len(valid_set)
    if epoch % 10 == 9:
        rate = scheduler.get_last_lr()[0]
        print(f"epoch {epoch + 1:2d}  train {running / len(train_set):7.3f}  valid {valid:7.3f}  lr {rate:.5f}")

test_features, test_targets = make_friedman1(1000, noise=0.0, random_state=1)
x = 2 * torch.from_numpy(test_features).float() - 1
y = torch.from_numpy(test_targets).float()
with torch.no_grad():
    error = (model(x).squeeze(1) * deviation + mean - y).square().mean().sqrt()
print(f"figure: {error.item():.4f}")
