"""Augmentation: what each transform may make of an image, its statistics, its seeds, its errors."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import ndimage

import ferrograd as fg
from ferrograd import data
from ferrograd.data import transforms as T
from ferrograd.data.transforms.geometry import warped


def seeded(seed: int = 0) -> fg.Generator:
    return fg.Generator().manual_seed(seed)


def images(n: int = 12, c: int = 2, h: int = 6, w: int = 5) -> np.ndarray:
    return np.random.default_rng(0).random((n, c, h, w)).astype(np.float32)


#: Every transform of images alone, with arguments under which it does change something.
RANDOM = [
    T.RandomHorizontalFlip(), T.RandomVerticalFlip(), T.RandomCrop((4, 5), padding=1), T.RandomRotation(30),
    T.RandomAffine(20, translate=(0.3, 0.3), scale=(0.8, 1.2), shear=(-5, 5, -3, 3), interpolation="bilinear"),
    T.GaussianNoise(sigma=0.2), T.RandomErasing(p=0.8, scale=(0.1, 0.4)), T.RandomErasing(p=1.0, value="random"),
    T.Compose([T.RandomCrop(6, padding=2), T.GaussianNoise()]), T.RandomChoice([T.RandomHorizontalFlip(1.0), T.GaussianNoise()]),
]  # fmt: skip


@pytest.mark.parametrize("transform", RANDOM, ids=repr)
def test_the_same_seed_gives_the_same_augmentation_and_the_input_stays(transform) -> None:
    x = images(h=8, w=8)
    before = x.copy()
    first = transform(x, generator=seeded(1))
    assert np.array_equal(first, transform(x, generator=seeded(1)))
    others = [transform(x, generator=seeded(k)) for k in range(2, 8)]
    assert any(other.shape != first.shape or not np.array_equal(first, other) for other in others)
    assert first.dtype == np.float32
    assert first.flags.c_contiguous
    assert np.array_equal(x, before)


@pytest.mark.parametrize("transform", RANDOM, ids=repr)
def test_a_generators_state_goes_on_where_it_was(transform) -> None:
    x, generator = images(h=8, w=8), seeded(5)
    transform(x, generator=generator)
    state = generator.get_state()
    second = transform(x, generator=generator)
    assert np.array_equal(second, transform(x, generator=fg.Generator().set_state(state)))


@pytest.mark.parametrize("transform", RANDOM, ids=repr)
def test_arrays_tensors_single_images_and_labels(transform) -> None:
    x = images(h=8, w=8)
    array = transform(x, generator=seeded())
    tensor, labels = transform(fg.from_numpy(x), "labels", generator=seeded())
    assert isinstance(tensor, fg.Tensor)
    assert labels == "labels"
    assert np.array_equal(tensor.numpy(), array)
    single = transform(x[0], generator=seeded())
    assert single.shape == array.shape[1:]
    assert np.array_equal(single, transform(x[:1], generator=seeded())[0])


@pytest.mark.parametrize("transform", RANDOM, ids=repr)
def test_an_empty_batch_stays_empty(transform) -> None:
    assert len(transform(images(0, h=8, w=8))) == 0


def test_a_transforms_own_generator_and_the_default_one() -> None:
    x = images()
    own = T.GaussianNoise(generator=seeded(3))
    assert np.array_equal(own(x), T.GaussianNoise()(x, generator=seeded(3)))
    fg.manual_seed(3)
    assert np.array_equal(T.GaussianNoise()(x), T.GaussianNoise()(x, generator=seeded(3)))
    fg.manual_seed(3)
    composed = T.Compose([T.GaussianNoise(generator=seeded(9)), T.GaussianNoise()])
    assert np.array_equal(
        composed(x), T.GaussianNoise()(T.GaussianNoise()(x, generator=seeded(9)), generator=seeded(3))
    )


@pytest.mark.parametrize(("flip", "axis"), [(T.RandomHorizontalFlip, 3), (T.RandomVerticalFlip, 2)])
def test_flips(flip, axis: int) -> None:
    x = images(2000)
    result = flip(0.3)(x, generator=seeded())
    mirrored = np.flip(x, axis)
    flipped = (result == mirrored).all((1, 2, 3))
    assert (flipped | (result == x).all((1, 2, 3))).all()
    assert abs(flipped.mean() - 0.3) < 0.04
    assert np.array_equal(flip(1.0)(x), mirrored)
    assert np.array_equal(flip(0.0)(x), x)


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
def test_a_crop_is_a_part_of_the_padded_image(mode: str) -> None:
    x = images(300)
    extra = {"constant_values": 7} if mode == "constant" else {}
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (1, 1)), mode, **extra)
    result = T.RandomCrop((5, 4), padding=(1, 2), fill=7, padding_mode=mode)(x, generator=seeded())
    places = set()
    for k in range(len(x)):
        fitting = [
            (i, j) for i in range(6) for j in range(4) if np.array_equal(padded[k, :, i : i + 5, j : j + 4], result[k])
        ]
        assert fitting
        places.update(fitting)
    assert len(places) == 24


def test_padding_on_four_sides_and_until_the_part_fits() -> None:
    x = images(1, 1, 2, 2)
    assert np.array_equal(T.RandomCrop((5, 6), padding=(1, 2, 3, 1))(x), np.pad(x, ((0, 0), (0, 0), (2, 1), (1, 3))))
    assert T.RandomCrop(4, pad_if_needed=True)(x).shape == (1, 1, 4, 4)
    assert np.array_equal(T.CenterCrop((2, 3))(images())[0, 0], images()[0, 0, 2:4, 1:4])


def test_quarter_turns_are_exact_and_counter_clockwise() -> None:
    x = images(3, 2, 5, 5)
    for how in ("nearest", "bilinear"):
        for turns in (1, 2, 3):
            degrees = (90 * turns, 90 * turns)
            assert np.allclose(T.RandomRotation(degrees, how)(x), np.rot90(x, turns, (2, 3)), atol=1e-6)
            assert np.allclose(T.RandomAffine(degrees, interpolation=how)(x), np.rot90(x, -turns, (2, 3)), atol=1e-6)


def test_about_a_corner() -> None:
    x = images(1, 1, 4, 4)
    turned = T.RandomRotation((90, 90), center=(0, 4), fill=9)(x)
    assert (turned == 9).all()
    half = T.RandomRotation((180, 180), center=(4, 2), fill=9)(x)
    assert (half == 9).all()
    assert np.array_equal(T.RandomRotation((180, 180), center=(2, 2))(x), x[:, :, ::-1, ::-1])


def test_shifts_are_whole_pixels_and_reach_as_far_as_said() -> None:
    x = np.zeros((500, 1, 9, 7), np.float32)
    x[:, 0, 4, 3] = 1
    moved = T.RandomAffine(0, translate=(2 / 7, 1 / 9))(x, generator=seeded())
    where = np.argwhere(moved[:, 0] == 1)
    assert len(where) == 500
    assert {tuple(w) for w in where[:, 1:]} == {(y, x) for y in (3, 4, 5) for x in (1, 2, 3, 4, 5)}


def test_warping_agrees_with_scipy() -> None:
    rng = np.random.default_rng(1)
    x = rng.random((4, 2, 7, 9))
    forward = np.eye(2) + 0.5 * rng.standard_normal((4, 2, 2))
    shift = rng.standard_normal((4, 2))
    middle = np.array([4.0, 3.0])
    for bilinear in (True, False):
        found = warped(x, forward, shift, None, bilinear, 0.25)
        for k in range(4):
            back = np.linalg.inv(forward[k])[::-1, ::-1]
            offset = middle[::-1] - back @ (middle + shift[k])[::-1]
            for c in range(2):
                expected = ndimage.affine_transform(
                    x[k, c], back, offset, order=int(bilinear), mode="grid-constant", cval=0.25
                )
                assert np.allclose(found[k, c], expected, atol=1e-9)


def test_angles_scales_and_shears_stay_in_their_range(monkeypatch) -> None:
    seen = []
    monkeypatch.setattr(
        "ferrograd.data.transforms.geometry.warped", lambda x, forward, *rest: seen.append(forward) or x
    )
    T.RandomAffine((10, 40), scale=(0.5, 2.0))(images(3000), generator=seeded())
    T.RandomAffine(0, shear=(-20, 10, 5, 15))(images(3000), generator=seeded())
    turned, leaning = seen
    scale = np.sqrt(np.linalg.det(turned))
    assert 0.5 <= scale.min() < 0.51 < 1.99 < scale.max() <= 2
    angle = np.degrees(np.arctan2(turned[:, 1, 0], turned[:, 0, 0]))
    assert 10 <= angle.min() < 10.1 < 39.9 < angle.max() <= 40
    along_x, along_y = -np.degrees(np.arctan(leaning[:, 0, 1])), -np.degrees(np.arctan(leaning[:, 1, 0]))
    assert -20 <= along_x.min() < -19.9 < 9.9 < along_x.max() <= 10
    assert 5 <= along_y.min() < 5.1 < 14.9 < along_y.max() <= 15


def test_bytes_stay_bytes() -> None:
    x = np.random.default_rng(0).integers(0, 256, (5, 3, 6, 6), dtype=np.uint8)
    for transform in (T.RandomCrop(6, padding=1), T.RandomAffine(30, interpolation="bilinear"), T.RandomErasing(1.0)):
        assert transform(x).dtype == np.uint8
    assert np.array_equal(T.RandomAffine(0, interpolation="bilinear")(x), x)


def test_noise() -> None:
    x = np.full((50, 1, 20, 20), 0.5, np.float32)
    added = T.GaussianNoise(0.1, 0.2, clip=False)(x, generator=seeded()) - x
    assert abs(added.mean() - 0.1) < 0.01
    assert abs(added.std() - 0.2) < 0.01
    clipped = T.GaussianNoise(0.0, 2.0)(x, generator=seeded())
    assert (clipped.min(), clipped.max()) == (0, 1)


def test_an_erased_part_is_one_rectangle_of_the_right_size() -> None:
    x = np.ones((400, 2, 16, 16), np.float32)
    result = T.RandomErasing(0.7, scale=(0.1, 0.3), ratio=(0.5, 2.0), value=(3.0, 4.0))(x, generator=seeded())
    erased = result[:, 0] == 3
    assert np.array_equal(erased, result[:, 1] == 4)
    assert ((result == 1) | erased[:, None]).all()
    hit = erased.any((1, 2))
    assert abs(hit.mean() - 0.7) < 0.07
    for mask in erased[hit]:
        rows, columns = mask.any(1).sum(), mask.any(0).sum()
        assert mask.sum() == rows * columns
        assert 0.07 < mask.mean() < 0.34
        assert 0.4 < rows / columns < 2.5
    assert erased.any(0).all()
    squares = T.RandomErasing(1.0, scale=(0.25, 0.25), ratio=(1, 1))(x)
    assert (squares == 0).sum((1, 2, 3)).tolist() == [128] * 400


def test_normalizing_and_bytes_to_numbers() -> None:
    x = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), dtype=np.uint8)
    tensor = T.ToTensor()(x)
    assert tensor.shape == (4, 3, 5, 6)
    assert tensor.dtype == fg.float32
    assert np.allclose(tensor.numpy(), x.transpose(0, 3, 1, 2) / 255)
    mean, std = (0.4, 0.5, 0.6), (0.1, 0.2, 0.3)
    normal = T.Compose([T.ToTensor(), T.Normalize(mean, std)])(x)
    assert np.allclose(normal.numpy().transpose(0, 2, 3, 1), (x / 255 - mean) / std, atol=1e-5)
    assert T.ToTensor()(x[0]).shape == (3, 5, 6)
    assert T.ToTensor()(x[0, :, :, 0]).shape == (1, 5, 6)
    assert T.ToTensor()(np.full((2, 2), 300)).tolist() == [[[300, 300], [300, 300]]]


@pytest.mark.parametrize("labels", [np.arange(6) % 3, np.eye(3, dtype=np.float32)[np.arange(6) % 3]])
def test_mixup_mixes_images_and_labels_alike(labels) -> None:
    x = np.eye(3, dtype=np.float32)[np.arange(6) % 3][:, :, None, None] * np.ones((1, 1, 4, 4), np.float32)
    shares = []
    for seed in range(30):
        mixed, soft = T.MixUp(alpha=0.4, num_classes=3)(x, labels, generator=seeded(seed))
        assert np.allclose(mixed.mean((2, 3)), soft, atol=1e-6)
        assert np.allclose(soft.sum(1), 1)
        assert soft.dtype == np.float32
        shares.append(soft[0, 0])
    assert 0 < min(shares) < 0.1 < 0.9 < max(shares) < 1
    assert len({float(s) for s in shares}) == 30


def test_cutmix_counts_pixels() -> None:
    x = np.eye(3, dtype=np.float32)[np.arange(6) % 3][:, :, None, None] * np.ones((1, 1, 8, 9), np.float32)
    for seed in range(30):
        mixed, soft = T.CutMix(num_classes=3)(fg.from_numpy(x), fg.arange(6) % 3, generator=seeded(seed))
        assert set(np.unique(mixed.numpy())) <= {0, 1}
        assert np.allclose(mixed.numpy().mean((2, 3)), soft.numpy(), atol=1e-6)
        assert np.allclose(mixed.numpy().sum(1), 1)
    loss = fg.nn.CrossEntropyLoss()(mixed.mean((2, 3)), soft)
    assert loss.item() > 0


def test_one_of_several() -> None:
    flip, erase = T.RandomHorizontalFlip(1.0), T.RandomErasing(1.0, value=2.0)
    x, generator = images(1), seeded()
    choice = T.RandomChoice([flip, erase], p=[1, 3])
    flipped = [np.array_equal(choice(x, generator=generator), flip(x)) for _ in range(400)]
    assert abs(np.mean(flipped) - 0.25) < 0.07
    both = T.RandomChoice([T.MixUp(num_classes=2), T.CutMix(num_classes=2)])
    assert both(images(4), np.array([0, 1, 0, 1]))[1].shape == (4, 2)
    assert T.Compose([lambda x: x + 1, flip])(x).min() >= 1


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_the_loader_augments_the_same_with_any_number_of_workers(workers: int) -> None:
    dataset = data.TensorDataset(images(22, h=8, w=8), np.arange(22) % 3)
    augment = T.Compose([T.RandomCrop(8, padding=1), T.MixUp(num_classes=3)])

    def epochs(workers: int, generator: fg.Generator) -> list:
        loader = data.DataLoader(dataset, 5, shuffle=True, num_workers=workers, generator=generator, transform=augment)
        return [[part.numpy() for part in batch] for _ in range(2) for batch in loader]

    expected = epochs(0, seeded(1))
    found = epochs(workers, seeded(1))
    assert len(found) == 10
    for one, other in zip(expected, found, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert not np.array_equal(found[0][0], found[5][0])

    generator = seeded(1)
    loader = data.DataLoader(dataset, 5, shuffle=True, num_workers=workers, generator=generator, transform=augment)
    list(loader)
    state = generator.get_state()
    resumed = epochs(workers, fg.Generator().set_state(state))
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(expected[5:], resumed[:5], strict=True))


def test_the_loader_augments_streams_and_single_samples() -> None:
    class Stream(data.IterableDataset):
        def __iter__(self):
            return iter(images(7))

    noise = T.GaussianNoise(sigma=0.5, clip=False)
    for workers in (0, 2):
        loader = data.DataLoader(Stream(), 3, num_workers=workers, generator=seeded(), transform=noise)
        batches = [b.numpy() for b in loader]
        assert [len(b) for b in batches] == [3, 3, 1]
        added = [b - x for b, x in zip(batches, (images(7)[:3], images(7)[3:6]), strict=False)]
        assert not np.allclose(added[0], added[1])
        single = data.DataLoader(list(images(7)), None, num_workers=workers, generator=seeded(), transform=noise)
        assert not np.array_equal(next(iter(single)).numpy(), images(7)[0])
        assert len(list(data.DataLoader(Stream(), None, num_workers=workers, transform=noise))) == 7


def test_without_a_transform_the_order_is_as_before() -> None:
    fg.manual_seed(0)
    plain = [b.tolist() for b in data.DataLoader(range(9), 4, shuffle=True)]
    fg.manual_seed(0)
    assert fg.randperm(9).tolist() == [k for b in plain for k in b]


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: T.RandomHorizontalFlip(1.5), ValueError, "RandomHorizontalFlip: p: expected a probability from 0 to 1, got 1.5"),
        (lambda: T.RandomCrop(0), ValueError, "RandomCrop: size: expected a height and a width of at least 1, got 0"),
        (lambda: T.RandomCrop((2, 2, 2)), ValueError, "RandomCrop: size: expected a height and a width of at least 1"),
        (lambda: T.RandomCrop(2, padding=-1), ValueError, "RandomCrop: padding: expected 1, 2 or 4 numbers of at least 0, got -1"),
        (lambda: T.RandomCrop(2, padding=(1, 2, 3)), ValueError, "RandomCrop: padding: expected 1, 2 or 4 numbers"),
        (lambda: T.RandomCrop(2, padding_mode="wrap"), ValueError, "RandomCrop: padding_mode: expected 'constant', 'edge'"),
        (lambda: T.RandomCrop(7)(images()), ValueError, "RandomCrop: size: expected at most the image's 6 × 5 pixels, got (7, 7)"),
        (lambda: T.CenterCrop(7)(images()), ValueError, "CenterCrop: size: expected at most the image's 6 × 5 pixels"),
        (lambda: T.RandomRotation(-3), ValueError, "RandomRotation: degrees: expected a number of at least 0 or a range, got -3"),
        (lambda: T.RandomRotation((5, 3)), ValueError, "RandomRotation: degrees: expected a number or a range (low, high), got (5, 3)"),
        (lambda: T.RandomAffine(0, translate=(2, 0)), ValueError, "RandomAffine: translate: expected two numbers from 0 to 1"),
        (lambda: T.RandomAffine(0, scale=(0, 1)), ValueError, "RandomAffine: scale: expected numbers above 0, got (0, 1)"),
        (lambda: T.RandomAffine(0, interpolation="cubic"), ValueError, "RandomAffine: interpolation: expected 'nearest' or 'bilinear'"),
        (lambda: T.RandomAffine(0, center=(1,)), ValueError, "RandomAffine: center: expected (x, y), got (1,)"),
        (lambda: T.GaussianNoise(sigma=-1), ValueError, "GaussianNoise: sigma: expected a number of at least 0, got -1"),
        (lambda: T.GaussianNoise()(np.zeros((1, 1, 2, 2), int)), TypeError, "GaussianNoise: images: expected a floating-point dtype, got int64"),
        (lambda: T.RandomErasing(scale=(0, 2)), ValueError, "RandomErasing: scale: expected 0 < low ≤ high ≤ 1, got (0, 2)"),
        (lambda: T.RandomErasing(ratio=(0, 2)), ValueError, "RandomErasing: ratio: expected 0 < low ≤ high, got (0, 2)"),
        (lambda: T.RandomErasing(value="noise"), ValueError, "RandomErasing: value: expected a number, one a channel, or 'random', got 'noise'"),
        (lambda: T.RandomErasing(1.0, value=(1, 2, 3))(images()), ValueError, "RandomErasing: value: expected 2 numbers, one a channel"),
        (lambda: T.Normalize((0.5,), (0.0,)), ValueError, "Normalize: std: expected numbers above 0, got (0.0,)"),
        (lambda: T.Normalize((0.5, 0.5), (1.0,)), ValueError, "Normalize: std: expected one number a mean"),
        (lambda: T.Normalize((0, 0, 0), (1, 1, 1))(images()), ValueError, "Normalize: images: expected 3 channels, one a mean"),
        (lambda: T.ToTensor()(fg.zeros(2, 2)), TypeError, "ToTensor: images: expected an array or a PIL image, got a Tensor"),
        (lambda: T.ToTensor()(np.zeros(2)), ValueError, "ToTensor: images: expected (N, H, W, C), (H, W, C) or (H, W), got shape (2,)"),
        (lambda: T.RandomCrop(2)(np.zeros((2, 2))), ValueError, "RandomCrop: images: expected (N, C, H, W) or (C, H, W), got shape (2, 2)"),
        (lambda: T.RandomCrop(2)(np.array([[["a"]]])), TypeError, "RandomCrop: images: expected numbers, got <U1"),
        (lambda: T.Compose([1]), TypeError, "Compose: transforms[0]: expected a transform, got int"),
        (lambda: T.RandomChoice([]), ValueError, "RandomChoice: transforms: expected at least one, got none"),
        (lambda: T.RandomChoice([abs], p=[1, 2]), ValueError, "RandomChoice: p: expected 1 probabilities, one a transform, got [1, 2]"),
        (lambda: T.MixUp(alpha=0), ValueError, "MixUp: alpha: expected a number above 0, got 0"),
        (lambda: T.MixUp()(images()), ValueError, "MixUp: labels: expected images and their labels, got 0 beside the images"),
        (lambda: T.MixUp()(images(), np.arange(12)), ValueError, "MixUp: num_classes: expected a number where labels are classes, got None"),
        (lambda: T.CutMix(num_classes=5)(images(), np.arange(12)), ValueError, "CutMix: labels: expected classes from 0 to 4, got 0 to 11"),
        (lambda: T.CutMix(num_classes=5)(images(), np.arange(11)), ValueError, "CutMix: labels: expected (12,) or (12, K), got shape (11,)"),
        (lambda: T.MixUp(num_classes=5)(images(), np.zeros(12)), TypeError, "MixUp: labels: expected classes as integers, got float64"),
        (lambda: T.MixUp(num_classes=5)(images()[0], 1), ValueError, "MixUp: images: expected a batch (N, C, H, W), got shape (2, 6, 5)"),
    ],
)  # fmt: skip
def test_wrong_arguments(call, error, said: str) -> None:
    with pytest.raises(error, match=re.escape(said)):
        call()
