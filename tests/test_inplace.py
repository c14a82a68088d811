"""Writing into tensors: overlap, expanded memory, leaves, results, views, versions, gradients that share no memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import autograd
from ferrograd.nn import functional as F

# -- overlap (decision 15) --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [5, 8, 257, 70_001])
@pytest.mark.parametrize(
    ("to", "source"),
    [
        (slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None)), (slice(None), slice(None, None, -1)),
        (slice(None, None, 2), slice(None, None, -2)), (slice(2, None), slice(None, -2)),
    ],
)  # fmt: skip
def test_assignment_between_overlapping_slices(n: int, to: slice, source: slice, threads: Any) -> None:
    for count in (1, 2):
        threads(count)
        want = np.arange(n, dtype=np.float32)
        if want[to].shape != want[source].shape:
            return
        x = fg.tensor(want)
        want[to] = want[source].copy()
        x[to] = x[source]
        np.testing.assert_array_equal(x.numpy(), want)


@pytest.mark.parametrize("n", [5, 257, 70_001])
def test_in_place_arithmetic_on_overlapping_views(n: int) -> None:
    for to, source in [
        (slice(1, None), slice(None, -1)),
        (slice(None, -1), slice(1, None)),
        (slice(None), slice(None, None, -1)),
    ]:
        want = np.arange(n, dtype=np.float32)
        x = fg.tensor(want)
        want[to] = want[to] + want[source]
        x[to].add_(x[source])
        np.testing.assert_array_equal(x.numpy(), want)
        y = fg.tensor(np.arange(n, dtype=np.float32))
        fg.mul(y[source], y[source], out=y[to])
        want = np.arange(n, dtype=np.float32)
        want[to] = np.square(want[source])
        np.testing.assert_array_equal(y.numpy(), want)


def test_overlap_through_numpy_and_transposes() -> None:
    array = np.arange(9, dtype=np.float32).reshape(3, 3)
    x = fg.from_numpy(array)
    want = array + array.T
    x.add_(array.T)
    np.testing.assert_array_equal(array, want)
    x[...] = x.transpose(0, 1)
    np.testing.assert_array_equal(array, want.T)


def test_writing_to_an_expanded_tensor_raises() -> None:
    x = fg.zeros(1, 3)
    wide = x.expand(4, 3)
    for write in (
        lambda: wide.add_(1),
        lambda: wide.__setitem__(0, 1.0),
        lambda: wide.__setitem__((slice(None), 0), 1.0),
        lambda: fg.add(wide, 1, out=wide),
        lambda: fg.from_numpy(np.lib.stride_tricks.as_strided(np.zeros(4), (3, 2), (8, 8))).add_(1),
    ):
        with pytest.raises(RuntimeError, match=r"refer to the same memory; clone\(\)"):
            write()
    assert x.tolist() == [[0, 0, 0]]
    wide.clone().add_(1)
    wide[0:1].add_(1)
    assert x.tolist() == [[1, 1, 1]]


def test_assignment_broadcasts_and_converts() -> None:
    x = fg.zeros(2, 3)
    x[:, 1] = 5
    x[0] = np.array([1, 2, 3])
    x[1, 2:] = fg.tensor([True])
    assert x.tolist() == [[1, 2, 3], [0, 5, 1]]
    with pytest.raises(fg.ShapeError, match=r"expected a shape that broadcasts to \(3,\), got \(2,\)"):
        x[0] = fg.ones(2)
    with pytest.raises(IndexError, match="index 2 is out of range for dimension 0 of size 2"):
        x[2] = 1.0
    assert x.tolist() == [[1, 2, 3], [0, 5, 1]]


# -- the graph (decision 7) -------------------------------------------------------------------------------------------


def test_a_leaf_that_requires_grad() -> None:
    x = fg.ones(3, requires_grad=True)
    for write in (lambda: x.add_(1), lambda: x.__setitem__(0, 1.0), lambda: fg.add(x.detach(), 1, out=x)):
        with pytest.raises(
            RuntimeError, match="a leaf tensor that requires grad is being used in an in-place operation"
        ):
            write()
    with fg.no_grad():
        x.add_(1)
        x[0] = 7.0
    assert x.tolist() == [7.0, 2.0, 2.0]
    assert x.is_leaf


def test_a_result_is_rebound() -> None:
    x = fg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 2
    same = y
    y.mul_(x)  # y = 2x², so dy/dx = 4x
    y.add_(x)
    assert y is same
    assert y.grad_fn is not None
    assert y.grad_fn.name == "add"
    assert y.tolist() == [3.0, 10.0, 21.0]
    y.backward(fg.ones(3))
    assert x.grad is not None
    assert x.grad.tolist() == [5.0, 9.0, 13.0]


def test_a_plain_tensor_enters_the_graph() -> None:
    weight = fg.tensor([2.0, 3.0], requires_grad=True)
    x = fg.ones(2)
    x.mul_(weight)
    x[0] = weight[1]
    assert x.requires_grad
    assert not x.is_leaf
    x.backward(fg.tensor([1.0, 10.0]))
    assert weight.grad is not None
    assert weight.grad.tolist() == [0.0, 11.0]


def test_assignment_is_differentiated() -> None:
    x = fg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    value = fg.tensor([5.0], requires_grad=True)
    y = x * 1
    y[1:2] = value
    y.backward(fg.tensor([1.0, 10.0, 100.0]))
    assert x.grad is not None
    assert value.grad is not None
    assert (x.grad.tolist(), value.grad.tolist()) == ([1.0, 0.0, 100.0], [10.0])


def test_a_view_of_a_recorded_tensor_names_the_cure() -> None:
    x = fg.ones(3, requires_grad=True)
    y = x * 2
    for view in (y[1:], y.reshape(3, 1), x[1:]):
        with pytest.raises(RuntimeError, match=r"in-place on a view .* use the out-of-place form, or no_grad"):
            view.add_(1)
    with fg.no_grad():
        y[1:].add_(1)
    assert y.tolist() == [2.0, 3.0, 3.0]


def test_a_view_whose_base_is_gone_is_its_own() -> None:
    x = fg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = (x * 2)[1]
    y.mul_(fg.tensor([5.0, 7.0]))
    assert y.tolist() == [30.0, 56.0]
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[0.0, 0.0], [10.0, 14.0]]
    # The gradient of exp needs its result, which the view would overwrite.
    with pytest.raises(RuntimeError, match=r"in-place on a view"):
        x.exp()[0].add_(1)
    kept = (x * 2)[0]
    array = kept.detach().numpy()
    with pytest.raises(RuntimeError, match=r"in-place on a view"):
        kept.add_(1)
    assert array.tolist() == [2.0, 4.0]


@pytest.mark.parametrize(
    "layer",
    [
        lambda: fg.nn.MultiheadAttention(4, 2, batch_first=True),
        lambda: fg.nn.LSTM(4, 2, bidirectional=True, batch_first=True),
    ],
    ids=["attention", "lstm"],
)
def test_what_a_layer_returns_may_be_added_to(layer: Any) -> None:
    module = layer()
    x = fg.randn(2, 3, 4)
    arguments = (x, x, x) if isinstance(module, fg.nn.MultiheadAttention) else (x,)

    def gradients(add: Any) -> list[Any]:
        module.zero_grad()
        add(module(*arguments)[0]).square().sum().backward()
        return [p.grad.clone() for p in module.parameters()]

    def in_place(y: Any) -> Any:
        y += x
        return y

    for got, want in zip(gradients(in_place), gradients(lambda y: y + x), strict=True):
        np.testing.assert_array_equal(got.numpy(), want.numpy())


def test_a_view_taken_before_a_recorded_write() -> None:
    x = fg.ones(3, requires_grad=True)
    y = x * 2
    view = y[:2]
    y.mul_(3)
    with pytest.raises(RuntimeError, match="taken before its base was changed in place by a recorded op"):
        view * 2
    assert (y[:2] * 2).tolist() == [12.0, 12.0]
    assert view.detach().tolist() == [6.0, 6.0]
    with fg.no_grad():
        assert (view * 2).tolist() == [12.0, 12.0]


def test_a_view_of_a_constant_that_became_part_of_the_graph() -> None:
    """PyTorch gives the view a gradient; silently treating it as a constant would be wrong."""
    weight = fg.ones(3, requires_grad=True)
    x = fg.ones(3)
    view, constant = x[:2], x.detach()
    x.mul_(weight)
    with pytest.raises(RuntimeError, match="taken before its base was changed in place by a recorded op"):
        view * 2
    assert not (constant * 2).requires_grad


@pytest.mark.parametrize(
    ("write", "version"),
    [
        (lambda w: w.mul_(2), 1),
        (lambda w: w.__setitem__(0, 5.0), 1),
        (lambda w: w.detach().add_(1), 1),
        (lambda w: w.data.add_(1), 1),
        (lambda w: w[1:].add_(1), 1),
        (lambda w: (w.add_(1), w.add_(1)), 2),
        (lambda w: np.add(w.detach(), 1, out=w.detach()), 1),
    ],
)
def test_a_changed_saved_value_is_named(write: Any, version: int) -> None:
    x = fg.ones(3, requires_grad=True)
    w = fg.ones(3)
    y = x * w
    with fg.no_grad():
        write(w)
    with pytest.raises(
        RuntimeError,
        match=rf"backward of mul: 'y', of shape \(3,\) and dtype float32, .* at version {version}, expected version 0",
    ):
        y.backward(fg.ones(3))


def test_a_saved_leaf_whose_data_was_replaced() -> None:
    x, w = fg.ones(2, requires_grad=True), fg.tensor([2.0, 3.0], requires_grad=True)
    y = x * w
    w.data = fg.tensor([20.0, 30.0])
    y.backward(fg.ones(2), retain_graph=True)
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 3.0]
    with pytest.raises(RuntimeError, match=r"backward of mul: 'y'.* shows other memory since its data was assigned to"):
        y.backward(fg.ones(2), create_graph=True)


def test_an_unrelated_write_is_no_error() -> None:
    x = fg.ones(3, requires_grad=True)
    y = x + fg.ones(3)  # add saves nothing
    with fg.no_grad():
        y.mul_(5)
    y.backward(fg.ones(3))
    assert x.grad is not None
    assert x.grad.tolist() == [1, 1, 1]


def test_anomaly_detection_sees_writes_through_numpy() -> None:
    x = fg.ones(3, requires_grad=True)
    for checked in (False, True):
        w = fg.ones(3)
        with autograd.detect_anomaly() if checked else fg.enable_grad():
            y = x * w
            w.numpy()[0] = 5
            if checked:
                with pytest.raises(RuntimeError, match="the memory of 'y' was changed after it was saved"):
                    y.backward(fg.ones(3))
            else:
                y.backward(fg.ones(3))


def test_out_does_not_lose_a_gradient() -> None:
    x = fg.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"add: out: .* has no gradient"):
        fg.add(x, 1, out=fg.zeros(3))
    with fg.no_grad():
        assert fg.add(x, 1, out=fg.zeros(3)).tolist() == [2, 2, 2]


def test_in_place_needs_the_shape_and_dtype_of_the_result() -> None:
    x = fg.ones(3)
    with pytest.raises(fg.ShapeError, match=r"out: expected shape \(2, 3\), got \(3,\)"):
        x.add_(fg.ones(2, 3))
    recorded = fg.ones(3, requires_grad=True) * 1
    with pytest.raises(fg.ShapeError, match=r"add_: result: expected the tensor's shape \(3,\), got \(2, 3\)"):
        recorded.add_(fg.ones(2, 3))
    assert recorded.tolist() == [1, 1, 1]


def test_retain_grad_follows_an_in_place_op() -> None:
    x = fg.ones(2, requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.mul_(3)
    y.backward(fg.tensor([1.0, 10.0]))
    assert y.grad is not None
    assert y.grad.tolist() == [1.0, 10.0]
    assert x.grad is not None
    assert x.grad.tolist() == [6.0, 60.0]


# -- gradients share no memory ----------------------------------------------------------------------------------------


def test_two_leaves_never_share_a_gradient() -> None:
    """tinygrad #9597."""
    a, b = fg.ones(3, requires_grad=True), fg.ones(3, requires_grad=True)
    given = fg.ones(3)
    for y in (a + b, (a + b).reshape(3, 1).reshape(3), (a * 1) + (b * 1)):
        a.grad = b.grad = None
        y.backward(given)
        assert a.grad is not None
        assert b.grad is not None
        a.grad.mul_(5)
        assert b.grad.tolist() == [1, 1, 1]
        assert given.tolist() == [1, 1, 1]


