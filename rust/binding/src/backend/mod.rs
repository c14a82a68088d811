//! The op table that Python sees, `_core.backend`: one module, one function an op. Each function looks at the device
//! of its operands and calls that device's crate; a new device adds arms here and no second table.
//!
//! One file a family. A call is describable as data: operands first, attributes after them, `out` last.

mod copy;
mod elementwise;
mod index;
mod linalg;
mod optim;
mod pooling;
mod random;
pub mod view;

use ferrograd_array::{Array, Result};
use pyo3::prelude::*;

use crate::error;
use crate::modes;
use crate::operand::Operand;
use crate::tensor::{TensorBase, after_write, before_write, wrap};

/// What a result needs to know of its operands: whether any of them requires a gradient.
#[inline]
pub fn needs_grad(operands: &[&Operand]) -> bool {
    operands.iter().any(|o| o.requires_grad) && modes::recording()
}

/// The Tensor of a freshly computed array.
pub fn result<'py>(py: Python<'py>, array: Array, requires_grad: bool) -> PyResult<Bound<'py, PyAny>> {
    let requires_grad = requires_grad && array.dtype().is_float();
    wrap(py, TensorBase::new(array, requires_grad))
}

/// Runs `kernel` with the array behind `out`, or without one; the result is `out` itself where it was given.
pub fn with_out<'py>(
    op: &str,
    out: Option<&Bound<'py, TensorBase>>,
    py: Python<'py>,
    work: usize,
    requires_grad: bool,
    kernel: impl FnOnce(Option<&Array>) -> Result<Array> + Send,
) -> PyResult<Bound<'py, PyAny>> {
    match out {
        None => result(py, error::call(py, work, || kernel(None))?, requires_grad),
        Some(tensor) => {
            let recorded = modes::recording() && (requires_grad || tensor.borrow().requires_grad);
            before_write(op, tensor, recorded)?;
            let array = tensor.borrow().array.clone();
            error::call(py, work, || kernel(Some(&array)))?;
            after_write(&tensor.borrow(), recorded);
            Ok(tensor.clone().into_any())
        }
    }
}

#[pymodule]
pub mod backend {
    #[pymodule_export]
    use super::copy::{cast, copy_};
    #[pymodule_export]
    use super::elementwise::{add, mul};
    #[pymodule_export]
    use super::index::{
        concatenate, embedding, embedding_grad, gather, index_get, index_get_grad, index_put, nonzero, pad, scatter,
        scatter_add, stack,
    };
    #[pymodule_export]
    use super::linalg::{linear, matmul};
    #[pymodule_export]
    use super::optim::{adam_step, grad_norm, scale_grads, sgd_step};
    #[pymodule_export]
    use super::pooling::{avg_pool, avg_pool_grad, max_pool, max_pool_grad};
    #[pymodule_export]
    use super::random::{bernoulli, dropout, dropout_grad, normal, randint, randperm, uniform};
    #[pymodule_export]
    use super::view::{
        contiguous, detach, empty, expand, full, getitem, getitem_grad, permute, reshape, setitem, view,
    };
}
