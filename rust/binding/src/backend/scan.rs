use ferrograd_array::{Array, Result};
use ferrograd_cpu::scan;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::{needs_grad, reduce::source, result};
use crate::error::{self, to_py};
use crate::operand::{Operand, result_dtype};

/// Running sums along `dim`, from the end in reverse; integers and booleans as int64.
#[pyfunction]
pub fn cumsum<'py>(x: &Bound<'py, PyAny>, dim: isize, reverse: bool) -> PyResult<Bound<'py, PyAny>> {
    let (a, requires_grad) = source("cumsum", x)?;
    result(x.py(), error::call(x.py(), a.numel(), || scan::cumsum(&a, dim, reverse))?, requires_grad)
}

/// Running products along `dim`, from the end in reverse; integers and booleans as int64.
#[pyfunction]
pub fn cumprod<'py>(x: &Bound<'py, PyAny>, dim: isize, reverse: bool) -> PyResult<Bound<'py, PyAny>> {
    let (a, requires_grad) = source("cumprod", x)?;
    result(x.py(), error::call(x.py(), a.numel(), || scan::cumprod(&a, dim, reverse))?, requires_grad)
}

/// Running log Σ exp along `dim`.
#[pyfunction]
pub fn logcumsumexp<'py>(x: &Bound<'py, PyAny>, dim: isize) -> PyResult<Bound<'py, PyAny>> {
    let (a, requires_grad) = source("logcumsumexp", x)?;
    result(x.py(), error::call(x.py(), a.numel(), || scan::logcumsumexp(&a, dim))?, requires_grad)
}

/// y_i = decay_i y_{i−1} + x_i along `dim`, from the end in reverse.
#[pyfunction]
pub fn linear_scan<'py>(
    decay: &Bound<'py, PyAny>,
    x: &Bound<'py, PyAny>,
    dim: isize,
    reverse: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let (op, py) = ("linear_scan", x.py());
    let operands = [Operand::extract(op, "decay", decay)?, Operand::extract(op, "input", x)?];
    let requires_grad = needs_grad(&[&operands[0], &operands[1]]);
    let dtype = result_dtype(&operands);
    let [decay, x] = operands;
    let decay = decay.array(op, "decay", dtype).map_err(|e| to_py(py, e))?;
    let x = x.array(op, "input", dtype).map_err(|e| to_py(py, e))?;
    result(py, error::call(py, x.numel(), || scan::linear_scan(&decay, &x, dim, reverse))?, requires_grad)
}

pub(super) fn pair<'py>(
    op: &str,
    x: &Bound<'py, PyAny>,
    kernel: impl FnOnce(&Array) -> Result<(Array, Array)> + Send,
) -> PyResult<Bound<'py, PyTuple>> {
    let py = x.py();
    let (a, requires_grad) = source(op, x)?;
    let (values, indices) = error::call(py, a.numel(), || kernel(&a))?;
    PyTuple::new(py, [result(py, values, requires_grad)?, result(py, indices, false)?])
}

/// `(values, indices)` of the largest element so far.
#[pyfunction]
pub fn cummax<'py>(x: &Bound<'py, PyAny>, dim: isize) -> PyResult<Bound<'py, PyTuple>> {
    pair("cummax", x, |a| scan::cummax(a, dim))
}

/// `(values, indices)` of the smallest element so far.
#[pyfunction]
pub fn cummin<'py>(x: &Bound<'py, PyAny>, dim: isize) -> PyResult<Bound<'py, PyTuple>> {
    pair("cummin", x, |a| scan::cummin(a, dim))
}