def test_a_leafs_gradient_is_not_the_callers() -> None:
    x = fg.ones(3, requires_grad=True)
    given = fg.ones(3)
    x.backward(given)
    x.backward(given)
    assert x.grad is not None
    assert x.grad.tolist() == [2, 2, 2]
    assert given.tolist() == [1, 1, 1]


def test_what_a_hook_kept_is_not_the_gradient() -> None:
    x = fg.ones(3, requires_grad=True)
    seen: list[Any] = []
    y = x * 1
    y.register_hook(seen.append)
    x.register_hook(seen.append)
    y.retain_grad()
    y.backward(fg.ones(3))
    y2 = x * 1
    y2.backward(fg.ones(3))
    assert x.grad is not None
    assert x.grad.tolist() == [2, 2, 2]
    assert all(g.tolist() == [1, 1, 1] for g in seen)
    assert y.grad is not None
    y.grad.mul_(9)
    assert all(g.tolist() == [1, 1, 1] for g in seen)


def test_gradients_can_be_written_to() -> None:
    """An expanded gradient has to be given memory of its own."""
    x = fg.ones(4, requires_grad=True)
    x.backward(fg.ones(1).expand(4))
    y = x.reshape(2, 2)
    y.backward(fg.ones(1, 1).expand(2, 2))
    assert x.grad is not None
    x.grad.mul_(2)
    assert x.grad.tolist() == [4, 4, 4, 4]
    assert x.grad.is_contiguous()


