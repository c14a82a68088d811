//! Reading and writing at computed places, and joining arrays.

use ferrograd_array::{Array, DType, Error};
use ferrograd_cpu::{index, join};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::{needs_grad, result, with_out};
use crate::error::{self, to_py};
use crate::operand::{Operand, Value, result_dtype};
use crate::tensor::TensorBase;

/// An operand as it is, and whether gradients are recorded for it.
pub(super) fn take(op: &str, argument: &str, x: &Bound<'_, PyAny>) -> PyResult<(Array, bool)> {
    let operand = Operand::extract(op, argument, x)?;
    let requires_grad = needs_grad(&[&operand]);
    Ok((operand.into_array(op, argument).map_err(|e| to_py(x.py(), e))?, requires_grad))
}

/// A 0-d operand that is no part of a graph: a Python number in full precision, or an array as it is.
pub(super) fn take_scalar(op: &str, argument: &str, x: &Bound<'_, PyAny>) -> PyResult<Array> {
    let operand = Operand::extract(op, argument, x)?;
    let taken = match operand.value {
        Value::Number(number) => number.array(op, argument, DType::F64),
        Value::Array(array) => Ok(array),
    };
    taken.map_err(|e| to_py(x.py(), e))
}

/// An operand in the dtype of another; arrays must have it, numbers take it.
fn take_like(op: &str, argument: &str, x: &Bound<'_, PyAny>, like: &Array) -> PyResult<(Array, bool)> {
    let py = x.py();
    let operand = Operand::extract(op, argument, x)?;
    let requires_grad = needs_grad(&[&operand]);
    if let Value::Array(a) = &operand.value
        && a.dtype() != like.dtype()
        && a.ndim() > 0
    {
        let expected = format!("{}, as the input has (convert one)", like.dtype());
        return Err(to_py(py, Error::dtype(op, argument, expected, a.dtype())));
    }
    Ok((operand.array(op, argument, like.dtype()).map_err(|e| to_py(py, e))?, requires_grad))
}

/// out[…, i, …] = x[…, index[…, i, …], …] along `dim`.
#[pyfunction]
pub fn gather<'py>(x: &Bound<'py, PyAny>, index: &Bound<'py, PyAny>, dim: isize) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    let (x, requires_grad) = take("gather", "input", x)?;
    let (index, _) = take("gather", "index", index)?;
    result(py, error::call(py, index.numel(), || index::gather(&x, dim, &index))?, requires_grad)
}

type Scatter = fn(&Array, isize, &Array, &Array) -> ferrograd_array::Result<Array>;

fn scatter_by<'py>(
    op: &str,
    x: &Bound<'py, PyAny>,
    index: &Bound<'py, PyAny>,
    src: &Bound<'py, PyAny>,
    dim: isize,
    kernel: Scatter,
) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    let (x, from_x) = take(op, "input", x)?;
    let (index, _) = take(op, "index", index)?;
    let (src, from_src) = take_like(op, "src", src, &x)?;
    let work = x.numel().max(index.numel());
    result(py, error::call(py, work, || kernel(&x, dim, &index, &src))?, from_x || from_src)
}

/// A copy of x with out[…, index[…, i, …], …] = src[…, i, …] along `dim`.
#[pyfunction]
pub fn scatter<'py>(
    x: &Bound<'py, PyAny>,
    index: &Bound<'py, PyAny>,
    src: &Bound<'py, PyAny>,
    dim: isize,
) -> PyResult<Bound<'py, PyAny>> {
    scatter_by("scatter", x, index, src, dim, index::scatter)
}

/// As `scatter`, adding.
#[pyfunction]
pub fn scatter_add<'py>(
    x: &Bound<'py, PyAny>,
    index: &Bound<'py, PyAny>,
    src: &Bound<'py, PyAny>,
    dim: isize,
) -> PyResult<Bound<'py, PyAny>> {
    scatter_by("scatter_add", x, index, src, dim, index::scatter_add)
}

/// The index arrays with their dimensions.
fn take_indices(op: &str, indices: &Bound<'_, PyTuple>, dims: &[usize]) -> PyResult<Vec<(usize, Array)>> {
    if indices.len() != dims.len() {
        let wrong = Error::value(op, "dims", format_args!("{} dimensions, one an index", indices.len()), dims.len());
        return Err(to_py(indices.py(), wrong));
    }
    let arrays = indices.iter().zip(dims).enumerate();
    arrays.map(|(k, (index, &dim))| Ok((dim, take(op, &format!("indices[{k}]"), &index)?.0))).collect()
}

fn by_ref(indices: &[(usize, Array)]) -> Vec<(usize, &Array)> {
    indices.iter().map(|(dim, a)| (*dim, a)).collect()
}

/// x at index arrays that stand at `dims` and are broadcast together.
#[pyfunction]
pub fn index_get<'py>(
    x: &Bound<'py, PyAny>,
    indices: &Bound<'py, PyTuple>,
    dims: Vec<usize>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    let (x, requires_grad) = take("index_get", "input", x)?;
    let indices = take_indices("index_get", indices, &dims)?;
    let work = indices.iter().map(|(_, a)| a.numel()).max().unwrap_or(0).max(x.numel());
    result(py, error::call(py, work, || index::index_get(&x, &by_ref(&indices)))?, requires_grad)
}

