use ferrograd_array::{Array, Result};
use ferrograd_cpu::softmax as kernels;
use pyo3::prelude::*;

use super::{needs_grad, reduce::source, result};
use crate::error::{self, to_py};
use crate::operand::Operand;

#[pyfunction]
pub fn softmax<'py>(x: &Bound<'py, PyAny>, dim: isize) -> PyResult<Bound<'py, PyAny>> {
    let (a, requires_grad) = source("softmax", x)?;
    result(x.py(), error::call(x.py(), a.numel(), || kernels::softmax(&a, dim))?, requires_grad)
}

#[pyfunction]
pub fn log_softmax<'py>(x: &Bound<'py, PyAny>, dim: isize) -> PyResult<Bound<'py, PyAny>> {
    let (a, requires_grad) = source("log_softmax", x)?;
    result(x.py(), error::call(x.py(), a.numel(), || kernels::log_softmax(&a, dim))?, requires_grad)
}

fn gradient<'py>(
    op: &str,
    y: &Bound<'py, PyAny>,
    g: &Bound<'py, PyAny>,
    kernel: impl FnOnce(&Array, &Array) -> Result<Array> + Send,
) -> PyResult<Bound<'py, PyAny>> {
    let py = y.py();
    let (y, g) = (Operand::extract(op, "result", y)?, Operand::extract(op, "grad", g)?);
    let requires_grad = needs_grad(&[&y, &g]);
    let (y, g) = (|| Ok((y.into_array(op, "result")?, g.into_array(op, "grad")?)))().map_err(|e| to_py(py, e))?;
    result(py, error::call(py, y.numel(), || kernel(&y, &g))?, requires_grad)
}

#[pyfunction]
pub fn softmax_grad<'py>(y: &Bound<'py, PyAny>, g: &Bound<'py, PyAny>, dim: isize) -> PyResult<Bound<'py, PyAny>> {
    gradient("softmax_grad", y, g, |y, g| kernels::softmax_grad(y, g, dim))
}

#[pyfunction]
pub fn log_softmax_grad<'py>(y: &Bound<'py, PyAny>, g: &Bound<'py, PyAny>, dim: isize) -> PyResult<Bound<'py, PyAny>> {
    gradient("log_softmax_grad", y, g, |y, g| kernels::log_softmax_grad(y, g, dim))
}
