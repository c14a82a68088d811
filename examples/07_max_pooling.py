"""Row 7: max pooling keeps the largest of each m × m window: smaller maps, and less depends on the exact place.

Lecture: "Convolutional Neural Networks (CNN)", each layer: convolution, ReLU, max pooling. The data: MNIST.
"""

import numpy as np
from _common import canvas, mnist, options, save, verdict
from numpy.lib.stride_tricks import sliding_window_view

import ferrograd as fg
from ferrograd import nn
from ferrograd.nn import functional as F

args = options(__doc__)
images, _ = mnist().test
rng = np.random.default_rng(args.seed)
LAYERS = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}


def reference(x: np.ndarray, m: int, stride: int, padding: int, e: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest of each window and, for error signals e, the gradient: each goes to the first of the largest."""
    dims = x.ndim - 2
    padded = np.pad(x, [(0, 0), (0, 0)] + [(padding, padding)] * dims, constant_values=-np.inf)
    steps = (..., *[slice(None, None, stride)] * dims, *[slice(None)] * dims)
    windows = sliding_window_view(padded, [m] * dims, tuple(range(2, x.ndim)))[steps]
    windows = windows.reshape(*windows.shape[: 2 + dims], -1)
    places = sliding_window_view(np.arange(padded[0, 0].size).reshape(padded.shape[2:]), [m] * dims)[steps]
    first = windows.argmax(-1)
    chosen = np.take_along_axis(np.broadcast_to(places.reshape(*places.shape[:dims], -1), windows.shape),
                                first[..., None], -1).reshape(*x.shape[:2], -1)  # fmt: skip
    gradient = np.zeros((*x.shape[:2], padded[0, 0].size))
    for n, c in np.ndindex(*x.shape[:2]):
        np.add.at(gradient[n, c], chosen[n, c], e[n, c].ravel())
    inside = (..., *[slice(padding, padding + d) for d in x.shape[2:]])
    return windows.max(-1), gradient.reshape(padded.shape)[inside]


# Random geometries with many ties: values and gradients, all whole numbers, must be the same.
different = 0
for dims in (1, 2, 3) * (2 if args.quick else 20):
    m, stride = (int(v) for v in rng.integers(1, 4, 2))
    padding, d = int(rng.integers(m // 2 + 1)), int(rng.integers(5, 9))
    x = rng.integers(0, 4, (2, 3, *[d] * dims)).astype(np.float32)
    ours = fg.tensor(x, requires_grad=True)
    y = LAYERS[dims](m, stride, padding)(ours)
    e = rng.integers(-9, 10, y.shape).astype(np.float32)
    y.backward(fg.tensor(e))
    value, gradient = reference(x, m, stride, padding, e)
    different += int((y.detach().numpy() != value).sum() + (ours.grad.numpy() != gradient).sum())
print(f"numbers that differ from the definition's, ties and padding included: {different}")

# How much of a digit's map changes when the digit moves by a pixel.
x = fg.tensor(images[: 100 if args.quick else 1000])
moved = fg.roll(x, 1, 3)
sizes, changes = (1, 2, 4, 7), {}
for name, pool in {"max pooling": F.max_pool2d, "average pooling": F.avg_pool2d}.items():
    changes[name] = [100 * ((pool(moved, m) - pool(x, m)).norm() / pool(x, m).norm()).item() for m in sizes]
    print(f"{name}: a digit moved by a pixel changes its map by " + ", ".join(
        f"{c:.0f}% (m = {m})" for m, c in zip(sizes, changes[name], strict=True)))  # fmt: skip

figure, axes = canvas(1, 4, size=(8.4, 2.7), width_ratios=(1, 1, 1, 1.5))
digit = x[1:2]
for axis, m in zip(axes, (1, 2, 4), strict=False):
    map_ = F.max_pool2d(digit, m)[0, 0].numpy()
    axis.imshow(map_, cmap="gray", interpolation="nearest")
    axis.set(title=f"m = {m}\n{map_.shape[0]} × {map_.shape[1]}", xticks=[], yticks=[])
for name, change in changes.items():
    axes[3].plot(sizes, change, marker="o", label=name)
axes[3].set(title="digit moved by a pixel", xlabel="window size m (pixels)", ylabel="change of map (%)", ylim=(0, None))
axes[3].legend()
save(figure, args)
verdict(args, f"{different} of the numbers differ", "0 differ", different == 0)

# What to see: with every pooling the digit keeps its form and loses its details; and the larger the windows, the less of
# the map changes when the digit moves by a pixel. (Averages change less still, but they wash out what one place alone
# shows; the maximum keeps it.)
