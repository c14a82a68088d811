"""The index operator where PyTorch and NumPy part, or a registry row does not reach."""

from __future__ import annotations

import numpy as np
import pytest

import ferrograd as fg


def cube():
    return fg.arange(24.0).reshape(2, 3, 4)


def test_integers_beside_arrays_select_first():
    x, index = cube(), fg.tensor([0, 2])
    # NumPy has (2, 3) here.
    assert x[0, :, index].shape == (3, 2)
    assert x[0, :, index].tolist() == [[0, 2], [4, 6], [8, 10]]
    assert x[:, 0, index].tolist() == [[0, 2], [12, 14]]
    assert x[fg.tensor(1), 0, index].tolist() == [12, 14]
    assert x[fg.tensor([0, 1]), :, index].shape == (2, 3)
    assert x[None, fg.tensor([0, 1]), ..., fg.tensor([[0], [2]])].shape == (2, 2, 1, 3)


def test_a_0d_integer_tensor_gives_a_view():
    x = cube()
    x[fg.tensor(1)].zero_()
    x[fg.tensor(0), fg.tensor(2)] = 7.0
    assert x[1].tolist() == [[0] * 4] * 3
    assert x[0, 2].tolist() == [7] * 4


@pytest.mark.parametrize(
    "index",
    [
        0, (slice(None), 1), slice(None, None, 2), ..., (None, 0), slice(None, None, -1), [0, 2], (0, [1, 1]),
        np.array([True, False, True]), np.arange(12).reshape(3, 4) % 2 == 0, ([0, 2], [1, 3]),
        (slice(None), np.array([True, False, True, False])), np.zeros(3, bool), (np.int64(1), 2),
    ],
)  # fmt: skip
@pytest.mark.parametrize("recorded", [False, True])
def test_assignment_agrees_with_numpy(index, recorded, rng):
    want = rng.standard_normal((3, 4))
    place = want[index]
    for shape in {(), (1,) * place.ndim, place.shape, (1, 1, *place.shape)}:
        x = fg.tensor(want, requires_grad=recorded) * 1
        value = rng.standard_normal(shape)
        expected = want.copy()
        expected[index] = value.reshape(place.shape) if value.size == place.size else value.reshape(())
        x[index] = fg.from_numpy(value)
        np.testing.assert_array_equal(x.detach().numpy(), expected)


def test_assignment_under_no_grad_reaches_a_leaf():
    w = fg.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf tensor that requires grad"):
        w[0] = 2.0
    with fg.no_grad():
        w[0] = 2.0
        w[fg.tensor([False, True, True])] *= 3
    assert w.tolist() == [2, 3, 3]
    assert w.is_leaf


def test_views_made_by_indexing_share_memory():
    x = cube()
    x[0, 1:].fill_(-1.0)
    x[..., ::2].mul_(2.0)
    assert x[0, 1].tolist() == [-2, -1, -2, -1]
    assert x[0, 0].tolist() == [0, 1, 4, 3]


@pytest.mark.parametrize(
    ("index", "error", "match"),
    [
        (2, IndexError, "index 2 is out of range for dimension 0 of size 2"),
        ((0, 0, 0, 0), IndexError, "too many indices"),
        (1.0, IndexError, "expected an array of int64, int32 or bool, got float64"),
        ("a", (TypeError, IndexError), None),
        (np.array([2]), IndexError, "index 2 is out of bounds"),
        (np.array([True]), IndexError, r"a mask of shape \(1,\) does not match"),
        ((..., ...), IndexError, "one ellipsis"),
        (fg.tensor(5), IndexError, "index 5 is out of range"),
    ],
)
def test_wrong_indices(index, error, match):
    with pytest.raises(error, match=match):
        cube()[index]


def test_gather_through_names_of_numpy():
    x = cube()
    assert fg.index_select(x, axis=1, index=fg.tensor([2])).tolist() == x[:, 2:].tolist()
    assert fg.take_along_dim(x, fg.tensor([[[1]]]), axis=2).squeeze(-1).tolist() == x[:, :, 1].tolist()
    assert fg.tensor(3.0).index_select(0, fg.tensor([0])).tolist() == 3.0
