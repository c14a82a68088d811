use ferrograd_cpu::sort as kernels;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::result;
use super::scan::pair;
use crate::error::{self, to_py};
use crate::operand::{Operand, result_dtype};

/// `(values, indices)` in order along `dim`; stable, NaN as the largest number.
#[pyfunction]
pub fn sort<'py>(x: &Bound<'py, PyAny>, dim: isize, descending: bool) -> PyResult<Bound<'py, PyTuple>> {
    pair("sort", x, |a| kernels::sort(a, dim, descending))
}

/// `(values, indices)` of the k largest or smallest along `dim`, in order.
#[pyfunction]
pub fn topk<'py>(x: &Bound<'py, PyAny>, k: usize, dim: isize, largest: bool) -> PyResult<Bound<'py, PyTuple>> {
    pair("topk", x, |a| kernels::topk(a, k, dim, largest))
}

/// `(values, indices)` of the k-th smallest along `dim`, counted from 1.
#[pyfunction]
pub fn kthvalue<'py>(x: &Bound<'py, PyAny>, k: usize, dim: isize, keepdim: bool) -> PyResult<Bound<'py, PyTuple>> {
    pair("kthvalue", x, |a| kernels::kthvalue(a, k, dim, keepdim))
}

/// `(values, indices)` of the lower median along `dim`.
#[pyfunction]
pub fn median<'py>(
    x: &Bound<'py, PyAny>,
    dim: isize,
    keepdim: bool,
    ignore_nan: bool,
) -> PyResult<Bound<'py, PyTuple>> {
    pair("median", x, |a| kernels::median(a, dim, keepdim, ignore_nan))
}

/// `(values, indices)` of the smallest of the most frequent elements along `dim`.
#[pyfunction]
pub fn mode<'py>(x: &Bound<'py, PyAny>, dim: isize, keepdim: bool) -> PyResult<Bound<'py, PyTuple>> {
    pair("mode", x, |a| kernels::mode(a, dim, keepdim))
}

/// Where each value would stand in a sorted line, before equal elements or after them.
#[pyfunction]
pub fn searchsorted<'py>(
    sequence: &Bound<'py, PyAny>,
    values: &Bound<'py, PyAny>,
    right: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let (op, py) = ("searchsorted", values.py());
    let operands = [Operand::extract(op, "sorted_sequence", sequence)?, Operand::extract(op, "input", values)?];
    let dtype = result_dtype(&operands);
    let [sequence, values] = operands;
    let sequence = sequence.array(op, "sorted_sequence", dtype).map_err(|e| to_py(py, e))?;
    let values = values.array(op, "input", dtype).map_err(|e| to_py(py, e))?;
    let work = sequence.numel().max(values.numel());
    result(py, error::call(py, work, || kernels::searchsorted(&sequence, &values, right))?, false)
}
