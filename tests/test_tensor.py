"""Methods of Tensor that ask and convert, creation, copies, and what scripts ask of the environment."""

from __future__ import annotations

import copy
import io
import pickle

import numpy as np
import pytest

import ferrograd as fg


@pytest.mark.parametrize(
    "convert",
    [
        lambda x: x.to(fg.float64), lambda x: x.to("float64"), lambda x: x.to(np.float64), lambda x: x.to(dtype=fg.float64),
        lambda x: x.to("cpu", fg.float64), lambda x: x.to(fg.device("cpu"), fg.float64, False, True),
        lambda x: x.to(fg.zeros(1, dtype=fg.float64)), lambda x: x.to(other=fg.zeros(1, dtype=fg.float64)),
        lambda x: x.to(fg.float64, non_blocking=True), lambda x: x.to(device="cpu", dtype=fg.float64),
        lambda x: x.type(fg.float64), lambda x: x.type("torch.DoubleTensor"), lambda x: x.type(fg.DoubleTensor),
        lambda x: x.type_as(fg.zeros(1, dtype=fg.float64)), lambda x: x.double(), lambda x: x.astype("float64"),
    ],
)  # fmt: skip
def test_every_form_of_conversion(convert):
    x = fg.ones(2, requires_grad=True)
    y = convert(x)
    assert y.dtype == fg.float64
    y.sum().backward()
    assert x.grad.tolist() == [1, 1]
    assert x.grad.dtype == fg.float32


def test_a_conversion_to_the_same_is_no_copy_unless_asked():
    x = fg.ones(2)
    for same in (
        x.to(fg.float32),
        x.to("cpu"),
        x.to(x),
        x.cpu(),
        x.float(),
        x.to("cpu", fg.float32),
        x.to("cpu:0"),
        x.to(),
    ):
        assert same is x
    for other in (x.to(fg.float32, copy=True), x.to("cpu", None, False, True), x.to(x, False, True)):
        assert other is not x
        assert other.data_ptr() != x.data_ptr()


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda x: x.to("cuda"), RuntimeError, "device: expected 'cpu', got 'cuda'; this build"),
        (lambda x: x.cuda(), RuntimeError, r"fg.cuda.is_available\(\) first"),
        (lambda x: x.to(fg.float64, "cpu"), TypeError, "to: expected a dtype, a device or a tensor"),
        (lambda x: x.to(dtype="complex64"), TypeError, "dtype: expected one of float64"),
        (lambda x: x.type("torch.CharTensor"), ValueError, "type: dtype: expected one of DoubleTensor"),
        (lambda x: x.pin_memory(), RuntimeError, "computes on the CPU"),
        (lambda x: x.share_memory_(), RuntimeError, "shared_memory"),
        (lambda x: fg.device("cpu", 0) and fg.device("cpu:0", 0), RuntimeError, "the index once"),
        (lambda x: fg.zeros(2, device="mps"), RuntimeError, "expected 'cpu', got 'mps'"),
        (lambda x: fg.zeros(2, color="red"), TypeError, "zeros: there is no argument 'color'"),
        (lambda x: fg.zeros(2, size=(2,)), TypeError, "zeros: size: expected the sizes once"),
        (lambda x: fg.finfo(fg.int64), TypeError, "finfo: type: expected a floating-point dtype, got int64"),
        (lambda x: fg.iinfo(fg.float32), TypeError, "iinfo: type: expected an integer dtype, got float32"),
        (lambda x: fg.set_default_dtype(fg.int64), TypeError, "set_default_dtype: d: expected float32 or float64"),
        (lambda x: fg.Tensor([[1], [2, 3]]), ValueError, "nested lists of equal lengths"),
    ],
)
def test_wrong_calls(call, error, match):
    with pytest.raises(error, match=match):
        call(fg.ones(2))


