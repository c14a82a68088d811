use ferrograd_array::{Array, Error};
use ferrograd_cpu::loss::{self, Options, Reduction};
use pyo3::prelude::*;

use super::{needs_grad, result};
use crate::error::{self, to_py};
use crate::operand::Operand;

fn options(op: &str, reduction: &str, ignore_index: i64, label_smoothing: f64) -> Result<Options, Error> {
    Ok(Options { ignore_index, reduction: Reduction::named(op, reduction)?, label_smoothing })
}

/// `(logits, target, weight)` as arrays, and whether the result requires a gradient. The weights of the classes are
/// constants.
fn operands(
    op: &str,
    logits: &Bound<'_, PyAny>,
    target: &Bound<'_, PyAny>,
    weight: Option<&Bound<'_, PyAny>>,
) -> PyResult<(Array, Array, Option<Array>, bool)> {
    let py = logits.py();
    let (x, t) = (Operand::extract(op, "input", logits)?, Operand::extract(op, "target", target)?);
    let w = weight.map(|w| Operand::extract(op, "weight", w)).transpose()?;
    if w.as_ref().is_some_and(|w| needs_grad(&[w])) {
        let wrong = Error::Device(format!(
            "{op}: weight: expected a tensor that does not require grad: it is a constant of the loss"
        ));
        return Err(to_py(py, wrong));
    }
    let requires_grad = needs_grad(&[&x]);
    let arrays = (|| {
        let w = w.map(|w| w.into_array(op, "weight")).transpose()?;
        Ok((x.into_array(op, "input")?, t.into_array(op, "target")?, w, requires_grad))
    })();
    arrays.map_err(|e| to_py(py, e))
}

#[pyfunction]
#[pyo3(signature = (logits, target, weight, reduction, ignore_index, label_smoothing))]
pub fn cross_entropy<'py>(
    logits: &Bound<'py, PyAny>,
    target: &Bound<'py, PyAny>,
    weight: Option<&Bound<'py, PyAny>>,
    reduction: &str,
    ignore_index: i64,
    label_smoothing: f64,
) -> PyResult<Bound<'py, PyAny>> {
    let py = logits.py();
    let (x, t, w, requires_grad) = operands("cross_entropy", logits, target, weight)?;
    let options = options("cross_entropy", reduction, ignore_index, label_smoothing).map_err(|e| to_py(py, e))?;
    result(py, error::call(py, x.numel(), || loss::cross_entropy(&x, &t, w.as_ref(), options))?, requires_grad)
}

/// The gradient of `cross_entropy` with respect to the logits. Under `create_graph` the unfused ops are run instead, so
/// it is never differentiated itself.
#[pyfunction]
#[pyo3(signature = (g, logits, target, weight, reduction, ignore_index, label_smoothing))]
pub fn cross_entropy_grad<'py>(
    g: &Bound<'py, PyAny>,
    logits: &Bound<'py, PyAny>,
    target: &Bound<'py, PyAny>,
    weight: Option<&Bound<'py, PyAny>>,
    reduction: &str,
    ignore_index: i64,
    label_smoothing: f64,
) -> PyResult<Bound<'py, PyAny>> {
    let py = logits.py();
    let op = "cross_entropy_grad";
    let g = Operand::extract(op, "grad", g)?.into_array(op, "grad").map_err(|e| to_py(py, e))?;
    let (x, t, w, _) = operands(op, logits, target, weight)?;
    let options = options(op, reduction, ignore_index, label_smoothing).map_err(|e| to_py(py, e))?;
    result(py, error::call(py, x.numel(), || loss::cross_entropy_grad(&g, &x, &t, w.as_ref(), options))?, false)
}