def test_a_small_gradient_does_not_hold_a_large_buffer() -> None:
    x = fg.ones(4, requires_grad=True)
    y = x.reshape(2, 2)
    y.backward(fg.ones(1000, 1000)[:2, :2])
    before = fg.memory_stats()["in_use"]
    assert x.grad is not None
    x.grad = None
    assert before - fg.memory_stats()["in_use"] <= 64


def test_inference_tensors() -> None:
    with fg.inference_mode():
        x = fg.ones(3)
        x.add_(1)
    assert x.is_inference()
    with pytest.raises(RuntimeError, match=r"inference_mode cannot be changed in place outside it; clone\(\)"):
        x.add_(1)
    w = fg.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"inference_mode cannot be saved for the backward pass; clone\(\)"):
        w * x
    with pytest.raises(RuntimeError, match="inference tensor cannot require gradients"):
        x.requires_grad = True
    assert (w * x.clone()).requires_grad
    assert (w + x).requires_grad


@pytest.mark.parametrize(
    "make",
    [
        lambda x, w: x / w,
        lambda x, w: x / 2,
        lambda x, w: 2 / x,
        lambda x, w: x**2,
        lambda x, w: F.linear(x, w),
        lambda x, w: F.linear(x[None], w, w[0]),
        lambda x, w: F.batch_norm(x, None, None, w[0], w[0], training=True),
        lambda x, w: F.batch_norm(x, fg.zeros(4), fg.ones(4), w[0], w[0]),
        lambda x, w: F.layer_norm(x, (4,), w[0], w[0]),
        lambda x, w: F.group_norm(x, 2),
        lambda x, w: F.instance_norm(x[None]),
        lambda x, w: F.conv1d(x[None], w[:, :, None]),
        lambda x, w: F.normalize(x),
        lambda x, w: F.softsign(x),
        lambda x, w: F.gelu(x),
    ],
)
def test_a_result_that_no_gradient_needs_may_be_changed_in_place(make: Any) -> None:
    found = []
    for write in (fg.Tensor.add, fg.Tensor.add_):
        x = (fg.arange(16.0).reshape(4, 4).sin() + 2).requires_grad_()
        w = (fg.arange(16.0).reshape(4, 4).cos() + 2).requires_grad_()
        y = make(x * 1, w)
        y = write(y, y.detach() * y.detach())
        (y * y).sum().backward()
        found.append([None if leaf.grad is None else leaf.grad.tolist() for leaf in (x, w)])
    assert found[0][0] is not None
    assert found[0] == found[1]


