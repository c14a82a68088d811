use ferrograd_array::{Array, DType, Error};
use ferrograd_cpu::norm::{self, Gradients};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::{needs_grad, result};
use crate::error::{self, to_py};
use crate::operand::Operand;
use crate::tensor::{TensorBase, after_write, before_write};

/// `input`, `weight` and `bias` as arrays, and whether a result requires a gradient.
fn operands(
    op: &str,
    x: &Bound<'_, PyAny>,
    weight: Option<&Bound<'_, PyAny>>,
    bias: Option<&Bound<'_, PyAny>>,
) -> PyResult<(Array, Option<Array>, Option<Array>, bool)> {
    let x_ = Operand::extract(op, "input", x)?;
    let weight = weight.map(|w| Operand::extract(op, "weight", w)).transpose()?;
    let bias = bias.map(|b| Operand::extract(op, "bias", b)).transpose()?;
    let requires_grad = needs_grad(&[&x_]) || [&weight, &bias].into_iter().flatten().any(|o| needs_grad(&[o]));
    let arrays = (|| {
        let weight = weight.map(|w| w.into_array(op, "weight")).transpose()?;
        let bias = bias.map(|b| b.into_array(op, "bias")).transpose()?;
        Ok((x_.into_array(op, "input")?, weight, bias, requires_grad))
    })();
    arrays.map_err(|e| to_py(x.py(), e))
}

fn array(op: &str, argument: &str, x: &Bound<'_, PyAny>) -> PyResult<Array> {
    Operand::extract(op, argument, x)?.into_array(op, argument).map_err(|e| to_py(x.py(), e))
}

fn optional(op: &str, argument: &str, x: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Array>> {
    x.map(|x| array(op, argument, x)).transpose()
}

/// The value of a number or a 0-d array.
fn scalar(op: &str, argument: &str, x: &Bound<'_, PyAny>) -> PyResult<f64> {
    let value = Operand::extract(op, argument, x)?.array(op, argument, DType::F64).map_err(|e| to_py(x.py(), e))?;
    match value.ndim() {
        0 => Ok(value.to_vec::<f64>()[0]),
        _ => {
            let got = ferrograd_array::Shape(value.shape()).to_string();
            Err(to_py(x.py(), Error::shape(op, argument, "a number or a 0-d tensor", got)))
        }
    }
}

/// A tensor that the op writes into.
fn written<'py>(op: &str, argument: &str, x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, TensorBase>> {
    let Ok(tensor) = x.cast::<TensorBase>() else {
        let got = x.get_type().fully_qualified_name()?.to_string();
        return Err(pyo3::exceptions::PyTypeError::new_err(format!(
            "{op}: {argument}: expected a Tensor (it is updated in place), got {got}"
        )));
    };
    before_write(op, tensor, false)?;
    Ok(tensor.clone())
}

fn parts<'py>(py: Python<'py>, gradients: Gradients) -> PyResult<Bound<'py, PyTuple>> {
    let parts = gradients.map(|g| g.map(|g| result(py, g, false)).transpose());
    let [dx, dw, db] = parts;
    PyTuple::new(py, [dx?, dw?, db?])
}

/// `(y, mean, rstd)`
#[pyfunction]
pub fn layer_norm<'py>(
    x: &Bound<'py, PyAny>,
    weight: Option<&Bound<'py, PyAny>>,
    bias: Option<&Bound<'py, PyAny>>,
    normalized_shape: Vec<usize>,
    eps: f64,
) -> PyResult<Bound<'py, PyTuple>> {
    let py = x.py();
    let (x, weight, bias, requires_grad) = operands("layer_norm", x, weight, bias)?;
    let kernel = || norm::layer_norm(&x, &normalized_shape, weight.as_ref(), bias.as_ref(), eps);
    let (y, mean, rstd) = error::call(py, x.numel(), kernel)?;
    PyTuple::new(py, [result(py, y, requires_grad)?, result(py, mean, false)?, result(py, rstd, false)?])
}

/// The gradients of input, weight and bias that `needs` asks for. Under `create_graph` the unfused ops run instead.
#[pyfunction]
pub fn layer_norm_grad<'py>(
    g: &Bound<'py, PyAny>,
    x: &Bound<'py, PyAny>,
    weight: Option<&Bound<'py, PyAny>>,
    mean: &Bound<'py, PyAny>,
    rstd: &Bound<'py, PyAny>,
    normalized_shape: Vec<usize>,
    needs: [bool; 3],
) -> PyResult<Bound<'py, PyTuple>> {
    let op = "layer_norm_grad";
    let py = x.py();
    let (g, x, weight) = (array(op, "grad", g)?, array(op, "input", x)?, optional(op, "weight", weight)?);
    let (mean, rstd) = (array(op, "mean", mean)?, array(op, "rstd", rstd)?);
    let kernel = || norm::layer_norm_grad(&g, &x, &normalized_shape, weight.as_ref(), &mean, &rstd, needs);
    parts(py, error::call(py, x.numel(), kernel)?)
}

