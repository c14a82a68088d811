"""Every loss against PyTorch's golden arrays."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from golden import golden, under
from golden.cases import LOSSES

import ferrograd as fg
from ferrograd import nn
from ferrograd.nn import functional as F

from .test_layers import close


@pytest.mark.parametrize("case", LOSSES.values(), ids=LOSSES)
@pytest.mark.filterwarnings("ignore:kl_div. reduction")
def test_against_pytorch(case):
    arrays = golden("losses")[case.id]
    weights = {k: fg.tensor(v) for k, v in under(arrays, "weight").items()}
    loss = getattr(nn, case.name)(**weights, **case.kwargs)
    inputs = [fg.tensor(x, requires_grad=True) for x in under(arrays, "in").values()]
    y = loss(*inputs, *(fg.tensor(x) for x in under(arrays, "further").values()))
    close(y, arrays["out"], "loss")
    y.backward(fg.tensor(arrays["g"]))
    for x, want in zip(inputs, under(arrays, "grad_in").values(), strict=True):
        close(x.grad, want, "gradient")


@pytest.mark.parametrize("case", LOSSES.values(), ids=LOSSES)
@pytest.mark.filterwarnings("ignore:kl_div. reduction")
def test_ndarrays_go_in(case):
    arrays = golden("losses")[case.id]
    weights = {k: fg.tensor(v) for k, v in under(arrays, "weight").items()}
    operands = [*under(arrays, "in").values(), *under(arrays, "further").values()]
    close(getattr(nn, case.name)(**weights, **case.kwargs)(*operands), arrays["out"], "loss")


def test_weights_are_buffers():
    loss = nn.CrossEntropyLoss(weight=fg.ones(3))
    assert list(loss.state_dict()) == ["weight"]
    assert loss.double().weight.dtype == fg.float64
    assert list(nn.NLLLoss().state_dict()) == []


def test_extreme_logits():
    x = fg.tensor([1e4, -1e4, 0.0], requires_grad=True)
    y = F.binary_cross_entropy_with_logits(x, fg.tensor([0.0, 0.0, 1.0]), reduction="none")
    assert y.tolist() == [1e4, 0.0, pytest.approx(np.log(2))]
    y.backward(fg.ones(3))
    assert x.grad.tolist() == [1.0, 0.0, -0.5]


def test_bce_at_the_ends():
    x = fg.tensor([0.0, 1.0, 0.0, 1.0], requires_grad=True)
    y = F.binary_cross_entropy(x, fg.tensor([1.0, 0.0, 0.0, 1.0]), reduction="none")
    assert y.tolist() == [100.0, 100.0, 0.0, 0.0]
    y.backward(fg.ones(4))
    np.testing.assert_allclose(x.grad.numpy(), [-1e12, 1e12, 0.0, 0.0], rtol=1e-6)
    saturated = fg.tensor([200.0, -200.0], requires_grad=True)
    F.binary_cross_entropy(fg.nn.functional.sigmoid(saturated), fg.tensor([0.0, 1.0])).backward()
    assert np.isfinite(saturated.grad.numpy()).all()


def test_an_ignored_infinity_does_not_count():
    x = fg.tensor([[-np.inf, 0.0], [0.0, -np.inf]])
    assert F.nll_loss(x, fg.tensor([0, 0]), ignore_index=0, reduction="sum").item() == 0.0


def test_wrong_arguments():
    x = fg.ones(2, 3)
    with pytest.warns(UserWarning, match=r"mse_loss: target: expected the shape of the input, \(2, 3\), got \(3,\)"):
        F.mse_loss(x, fg.ones(3))
    with pytest.raises(ValueError, match="binary_cross_entropy: target: expected the shape of the input"):
        F.binary_cross_entropy(x * 0.5, fg.ones(3))
    with pytest.raises(RuntimeError, match=r"expected all elements between 0 and 1 \(.*with_logits.*\), got 2.0"):
        F.binary_cross_entropy(x * 2.0, x)
    with pytest.raises(ValueError, match="binary_cross_entropy_with_logits: target"):
        F.binary_cross_entropy_with_logits(x, fg.ones(3))
    with pytest.raises(ValueError, match=r"nll_loss: target: expected shape \(2,\) .* got \(3,\)"):
        F.nll_loss(x, fg.tensor([0, 1, 2]))
    with pytest.raises(IndexError, match="3"):
        F.nll_loss(x, fg.tensor([0, 3]))
    with pytest.raises(IndexError, match="3"):
        F.cross_entropy(x, fg.tensor([0, 3]))
    with pytest.raises(ValueError, match="class indices are integers"):
        F.cross_entropy(x, fg.ones(2))
    with pytest.raises(ValueError, match="label_smoothing: expected a number between 0 and 1, got 2"):
        F.cross_entropy(x, fg.tensor([0, 1]), label_smoothing=2)
    with pytest.raises(ValueError, match="reduction: expected 'mean', 'sum' or 'none', got 'all'"):
        F.l1_loss(x, x, reduction="all")
    with pytest.raises(ValueError, match="delta: expected a number above 0, got 0"):
        F.huber_loss(x, x, delta=0)
    with pytest.raises(ValueError, match="beta: expected a number of at least 0, got -1"):
        F.smooth_l1_loss(x, x, beta=-1)
    with pytest.raises(
        RuntimeError, match="binary_cross_entropy: target: expected all elements between 0 and 1, got 2.0"
    ):
        F.binary_cross_entropy(x * 0.5, fg.tensor([[0.5, 1.0, 2.0]] * 2))
    with pytest.raises(ValueError, match=r"mse_loss: weight: expected the shape of the input, \(2, 3\), got \(3,\)"):
        F.mse_loss(x, x, weight=fg.ones(3))
    with pytest.raises(ValueError, match="TripletMarginLoss: margin: expected a number above 0, got 0"):
        nn.TripletMarginLoss(margin=0)
    with pytest.raises(ValueError, match="MultiMarginLoss: p: expected 1 or 2, got 3"):
        nn.MultiMarginLoss(p=3)
    with pytest.raises(ValueError, match="KLDivLoss: reduction"):
        nn.KLDivLoss(reduction="half")
    with pytest.raises(TypeError, match="nll_loss: target: expected class indices, which are integers, got float32"):
        F.nll_loss(x, fg.ones(2))
    with pytest.raises(TypeError, match="ctc_loss: targets: expected integers"):
        F.ctc_loss(fg.zeros(2, 1, 3), fg.ones(1, 1), [2], [1])


def test_weights_of_elements():
    x, y, w = fg.tensor([1.0, 2.0]), fg.tensor([2.0, 4.0]), fg.tensor([3.0, 1.0])
    assert F.mse_loss(x, y, weight=w).item() == 7 / 4
    assert F.l1_loss(x, y, weight=w).item() == 5 / 4
    assert F.l1_loss(x, y, weight=w, reduction="sum").item() == 5.0
    assert F.huber_loss(x, y, weight=w).item() == (3 * 0.5 + 1.5) / 2, "PyTorch divides by the number of elements here"


@pytest.mark.parametrize(("former", "reduction"), [
    ({"size_average": True}, "mean"), ({"size_average": False}, "sum"), ({"reduce": False}, "none"),
    ({"reduce": True}, "mean"), ({"size_average": False, "reduce": True}, "sum"),
    ({"size_average": True, "reduce": False}, "none"),
])  # fmt: skip
def test_former_arguments_become_a_reduction(former, reduction):
    x, y = fg.tensor([1.0, 2.0]), fg.tensor([2.0, 4.0])
    with pytest.warns(
        UserWarning, match=f"mse_loss: size_average and reduce are deprecated; pass reduction='{reduction}'"
    ):
        got = F.mse_loss(x, y, **former)
    assert got.tolist() == F.mse_loss(x, y, reduction=reduction).tolist()
    with pytest.warns(UserWarning, match="CrossEntropyLoss: size_average and reduce are deprecated"):
        assert nn.CrossEntropyLoss(**former).reduction == reduction
    with pytest.warns(FutureWarning, match="NLLLoss2d is deprecated"):
        nn.NLLLoss2d()


def test_mean_of_a_divergence_warns():
    with pytest.warns(UserWarning, match="'batchmean' divides by the batch's size"):
        F.kl_div(fg.zeros(2, 2), fg.ones(2, 2))


def test_divergence_of_nothing_is_nothing():
    y = F.kl_div(fg.tensor([-1.0, -2.0]), fg.tensor([0.0, 1.0]), reduction="none")
    assert y.tolist() == [0.0, 2.0]


def test_a_variance_below_eps_is_held_and_keeps_its_gradient():
    x, v = fg.tensor([0.5], requires_grad=True), fg.tensor([1e-9], requires_grad=True)
    F.gaussian_nll_loss(x, fg.tensor([0.0]), v, reduction="sum").backward()
    np.testing.assert_allclose([x.grad.item(), v.grad.item()], [5e5, -1.25e11], rtol=1e-3)
    assert F.gaussian_nll_loss(fg.tensor([1.0]), fg.tensor([0.0]), 2.0).item() == pytest.approx((np.log(2) + 0.5) / 2)


def test_triplets_with_a_distance_of_ones_own():
    a, p, n = (fg.tensor([[float(k), 1.0], [0.0, float(k)]]) for k in (0, 2, 3))

    def city_blocks(x, y):
        return (x - y).abs().sum(-1)

    options = {"distance_function": city_blocks, "margin": 1.5}
    assert F.triplet_margin_with_distance_loss(a, p, n, **options, reduction="none").tolist() == [0.5, 0.5]
    assert F.triplet_margin_with_distance_loss(a, p, n, **options, swap=True, reduction="sum").item() == 5.0
    assert nn.TripletMarginWithDistanceLoss(**options)(a, p, n).item() == 0.5
    with pytest.raises(
        ValueError, match="triplet_margin_with_distance_loss: margin: expected a number above 0, got -1"
    ):
        F.triplet_margin_with_distance_loss(a, p, n, margin=-1)


def test_ctc_of_the_impossible_and_of_the_short():
    log_probs = F.log_softmax(fg.zeros(2, 2, 3, requires_grad=True), 2)
    arguments = (fg.tensor([[1, 2], [1, 1]]), [2, 2], fg.tensor([2, 2]))
    assert F.ctc_loss(log_probs, *arguments, reduction="none").tolist() == [pytest.approx(2 * np.log(3)), np.inf]
    x = fg.zeros(2, 2, 3, requires_grad=True)
    y = nn.CTCLoss(zero_infinity=True)(F.log_softmax(x, 2), *arguments)
    assert y.item() == pytest.approx(np.log(3) / 2), "divided by two labels, then by two samples"
    y.backward()
    assert (x.grad.numpy()[:, 1] == 0).all()
    assert np.isfinite(x.grad.numpy()).all()
    one = fg.zeros(2, 3)
    assert F.ctc_loss(one - np.log(3), fg.tensor([1]), [2], [1], reduction="none").shape == ()
    flat = F.ctc_loss(log_probs, fg.tensor([1, 2, 1]), (2, 1), (2, 1), reduction="none").tolist()
    assert flat == [pytest.approx(2 * np.log(3)), pytest.approx(np.log(3))]
    assert F.ctc_loss(log_probs, fg.tensor([1]), (0, 0), (0, 1), reduction="none").tolist() == [0.0, np.inf]


def test_live_against_pytorch():
    """Cross-entropy and negative log-likelihood in every combination of their arguments, in float64."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    shapes = [(5,), (4, 5), (3, 5, 2), (2, 4, 3, 2), (1, 1), (0, 3)]
    for shape, reduction, weighted, ignore_index, smoothing, shares in itertools.product(
        shapes, ("mean", "sum", "none"), (False, True), (-100, 1), (0.0, 0.1), (False, True)
    ):
        dim = 0 if len(shape) == 1 else 1
        x, weight = rng.standard_normal(shape), rng.random(shape[dim]) + 0.1 if weighted else None
        rest = shape[:dim] + shape[dim + 1 :]
        target = rng.random(shape) if shares else np.asarray(rng.integers(0, shape[dim], rest))
        options = {"reduction": reduction, "label_smoothing": smoothing} | (
            {} if shares else {"ignore_index": ignore_index}
        )
        names = ["cross_entropy"] if shares or smoothing else ["cross_entropy", "nll_loss"]
        for name in names:
            if name == "nll_loss":
                del options["label_smoothing"]
            found = []
            for library in (torch, fg):
                leaf = library.tensor(x, requires_grad=True)
                of = None if weight is None else library.tensor(weight)
                y = getattr(library.nn.functional, name)(leaf, library.tensor(target), of, **options)
                y.sum().backward()
                found.append((y.detach().numpy(), leaf.grad.numpy()))
            for a, b in zip(*found, strict=True):
                np.testing.assert_allclose(b, a, rtol=1e-10, atol=1e-12, err_msg=f"{name} {shape} {options} {weighted}")