/// Zeros of `shape` with g added up at the indices.
#[pyfunction]
pub fn index_get_grad<'py>(
    g: &Bound<'py, PyAny>,
    indices: &Bound<'py, PyTuple>,
    dims: Vec<usize>,
    shape: Vec<usize>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = g.py();
    let (g, requires_grad) = take("index_get_grad", "grad", g)?;
    let indices = take_indices("index_get_grad", indices, &dims)?;
    let work = g.numel().max(shape.iter().product());
    result(py, error::call(py, work, || index::index_get_grad(&g, &by_ref(&indices), &shape))?, requires_grad)
}

/// A copy of x with `values` put or added at the indices; in place where `out` is x itself.
#[pyfunction]
#[pyo3(signature = (x, values, indices, dims, accumulate, out=None))]
pub fn index_put<'py>(
    x: &Bound<'py, PyAny>,
    values: &Bound<'py, PyAny>,
    indices: &Bound<'py, PyTuple>,
    dims: Vec<usize>,
    accumulate: bool,
    out: Option<&Bound<'py, TensorBase>>,
) -> PyResult<Bound<'py, PyAny>> {
    let op = "index_put";
    let py = x.py();
    let (x, from_x) = take(op, "input", x)?;
    let operand = Operand::extract(op, "values", values)?;
    let from_values = needs_grad(&[&operand]);
    let values = operand.array(op, "values", x.dtype()).map_err(|e| to_py(py, e))?;
    let indices = take_indices(op, indices, &dims)?;
    let work = x.numel().max(values.numel());
    with_out(op, out, py, work, from_x || from_values, |out| {
        index::index_put(&x, &by_ref(&indices), &values, accumulate, out)
    })
}

/// The places of the elements that are not zero, (n, ndim).
#[pyfunction]
pub fn nonzero<'py>(x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    let (x, _) = take("nonzero", "input", x)?;
    result(py, error::call(py, x.numel(), || index::nonzero(&x))?, false)
}

/// Rows of a table by number.
#[pyfunction]
pub fn embedding<'py>(weight: &Bound<'py, PyAny>, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = weight.py();
    let (weight, requires_grad) = take("embedding", "weight", weight)?;
    let (index, _) = take("embedding", "index", index)?;
    let work = index.numel().saturating_mul(weight.shape().last().copied().unwrap_or(1));
    result(py, error::call(py, work, || index::embedding(&weight, &index))?, requires_grad)
}

/// The gradient of the table: the sum of g over the places of each row.
#[pyfunction]
#[pyo3(signature = (g, index, num_embeddings, padding_idx=None))]
pub fn embedding_grad<'py>(
    g: &Bound<'py, PyAny>,
    index: &Bound<'py, PyAny>,
    num_embeddings: usize,
    padding_idx: Option<isize>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = g.py();
    let (g, requires_grad) = take("embedding_grad", "grad", g)?;
    let (index, _) = take("embedding_grad", "index", index)?;
    let work = g.numel().max(num_embeddings);
    let kernel = || index::embedding_grad(&g, &index, num_embeddings, padding_idx);
    result(py, error::call(py, work, kernel)?, requires_grad)
}

/// The operands in their common dtype, and whether gradients are recorded for any.
fn take_all(op: &str, tensors: &Bound<'_, PyTuple>) -> PyResult<(Vec<Array>, bool)> {
    let name = |k: usize| format!("tensors[{k}]");
    let operands = tensors.iter().enumerate().map(|(k, x)| Operand::extract(op, &name(k), &x));
    let operands = operands.collect::<PyResult<Vec<_>>>()?;
    if operands.is_empty() {
        return Ok((Vec::new(), false));
    }
    let requires_grad = needs_grad(&operands.iter().collect::<Vec<_>>());
    let dtype = result_dtype(&operands);
    let arrays = operands.into_iter().enumerate().map(|(k, x)| x.array(op, &name(k), dtype));
    Ok((arrays.collect::<Result<_, _>>().map_err(|e| to_py(tensors.py(), e))?, requires_grad))
}

/// Arrays one after the other along `dim`.
#[pyfunction]
pub fn concatenate<'py>(tensors: &Bound<'py, PyTuple>, dim: isize) -> PyResult<Bound<'py, PyAny>> {
    let py = tensors.py();
    let (arrays, requires_grad) = take_all("concatenate", tensors)?;
    let work = arrays.iter().map(Array::numel).sum();
    let kernel = || join::concatenate(&arrays.iter().collect::<Vec<_>>(), dim);
    result(py, error::call(py, work, kernel)?, requires_grad)
}

/// Arrays along a new dimension.
#[pyfunction]
pub fn stack<'py>(tensors: &Bound<'py, PyTuple>, dim: isize) -> PyResult<Bound<'py, PyAny>> {
    let py = tensors.py();
    let (arrays, requires_grad) = take_all("stack", tensors)?;
    let work = arrays.iter().map(Array::numel).sum();
    let kernel = || join::stack(&arrays.iter().collect::<Vec<_>>(), dim);
    result(py, error::call(py, work, kernel)?, requires_grad)
}

/// x with (before, after) elements of `value` added to each dimension.
#[pyfunction]
pub fn pad<'py>(x: &Bound<'py, PyAny>, padding: Vec<(isize, isize)>, value: f64) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    let (x, requires_grad) = take("pad", "input", x)?;
    result(py, error::call(py, x.numel(), || join::pad(&x, &padding, value))?, requires_grad)
}
