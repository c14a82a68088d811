"""Recurrent layers: packed sequences, initial states, dropout, errors, and how they relate to each other."""

from __future__ import annotations

import numpy as np
import pytest
from golden import golden, under
from golden.packed import PACKED

import ferrograd as fg
from ferrograd import nn
from ferrograd.nn.utils.rnn import (
    PackedSequence,
    invert_permutation,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpack_sequence,
    unpad_sequence,
)


def close(got, want, rtol=1e-5):
    got = np.asarray(got.detach() if isinstance(got, fg.Tensor) else got)
    np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * max(1.0, float(np.abs(want).max(initial=0.0))))


def as_list(last):
    return list(last) if isinstance(last, tuple) else [last]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def filled(layer, seed=0):
    """The layer with normal parameters."""
    rng = np.random.default_rng(seed)
    layer.load_state_dict({k: rng.standard_normal(v.shape).astype(np.float32) for k, v in layer.state_dict().items()})
    return layer


@pytest.mark.parametrize("key", PACKED)
def test_packed_sequences_against_pytorch(key):
    arrays = golden("packed")[key]
    name, sizes, options, lengths, initial = PACKED[key]
    layer = getattr(nn, name)(*sizes, **options)
    layer.load_state_dict(under(arrays, "state"))
    x = fg.tensor(arrays["in"], requires_grad=True)
    hx = [fg.tensor(v, requires_grad=True) for v in under(arrays, "hx").values()]
    is_sorted = lengths == sorted(lengths, reverse=True)
    packed = pack_padded_sequence(x, lengths, layer.batch_first, enforce_sorted=is_sorted)
    assert packed.data.tolist() == arrays["data"].tolist()
    for what in ("batch_sizes", "sorted_indices", "unsorted_indices"):
        found = getattr(packed, what)
        assert (None if found is None else found.tolist()) == (arrays[what].tolist() if what in arrays else None)
    y, last = layer(packed, (tuple(hx) if name == "LSTM" else hx[0]) if initial else None)
    assert isinstance(y, PackedSequence)
    close(y.data, arrays["packed_out"])
    padded, found = pad_packed_sequence(y, layer.batch_first, total_length=max(lengths) + 1, padding_value=0.5)
    assert found.tolist() == lengths
    results = [padded, *as_list(last)]
    for r, want in zip(results, under(arrays, "out").values(), strict=True):
        close(r, want)
    fg.autograd.backward(results, [fg.tensor(g) for g in under(arrays, "g").values()])
    close(x.grad, arrays["grad_in"])
    for s, want in zip(hx, under(arrays, "grad_hx").values(), strict=True):
        close(s.grad, want)
    for name, parameter in layer.named_parameters():
        close(parameter.grad, arrays[f"grad/{name}"])


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(("name", "options"), [
    ("RNN", {}), ("LSTM", {"proj_size": 2}), ("GRU", {"bidirectional": True}), ("HigherOrderRNN", {"order": 3}),
])  # fmt: skip
def test_lengths_are_what_each_sequence_alone_gives(name, options, batch_first):
    layer = filled(getattr(nn, name)(3, 4, num_layers=2, batch_first=batch_first, **options))
    x, lengths = normal(5, 4, 3), [2, 5, 1, 3]
    y, last = layer(x.swapaxes(0, 1) if batch_first else x, lengths=lengths)
    y = y.swapaxes(0, 1) if batch_first else y
    for k, n in enumerate(lengths):
        alone, end = layer(x[:n, k])
        close(y[:n, k], alone.detach().numpy())
        assert not y[n:, k].detach().numpy().any()
        for a, b in zip(as_list(last), as_list(end), strict=True):
            close(a[:, k], b.detach().numpy())


def test_packing_by_hand():
    a, b, c = fg.tensor([1, 2, 3]), fg.tensor([4, 5]), fg.tensor([6])
    packed = pack_sequence([a, b, c])
    assert packed.data.tolist() == [1, 4, 6, 2, 5, 3]
    assert packed.batch_sizes.tolist() == [3, 2, 1]
    assert packed.batch_sizes.dtype == fg.int64
    assert packed.sorted_indices is None
    assert [s.tolist() for s in unpack_sequence(packed)] == [[1, 2, 3], [4, 5], [6]]
    packed = pack_sequence([c, a, b], enforce_sorted=False)
    assert packed.data.tolist() == [1, 4, 6, 2, 5, 3]
    assert packed.sorted_indices.tolist() == [1, 2, 0]
    assert packed.unsorted_indices.tolist() == [2, 0, 1]
    assert [s.tolist() for s in unpack_sequence(packed)] == [[6], [1, 2, 3], [4, 5]]
    data, sizes, *_ = packed
    assert PackedSequence((data, sizes)).batch_sizes is sizes
    assert packed.double().data.dtype == fg.float64
    assert packed.to("int64") is packed
    assert invert_permutation(None) is None


