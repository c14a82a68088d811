"""The table of layers: shapes, parameters, multiply-adds by the lecture's formulas; and a model that stays as it was."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import models, nn
from ferrograd.analysis import multiply_adds
from ferrograd.nn import functional as F


def rows(found):
    return {row.path: row for row in found.layers}


def test_the_table_of_lenet5():
    assert str(fg.summary(models.lenet5(), (2, 1, 28, 28))) == LENET
    assert repr(fg.summary(models.lenet5(), (2, 1, 28, 28))) == LENET


LENET = """\
layer                     output shape     parameters  multiply-adds  receptive field
─────────────────────────────────────────────────────────────────────────────────────
LeNet5                    (2, 10)                   –              –          28 × 28
  features: Sequential    (2, 16, 5, 5)             –              –          16 × 16
    0: Conv2d             (2, 6, 28, 28)          156        235,200            5 × 5
    1: ReLU               (2, 6, 28, 28)            –              –            5 × 5
    2: MaxPool2d          (2, 6, 14, 14)            –              –            6 × 6
    3: Conv2d             (2, 16, 10, 10)       2,416        480,000          14 × 14
    4: ReLU               (2, 16, 10, 10)           –              –          14 × 14
    5: MaxPool2d          (2, 16, 5, 5)             –              –          16 × 16
  classifier: Sequential  (2, 10)                   –              –          28 × 28
    0: Flatten            (2, 400)                  –              –                –
    1: Linear             (2, 120)             48,120         96,000          28 × 28
    2: ReLU               (2, 120)                  –              –          28 × 28
    3: Linear             (2, 84)              10,164         20,160          28 × 28
    4: ReLU               (2, 84)                   –              –          28 × 28
    5: Linear             (2, 10)                 850          1,680          28 × 28