def test_what_is_scaled_by_a_constant_is_not_kept() -> None:
    for scale in (lambda h: h / 2, lambda h: h * 0.5, lambda h: h * fg.full((3,), 0.5)):
        x = fg.ones(3, requires_grad=True)
        h = x + 1
        y = scale(h)
        h.add_(1)
        y.sum().backward()
        assert x.grad is not None
        assert x.grad.tolist() == [0.5, 0.5, 0.5]


PRODUCTS = {
    "matmul": (lambda h, w: h @ w, (4, 3), (3, 2)),
    "matmul of a batch with one": (lambda h, w: h @ w, (5, 4, 3), (3, 2)),
    "matmul with a vector": (lambda h, w: h @ w, (4, 3), (3,)),
    "matmul of a vector": (lambda h, w: h @ w, (3,), (3, 2)),
    "linear": (F.linear, (4, 3), (2, 3)),
    "linear and relu": (lambda h, w: F.linear(h, w, activation="relu"), (4, 3), (2, 3)),
    "convolution": (lambda h, w: F.conv2d(h, w, padding=1), (2, 3, 5, 5), (4, 3, 3, 3)),
    "transposed convolution": (F.conv_transpose2d, (2, 3, 5, 5), (3, 4, 3, 3)),
    "mul": (lambda h, w: h * w, (4, 3), (3,)),
}


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_factor_is_not_kept_where_the_other_needs_no_gradient(product: str) -> None:
    """A frozen weight's input takes no memory until backward, and may be changed; one that is learned has it kept."""
    function, shape, weight_shape = PRODUCTS[product]
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal(shape), rng.standard_normal(weight_shape)

    def gradient(frozen: bool, changed: bool) -> np.ndarray:
        x, w = fg.tensor(a, requires_grad=True), fg.tensor(b, requires_grad=not frozen)
        h = x * 1.0
        y = function(h, w)
        if changed:
            h.detach().zero_()
        y.square().sum().backward()
        assert x.grad is not None
        return x.grad.numpy()

    np.testing.assert_allclose(gradient(True, True), gradient(False, False), rtol=1e-12, atol=1e-12)
    with pytest.raises(RuntimeError, match="changed"):
        gradient(False, True)


def test_the_second_factor_is_not_kept_where_the_first_needs_no_gradient() -> None:
    for function in (fg.matmul, fg.mul):
        x, w = fg.full((2, 2), 3.0), fg.ones(2, 2, requires_grad=True)
        h = w * 1.0
        y = function(x, h)
        h.detach().zero_()
        y.sum().backward()
        assert w.grad is not None
        assert w.grad.tolist() == [[6.0 if function is fg.matmul else 3.0] * 2] * 2
