use ferrograd_array::Array;
use ferrograd_cpu::attention::{self as kernels, Inputs, Packed};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::{needs_grad, result};
use crate::error::{self, to_py};
use crate::operand::Operand;

/// `(y, logarithms of the sums or None, weights or None)`; what the gradient needs is there where it is recorded.
#[pyfunction]
pub fn attention<'py>(
    q: &Bound<'py, PyAny>,
    k: &Bound<'py, PyAny>,
    v: &Bound<'py, PyAny>,
    mask: Option<&Bound<'py, PyAny>>,
    scale: f64,
    is_causal: bool,
) -> PyResult<Bound<'py, PyTuple>> {
    let (py, op) = (q.py(), "attention");
    let mut requires_grad = false;
    let mut array = |argument, x: &Bound<'py, PyAny>| -> PyResult<Array> {
        let operand = Operand::extract(op, argument, x)?;
        requires_grad |= needs_grad(&[&operand]);
        operand.into_array(op, argument).map_err(|e| to_py(py, e))
    };
    let (q, k, v) = (array("query", q)?, array("key", k)?, array("value", v)?);
    let mask = mask.map(|mask| array("mask", mask)).transpose()?;
    let inputs = Inputs { q: &q, k: &k, v: &v, mask: mask.as_ref(), scale, causal: is_causal };
    let work = q.numel().max(k.numel());
    let found = error::call(py, work, || kernels::attention(&inputs, requires_grad))?;
    let part = |array: Option<Array>| array.map(|array| result(py, array, false)).transpose();
    let y = result(py, found.y, requires_grad)?;
    PyTuple::new(py, [Some(y), part(found.log_sums)?, part(found.kept)?])
}

/// The gradients of q, k and v that `needs` asks for. Under `create_graph` the unfused ops run instead.
#[pyfunction]
pub fn attention_grad<'py>(
    g: &Bound<'py, PyAny>,
    q: &Bound<'py, PyAny>,
    k: &Bound<'py, PyAny>,
    v: &Bound<'py, PyAny>,
    mask: Option<&Bound<'py, PyAny>>,
    y: &Bound<'py, PyAny>,
    log_sums: &Bound<'py, PyAny>,
    kept: Option<&Bound<'py, PyAny>>,
    scale: f64,
    is_causal: bool,
    needs: [bool; 3],
) -> PyResult<Bound<'py, PyTuple>> {
    let (py, op) = (q.py(), "attention_grad");
    let array = |argument, x: &Bound<'py, PyAny>| -> PyResult<Array> {
        Operand::extract(op, argument, x)?.into_array(op, argument).map_err(|e| to_py(py, e))
    };
    let (g, q, k, v) = (array("grad", g)?, array("query", q)?, array("key", k)?, array("value", v)?);
    let mask = mask.map(|mask| array("mask", mask)).transpose()?;
    let (y, log_sums) = (array("result", y)?, array("log_sums", log_sums)?);
    let kept = kept.map(|kept| array("weights", kept)).transpose()?;
    let inputs = Inputs { q: &q, k: &k, v: &v, mask: mask.as_ref(), scale, causal: is_causal };
    let work = q.numel().max(k.numel());
    let kernel = || kernels::attention_grad(&g, &inputs, &y, &log_sums, kept.as_ref(), needs);
    let parts = error::call(py, work, kernel)?.map(|part| part.map(|array| result(py, array, false)).transpose());
    PyTuple::new(py, parts.into_iter().collect::<PyResult<Vec<_>>>()?)
}

/// As [`attention`], of queries, keys and values side by side in `x` (N, L, 3·E).
#[pyfunction]
pub fn self_attention<'py>(
    x: &Bound<'py, PyAny>,
    mask: Option<&Bound<'py, PyAny>>,
    heads: usize,
    scale: f64,
    is_causal: bool,
) -> PyResult<Bound<'py, PyTuple>> {
    let (py, op) = (x.py(), "self_attention");
    let x = Operand::extract(op, "input", x)?;
    let requires_grad = needs_grad(&[&x]);
    let array = |argument, x: Operand| x.into_array(op, argument).map_err(|e| to_py(py, e));
    let x = array("input", x)?;
    let mask = mask.map(|mask| array("mask", Operand::extract(op, "mask", mask)?)).transpose()?;
    let packed = Packed { x: &x, heads, mask: mask.as_ref(), scale, causal: is_causal };
    let found = error::call(py, x.numel(), || kernels::self_attention(&packed, requires_grad))?;
    let part = |array: Option<Array>| array.map(|array| result(py, array, false)).transpose();
    let y = result(py, found.y, requires_grad)?;
    PyTuple::new(py, [Some(y), part(found.log_sums)?, part(found.kept)?])
}

/// The gradient of x. Under `create_graph` the unfused ops run instead.
#[pyfunction]
pub fn self_attention_grad<'py>(
    g: &Bound<'py, PyAny>,
    x: &Bound<'py, PyAny>,
    mask: Option<&Bound<'py, PyAny>>,
    y: &Bound<'py, PyAny>,
    log_sums: &Bound<'py, PyAny>,
    kept: Option<&Bound<'py, PyAny>>,
    heads: usize,
    scale: f64,
    is_causal: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let (py, op) = (x.py(), "self_attention_grad");
    let array = |argument, x: &Bound<'py, PyAny>| -> PyResult<Array> {
        Operand::extract(op, argument, x)?.into_array(op, argument).map_err(|e| to_py(py, e))
    };
    let (g, x, y, log_sums) =
        (array("grad", g)?, array("input", x)?, array("result", y)?, array("log_sums", log_sums)?);
    let mask = mask.map(|mask| array("mask", mask)).transpose()?;
    let kept = kept.map(|kept| array("weights", kept)).transpose()?;
    let packed = Packed { x: &x, heads, mask: mask.as_ref(), scale, causal: is_causal };
    let kernel = || kernels::self_attention_grad(&g, &packed, &y, &log_sums, kept.as_ref());
    result(py, error::call(py, x.numel(), kernel)?, false)
}
