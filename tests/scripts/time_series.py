"""A time series: an LSTM, run step by step, continues noisy waves of unknown period and phase."""

import math

import torch
from torch import nn, optim

EPOCHS = 15
BAR = 0.25  # of the root mean squared error over 12 steps ahead; the waves' own deviation is 0.71

SEEN, AHEAD = 24, 12


def waves(n):
    period = 8 + 8 * torch.rand(n, 1)
    phase = 2 * math.pi * torch.rand(n, 1)
    t = torch.arange(SEEN + AHEAD, dtype=torch.float32)
    return torch.sin(2 * math.pi * t / period + phase)


class Forecaster(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.hidden = hidden
        self.lstm1 = nn.LSTMCell(1, hidden)
        self.lstm2 = nn.LSTMCell(hidden, hidden)
        self.linear = nn.Linear(hidden, 1)

    def forward(self, series, future=0):
        n = series.size(0)
        h1, c1 = torch.zeros(n, self.hidden), torch.zeros(n, self.hidden)
        h2, c2 = torch.zeros(n, self.hidden), torch.zeros(n, self.hidden)
        outputs = []
        for value in series.split(1, dim=1):
            h1, c1 = self.lstm1(value, (h1, c1))
            h2, c2 = self.lstm2(h1, (h2, c2))
            outputs.append(self.linear(h2))
        for _ in range(future):  # the last forecast is the next input
            h1, c1 = self.lstm1(outputs[-1], (h1, c1))
            h2, c2 = self.lstm2(h1, (h2, c2))
            outputs.append(self.linear(h2))
        return torch.cat(outputs, dim=1)


torch.manual_seed(0)
clean = waves(700)
noisy = clean + 0.05 * torch.randn_like(clean)

model = Forecaster()
criterion = nn.SmoothL1Loss()
optimizer = optim.RMSprop(model.parameters(), lr=5e-3)
scheduler = optim.lr_scheduler.MultiStepLR(optimizer, milestones=[8, 12], gamma=0.3)
for epoch in range(EPOCHS):
    total = 0.0
    for batch in noisy[:600].split(60):
        optimizer.zero_grad()
        output = model(batch[:, :SEEN], future=AHEAD - 1)
        loss = criterion(output, batch[:, 1:])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += loss.item()
    scheduler.step()
    print(f"epoch {epoch + 1:2d}  loss {total / 10:.5f}")

model.eval()
with torch.no_grad():
    forecast = model(noisy[600:, :SEEN], future=AHEAD - 1)[:, -AHEAD:]
    error = (forecast - clean[600:, -AHEAD:]).pow(2).mean().sqrt()
print(f"figure: {error.item():.4f}")
