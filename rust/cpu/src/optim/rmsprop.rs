use ferrograd_array::{Array, Result};

use super::{Update, add_quotient, begin, gradient, lerp, square_average, step};
use crate::denormals;
use crate::path;
use crate::simd::{Float, Simd};

/// The fixed numbers of RMSprop.
#[derive(Debug, Clone, Copy)]
pub struct RmsProp {
    pub alpha: f64,
    pub eps: f64,
    pub weight_decay: f64,
    pub momentum: f64,
    pub maximize: bool,
}

struct RmsPropUpdate<T> {
    lr: T,
    alpha: T,
    /// `1 − alpha`, formed in f64.
    rest: T,
    eps: T,
    weight_decay: T,
    momentum: T,
    maximize: bool,
}

impl<T: Float> RmsPropUpdate<T> {
    fn new(lr: f64, rmsprop: &RmsProp) -> Self {
        Self {
            lr: T::from_f64(lr),
            alpha: T::from_f64(rmsprop.alpha),
            rest: T::from_f64(1.0 - rmsprop.alpha),
            eps: T::from_f64(rmsprop.eps),
            weight_decay: T::from_f64(rmsprop.weight_decay),
            momentum: T::from_f64(rmsprop.momentum),
            maximize: rmsprop.maximize,
        }
    }

    /// `(gradient, running average of its square)`.
    #[inline(always)]
    fn squares<S: Simd<T>>(&self, s: S, p: S::V, g: S::V, squares: S::V) -> (S::V, S::V) {
        let g = gradient(s, p, g, self.weight_decay, self.maximize);
        (g, square_average(s, squares, g, self.alpha, self.rest))
    }

    /// `(running average of the gradient, the root of the running variance)`. Rounding can take the variance below
    /// zero, where it is zero.
    #[inline(always)]
    fn centered<S: Simd<T>>(&self, s: S, g: S::V, squares: S::V, average: S::V) -> (S::V, S::V) {
        let average = lerp(s, average, g, self.rest);
        let variance = s.fma(s.neg(average), average, squares);
        (average, s.sqrt(s.maximum(variance, s.zero())))
    }

    #[inline(always)]
    fn moved<S: Simd<T>>(&self, s: S, p: S::V, g: S::V, root: S::V) -> S::V {
        add_quotient(s, p, -self.lr, g, s.add(root, s.splat(self.eps)))
    }

    /// `(parameter, momentum)`.
    #[inline(always)]
    fn carried<S: Simd<T>>(&self, s: S, p: S::V, g: S::V, root: S::V, buffer: S::V) -> (S::V, S::V) {
        let ratio = s.div(g, s.add(root, s.splat(self.eps)));
        let buffer = s.add(s.mul(buffer, s.splat(self.momentum)), ratio);
        (s.fma(s.splat(-self.lr), buffer, p), buffer)
    }
}

struct Plain<T>(RmsPropUpdate<T>);
struct Momentum<T>(RmsPropUpdate<T>);
struct Centered<T>(RmsPropUpdate<T>);
struct CenteredMomentum<T>(RmsPropUpdate<T>);

impl<T: Float> Update<T, 3> for Plain<T> {
    const WRITES: [bool; 3] = [true, false, true];
    #[inline(always)]
    fn apply<S: Simd<T>>(&self, s: S, [p, g, squares]: [S::V; 3]) -> [S::V; 3] {
        let (slope, squares) = self.0.squares(s, p, g, squares);
        [self.0.moved(s, p, slope, s.sqrt(squares)), g, squares]
    }
}

impl<T: Float> Update<T, 4> for Momentum<T> {
    const WRITES: [bool; 4] = [true, false, true, true];
    #[inline(always)]
    fn apply<S: Simd<T>>(&self, s: S, [p, g, squares, buffer]: [S::V; 4]) -> [S::V; 4] {
        let (slope, squares) = self.0.squares(s, p, g, squares);
        let (p, buffer) = self.0.carried(s, p, slope, s.sqrt(squares), buffer);
        [p, g, squares, buffer]
    }
}

impl<T: Float> Update<T, 4> for Centered<T> {
    const WRITES: [bool; 4] = [true, false, true, true];
    #[inline(always)]
    fn apply<S: Simd<T>>(&self, s: S, [p, g, squares, average]: [S::V; 4]) -> [S::V; 4] {
        let (slope, squares) = self.0.squares(s, p, g, squares);
        let (average, root) = self.0.centered(s, slope, squares, average);
        [self.0.moved(s, p, slope, root), g, squares, average]
    }
}

impl<T: Float> Update<T, 5> for CenteredMomentum<T> {
    const WRITES: [bool; 5] = [true, false, true, true, true];
    #[inline(always)]
    fn apply<S: Simd<T>>(&self, s: S, [p, g, squares, average, buffer]: [S::V; 5]) -> [S::V; 5] {
        let (slope, squares) = self.0.squares(s, p, g, squares);
        let (average, root) = self.0.centered(s, slope, squares, average);
        let (p, buffer) = self.0.carried(s, p, slope, root, buffer);
        [p, g, squares, average, buffer]
    }
}

/// RMSprop, in place, as PyTorch's steps:
///
/// `v ← alpha · v + (1 − alpha) · g²;  r ← √v + eps;  p ← p − lr · g / r`, with momentum `b ← momentum · b + g / r;
/// p ← p − lr · b`. With `grad_avgs` (else an empty list) it is centered: `m ← alpha · m + (1 − alpha) · g;
/// r ← √(v − m²) + eps`. `momentum_buffers` are empty where `momentum` is 0.
pub fn rmsprop_step(
    params: &[&Array],
    grads: &[&Array],
    square_avgs: &[&Array],
    grad_avgs: &[&Array],
    momentum_buffers: &[&Array],
    lr: &Array,
    steps: &[&Array],
    rmsprop: RmsProp,
) -> Result<()> {
    let mut state = vec![("square_avgs", square_avgs)];
    if !grad_avgs.is_empty() {
        state.push(("grad_avgs", grad_avgs));
    }
    if rmsprop.momentum != 0.0 || !momentum_buffers.is_empty() {
        state.push(("momentum_buffers", momentum_buffers));
    }
    let (rate, _) = begin("rmsprop_step", params, grads, &state, lr, steps)?;
    denormals::flushed(|| {
        let lists = [params, grads, square_avgs, grad_avgs, momentum_buffers];
        all::<f32>(lists, rate, &rmsprop);
        all::<f64>(lists, rate, &rmsprop);
    });
    Ok(())
}

fn all<T: Float>([p, g, v, m, b]: [&[&Array]; 5], lr: f64, rmsprop: &RmsProp) {
    let update = || RmsPropUpdate::<T>::new(lr, rmsprop);
    match (m.is_empty(), rmsprop.momentum == 0.0) {
        (true, true) => {
            path!("optim/rmsprop", parallel);
            step::<T, _, 3>([p, g, v], 1.2, |_| Plain(update()));
        }
        (true, false) => {
            path!("optim/rmsprop_momentum", parallel);
            step::<T, _, 4>([p, g, v, b], 1.5, |_| Momentum(update()));
        }
        (false, true) => {
            path!("optim/rmsprop_centered", parallel);
            step::<T, _, 4>([p, g, v, m], 1.5, |_| Centered(update()));
        }
        (false, false) => {
            path!("optim/rmsprop_centered_momentum", parallel);
            step::<T, _, 5>([p, g, v, m, b], 1.8, |_| CenteredMomentum(update()));
        }
    }
}
