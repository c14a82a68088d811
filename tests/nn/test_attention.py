"""What the golden arrays do not say of attention and transformers: the lecture's formula, starting values, errors."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import nn
from ferrograd.nn import functional as F


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def test_the_lectures_formula(rng):
    """Z = softmax(XA (XB)ᵀ) XC, and its gradient with respect to A derived by hand."""
    x, a, b, c, e = (rng.standard_normal(shape) for shape in [(6, 5), (5, 3), (5, 3), (5, 4), (6, 4)])
    parameter = fg.tensor(a, requires_grad=True)
    z = F.scaled_dot_product_attention(fg.tensor(x) @ parameter, x @ b, x @ c, scale=1.0)
    p = softmax(x @ a @ (x @ b).T)
    np.testing.assert_allclose(z.detach().numpy(), p @ (x @ c), rtol=1e-12)
    z.backward(fg.tensor(e))
    # With e = ∂Q/∂Z: ∂Q/∂P = e (XC)ᵀ, the softmax gives ∂Q/∂S = P ⊙ (∂Q/∂P - its mean under P), and S = XA (XB)ᵀ.
    to_p = e @ (x @ c).T
    to_s = p * (to_p - (to_p * p).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(parameter.grad.numpy(), x.T @ to_s @ (x @ b), rtol=1e-10)


def test_one_head_is_the_lectures_formula(rng):
    """With A, B, C as the projections, 1/√E undone, and no projection of the result."""
    x = rng.standard_normal((6, 4))
    a, b, c = (rng.standard_normal((4, 4)) for _ in range(3))
    layer = nn.MultiheadAttention(4, 1, bias=False, dtype=fg.float64)
    layer.load_state_dict({"in_proj_weight": np.concatenate([2 * a.T, b.T, c.T]), "out_proj.weight": np.eye(4)})
    z, weights = layer(x, x, x)
    p = softmax(x @ a @ (x @ b).T)
    np.testing.assert_allclose(weights.detach().numpy(), p, rtol=1e-12)
    np.testing.assert_allclose(z.detach().numpy(), p @ x @ c, rtol=1e-12)


@pytest.mark.parametrize("floats", [False, True])
def test_a_query_that_sees_nothing_is_zero_and_has_no_gradient(floats):
    seen = np.array([[True, True], [False, False], [True, False]])
    mask = fg.tensor(np.where(seen, 0.5, -np.inf), requires_grad=True) if floats else fg.tensor(seen)
    q, k, v = (fg.tensor(np.arange(2.0 * n).reshape(n, 2) - 3, requires_grad=True) for n in (3, 2, 2))
    y = F.scaled_dot_product_attention(q, k, v, mask)
    assert y[1].tolist() == [0.0, 0.0]
    assert y[2].tolist() == v[0].tolist()
    (y * y).sum().backward()
    assert q.grad[1].tolist() == [0.0, 0.0]
    assert q.grad[2].tolist() == [0.0, 0.0], "one key leaves no choice"
    for leaf in (q, k, v, *([mask] if floats else [])):
        assert np.isfinite(leaf.grad.numpy()).all()
    if floats:
        assert mask.grad[1].tolist() == [0.0, 0.0]


def test_a_query_that_sees_nothing_in_a_layer():
    """As in PyTorch: 0 before the last projection, but NaN where the weights are wanted too."""
    layer = nn.MultiheadAttention(4, 2)
    nn.init.ones_(layer.out_proj.bias)
    x = fg.randn(3, 2, 4)
    hidden = np.array([[True, True, True], [False, True, False]])
    y, none = layer(x, x, x, key_padding_mask=hidden, need_weights=False)
    assert none is None
    assert y[:, 0].tolist() == np.ones((3, 4)).tolist()
    y.sum().backward()
    assert all(np.isfinite(p.grad.numpy()).all() for p in layer.parameters())
    z, weights = layer(x, x, x, key_padding_mask=hidden)
    assert np.isnan(z[:, 0].detach().numpy()).all()
    assert np.isnan(weights[0].detach().numpy()).all()
    np.testing.assert_allclose(z[:, 1].detach().numpy(), y[:, 1].detach().numpy(), rtol=1e-5, atol=1e-6)
    assert (weights[1, :, 1].detach().numpy() == 0).all()


def test_a_nan_in_the_mask_is_a_nan_in_its_row():
    mask = fg.tensor([[math.nan, -math.inf], [0.0, 0.0]])
    y = F.scaled_dot_product_attention(fg.ones(2, 2), fg.ones(2, 2), fg.ones(2, 2), mask).numpy()
    assert np.isnan(y[0]).all()
    assert (y[1] == 1).all()


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_fused_and_with_weights(batch_first, padded, rng):
    """Without weights to return, the heads are read from one projection's rows; results and gradients are the same."""
    fg.manual_seed(2)
    layer = nn.MultiheadAttention(12, 3, batch_first=batch_first)
    x = fg.tensor(rng.standard_normal((3, 3, 12)).astype(np.float32), requires_grad=True)
    y = fg.tensor(rng.standard_normal((3, 3, 12)).astype(np.float32), requires_grad=True)
    hidden = np.array([[False, False, True], [False, True, False], [False, False, False]]) if padded else None
    for operands in ((x, x, x), (x, y, y), (x, y, x)):
        found = []
        for need_weights in (False, True):
            result = layer(*operands, key_padding_mask=hidden, need_weights=need_weights)[0]
            wanted = [*{id(o): o for o in operands}.values(), *layer.parameters()]
            gradients = fg.autograd.grad((result * result).sum(), wanted)
            found.append([result.detach().numpy(), *(g.numpy() for g in gradients)])
        for fused, plain in zip(*found, strict=True):
            np.testing.assert_allclose(fused, plain, rtol=2e-5, atol=2e-5)


