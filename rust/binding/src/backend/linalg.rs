//! Matrix products.

use ferrograd_array::{DType, Error};
use ferrograd_cpu as cpu;
use ferrograd_cpu::activation::Activation;
use pyo3::prelude::*;

use super::{needs_grad, result};
use crate::error::{self, to_py};
use crate::modes;
use crate::operand::{Operand, Value};
use crate::tensor::{TensorBase, as_tensor};

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

/// A tensor without a copy of what describes it, for a product so small that the GIL is kept; None for anything else.
fn small<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<PyRef<'py, TensorBase>>> {
    let Some(tensor) = as_tensor(object) else { return Ok(None) };
    let tensor = tensor.borrow();
    tensor.check_fresh()?;
    Ok((!error::releases_gil(tensor.array.numel())).then_some(tensor))
}

/// x · y, PyTorch's `matmul`.
#[pyfunction]
pub fn matmul<'py>(x: &Bound<'py, PyAny>, y: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    if let (Some(x), Some(y)) = (small(x)?, small(y)?)
        && x.array.dtype() == y.array.dtype()
    {
        let requires_grad = (x.requires_grad || y.requires_grad) && modes::recording();
        return result(py, error::guarded(py, || cpu::linalg::matmul(&x.array, &y.array))?, requires_grad);
    }
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
    if let (Some(x), Some(w)) = (small(x)?, small(w)?)
        && let Some(b) = b.map(small).transpose()?.map_or(Some(None), |b| b.map(Some))
        && x.array.dtype() == w.array.dtype()
        && b.as_ref().is_none_or(|b| b.array.dtype() == x.array.dtype())
    {
        let wanted = x.requires_grad || w.requires_grad || b.as_ref().is_some_and(|b| b.requires_grad);
        let kernel = || cpu::linalg::linear(&x.array, &w.array, b.as_ref().map(|b| &b.array), activation, false);
        return result(py, error::guarded(py, kernel)?, wanted && modes::recording());
    }
    let (x, w) = (Operand::extract("linear", "input", x)?, Operand::extract("linear", "weight", w)?);
    let b = b.map(|b| Operand::extract("linear", "bias", b)).transpose()?;
    check_same_dtype(py, "linear", x.dtype(), "weight", w.dtype())?;
    if let Some(b) = &b {
        check_same_dtype(py, "linear", x.dtype(), "bias", b.dtype())?;
    }
    let requires_grad = needs_grad(&[&x, &w]) || b.as_ref().is_some_and(|b| needs_grad(&[b]));
    // Weights that are trained change with the next step; those of a network that is only evaluated do not.
    let constant = !needs_grad(&[&w]);
    let unpacked = (|| {
        let b = b.map(|b| b.into_array("linear", "bias")).transpose()?;
        Ok((x.into_array("linear", "input")?, w.into_array("linear", "weight")?, b))
    })();
    let (x, w, b) = unpacked.map_err(|e| to_py(py, e))?;
    if !constant {
        w.buffer().forget_derived();
    }
    let work = x.numel().max(w.numel());
    let kernel = || cpu::linalg::linear(&x, &w, b.as_ref(), activation, constant);
    result(py, error::call(py, work, kernel)?, requires_grad)
}

type Gradients<'py> = (Option<Bound<'py, PyAny>>, Option<Bound<'py, PyAny>>, Option<Bound<'py, PyAny>>);

/// The gradients of `linear` for x, w and b, those of the three that `needs_x`, `needs_w` and `needs_b` ask for, from the
/// gradient `g` of its result; see `cpu::linalg::linear_grad` for when x and the result may be None.
#[pyfunction]
#[pyo3(signature = (g, x, w, b, result, activation, needs_x, needs_w, needs_b))]
pub fn linear_grad<'py>(
    g: &Bound<'py, PyAny>,
    x: Option<&Bound<'py, PyAny>>,
    w: &Bound<'py, PyAny>,
    b: Option<&Bound<'py, PyAny>>,
    result: Option<&Bound<'py, PyAny>>,
    activation: Option<&str>,
    needs_x: bool,
    needs_w: bool,
    needs_b: bool,
) -> PyResult<Gradients<'py>> {
    let py = g.py();
    let activation = parse_activation(py, "linear_grad", activation)?;
    let array = |argument: &str, object: &Bound<'py, PyAny>| {
        let operand = Operand::extract("linear_grad", argument, object)?;
        operand.into_array("linear_grad", argument).map_err(|e| to_py(py, e))
    };
    let maybe = |argument, object: Option<_>| object.map(|object| array(argument, object)).transpose();
    let (g, w) = (array("g", g)?, array("w", w)?);
    let (x, b, result) = (maybe("x", x)?, maybe("b", b)?, maybe("result", result)?);
    let work = g.numel().max(w.numel()).max(x.as_ref().map_or(0, |x| x.numel()));
    let kernel = || {
        cpu::linalg::linear_grad(
            &g,
            x.as_ref(),
            &w,
            b.as_ref(),
            result.as_ref(),
            activation,
            [needs_x, needs_w, needs_b],
        )
    };
    let [gx, gw, gb] = error::call(py, work, kernel)?;
    let tensor = |array: Option<ferrograd_array::Array>| array.map(|array| super::result(py, array, false)).transpose();
    Ok((tensor(gx)?, tensor(gw)?, tensor(gb)?))
}
