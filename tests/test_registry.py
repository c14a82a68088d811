"""The tests that every row of the registry gets."""

from __future__ import annotations

import itertools
import re
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from registry import ROWS, Arr, Row, Sample

import ferrograd as fg
from ferrograd import _core, ops

ISAS = _core.isas()
#: Finite differences: float64, central, this step; the tolerances are those of design/trust.md.
EPS, ATOL, RTOL = 1e-6, 1e-5, 1e-3


def cases(large: bool | None = None, differentiable: bool = False) -> list[Any]:
    """Every row with every sample, as pytest parameters; `large` selects by size."""
    found = []
    for row in ROWS:
        if differentiable and not row.differentiable:
            continue
        for k, sample in enumerate(row.samples):
            if large is None or (sample.numel > 2000) == large:
                found.append(pytest.param(row, sample, id=f"{row.id}-{k}"))
    return found


def as_operands(values: list[Any], dtype: str, requires_grad: bool = False) -> list[Any]:
    """Arrays as Tensors; float ones in `dtype`."""
    out = []
    for x in values:
        if not isinstance(x, np.ndarray):
            out.append(x)
        elif x.dtype.kind == "f":
            out.append(fg.tensor(x, dtype=dtype, requires_grad=requires_grad))
        else:
            out.append(fg.tensor(x))
    return out


def expected(row: Row, values: list[Any], sample: Sample) -> list[np.ndarray]:
    return [np.asarray(y) for y in row.results(row.reference(*values, **sample.attributes))]


def close(row: Row, got: Any, want: np.ndarray, dtype: str) -> None:
    got = got._readable() if isinstance(got, fg.Tensor) else np.asarray(got)
    assert got.shape == want.shape, f"shape {got.shape}, expected {want.shape}"
    if want.dtype.kind != "f":
        np.testing.assert_array_equal(got, want)
        return
    rtol = row.rtol if dtype == "float32" else 1e-11
    finite = np.abs(want[np.isfinite(want)])
    scale = finite.max(initial=0.0) if row.scaled else 0.0
    np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * max(scale, 1e-3))


def gradients(
    row: Row, operands: list[Any], sample: Sample, create_graph: bool = False
) -> tuple[list[Any], list[Any], list[Any]]:
    """(results, inputs, their gradients) for fixed random gradients of the results.

    `create_graph` takes the gradients of fused ops by way of the ops that they are made of.
    """
    results = [y for y in row.results(row.run(operands, sample.attributes)) if y.dtype.is_floating_point]
    results = [y for y in results if y.requires_grad]
    cotangents = [weights(y.shape, k) for k, y in enumerate(results)]
    inputs = [x for x in operands if isinstance(x, fg.Tensor) and x.requires_grad]
    grads = fg.autograd.grad(
        results,
        inputs,
        [fg.tensor(c, dtype=y.dtype) for c, y in zip(cotangents, results, strict=True)],
        create_graph=create_graph,
        allow_unused=True,
    )
    return results, inputs, list(grads)


def weights(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed + 77).uniform(0.5, 1.5, shape).astype(np.float32).astype(np.float64)


def float_operands(sample: Sample) -> list[int]:
    return [
        k
        for k, x in enumerate(sample.operands)
        if (isinstance(x, Arr) and x.kind == "float" and x.differentiable)
        or (isinstance(x, np.ndarray) and x.dtype.kind == "f")
    ]


def make_grad_operands(row: Row, sample: Sample, values: list[Any], dtype: str) -> list[Any]:
    wanted = float_operands(sample)
    out = as_operands(values, dtype)
    for k in wanted:
        out[k].requires_grad = True
    return out


# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("isa_name", ISAS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("row", "sample"), cases())
def test_values(row: Row, sample: Sample, dtype: str, isa_name: str, isa: Any) -> None:
    """Every result against the float64 reference, on every instruction set."""
    if row.reference is None:
        pytest.skip("a row without a reference checks itself in its family's tests")
    isa(isa_name)
    values = sample.make(row.id)
    got = row.results(row.run(as_operands(values, dtype), sample.attributes))
    for y, want in zip(got, expected(row, values, sample), strict=True):
        close(row, y, want, dtype)


