"""Sequence to sequence: the formulas in NumPy, padding that changes nothing, teacher forcing, greedy decoding."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import models, nn, optim

KINDS = list(itertools.product(("GRU", "LSTM"), (True, False), ("general", "additive", None)))


def small(**changes):
    """The model in float64, with weights that matter."""
    fg.manual_seed(0)
    model = models.Seq2Seq(**(dict(source_size=9, target_size=8, embedding=4, hidden=5) | changes)).double()
    for p in model.parameters():
        nn.init.normal_(p, std=0.6)
    return model.eval()


SOURCE = np.array([[3, 4, 5, 6, 7], [8, 3, 0, 0, 0], [5, 5, 4, 0, 0]])
TARGET = np.array([[3, 4, 2, 0], [7, 2, 0, 0], [5, 6, 7, 2]])
LENGTHS = [5, 2, 3]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step(weights, prefix, suffix, x, h, cell):
    """One step of a cell from its formula; h is (h,) or (h, c)."""
    w = {name: weights[f"{prefix}.{name}_l0{suffix}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    a, b = w["weight_ih"] @ x + w["bias_ih"], w["weight_hh"] @ h[0] + w["bias_hh"]
    if cell == "GRU":
        (ar, az, an), (br, bz, bn) = np.split(a, 3), np.split(b, 3)
        r, z = sigmoid(ar + br), sigmoid(az + bz)
        n = np.tanh(an + r * bn)
        return ((1 - z) * n + z * h[0],)
    i, f, g, o = np.split(a + b, 4)
    c = sigmoid(f) * h[1] + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def reference(model, source, target, cell, attention):
    """Logits (T, V) of one pair without padding, one step after the other."""
    w = {name: value.numpy() for name, value in model.state_dict().items()}
    x = w["source_embedding.weight"][source]
    size = model.encoder.hidden_size
    zero = (np.zeros(size),) * (1 if cell == "GRU" else 2)
    h, results = zero, []
    for row in x:
        h = step(w, "encoder", "", row, h, cell)
        results.append(h[0])
    memory = np.array(results)
    if model.bridge is not None:
        back, results = zero, []
        for row in x[::-1]:
            back = step(w, "encoder", "_reverse", row, back, cell)
            results.append(back[0])
        memory = np.concatenate([memory, np.array(results[::-1])], axis=1)
        h = tuple(
            np.tanh(w[f"bridge.{k}.weight"] @ np.concatenate(pair) + w[f"bridge.{k}.bias"])
            for k, pair in enumerate(zip(h, back, strict=True))
        )
    logits = []
    for token in [model.bos, *target[:-1]]:
        h = step(w, "decoder", "", w["target_embedding.weight"][token], h, cell)
        out = h[0]
        if attention == "general":
            scores = memory @ w["attention.query.weight"] @ h[0]
        elif attention == "additive":
            pairs = np.tanh(w["attention.query.weight"] @ h[0] + memory @ w["attention.key.weight"].T)
            scores = pairs @ w["attention.score.weight"][0]
        if attention:
            alpha = np.exp(scores - scores.max())
            context = alpha / alpha.sum() @ memory
            out = np.tanh(w["combine.weight"] @ np.concatenate([context, h[0]]) + w["combine.bias"])
        logits.append(w["output.weight"] @ out + w["output.bias"])
    return np.array(logits)


@pytest.mark.parametrize(("cell", "bidirectional", "attention"), KINDS)
def test_logits_and_loss_are_the_formulas(cell, bidirectional, attention):
    """Each sequence alone in NumPy, all of them padded in one batch here."""
    model = small(cell=cell, bidirectional=bidirectional, attention=attention)
    logits = model(SOURCE, TARGET, LENGTHS).detach().numpy()
    losses = []
    for n, length in enumerate(LENGTHS):
        kept = int((TARGET[n] != 0).sum())
        want = reference(model, SOURCE[n, :length], TARGET[n, :kept], cell, attention)
        np.testing.assert_allclose(logits[n, :kept], want, rtol=1e-9, atol=1e-11)
        losses += list(np.log(np.exp(want).sum(1)) - want[np.arange(kept), TARGET[n, :kept]])
    assert model.loss(SOURCE, TARGET).item() == pytest.approx(np.mean(losses), rel=1e-10)


@pytest.mark.parametrize(("cell", "bidirectional", "attention"), KINDS)
def test_what_lies_beyond_a_length_changes_nothing(cell, bidirectional, attention):
    model = small(cell=cell, bidirectional=bidirectional, attention=attention, num_layers=2)
    other = SOURCE.copy()
    other[1, 2:], other[2, 3:] = 6, 7
    a, b = (model(source, TARGET, LENGTHS).detach().numpy() for source in (SOURCE, other))
    np.testing.assert_array_equal(a, b)
    assert (a != model(other, TARGET).detach().numpy()).any()
    wider = np.pad(SOURCE, ((0, 0), (0, 3)))
    np.testing.assert_allclose(model(wider, TARGET).detach().numpy(), a, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(model(SOURCE, TARGET).detach().numpy(), a, rtol=0, atol=0)


def test_the_likeliest_tokens_are_fed_back():
    model = small(attention="general")
    written, weights = model.generate(SOURCE, 9, need_weights=True)
    tokens = written.numpy()
    assert weights.shape == (3, tokens.shape[1], 5)
    np.testing.assert_allclose(weights.numpy().sum(2), 1, rtol=1e-12)
    assert not weights.numpy()[1, :, 2:].any()
    for n, length in enumerate(LENGTHS):
        kept = np.flatnonzero(tokens[n] == 2)
        kept = kept[0] + 1 if len(kept) else tokens.shape[1]
        assert not tokens[n, kept:].any()
        logits = reference(model, SOURCE[n, :length], tokens[n, :kept], "GRU", "general")
        assert logits.argmax(1).tolist() == tokens[n, :kept].tolist()
    assert model.generate(SOURCE, 2).numpy().tolist() == tokens[:, :2].tolist()
    assert not written.requires_grad


def test_writing_stops_where_all_have_ended():
    model = small()
    with fg.no_grad():
        model.output.weight.fill_(0.0)
        model.output.bias.copy_(fg.tensor([0.0, 0, 9, 0, 0, 0, 0, 0], dtype=fg.float64))
    assert model.generate(SOURCE, 9).tolist() == [[2], [2], [2]]


def test_teacher_forcing_chooses_what_the_decoder_is_given():
    model = small(cell="LSTM")
    forced = model(SOURCE, TARGET).detach().numpy()
    # Never forced: its own likeliest tokens, which `generate` writes too.
    free = model(SOURCE, np.full((3, 6), 3), teacher_forcing=0.0).detach().numpy()
    own = model.generate(SOURCE, 6).numpy()
    given = np.where(own == 0, free.argmax(2)[:, : own.shape[1]], own)
    np.testing.assert_array_equal(free.argmax(2)[:, : own.shape[1]], given)
    again = model(SOURCE, free.argmax(2)).detach().numpy()
    np.testing.assert_allclose(again, free, rtol=1e-10, atol=1e-12)
    # Nearly always forced: the same numbers, step by step.
    almost = model(SOURCE, TARGET, teacher_forcing=1 - 1e-12).detach().numpy()
    np.testing.assert_allclose(almost, forced, rtol=1e-10, atol=1e-12)
    # Sometimes: by the seed, and each token is one of the two.
    a, b, c = (
        model(SOURCE, TARGET, teacher_forcing=0.5, generator=fg.Generator().manual_seed(s)).detach().numpy()
        for s in (0, 0, 1)
    )
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()
    np.testing.assert_allclose(a[:, 0], forced[:, 0], rtol=1e-10)


def test_gradients_reach_every_parameter_but_those_of_padding():
    for cell, bidirectional, attention in KINDS:
        model = small(cell=cell, bidirectional=bidirectional, attention=attention, num_layers=2)
        model.loss(SOURCE, TARGET, teacher_forcing=0.5).backward()
        for name, p in model.named_parameters():
            assert p.grad is not None, name
            assert p.grad.numpy().any(), name
        assert not model.source_embedding.weight.grad.numpy()[0].any()


def test_state_goes_over_and_dropout_is_for_training():
    model, other = small(dropout=0.5, num_layers=2), small(dropout=0.5, num_layers=2)
    for p in other.parameters():
        nn.init.zeros_(p)
    other.load_state_dict(model.state_dict())
    a, b = (m(SOURCE, TARGET).detach().numpy() for m in (model, other))
    np.testing.assert_array_equal(a, b)
    model.train()
    fg.manual_seed(1)
    first, second = (model(SOURCE, TARGET).detach().numpy() for _ in range(2))
    fg.manual_seed(1)
    np.testing.assert_array_equal(model(SOURCE, TARGET).detach().numpy(), first)
    assert (first != second).any()


def test_short_strings_are_reversed():
    """Learned from pairs that the test does not show."""
    rng = np.random.default_rng(0)

    def batch(n):
        lengths = rng.integers(1, 5, n)
        source, target = np.zeros((n, 4), int), np.zeros((n, 5), int)
        for k, length in enumerate(lengths):
            source[k, :length] = rng.integers(3, 9, length)
            target[k, :length], target[k, length] = source[k, :length][::-1], 2
        return source, target

    fg.manual_seed(0)
    model = models.Seq2Seq(9, 9, embedding=12, hidden=24)
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        model.loss(*batch(32)).backward()
        optimizer.step()
    source, target = batch(200)
    written = model.generate(source, 5).numpy()
    assert (np.pad(written, ((0, 0), (0, 5 - written.shape[1]))) == target).all(1).mean() > 0.9


MODEL = small()
ERRORS = [
    (lambda: small(cell="RNN"), ValueError, "Seq2Seq: cell: expected 'GRU' or 'LSTM', got 'RNN'"),
    (lambda: small(attention="dot"), ValueError, "attention: expected 'general', 'additive' or None, got 'dot'"),
    (lambda: small(eos=1), ValueError, r"expected three different tokens below target_size \(8\), got 0, 1 and 1"),
    (lambda: small(bos=8), ValueError, "expected three different tokens below target_size"),
    (lambda: MODEL(SOURCE[0], TARGET), fg.ShapeError, r"source: expected shape \(N, S\), both at least 1, got \(5,\)"),
    (lambda: MODEL(SOURCE, TARGET[:2]), fg.ShapeError, r"target: expected shape \(N, T\) with N = 3 as source"),
    (lambda: MODEL(SOURCE, TARGET, [5, 2]), fg.ShapeError, "lengths: expected 3 integers, got int64 of shape"),
    (lambda: MODEL(SOURCE, TARGET, [5, 2, 6]), ValueError, "lengths: expected numbers from 1 to 5, got 2 to 6"),
    (lambda: MODEL(SOURCE * 0, TARGET), ValueError, r"expected a token other than pad \(0\), got none in row 0"),
    (lambda: MODEL(SOURCE, TARGET, teacher_forcing=2), ValueError, "teacher_forcing: expected a probability, got 2"),
    (lambda: MODEL(SOURCE + 4, TARGET), IndexError, "in layer 'source_embedding'"),
    (lambda: MODEL.generate(SOURCE, 0), ValueError, "max_length: expected a number of at least 1, got 0"),
    (lambda: small(attention=None).generate(SOURCE, 3, need_weights=True), ValueError, "expected False without attention"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "match"), ERRORS, ids=[m for _, _, m in ERRORS])
def test_wrong_arguments(call, error, match):
    with pytest.raises(error, match=match):
        call()
