use ferrograd_array::{Array, Error, Result};

use super::{Update, begin, count, gradient, step};
use crate::denormals;
use crate::path;
use crate::simd::{Float, Simd};

/// The fixed numbers of stochastic gradient descent.
#[derive(Debug, Clone, Copy)]
pub struct Sgd {
    pub momentum: f64,
    pub dampening: f64,
    pub weight_decay: f64,
    pub nesterov: bool,
    pub maximize: bool,
}

#[derive(Clone, Copy)]
struct SgdUpdate<T> {
    lr: T,
    momentum: T,
    /// `1 − dampening`, and at the first step 1.
    fresh: T,
    weight_decay: T,
    nesterov: bool,
    maximize: bool,
    first: bool,
}

impl<T: Float> Update<T, 2> for SgdUpdate<T> {
    const WRITES: [bool; 2] = [true, false];
    #[inline(always)]
    fn apply<S: Simd<T>>(&self, s: S, [p, g]: [S::V; 2]) -> [S::V; 2] {
        let step = gradient(s, p, g, self.weight_decay, self.maximize);
        [s.fma(s.splat(-self.lr), step, p), g]
    }
}

impl<T: Float> Update<T, 3> for SgdUpdate<T> {
    const WRITES: [bool; 3] = [true, false, true];
    #[inline(always)]
    fn apply<S: Simd<T>>(&self, s: S, [p, g, buffer]: [S::V; 3]) -> [S::V; 3] {
        let slope = gradient(s, p, g, self.weight_decay, self.maximize);
        let (momentum, fresh) = (s.splat(self.momentum), s.mul(s.splat(self.fresh), slope));
        // At the first step the buffer is not read: it may hold anything.
        let buffer = if self.first { fresh } else { s.fma(momentum, buffer, fresh) };
        let step = if self.nesterov { s.fma(momentum, buffer, slope) } else { buffer };
        [s.fma(s.splat(-self.lr), step, p), g, buffer]
    }
}

/// Stochastic gradient descent, in place, as PyTorch's `SGD` steps:
///
/// `g ← ∓∇ + weight_decay · p;  b ← momentum · b + (1 − dampening) · g` (at the first step `b ← g`)`;`
/// `p ← p − lr · (b, or with Nesterov g + momentum · b)`. `buffers` are empty where `momentum` is 0; `steps`, one
/// 0-d array or one a parameter, move on by 1, and where they are 0 it is the first step.
pub fn sgd_step(
    params: &[&Array],
    grads: &[&Array],
    buffers: &[&Array],
    lr: &Array,
    steps: &[&Array],
    sgd: Sgd,
) -> Result<()> {
    let op = "sgd_step";
    let momentum = sgd.momentum != 0.0;
    if sgd.nesterov && (!momentum || sgd.dampening != 0.0) {
        return Err(Error::value(
            op,
            "nesterov",
            "momentum without dampening",
            format_args!("momentum {}, dampening {}", sgd.momentum, sgd.dampening),
        ));
    }
    let state = [("momentum_buffers", buffers)];
    let state = if momentum || !buffers.is_empty() { &state[..] } else { &[] };
    let (rate, counts) = begin(op, params, grads, state, lr, steps)?;
    denormals::flushed(|| {
        sgd_all::<f32>(params, grads, buffers, rate, &counts, sgd);
        sgd_all::<f64>(params, grads, buffers, rate, &counts, sgd);
    });
    Ok(())
}

fn sgd_all<T: Float>(params: &[&Array], grads: &[&Array], buffers: &[&Array], lr: f64, counts: &[f64], sgd: Sgd) {
    let update = |k: usize| {
        let first = count(counts, k) == 1.0;
        SgdUpdate {
            lr: T::from_f64(lr),
            momentum: T::from_f64(sgd.momentum),
            fresh: T::from_f64(if first { 1.0 } else { 1.0 - sgd.dampening }),
            weight_decay: T::from_f64(sgd.weight_decay),
            nesterov: sgd.nesterov,
            maximize: sgd.maximize,
            first,
        }
    };
    if sgd.momentum == 0.0 {
        path!("optim/sgd", parallel);
        step::<T, _, 2>([params, grads], 0.6, update);
    } else {
        path!("optim/sgd_momentum", parallel);
        step::<T, _, 3>([params, grads, buffers], 1.0, update);
    }
}
