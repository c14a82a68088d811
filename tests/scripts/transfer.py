"""Transfer: features learned on the digits 0 to 4 are saved, loaded into another model, and tell 5 to 9 apart."""

import tempfile
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn, optim

EPOCHS = 20
BAR = 0.12  # of the share of misread digits 5 to 9, after 8 examples of each; features that know nothing have 0.2


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
        )
        self.head = nn.Linear(24 * 4, classes)

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
old_x, old_y = x[y < 5], y[y < 5]
new_x, new_y = x[y >= 5], y[y >= 5] - 5

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "digits.pt"
    teacher = Classifier(5)
    fit(teacher, old_x, old_y, EPOCHS // 2, lr=0.05, batch_size=32)
    torch.save(teacher.state_dict(), path)
    state = torch.load(path)

model = Classifier(5)
missing, unexpected = model.load_state_dict({k: v for k, v in state.items() if k.startswith("features")}, strict=False)
print(f"fresh: {missing}, unexpected: {unexpected}")
for p in model.features.parameters():
    p.requires_grad = False
model.features.eval()  # the running statistics are the teacher's, too

few = torch.cat([(new_y == k).nonzero().flatten()[:8] for k in range(5)])
rest = torch.ones(len(new_y), dtype=torch.bool)
rest[few] = False
fit(model, new_x[few], new_y[few], EPOCHS * 4, lr=0.05, batch_size=20)
assert torch.equal(model.state_dict()["features.4.weight"], state["features.4.weight"])

model.eval()
with torch.no_grad():
    wrong = (model(new_x[rest]).argmax(dim=1) != new_y[rest]).float().mean()
print(f"figure: {wrong.item():.4f}")
