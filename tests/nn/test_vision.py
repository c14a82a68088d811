"""What a row cannot say of upsampling, grids and bags of embeddings: former names, warnings, ties, agreement at random."""

from __future__ import annotations

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import nn
from ferrograd.nn import functional as F


def test_former_names_warn():
    x = fg.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    for name, options in (("upsample", {}), ("upsample_nearest", {}), ("upsample_bilinear", {})):
        with pytest.warns(UserWarning, match=f"{name} is deprecated; use interpolate"):
            y = getattr(F, name)(x, scale_factor=2, **options)
        mode = {"mode": "bilinear", "align_corners": True} if name == "upsample_bilinear" else {}
        assert y.tolist() == F.interpolate(x, scale_factor=2, **mode).tolist()
    with pytest.warns(UserWarning, match="grid_sample: align_corners"):
        F.grid_sample(x, fg.zeros(1, 1, 1, 2))
    with pytest.warns(UserWarning, match="affine_grid: align_corners"):
        F.affine_grid(fg.zeros(1, 2, 3), (1, 1, 2, 2))


def test_the_same_size_is_a_tensor_of_its_own():
    x = fg.ones(1, 1, 3, requires_grad=True)
    y = F.interpolate(x, size=3)
    assert y is not x
    y.sum().backward()
    assert x.grad.tolist() == [[[1.0] * 3]]


def test_interpolation_of_integers_and_arrays():
    assert F.interpolate(fg.tensor([[[1, 2]]]), scale_factor=2).tolist() == [[[1, 1, 2, 2]]]
    assert F.interpolate(np.array([[[1.0, 3.0]]]), size=4, mode="linear").tolist() == [[[1.0, 1.5, 2.5, 3.0]]]


def test_identity_grid_gives_the_image():
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    theta = np.tile(np.array([[1.0, 0, 0], [0, 1, 0]]), (2, 1, 1))
    for aligned in (False, True):
        grid = F.affine_grid(theta, x.shape, aligned)
        for mode in ("bilinear", "nearest", "bicubic"):
            np.testing.assert_allclose(F.grid_sample(x, grid, mode, align_corners=aligned).numpy(), x, atol=1e-12)


def test_grid_places_that_are_no_numbers_or_far_away():
    x = fg.ones(1, 1, 2, 2)
    grid = fg.tensor([[[[1e30, 0.0], [np.inf, 0.0]]]])
    assert F.grid_sample(x, grid, "nearest", align_corners=False).tolist() == [[[[0.0, 0.0]]]]
    assert F.grid_sample(x, fg.tensor([[[[1e6, 0.0]]]]), align_corners=False).item() == 0.0
    assert F.grid_sample(x, fg.tensor([[[[1e6, 0.0]]]]), padding_mode="border", align_corners=False).item() == 1.0


def test_a_bag_of_one_maximum_gives_its_gradient_to_the_first():
    weight = fg.tensor([[1.0], [2.0], [2.0]], requires_grad=True)
    y = F.embedding_bag(fg.tensor([[0, 2, 1]]), weight, mode="max")
    assert y.tolist() == [[2.0]]
    y.backward(fg.ones(1, 1))
    assert weight.grad.tolist() == [[0.0], [0.0], [1.0]]


def test_empty_bags_are_zero():
    weight = fg.ones(3, 2)
    for mode in ("sum", "mean", "max"):
        assert F.embedding_bag(fg.tensor([1]), weight, fg.tensor([0, 0, 1]), mode=mode).tolist() == [
            [0, 0],
            [1, 1],
            [0, 0],
        ]
        assert F.embedding_bag(fg.zeros(0, dtype=fg.int64), weight, fg.tensor([0]), mode=mode).tolist() == [[0, 0]]
        padded = F.embedding_bag(fg.tensor([[1, 1], [2, 1]]), weight, mode=mode, padding_idx=1)
        assert padded.tolist() == [[0, 0], [1, 1]]
    ended = F.embedding_bag(fg.tensor([1, 2]), weight, fg.tensor([0, 2]), mode="sum", include_last_offset=True)
    assert ended.tolist() == [[2, 2]]


def test_frequency_scales_the_gradient_of_a_bag():
    bag = nn.EmbeddingBag(3, 1, mode="sum", scale_grad_by_freq=True)
    bag(fg.tensor([[0, 2], [0, 0]])).sum().backward()
    assert bag.weight.grad.tolist() == [[1.0], [0.0], [1.0]]


