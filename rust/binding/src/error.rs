//! One Rust error, one Python exception. Shape errors are a `ValueError` (NumPy's) and a `RuntimeError` (PyTorch's) at
//! once, dtype errors a `TypeError` and a `RuntimeError`: code that catches either library's keeps working.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ferrograd_array::Error;
use pyo3::exceptions::{PyIndexError, PyMemoryError, PyRuntimeError, PyTypeError, PyValueError, PyZeroDivisionError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};

static SHAPE_ERROR: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static DTYPE_ERROR: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static DIVISION_ERROR: PyOnceLock<Py<PyType>> = PyOnceLock::new();

fn exception<'py>(
    py: Python<'py>,
    cell: &'static PyOnceLock<Py<PyType>>,
    name: &str,
    doc: &str,
    bases: [Bound<'py, PyType>; 2],
) -> PyResult<Bound<'py, PyType>> {
    let class = cell.get_or_try_init(py, || -> PyResult<Py<PyType>> {
        let namespace = PyDict::new(py);
        namespace.set_item("__doc__", doc)?;
        namespace.set_item("__module__", "ferrograd")?;
        let metaclass = py.get_type::<PyType>();
        Ok(metaclass.call1((name, PyTuple::new(py, bases)?, namespace))?.cast_into::<PyType>()?.unbind())
    })?;
    Ok(class.bind(py).clone())
}

pub fn shape_error(py: Python<'_>) -> PyResult<Bound<'_, PyType>> {
    exception(
        py,
        &SHAPE_ERROR,
        "ShapeError",
        "Shapes that do not fit together; a ValueError as in NumPy and a RuntimeError as in PyTorch.",
        [py.get_type::<PyValueError>(), py.get_type::<PyRuntimeError>()],
    )
}

pub fn dtype_error(py: Python<'_>) -> PyResult<Bound<'_, PyType>> {
    exception(
        py,
        &DTYPE_ERROR,
        "DTypeError",
        "A dtype that an op does not take; a TypeError as in NumPy and a RuntimeError as in PyTorch.",
        [py.get_type::<PyTypeError>(), py.get_type::<PyRuntimeError>()],
    )
}

pub fn division_error(py: Python<'_>) -> PyResult<Bound<'_, PyType>> {
    exception(
        py,
        &DIVISION_ERROR,
        "IntegerDivisionError",
        "An integer divided by zero; a ZeroDivisionError as in Python and a RuntimeError as in PyTorch.",
        [py.get_type::<PyZeroDivisionError>(), py.get_type::<PyRuntimeError>()],
    )
}

pub fn to_py(py: Python<'_>, error: Error) -> PyErr {
    let message = error.to_string();
    match error {
        Error::Shape(_) => shape_error(py).map_or_else(|e| e, |class| PyErr::from_type(class, message)),
        Error::DType(_) => dtype_error(py).map_or_else(|e| e, |class| PyErr::from_type(class, message)),
        Error::ZeroDivision(_) => division_error(py).map_or_else(|e| e, |class| PyErr::from_type(class, message)),
        Error::Value(_) => PyValueError::new_err(message),
        Error::Index(_) => PyIndexError::new_err(message),
        Error::Device(_) => PyRuntimeError::new_err(message),
        Error::Memory(_) => PyMemoryError::new_err(message),
    }
}

/// Work of fewer elements than this is done with the GIL held: giving it back costs more than it frees.
const RELEASE_GIL_ABOVE: usize = 8 * 1024;

/// Runs a kernel: releases the GIL for large work, turns errors into exceptions and a panic (a bug of ours) into a
/// `RuntimeError` that says so.
pub fn call<R: Send>(
    py: Python<'_>,
    work: usize,
    kernel: impl FnOnce() -> ferrograd_array::Result<R> + Send,
) -> PyResult<R> {
    let caught = || catch_unwind(AssertUnwindSafe(kernel));
    raise(py, if releases_gil(work) { py.detach(caught) } else { caught() })
}

/// Whether so much work is done without the GIL.
#[inline]
pub fn releases_gil(work: usize) -> bool {
    work >= RELEASE_GIL_ABOVE
}

/// Runs a kernel with the GIL held, its errors and panics as [`call`]'s.
#[inline]
pub fn guarded<R>(py: Python<'_>, kernel: impl FnOnce() -> ferrograd_array::Result<R>) -> PyResult<R> {
    raise(py, catch_unwind(AssertUnwindSafe(kernel)))
}

#[inline]
fn raise<R>(py: Python<'_>, outcome: std::thread::Result<ferrograd_array::Result<R>>) -> PyResult<R> {
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(to_py(py, error)),
        Err(payload) => Err(internal(payload)),
    }
}

#[cold]
fn internal(payload: Box<dyn Any + Send>) -> PyErr {
    let what = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("unknown");
    PyRuntimeError::new_err(format!("ferrograd internal error, please report it: {what}"))
}
