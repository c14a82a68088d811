//! Copies: into another dtype, into another array.

use ferrograd_array::{Error, Kind, Shape, broadcast_shapes};
use ferrograd_cpu as cpu;
use pyo3::prelude::*;

use super::result;
use super::view::parse_dtype;
use crate::error::{self, to_py};
use crate::modes;
use crate::operand::{Operand, Value};
use crate::tensor::{TensorBase, after_write, before_write};

/// `x` in another dtype: floats to integers truncate, anything to bool is `≠ 0`.
#[pyfunction]
pub fn cast<'py>(x: &Bound<'py, PyAny>, dtype: &str) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    let dtype = parse_dtype(py, dtype)?;
    let x = Operand::extract("cast", "input", x)?;
    let requires_grad = x.requires_grad && modes::recording();
    let x = match x.value {
        // Not by way of the number's own dtype: a Python float has more digits than float32.
        Value::Number(number) if dtype.is_float() => number.array("cast", "input", dtype),
        _ => x.into_array("cast", "input"),
    };
    let x = x.map_err(|e| to_py(py, e))?;
    result(py, error::call(py, x.numel(), || cpu::cast(&x, dtype))?, requires_grad)
}

/// A copy of `x` in memory of its own, in the same memory order where that is dense.
#[pyfunction]
pub fn clone<'py>(x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    let x = Operand::extract("clone", "input", x)?;
    let requires_grad = x.requires_grad && modes::recording();
    let x = x.into_array("clone", "input").map_err(|e| to_py(py, e))?;
    result(py, error::call(py, x.numel(), || cpu::clone(&x))?, requires_grad)
}

/// A dense copy of `x` whose memory order is `order`, from the slowest dimension to the fastest.
#[pyfunction]
pub fn ordered<'py>(x: &Bound<'py, PyAny>, order: Vec<usize>) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    let x = Operand::extract("ordered", "input", x)?;
    let requires_grad = x.requires_grad && modes::recording();
    let x = x.into_array("ordered", "input").map_err(|e| to_py(py, e))?;
    result(py, error::call(py, x.numel(), || cpu::ordered(&x, &order))?, requires_grad)
}

/// Writes `source`, broadcast and converted, into the memory of `target`. `recorded`: the write becomes part of the
/// graph (the caller then links `target` to the node that made the values).
#[pyfunction]
#[pyo3(signature = (target, source, recorded=false, op="copy_"))]
pub fn copy_<'py>(
    target: &Bound<'py, TensorBase>,
    source: &Bound<'py, PyAny>,
    recorded: bool,
    op: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let py = target.py();
    before_write(op, target, recorded)?;
    let out = target.borrow().array.clone();
    let source = Operand::extract(op, "source", source)?;
    let source = match source.value {
        Value::Number(n) => n.array(op, "source", out.dtype()).map_err(|e| to_py(py, e))?,
        Value::Array(a) => a,
    };
    let fits = broadcast_shapes(op, "source", out.shape(), source.shape());
    if fits.is_err() || fits.is_ok_and(|s| s.as_slice() != out.shape()) {
        let wrong = Error::shape(
            op,
            "source",
            format_args!("a shape that broadcasts to {}", Shape(out.shape())),
            Shape(source.shape()),
        );
        return Err(to_py(py, wrong));
    }
    if out.dtype().kind() == Kind::Int && source.dtype().is_float() && op != "copy_" {
        return Err(to_py(
            py,
            Error::dtype(op, "result", format_args!("a dtype that {} can hold", out.dtype()), source.dtype()),
        ));
    }
    error::call(py, out.numel(), || {
        if source.overlaps(&out) {
            // NumPy's rule: as if the source had been copied first.
            cpu::copy_into(&cpu::contiguous(&source)?, &out);
        } else {
            cpu::copy_into(&source, &out);
        }
        Ok(())
    })?;
    after_write(&target.borrow(), recorded);
    Ok(target.clone().into_any())
}
