use ferrograd_array::{Array, Result};

use super::{Update, add_quotient, begin, count, gradient, step};
use crate::denormals;
use crate::path;
use crate::simd::{Float, Simd};

/// The fixed numbers of Adagrad.
#[derive(Debug, Clone, Copy)]
pub struct Adagrad {
    pub lr_decay: f64,
    pub weight_decay: f64,
    pub eps: f64,
    pub maximize: bool,
}

struct AdagradUpdate<T> {
    /// `−lr / (1 + (t − 1) · lr_decay)`.
    move_by: T,
    weight_decay: T,
    eps: T,
    maximize: bool,
}

impl<T: Float> Update<T, 3> for AdagradUpdate<T> {
    const WRITES: [bool; 3] = [true, false, true];
    #[inline(always)]
    fn apply<S: Simd<T>>(&self, s: S, [p, g, sum]: [S::V; 3]) -> [S::V; 3] {
        let step = gradient(s, p, g, self.weight_decay, self.maximize);
        let sum = s.fma(step, step, sum);
        let root = s.add(s.sqrt(sum), s.splat(self.eps));
        [add_quotient(s, p, self.move_by, step, root), g, sum]
    }
}

/// Adagrad, in place, as PyTorch's steps:
///
/// `t ← t + 1;  s ← s + g²;  p ← p − lr/(1 + (t − 1) · lr_decay) · g / (√s + eps)`.
pub fn adagrad_step(
    params: &[&Array],
    grads: &[&Array],
    sums: &[&Array],
    lr: &Array,
    steps: &[&Array],
    adagrad: Adagrad,
) -> Result<()> {
    let (rate, counts) = begin("adagrad_step", params, grads, &[("sums", sums)], lr, steps)?;
    denormals::flushed(|| {
        all::<f32>([params, grads, sums], rate, &counts, &adagrad);
        all::<f64>([params, grads, sums], rate, &counts, &adagrad);
    });
    Ok(())
}

fn all<T: Float>(lists: [&[&Array]; 3], lr: f64, counts: &[f64], adagrad: &Adagrad) {
    path!("optim/adagrad", parallel);
    step::<T, _, 3>(lists, 1.2, |k| AdagradUpdate {
        move_by: T::from_f64(-lr / (1.0 + (count(counts, k) - 1.0) * adagrad.lr_decay)),
        weight_decay: T::from_f64(adagrad.weight_decay),
        eps: T::from_f64(adagrad.eps),
        maximize: adagrad.maximize,
    });
}
