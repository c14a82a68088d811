use ferrograd_array::{Array, Result};

use super::{Update, add_quotient, begin, check_beta, count, gradient, lerp, step};
use crate::denormals;
use crate::path;
use crate::simd::{Float, Simd};

/// The fixed numbers of Adamax.
#[derive(Debug, Clone, Copy)]
pub struct Adamax {
    pub betas: (f64, f64),
    pub eps: f64,
    pub weight_decay: f64,
    pub maximize: bool,
}

struct AdamaxUpdate<T> {
    /// `1 − β₁`, formed in f64.
    rest1: T,
    beta2: T,
    eps: T,
    weight_decay: T,
    /// `−lr / (1 − β₁ᵗ)`.
    move_by: T,
    maximize: bool,
}

impl<T: Float> Update<T, 4> for AdamaxUpdate<T> {
    const WRITES: [bool; 4] = [true, false, true, true];
    #[inline(always)]
    fn apply<S: Simd<T>>(&self, s: S, [p, g, m, largest]: [S::V; 4]) -> [S::V; 4] {
        let slope = gradient(s, p, g, self.weight_decay, self.maximize);
        let m = lerp(s, m, slope, self.rest1);
        let magnitude = s.add(s.abs(slope), s.splat(self.eps));
        let largest = s.maximum(s.mul(largest, s.splat(self.beta2)), magnitude);
        [add_quotient(s, p, self.move_by, m, largest), g, m, largest]
    }
}

/// Adamax, in place, as PyTorch's steps:
///
/// `t ← t + 1;  m ← β₁ m + (1 − β₁) g;  u ← max(β₂ u, |g| + eps);  p ← p − lr/(1 − β₁ᵗ) · m / u`.
pub fn adamax_step(
    params: &[&Array],
    grads: &[&Array],
    exp_avgs: &[&Array],
    exp_infs: &[&Array],
    lr: &Array,
    steps: &[&Array],
    adamax: Adamax,
) -> Result<()> {
    let op = "adamax_step";
    check_beta(op, "beta1", adamax.betas.0)?;
    check_beta(op, "beta2", adamax.betas.1)?;
    let state = [("exp_avgs", exp_avgs), ("exp_infs", exp_infs)];
    let (rate, counts) = begin(op, params, grads, &state, lr, steps)?;
    denormals::flushed(|| {
        all::<f32>([params, grads, exp_avgs, exp_infs], rate, &counts, &adamax);
        all::<f64>([params, grads, exp_avgs, exp_infs], rate, &counts, &adamax);
    });
    Ok(())
}

fn all<T: Float>(lists: [&[&Array]; 4], lr: f64, counts: &[f64], adamax: &Adamax) {
    path!("optim/adamax", parallel);
    let (beta1, beta2) = adamax.betas;
    step::<T, _, 4>(lists, 1.5, |k| AdamaxUpdate {
        rest1: T::from_f64(1.0 - beta1),
        beta2: T::from_f64(beta2),
        eps: T::from_f64(adamax.eps),
        weight_decay: T::from_f64(adamax.weight_decay),
        move_by: T::from_f64(-lr / (1.0 - beta1.powf(count(counts, k)))),
        maximize: adamax.maximize,
    });
}