def test_padding_sequences():
    rows = [np.ones((3, 2), np.float32), np.full((1, 2), 2, np.float32)]
    assert pad_sequence(rows).shape == (3, 2, 2)
    y = pad_sequence(rows, batch_first=True, padding_value=-1.0)
    assert y.tolist() == [[[1, 1]] * 3, [[2, 2], [-1, -1], [-1, -1]]]
    left = pad_sequence(rows, batch_first=True, padding_value=-1.0, padding_side="left")
    assert left.tolist() == [[[1, 1]] * 3, [[-1, -1], [-1, -1], [2, 2]]]
    assert [s.tolist() for s in unpad_sequence(y, [3, 1], batch_first=True)] == [r.tolist() for r in rows]
    assert [s.tolist() for s in unpad_sequence(pad_sequence(rows), fg.tensor([3, 1]))] == [r.tolist() for r in rows]
    leaf = fg.tensor(rows[1], requires_grad=True)
    pad_sequence([rows[0], leaf]).backward(fg.ones(3, 2, 2) * 3.0)
    assert leaf.grad.tolist() == [[3.0, 3.0]]


def test_what_is_not_read_gets_no_gradient():
    x = fg.tensor(normal(4, 2, 3), requires_grad=True)
    y, h = nn.GRU(3, 5)(pack_padded_sequence(x, [4, 2]))
    (y.data.sum() + h.sum()).backward()
    assert x.grad.numpy()[:, 0].all()
    assert not x.grad.numpy()[2:, 1].any()


def test_a_cell_is_a_step_of_its_layer():
    for cell, layer in [(nn.RNNCell, nn.RNN), (nn.LSTMCell, nn.LSTM), (nn.GRUCell, nn.GRU)]:
        whole = filled(layer(3, 4))
        one = cell(3, 4)
        one.load_state_dict({k.removesuffix("_l0"): v for k, v in whole.state_dict().items()})
        x, state = normal(6, 2, 3), None
        y, last = whole(x)
        for t in range(6):
            state = one(x[t], state)
            close(as_list(state)[0], y[t].detach().numpy())
        for a, b in zip(as_list(state), as_list(last), strict=True):
            close(a, b[0].detach().numpy())


def test_the_state_carries_a_sequence_over():
    for layer in [nn.RNN(3, 4, 2), nn.LSTM(3, 4, 2, proj_size=2), nn.GRU(3, 4, 2), nn.HigherOrderRNN(3, 4, 3, 2)]:
        filled(layer)
        x = normal(7, 2, 3)
        whole, end = layer(x)
        first, state = layer(x[:2])
        second, state = layer(x[2:], state)
        close(first, whole.detach().numpy()[:2])
        close(second, whole.detach().numpy()[2:])
        for a, b in zip(as_list(state), as_list(end), strict=True):
            close(a, b.detach().numpy())


def test_dropout_stands_between_layers_while_training():
    x = fg.tensor(normal(5, 3, 4))
    layer = filled(nn.LSTM(4, 6, num_layers=2, dropout=0.5))
    plain = nn.LSTM(4, 6, num_layers=2)
    plain.load_state_dict(layer.state_dict())
    fg.manual_seed(3)
    first = layer(x)[0].detach().numpy()
    assert (first != plain(x)[0].detach().numpy()).any()
    fg.manual_seed(3)
    assert (layer(x)[0].detach().numpy() == first).all()
    assert (layer.eval()(x)[0].detach().numpy() == plain(x)[0].detach().numpy()).all()
    # All that the second layer gets is dropped: its output is the same for each input.
    dead = nn.GRU(4, 6, num_layers=2, dropout=1.0)
    assert (dead(x)[0].detach().numpy() == dead(x * 2.0)[0].detach().numpy()).all()
    with pytest.warns(UserWarning, match="dropout=0.5 does nothing with num_layers=1"):
        nn.RNN(4, 6, dropout=0.5)


def test_starting_values_are_uniform():
    for layer in [nn.RNN(40, 25), nn.LSTM(40, 25, proj_size=9), nn.GRU(40, 25), nn.LSTMCell(40, 25)]:
        for name, p in layer.named_parameters():
            values = p.detach().numpy()
            assert np.abs(values).max() <= 0.2
            if values.size > 200:
                assert np.abs(values).max() > 0.19, name
                assert abs(values.std() - 0.2 / np.sqrt(3)) < 0.01, name


def test_parameters_of_states_that_are_not_used_have_a_gradient_of_zero():
    # As in PyTorch: the last states stand in one tensor, and what is taken of it sends zeros to the others.
    layer = nn.LSTM(3, 4, num_layers=2, bidirectional=True)
    _, (h, _) = layer(fg.tensor(normal(5, 2, 3)))
    h[0].sum().backward()
    for name, p in layer.named_parameters():
        used = name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        assert p.grad.detach().numpy().any() == used, name