def test_padding_row_of_a_bag_and_pretrained_vectors():
    bag = nn.EmbeddingBag(4, 2, padding_idx=-1)
    assert bag.weight[3].tolist() == [0.0, 0.0]
    again = nn.EmbeddingBag.from_pretrained(bag.weight.detach(), mode="max", padding_idx=3)
    assert not again.weight.requires_grad
    assert repr(again) == "EmbeddingBag(4, 2, mode='max', padding_idx=3)"


def test_one_hot():
    y = F.one_hot(fg.tensor([[0, 2], [1, 0]]))
    assert y.dtype == fg.int64
    assert y.tolist() == [[[1, 0, 0], [0, 0, 1]], [[0, 1, 0], [1, 0, 0]]]
    assert F.one_hot(fg.tensor(1), 2).tolist() == [0, 1]
    assert F.one_hot(fg.zeros(0, dtype=fg.int64), 3).shape == (0, 3)


ERRORS = [
    (lambda: F.one_hot(fg.tensor([3]), 3), RuntimeError, "one_hot: tensor: expected indices from 0 to 2, got 3 to 3"),
    (lambda: F.one_hot(fg.tensor([-1])), RuntimeError, "one_hot: tensor: expected indices"),
    (lambda: F.one_hot(fg.ones(1)), TypeError, "one_hot: tensor: expected integers, got float32"),
    (lambda: F.one_hot(fg.zeros(0, dtype=fg.int64)), RuntimeError, "one_hot: num_classes: expected a number for a tensor"),
    (lambda: nn.Embedding(3, 2, sparse=True), NotImplementedError, "Embedding: sparse: gradients are dense"),
    (lambda: nn.EmbeddingBag(3, 2, sparse=True), NotImplementedError, "EmbeddingBag: sparse: gradients are dense"),
    (lambda: nn.EmbeddingBag(3, 2, mode="min"), ValueError, "EmbeddingBag: mode: expected"),
    (lambda: nn.EmbeddingBag(3, 2, padding_idx=3), ValueError, "EmbeddingBag: padding_idx: expected an index of 3"),
    (lambda: nn.EmbeddingBag(3, 2)(fg.tensor([[3]])), IndexError, "embedding"),
    (lambda: nn.EmbeddingBag(3, 2)(fg.tensor([1])), ValueError, "embedding_bag: offsets: expected 1 dimension"),
    (lambda: nn.EmbeddingBag(3, 2)(fg.tensor([[[1]]])), ValueError, r"expected shape \(B, K\) or \(L,\)"),
    (lambda: nn.EmbeddingBag(3, 2)(fg.tensor([1]), fg.tensor([0.0])), TypeError, "offsets: expected integers"),
    (lambda: F.grid_sample(fg.ones(1, 1, 2, 2), np.zeros((1, 1, 1, 2)), align_corners=False), TypeError,
     "grid_sample: grid: expected float32, as the input has, got float64"),
    (lambda: nn.Bilinear(0, 2, 3), ValueError, "Bilinear: in1_features: expected a number of at least 1, got 0"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "match"), ERRORS, ids=[m for _, _, m in ERRORS])
def test_wrong_arguments(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_live_against_pytorch():
    """Interpolation in float32, where places hang on rounding, at random sizes and factors."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    for mode, nd in (
        ("nearest", 1),
        ("nearest-exact", 2),
        ("bilinear", 2),
        ("bicubic", 2),
        ("trilinear", 3),
        ("area", 2),
    ):
        for trial in range(12):
            x = rng.standard_normal((1, 2, *rng.integers(1, 7, nd))).astype(np.float32)
            factor = tuple(float(f) for f in rng.uniform(1, 3, nd))
            options = {"scale_factor": factor, "recompute_scale_factor": trial % 3 == 0, "mode": mode}
            if mode in ("bilinear", "bicubic", "trilinear"):
                options["align_corners"] = trial % 2 == 0
            want = torch.nn.functional.interpolate(torch.tensor(x), **options).numpy()
            np.testing.assert_allclose(
                F.interpolate(x, **options).numpy(), want, rtol=2e-5, atol=2e-5, err_msg=str(options)
            )
