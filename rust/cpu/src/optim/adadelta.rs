use ferrograd_array::{Array, Error, Result};

use super::{Update, begin, gradient, square_average, step};
use crate::denormals;
use crate::path;
use crate::simd::{Float, Simd};

/// The fixed numbers of Adadelta.
#[derive(Debug, Clone, Copy)]
pub struct Adadelta {
    pub rho: f64,
    pub eps: f64,
    pub weight_decay: f64,
    pub maximize: bool,
}

struct AdadeltaUpdate<T> {
    lr: T,
    rho: T,
    /// `1 − rho`, formed in f64.
    rest: T,
    eps: T,
    weight_decay: T,
    maximize: bool,
}

impl<T: Float> Update<T, 4> for AdadeltaUpdate<T> {
    const WRITES: [bool; 4] = [true, false, true, true];
    #[inline(always)]
    fn apply<S: Simd<T>>(&self, s: S, [p, g, squares, deltas]: [S::V; 4]) -> [S::V; 4] {
        let eps = s.splat(self.eps);
        let slope = gradient(s, p, g, self.weight_decay, self.maximize);
        let squares = square_average(s, squares, slope, self.rho, self.rest);
        let ratio = s.div(s.sqrt(s.add(deltas, eps)), s.sqrt(s.add(squares, eps)));
        let delta = s.mul(ratio, slope);
        let deltas = square_average(s, deltas, delta, self.rho, self.rest);
        [s.fma(s.splat(-self.lr), delta, p), g, squares, deltas]
    }
}

/// Adadelta, in place, as PyTorch's steps:
///
/// `v ← rho · v + (1 − rho) · g²;  d ← √(u + eps) / √(v + eps) · g;  u ← rho · u + (1 − rho) · d²;  p ← p − lr · d`,
/// with `v` the `square_avgs` and `u` the `acc_deltas`.
pub fn adadelta_step(
    params: &[&Array],
    grads: &[&Array],
    square_avgs: &[&Array],
    acc_deltas: &[&Array],
    lr: &Array,
    steps: &[&Array],
    adadelta: Adadelta,
) -> Result<()> {
    let op = "adadelta_step";
    if !(0.0..=1.0).contains(&adadelta.rho) {
        return Err(Error::value(op, "rho", "a number from 0 to 1", adadelta.rho));
    }
    let state = [("square_avgs", square_avgs), ("acc_deltas", acc_deltas)];
    let (rate, _) = begin(op, params, grads, &state, lr, steps)?;
    denormals::flushed(|| {
        all::<f32>([params, grads, square_avgs, acc_deltas], rate, &adadelta);
        all::<f64>([params, grads, square_avgs, acc_deltas], rate, &adadelta);
    });
    Ok(())
}

fn all<T: Float>(lists: [&[&Array]; 4], lr: f64, adadelta: &Adadelta) {
    path!("optim/adadelta", parallel);
    step::<T, _, 4>(lists, 2.0, |_| AdadeltaUpdate {
        lr: T::from_f64(lr),
        rho: T::from_f64(adadelta.rho),
        rest: T::from_f64(1.0 - adadelta.rho),
        eps: T::from_f64(adadelta.eps),
        weight_decay: T::from_f64(adadelta.weight_decay),
        maximize: adadelta.maximize,
    });
}