─────────────────────────────────────────────────────────────────────────────────────
parameters: 61,706
multiply-adds: 833,040
memory: parameters 241.0 KiB, inputs 6.1 KiB, results 117.2 KiB"""


def test_the_lectures_formulas():
    """A d x d image of p plies under k kernels of f x f: (d - f + 1)² · f² · p · k; a linear layer: in · out."""
    d, f, p, k = 12, 5, 3, 7
    found = fg.summary(nn.Conv2d(p, k, f), (1, p, d, d))
    assert found.layers[0].output_shapes == ((1, k, d - f + 1, d - f + 1),)
    assert found.multiply_adds == (d - f + 1) ** 2 * f**2 * p * k
    assert fg.summary(nn.Linear(6, 4), (3, 6)).multiply_adds == 3 * 6 * 4


@pytest.mark.parametrize(("layer", "shape", "cost"), [
    (nn.Conv1d(4, 6, 3, stride=2, groups=2), (2, 4, 9), 2 * 6 * 4 * 3 * 2),
    (nn.Conv3d(2, 3, 2, padding=1), (1, 2, 3, 3, 3), 3 * 4**3 * 2 * 8),
    (nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), (1, 4, 5, 5), 25 * 4 * 3 * 9),
    (nn.BatchNorm1d(3), (2, 3, 4), 0),
    (nn.Bilinear(3, 4, 5), [(2, 3), (2, 4)], 2 * 5 * 4 * (3 + 1)),
    (nn.RNN(3, 4), (6, 2, 3), 12 * (4 * 3 + 4 * 4)),
    (nn.LSTM(3, 4, num_layers=2, bidirectional=True), (6, 2, 3), 12 * 2 * 4 * (4 * 3 + 4 * 4 + 4 * 8 + 4 * 4)),
    (nn.LSTM(3, 4, proj_size=2), (6, 3), 6 * (16 * 3 + 16 * 2 + 2 * 4)),
    (nn.GRU(3, 4, batch_first=True), (2, 6, 3), 12 * 3 * (4 * 3 + 4 * 4)),
    (nn.HigherOrderRNN(3, 4, order=3), (6, 2, 3), 12 * (4 * 3 + 3 * 4 * 4)),
    (nn.LSTMCell(3, 4), (5, 3), 5 * 16 * (3 + 4)),
    (nn.TDNN(3, 4, context=[-1, 0, 3]), (9, 2, 3), 5 * 2 * 4 * 3 * 3),
    (nn.FSMN(3, lookback=2, lookahead=1), (9, 2, 3), 9 * 2 * 3 * 4),
])  # fmt: skip
def test_multiply_adds(layer, shape, cost):
    assert fg.summary(layer, shape).multiply_adds == cost


def test_packed_sequences_cost_their_lengths():
    packed = nn.utils.rnn.pack_padded_sequence(fg.zeros(6, 2, 3), fg.tensor([6, 2]))
    assert fg.summary(nn.RNN(3, 4), input_data=(packed,)).multiply_adds == 8 * (4 * 3 + 4 * 4)


def counted(layer, inputs):
    """The products that a function makes of zeros, counted one by one in the ops it calls."""
    from ferrograd import ops

    total = 0
    inside = sys.modules["ferrograd.ops.attention"]

    def counting(plain, products):
        def call(*operands, **rest):
            nonlocal total
            result = plain(*operands, **rest)
            total += products(result, *operands)
            return result

        return call

    def of_matmul(z, x, y):
        return z.numel() * x.shape[-1]

    def of_linear(z, x, w, b):
        return z.numel() * x.shape[-1]

    def of_attention(z, q, k, v, mask):
        return z[0].numel() // v.shape[-1] * k.shape[-2] * (q.shape[-1] + v.shape[-1])

    def of_self_attention(z, x, mask):
        return z[0].numel() * x.shape[1] * 2

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ops, "linear", counting(ops.linear, of_linear))
        patch.setattr(ops, "matmul", counting(ops.matmul, of_matmul))
        patch.setattr(inside, "matmul", counting(inside.matmul, of_matmul))
        patch.setattr(inside, "attention", counting(inside.attention, of_attention))
        patch.setattr(inside, "self_attention", counting(inside.self_attention, of_self_attention))
        layer(*inputs)
    return total


@pytest.mark.parametrize("layer", [
    nn.MultiheadAttention(8, 2),
    nn.MultiheadAttention(8, 2, add_bias_kv=True, add_zero_attn=True, batch_first=True),
    nn.MultiheadAttention(8, 2, kdim=3, vdim=5),
], ids=["plain", "more keys", "sizes"])  # fmt: skip
def test_multiply_adds_of_attention(layer):
    shapes = [(3, 2, 8), (5, 2, layer.kdim), (5, 2, layer.vdim)]
    if layer.batch_first:
        shapes = [(b, a, c) for a, b, c in shapes]
    found = fg.summary(layer, shapes)
    assert found.multiply_adds == counted(layer, [fg.zeros(s) for s in shapes]) > 0
    assert found.layers[0].output_shapes == (shapes[0], (2, 3, 5 + layer.add_zero_attn + (layer.bias_k is not None)))
    assert found.parameters == found.layers[0].parameters, "the last projection's too, which is not called itself"


def test_multiply_adds_of_gpt():
    model = models.GPT(block_size=8, vocab_size=11, n_layer=2, n_head=2, n_embd=4)
    idx = fg.zeros(2, 5, dtype=fg.int64)
    found = fg.summary(model, (2, 5), dtypes=fg.int64)
    assert found.multiply_adds == counted(model, [idx])
    assert rows(found)["transformer.wte"].parameters == 44
    assert rows(found)["lm_head"].parameters == 0, "the table's"
    assert sum(row.parameters for row in found.layers) == found.parameters == model.get_num_params(False)
    assert all(row.receptive_field is None for row in found.layers)


def test_a_formula_of_ones_own():
    class Outer(nn.Module):
        def forward(self, x):
            return x[:, :, None] * x[:, None]

    assert fg.summary(Outer(), (2, 3)).multiply_adds == 0
    multiply_adds.register(Outer, lambda module, inputs, output: output.numel())
    assert fg.summary(Outer(), (2, 3)).multiply_adds == 18


class Twice(nn.Module):
    """A layer called twice, one never, and one inside that returns its input."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 3)
        self.spare = nn.Linear(3, 5)
        self.same = nn.Identity()
        self.frozen = nn.Linear(3, 2).requires_grad_(False)

    def forward(self, x, scale=1.0):
        return {"y": self.frozen(self.layer(self.same(self.layer(x))) * scale), "z": [x]}


