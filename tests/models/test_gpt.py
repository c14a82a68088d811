"""The language model: nanoGPT's keys, no look-ahead, and a short text learned by heart."""

from __future__ import annotations

import math

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import models, nn

SMALL = dict(block_size=16, vocab_size=11, n_layer=2, n_head=2, n_embd=8)


def small(**changes):
    fg.manual_seed(0)
    return models.GPT(**(SMALL | changes)).eval()


def test_keys_are_nanogpts():
    block = [
        "ln_1.weight", "ln_1.bias", "attn.c_attn.weight", "attn.c_attn.bias", "attn.c_proj.weight", "attn.c_proj.bias",
        "ln_2.weight", "ln_2.bias", "mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight", "mlp.c_proj.bias",
    ]  # fmt: skip
    keys = [
        "transformer.wte.weight", "transformer.wpe.weight",
        *(f"transformer.h.{k}.{name}" for k in range(2) for name in block),
        "transformer.ln_f.weight", "transformer.ln_f.bias", "lm_head.weight",
    ]  # fmt: skip
    assert list(small().state_dict()) == keys
    assert list(small(bias=False).state_dict()) == [key for key in keys if not key.endswith("bias")]


def test_the_table_of_embeddings_is_the_last_matrix():
    model = small()
    assert model.transformer.wte.weight is model.lm_head.weight
    assert model.get_num_params(non_embedding=False) == sum(p.numel() for p in model.parameters()) == 1976
    assert model.get_num_params() == 1976 - 16 * 8
    again = small()
    again.load_state_dict({k: v + 1 for k, v in model.state_dict().items()})
    assert again.transformer.wte.weight is again.lm_head.weight
    assert again.transformer.wte.weight[0, 0].item() == pytest.approx(model.lm_head.weight[0, 0].item() + 1)


def test_gpt2_has_124_million_parameters(monkeypatch):
    monkeypatch.setattr(nn.init, "normal_", lambda tensor, *args: tensor)
    monkeypatch.setattr(nn.init, "kaiming_uniform_", lambda tensor, *args, **kwargs: tensor)
    model = models.GPT(models.GPTConfig(vocab_size=50257))
    assert model.get_num_params(non_embedding=False) == 124_439_808


def test_starting_values():
    model = small(n_embd=64)
    assert abs(model.transformer.h[0].attn.c_attn.weight.detach().numpy().std() / 0.02 - 1) < 0.05
    assert abs(model.transformer.h[1].mlp.c_proj.weight.detach().numpy().std() / (0.02 / math.sqrt(4)) - 1) < 0.05
    assert not model.transformer.h[1].mlp.c_fc.bias.detach().numpy().any()


def reference(model, idx):
    """The logits in NumPy, one head and one position after the other."""
    state = {name: value.numpy() for name, value in model.state_dict().items()}

    def norm(name, x):
        y = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return y * state[f"{name}.weight"] + state[f"{name}.bias"]

    def linear(name, x):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def gelu(x):
        return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))

    x = state["transformer.wte.weight"][idx] + state["transformer.wpe.weight"][: len(idx)]
    for k in range(model.config.n_layer):
        block, heads = f"transformer.h.{k}", model.config.n_head
        q, keys, v = np.split(linear(f"{block}.attn.c_attn", norm(f"{block}.ln_1", x)), 3, axis=1)
        y = np.zeros_like(x)
        for head in np.split(np.arange(x.shape[1]), heads):
            for t in range(len(idx)):
                e = np.exp(q[t, head] @ keys[: t + 1, head].T / math.sqrt(len(head)))
                y[t, head] = e / e.sum() @ v[: t + 1, head]
        x = x + linear(f"{block}.attn.c_proj", y)
        x = x + linear(f"{block}.mlp.c_proj", gelu(linear(f"{block}.mlp.c_fc", norm(f"{block}.ln_2", x))))
    return norm("transformer.ln_f", x) @ state["lm_head.weight"].T


def test_logits_and_loss_against_numpy(rng):
    model = small().double()
    for p in model.parameters():
        nn.init.normal_(p, std=0.5)
    idx, targets = rng.integers(0, 11, (2, 9)), rng.integers(-1, 11, (2, 9))
    logits, loss = model(idx, targets)
    want = np.stack([reference(model, row) for row in idx])
    np.testing.assert_allclose(logits.detach().numpy(), want, rtol=1e-10, atol=1e-12)
    log_p = want - np.log(np.exp(want).sum(-1, keepdims=True))
    kept = targets >= 0
    assert loss.item() == pytest.approx(-np.take_along_axis(log_p, targets[..., None], 2)[kept].mean(), rel=1e-10)
    assert model(idx)[1] is None


