"""Row 17: a multi-head transformer: 8 heads of attention, short-cuts, layer norms and a feed-forward network.

Lecture: "Multi-head Transformers", n = 128, d = 512, 8 heads of 64. The data: scikit-learn's digits, each image a sequence
of 16 patches. (As everywhere today the heads' scores are divided by √64, and another matrix follows the heads.)
"""

import numpy as np
from _common import canvas, difference, options, save, verdict

import ferrograd as fg
from ferrograd import nn, optim, train

args = options(__doc__)
N, D, HEADS = 128, 512, 8


def norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    centred = x - x.mean(1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5) * weight + bias


def transformer(x: np.ndarray, p: dict[str, np.ndarray]) -> np.ndarray:
    """Concat over j of softmax(X A_j (X B_j)ᵀ / √64) X C_j, then the rest of an encoder layer, in float64."""
    heads = []
    projected = x @ p["self_attn.in_proj_weight"].T + p["self_attn.in_proj_bias"]
    for q, k, v in zip(*(np.split(part, HEADS, 1) for part in np.split(projected, 3, 1)), strict=True):
        powers = np.exp(q @ k.T / np.sqrt(D // HEADS))
        heads.append(powers / powers.sum(1, keepdims=True) @ v)
    z = np.concatenate(heads, 1) @ p["self_attn.out_proj.weight"].T + p["self_attn.out_proj.bias"]
    y = norm(x + z, p["norm1.weight"], p["norm1.bias"])
    hidden = np.maximum(y @ p["linear1.weight"].T + p["linear1.bias"], 0)
    return norm(y + hidden @ p["linear2.weight"].T + p["linear2.bias"], p["norm2.weight"], p["norm2.bias"])


# Values, and for each parameter the slope of Q = Σ e y along its gradient, which is the gradient's norm.
layer = nn.TransformerEncoderLayer(D, HEADS, dim_feedforward=512, dropout=0.0, batch_first=True)
x, e = fg.randn(N, D, requires_grad=True), fg.randn(N, D)
y = layer(x)
y.backward(e)
tensors = {"x": x, **dict(layer.named_parameters())}
values = {name: t.detach().numpy().astype(np.float64) for name, t in tensors.items()}
worst = difference(y, transformer(values["x"], values))
for name, t in list(tensors.items())[:: 8 if args.quick else 1]:
    length = t.grad.norm().item()
    moved = ({**values, name: values[name] + h / length * t.grad.numpy()} for h in (1e-4, -1e-4))
    up, down = ((e.numpy() * transformer(v["x"], v)).sum() for v in moved)
    worst = max(worst, abs((up - down) / 2e-4 / length - 1))
print(f"n = {N}, d = {D}, {HEADS} heads of {D // HEADS}: values and slopes differ from float64 by {worst:.1e}")


# A small one learns to read: an image is a sequence of 16 patches of 2 × 2 pixels.
class Reader(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch, self.place = nn.Conv2d(1, 64, 2, stride=2), nn.Parameter(0.1 * fg.randn(16, 64))
        layer = nn.TransformerEncoderLayer(64, HEADS, 128, dropout=0.1, batch_first=True)
        self.encoder, self.read = nn.TransformerEncoder(layer, 2), nn.Linear(64, 10)

    def forward(self, images: fg.Tensor) -> fg.Tensor:
        return self.read(self.encoder(self.patch(images).flatten(2).transpose(1, 2) + self.place).mean(1))


split = fg.data.datasets.digits()
model, epochs = Reader(), 1 if args.quick else 20
optimizer = optim.Adam(model.parameters(), lr=1e-3)
trainer = train.Trainer(model, nn.CrossEntropyLoss(), optimizer)
history = trainer.fit(split.train, split.dev, epochs, batch_size=64)
error = 100 * trainer.evaluate(split.test)["error"]

digit = fg.tensor(split.test[0][:1])
x = model.patch(digit).flatten(2).transpose(1, 2) + model.place
_, weights = model.encoder.layers[0].self_attn(x, x, x, average_attn_weights=False)  # (1, 8, 16, 16)
maps = np.full((2, 4, 5, 5), np.nan)
maps[:, :, :4, :4] = weights[0].mean(1).reshape(2, 4, 4, 4).detach().numpy()
figure, (left, middle, right) = canvas(1, 3, size=(9, 3), width_ratios=(1, 1.8, 1.5))
left.imshow(digit[0, 0].numpy(), cmap="gray", interpolation="nearest")
left.set(title="16 patches", xticks=np.arange(1.5, 7, 2), yticks=np.arange(1.5, 7, 2), xticklabels=[], yticklabels=[])
left.grid(color="tab:orange", linewidth=2)
middle.imshow(np.vstack([np.hstack(row) for row in maps]), cmap="Blues", interpolation="nearest")
middle.set(title="where 8 heads look", xticks=[], yticks=[], facecolor="0.8")
curves = 100 * np.stack([history.train_error, history.dev_error], 1)
right.plot(range(1, epochs + 1), curves, label=["training", "development"])
right.set(title="learning to read digits", xlabel="epoch", ylabel="error (%)", ylim=(0, 20))
right.legend()
save(figure, args)
verdict(args, f"differs from float64 by {worst:.1e}, digits: test error {error:.2f}%", "at most 1e-05, at most 5%",
        worst <= 1e-5 and error <= 5)  # fmt: skip

# What to see: each head listens to patches of its own choice, strokes here, empty corners there; two such layers, which
# know of an image only by its patches' places, misread few digits.