def test_layers_that_are_called_twice_or_never():
    found = fg.summary(Twice(), (2, 3))
    assert [(row.path, row.depth, row.again) for row in found.layers] == [
        ("", 0, False), ("layer", 1, False), ("same", 1, False), ("layer", 1, True), ("frozen", 1, False),
    ]  # fmt: skip
    assert [row.parameters for row in found.layers] == [20, 12, 0, 0, 8]
    assert [row.multiply_adds for row in found.layers] == [0, 18, 0, 18, 12]
    assert found.layers[0].output_shapes == ((2, 2), (2, 3))
    assert (found.parameters, found.trainable_parameters) == (40, 32)
    assert found.parameter_bytes == 160
    assert found.input_bytes == 24
    assert found.output_bytes == 4 * (6 + 6 + 4), "what a layer hands on is counted once"
    text = str(found)
    assert "(again)" in text
    assert "parameters: 40, of which 8 are not trained" in text
    assert "receptive field" not in text


def test_depth_folds_layers_into_those_that_hold_them():
    model = models.lenet5()
    whole, folded = fg.summary(model, (1, 1, 28, 28)), fg.summary(model, (1, 1, 28, 28), depth=1)
    lines = str(folded).splitlines()
    assert [line.split()[0] for line in lines[2:5]] == ["LeNet5", "features:", "classifier:"]
    assert "2,572" in lines[3]
    assert "357,600" in lines[3]
    assert lines[-3:] == str(whole).splitlines()[-3:]
    assert len(folded.layers) == len(whole.layers)


def test_several_inputs_dtypes_and_given_data():
    model = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
    found = fg.summary(model, [(2, 5, 8), (2, 3, 8)])
    assert rows(found)["decoder"].output_shapes == ((2, 3, 8),)
    layer = nn.Embedding(5, 3).double()
    assert fg.summary(layer, (2, 4), dtypes=[fg.int64]).layers[0].output_shapes == ((2, 4, 3),)
    assert fg.summary(nn.Linear(2, 2).double(), (1, 2)).output_bytes == 16
    x = fg.ones(2, 3)
    given = fg.summary(Twice(), input_data=(x, 2.0))
    assert given.multiply_adds == 48
    assert not x.requires_grad
    assert fg.summary(nn.Conv1d(1, 1, 3), input_data=np.ones((1, 1, 5), np.float32)).layers[0].receptive_field.size == (
        3,
    )


class Unruly(nn.Module):
    """Draws, counts and drops even in evaluation."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(2, track_running_stats=True)
        self.drop = nn.Dropout(0.5)
        self.drop.eval()
        self.register_buffer("calls", fg.zeros(()))

    def forward(self, x):
        self.norm.train()
        self.calls += 1
        self.calls = self.calls + 1
        return self.drop(F.dropout(self.norm(x)))


@pytest.mark.parametrize("fails", [False, True])
def test_a_model_stays_as_it_was(fails):
    model = Unruly()
    buffers = dict(model.named_buffers())
    before = {k: v.numpy().copy() for k, v in model.state_dict().items()}
    modes = [m.training for m in model.modules()]
    random = fg.get_rng_state().tolist()
    model.norm.weight.grad = fg.ones(2)
    if fails:
        with pytest.raises(ValueError, match="in layer 'norm'"):
            fg.summary(model, (3, 2, 1, 1))
    else:
        fg.summary(model, (3, 2, 4))
    assert [m.training for m in model.modules()] == modes
    assert fg.get_rng_state().tolist() == random
    assert all(b is buffers[name] for name, b in model.named_buffers())
    for name, value in model.state_dict().items():
        assert np.array_equal(value.numpy(), before[name]), name
    assert model.norm.weight.grad.tolist() == [1.0, 1.0]
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert fg.is_grad_enabled()


ERRORS = [
    (lambda: fg.summary(nn.Identity()), ValueError, "input_shape, input_data: expected one of the two"),
    (lambda: fg.summary(nn.Identity(), (1,), input_data=fg.ones(1)), ValueError, "expected one of the two"),
    (lambda: fg.summary(nn.Identity(), [(1,), (2,)], dtypes=[fg.int64]), ValueError, "one for each of 2 inputs, got 1"),
    (lambda: fg.summary("model", (1,)), TypeError, "summary: model: expected an nn.Module, got str"),
]


@pytest.mark.parametrize(("call", "error", "match"), ERRORS, ids=[m for *_, m in ERRORS])
def test_wrong_calls(call, error, match):
    with pytest.raises(error, match=match):
        call()
