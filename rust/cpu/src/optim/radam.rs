use ferrograd_array::{Array, Result};

use super::{Update, begin, check_beta, count, gradient, lerp, square_average, step};
use crate::denormals;
use crate::path;
use crate::simd::{Float, Simd};

/// The fixed numbers of RAdam; `decoupled` is AdamW's weight decay.
#[derive(Debug, Clone, Copy)]
pub struct RAdam {
    pub betas: (f64, f64),
    pub eps: f64,
    pub weight_decay: f64,
    pub decoupled: bool,
    pub maximize: bool,
}

struct RAdamUpdate<T> {
    /// `1 − β₁`, `1 − β₂`, formed in f64.
    rest1: T,
    beta2: T,
    rest2: T,
    eps: T,
    weight_decay: T,
    /// `1 − lr · weight_decay` where that is decoupled, else 1.
    shrink: T,
    /// `1 − β₁ᵗ` and `√(1 − β₂ᵗ)`.
    correction1: T,
    root2: T,
    lr: T,
    /// The rectification of the variance, where there are samples enough for one.
    rectified: Option<T>,
    maximize: bool,
}

impl<T: Float> Update<T, 4> for RAdamUpdate<T> {
    const WRITES: [bool; 4] = [true, false, true, true];
    #[inline(always)]
    fn apply<S: Simd<T>>(&self, s: S, [p, g, m, v]: [S::V; 4]) -> [S::V; 4] {
        let slope = gradient(s, p, g, self.weight_decay, self.maximize);
        let p = s.mul(p, s.splat(self.shrink));
        let m = lerp(s, m, slope, self.rest1);
        let v = square_average(s, v, slope, self.beta2, self.rest2);
        let plain = s.mul(s.div(m, s.splat(self.correction1)), s.splat(self.lr));
        let step = match self.rectified {
            None => plain,
            Some(rectification) => {
                let adapted = s.div(s.splat(self.root2), s.add(s.sqrt(v), s.splat(self.eps)));
                s.mul(s.mul(plain, adapted), s.splat(rectification))
            }
        };
        [s.sub(p, step), g, m, v]
    }
}

/// RAdam, in place, as PyTorch's steps:
///
/// `t ← t + 1;  m ← β₁ m + (1 − β₁) g;  v ← β₂ v + (1 − β₂) g²;  ρ∞ = 2/(1 − β₂) − 1;
/// ρ = ρ∞ − 2 t β₂ᵗ/(1 − β₂ᵗ);  p ← p − lr · m/(1 − β₁ᵗ)`, times, where `ρ > 5`, `r · √(1 − β₂ᵗ) / (√v + eps)` with
/// `r² = (ρ − 4)(ρ − 2) ρ∞ / ((ρ∞ − 4)(ρ∞ − 2) ρ)`.
pub fn radam_step(
    params: &[&Array],
    grads: &[&Array],
    exp_avgs: &[&Array],
    exp_avg_sqs: &[&Array],
    lr: &Array,
    steps: &[&Array],
    radam: RAdam,
) -> Result<()> {
    let op = "radam_step";
    check_beta(op, "beta1", radam.betas.0)?;
    check_beta(op, "beta2", radam.betas.1)?;
    let state = [("exp_avgs", exp_avgs), ("exp_avg_sqs", exp_avg_sqs)];
    let (rate, counts) = begin(op, params, grads, &state, lr, steps)?;
    denormals::flushed(|| {
        all::<f32>([params, grads, exp_avgs, exp_avg_sqs], rate, &counts, &radam);
        all::<f64>([params, grads, exp_avgs, exp_avg_sqs], rate, &counts, &radam);
    });
    Ok(())
}

fn all<T: Float>(lists: [&[&Array]; 4], lr: f64, counts: &[f64], radam: &RAdam) {
    path!("optim/radam", parallel);
    let (beta1, beta2) = radam.betas;
    let longest = 2.0 / (1.0 - beta2) - 1.0;
    step::<T, _, 4>(lists, 2.0, |k| {
        let t = count(counts, k);
        let correction2 = 1.0 - beta2.powf(t);
        let length = longest - 2.0 * t * beta2.powf(t) / correction2;
        let squared = (length - 4.0) * (length - 2.0) * longest / ((longest - 4.0) * (longest - 2.0) * length);
        RAdamUpdate {
            rest1: T::from_f64(1.0 - beta1),
            beta2: T::from_f64(beta2),
            rest2: T::from_f64(1.0 - beta2),
            eps: T::from_f64(radam.eps),
            weight_decay: T::from_f64(if radam.decoupled { 0.0 } else { radam.weight_decay }),
            shrink: T::from_f64(if radam.decoupled { 1.0 - lr * radam.weight_decay } else { 1.0 }),
            correction1: T::from_f64(1.0 - beta1.powf(t)),
            root2: T::from_f64(correction2.sqrt()),
            lr: T::from_f64(lr),
            rectified: (length > 5.0).then(|| T::from_f64(squared.sqrt())),
            maximize: radam.maximize,
        }
    });
}
