use ferrograd_array::{Array, Result};
use ferrograd_cpu as cpu;
use pyo3::prelude::*;

use super::{needs_grad, with_out};
use crate::error;
use crate::operand::{Operand, Value, result_dtype};
use crate::tensor::TensorBase;

type BinaryKernel = fn(&Array, &Array, Option<&Array>) -> Result<Array>;

fn numel(operand: &Operand) -> usize {
    match &operand.value {
        Value::Array(a) => a.numel(),
        Value::Number(_) => 1,
    }
}

/// A binary op whose operands are promoted to one dtype, the result's.
fn binary<'py>(
    op: &str,
    x: &Bound<'py, PyAny>,
    y: &Bound<'py, PyAny>,
    out: Option<&Bound<'py, TensorBase>>,
    kernel: BinaryKernel,
) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    let (x, y) = (Operand::extract(op, "input", x)?, Operand::extract(op, "other", y)?);
    let requires_grad = needs_grad(&[&x, &y]);
    let dtype = result_dtype([&x, &y]);
    let work = numel(&x).max(numel(&y));
    let promoted = (|| Ok((x.array(op, "input", dtype)?, y.array(op, "other", dtype)?)))();
    let (x, y) = promoted.map_err(|e| error::to_py(py, e))?;
    with_out(op, out, py, work, requires_grad, |out| kernel(&x, &y, out))
}

macro_rules! binary {
    ($($name:ident),*) => {$(
        #[pyfunction]
        #[pyo3(signature = (input, other, out=None))]
        pub fn $name<'py>(
            input: &Bound<'py, PyAny>,
            other: &Bound<'py, PyAny>,
            out: Option<&Bound<'py, TensorBase>>,
        ) -> PyResult<Bound<'py, PyAny>> {
            binary(stringify!($name), input, other, out, cpu::elementwise::$name)
        }
    )*};
}

binary!(add, mul);
