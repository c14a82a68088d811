use ferrograd_array::{Array, DType, Result};

use super::{
    Update, add_quotient, begin, check_beta, check_distinct, check_lengths, check_written, count, gradient, lerp,
    number, square_average, step,
};
use crate::denormals;
use crate::path;
use crate::simd::{Float, Simd};

/// The fixed numbers of NAdam; `decoupled` is AdamW's weight decay.
#[derive(Debug, Clone, Copy)]
pub struct NAdam {
    pub betas: (f64, f64),
    pub eps: f64,
    pub weight_decay: f64,
    pub momentum_decay: f64,
    pub decoupled: bool,
    pub maximize: bool,
}

impl NAdam {
    /// The momentum at step `t`.
    fn mu(&self, t: f64) -> f64 {
        self.betas.0 * (1.0 - 0.5 * 0.96f64.powf(t * self.momentum_decay))
    }
}

struct NAdamUpdate<T> {
    /// `1 − β₁`, `1 − β₂`, formed in f64.
    rest1: T,
    beta2: T,
    rest2: T,
    eps: T,
    weight_decay: T,
    /// `1 − lr · weight_decay` where that is decoupled, else 1.
    shrink: T,
    /// `1 − β₂ᵗ`.
    correction2: T,
    /// The factors of the gradient and of the first moment.
    fresh: T,
    kept: T,
    maximize: bool,
}

impl<T: Float> Update<T, 4> for NAdamUpdate<T> {
    const WRITES: [bool; 4] = [true, false, true, true];
    #[inline(always)]
    fn apply<S: Simd<T>>(&self, s: S, [p, g, m, v]: [S::V; 4]) -> [S::V; 4] {
        let slope = gradient(s, p, g, self.weight_decay, self.maximize);
        let p = s.mul(p, s.splat(self.shrink));
        let m = lerp(s, m, slope, self.rest1);
        let v = square_average(s, v, slope, self.beta2, self.rest2);
        let root = s.add(s.sqrt(s.div(v, s.splat(self.correction2))), s.splat(self.eps));
        let p = add_quotient(s, p, self.fresh, slope, root);
        [add_quotient(s, p, self.kept, m, root), g, m, v]
    }
}

/// NAdam, in place, as PyTorch's steps:
///
/// `t ← t + 1;  μₜ = β₁ (1 − ½ · 0.96^(t · momentum_decay));  Π ← Π · μₜ;`
/// `m ← β₁ m + (1 − β₁) g;  v ← β₂ v + (1 − β₂) g²;`
/// `p ← p − lr · ((1 − μₜ)/(1 − Π) · g + μₜ₊₁/(1 − Π μₜ₊₁) · m) / (√(v / (1 − β₂ᵗ)) + eps)`.
/// `mu_products` are the Π, a 0-d array for each parameter.
pub fn nadam_step(
    params: &[&Array],
    grads: &[&Array],
    exp_avgs: &[&Array],
    exp_avg_sqs: &[&Array],
    mu_products: &[&Array],
    lr: &Array,
    steps: &[&Array],
    nadam: NAdam,
) -> Result<()> {
    let op = "nadam_step";
    check_beta(op, "beta1", nadam.betas.0)?;
    check_beta(op, "beta2", nadam.betas.1)?;
    check_lengths(op, "mu_products", mu_products, params)?;
    for (k, product) in mu_products.iter().enumerate() {
        number(op, &format!("mu_products[{k}]"), product)?;
        check_written(op, "mu_products", k, product)?;
    }
    check_distinct(op, &[("mu_products", mu_products)])?;
    let state = [("exp_avgs", exp_avgs), ("exp_avg_sqs", exp_avg_sqs)];
    let (rate, counts) = begin(op, params, grads, &state, lr, steps)?;
    let products: Vec<f64> =
        mu_products.iter().enumerate().map(|(k, product)| multiply(product, nadam.mu(count(&counts, k)))).collect();
    denormals::flushed(|| {
        all::<f32>([params, grads, exp_avgs, exp_avg_sqs], rate, &counts, &products, &nadam);
        all::<f64>([params, grads, exp_avgs, exp_avg_sqs], rate, &counts, &products, &nadam);
    });
    Ok(())
}

/// `a ← a · factor` of a 0-d array, in its dtype as PyTorch does; what it then is.
fn multiply(a: &Array, factor: f64) -> f64 {
    // SAFETY: one element of this dtype, which `number` and `check_written` saw.
    unsafe {
        if a.dtype() == DType::F32 {
            *a.ptr_mut::<f32>() *= factor as f32;
            *a.ptr::<f32>() as f64
        } else {
            *a.ptr_mut::<f64>() *= factor;
            *a.ptr::<f64>()
        }
    }
}

fn all<T: Float>(lists: [&[&Array]; 4], lr: f64, counts: &[f64], products: &[f64], nadam: &NAdam) {
    path!("optim/nadam", parallel);
    let (beta1, beta2) = nadam.betas;
    step::<T, _, 4>(lists, 2.0, |k| {
        let (t, product) = (count(counts, k), products[k]);
        let next = nadam.mu(t + 1.0);
        NAdamUpdate {
            rest1: T::from_f64(1.0 - beta1),
            beta2: T::from_f64(beta2),
            rest2: T::from_f64(1.0 - beta2),
            eps: T::from_f64(nadam.eps),
            weight_decay: T::from_f64(if nadam.decoupled { 0.0 } else { nadam.weight_decay }),
            shrink: T::from_f64(if nadam.decoupled { 1.0 - lr * nadam.weight_decay } else { 1.0 }),
            correction2: T::from_f64(1.0 - beta2.powf(t)),
            fresh: T::from_f64(-lr * (1.0 - nadam.mu(t)) / (1.0 - product)),
            kept: T::from_f64(-lr * next / (1.0 - product * next)),
            maximize: nadam.maximize,
        }
    });
}