def test_of_long_sequences_no_scores_are_in_memory():
    """What stays in memory after a forward and a backward pass, in use or cached, is less than half of the scores."""
    q = fg.randn(1, 1, 2048, 8).requires_grad_()
    fg.empty_cache()
    before = fg.memory_stats()["in_use"]
    fg.autograd.grad(F.scaled_dot_product_attention(q, q, q, is_causal=True).sum(), [q])
    stats = fg.memory_stats()
    assert stats["in_use"] + stats["cached"] - before < 2048 * 2048 * 4 / 2


def test_no_look_ahead():
    """With the causal mask, or with the hint, a later input changes no earlier result."""
    fg.manual_seed(1)
    layer = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2).eval()
    x = fg.randn(2, 6, 8)
    mask = nn.Transformer.generate_square_subsequent_mask(6)
    assert mask.dtype == fg.float32
    assert np.array_equal(np.isinf(mask.numpy()), np.triu(np.ones((6, 6), bool), 1))
    y = layer(x, mask)
    np.testing.assert_allclose(
        layer(x, mask, is_causal=True).detach().numpy(), y.detach().numpy(), rtol=1e-5, atol=1e-6
    )
    changed = fg.tensor(x)
    changed[:, 4:] = 0.0
    z = layer(changed, mask)
    assert np.array_equal(z[:, :4].detach().numpy(), y[:, :4].detach().numpy())
    assert not np.array_equal(z[:, 4:].detach().numpy(), y[:, 4:].detach().numpy())


def test_dropout_acts_while_training_only():
    fg.manual_seed(0)
    q = fg.randn(50, 40, 8)
    y = F.scaled_dot_product_attention(q, q, fg.ones(50, 40, 8), dropout_p=0.25).numpy()
    # Each weight is 0 or 4/3 of itself: the mean stays 1.
    assert abs(y.mean() - 1) < 0.02
    assert y.std() > 0.05
    layer = nn.MultiheadAttention(8, 2, dropout=0.5, batch_first=True)
    for need_weights in (True, False):
        fg.manual_seed(3)
        one = layer.train()(q, q, q, need_weights=need_weights)[0]
        fg.manual_seed(3)
        again, other = (layer(q, q, q, need_weights=need_weights)[0] for _ in range(2))
        assert np.array_equal(one.detach().numpy(), again.detach().numpy())
        assert not np.array_equal(one.detach().numpy(), other.detach().numpy())
        a, b = (layer.eval()(q, q, q, need_weights=need_weights)[0] for _ in range(2))
        assert np.array_equal(a.detach().numpy(), b.detach().numpy())


