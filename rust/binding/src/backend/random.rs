//! Random numbers. The state, int64 `[seed, counter]`, is written in place by each call.

use ferrograd_array::{Array, Error, Result};
use ferrograd_cpu::random;
use pyo3::prelude::*;

use super::index::take;
use super::result;
use super::view::parse_dtype;
use crate::error::{self, to_py};
use crate::tensor::{TensorBase, after_write, before_write};

/// Runs a kernel that draws from `state`.
fn drawing<R: Send>(
    op: &str,
    state: &Bound<'_, TensorBase>,
    work: usize,
    kernel: impl FnOnce(&Array) -> Result<R> + Send,
) -> PyResult<R> {
    before_write(op, state, false)?;
    let array = state.borrow().array.clone();
    let drawn = error::call(state.py(), work, || kernel(&array))?;
    after_write(&state.borrow(), false);
    Ok(drawn)
}

/// Sizes that Python gave, and how many elements they make.
fn sizes(py: Python<'_>, op: &str, shape: &[i64]) -> PyResult<(Vec<usize>, usize)> {
    match shape.iter().map(|&d| usize::try_from(d).ok()).collect::<Option<Vec<_>>>() {
        Some(shape) => {
            let work = ferrograd_array::checked_numel(&shape).map_err(|e| to_py(py, e))?;
            Ok((shape, work))
        }
        None => Err(to_py(py, Error::shape(op, "size", "sizes of at least 0", format_args!("{shape:?}")))),
    }
}

/// Numbers evenly spread over [low, high).
#[pyfunction]
pub fn uniform<'py>(
    state: &Bound<'py, TensorBase>,
    shape: Vec<i64>,
    low: f64,
    high: f64,
    dtype: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let py = state.py();
    let dtype = parse_dtype(py, dtype)?;
    let (shape, work) = sizes(py, "uniform", &shape)?;
    result(py, drawing("uniform", state, work, |s| random::uniform(s, &shape, low, high, dtype))?, false)
}

/// Normal numbers.
#[pyfunction]
pub fn normal<'py>(
    state: &Bound<'py, TensorBase>,
    shape: Vec<i64>,
    mean: f64,
    std: f64,
    dtype: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let py = state.py();
    let dtype = parse_dtype(py, dtype)?;
    let (shape, work) = sizes(py, "normal", &shape)?;
    result(py, drawing("normal", state, work, |s| random::normal(s, &shape, mean, std, dtype))?, false)
}

/// Integers evenly spread over [low, high).
#[pyfunction]
pub fn randint<'py>(
    state: &Bound<'py, TensorBase>,
    shape: Vec<i64>,
    low: i64,
    high: i64,
) -> PyResult<Bound<'py, PyAny>> {
    let py = state.py();
    let (shape, work) = sizes(py, "randint", &shape)?;
    result(py, drawing("randint", state, work, |s| random::randint(s, &shape, low, high))?, false)
}

/// 0..n in random order.
#[pyfunction]
pub fn randperm<'py>(state: &Bound<'py, TensorBase>, n: i64) -> PyResult<Bound<'py, PyAny>> {
    let py = state.py();
    let (shape, work) = sizes(py, "randperm", &[n])?;
    result(py, drawing("randperm", state, work, |s| random::randperm(s, shape[0]))?, false)
}

/// 1 with probability p, else 0.
#[pyfunction]
pub fn bernoulli<'py>(p: &Bound<'py, PyAny>, state: &Bound<'py, TensorBase>) -> PyResult<Bound<'py, PyAny>> {
    let (p, _) = take("bernoulli", "p", p)?;
    result(state.py(), drawing("bernoulli", state, p.numel(), |s| random::bernoulli(s, &p))?, false)
}

/// (x with elements dropped and the rest scaled, which were kept).
#[pyfunction]
pub fn dropout<'py>(
    x: &Bound<'py, PyAny>,
    state: &Bound<'py, TensorBase>,
    p: f64,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let py = x.py();
    let (x, requires_grad) = take("dropout", "input", x)?;
    let (y, mask) = drawing("dropout", state, x.numel(), |s| random::dropout(&x, s, p))?;
    Ok((result(py, y, requires_grad)?, result(py, mask, false)?))
}

/// g where the mask is set, scaled.
#[pyfunction]
pub fn dropout_grad<'py>(g: &Bound<'py, PyAny>, mask: &Bound<'py, PyAny>, p: f64) -> PyResult<Bound<'py, PyAny>> {
    let py = g.py();
    let (g, requires_grad) = take("dropout_grad", "grad", g)?;
    let (mask, _) = take("dropout_grad", "mask", mask)?;
    result(py, error::call(py, g.numel(), || random::dropout_grad(&g, &mask, p))?, requires_grad)
}
