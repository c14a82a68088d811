//! Normalisation with its gradients: over the trailing dimensions ([`layer_norm`]), over everything but the channels
//! ([`batch_norm`]).

mod batch;
mod channel;
mod layer;

use ferrograd_array::{Array, Error, Result, Shape};

pub use batch::{batch_norm, batch_norm_eval, batch_norm_eval_grad, batch_norm_grad};
pub use layer::{layer_norm, layer_norm_grad};

use crate::contiguous;
use crate::simd::Float;

/// The gradients that were asked for: of the input, the weight and the bias.
pub type Gradients = [Option<Array>; 3];

/// An optional row of numbers, dense, of a given shape; of `fill` where it is not given.
fn row<T: Float>(op: &str, argument: &str, a: Option<&Array>, shape: &[usize], fill: T) -> Result<Array> {
    let Some(a) = a else {
        let out = Array::empty(shape, T::DTYPE)?;
        for i in 0..out.numel() {
            // SAFETY: new, contiguous.
            unsafe { *out.ptr_mut::<T>().add(i) = fill };
        }
        return Ok(out);
    };
    if a.shape() != shape {
        return Err(Error::shape(op, argument, format_args!("shape {}", Shape(shape)), Shape(a.shape())));
    }
    if a.dtype() != T::DTYPE {
        return Err(Error::dtype(op, argument, T::DTYPE, a.dtype()));
    }
    if a.is_contiguous() { Ok(a.clone()) } else { contiguous(a) }
}

#[cfg(feature = "testing")]
mod tests;
