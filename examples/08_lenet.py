"""Row 8: LeNet, a stacked CNN: convolutions, ReLU and max pooling, then fully-connected layers.

Lecture: "Convolutional Neural Networks (CNN)", hierarchical modeling, receptive fields. The data: MNIST. PyTorch's figures
are those of `peers/08_torch.py`.
"""

import numpy as np
from _common import canvas, mnist, options, save, verdict

import ferrograd as fg
from ferrograd import data, models, nn, optim

#: The test errors in % of seeds 0 to 4 in PyTorch 2.13.0, by `peers/08_torch.py`.
TORCH = [1.15, 1.3, 1.3, 1.1, 1.1]
EPOCHS, BATCH, RATE = 8, 50, 3e-3

args = options(__doc__)
split = mnist()
images, labels = (np.concatenate(pair) for pair in zip(split.train, split.dev, strict=True))
test_images, test_labels = fg.tensor(split.test[0]), fg.tensor(split.test[1])
epochs, seeds, used = (1, 1, 500) if args.quick else (EPOCHS, 5, None)
train_set = data.TensorDataset(fg.tensor(images[:used]), fg.tensor(labels[:used]))


def train(seed: int) -> tuple[nn.Module, float]:
    """A LeNet trained from a seed, and its test error in %."""
    fg.manual_seed(seed)
    model = models.LeNet5()
    optimizer = optim.Adam(model.parameters(), lr=RATE)
    loader = data.DataLoader(train_set, BATCH, shuffle=True)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=epochs * len(loader))
    objective = nn.CrossEntropyLoss()
    for _ in range(epochs):
        for x, target in loader:
            loss = objective(model(x), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with fg.no_grad():
        return model, 100 * (model(test_images).argmax(1) != test_labels).float().mean().item()


errors = []
for seed in range(args.seed, args.seed + seeds):
    model, error = train(seed)
    errors.append(error)
    print(f"seed {seed}: test error {error:.2f}%", flush=True)
mean, torch_mean = np.mean(errors), np.mean(TORCH)

# The receptive field of the middle element of each layer: by formula, and which pixels change it on images of noise.
fields, same = {}, True
for k, name in {1: "conv 1", 3: "pool 1", 4: "conv 2", 6: "pool 2"}.items():
    layers = model.features[:k]
    formula = fg.receptive_field(layers, (1, 1, 28, 28))
    x = fg.randn(400, 1, 28, 28, requires_grad=True)
    y = layers(x)
    p = y.shape[2] // 2
    y[:, :, p, p].sum().backward()
    seen = np.argwhere((x.grad != 0).any(0)[0].numpy())
    low, size = seen.min(0), seen.max(0) - seen.min(0) + 1
    same &= tuple(size) == formula.size and np.array_equal(low, np.add(formula.start, np.multiply(p, formula.stride)))
    fields[f"{name}: {formula}"] = low, size
    print(f"{name}: receptive field {formula} by formula, {size[0]} × {size[1]} by gradient")
figure, (left, middle, right) = canvas(1, 3, size=(8, 3.4))
left.imshow(test_images[1, 0].numpy(), cmap="gray", interpolation="nearest")
for k, (label, ((top, first), (height, width))) in enumerate(fields.items()):
    corners = np.array([[0, 0], [0, 1], [1, 1], [1, 0], [0, 0]]) * (height, width) + (top - 0.5, first - 0.5)
    left.plot(corners[:, 1], corners[:, 0], color=f"C{k}", linewidth=2, label=label)
left.set(title="receptive fields (pixels)", xticks=[], yticks=[])
left.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncol=2, fontsize="small", columnspacing=1)
kernels = np.pad(model.features[0].weight.detach()[:, 0].numpy(), ((0, 0), (1, 1), (1, 1)), constant_values=np.nan)
middle.imshow(np.vstack([np.hstack(kernels[:3]), np.hstack(kernels[3:])]), cmap="RdBu", interpolation="nearest")
middle.set(title="six learned 5 × 5 kernels", xticks=[], yticks=[])
for k, (name, found) in enumerate({"ferrograd": errors, "PyTorch": TORCH}.items()):
    right.plot([k] * len(found), found, "o", label=name)
    right.hlines(np.mean(found), k - 0.3, k + 0.3, color=f"C{k}")
right.axhline(2.1, color="black", linestyle="--", label="bar")
right.set(title="MNIST, five seeds each", ylabel="test error (%)", xlim=(-0.6, 1.6), ylim=(0, 2.4), xticks=[])
right.legend(loc="lower center")
save(figure, args)
verdict(
    args,
    f"mean test error {mean:.2f}% (PyTorch {torch_mean:.2f}%), receptive fields {'equal' if same else 'DIFFER'}",
    "at most 2.1%, at most 0.3 points above PyTorch, equal",
    bool(mean <= 2.1 and mean <= torch_mean + 0.3 and same),
)

# What to see: upper layers see more and more of the digit; the kernels learned to find strokes and edges; and ferrograd's
# five networks err as rarely as PyTorch's, below the bar.
