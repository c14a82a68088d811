"""Row 16: self-attention, Z = softmax(XA (XB)ᵀ) XC: each position a mean of all, weighted by how well they fit.

Lecture: "Transformers (III)". The data: sequences of random symbols that are to be reversed. (The slide has no 1/√l, so
`scale=1.0`.)
"""

import numpy as np
from _common import canvas, difference, options, save, verdict

import ferrograd as fg
from ferrograd import nn, optim
from ferrograd.nn import functional as F

args = options(__doc__)
rng = np.random.default_rng(args.seed)


# The formula in float64, and its gradients: with P the weights and E the error signal, ∂Q/∂C = Xᵀ Pᵀ E,
# S = P ⊙ (D − Σ P ⊙ D) with D = E (XC)ᵀ, ∂Q/∂A = Xᵀ S XB and ∂Q/∂B = Xᵀ Sᵀ XA; a mask takes places from P.
n, d, l, o = 12, 16, 8, 10
X = rng.normal(size=(n, d)).astype(np.float32)
A, B, C = (fg.tensor(rng.normal(0, 0.2, (d, k)), dtype=fg.float32, requires_grad=True) for k in (l, l, o))
E = rng.normal(size=(n, o)).astype(np.float32)
causal = np.tril(np.ones((n, n), bool))
padding = np.broadcast_to(np.arange(n) < 9, (n, n))  # the last three are no words, nobody looks at them
worst, weights, unseen = 0.0, {}, 0.0
for name, mask in {"all": None, "causal": causal, "padding": padding}.items():
    x = fg.tensor(X)
    settings = {"is_causal": True} if name == "causal" else {"attn_mask": None if mask is None else fg.tensor(mask)}
    z = F.scaled_dot_product_attention(x @ A, x @ B, x @ C, scale=1.0, **settings)
    gradients = fg.autograd.grad(z, (A, B, C), fg.tensor(E))
    x64, a, b, c = (v.detach().numpy().astype(np.float64) for v in (x, A, B, C))
    scores = x64 @ a @ (x64 @ b).T
    powers = np.exp(scores if mask is None else np.where(mask, scores, -np.inf))
    p = weights[name] = powers / powers.sum(1, keepdims=True)
    product = E @ (x64 @ c).T
    s = p * (product - (p * product).sum(1, keepdims=True))
    formulas = x64.T @ s @ x64 @ b, x64.T @ s.T @ x64 @ a, x64.T @ p.T @ E
    worst = max(worst, difference(z, p @ x64 @ c), *map(difference, gradients, formulas))
    if mask is not None:  # what a position may not see has no influence: the gradient of each row at each other
        for row in range(n):
            x = fg.tensor(X, requires_grad=True)
            F.scaled_dot_product_attention(x.detach() @ A, x @ B, x @ C, scale=1.0, **settings)[row].sum().backward()
            unseen = max(unseen, float(np.abs(x.grad.numpy()[~mask[row]]).max(initial=0)))
print(f"values and gradients differ from float64 by {worst:.1e}; influence of masked positions: {unseen:g}")

# One layer of attention learns to reverse: what it looks at can be seen in its weights.
LENGTH, SYMBOLS = 12, 10


class Reverse(nn.Module):
    """Symbols and their places as vectors x, one layer of attention, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.symbols, self.places = nn.Embedding(SYMBOLS, 32), nn.Embedding(LENGTH, 32)
        self.A, self.B, self.C = (nn.Linear(32, 32, bias=False) for _ in range(3))
        self.read = nn.Linear(32, SYMBOLS)

    def forward(self, sequence: fg.Tensor) -> fg.Tensor:
        x = self.symbols(sequence) + self.places(fg.arange(LENGTH))
        return self.read(F.scaled_dot_product_attention(self.A(x), self.B(x), self.C(x), scale=1.0))


model = Reverse()
optimizer = optim.Adam(model.parameters(), lr=3e-3)
for _ in range(10 if args.quick else 300):
    sequence = fg.randint(0, SYMBOLS, (64, LENGTH))
    loss = F.cross_entropy(model(sequence).flatten(0, 1), sequence.flip(1).flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
sequence = fg.randint(0, SYMBOLS, (500, LENGTH))
right = 100 * (model(sequence).argmax(2) == sequence.flip(1)).float().mean().item()
x = model.symbols(sequence) + model.places(fg.arange(LENGTH))
learned = fg.softmax(model.A(x) @ model.B(x).transpose(1, 2), 2).mean(0).detach().numpy()
print(f"reversed: {right:.1f}% of the symbols right")

figure, axes = canvas(1, 4, size=(9, 2.9))
for axis, (name, w) in zip(axes, {**weights, "learned: reverse": learned}.items(), strict=True):
    axis.imshow(w, cmap="Blues", interpolation="nearest")
    axis.set(title=name, xlabel="sees position", xticks=[0, 5, 10], yticks=[0, 5, 10])
axes[0].set(ylabel="position")
save(figure, args)
verdict(args, f"differs from float64 by {worst:.1e}, masked positions count {unseen:g}", "at most 1e-05, 0",
        worst <= 1e-5 and unseen == 0)  # fmt: skip

# What to see: each row shows whom a position listens to: all, only those before it, only the nine that are words; and the
# layer that has learned to reverse a sequence looks, from each position, at the one as far from the other end.
