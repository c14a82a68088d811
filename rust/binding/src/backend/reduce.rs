use ferrograd_array::{Array, Result};
use ferrograd_cpu::reduce;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::{needs_grad, result};
use crate::error::{self, to_py};
use crate::operand::Operand;

/// The operand as an array of its own dtype, and whether the result requires a gradient.
pub fn source(op: &str, x: &Bound<'_, PyAny>) -> PyResult<(Array, bool)> {
    let operand = Operand::extract(op, "input", x)?;
    let requires_grad = needs_grad(&[&operand]);
    Ok((operand.into_array(op, "input").map_err(|e| to_py(x.py(), e))?, requires_grad))
}

macro_rules! reductions {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        $(#[$doc])*
        #[pyfunction]
        pub fn $name<'py>(x: &Bound<'py, PyAny>, dim: Vec<isize>, keepdim: bool) -> PyResult<Bound<'py, PyAny>> {
            let (a, requires_grad) = source(stringify!($name), x)?;
            result(x.py(), error::call(x.py(), a.numel(), || reduce::$name(&a, &dim, keepdim))?, requires_grad)
        }
    )*};
}

// An empty `dim` means all dimensions.
reductions!(sum, mean, prod, amax, amin, any, all, logsumexp);

#[pyfunction]
pub fn var<'py>(x: &Bound<'py, PyAny>, dim: Vec<isize>, correction: f64, keepdim: bool) -> PyResult<Bound<'py, PyAny>> {
    let (a, requires_grad) = source("var", x)?;
    result(x.py(), error::call(x.py(), a.numel(), || reduce::var(&a, &dim, correction, keepdim))?, requires_grad)
}

/// The sum that undoes broadcasting from `shape`.
#[pyfunction]
pub fn sum_to<'py>(x: &Bound<'py, PyAny>, shape: Vec<usize>) -> PyResult<Bound<'py, PyAny>> {
    let (a, requires_grad) = source("sum_to", x)?;
    result(x.py(), error::call(x.py(), a.numel(), || reduce::sum_to(&a, &shape))?, requires_grad)
}

type ArgKernel = fn(&Array, Option<isize>, bool) -> Result<Array>;
type PairKernel = fn(&Array, isize, bool) -> Result<(Array, Array)>;

fn arg<'py>(
    op: &str,
    x: &Bound<'py, PyAny>,
    dim: Option<isize>,
    keepdim: bool,
    kernel: ArgKernel,
) -> PyResult<Bound<'py, PyAny>> {
    let (a, _) = source(op, x)?;
    result(x.py(), error::call(x.py(), a.numel(), || kernel(&a, dim, keepdim))?, false)
}

#[pyfunction]
pub fn argmax<'py>(x: &Bound<'py, PyAny>, dim: Option<isize>, keepdim: bool) -> PyResult<Bound<'py, PyAny>> {
    arg("argmax", x, dim, keepdim, reduce::argmax)
}

#[pyfunction]
pub fn argmin<'py>(x: &Bound<'py, PyAny>, dim: Option<isize>, keepdim: bool) -> PyResult<Bound<'py, PyAny>> {
    arg("argmin", x, dim, keepdim, reduce::argmin)
}

fn pair<'py>(
    op: &str,
    x: &Bound<'py, PyAny>,
    dim: isize,
    keepdim: bool,
    kernel: PairKernel,
) -> PyResult<Bound<'py, PyTuple>> {
    let py = x.py();
    let (a, requires_grad) = source(op, x)?;
    let (values, indices) = error::call(py, a.numel(), || kernel(&a, dim, keepdim))?;
    PyTuple::new(py, [result(py, values, requires_grad)?, result(py, indices, false)?])
}

/// `(values, indices)` along `dim`.
#[pyfunction]
pub fn max_dim<'py>(x: &Bound<'py, PyAny>, dim: isize, keepdim: bool) -> PyResult<Bound<'py, PyTuple>> {
    pair("max", x, dim, keepdim, reduce::max_dim)
}

/// `(values, indices)` along `dim`.
#[pyfunction]
pub fn min_dim<'py>(x: &Bound<'py, PyAny>, dim: isize, keepdim: bool) -> PyResult<Bound<'py, PyTuple>> {
    pair("min", x, dim, keepdim, reduce::min_dim)
}