@pytest.mark.parametrize("create_graph", [False, True], ids=["fused", "unfused"])
@pytest.mark.parametrize(("row", "sample"), cases(differentiable=True))
def test_gradients_by_finite_differences(row: Row, sample: Sample, create_graph: bool) -> None:
    """d/dt of ⟨c, f(x + t·v)⟩ against ⟨∇, v⟩ for random directions v, each element's own for small operands."""
    values = sample.make(row.id)
    operands = make_grad_operands(row, sample, values, "float64")
    if not float_operands(sample):
        pytest.skip("no float operand")
    _, inputs, grads = gradients(row, operands, sample, create_graph)

    def objective(arrays: list[Any]) -> float:
        with fg.no_grad():
            results = [y for y in row.results(row.run(as_operands(arrays, "float64"), sample.attributes))]
        results = [y._numpy() for y, o in zip(results, outputs, strict=True) if o.requires_grad]
        return sum(float((weights(y.shape, k) * y).sum()) for k, y in enumerate(results))

    outputs = row.results(row.run(operands, sample.attributes))
    positions = float_operands(sample)
    for k, x, g in zip(positions, inputs, grads, strict=True):
        g = np.zeros(x.shape) if g is None else g._numpy()
        assert g.shape == x.shape
        for v in directions(values[k].shape):
            shifted = [list(values), list(values)]
            shifted[0][k], shifted[1][k] = np.asarray(values[k] + EPS * v), np.asarray(values[k] - EPS * v)
            numeric = (objective(shifted[0]) - objective(shifted[1])) / (2 * EPS)
            analytic = float((g * v).sum())
            scale = float((np.abs(g) * np.abs(v)).sum())
            assert abs(analytic - numeric) <= ATOL * max(1.0, scale) + RTOL * abs(numeric), (
                f"operand {k}: analytic {analytic}, numeric {numeric}"
            )


def directions(shape: tuple[int, ...]) -> list[np.ndarray]:
    n = int(np.prod(shape, dtype=np.int64))
    if n == 0:
        return [np.zeros(shape)]
    if n <= 24:
        return [row.reshape(shape) for row in np.eye(n)]
    rng = np.random.default_rng(5)
    return [rng.standard_normal(shape) for _ in range(3)]


@pytest.mark.parametrize(("row", "sample"), [c for c in cases(large=False, differentiable=True) if c.values[0].second])
def test_second_order_gradients(row: Row, sample: Sample) -> None:
    """d/dt of ⟨u, ∇(x + t·v)⟩ against the gradient of ⟨u, ∇⟩, both in float64."""
    values = sample.make(row.id)
    positions = float_operands(sample)
    if not positions:
        pytest.skip("no float operand")

    def first(arrays: list[Any]) -> tuple[list[Any], list[Any]]:
        _, inputs, grads = gradients(row, make_grad_operands(row, sample, arrays, "float64"), sample, create_graph=True)
        return inputs, grads

    def paired(arrays: list[Any]) -> float:
        return sum(
            float((weights(g.shape, 100 + k) * g._numpy()).sum())
            for k, g in enumerate(first(arrays)[1])
            if g is not None
        )

    inputs, grads = first(values)
    pairs = [(g, weights(g.shape, 100 + k)) for k, g in enumerate(grads) if g is not None and g.requires_grad]
    if pairs:
        second = fg.autograd.grad([g for g, _ in pairs], inputs, [fg.tensor(u) for _, u in pairs], allow_unused=True)
    else:
        second = [None] * len(inputs)
    for k, x, h in zip(positions, inputs, second, strict=True):
        h = np.zeros(x.shape) if h is None else h._numpy()
        for v in directions(values[k].shape)[:6]:
            shifted = [list(values), list(values)]
            shifted[0][k], shifted[1][k] = np.asarray(values[k] + EPS * v), np.asarray(values[k] - EPS * v)
            numeric = (paired(shifted[0]) - paired(shifted[1])) / (2 * EPS)
            analytic = float((h * v).sum())
            scale = float((np.abs(h) * np.abs(v)).sum())
            assert abs(analytic - numeric) <= ATOL * max(1.0, scale) + RTOL * abs(numeric), (
                f"operand {k}: analytic {analytic}, numeric {numeric}"
            )


@pytest.mark.parametrize("isa_name", ISAS)
@pytest.mark.parametrize(("row", "sample"), cases(differentiable=True))
def test_float32_gradients(row: Row, sample: Sample, isa_name: str, isa: Any) -> None:
    """The float32 gradients against those of the float64 instance, on every instruction set."""
    isa(isa_name)
    values = sample.make(row.id)
    if not float_operands(sample):
        pytest.skip("no float operand")
    exact = gradients(row, make_grad_operands(row, sample, values, "float64"), sample)[2]
    got = gradients(row, make_grad_operands(row, sample, values, "float32"), sample)[2]
    for ours, want in zip(got, exact, strict=True):
        assert (ours is None) == (want is None)
        if ours is not None:
            want = want._numpy()
            tolerance = 10 * row.rtol
            scale = float(np.abs(want).max(initial=0.0))
            np.testing.assert_allclose(ours._numpy(), want, rtol=tolerance, atol=tolerance * max(scale, 1e-3))


