//! Matrix products.

use ferrograd_array::{DType, Error};
use ferrograd_cpu as cpu;
use ferrograd_cpu::activation::Activation;
use pyo3::prelude::*;

use super::{needs_grad, result};
use crate::error::{self, to_py};
use crate::operand::{Operand, Value};

/// The activation of this name; no name is none.
pub fn parse_activation(py: Python<'_>, op: &str, name: Option<&str>) -> PyResult<Activation> {
    Ok(match name {
        None => Activation::None,
        Some("relu") => Activation::Relu,
        Some("sigmoid") => Activation::Sigmoid,
        Some("tanh") => Activation::Tanh,
        Some("gelu") => Activation::Gelu,
        Some("silu") => Activation::Silu,
        Some(other) => {
            let expected = "None, 'relu', 'sigmoid', 'tanh', 'gelu' or 'silu'";
            return Err(to_py(py, Error::value(op, "activation", expected, format_args!("'{other}'"))));
        }
    })
}

/// Operands that must agree in dtype, a layer's input with its parameters: numbers are not promoted here.
pub fn check_same_dtype(py: Python<'_>, op: &str, dtype: DType, argument: &str, other: DType) -> PyResult<()> {
    if dtype == other {
        return Ok(());
    }
    let cure = format!("{dtype}, as the input has (convert one with .to('{dtype}') or .to('{other}'))");
    Err(to_py(py, Error::dtype(op, argument, cure, other)))
}

/// x · y, PyTorch's `matmul`.
#[pyfunction]
pub fn matmul<'py>(x: &Bound<'py, PyAny>, y: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    let (x, y) = (Operand::extract("matmul", "input", x)?, Operand::extract("matmul", "other", y)?);
    for (operand, argument) in [(&x, "input"), (&y, "other")] {
        if matches!(operand.value, Value::Number(_)) {
            return Err(to_py(py, Error::shape("matmul", argument, "at least 1 dimension", "a number; use *")));
        }
    }
    check_same_dtype(py, "matmul", x.dtype(), "other", y.dtype())?;
    let requires_grad = needs_grad(&[&x, &y]);
    let unpacked = (|| Ok((x.into_array("matmul", "input")?, y.into_array("matmul", "other")?)))();
    let (x, y) = unpacked.map_err(|e| to_py(py, e))?;
    let work = x.numel().max(y.numel());
    result(py, error::call(py, work, || cpu::linalg::matmul(&x, &y))?, requires_grad)
}

/// activation(x · wᵀ + b) for x (*, in), w (out, in), b (out,).
#[pyfunction]
#[pyo3(signature = (x, w, b=None, activation=None))]
pub fn linear<'py>(
    x: &Bound<'py, PyAny>,
    w: &Bound<'py, PyAny>,
    b: Option<&Bound<'py, PyAny>>,
    activation: Option<&str>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    let activation = parse_activation(py, "linear", activation)?;
    let (x, w) = (Operand::extract("linear", "input", x)?, Operand::extract("linear", "weight", w)?);
    let b = b.map(|b| Operand::extract("linear", "bias", b)).transpose()?;
    check_same_dtype(py, "linear", x.dtype(), "weight", w.dtype())?;
    if let Some(b) = &b {
        check_same_dtype(py, "linear", x.dtype(), "bias", b.dtype())?;
    }
    let requires_grad = needs_grad(&[&x, &w]) || b.as_ref().is_some_and(|b| needs_grad(&[b]));
    let unpacked = (|| {
        let b = b.map(|b| b.into_array("linear", "bias")).transpose()?;
        Ok((x.into_array("linear", "input")?, w.into_array("linear", "weight")?, b))
    })();
    let (x, w, b) = unpacked.map_err(|e| to_py(py, e))?;
    let work = x.numel().max(w.numel());
    result(py, error::call(py, work, || cpu::linalg::linear(&x, &w, b.as_ref(), activation))?, requires_grad)
}
