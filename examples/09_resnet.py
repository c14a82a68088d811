"""Row 9: short-cut paths let a network of 41 convolutions learn that hardly learns without them.

Lecture: "Convolutional Neural Networks (CNN)", ResNet: short-cut paths facilitate error back-propagation. The data:
scikit-learn's digits. (That ResNet-50 gives PyTorch's logits and gradients is tested in `tests/agreement`.)
"""

import numpy as np
from _common import Clock, canvas, options, parameters, race, save, verdict

import ferrograd as fg
from ferrograd import models, nn, optim
from ferrograd.nn import functional as F

BLOCKS, CHANNELS, SECONDS = 20, 16, 2.3
RATES = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)

args = options(__doc__)
split = fg.data.datasets.digits()
images, labels = map(fg.tensor, split.train)


class PlainBlock(models.BasicBlock):
    """The same two convolutions, without x + …."""

    def forward(self, x: fg.Tensor) -> fg.Tensor:
        return self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))


def network(block: type[models.BasicBlock]) -> nn.Sequential:
    """One convolution to 4 × 4 places, 20 blocks of two each, the mean over the places, a linear layer."""
    model = nn.Sequential(
        nn.Sequential(nn.Conv2d(1, CHANNELS, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(CHANNELS), nn.ReLU()),
        *[block(CHANNELS, CHANNELS) for _ in range(BLOCKS)],
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, 10)),
    )
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return model


def contender(block: type[models.BasicBlock]):
    """Trains such a network; its errors in % on the development and the test part."""

    def run(lr: float, seed: int, clock: Clock) -> tuple[float, float]:
        model, rng = network(block), np.random.default_rng(seed)
        optimizer = optim.SGD(model.parameters(), lr=lr, momentum=0.9)
        while clock.runs():
            chosen = rng.integers(0, len(labels), 32)
            loss = F.cross_entropy(model(images[chosen]), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with fg.no_grad():
            dev, test = (100 * (model(fg.tensor(x)).argmax(1).numpy() != t).mean() for x, t in (split.dev, split.test))
        return float(dev), float(test)

    return run


blocks = {"with short-cuts": models.BasicBlock, "plain": PlainBlock}
print({name: f"{parameters(network(block)):,} parameters" for name, block in blocks.items()})
errors = race({name: contender(block) for name, block in blocks.items()}, RATES, args, SECONDS)
ours, theirs = errors.values()
won = sum(a < b for a, b in zip(ours, theirs, strict=True))

figure, (left, right) = canvas(1, 2, size=(8, 3.8))
for k, (name, block) in enumerate(blocks.items()):
    fg.manual_seed(args.seed)
    model = network(block)
    F.cross_entropy(model(images[:256]), labels[:256]).backward()
    left.semilogy(
        range(1, BLOCKS + 1), [part.conv1.weight.grad.norm().item() for part in model[1:-1]], "o-", label=name
    )
    right.plot([k] * len(errors[name]), errors[name], "o")
    right.hlines(np.mean(errors[name]), k - 0.3, k + 0.3, color=f"C{k}")
left.set(xlabel="block", ylabel="norm of the gradient", title="before training")
left.legend()
right.set(ylabel="test error (%)", title=f"after {SECONDS:g} s, five seeds", xlim=(-0.6, 1.6), ylim=(0, 100))
right.set_xticks([0, 1], list(blocks))
save(figure, args)
verdict(args, f"short-cuts win on {won} of {len(ours)} seeds, test error {np.mean(ours):.1f}% against {np.mean(theirs):.1f}%",
        "win on 4 of 5", won >= 4)  # fmt: skip

# What to see: before training the plain network's gradients grow from block to block on the way back, a hundredfold over
# all, so no learning rate fits all its layers; with short-cuts they stay alike, and the same layers in the same time learn.
