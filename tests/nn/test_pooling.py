"""What the golden rows of pooling cannot say: drawn windows, inverses, kinks and wrong arguments."""

from __future__ import annotations

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import nn
from ferrograd.nn import functional as F


def test_unpooling_undoes_pooling(rng):
    for pool, unpool, shape in [
        (F.max_pool1d, F.max_unpool1d, (2, 3, 9)),
        (F.max_pool2d, F.max_unpool2d, (3, 6, 7)),
        (F.max_pool3d, F.max_unpool3d, (1, 2, 4, 5, 6)),
    ]:
        x, spatial = fg.tensor(rng.uniform(0.5, 1.0, shape)), int(pool.__name__[-2])
        y, indices = pool(x, 2, return_indices=True)
        size = shape if len(shape) == spatial + 2 else shape[1:]
        back = unpool(y, indices, 2, output_size=size)
        assert back.shape == shape
        kept = back.numpy() != 0
        np.testing.assert_array_equal(back.numpy()[kept], x.numpy()[kept])
        assert kept.sum() == y.numel()
        np.testing.assert_array_equal(pool(back, 2).numpy(), y.numpy())


def test_a_power_average_of_zeros_has_no_gradient():
    x = fg.zeros(1, 1, 4, requires_grad=True)
    y = F.lp_pool1d(x, 2.0, 2)
    y.sum().backward()
    assert y.tolist() == [[[0.0, 0.0]]]
    assert x.grad.tolist() == [[[0.0] * 4]]
    assert F.lp_pool1d(fg.tensor([[3.0, -4.0, 1.0]]), -float("inf"), 3).tolist() == [[1.0]]


def windows_of(samples, n, out, size):
    """PyTorch's rule for one dimension, in float64: where each window begins."""
    if out == 1:
        return [n - size]
    alpha = (n - size) / (out - 1)
    return [int((i + samples) * alpha) - int(samples * alpha) for i in range(out - 1)] + [n - size]


@pytest.mark.parametrize(
    ("shape", "kernel", "out"), [((2, 3, 9, 8), (2, 3), (4, 3)), ((3, 6, 5, 7), (2, 2, 1), (2, 1, 5))]
)
def test_fractional_windows_lie_where_the_samples_say(shape, kernel, out, rng):
    spatial = len(kernel)
    x = rng.standard_normal(shape)
    lead = shape[:-spatial]
    samples = rng.random((*(lead if len(lead) == 2 else (1, *lead)), spatial))
    pool = getattr(F, f"fractional_max_pool{spatial}d")
    y, indices = pool(x, kernel, out, return_indices=True, _random_samples=samples)
    planes = x.reshape(-1, *shape[-spatial:])
    for c, drawn in enumerate(samples.reshape(-1, spatial)):
        drawn = drawn[::-1] if spatial == 2 else drawn
        begins = [windows_of(u, n, o, k) for u, n, o, k in zip(drawn, shape[-spatial:], out, kernel, strict=True)]
        for o in np.ndindex(*out):
            at = tuple(slice(b[i], b[i] + k) for b, i, k in zip(begins, o, kernel, strict=True))
            assert y.numpy().reshape(-1, *out)[(c, *o)] == planes[c][at].max()
    flat = np.take_along_axis(x.reshape(*lead, -1), indices.numpy().reshape(*lead, -1), -1)
    np.testing.assert_array_equal(flat, y.numpy().reshape(*lead, -1))


def test_fractional_pooling_draws_anew_and_follows_the_seed(rng):
    layer = nn.FractionalMaxPool2d(2, output_ratio=0.6)
    x = fg.tensor(rng.standard_normal((2, 3, 10, 10)), requires_grad=True)
    fg.manual_seed(3)
    first = layer(x)
    assert first.shape == (2, 3, 6, 6)
    assert (layer(x) != first).any(), "the next call draws other windows"
    fg.manual_seed(3)
    np.testing.assert_array_equal(layer(x).detach().numpy(), first.detach().numpy())
    first.sum().backward()
    assert x.grad.numpy().sum() == first.numel()
    assert repr(layer) == "FractionalMaxPool2d()"