def layouts(x: np.ndarray) -> dict[str, np.ndarray]:
    """The same values laid out otherwise; every one an ndarray, which the op shares."""
    found = {"contiguous": x.copy(), "transposed": x.T.copy().T}
    wide = np.zeros((x.shape[0] + 2, *x.shape[1:]), x.dtype) if x.ndim else x
    if x.ndim:
        wide[1:-1] = x
        found["offset"] = wide[1:-1]
        spread = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
        spread[..., ::2] = x
        found["step 2"] = spread[..., ::2]
        found["negative step"] = x[::-1].copy()[::-1]
        found["negative last"] = x[..., ::-1].copy()[..., ::-1]
    if x.ndim >= 3:
        found["channels last"] = np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1)
    raw = np.zeros(x.nbytes + 1, np.uint8)
    unaligned = raw[1 : 1 + x.nbytes].view(x.dtype).reshape(x.shape)
    unaligned[...] = x
    found["unaligned"] = unaligned
    if x.dtype.itemsize > 1:
        found["byte-swapped"] = x.astype(x.dtype.newbyteorder())
    read_only = x.copy()
    read_only.flags.writeable = False
    found["read-only"] = read_only
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("row", "sample"), cases())
def test_layouts(row: Row, sample: Sample, dtype: str) -> None:
    """Each operand in each layout, as an ndarray: the results of the contiguous one."""
    if row.reference is None:
        pytest.skip("a row without a reference checks itself in its family's tests")
    values = [x.astype(dtype) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x for x in sample.make(row.id)]
    want = [y._readable() for y in row.results(row.run(as_operands(values, dtype), sample.attributes))]
    for k, x in enumerate(values):
        if not isinstance(x, np.ndarray):
            continue
        for name, arranged in layouts(x).items():
            np.testing.assert_array_equal(arranged, x)
            operands: list[Any] = list(values)
            operands[k] = arranged
            got = row.results(row.run(operands, sample.attributes))
            for y, w in zip(got, want, strict=True):
                if w.dtype.kind == "f":
                    y = y._readable()
                    assert y.shape == w.shape
                    scale = np.abs(w[np.isfinite(w)]).max(initial=0.0) if row.scaled else 0.0
                    rtol = row.rtol if dtype == "float32" else 1e-11
                    np.testing.assert_allclose(y, w, rtol=rtol, atol=rtol * max(scale, 1e-3), err_msg=name)
                else:
                    np.testing.assert_array_equal(y._readable(), w, err_msg=name)


@pytest.mark.parametrize(("row", "sample"), cases())
def test_broadcast_operands(row: Row, sample: Sample) -> None:
    """An operand with a stride of 0 against its copy."""
    values = [
        x.astype(np.float32) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x for x in sample.make(row.id)
    ]
    if row.reference is None:
        pytest.skip("a row without a reference checks itself in its family's tests")
    for k, x in enumerate(values):
        if not isinstance(x, np.ndarray) or x.ndim == 0 or x.shape[0] == 0:
            continue
        stretched = np.broadcast_to(x[:1], x.shape)
        operands, plain = list(values), list(values)
        operands[k], plain[k] = stretched, stretched.copy()
        got = row.results(row.run(operands, sample.attributes))
        want = row.results(row.run(plain, sample.attributes))
        for y, w in zip(got, want, strict=True):
            y, w = y._readable(), w._readable()
            scale = np.abs(w[np.isfinite(w)]).max(initial=0.0) if row.scaled and w.dtype.kind == "f" else 0.0
            np.testing.assert_allclose(y, w, rtol=row.rtol, atol=row.rtol * max(scale, 1e-3))


@pytest.mark.parametrize(("row", "sample"), cases())
def test_threads_are_bit_equal(row: Row, sample: Sample, threads: Any) -> None:
    """Results and gradients for 1, 2 and 8 threads, to the bit."""
    values = sample.make(row.id)
    found = []
    for n in (1, 2, 8):
        threads(n)
        if row.differentiable and float_operands(sample):
            operands = make_grad_operands(row, sample, values, "float32")
            results, _, grads = gradients(row, operands, sample)
            found.append([y._numpy() for y in [*results, *grads] if y is not None])
        else:
            found.append(
                [y._readable() for y in row.results(row.run(as_operands(values, "float32"), sample.attributes))]
            )
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize(
    ("row", "bad"),
    [pytest.param(row, bad, id=f"{row.id}-{k}") for row in ROWS for k, bad in enumerate(row.errors)],
)
def test_errors(row: Row, bad: Any) -> None:
    """A wrong call raises what it should, with a message that helps."""
    operands = [x.make(1).astype(np.float32) if isinstance(x, Arr) and x.kind == "float" else x for x in bad.operands]
    operands = [x.make(1) if isinstance(x, Arr) else x for x in operands]
    with pytest.raises(bad.exception, match=bad.match):
        row.run(operands, bad.attributes)


