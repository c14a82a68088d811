//! Convolution and its gradients.

use ferrograd_array::{Array, Result};
use ferrograd_cpu as cpu;
use ferrograd_cpu::conv::Window;
use pyo3::prelude::*;

use super::linalg::{check_same_dtype, parse_activation};
use super::{needs_grad, result};
use crate::error::{self, to_py};
use crate::operand::Operand;

/// Zeros on both sides of a dimension, or before and after it.
#[derive(FromPyObject)]
pub enum Padding {
    Both(i64),
    Sides(i64, i64),
}

/// What the three ops share: how the kernel moves.
struct Moves {
    stride: Vec<i64>,
    padding: Vec<(i64, i64)>,
    dilation: Vec<i64>,
    groups: i64,
}

impl Moves {
    fn new(stride: Vec<i64>, padding: Vec<Padding>, dilation: Vec<i64>, groups: i64) -> Self {
        let sides = |padding| match padding {
            Padding::Both(p) => (p, p),
            Padding::Sides(before, after) => (before, after),
        };
        Self { stride, padding: padding.into_iter().map(sides).collect(), dilation, groups }
    }

    fn window(&self) -> Window<'_> {
        Window { stride: &self.stride, padding: &self.padding, dilation: &self.dilation, groups: self.groups }
    }
}

/// Two operands of one dtype, and whether either requires a gradient.
fn pair(op: &str, x: (&str, &Bound<'_, PyAny>), y: (&str, &Bound<'_, PyAny>)) -> PyResult<(Array, Array, bool)> {
    let py = x.1.py();
    let (a, b) = (Operand::extract(op, x.0, x.1)?, Operand::extract(op, y.0, y.1)?);
    check_same_dtype(py, op, a.dtype(), y.0, b.dtype())?;
    let requires_grad = needs_grad(&[&a, &b]);
    let arrays: Result<_> = (|| Ok((a.into_array(op, x.0)?, b.into_array(op, y.0)?)))();
    let (a, b) = arrays.map_err(|e| to_py(py, e))?;
    Ok((a, b, requires_grad))
}

/// activation(x ⋆ w + b): x (N, C, *sizes), w (O, C / groups, *kernel), b (O,).
#[pyfunction]
#[pyo3(signature = (x, w, b, stride, padding, dilation, groups, activation=None))]
pub fn conv<'py>(
    x: &Bound<'py, PyAny>,
    w: &Bound<'py, PyAny>,
    b: Option<&Bound<'py, PyAny>>,
    stride: Vec<i64>,
    padding: Vec<Padding>,
    dilation: Vec<i64>,
    groups: i64,
    activation: Option<&str>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    let moves = Moves::new(stride, padding, dilation, groups);
    let activation = parse_activation(py, "conv", activation)?;
    let (x, w, mut requires_grad) = pair("conv", ("input", x), ("weight", w))?;
    let b = match b {
        None => None,
        Some(b) => {
            let b = Operand::extract("conv", "bias", b)?;
            check_same_dtype(py, "conv", x.dtype(), "bias", b.dtype())?;
            requires_grad |= needs_grad(&[&b]);
            Some(b.into_array("conv", "bias").map_err(|e| to_py(py, e))?)
        }
    };
    let work = x.numel().saturating_mul(w.numel());
    let kernel = || cpu::conv::conv(&x, &w, b.as_ref(), &moves.window(), activation);
    result(py, error::call(py, work, kernel)?, requires_grad)
}

/// The gradient of conv's input.
#[pyfunction]
pub fn conv_input_grad<'py>(
    grad: &Bound<'py, PyAny>,
    w: &Bound<'py, PyAny>,
    input_shape: Vec<usize>,
    stride: Vec<i64>,
    padding: Vec<Padding>,
    dilation: Vec<i64>,
    groups: i64,
) -> PyResult<Bound<'py, PyAny>> {
    let py = grad.py();
    let moves = Moves::new(stride, padding, dilation, groups);
    let (grad, w, requires_grad) = pair("conv_input_grad", ("grad", grad), ("weight", w))?;
    let work = grad.numel().saturating_mul(w.numel());
    let kernel = || cpu::conv::conv_input_grad(&grad, &w, &input_shape, &moves.window());
    result(py, error::call(py, work, kernel)?, requires_grad)
}

/// The gradient of conv's weight.
#[pyfunction]
pub fn conv_weight_grad<'py>(
    grad: &Bound<'py, PyAny>,
    x: &Bound<'py, PyAny>,
    weight_shape: Vec<usize>,
    stride: Vec<i64>,
    padding: Vec<Padding>,
    dilation: Vec<i64>,
    groups: i64,
) -> PyResult<Bound<'py, PyAny>> {
    let py = grad.py();
    let moves = Moves::new(stride, padding, dilation, groups);
    let (grad, x, requires_grad) = pair("conv_weight_grad", ("grad", grad), ("input", x))?;
    let work = grad.numel().saturating_mul(x.numel());
    let kernel = || cpu::conv::conv_weight_grad(&grad, &x, &weight_shape, &moves.window());
    result(py, error::call(py, work, kernel)?, requires_grad)
}
