//! The op table that Python sees, `_core.backend`: one module, one function an op. Each function looks at the device
//! of its operands and calls that device's crate; a new device adds arms here and no second table.
//!
//! One file a family. A call is describable as data: operands first, attributes after them, `out` last.

mod attention;
mod conv;
mod copy;
mod elementwise;
mod index;
mod linalg;
mod loss;
mod norm;
mod optim;
mod pooling;
mod random;
mod reduce;
mod rnn;
mod scan;
mod softmax;
mod sort;
pub mod view;

use ferrograd_array::{Array, Result};
use pyo3::exceptions::PyRuntimeError;
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
            before_write(op, tensor, false)?;
            if modes::recording() && (requires_grad || tensor.borrow().requires_grad) {
                return Err(PyRuntimeError::new_err(format!(
                    "{op}: out: a result that is written into a given tensor has no gradient, and an operand requires \
                     one; leave out= away, or use no_grad()"
                )));
            }
            let array = tensor.borrow().array.clone();
            error::call(py, work, || kernel(Some(&array)))?;
            after_write(&tensor.borrow(), false);
            Ok(tensor.clone().into_any())
        }
    }
}

#[pymodule]
pub mod backend {
    #[pymodule_export]
    use super::attention::{attention, attention_grad, self_attention, self_attention_grad};
    #[pymodule_export]
    use super::conv::{conv, conv_input_grad, conv_weight_grad};
    #[pymodule_export]
    use super::copy::{cast, clone, copy_, ordered};
    #[pymodule_export]
    use super::elementwise::{
        abs, abs_grad, acos, acosh, add, addcmul, asin, asinh, atan, atan2, atanh, bitwise_and, bitwise_not,
        bitwise_or, bitwise_xor, ceil, clip, clip_grad, copysign, cos, cosh, div, elu, elu_grad, eq, erf, erfc, erfinv,
        exp, exp2, expm1, floor, floor_divide, fmod, ge, gelu, gelu_grad, gelu_tanh, gelu_tanh_grad, gt, hardtanh,
        hardtanh_grad, huber, huber_grad, hypot, isfinite, isinf, isnan, le, leaky_relu, leaky_relu_grad, lerp, lgamma,
        log, log1p, log2, log10, logaddexp, logical_and, logical_not, logical_or, logical_xor, lt, maximum,
        maximum_grad, minimum, minimum_grad, mul, ne, neg, polygamma, pow, reciprocal, relu, relu_grad, remainder,
        round, rsqrt, sigmoid, sigmoid_grad, sign, signbit, silu, silu_grad, sin, sinh, softplus, softplus_grad, sqrt,
        square, sub, tan, tanh, tanh_grad, trunc, where_, xlogy,
    };
    #[pymodule_export]
    use super::index::{
        concatenate, embedding, embedding_grad, gather, index_get, index_get_grad, index_put, nonzero, pad, scatter,
        scatter_add, stack,
    };
    #[pymodule_export]
    use super::linalg::{linear, linear_grad, matmul};
    #[pymodule_export]
    use super::loss::{cross_entropy, cross_entropy_grad};
    #[pymodule_export]
    use super::norm::{
        batch_norm, batch_norm_eval, batch_norm_eval_grad, batch_norm_grad, layer_norm, layer_norm_grad,
    };
    #[pymodule_export]
    use super::optim::{
        adadelta_step, adagrad_step, adam_step, adamax_step, grad_norm, nadam_step, radam_step, rmsprop_step,
        scale_grads, sgd_step,
    };
    #[pymodule_export]
    use super::pooling::{
        adaptive_avg_pool, adaptive_avg_pool_grad, adaptive_max_pool, avg_pool, avg_pool_grad, max_pool, max_pool_grad,
    };
    #[pymodule_export]
    use super::random::{bernoulli, dropout, dropout_grad, normal, randint, randperm, uniform};
    #[pymodule_export]
    use super::reduce::{
        all, amax, amin, any, argmax, argmin, check_range, logsumexp, max_dim, mean, min_dim, prod, sum, sum_to, var,
    };
    #[pymodule_export]
    use super::rnn::{
        gru_sequence, gru_sequence_grad, lstm_sequence, lstm_sequence_grad, rnn_sequence, rnn_sequence_grad,
    };
    #[pymodule_export]
    use super::scan::{cummax, cummin, cumprod, cumsum, linear_scan, logcumsumexp};
    #[pymodule_export]
    use super::softmax::{log_softmax, log_softmax_grad, softmax, softmax_grad};
    #[pymodule_export]
    use super::sort::{kthvalue, median, mode, searchsorted, sort, topk};
    #[pymodule_export]
    use super::view::{
        contiguous, detach, empty, expand, full, getitem, getitem_grad, permute, reshape, setitem, view,
    };
}