def test_only_the_last_cell_state_has_a_gradient():
    layer = filled(nn.LSTM(2, 3)).double()
    x = fg.tensor(normal(4, 2, 2).astype(np.float64), requires_grad=True)
    layer(x)[1][1].sum().backward()
    step = 1e-6
    shifted = [layer(x.detach() + by * step)[1][1].sum().item() for by in (1, -1)]
    assert x.grad.sum().item() == pytest.approx((shifted[0] - shifted[1]) / (2 * step), rel=1e-6)


def test_flatten_parameters_and_all_weights():
    layer = nn.LSTM(3, 4, num_layers=2, bidirectional=True, proj_size=2)
    assert isinstance(layer, nn.RNNBase)
    assert layer.flatten_parameters() is None
    assert [len(weights) for weights in layer.all_weights] == [5] * 4
    assert layer.all_weights[3][0] is layer.weight_ih_l1_reverse


def test_higher_order_is_the_plain_layer_at_order_1():
    for options in [{}, {"num_layers": 2, "bidirectional": True, "nonlinearity": "relu"}, {"bias": False}]:
        plain, higher = filled(nn.RNN(3, 4, **options)), nn.HigherOrderRNN(3, 4, order=1, **options)
        assert list(plain.state_dict()) == list(higher.state_dict())
        higher.load_state_dict(plain.state_dict())
        x = normal(6, 2, 3)
        for a, b in zip(plain(x), higher(x), strict=True):
            assert a.tolist() == b.tolist()
    wide = nn.HigherOrderRNN(3, 4, order=3, bidirectional=True)
    assert list(wide.state_dict()) == [
        f"{name}_l0{suffix}"
        for suffix in ("", "_reverse")
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    ][:4] + ["weight_hh_l0_j2", "weight_hh_l0_j3"] + [
        f"{name}_l0_reverse" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    ] + ["weight_hh_l0_reverse_j2", "weight_hh_l0_reverse_j3"]  # fmt: skip
    assert repr(wide) == "HigherOrderRNN(3, 4, order=3, bidirectional=True)"
    missing = wide.load_state_dict(nn.RNN(3, 4, bidirectional=True).state_dict(), strict=False)
    assert sorted(missing.missing_keys) == sorted(k for k in wide.state_dict() if "_j" in k)


def test_higher_order_by_the_formula():
    layer = filled(nn.HigherOrderRNN(2, 3, order=3)).double()
    w = {k: v.numpy() for k, v in layer.state_dict().items()}
    x, past = normal(5, 2).astype(np.float64), normal(3, 3, seed=1).astype(np.float64)
    y, last = layer(x, past.reshape(1, 9))
    states = list(past)  # the latest first
    for t in range(5):
        a = w["weight_ih_l0"] @ x[t] + w["bias_ih_l0"] + w["bias_hh_l0"]
        a = a + w["weight_hh_l0"] @ states[0] + w["weight_hh_l0_j2"] @ states[1] + w["weight_hh_l0_j3"] @ states[2]
        states.insert(0, np.tanh(a))
        close(y[t], states[0], rtol=1e-12)
    close(last, np.concatenate(states[:3])[None], rtol=1e-12)


