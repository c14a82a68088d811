"""A custom layer: radial basis functions with learned centres and widths separate two interleaved spirals.

φⱼ(x) = exp(-γⱼ |x - cⱼ|²), with x (N, in_features), c (out_features, in_features) and φ (N, out_features).
"""

import math

import torch
from torch import nn, optim

EPOCHS = 300
BAR = 0.05  # of the share of points on the wrong spiral; with centres and widths that are not learned 0.15 to 0.25


class RadialBasis(nn.Module):
    def __init__(self, in_features, out_features, spread=1.0):
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.spread = spread
        self.centres = nn.Parameter(torch.empty(out_features, in_features))
        self.log_gamma = nn.Parameter(torch.empty(out_features))
        self.register_buffer("usage", torch.zeros(out_features))
        self.reset_parameters()

    def reset_parameters(self):
        nn.init.uniform_(self.centres, -self.spread, self.spread)
        nn.init.constant_(self.log_gamma, math.log(4.0))

    def forward(self, x):
        squares = (x.unsqueeze(1) - self.centres).pow(2).sum(dim=-1)
        phi = torch.exp(-self.log_gamma.exp() * squares)
        if self.training:
            self.usage.mul_(0.9).add_(phi.detach().mean(dim=0), alpha=0.1)
        return phi

    def extra_repr(self):
        return f"in_features={self.in_features}, out_features={self.out_features}, spread={self.spread}"


def spirals(n, noise):
    side = torch.randint(0, 2, (n,))
    t = 0.25 + 0.75 * torch.rand(n)
    angle = 2.5 * math.pi * t + math.pi * side
    points = t.unsqueeze(1) * torch.stack((angle.cos(), angle.sin()), dim=1)
    return points + noise * torch.randn_like(points), side


torch.manual_seed(0)
train_x, train_y = spirals(600, noise=0.02)
test_x, test_y = spirals(600, noise=0.02)

model = nn.Sequential()
model.add_module("basis", RadialBasis(2, 8))
model.add_module("output", nn.Linear(8, 2))
print(model)

optimizer = optim.Adam(
    [
        {"params": model.basis.parameters(), "lr": 2e-2},
        {"params": model.output.parameters(), "weight_decay": 1e-5},
    ],
    lr=5e-2,
)
criterion = nn.CrossEntropyLoss()
for epoch in range(EPOCHS):
    model.train()
    optimizer.zero_grad()
    loss = criterion(model(train_x), train_y)
    loss.backward()
    optimizer.step()
    if epoch % 100 == 99:
        print(f"epoch {epoch + 1}  loss {loss.item():.4f}  busiest {model.basis.usage.argmax().item()}")

model.eval()
with torch.no_grad():
    wrong = (model(test_x).argmax(dim=1) != test_y).float().mean()
print(f"figure: {wrong.item():.4f}")