def test_what_a_tensor_says_of_itself():
    x = fg.zeros(2, 3)
    assert (x.ndimension(), x.nelement(), x.itemsize, x.element_size(), x.nbytes) == (2, 6, 4, 4, 24)
    assert (x.is_cpu, x.is_cuda, x.is_sparse, x.is_quantized, x.get_device()) == (True, False, False, False, -1)
    assert x.layout is fg.strided
    assert x.type() == fg.typename(x) == "ferrograd.FloatTensor"
    assert x.is_floating_point() == fg.is_floating_point(x) == (not x.is_complex()) == x.is_signed()
    assert not x.byte().is_signed()
    assert fg.is_tensor(x)
    assert not fg.is_tensor(np.ones(1))
    assert fg.numel(x) == 6
    assert x.is_same_size(fg.ones(2, 3))
    assert isinstance(x.shape, fg.Size)
    assert isinstance(x, fg.FloatTensor)
    assert not isinstance(x, fg.LongTensor)
    assert reversed(fg.arange(3)).tolist() == [2, 1, 0]
    assert fg.tensor([2]).is_nonzero()


def test_closeness():
    a, b = fg.tensor([1.0, np.nan, np.inf, -np.inf]), fg.tensor([1.000001, np.nan, np.inf, np.inf])
    assert fg.isclose(a, b).tolist() == np.isclose(a.numpy(), b.numpy()).tolist() == [True, False, True, False]
    assert a.isclose(b, equal_nan=True).tolist() == [True, True, True, False]
    assert fg.isclose(fg.tensor([1, 2]), fg.tensor([1, 3])).tolist() == [True, False]
    assert fg.isclose(fg.tensor([True]), fg.tensor([True])).tolist() == [True]
    assert fg.allclose(fg.ones(3), fg.ones(1))
    assert not fg.allclose(fg.ones(3), fg.tensor(1.1))
    assert fg.allclose(fg.ones(3), fg.tensor(1.1), atol=0.2)
    assert fg.equal(fg.ones(2), fg.ones(2))
    assert not fg.equal(fg.ones(2), fg.ones(1))
    assert not fg.equal(a, a)
    with pytest.raises(TypeError, match="isclose: other: expected the dtype of input, float32, got float64"):
        fg.isclose(fg.ones(1), fg.ones(1, dtype=fg.float64))
    with pytest.raises(RuntimeError, match="rtol, atol: expected numbers of at least 0"):
        fg.allclose(a, b, rtol=-1)


def test_tensors_like_this_one():
    x = fg.zeros(2, dtype=fg.float64)
    for y, want in [
        (x.new_tensor([1, 2]), [1, 2]), (x.new_zeros(2), [0, 0]), (x.new_ones((2,)), [1, 1]), (x.new_full((2,), 7), [7, 7]),
        (x.new([3.0]), [3]), (x.new_ones(1, device="cpu", requires_grad=True), [1]),
    ]:  # fmt: skip
        assert y.tolist() == want
        assert y.dtype == fg.float64
    assert x.new_empty(3, dtype=fg.int64).dtype == fg.int64
    assert x.new(2, 3).shape == (2, 3)


def test_old_constructors():
    assert fg.Tensor([1, 2]).dtype == fg.float32
    assert fg.Tensor(2, 3).shape == (2, 3)
    assert fg.Tensor().shape == (0,)
    assert fg.LongTensor([1.0, 2.0]).tolist() == [1, 2]
    assert fg.ByteTensor(np.ones(2)).dtype == fg.uint8
    assert fg.DoubleTensor(fg.tensor([1, 2])).dtype == fg.float64
    assert fg.LongTensor(np.array([5])).tolist() == [5]

    class Mine(fg.Tensor):
        pass

    assert type(Mine([1.0])) is Mine


def test_creation():
    assert fg.zeros(size=(2,), layout=fg.strided, pin_memory=False).tolist() == [0, 0]
    assert fg.full((2,), fg.tensor(3)).dtype == fg.int64
    assert fg.scalar_tensor(3).dtype == fg.float32
    assert fg.arange(fg.tensor(3)).tolist() == [0, 1, 2]
    assert fg.logspace(0, 2, 3).tolist() == [1, 10, 100]
    assert fg.logspace(0, 3, 4, base=2).tolist() == [1, 2, 4, 8]
    assert fg.eye(2, 3, dtype=fg.bool).tolist() == np.eye(2, 3, dtype=bool).tolist()
    assert fg.frombuffer(bytearray(b"\x01\x00\x02\x00"), dtype=fg.uint8, count=2, offset=1).tolist() == [0, 2]
    with pytest.raises(ValueError, match="eye: n: expected a number of at least 0"):
        fg.eye(-1)


