//! The modes of a thread: whether gradients are recorded, whether tensors are for inference only.

use std::cell::Cell;

use pyo3::prelude::*;

thread_local! {
    static GRAD: Cell<bool> = const { Cell::new(true) };
    static INFERENCE: Cell<bool> = const { Cell::new(false) };
}

/// Gradients are recorded on this thread.
#[inline]
pub fn recording() -> bool {
    GRAD.with(Cell::get)
}

#[inline]
pub fn inference() -> bool {
    INFERENCE.with(Cell::get)
}

#[pyfunction]
pub fn is_grad_enabled() -> bool {
    recording()
}

/// Sets the mode of this thread and returns what it was.
#[pyfunction]
pub fn set_grad_mode(mode: bool) -> bool {
    GRAD.with(|g| g.replace(mode))
}

#[pyfunction]
pub fn is_inference_mode_enabled() -> bool {
    inference()
}

#[pyfunction]
pub fn set_inference_mode(mode: bool) -> bool {
    INFERENCE.with(|g| g.replace(mode))
}
