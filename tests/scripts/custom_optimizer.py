"""A custom optimizer: Lion (Chen et al., 2023), written as a subclass of `Optimizer`, diagnoses tumours.

m is the momentum and g the gradient: the step is -lr · sign(β₁ m + (1 - β₁) g), then m ← β₂ m + (1 - β₂) g.
"""

import torch
from sklearn.datasets import load_breast_cancer
from torch import nn, optim

EPOCHS = 30
BAR = 0.06  # of the share of wrong diagnoses; saying always "benign" has 0.37


class Lion(optim.Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.99), weight_decay=0.0):
        if lr <= 0:
            raise ValueError(f"Invalid learning rate: {lr}")
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if len(state) == 0:
                    state["exp_avg"] = torch.zeros_like(p)
                momentum = state["exp_avg"]
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(torch.lerp(p.grad, momentum, beta1).sign_(), alpha=-group["lr"])
                momentum.mul_(beta2).add_(p.grad, alpha=1 - beta2)
        return loss


torch.manual_seed(0)
data = load_breast_cancer()
x = torch.tensor(data.data, dtype=torch.float32)
y = torch.tensor(data.target, dtype=torch.float32)
order = torch.randperm(len(x))
x, y = x[order], y[order]
x = (x - x[:400].mean(dim=0)) / x[:400].std(dim=0)

model = nn.Sequential(nn.Linear(30, 16), nn.ReLU(), nn.Linear(16, 1), nn.Flatten(0))
decayed = [p for name, p in model.named_parameters() if name.endswith("weight")]
others = [p for name, p in model.named_parameters() if name.endswith("bias")]
groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others}]
criterion = nn.BCEWithLogitsLoss()


def start():
    optimizer = Lion(groups, lr=2e-3)
    return optimizer, optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.95)


def fit(optimizer, scheduler, epochs):
    for _ in range(epochs):
        for batch in torch.randperm(400).split(50):

            def closure(batch=batch):
                optimizer.zero_grad()
                loss = criterion(model(x[batch]), y[batch])
                loss.backward()
                return loss

            loss = optimizer.step(closure)
        scheduler.step()
        print(f"last loss {loss.item():.4f}  lr {scheduler.get_last_lr()[0]:.6f}")


optimizer, scheduler = start()
fit(optimizer, scheduler, EPOCHS // 2)
checkpoint = {"optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}

optimizer, scheduler = start()  # an interrupted run goes on with the momentum and the rate that it had
optimizer.load_state_dict(checkpoint["optimizer"])
scheduler.load_state_dict(checkpoint["scheduler"])
fit(optimizer, scheduler, EPOCHS - EPOCHS // 2)

with torch.no_grad():
    wrong = ((model(x[400:]) > 0).float() != y[400:]).float().mean()
print(f"figure: {wrong.item():.4f}")