def test_asarray_shares_where_it_can():
    array = np.ones(2, np.float32)
    fg.asarray(array)[0] = 5
    assert array[0] == 5
    fg.asarray(array, copy=True)[0] = 7
    assert array[0] == 5
    x = fg.ones(2, requires_grad=True)
    assert not fg.asarray(x).requires_grad
    assert fg.asarray([1, 2], dtype=fg.float64).dtype == fg.float64
    for obj, options in [([1], {}), (array, {"dtype": fg.float64})]:
        with pytest.raises(ValueError, match="needs a copy"):
            fg.asarray(obj, copy=False, **options)


def test_the_default_dtype():
    fg.set_default_dtype(fg.float64)
    try:
        made = [fg.zeros(1), fg.tensor([1.0]), fg.rand(1), fg.linspace(0, 1, 2), fg.full((1,), 1.0), fg.Tensor([1])]
        assert {x.dtype for x in made} == {fg.float64}
        assert repr(made[0]) == "tensor([0.])"
    finally:
        fg.set_default_dtype(fg.float32)
    assert repr(made[0]) == "tensor([0.], dtype=ferrograd.float64)"


def test_dtypes_and_devices():
    assert fg.can_cast(fg.int64, fg.float32)
    assert not fg.can_cast(fg.float32, fg.int64)
    assert not fg.can_cast(fg.int64, fg.bool)
    assert fg.finfo(fg.float32).eps == np.finfo(np.float32).eps
    assert fg.finfo(fg.bfloat16).max == pytest.approx(3.3895e38, rel=1e-4)
    assert (fg.iinfo(fg.uint8).min, fg.iinfo(fg.uint8).max, fg.iinfo(fg.int32).bits) == (0, 255, 32)
    assert str(fg.device("cpu", 0)) == "cpu:0"
    assert fg.device("cpu:1") == fg.device("cpu", 1) != fg.device("cpu")
    assert repr(fg.device(fg.device("cpu"))) == "device(type='cpu')"
    with fg.device("cpu"):
        assert fg.zeros(1).device == fg.device("cpu")
    for value in (fg.device("cpu", 1), fg.channels_last, fg.strided, fg.float16):
        assert pickle.loads(pickle.dumps(value)) == value
    fg.set_default_device("cpu")
    assert fg.get_default_device() == fg.device("cpu")


def test_what_scripts_ask_of_the_environment():
    fg.cuda.manual_seed_all(0)
    fg.backends.cudnn.deterministic = True
    assert fg.device("cuda" if fg.cuda.is_available() else "cpu").type == "cpu"
    assert not fg.backends.mps.is_available()
    assert fg.cuda.device_count() == 0
    fg.use_deterministic_algorithms(True)
    assert fg.are_deterministic_algorithms_enabled()
    fg.set_float32_matmul_precision("high")
    assert fg.get_float32_matmul_precision() == "high"
    with pytest.raises(ValueError, match="expected 'highest', 'high' or 'medium'"):
        fg.set_float32_matmul_precision("low")


def test_copies():
    x = fg.arange(6.0).reshape(2, 3)
    x.requires_grad_()
    (x * x).sum().backward()
    shallow, deep = copy.copy(x), copy.deepcopy(x)
    assert shallow.data_ptr() == x.data_ptr() != deep.data_ptr()
    assert deep.requires_grad
    assert deep.grad.tolist() == x.grad.tolist()
    assert deep.grad is not x.grad
    pair = copy.deepcopy([x, x])
    assert pair[0] is pair[1]
    view = fg.arange(6.0).reshape(2, 3).T
    assert copy.deepcopy(view).stride() == view.stride()
    with pytest.raises(RuntimeError, match="deepcopy: only leaf tensors"):
        copy.deepcopy(x * 2)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool"])
