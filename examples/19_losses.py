"""Row 19: mean square error, cross entropy and their relatives, and why one would choose another than the squares.

Lecture: "Learning Neural Networks is an optimization problem". The data: scikit-learn's diabetes, body mass index
against progression of the disease, with one in eight progressions misread tenfold.
"""

import numpy as np
from _common import canvas, difference, options, save, verdict
from sklearn.datasets import load_diabetes

import ferrograd as fg
from ferrograd import nn, optim

args = options(__doc__)
rng = np.random.default_rng(args.seed)

# Each loss and its gradient against its formula in float64.
y, t = rng.standard_normal((6, 4)), rng.standard_normal((6, 4))
labels, weights, zero_one = rng.integers(0, 4, 6), rng.uniform(0.5, 2, 4), rng.uniform(0, 1, (6, 4))
labels[0] = -100
p = np.exp(y) / np.exp(y).sum(1, keepdims=True)
q = np.exp(t) / np.exp(t).sum(1, keepdims=True)
s = 1 / (1 + np.exp(-y))
hot, d = np.eye(4)[labels.clip(0)], y - t
w = weights[labels.clip(0)] * (labels >= 0)
binary = -(zero_one * np.log(s) + (1 - zero_one) * np.log(1 - s)).mean()
soft = 0.9 * hot + 0.1 / 4
kept, wide = (labels >= 0)[:, None] / 5, w[:, None] / w.sum()
cases = {
    "MSE (sum)": (nn.MSELoss(reduction="sum"), t, (d**2).sum(), 2 * d),
    "MSE (mean)": (nn.MSELoss(), t, (d**2).mean(), 2 * d / 24),
    "L1": (nn.L1Loss(), t, np.abs(d).mean(), np.sign(d) / 24),
    "Huber": (
        nn.HuberLoss(delta=0.5), t, np.where(np.abs(d) < 0.5, d**2 / 2, 0.5 * (np.abs(d) - 0.25)).mean(),
        np.clip(d, -0.5, 0.5) / 24,
    ),
    "cross entropy": (nn.CrossEntropyLoss(), labels, -(hot * np.log(p) * kept).sum(), (p - hot) * kept),
    "… weighted": (nn.CrossEntropyLoss(fg.tensor(weights)), labels, -(hot * np.log(p) * wide).sum(), (p - hot) * wide),
    "… smoothed": (
        nn.CrossEntropyLoss(label_smoothing=0.1), labels, -(soft * np.log(p) * kept).sum(), (p - soft) * kept
    ),
    "NLL": (nn.NLLLoss(), labels, -(hot * y * kept).sum(), -hot * kept),
    "KL": (nn.KLDivLoss(reduction="batchmean"), q, (q * (np.log(q) - y)).sum() / 6, -q / 6),
    "BCE": (lambda y, t: nn.BCELoss()(fg.sigmoid(y), t), zero_one, binary, (s - zero_one) / 24),
    "BCE of logits": (nn.BCEWithLogitsLoss(), zero_one, binary, (s - zero_one) / 24),
}  # fmt: skip
apart = 0.0
for name, (objective, target, value, gradient) in cases.items():
    ty = fg.tensor(y, requires_grad=True)
    loss = objective(ty, fg.tensor(target))
    loss.backward()
    found = max(difference(loss, value), difference(ty.grad, gradient))
    print(f"{name:14} {loss.item():8.4f}   value and gradient differ from the formula by {found:.0e} at most")
    apart = max(apart, found)

bmi, progression = (a.astype(np.float32) for a in load_diabetes(return_X_y=True, scaled=False))
bmi, truth = bmi[:, 2], progression / 100
misread = rng.random(len(truth)) < 1 / 8
read = np.where(misread, 10 * truth, truth).astype(np.float32)
x = fg.tensor(((bmi - bmi.mean()) / bmi.std())[:, None])
figure, (left, right) = canvas(1, 2, size=(6.8, 3.4))
right.scatter(bmi[~misread], truth[~misread], s=3, color="gray")
residual = fg.linspace(-4, 4, 161)
errors = {}
for name, objective in {"squares": nn.MSELoss(), "absolute": nn.L1Loss(), "Huber": nn.HuberLoss()}.items():
    each = type(objective)(reduction="none")(residual, fg.zeros_like(residual))
    left.plot(residual.numpy(), each.numpy(), linewidth=3, label=name)
    line = nn.Linear(1, 1)
    optimizer = optim.Adam(line.parameters(), lr=0.05)
    for _ in range(20 if args.quick else 600):
        optimizer.zero_grad()
        objective(line(x)[:, 0], fg.tensor(read)).backward()
        optimizer.step()
    fitted = line(x)[:, 0].detach().numpy()
    errors[name] = np.median(np.abs(fitted - truth)[~misread])
    right.plot(np.sort(bmi), np.sort(fitted), linewidth=3, label=name)
left.set(xlabel="residual", ylabel="loss", ylim=(0, 8), title="losses")
left.legend()
right.set(
    xlabel="body mass index (kg/m²)", ylabel="progression (score / 100)", ylim=(0, 6), title="1 in 8 misread tenfold"
)
right.legend(loc="upper left")
save(figure, args)
text = f"{len(cases)} losses to {apart:.0e}; median error " + ", ".join(f"{n} {e:.2f}" for n, e in errors.items())
met = apart <= 1e-9 and max(errors["absolute"], errors["Huber"]) < errors["squares"] / 2
verdict(args, text, "formulas to 1e-9; absolute and Huber below half of the squares' error", met)

# What to see: a large residual costs its square on the left; so the line of the squares on the right is drawn towards
# the misread points, far above the true ones, and those of the absolute and of the Huber loss are not.
