//! Pooling.

use ferrograd_cpu::pooling::{self, Window};
use pyo3::prelude::*;

use super::index::take;
use super::result;
use crate::error;

/// (the largest element of each window, its index in the channel's plane).
#[pyfunction]
pub fn max_pool<'py>(
    x: &Bound<'py, PyAny>,
    kernel_size: Vec<isize>,
    stride: Vec<isize>,
    padding: Vec<isize>,
    dilation: Vec<isize>,
    ceil_mode: bool,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let py = x.py();
    let (x, requires_grad) = take("max_pool", "input", x)?;
    let window =
        Window { kernel_size: &kernel_size, stride: &stride, padding: &padding, dilation: &dilation, ceil_mode };
    let (y, indices) = error::call(py, x.numel(), || pooling::max_pool(&x, &window))?;
    Ok((result(py, y, requires_grad)?, result(py, indices, false)?))
}

/// kernel_size, stride, padding, dilation and ceil_mode.
type WindowOf = (Vec<isize>, Vec<isize>, Vec<isize>, Vec<isize>, bool);

/// Zeros of spatial size `sizes` with each element of g added at its plane index; `window` if the indices are of one.
#[pyfunction]
#[pyo3(signature = (g, indices, sizes, window=None))]
pub fn max_pool_grad<'py>(
    g: &Bound<'py, PyAny>,
    indices: &Bound<'py, PyAny>,
    sizes: Vec<usize>,
    window: Option<WindowOf>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = g.py();
    let (g, requires_grad) = take("max_pool_grad", "grad", g)?;
    let (indices, _) = take("max_pool_grad", "indices", indices)?;
    let work = g.numel().saturating_mul(4);
    let window = window.as_ref().map(|(kernel_size, stride, padding, dilation, ceil_mode)| Window {
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode: *ceil_mode,
    });
    let kernel = || pooling::max_pool_grad(&g, &indices, &sizes, window.as_ref());
    result(py, error::call(py, work, kernel)?, requires_grad)
}

/// The mean of each window.
#[pyfunction]
#[pyo3(signature = (x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override=None))]
pub fn avg_pool<'py>(
    x: &Bound<'py, PyAny>,
    kernel_size: Vec<isize>,
    stride: Vec<isize>,
    padding: Vec<isize>,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: Option<isize>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    let (x, requires_grad) = take("avg_pool", "input", x)?;
    let dilation = vec![1; kernel_size.len()];
    let window =
        Window { kernel_size: &kernel_size, stride: &stride, padding: &padding, dilation: &dilation, ceil_mode };
    let kernel = || pooling::avg_pool(&x, &window, count_include_pad, divisor_override);
    result(py, error::call(py, x.numel(), kernel)?, requires_grad)
}

/// The gradient of the input of `avg_pool`, whose spatial size is `sizes`.
#[pyfunction]
#[pyo3(signature = (g, sizes, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override=None))]
pub fn avg_pool_grad<'py>(
    g: &Bound<'py, PyAny>,
    sizes: Vec<usize>,
    kernel_size: Vec<isize>,
    stride: Vec<isize>,
    padding: Vec<isize>,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: Option<isize>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = g.py();
    let (g, requires_grad) = take("avg_pool_grad", "grad", g)?;
    let dilation = vec![1; kernel_size.len()];
    let window =
        Window { kernel_size: &kernel_size, stride: &stride, padding: &padding, dilation: &dilation, ceil_mode };
    let kernel = || pooling::avg_pool_grad(&g, &sizes, &window, count_include_pad, divisor_override);
    result(py, error::call(py, g.numel().saturating_mul(4), kernel)?, requires_grad)
}

/// The mean of each of `sizes` windows that together cover the input.
#[pyfunction]
pub fn adaptive_avg_pool<'py>(x: &Bound<'py, PyAny>, sizes: Vec<usize>) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    let (x, requires_grad) = take("adaptive_avg_pool", "input", x)?;
    result(py, error::call(py, x.numel(), || pooling::adaptive_avg_pool(&x, &sizes))?, requires_grad)
}

/// The gradient of the input of `adaptive_avg_pool`, whose spatial size is `sizes`.
#[pyfunction]
pub fn adaptive_avg_pool_grad<'py>(g: &Bound<'py, PyAny>, sizes: Vec<usize>) -> PyResult<Bound<'py, PyAny>> {
    let py = g.py();
    let (g, requires_grad) = take("adaptive_avg_pool_grad", "grad", g)?;
    let work = g.numel().saturating_mul(4);
    result(py, error::call(py, work, || pooling::adaptive_avg_pool_grad(&g, &sizes))?, requires_grad)
}

/// (the largest element of each of `sizes` windows, its index in the channel's plane).
#[pyfunction]
pub fn adaptive_max_pool<'py>(
    x: &Bound<'py, PyAny>,
    sizes: Vec<usize>,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let py = x.py();
    let (x, requires_grad) = take("adaptive_max_pool", "input", x)?;
    let (y, indices) = error::call(py, x.numel(), || pooling::adaptive_max_pool(&x, &sizes))?;
    Ok((result(py, y, requires_grad)?, result(py, indices, false)?))
}