def test_pickles(dtype):
    for x in (
        fg.arange(6).reshape(2, 3).to(dtype),
        fg.arange(6).reshape(2, 3).to(dtype).T[1:],
        fg.zeros((), dtype=dtype),
    ):
        again = pickle.loads(pickle.dumps(x))
        assert again.dtype == x.dtype
        assert again.tolist() == x.tolist()
    p = fg.nn.Parameter(fg.ones(2), requires_grad=False)
    stream = io.BytesIO()
    pickle.dump({"p": p, "x": fg.ones(1, requires_grad=True)}, stream)
    again = pickle.loads(stream.getvalue())
    assert type(again["p"]) is fg.nn.Parameter
    assert not again["p"].requires_grad
    assert again["x"].requires_grad
    with pytest.raises(RuntimeError, match="pickle: only leaf tensors"):
        pickle.dumps(again["x"] * 2)


def test_attributes_of_a_subclass_are_copied_and_pickled():
    x = Named([1.0])
    x.name = {"a": 1}
    for again in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert type(again) is Named
        assert again.name == {"a": 1}
    assert copy.deepcopy(x).name is not x.name


class Named(fg.Tensor):
    """A subclass with attributes."""


def test_detach_in_place():
    x = fg.ones(2, requires_grad=True)
    y = x * 2
    assert y.detach_() is y
    assert y.is_leaf
    assert not y.requires_grad
    assert y.grad_fn is None
    with pytest.raises(RuntimeError, match="detach_: a view"):
        (x * 2)[0].detach_()


@pytest.mark.parametrize(
    "name",
    ["eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor", "not_equal", "greater_equal"],
)
def test_comparisons_in_place(name):
    x, y = fg.tensor([0.0, 1.0, 2.0]), fg.tensor([0.0, 2.0, 1.0])
    want = getattr(x, name)(y).float().tolist()
    assert getattr(x, name + "_")(y) is x
    assert x.tolist() == want


@pytest.mark.parametrize(
    ("name", "alias"), [("sub", "subtract"), ("mul", "multiply"), ("div", "divide"), ("div", "true_divide")]
)
def test_long_names_in_place(name, alias):
    x, y = fg.tensor([1.0, 2.0]), fg.tensor([4.0, 5.0])
    assert getattr(x.clone(), alias + "_")(y).tolist() == getattr(x, name)(y).tolist()
    assert fg.tensor([-1.0]).absolute_().negative_().tolist() == [-1]
    assert fg.tensor([True, False]).bitwise_not_().tolist() == [False, True]
    assert fg.tensor([0, 2]).logical_not_().tolist() == [1, 0]


def test_a_tensor_is_not_equal_to_what_is_no_number():
    x = fg.ones(2)
    for other in (None, "a", [1, 1], (1, 1), {}):
        assert (x == other) is False
        assert (x != other) is True
        assert (other == x) is False
    assert (x == 1).tolist() == (x == np.ones(2, np.float32)).tolist() == [True, True]
    with pytest.raises(RuntimeError, match="eq: other"):
        x == fg.ones(3)  # noqa: B015
    with pytest.raises(TypeError, match="eq: other"):
        x == np.array(["a", "b"])  # noqa: B015


def test_python_types_name_dtypes_as_in_pytorch_and_numpy():
    assert [fg.tensor([1], dtype=t).dtype for t in (float, int, bool)] == [fg.float64, fg.int64, fg.bool]


def test_constants():
    assert (fg.pi, fg.e, fg.inf) == (np.pi, np.e, np.inf)
    assert np.isnan(fg.nan)
    assert fg.ones(2)[fg.newaxis].shape == (1, 2)


def test_channels_last_is_an_order_of_four_dimensions():
    assert not fg.ones(2, 3).is_contiguous(memory_format=fg.channels_last)
    assert not fg.ones(2, 3).is_contiguous(memory_format=fg.channels_last_3d)
    assert fg.ones(2, 3, 4, 5).contiguous(memory_format=fg.channels_last).is_contiguous(memory_format=fg.channels_last)
