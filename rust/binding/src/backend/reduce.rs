use ferrograd_array::{Array, DType, Result};
use ferrograd_cpu::reduce;
use pyo3::exceptions::{PyIndexError, PyRuntimeError, PyValueError};
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

/// Raises `error` where an element is below `lowest`, above `highest` or no number; `expected` begins its message. A check
/// as a call: a recorded step makes it again.
#[pyfunction]
pub fn check_range(
    x: &Bound<'_, PyAny>,
    lowest: Option<f64>,
    highest: Option<f64>,
    expected: &str,
    error: &str,
) -> PyResult<()> {
    let py = x.py();
    let (a, _) = source("check_range", x)?;
    if a.numel() == 0 {
        return Ok(());
    }
    let end = |extreme: fn(&Array, &[isize], bool) -> Result<Array>| -> PyResult<f64> {
        let end = error::call(py, a.numel(), || ferrograd_cpu::cast(&extreme(&a, &[], false)?, DType::F64))?;
        Ok(end.to_vec::<f64>()[0])
    };
    let mut bad = None;
    if let Some(lowest) = lowest {
        bad = Some(end(reduce::amin)?).filter(|v| *v < lowest || v.is_nan());
    }
    if let (None, Some(highest)) = (bad, highest) {
        bad = Some(end(reduce::amax)?).filter(|v| *v > highest || v.is_nan());
    }
    let Some(bad) = bad else { return Ok(()) };
    let got = if a.dtype().is_float() { format!("{bad:?}") } else { format!("{bad}") };
    let message = format!("{expected}, got {got}");
    Err(match error {
        "IndexError" => PyIndexError::new_err(message),
        "ValueError" => PyValueError::new_err(message),
        _ => PyRuntimeError::new_err(message),
    })
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
