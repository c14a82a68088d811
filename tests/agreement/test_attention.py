"""Transformer layers of the lecture's size (n = 128, d = 512, 8 heads of 64) against PyTorch's.

The yardstick is the same layer in float64: our distance from it is at most twice PyTorch's.
"""

from __future__ import annotations

import copy

import numpy as np
import pytest

import ferrograd as fg

torch = pytest.importorskip("torch")


def distance(a, b):
    return float(np.linalg.norm((np.asarray(a, np.float64) - b).ravel()))


def run(layer, inputs, cotangent, **masks):
    """The result, and gradients of the inputs and parameters by name."""
    y = layer(*inputs, **masks)
    y.backward(cotangent)
    grads = {f"input {k}": x.grad.numpy() for k, x in enumerate(inputs)}
    return y.detach().numpy(), grads | {name: p.grad.numpy() for name, p in layer.named_parameters()}


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("name", ["TransformerEncoderLayer", "TransformerDecoderLayer"])
def test_layers_of_the_lectures_size(name, norm_first):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    options = dict(d_model=512, nhead=8, dim_feedforward=1024, dropout=0.0, batch_first=True, norm_first=norm_first)
    theirs = getattr(torch.nn, name)(**options)
    with torch.no_grad():
        for p in theirs.parameters():
            p.add_(torch.randn(p.shape) * 0.02)
    exact = copy.deepcopy(theirs).double()
    ours = getattr(fg.nn, name)(**options)
    ours.load_state_dict(theirs.state_dict())

    rng = np.random.default_rng(0)
    lengths = [128] if name == "TransformerEncoderLayer" else [128, 100]
    arrays = [rng.standard_normal((2, n, 512), np.float32) for n in lengths]
    cotangent = rng.standard_normal((2, 128, 512), np.float32)
    causal = np.triu(np.ones((128, 128), bool), 1)
    padding = np.arange(lengths[-1]) >= np.array([[lengths[-1]], [70]])
    masks = ("src_mask", "src_key_padding_mask") if len(lengths) == 1 else ("tgt_mask", "memory_key_padding_mask")
    masks = dict(zip(masks, (causal, padding), strict=True))
    of_torch = {key: torch.tensor(mask) for key, mask in masks.items()}

    got = run(ours, [fg.tensor(x, requires_grad=True) for x in arrays], fg.tensor(cotangent), **masks)
    want = run(theirs, [torch.tensor(x, requires_grad=True) for x in arrays], torch.tensor(cotangent), **of_torch)
    wide = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in arrays]
    truth = run(exact, wide, torch.tensor(cotangent).double(), **of_torch)

    assert distance(got[0], truth[0]) <= 2 * distance(want[0], truth[0])
    whole = np.sqrt(sum(np.square(g).sum() for g in truth[1].values()))
    for key, g in truth[1].items():
        assert distance(got[1][key], g) <= 2 * distance(want[1][key], g) + 1e-6 * whole, key
