"""Transfer: features learned by naming digits are saved and loaded into another model, which learns what is even."""

import tempfile
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn, optim

EPOCHS = 8
BAR = 0.15  # of the share of digits taken for even or odd wrongly; features that were not learned have 0.3 to 0.5


class Classifier(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 24, 3, padding=1),
            nn.BatchNorm2d(24),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(96, 48),
            nn.ReLU(inplace=True),
        )
        self.head = nn.Linear(48, classes)

    def forward(self, x):
        return self.head(self.features(x))


def fit(model, x, y, epochs, lr, batch_size):
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = optim.SGD(trained, lr=lr, momentum=0.9, nesterov=True, weight_decay=1e-4)
    criterion = nn.CrossEntropyLoss()
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(batch_size):
            optimizer.zero_grad()
            criterion(model(x[batch]), y[batch]).backward()
            optimizer.step()


torch.manual_seed(0)
digits = load_digits()
x = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
y = torch.tensor(digits.target, dtype=torch.long)
order = torch.randperm(len(x))
source, few, test = order[:1000], order[1000:1040], order[1040:]

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "digits.pt"
    teacher = Classifier(10)
    fit(teacher, x[source], y[source], EPOCHS, lr=0.05, batch_size=32)
    torch.save(teacher.state_dict(), path)
    state = torch.load(path)

model = Classifier(2)
features = {name: value for name, value in state.items() if name.startswith("features.")}
missing, unexpected = model.load_state_dict(features, strict=False)
print(f"begun anew: {missing}, unexpected: {unexpected}")

# First the head alone, with the teacher's running statistics, then all of it with small steps.
even = (y % 2 == 0).long()
model.features.requires_grad_(False)
model.features.eval()
fit(model, x[few], even[few], EPOCHS * 4, lr=0.05, batch_size=20)
frozen = all(torch.equal(model.state_dict()[name], value) for name, value in features.items())
print(f"the features were left as they are: {frozen}")
model.features.requires_grad_(True)
fit(model, x[few], even[few], EPOCHS, lr=1e-3, batch_size=20)

model.eval()
with torch.no_grad():
    wrong = (model(x[test]).argmax(dim=1) != even[test]).float().mean()
print(f"figure: {wrong.item():.4f}")