@pytest.mark.parametrize(("row", "sample"), cases(large=False))
@pytest.mark.parametrize("other", [object(), [1.0, 2.0]], ids=["object", "list"])
def test_what_is_no_array(row: Row, sample: Sample, other: Any) -> None:
    """In place of any array it is a TypeError that says what was expected; some functions take a list, as NumPy does."""
    operands = as_operands(sample.make(row.id), "float32")
    arrays = [k for k, x in enumerate(operands) if isinstance(x, fg.Tensor)]
    errors = [raised(row, [*operands[:k], other, *operands[k + 1 :]], sample) for k in arrays]
    # Where the row's own call looks at an operand before the library does, it is the call that fails.
    ours = [e for e in errors if not (isinstance(e, AttributeError) and raised_in(e, "registry"))]
    if arrays and not ours:
        pytest.skip("the row's own call looks at its operands before the library does")
    for error in ours:
        if isinstance(other, list):
            assert error is None or isinstance(error, (TypeError, ValueError, RuntimeError, IndexError))
        else:
            assert isinstance(error, TypeError)
            assert re.search(r"expected .* got", str(error))


def raised(row: Row, operands: list[Any], sample: Sample) -> Exception | None:
    try:
        row.run(operands, sample.attributes)
    except Exception as error:
        return error
    return None


def raised_in(error: Exception, folder: str) -> bool:
    return folder in Path(traceback.extract_tb(error.__traceback__)[-1].filename).parts


@pytest.mark.parametrize(("row", "sample"), [c for c in cases() if c.values[0].torch is not None])
@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's own, about degrees of freedom
def test_agreement_with_pytorch(row: Row, sample: Sample) -> None:
    """Results and gradients in float64 against PyTorch's."""
    torch = pytest.importorskip("torch")
    values = sample.make(row.id)
    theirs = [torch.tensor(x) if isinstance(x, np.ndarray) else x for x in values]
    for k in float_operands(sample) if row.differentiable else []:
        theirs[k].requires_grad_(True)
    outcome = row.torch(torch, *theirs, **sample.attributes)
    want = row.results(outcome)
    ours = make_grad_operands(row, sample, values, "float64") if row.differentiable else as_operands(values, "float64")
    got = row.results(row.run(ours, sample.attributes))
    for y, w in zip(got, want, strict=True):
        np.testing.assert_allclose(y._readable(), w.detach().numpy(), rtol=1e-10, atol=1e-12)
    if not row.differentiable or not float_operands(sample):
        return
    recorded = [(y, w) for y, w in zip(got, want, strict=True) if y.requires_grad]
    cotangents = [weights(y.shape, k) for k, (y, _) in enumerate(recorded)]
    fg.autograd.backward([y for y, _ in recorded], [fg.tensor(c) for c in cotangents])
    torch.autograd.backward([w for _, w in recorded], [torch.tensor(c) for c in cotangents])
    for k in float_operands(sample):
        if theirs[k].grad is not None:
            np.testing.assert_allclose(ours[k].grad._numpy(), theirs[k].grad.numpy(), rtol=1e-9, atol=1e-11)


def test_every_op_has_a_row() -> None:
    """A public op without a row fails here."""
    covered = {row.name for row in ROWS} | set(itertools.chain.from_iterable(row.covers for row in ROWS))
    assert set(ops.OPS) - covered == set()


def test_every_kernel_path_is_entered(isa: Any, threads: Any) -> None:
    """Runs every row on every instruction set with two threads and looks at what was counted.

    A path that was compiled and never entered, or one that can be parallel and never had a second task, fails.
    """
    threads(2)
    for isa_name in ISAS:
        isa(isa_name)
        for row in ROWS:
            for sample in row.samples:
                for dtype in ("float32", "float64"):
                    values = sample.make(row.id)
                    if row.differentiable and float_operands(sample):
                        gradients(row, make_grad_operands(row, sample, values, dtype), sample)
                    else:
                        row.run(as_operands(values, dtype), sample.attributes)
    entered = {(path, name): tasks for path, name, tasks in _core.testing.entered_paths()}
    missing = [
        (path, name) for path, _ in _core.testing.declared_paths() for name in ISAS if (path, name) not in entered
    ]
    assert missing == []
    serial = [
        (path, name)
        for path, parallel in _core.testing.declared_paths()
        for name in ISAS
        if parallel and entered[path, name] < 2
    ]
    assert serial == []
