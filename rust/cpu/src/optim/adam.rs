use ferrograd_array::{Array, Result};

use super::{Update, begin, check_beta, count, gradient, square_average, step};
use crate::denormals;
use crate::path;
use crate::simd::{Float, Simd};

/// The fixed numbers of Adam; `decoupled` is AdamW's weight decay.
#[derive(Debug, Clone, Copy)]
pub struct Adam {
    pub betas: (f64, f64),
    pub eps: f64,
    pub weight_decay: f64,
    pub decoupled: bool,
    pub maximize: bool,
}

struct AdamUpdate<T> {
    beta1: T,
    /// `1 − β₁` and `1 − β₂`, formed in f64.
    rest1: T,
    beta2: T,
    rest2: T,
    eps: T,
    weight_decay: T,
    /// `1 − lr · weight_decay` where that is decoupled.
    shrink: T,
    /// `lr / (1 − β₁ᵗ)` and `√(1 − β₂ᵗ)`.
    step: T,
    root: T,
    decoupled: bool,
    maximize: bool,
}

impl<T: Float> AdamUpdate<T> {
    fn new(adam: &Adam, lr: f64, t: f64) -> Self {
        let (beta1, beta2) = adam.betas;
        Self {
            beta1: T::from_f64(beta1),
            rest1: T::from_f64(1.0 - beta1),
            beta2: T::from_f64(beta2),
            rest2: T::from_f64(1.0 - beta2),
            eps: T::from_f64(adam.eps),
            weight_decay: T::from_f64(if adam.decoupled { 0.0 } else { adam.weight_decay }),
            shrink: T::from_f64(1.0 - lr * adam.weight_decay),
            step: T::from_f64(lr / (1.0 - beta1.powf(t))),
            root: T::from_f64((1.0 - beta2.powf(t)).sqrt()),
            decoupled: adam.decoupled && adam.weight_decay != 0.0,
            maximize: adam.maximize,
        }
    }

    /// `(parameter after decay, first moment, second moment)`.
    #[inline(always)]
    fn moments<S: Simd<T>>(&self, s: S, p: S::V, g: S::V, m: S::V, v: S::V) -> (S::V, S::V, S::V) {
        let g = gradient(s, p, g, self.weight_decay, self.maximize);
        let p = if self.decoupled { s.mul(p, s.splat(self.shrink)) } else { p };
        // m + (1 − β₁)(g − m), and β₂ v + (1 − β₂) g², in PyTorch's order of operations.
        let m = if self.beta1 > T::ZERO { s.fma(s.splat(self.rest1), s.sub(g, m), m) } else { g };
        let v = square_average(s, v, g, self.beta2, self.rest2);
        (p, m, v)
    }

    #[inline(always)]
    fn moved<S: Simd<T>>(&self, s: S, p: S::V, m: S::V, v: S::V) -> S::V {
        let denominator = s.add(s.div(s.sqrt(v), s.splat(self.root)), s.splat(self.eps));
        s.fma(s.splat(-self.step), s.div(m, denominator), p)
    }
}

impl<T: Float> Update<T, 4> for AdamUpdate<T> {
    const WRITES: [bool; 4] = [true, false, true, true];
    #[inline(always)]
    fn apply<S: Simd<T>>(&self, s: S, [p, g, m, v]: [S::V; 4]) -> [S::V; 4] {
        let (p, m, v) = self.moments(s, p, g, m, v);
        [self.moved(s, p, m, v), g, m, v]
    }
}

impl<T: Float> Update<T, 5> for AdamUpdate<T> {
    const WRITES: [bool; 5] = [true, false, true, true, true];
    #[inline(always)]
    fn apply<S: Simd<T>>(&self, s: S, [p, g, m, v, largest]: [S::V; 5]) -> [S::V; 5] {
        let (p, m, v) = self.moments(s, p, g, m, v);
        let largest = s.maximum(largest, v);
        [self.moved(s, p, m, largest), g, m, v, largest]
    }
}

/// Adam, AdamW and AMSGrad, in place, as PyTorch's `Adam` and `AdamW` step:
///
/// `t ← t + 1;  m ← β₁ m + (1 − β₁) g;  v ← β₂ v + (1 − β₂) g²;`
/// `p ← p − lr/(1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + eps)`, where AMSGrad takes the largest `v` so far (`max_exp_avg_sqs`,
/// else an empty list). Weight decay is added to `g`, or where `decoupled` shrinks `p` by `lr · weight_decay` first.
pub fn adam_step(
    params: &[&Array],
    grads: &[&Array],
    exp_avgs: &[&Array],
    exp_avg_sqs: &[&Array],
    max_exp_avg_sqs: &[&Array],
    lr: &Array,
    steps: &[&Array],
    adam: Adam,
) -> Result<()> {
    let op = "adam_step";
    check_beta(op, "beta1", adam.betas.0)?;
    check_beta(op, "beta2", adam.betas.1)?;
    let mut state = vec![("exp_avgs", exp_avgs), ("exp_avg_sqs", exp_avg_sqs)];
    if !max_exp_avg_sqs.is_empty() {
        state.push(("max_exp_avg_sqs", max_exp_avg_sqs));
    }
    let (rate, counts) = begin(op, params, grads, &state, lr, steps)?;
    denormals::flushed(|| {
        let all = (params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs);
        adam_all::<f32>(all, rate, &counts, &adam);
        adam_all::<f64>(all, rate, &counts, &adam);
    });
    Ok(())
}

type Lists<'a> = (&'a [&'a Array], &'a [&'a Array], &'a [&'a Array], &'a [&'a Array], &'a [&'a Array]);

fn adam_all<T: Float>((p, g, m, v, largest): Lists<'_>, lr: f64, counts: &[f64], adam: &Adam) {
    let update = |k: usize| AdamUpdate::<T>::new(adam, lr, count(counts, k));
    if largest.is_empty() {
        path!("optim/adam", parallel);
        step::<T, _, 4>([p, g, m, v], 1.5, update);
    } else {
        path!("optim/adam_amsgrad", parallel);
        step::<T, _, 5>([p, g, m, v, largest], 1.8, update);
    }
}
