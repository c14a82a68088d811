//! Threads, memory and the instruction set, as Python sees them.

use ferrograd_array::memory;
use ferrograd_cpu::conv::winograd;
use ferrograd_cpu::{denormals, isa as cpu_isa, parallel};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

#[pyfunction]
pub fn get_num_threads() -> usize {
    parallel::num_threads()
}

#[pyfunction]
pub fn set_num_threads(n: i64) -> PyResult<()> {
    let threads = usize::try_from(n).ok().filter(|t| (1..=parallel::MAX_THREADS).contains(t)).ok_or_else(|| {
        PyValueError::new_err(format!(
            "set_num_threads: n: expected an integer from 1 to {}, got {n}",
            parallel::MAX_THREADS
        ))
    })?;
    parallel::set_num_threads(threads);
    Ok(())
}

#[pyfunction]
pub fn set_flush_denormal(mode: bool) -> bool {
    denormals::set_flush(mode);
    denormals::CAN_FLUSH
}

/// Whether convolutions may take Winograd's algorithm.
#[pyfunction]
pub fn is_winograd_enabled() -> bool {
    winograd::enabled()
}

#[pyfunction]
pub fn set_winograd(mode: bool) {
    winograd::set_enabled(mode);
}

#[pyfunction]
pub fn isa() -> &'static str {
    cpu_isa::current().name()
}

/// What this machine can run.
#[pyfunction]
pub fn isas() -> Vec<&'static str> {
    cpu_isa::Isa::available().into_iter().map(|i| i.name()).collect()
}

#[pyfunction]
pub fn memory_stats(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let stats = memory::stats();
    let dict = PyDict::new(py);
    dict.set_item("in_use", stats.in_use)?;
    dict.set_item("peak", stats.peak)?;
    dict.set_item("cached", stats.cached)?;
    dict.set_item("hits", stats.hits)?;
    dict.set_item("misses", stats.misses)?;
    Ok(dict)
}

#[pyfunction]
pub fn empty_cache() {
    memory::empty_cache();
}

#[pyfunction]
pub fn reset_peak() {
    memory::reset_peak();
}

/// The most f32 multiply-adds that `threads` threads do here, in FLOP/s, measured now.
#[pyfunction]
pub fn fma_peak(py: Python<'_>, threads: usize) -> f64 {
    py.detach(|| ferrograd_cpu::peak::fma_peak(threads))
}

/// Seconds that an empty parallel region takes here, back to back, with the threads in force, measured now.
#[pyfunction]
pub fn empty_region(py: Python<'_>) -> f64 {
    py.detach(ferrograd_cpu::peak::empty_region)
}

/// Integer additions a second that each of `threads` threads does here, measured now; None where that is not known.
#[pyfunction]
pub fn instruction_rate(py: Python<'_>, threads: usize) -> Option<f64> {
    py.detach(|| ferrograd_cpu::peak::instruction_rate(threads))
}

/// Bytes a second, read and written, that `threads` threads copy here, measured now.
#[pyfunction]
pub fn copy_bandwidth(py: Python<'_>, threads: usize) -> f64 {
    py.detach(|| ferrograd_cpu::peak::copy_bandwidth(threads))
}