def test_static_keys_and_values(rng):
    """Projected keys and values can be given; they are split by heads."""
    layer = nn.MultiheadAttention(4, 2)
    q, x = (rng.standard_normal((n, 3, 4)).astype(np.float32) for n in (2, 5))
    parts = (x @ w.T for w in np.split(layer.in_proj_weight.detach().numpy(), 3)[1:])
    k, v = (part.reshape(5, 6, 2).swapaxes(0, 1) for part in parts)
    rest = (4, 2, layer.in_proj_weight, layer.in_proj_bias, None, None, False, 0.0, layer.out_proj.weight, None)
    got, weights = F.multi_head_attention_forward(q, x, x, *rest, static_k=k, static_v=v)
    want = layer(q, x, x)
    np.testing.assert_allclose(got.detach().numpy(), want[0].detach().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(weights.detach().numpy(), want[1].detach().numpy(), rtol=1e-5, atol=1e-6)


def test_starting_values():
    fg.manual_seed(0)
    layer = nn.MultiheadAttention(64, 4, add_bias_kv=True)
    spread(layer.in_proj_weight, math.sqrt(6 / (64 + 192)))
    spread(layer.out_proj.weight, 1 / 8)
    assert not layer.in_proj_bias.detach().numpy().any()
    assert not layer.out_proj.bias.detach().numpy().any()
    assert abs(layer.bias_k.detach().numpy().std() / math.sqrt(2 / 128) - 1) < 0.4
    layer = nn.MultiheadAttention(64, 4, kdim=32, vdim=16)
    for weight, columns in ((layer.q_proj_weight, 64), (layer.k_proj_weight, 32), (layer.v_proj_weight, 16)):
        spread(weight, math.sqrt(6 / (64 + columns)))
    model = nn.Transformer(32, 2, 1, 1, 64)
    for p in model.parameters():
        if p.ndim > 1:
            spread(p, math.sqrt(6 / sum(p.shape)))


def spread(p, bound):
    """Uniform in ±bound."""
    values = p.detach().numpy()
    assert np.abs(values).max() <= bound
    assert np.abs(values).max() > 0.97 * bound
    assert abs(values.std() * math.sqrt(3) / bound - 1) < 0.05


def test_an_encoders_layers_are_copies():
    layer = nn.TransformerEncoderLayer(4, 2, 8)
    encoder = nn.TransformerEncoder(layer, 2, nn.LayerNorm(4))
    assert len({id(p) for p in [*layer.parameters(), *encoder.parameters()]}) == 12 * 3 + 2
    for one in encoder.layers:
        for p, q in zip(one.parameters(), layer.parameters(), strict=True):
            assert np.array_equal(p.detach().numpy(), q.detach().numpy())
    assert list(copy.deepcopy(encoder).state_dict()) == list(encoder.state_dict())


def test_another_activation_and_another_encoder():
    layer = nn.TransformerEncoderLayer(4, 2, 8, activation=nn.Tanh())
    assert "activation" in dict(layer.named_children())
    model = nn.Transformer(4, 2, custom_encoder=nn.Sequential(), custom_decoder=nn.TransformerDecoder(
        nn.TransformerDecoderLayer(4, 2, 8, activation=F.silu, dropout=0.0), 1))  # fmt: skip
    assert len(model.encoder) == 0
    assert model.decoder(fg.ones(3, 4), fg.ones(2, 4)).shape == (3, 4)


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_an_activation_is_computed_with_the_layer_before_it_or_apart(activation):
    """Apart where a hook wants to see what the layer gave; the results are the same."""
    fg.manual_seed(0)
    layer = nn.TransformerEncoderLayer(4, 2, 8, activation=activation).eval()
    x = fg.randn(3, 4)
    fused, seen = layer(x), []
    layer.linear1.register_forward_hook(lambda module, args, result: seen.append(result.detach().numpy().copy()))
    np.testing.assert_allclose(layer(x).detach().numpy(), fused.detach().numpy(), rtol=1e-5, atol=1e-6)
    assert (seen[0] < -0.2).any(), "before the activation"


X = np.ones((3, 2, 4), np.float32)
FLAT = np.ones((3, 4), np.float32)
ERRORS = [
    (lambda: nn.MultiheadAttention(7, 2), ValueError, "num_heads: expected a divisor of 7, got 2"),
    (lambda: nn.MultiheadAttention(0, 2), ValueError, "embed_dim, num_heads: expected positive numbers, got 0 and 2"),
    (lambda: attend(X[..., :3], X, X), ValueError, "query: expected 4 features, got 3"),
    (lambda: attend(X, X[:2], X), ValueError, r"got key \(2, 2, 4\) and value \(3, 2, 4\)"),
    (lambda: attend(X[0, 0], X, X), ValueError, "expected all 2D .* or all 3D"),
    (lambda: attend(FLAT, X, X), ValueError, "expected all 2D .* or all 3D"),
    (lambda: attend(X, X, X, attn_mask=np.ones((3, 4), bool)), ValueError, r"attn_mask: expected shape \(3, 3\) or \(4"),
    (lambda: attend(X, X, X, attn_mask=np.ones(3, bool)), ValueError, "attn_mask: expected 2 or 3 dimensions"),
    (lambda: attend(X, X, X, attn_mask=np.ones((3, 3), int)), TypeError, "attn_mask: expected bool or floating point"),
    (lambda: attend(X, X, X, np.ones((3, 2), bool)), ValueError, r"key_padding_mask: expected shape \(2, 3\), got \(3, 2"),
    (lambda: attend(X, X, X, np.ones(3, bool)), ValueError, r"key_padding_mask: expected 2 dimensions, got shape \(3,\)"),
    (lambda: attend(X, X, X, is_causal=True), RuntimeError, "attn_mask: expected the causal mask .* got None"),
    (lambda: attend(X.astype(float), *2 * (X.astype(float),)), TypeError, "convert the input with x.astype"),
    (lambda: nn.TransformerEncoderLayer(4, 2, activation="tanh"), RuntimeError, "expected 'relu', 'gelu' or a function"),
    (lambda: nn.Transformer(4, 2, 1, 1, 8)(X, X[:, :1]), RuntimeError, "tgt: expected a batch of 2 as src has, got 1"),
    (lambda: nn.Transformer(4, 2, 1, 1, 8)(X, X[..., :2]), RuntimeError, "src, tgt: expected 4 features, got 4 and 2"),
]  # fmt: skip


def attend(*args, **kwargs):
    return nn.MultiheadAttention(4, 2)(*args, **kwargs)


@pytest.mark.parametrize(("call", "error", "match"), ERRORS, ids=[m for _, _, m in ERRORS])
def test_wrong_arguments(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_an_error_names_the_layer():
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8), 2)
    with pytest.raises(ValueError, match="in layer 'layers.0.self_attn' \\(MultiheadAttention\\)"):
        encoder(np.ones((3, 2, 5), np.float32))