def test_live_fractional_pooling(rng):
    torch = pytest.importorskip("torch")
    for spatial, shape, out in [(2, (2, 3, 11, 9), (5, 4)), (2, (3, 11, 9), (1, 8)), (3, (2, 2, 6, 9, 7), (3, 4, 5))]:
        x = rng.standard_normal(shape).astype(np.float32)
        samples = rng.random((shape[0] if len(shape) == spatial + 2 else 1, shape[-spatial - 1], spatial), np.float32)
        name = f"fractional_max_pool{spatial}d"
        want = getattr(torch.nn.functional, name)(
            torch.tensor(x), 2, out, return_indices=True, _random_samples=torch.tensor(samples)
        )
        got = getattr(F, name)(x, 2, out, return_indices=True, _random_samples=samples)
        for a, b in zip(got, want, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


WITH_INDICES = [
    (F.max_pool1d, F.max_pool1d_with_indices, (3, 2, 1)),
    (F.max_pool2d, F.max_pool2d_with_indices, (3, 2, 1)),
    (F.max_pool3d, F.max_pool3d_with_indices, (2, 1)),
    (F.adaptive_max_pool1d, F.adaptive_max_pool1d_with_indices, (3,)),
    (F.adaptive_max_pool2d, F.adaptive_max_pool2d_with_indices, ((2, None),)),
    (F.adaptive_max_pool3d, F.adaptive_max_pool3d_with_indices, (2,)),
]


@pytest.mark.parametrize(("plain", "with_indices", "arguments"), WITH_INDICES)
def test_indices_name_the_largest_elements(plain, with_indices, arguments, rng):
    spatial = int(plain.__name__[-2])
    x = rng.standard_normal((2, 3, 6, 5, 4)[: spatial + 2])
    y, indices = with_indices(x, *arguments)
    np.testing.assert_array_equal(y.numpy(), plain(x, *arguments).numpy())
    flat = np.take_along_axis(x.reshape(2, 3, -1), indices.numpy().reshape(2, 3, -1), -1)
    np.testing.assert_array_equal(flat, y.numpy().reshape(2, 3, -1))


def test_fractional_indices(rng):
    x, y = rng.standard_normal((1, 2, 6, 6)), rng.standard_normal((2, 5, 5, 5))
    for plain, with_indices, value in [
        (F.fractional_max_pool2d, F.fractional_max_pool2d_with_indices, x),
        (F.fractional_max_pool3d, F.fractional_max_pool3d_with_indices, y),
    ]:
        fg.manual_seed(1)
        got, indices = with_indices(value, 2, output_ratio=0.5)
        fg.manual_seed(1)
        np.testing.assert_array_equal(got.numpy(), plain(value, 2, output_ratio=0.5).numpy())
        assert indices.shape == got.shape


def test_means_over_windows_that_cover_the_input_are_those_of_even_windows(rng):
    for mean, adaptive, power in [
        (F.avg_pool1d, F.adaptive_avg_pool1d, F.lp_pool1d),
        (F.avg_pool2d, F.adaptive_avg_pool2d, F.lp_pool2d),
        (F.avg_pool3d, F.adaptive_avg_pool3d, F.lp_pool3d),
    ]:
        spatial = int(mean.__name__[-2])
        x = rng.uniform(0.1, 1.0, (2, 3, 6, 4, 8)[: spatial + 2])
        even = mean(x, 2).numpy()
        np.testing.assert_allclose(adaptive(x, even.shape[2:]).numpy(), even, rtol=1e-12)
        np.testing.assert_allclose(power(x, 1.0, 2).numpy(), even * 2**spatial, rtol=1e-12)


X = fg.ones(1, 2, 4, 4)
ERRORS = [
    (
        lambda: F.max_pool2d(fg.ones(1, 1, 1), 2, 1, 1, 2),
        ValueError,
        "a size in spatial dimension 0 of which every window of 2 taps 2 apart has one",
    ),
    (lambda: F.adaptive_avg_pool2d(X, (1, 2, 3)), ValueError, "adaptive_avg_pool2d: output_size: expected a number, None"),
    (lambda: F.adaptive_avg_pool2d(X, -1), ValueError, "output_size: expected numbers of at least 0"),
    (lambda: F.adaptive_max_pool1d(X, 2), ValueError, "adaptive_max_pool1d: input: expected 2D"),
    (lambda: F.adaptive_avg_pool2d(X, 1.5), TypeError, "output_size: expected integers"),
    (lambda: F.max_unpool2d(X, fg.zeros(1, 2, 4, 3, dtype=fg.int64), 2), ValueError, "indices: expected the shape of input"),
    (lambda: F.max_unpool2d(X, fg.full(X.shape, 64, dtype=fg.int64), 2), IndexError, "out of bounds"),
    (lambda: F.max_unpool2d(X, X, 2), TypeError, "index"),
    (
        lambda: F.max_unpool2d(X, fg.zeros(X.shape, dtype=fg.int64), 2, output_size=(8, 10)),
        ValueError,
        r"expected less than a stride from \(8, 8\), got \(8, 10\)",
    ),
    (
        lambda: F.max_unpool2d(X, fg.zeros(X.shape, dtype=fg.int64), 2, output_size=(8,)),
        ValueError,
        "output_size: expected 2 or 4 numbers",
    ),
    (lambda: nn.FractionalMaxPool2d(2), ValueError, "expected either it or output_ratio, got neither"),
    (lambda: nn.FractionalMaxPool2d(2, 2, 0.5), ValueError, "got both"),
    (lambda: nn.FractionalMaxPool3d(2, output_ratio=1.5), ValueError, "expected numbers between 0 and 1, got 1.5"),
    (lambda: nn.FractionalMaxPool2d(2, 4)(X), ValueError, r"at least output_size \+ kernel_size - 1, \(5, 5\), got \(4, 4\)"),
    (lambda: F.fractional_max_pool2d(X, 2, 2, _random_samples=fg.ones(1, 2, 3)), ValueError, "_random_samples: expected"),
    (lambda: F.max_pool2d(X, 3, padding=1, dilation=2).shape and F.max_pool2d(X, 3, padding=2, dilation=2), ValueError, "half of kernel_size, 1"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "match"), ERRORS, ids=[m for _, _, m in ERRORS])
def test_wrong_arguments(call, error, match):
    with pytest.raises(error, match=match):
        call()