ERRORS = [
    (lambda: nn.RNN(3, 4, nonlinearity="gelu"), ValueError, "RNN: nonlinearity: expected 'tanh' or 'relu', got 'gelu'"),
    (lambda: nn.LSTM(3, 0), ValueError, "LSTM: hidden_size: expected a number above 0, got 0"),
    (lambda: nn.LSTM(0, 3), ValueError, "LSTM: input_size: expected a number above 0, got 0"),
    (lambda: nn.GRU(3, 4.0), TypeError, "GRU: hidden_size: expected an int, got float"),
    (lambda: nn.GRU(3, 4, num_layers=0), ValueError, "GRU: num_layers: expected a number above 0, got 0"),
    (lambda: nn.GRU(3, 4, bias=1), TypeError, "GRU: bias: expected a bool, got int"),
    (lambda: nn.GRU(3, 4, batch_first=1), TypeError, "GRU: batch_first: expected a bool, got int"),
    (lambda: nn.GRU(3, 4, dropout=1.5), ValueError, "GRU: dropout: expected a probability between 0 and 1, got 1.5"),
    (lambda: nn.LSTM(3, 4, proj_size=4), ValueError, "proj_size: expected 0 .none. or a size below hidden_size, got 4"),
    (lambda: nn.HigherOrderRNN(3, 4, order=0), ValueError, "order: expected a number above 0, got 0"),
    (lambda: nn.RNN(3, 4)(fg.ones(5)), ValueError, r"RNN: input: expected 2D or 3D input, got shape \(5,\)"),
    (lambda: nn.RNN(3, 4)(fg.ones(2, 5, 4)), RuntimeError, "RNN: input: expected 3 features in the last dimension"),
    (lambda: nn.RNN(3, 4)(fg.ones(0, 5, 3)), RuntimeError, "RNN: input: expected a sequence of one step or more"),
    (
        lambda: nn.GRU(3, 4)(fg.ones(2, 5, 3), fg.ones(1, 4, 4)),
        RuntimeError,
        r"GRU: hx: expected shape \(1, 5, 4\), got \(1, 4, 4\)",
    ),
    (
        lambda: nn.GRU(3, 4)(fg.ones(2, 3), fg.ones(1, 1, 4)),
        RuntimeError,
        r"GRU: hx: expected 2 dimensions for unbatched 2-D input, got shape \(1, 1, 4\)",
    ),
    (lambda: nn.LSTM(3, 4)(fg.ones(2, 5, 3), fg.ones(1, 5, 4)), TypeError, r"LSTM: hx: expected a pair \(h_0, c_0\)"),
    (
        lambda: nn.LSTM(3, 4)(fg.ones(2, 5, 3), (fg.ones(1, 5, 4), fg.ones(1, 5, 3))),
        RuntimeError,
        r"LSTM: hx\[1\]: expected shape \(1, 5, 4\), got \(1, 5, 3\)",
    ),
    (
        lambda: nn.LSTM(3, 4)(fg.ones(2, 5, 3, dtype=fg.float64)),
        TypeError,
        "the input is float64, the layer's parameters are float32",
    ),
    (
        lambda: nn.GRU(3, 4)(pack_sequence([fg.ones(2, 3)]), lengths=[2]),
        ValueError,
        "lengths: expected None for a packed input",
    ),
    (lambda: nn.RNNCell(3, 4)(fg.ones(1, 2, 3)), ValueError, r"RNNCell: input: expected 1D or 2D input"),
    (lambda: nn.RNNCell(3, 4)(fg.ones(2, 4)), RuntimeError, "RNNCell: input: expected 3 features"),
    (
        lambda: nn.LSTMCell(3, 4)(fg.ones(2, 3), (fg.ones(2, 4), fg.ones(3, 4))),
        RuntimeError,
        r"LSTMCell: hx\[1\]: expected shape \(2, 4\), got \(3, 4\)",
    ),
    (lambda: nn.LSTMCell(3, 4)(fg.ones(2, 3), fg.ones(2, 4)), TypeError, "LSTMCell: hx: expected a pair"),
    (lambda: nn.RNNCell(3, 4, nonlinearity="x"), ValueError, "RNNCell: nonlinearity: expected 'tanh' or 'relu'"),
    (
        lambda: pack_padded_sequence(fg.ones(4, 2, 3), [2, 4]),
        RuntimeError,
        r"lengths: expected them sorted in decreasing order .* got \[2, 4\]; pass enforce_sorted=False",
    ),
    (lambda: pack_padded_sequence(fg.ones(4, 2, 3), [4]), RuntimeError, "lengths: expected one of each of 2 sequences"),
    (lambda: pack_padded_sequence(fg.ones(4, 2, 3), [4, 0]), RuntimeError, "lengths greater than 0, got 0"),
    (lambda: pack_padded_sequence(fg.ones(4, 2, 3), [5, 1]), ValueError, "lengths: expected at most 4"),
    (lambda: pack_padded_sequence(fg.ones(4, 2, 3), [1.5, 1]), TypeError, "lengths: expected a vector of integers"),
    (lambda: pack_padded_sequence(fg.ones(4), [4]), ValueError, "input: expected 2 dimensions or more"),
    (
        lambda: pad_packed_sequence(pack_sequence([fg.ones(3, 2)]), total_length=2),
        ValueError,
        "total_length: expected at least the longest length, 3, got 2",
    ),
    (lambda: pad_sequence([]), RuntimeError, "sequences: expected one tensor or more"),
    (lambda: pad_sequence([fg.ones(2, 3), fg.ones(2, 4)]), ValueError, r"sequences\[1\]: expected shape \(length, 3\)"),
    (lambda: pad_sequence([fg.ones(2)], padding_side="top"), ValueError, "padding_side: expected 'left' or 'right'"),
    (lambda: unpad_sequence(fg.ones(3, 2), [1]), ValueError, "lengths: expected 2 numbers from 0 to 3"),
    (lambda: PackedSequence(fg.ones(3)), TypeError, r"PackedSequence: data: expected a pair"),
]


@pytest.mark.parametrize(("call", "exception", "message"), ERRORS)
def test_errors(call, exception, message):
    with pytest.raises(exception, match=message):
        call()
