"""A custom `autograd.Function`: a network whose hidden layer says only -1 or +1 reads handwritten digits.

The derivative of sign is 0 wherever it is defined, so backward goes straight through (Bengio et al., 2013),
where |x| ≤ 1.
"""

import torch
from sklearn.datasets import load_digits
from torch import nn, optim

EPOCHS = 12
BAR = 0.06  # of the share of test images misread; with a random hidden layer it is 0.1


class StraightThroughSign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output.masked_fill(x.abs() > 1, 0)


class Scale(torch.autograd.Function):
    """x ↦ a x of a learned number a, to show an op of two operands with a first and a second derivative."""

    @staticmethod
    def forward(ctx, x, a):
        ctx.save_for_backward(x, a)
        return x * a

    @staticmethod
    def backward(ctx, grad_output):
        x, a = ctx.saved_tensors
        grad_x = grad_output * a if ctx.needs_input_grad[0] else None
        grad_a = (grad_output * x).sum() if ctx.needs_input_grad[1] else None
        return grad_x, grad_a


class BinaryNet(nn.Module):
    def __init__(self, hidden=48):
        super().__init__()
        self.hidden = nn.Linear(64, hidden, bias=False)
        self.norm = nn.BatchNorm1d(hidden)
        self.scale = nn.Parameter(torch.tensor(0.1))
        self.output = nn.Linear(hidden, 10)

    def forward(self, x):
        bits = StraightThroughSign.apply(self.norm(self.hidden(x)))
        return self.output(Scale.apply(bits, self.scale))


torch.manual_seed(0)
probe = (torch.randn(3, 4, dtype=torch.double, requires_grad=True), torch.tensor(0.7).double().requires_grad_())
print("gradcheck of Scale:", torch.autograd.gradcheck(Scale.apply, probe, eps=1e-6, atol=1e-4))

digits = load_digits()
x = torch.as_tensor(digits.data, dtype=torch.float32) / 16
y = torch.as_tensor(digits.target, dtype=torch.long)
order = torch.randperm(len(x))
train, test = order[:1400], order[1400:]

model = BinaryNet()
optimizer = optim.NAdam(model.parameters(), lr=1e-2)
criterion = nn.CrossEntropyLoss()
for epoch in range(EPOCHS):
    model.train()
    for batch in train[torch.randperm(len(train))].chunk(28):
        optimizer.zero_grad()
        loss = criterion(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1:2d}  last loss {loss.item():.4f}  scale {model.scale.item():.3f}")

model.eval()
with torch.no_grad():
    wrong = (model(x[test]).argmax(dim=1) != y[test]).float().mean()
print(f"figure: {wrong.item():.4f}")