/// `(y, mean, rstd)`; `running_mean` and `running_var` are updated in place.
#[pyfunction]
pub fn batch_norm<'py>(
    x: &Bound<'py, PyAny>,
    weight: Option<&Bound<'py, PyAny>>,
    bias: Option<&Bound<'py, PyAny>>,
    running_mean: Option<&Bound<'py, PyAny>>,
    running_var: Option<&Bound<'py, PyAny>>,
    momentum: &Bound<'py, PyAny>,
    eps: f64,
    relu: bool,
) -> PyResult<Bound<'py, PyTuple>> {
    let op = "batch_norm";
    let py = x.py();
    let (x, weight, bias, requires_grad) = operands(op, x, weight, bias)?;
    let momentum = scalar(op, "momentum", momentum)?;
    let running = match (running_mean, running_var) {
        (Some(mean), Some(var)) => Some((written(op, "running_mean", mean)?, written(op, "running_var", var)?)),
        (None, None) => None,
        _ => {
            return Err(to_py(
                py,
                Error::value(op, "running_var", "both running statistics or neither", "one of them"),
            ));
        }
    };
    let arrays = running.as_ref().map(|(mean, var)| (mean.borrow().array.clone(), var.borrow().array.clone()));
    let statistics = arrays.as_ref().map(|(mean, var)| (mean, var));
    let kernel = || norm::batch_norm(&x, weight.as_ref(), bias.as_ref(), statistics, momentum, eps, relu);
    let (y, mean, rstd) = error::call(py, x.numel(), kernel)?;
    if let Some((mean, var)) = &running {
        after_write(&mean.borrow(), false);
        after_write(&var.borrow(), false);
    }
    PyTuple::new(py, [result(py, y, requires_grad)?, result(py, mean, false)?, result(py, rstd, false)?])
}

/// The gradients of `batch_norm` that `needs` asks for; `y` is its result where it had the activation.
#[pyfunction]
#[pyo3(signature = (g, x, y, weight, mean, rstd, needs))]
pub fn batch_norm_grad<'py>(
    g: &Bound<'py, PyAny>,
    x: &Bound<'py, PyAny>,
    y: Option<&Bound<'py, PyAny>>,
    weight: Option<&Bound<'py, PyAny>>,
    mean: &Bound<'py, PyAny>,
    rstd: &Bound<'py, PyAny>,
    needs: [bool; 3],
) -> PyResult<Bound<'py, PyTuple>> {
    let op = "batch_norm_grad";
    let py = x.py();
    let (g, x, y, weight) =
        (array(op, "grad", g)?, array(op, "input", x)?, optional(op, "result", y)?, optional(op, "weight", weight)?);
    let (mean, rstd) = (array(op, "mean", mean)?, array(op, "rstd", rstd)?);
    let kernel = || norm::batch_norm_grad(&g, &x, y.as_ref(), weight.as_ref(), &mean, &rstd, needs);
    parts(py, error::call(py, x.numel(), kernel)?)
}

#[pyfunction]
pub fn batch_norm_eval<'py>(
    x: &Bound<'py, PyAny>,
    weight: Option<&Bound<'py, PyAny>>,
    bias: Option<&Bound<'py, PyAny>>,
    mean: &Bound<'py, PyAny>,
    var: &Bound<'py, PyAny>,
    eps: f64,
    relu: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let op = "batch_norm_eval";
    let py = x.py();
    let (x, weight, bias, requires_grad) = operands(op, x, weight, bias)?;
    let (mean, var) = (array(op, "running_mean", mean)?, array(op, "running_var", var)?);
    let kernel = || norm::batch_norm_eval(&x, weight.as_ref(), bias.as_ref(), &mean, &var, eps, relu);
    result(py, error::call(py, x.numel(), kernel)?, requires_grad)
}

/// The gradients of `batch_norm_eval` that `needs` asks for.
#[pyfunction]
#[pyo3(signature = (g, x, y, weight, mean, var, eps, needs))]
pub fn batch_norm_eval_grad<'py>(
    g: &Bound<'py, PyAny>,
    x: &Bound<'py, PyAny>,
    y: Option<&Bound<'py, PyAny>>,
    weight: Option<&Bound<'py, PyAny>>,
    mean: &Bound<'py, PyAny>,
    var: &Bound<'py, PyAny>,
    eps: f64,
    needs: [bool; 3],
) -> PyResult<Bound<'py, PyTuple>> {
    let op = "batch_norm_eval_grad";
    let py = x.py();
    let (g, x, y, weight) =
        (array(op, "grad", g)?, array(op, "input", x)?, optional(op, "result", y)?, optional(op, "weight", weight)?);
    let (mean, var) = (array(op, "running_mean", mean)?, array(op, "running_var", var)?);
    let kernel = || norm::batch_norm_eval_grad(&g, &x, y.as_ref(), weight.as_ref(), &mean, &var, eps, needs);
    parts(py, error::call(py, x.numel(), kernel)?)
}
