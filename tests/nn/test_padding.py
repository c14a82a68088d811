"""What a row of the layers' table cannot say of padding and of transposed convolutions: wrong arguments, dtypes."""

from __future__ import annotations

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import nn
from ferrograd.nn import functional as F

ERRORS = [
    (lambda: F.pad(fg.ones(1, 2, 3), (3, 3), "reflect"), RuntimeError, "pad: pad: expected at most 2 elements .* size 3"),
    (lambda: F.pad(fg.ones(1, 2, 3), (0, 4), "circular"), RuntimeError, "expected at most 3 elements"),
    (lambda: F.pad(fg.ones(1, 2, 3), (-1, 3), "circular"), RuntimeError, r"expected at most 2 elements .* got \(-1, 3\)"),
    (lambda: F.pad(fg.ones(1, 2, 3), (-3, -1), "replicate"), RuntimeError, "no fewer than it has taken away"),
    (lambda: F.pad(fg.ones(1, 2, 0), (1, 0), "replicate"), RuntimeError, "for a dimension of size 0"),
    (lambda: F.pad(fg.ones(2), (1,)), RuntimeError, r"pad: pad: expected pairs \(before, after\), got 1 numbers"),
    (lambda: F.pad(fg.ones(2), (1, 1, 1, 1)), RuntimeError, r"expected at most 1 pairs for shape \(2,\), got 2"),
    (lambda: F.pad(fg.ones(3), (-4, 0)), RuntimeError, "pad: "),
    (lambda: F.pad(fg.ones(2, 4), (3, 1, -3, 1)), RuntimeError, r"pad: pad: expected to take at most 2 .* got \(-3, 1\)"),
    (lambda: F.pad(fg.ones(3), (1, 1), "mirror"), ValueError, "pad: mode: expected 'constant', .* got 'mirror'"),
    (lambda: F.pad(fg.ones(3), (1, 1), "reflect", 2.0), RuntimeError, "pad: value: expected none for the mode 'reflect'"),
    (lambda: F.pad(fg.ones(3), (1.5, 1)), TypeError, "pad: pad: expected integers, got 1.5"),
    (lambda: nn.ReflectionPad1d(1)(fg.ones(3)), ValueError, r"ReflectionPad1d: input: expected 2D or 3D .* \(got 1D"),
    (lambda: nn.CircularPad2d(1)(fg.ones(3, 3)), ValueError, "CircularPad2d: input: expected 3D or 4D"),
    (lambda: nn.ReplicationPad2d((1, 2)), ValueError, r"ReplicationPad2d: padding: expected an int or 4 of them"),
    (lambda: nn.ConvTranspose2d(2, 3, 2, padding_mode="reflect"), ValueError, "padding_mode: expected 'zeros'"),
    (lambda: nn.ConvTranspose2d(2, 3, 2, padding="same"), TypeError, "padding: expected integers, got 'same'"),
    (lambda: nn.ConvTranspose1d(2, 3, 2)(fg.ones(2)), RuntimeError, "ConvTranspose1d: input: expected 2D .* or 3D"),
    (lambda: nn.ConvTranspose1d(2, 3, 2)(fg.ones(1, 4, 3)), RuntimeError,
     r"conv_transpose1d: input: expected 2 channels for a weight of shape \(2, 3, 2\), got 4"),
    (lambda: nn.ConvTranspose1d(2, 3, 2, output_padding=1)(fg.ones(2, 3)), ValueError,
     "output_padding: expected at least 0 and less than the stride 1 or the dilation 1, got 1"),
    (lambda: nn.ConvTranspose1d(2, 3, 1, padding=1)(fg.ones(2, 2)), RuntimeError, "a result of at least 1"),
    (lambda: nn.ConvTranspose2d(2, 3, 2, stride=2)(fg.ones(1, 2, 3, 3), (8, 6)), ValueError,
     r"ConvTranspose2d: output_size: expected sizes from \(6, 6\) to \(7, 7\) .* got \(8, 6\)"),
    (lambda: nn.ConvTranspose2d(2, 3, 2)(fg.ones(1, 2, 3, 3), (1, 3, 6)), ValueError, "expected 2 or 4 numbers"),
    (lambda: F.conv_transpose1d(fg.ones(1, 2, 3), fg.ones(2, 3)), RuntimeError, "weight: expected 3 dimensions"),
    (lambda: F.conv_transpose1d(fg.ones(1, 2, 3), fg.ones(2, 3, 2), fg.ones(2)), RuntimeError,
     r"conv_transpose1d: bias: expected shape \(3,\)"),
    (lambda: F.conv_transpose1d(fg.ones(1, 3, 3), fg.ones(3, 3, 2), groups=2), RuntimeError,
     "groups: expected a divisor of the 3 input channels, got 2"),
    (lambda: F.conv1d(fg.ones(1, 1, 4), fg.ones(1, 1, 2), padding="same", stride=2), RuntimeError,
     "conv1d: padding: 'same' is not defined for a stride other than 1"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "match"), ERRORS, ids=[m for _, _, m in ERRORS])
def test_wrong_arguments(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_any_dimension_can_be_padded_and_any_dtype():
    x = np.arange(6).reshape(2, 3)
    for mode, theirs in (("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")):
        got = F.pad(fg.tensor(x), (1, 2, 1, 0), mode)
        assert got.dtype == fg.int64
        np.testing.assert_array_equal(got.numpy(), np.pad(x, ((1, 0), (1, 2)), theirs))
    assert F.pad(fg.tensor([1, 2]), (1, 0)).tolist() == [0, 1, 2]
    for mode in ("constant", "reflect", "replicate", "circular"):
        assert F.pad(fg.ones(3), (-2, -1), mode).shape == (0,)
    assert F.pad(fg.ones(3), (1, 0), "reflect", 0.0).tolist() == [1.0] * 4


def test_a_transposed_convolution_with_an_output_size_undoes_the_sizes_of_a_convolution():
    for size in (6, 7):
        down, up = nn.Conv1d(2, 3, 3, stride=2, padding=1), nn.ConvTranspose1d(3, 2, 3, stride=2, padding=1)
        x = fg.ones(1, 2, size)
        assert up(down(x), output_size=x.shape).shape == x.shape
        assert up(down(x)[0], output_size=[size]).shape == (2, size)


def test_a_convolution_of_no_channels_is_its_bias():
    y = F.conv1d(fg.ones(1, 0, 4), fg.ones(2, 0, 3), fg.tensor([1.0, 2.0]))
    assert y.tolist() == [[[1.0, 1.0], [2.0, 2.0]]]