def test_no_look_ahead():
    model = small()
    idx = np.arange(16)[None] % 11
    other = idx.copy()
    other[0, 10:] = 0
    a, b = (model(x)[0].detach().numpy() for x in (idx, other))
    assert np.array_equal(a[:, :10], b[:, :10])
    assert not np.array_equal(a[:, 10:], b[:, 10:])


def test_a_short_text_is_learned_by_heart():
    text = "the quick brown fox jumps over the lazy dog; "
    letters = sorted(set(text))
    data = np.array([letters.index(c) for c in text * 2])
    fg.manual_seed(0)
    model = models.GPT(block_size=16, vocab_size=len(letters), n_layer=2, n_head=2, n_embd=32)
    optimizer = fg.optim.AdamW(model.parameters(), lr=1e-2)
    starts = np.arange(len(text))
    batch = data[starts[:, None] + np.arange(17)]
    for _ in range(60):
        optimizer.zero_grad()
        loss = model(batch[:, :-1], batch[:, 1:])[1]
        loss.backward()
        optimizer.step()
    # The first letters of a window can't be known; the rest can.
    assert loss.item() < 0.3
    model.eval()
    said = model.generate(data[None, :16], 60, temperature=0).tolist()[0]
    assert "".join(letters[k] for k in said) == (text * 2)[:76]


def test_generation_follows_the_seed_and_the_temperature():
    model = small()
    nn.init.normal_(model.lm_head.weight, std=1.0)
    start = fg.tensor([[1], [2]])
    one, again, other = (
        model.generate(start, 20, generator=fg.Generator().manual_seed(seed)).tolist() for seed in (5, 5, 6)
    )
    assert np.shape(one) == (2, 21)
    assert one == again
    assert one != other
    assert [row[0] for row in one] == [1, 2]
    greedy = model.generate(start, 20, temperature=0).tolist()
    assert greedy == model.generate(start, 20, top_k=1).tolist()
    assert greedy == model.generate(start, 20, temperature=1e-6).tolist()
    logits = model(np.array(greedy)[:, -17:-1])[0][:, -1].detach().numpy()
    assert logits.argmax(1).tolist() == [row[-1] for row in greedy]
    assert not model.generate(start, 1).requires_grad


def test_tokens_come_as_often_as_their_probability():
    model = small(n_layer=1, vocab_size=4)
    nn.init.normal_(model.lm_head.weight, std=1.0)
    start = fg.zeros(4000, 1, dtype=fg.int64)
    logits = model(start[:1])[0][0, -1].detach().numpy().astype(float) / 0.7
    for top_k in (None, 2):
        p = np.exp(logits)
        if top_k:
            p[np.argsort(logits)[:-top_k]] = 0
        p /= p.sum()
        tokens = model.generate(start, 1, temperature=0.7, top_k=top_k)[:, 1].numpy()
        found = np.bincount(tokens, minlength=4) / 4000
        assert (np.abs(found - p) <= 5 * np.sqrt(p * (1 - p) / 4000)).all()


ERRORS = [
    (lambda: small(n_head=3), ValueError, r"n_head: expected a divisor of n_embd \(8\), got 3"),
    (
        lambda: models.GPT(models.GPTConfig(), n_layer=1),
        TypeError,
        "config: expected a GPTConfig or its fields, got both",
    ),
    (lambda: small()(np.zeros((1, 17), int)), ValueError, r"T at most block_size \(16\), got \(1, 17\)"),
    (lambda: small()(np.zeros(3, int)), ValueError, r"idx: expected shape \(N, T\)"),
    (lambda: small()(np.full((1, 2), 11)), IndexError, "in layer 'transformer.wte'"),
    (lambda: small().generate(np.zeros((1, 1), int), 1, temperature=-1), ValueError, "temperature, top_k"),
    (lambda: small().generate(np.zeros((1, 1), int), 1, top_k=0), ValueError, "temperature, top_k"),
]


@pytest.mark.parametrize(("call", "error", "match"), ERRORS, ids=[m for _, _, m in ERRORS])
def test_wrong_arguments(call, error, match):
    with pytest.raises(error, match=match):
        call()
