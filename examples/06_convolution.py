"""Row 6: convolution in one, two and three dimensions, with several plies, several kernels, stride and zero padding.

Lecture: "Convolution (1)" to "(4)". The data: a photograph of scikit-learn's (china.jpg): three plies, its colours.
(A result has (d - f + 1)^dims × k numbers, also in two dimensions, where the slide forgets the square.)
"""

import numpy as np
from _common import canvas, difference, options, save, verdict
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.datasets import load_sample_image

import ferrograd as fg
from ferrograd import nn

args = options(__doc__)
rng = np.random.default_rng(args.seed)
LAYERS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def reference(x: np.ndarray, w: np.ndarray, b: np.ndarray, s: int, padding: int) -> np.ndarray:
    """y_j = Σ_i w_i x_{j+i-1} in float64, summed over the plies too, for each kernel."""
    dims = x.ndim - 2
    x = np.pad(x, [(0, 0), (0, 0)] + [(padding, padding)] * dims)
    windows = sliding_window_view(x, w.shape[2:], tuple(range(2, x.ndim)))
    windows = windows[(slice(None), slice(None), *[slice(None, None, s)] * dims)]
    return np.einsum(windows, [0, 1, *range(10, 10 + 2 * dims)], w, [2, 1, *range(10 + dims, 10 + 2 * dims)],
                     [0, 2, *range(10, 10 + dims)]) + b.reshape(-1, *[1] * dims)  # fmt: skip


# Sizes, costs and numbers of random geometries, against the lecture's formulas.
worst, wrong_sizes = 0.0, 0
for dims in (1, 2, 3) * (2 if args.quick else 20):
    d, f, s, padding = int(rng.integers(6, 10)), int(rng.integers(1, 5)), int(rng.integers(1, 4)), int(rng.integers(3))
    p, k = (int(v) for v in rng.integers(1, 6, 2))
    layer = LAYERS[dims](p, k, f, stride=s, padding=padding)
    n = (d + 2 * padding - f) // s + 1  # d - f + 1 without stride and padding
    row = fg.summary(layer, (1, p, *[d] * dims)).layers[0]
    wrong_sizes += row.output_shapes != ((1, k, *[n] * dims),) or row.multiply_adds != n**dims * f**dims * p * k
    x = rng.normal(size=(2, p, *[d] * dims)).astype(np.float32)
    w, b = (v.detach().numpy().astype(np.float64) for v in (layer.weight, layer.bias))
    worst = max(worst, difference(layer(fg.tensor(x)), reference(x.astype(np.float64), w, b, s, padding)))
print(f"sizes or costs that are not the formula's: {wrong_sizes}; numbers differ from float64 by {worst:.1e}")

# Two kernels over the three plies of a photograph: brightness edges, and blue against red.
photo = load_sample_image("china.jpg")[::6, ::6].astype(np.float32) / 255
x = fg.tensor(photo.transpose(2, 0, 1)[None])
layer = nn.Conv2d(3, 2, 3, bias=False)
edges = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]]) / 12
with fg.no_grad():
    layer.weight[0] = fg.tensor(np.stack([edges] * 3).astype(np.float32))
    layer.weight[1] = fg.tensor(np.array([-1.0, 0, 1])[:, None, None] * np.full((3, 3), 1 / 9)).float()
    maps = layer(x)[0].numpy()
d, (rows, columns), f = x.shape[2:], maps.shape[1:], 3
print(f"\n{d[0]} × {d[1]} × 3 plies, {f} × {f} kernels: {rows} × {columns} × 2, "
      f"{rows} · {columns} · {f}² · 3 · 2 = {rows * columns * f * f * 3 * 2:,} multiply-adds")  # fmt: skip
print(fg.summary(layer, (1, 3, *d)), end="\n\n")

# One dimension: the brightness along one line of the photograph, smoothed by a kernel of nine equal weights.
line = photo[30].mean(1)
smooth = fg.conv1d(fg.tensor(line)[None, None], fg.full((1, 1, 9), 1 / 9))[0, 0].numpy()

figure, axes = canvas(2, 2, size=(6.4, 4.6))
titles = "3 plies, and a line", "kernel 1: upright edges", "kernel 2: blue − red"
for axis, image, title in zip(axes.flat, (photo, np.abs(maps[0]), maps[1]), titles, strict=False):
    axis.imshow(image, cmap="gray", interpolation="nearest")
    axis.set(title=f"{title}\n{image.shape[0]} × {image.shape[1]}", xticks=[], yticks=[])
axes[0, 0].axhline(30, color="red")
last = axes[1, 1]
last.plot(line, color="red", linewidth=1, label=f"line: d = {len(line)}")
last.plot(np.arange(len(smooth)) + 4, smooth, color="black", label=f"f = 9: n = {len(smooth)}")
last.set(title="1-D: nine equal weights", xlabel="place (pixels)", ylabel="brightness", ylim=(0, 1.5))
last.legend()
save(figure, args)
verdict(args, f"differs from float64 by {worst:.1e}, {wrong_sizes} wrong sizes or costs", "at most 1e-05, 0",
        worst <= 1e-5 and wrong_sizes == 0)  # fmt: skip

# What to see: two kernels see the same three plies and each finds something else, the walls' edges or the blue of the
# sky; each map is f - 1 = 2 pixels smaller than the photograph, as n = d - f + 1 says, and so is the smoothed line.
