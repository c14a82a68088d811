//! Softmax cross-entropy on class indices, fused: the log-probabilities are never written to memory.
//!
//! With `w` the weights of the classes (1 where none are given), `s` the label smoothing, `C` classes and `t` the
//! target of a sample:
//!
//! `loss = (1 − s) · w_t · (log Σ_c exp x_c − x_t) + s/C · Σ_c w_c · (log Σ exp x − x_c)`
//!
//! and 0 where `t` is the ignored index. `mean` divides the sum by `Σ w_t` over the samples that are not ignored.

use ferrograd_array::{Array, DType, Error, Result, Shape};

use crate::copy_into;
use crate::dense::{Around, arranged, dense, streams_rows, without};
use crate::parallel::{self, SyncPtr};
use crate::path;
use crate::reduce::{self, Highest, by_float, lanes_below};
use crate::simd::{Float, Kernel, Simd, streamed, vectorize};
use crate::softmax::{DRAFT, sum_exp};

/// What becomes of the losses of the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    None,
    Sum,
    Mean,
}

impl Reduction {
    pub fn named(op: &str, name: &str) -> Result<Self> {
        match name {
            "none" => Ok(Self::None),
            "sum" => Ok(Self::Sum),
            "mean" => Ok(Self::Mean),
            _ => Err(Error::value(op, "reduction", "one of 'none', 'mean', 'sum'", format_args!("'{name}'"))),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub ignore_index: i64,
    pub reduction: Reduction,
    pub label_smoothing: f64,
}

const TASK: usize = 16 * 1024;
const COLUMNS: usize = 128;

/// The operands after checking: logits `(outer, C, inner)`, targets and losses `(outer, inner)`.
struct Samples<T> {
    logits: Array,
    target: Targets,
    weight: Option<Vec<T>>,
    around: Around,
    /// `Σ w_c`
    weights: f64,
    /// What `mean` divides by.
    divisor: f64,
    options: Options,
}

/// Class indices, a dense array that nobody else holds.
struct Targets(Array);

impl Targets {
    #[inline(always)]
    fn at(&self, i: usize) -> i64 {
        debug_assert!(i < self.0.numel());
        // SAFETY: the array is dense; samples are numbered below their count.
        unsafe { *self.0.ptr::<i64>().add(i) }
    }
}

/// The dimension of the classes: the only one of a single sample, else the second.
fn class_dim(logits: &Array) -> usize {
    (logits.ndim() > 1) as usize
}

fn samples<T: Float>(
    op: &str,
    logits: &Array,
    target: &Array,
    weight: Option<&Array>,
    options: Options,
) -> Result<Samples<T>> {
    if logits.ndim() == 0 {
        return Err(Error::shape(op, "input", "shape (C,), (N, C) or (N, C, d1, …)", "()"));
    }
    let dim = class_dim(logits);
    let classes = logits.shape()[dim];
    let rest: Vec<usize> = (0..logits.ndim()).filter(|&k| k != dim).map(|k| logits.shape()[k]).collect();
    if target.shape() != rest {
        return Err(Error::shape(
            op,
            "target",
            format_args!("shape {}, that of input {} without its classes", Shape(&rest), Shape(logits.shape())),
            Shape(target.shape()),
        ));
    }
    if !matches!(target.dtype(), DType::I64 | DType::I32 | DType::U8) {
        return Err(Error::dtype(op, "target", "class indices (int64)", target.dtype()));
    }
    if !(0.0..=1.0).contains(&options.label_smoothing) {
        return Err(Error::value(op, "label_smoothing", "a number from 0 to 1", options.label_smoothing));
    }
    let weight = match weight {
        None => None,
        Some(w) if w.shape() != [classes] => {
            return Err(Error::shape(
                op,
                "weight",
                format_args!("shape ({classes},), a weight for each class"),
                Shape(w.shape()),
            ));
        }
        Some(w) if w.dtype() != logits.dtype() => return Err(Error::dtype(op, "weight", logits.dtype(), w.dtype())),
        Some(w) => Some(w.to_vec::<T>()),
    };
    let logits = dense(logits)?;
    let around = Around::new(logits.layout(), dim);
    // A private copy: what was checked is what is used, whatever another thread writes meanwhile.
    let indices = Array::with_layout(without(logits.layout(), dim), DType::I64)?;
    copy_into(target, &indices);
    let target = Targets(indices);
    let mut divisor = 0.0;
    for i in 0..target.0.numel() {
        let t = target.at(i);
        if t == options.ignore_index {
            continue;
        }
        if t < 0 || t as usize >= classes {
            let position = position(&without(logits.layout(), dim), i);
            return Err(Error::index(
                op,
                "target",
                format_args!("class indices from 0 to {} ({classes} classes)", classes as i64 - 1),
                format_args!("class {t} at position {}", Shape(&position)),
            ));
        }
        divisor += weight.as_ref().map_or(1.0, |w| w[t as usize].to_f64());
    }
    let weights = weight.as_ref().map_or(classes as f64, |w| w.iter().map(|w| w.to_f64()).sum());
    Ok(Samples { logits, target, weight, around, weights, divisor, options })
}

/// The index of the element that lies at `at` of a dense layout.
fn position(layout: &ferrograd_array::Layout, at: usize) -> Vec<usize> {
    layout.shape.iter().zip(&layout.strides).map(|(&d, &s)| if d == 1 { 0 } else { at / s as usize % d }).collect()
}

/// The loss: a scalar, or one for each sample.
pub fn cross_entropy(logits: &Array, target: &Array, weight: Option<&Array>, options: Options) -> Result<Array> {
    by_float!("cross_entropy", logits, forward(logits, target, weight, options))
}

/// The gradient of [`cross_entropy`] with respect to the logits; `g` is that of the loss.
///
/// With `p` the softmax of a sample and `k` its share of `g`:
/// `k · ((1 − s) w_t (p_c − [c = t]) + s/C (p_c Σ w − w_c))`.
pub fn cross_entropy_grad(
    g: &Array,
    logits: &Array,
    target: &Array,
    weight: Option<&Array>,
    options: Options,
) -> Result<Array> {
    by_float!("cross_entropy_grad", logits, backward(g, logits, target, weight, options))
}

fn forward<T: Float>(logits: &Array, target: &Array, weight: Option<&Array>, options: Options) -> Result<Array> {
    let samples = samples::<T>("cross_entropy", logits, target, weight, options)?;
    let losses = Array::with_layout(without(samples.logits.layout(), class_dim(logits)), T::DTYPE)?;
    samples.run(losses.ptr_mut::<T>(), std::ptr::null(), std::ptr::null_mut(), false);
    if options.reduction == Reduction::None {
        return Ok(losses);
    }
    let total = reduce::sum(&losses, &[], false)?;
    if options.reduction == Reduction::Mean {
        let p = total.ptr_mut::<T>();
        // SAFETY: one element of our own. In float64, so that no rounding of the divisor shows.
        unsafe { *p = T::from_f64((*p).to_f64() / samples.divisor) };
    }
    Ok(total)
}

fn backward<T: Float>(
    g: &Array,
    logits: &Array,
    target: &Array,
    weight: Option<&Array>,
    options: Options,
) -> Result<Array> {
    let samples = samples::<T>("cross_entropy_grad", logits, target, weight, options)?;
    let rest = without(samples.logits.layout(), class_dim(logits));
    let expected: &[usize] = if options.reduction == Reduction::None { &rest.shape } else { &[] };
    if g.shape() != expected {
        return Err(Error::shape(
            "cross_entropy_grad",
            "grad",
            format_args!("shape {}", Shape(expected)),
            Shape(g.shape()),
        ));
    }
    if g.dtype() != logits.dtype() {
        return Err(Error::dtype("cross_entropy_grad", "grad", logits.dtype(), g.dtype()));
    }
    let g = if options.reduction == Reduction::None { arranged(g, &rest)? } else { g.clone() };
    let out = Array::empty_like(&samples.logits, logits.shape(), T::DTYPE)?;
    let Around { n, inner, .. } = samples.around;
    let past = inner == 1 && n * size_of::<T>() <= DRAFT && streams_rows::<T>(&out, n);
    samples.run(std::ptr::null_mut(), g.ptr::<T>(), out.ptr_mut::<T>(), past);
    Ok(out)
}

impl<T: Float> Samples<T> {
    /// Writes the losses, or (where `grad` is given) the gradients of the logits, those `past` the caches or not.
    fn run(&self, losses: *mut T, g: *const T, grad: *mut T, past: bool) {
        let Around { outer, n, inner } = self.around;
        let blocks = inner.div_ceil(COLUMNS).max(1);
        let many = (TASK / (n * inner.min(COLUMNS)).max(1)).max(1);
        let (losses, g, grad) = (SyncPtr::new(losses), SyncPtr::new(g.cast_mut()), SyncPtr::new(grad));
        if inner == 1 {
            path!("cross_entropy/rows", parallel);
        } else {
            path!("cross_entropy/columns", parallel);
        }
        let ns = (outer * n * inner) as f64 * 1.5;
        parallel::run(outer.div_ceil(many) * blocks, ns, |task| {
            let (first, left) = (task / blocks * many, task % blocks * COLUMNS);
            let (last, right) = ((first + many).min(outer), (left + COLUMNS).min(inner));
            vectorize(Task {
                samples: self,
                first,
                last,
                left,
                right,
                losses: losses.get(),
                g: g.get(),
                grad: grad.get(),
                past,
            });
        });
    }
}

struct Task<'a, T> {
    samples: &'a Samples<T>,
    first: usize,
    last: usize,
    left: usize,
    right: usize,
    losses: *mut T,
    g: *const T,
    grad: *mut T,
    /// Whether the gradients go past the caches, from rows made in memory of their own.
    past: bool,
}

impl<T: Float> Kernel<T> for Task<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Around { n, inner, .. } = self.samples.around;
        let x = self.samples.logits.ptr::<T>();
        let mut draft: Vec<T> = Vec::with_capacity(if self.past { n } else { 0 });
        for o in self.first..self.last {
            // SAFETY: the arrays are dense and of the sizes that `samples` checked; each task has its own samples.
            unsafe {
                if inner == 1 {
                    self.row(s, o, x.add(o * n), draft.as_mut_ptr());
                    continue;
                }
                let mut j = self.left;
                while j < self.right {
                    let width = (self.right - j).min(S::LANES);
                    self.columns(s, o, j, width, x.add(o * n * inner + j));
                    j += width;
                }
            }
        }
        if self.past {
            streamed();
        }
    }
}

impl<T: Float> Task<'_, T> {
    /// `(t, w_t, k)`: the target of a sample, its weight, and its share of the gradient of the loss.
    #[inline(always)]
    fn sample(&self, i: usize) -> Option<(usize, T, T)> {
        let samples = self.samples;
        let t = samples.target.at(i);
        if t == samples.options.ignore_index {
            return None;
        }
        let t = t as usize;
        let w = samples.weight.as_ref().map_or(T::ONE, |w| w[t]);
        let k = if self.g.is_null() {
            T::ONE
        } else {
            // SAFETY: `g` has one element, or one for each sample.
            unsafe {
                match samples.options.reduction {
                    Reduction::None => *self.g.add(i),
                    Reduction::Sum => *self.g,
                    Reduction::Mean => T::from_f64((*self.g).to_f64() / samples.divisor),
                }
            }
        };
        Some((t, w, k))
    }

    /// `(1 − s, s / C)`
    #[inline(always)]
    fn shares(&self) -> (T, T) {
        let s = self.samples.options.label_smoothing;
        (T::from_f64(1.0 - s), T::from_f64(s / self.samples.around.n as f64))
    }

    /// The factor of `p_c` in a gradient, `(1 − s) w_t + s/C · Σ w`.
    #[inline(always)]
    fn pull(&self, w: T) -> T {
        let (sharp, smooth) = self.shares();
        sharp * w + smooth * T::from_f64(self.samples.weights)
    }

    #[inline(always)]
    unsafe fn row<S: Simd<T>>(&self, s: S, i: usize, x: *const T, draft: *mut T) {
        let n = self.samples.around.n;
        let (sharp, smooth) = self.shares();
        let smoothing = self.samples.options.label_smoothing > 0.0;
        // SAFETY: as the caller's: n classes at `x`, and at row `i` of the gradient.
        unsafe {
            let Some((t, w, k)) = self.sample(i) else {
                match self.grad.is_null() {
                    true => *self.losses.add(i) = T::ZERO,
                    false => std::slice::from_raw_parts_mut(self.grad.add(i * n), n).fill(T::ZERO),
                }
                return;
            };
            let max = reduce::dense::<T, S, Highest>(s, x, n, s.zero());
            if self.grad.is_null() {
                let sum = sum_exp(
                    s,
                    x,
                    n,
                    max,
                    #[inline(always)]
                    |_, _, _| {},
                );
                let log = first(s, T::log(s, s.splat(sum)));
                let mut loss = sharp * w * (log - (*x.add(t) - max));
                if smoothing {
                    loss += smooth * self.smooth_row(s, x, max, log);
                }
                *self.losses.add(i) = loss;
                return;
            }
            let out = self.grad.add(i * n);
            let draft = if self.past { draft } else { out };
            // The row stays in the cache until it is scaled.
            let sum = sum_exp(
                s,
                x,
                n,
                max,
                #[inline(always)]
                |c, part, e| s.store_some(draft.add(c), part, e),
            );
            let factor = s.splat(k * self.pull(w) / sum);
            if smoothing {
                for c in (0..n).step_by(S::LANES) {
                    let part = S::LANES.min(n - c);
                    let wc = match &self.samples.weight {
                        Some(w) => s.load_partial(w.as_ptr().add(c), part),
                        None => s.splat(T::ONE),
                    };
                    let pulled = s.mul(s.load_some(draft.add(c), part), factor);
                    s.store_some(draft.add(c), part, s.sub(pulled, s.mul(wc, s.splat(k * smooth))));
                }
            }
            let target = s.splat(T::from_f64((t % S::LANES) as f64));
            for c in (0..n).step_by(S::LANES) {
                let part = S::LANES.min(n - c);
                let mut v = s.load_some(draft.add(c), part);
                if !smoothing {
                    v = s.mul(v, factor);
                }
                if t / S::LANES == c / S::LANES {
                    v = s.select(s.eq(s.ramp(), target), s.sub(v, s.splat(k * sharp * w)), v);
                }
                s.put_some(out.add(c), part, v, self.past);
            }
        }
    }

    /// `Σ_c w_c · (log − (x_c − max))`
    #[inline(always)]
    unsafe fn smooth_row<S: Simd<T>>(&self, s: S, x: *const T, max: T, log: T) -> T {
        let n = self.samples.around.n;
        let (max, log) = (s.splat(max), s.splat(log));
        let mut total = s.zero();
        for c in (0..n).step_by(S::LANES) {
            let part = S::LANES.min(n - c);
            // SAFETY: n classes; the weights were checked to be as many.
            unsafe {
                let nll = s.sub(log, s.sub(s.load_partial(x.add(c), part), max));
                let term = match &self.samples.weight {
                    Some(w) => s.mul(nll, s.load_partial(w.as_ptr().add(c), part)),
                    None => nll,
                };
                total = s.add(total, s.select(lanes_below(s, part), term, s.zero()));
            }
        }
        s.sum(total)
    }

    /// `width` samples side by side, classes `inner` apart.
    #[inline(always)]
    unsafe fn columns<S: Simd<T>>(&self, s: S, o: usize, j: usize, width: usize, x: *const T) {
        let Around { n, inner, .. } = self.samples.around;
        let (sharp, smooth) = self.shares();
        let smoothing = self.samples.options.label_smoothing > 0.0;
        let weight = |c: usize| self.samples.weight.as_ref().map_or(T::ONE, |w| w[c]);
        let first = o * inner + j;
        const { assert!(S::LANES <= 16) };
        // SAFETY: as the caller's: rows `n` of `width` elements, `inner` apart; lane arrays hold a vector.
        unsafe {
            let mut max = s.splat(T::NEG_INFINITY);
            for c in 0..n {
                max = s.maximum(max, s.load_some(x.add(c * inner), width));
            }
            let (mut sum, out) = (s.zero(), self.grad.wrapping_add(o * n * inner + j));
            for c in 0..n {
                let e = T::exp_flushed(s, s.sub(s.load_some(x.add(c * inner), width), max));
                if !self.grad.is_null() {
                    s.store_some(out.add(c * inner), width, e);
                }
                sum = s.add(sum, e);
            }
            if self.grad.is_null() {
                let log = T::log(s, sum);
                let mut smoothed = s.zero();
                if smoothing {
                    for c in 0..n {
                        let nll = s.sub(log, s.sub(s.load_partial(x.add(c * inner), width), max));
                        smoothed = s.fma(nll, s.splat(weight(c)), smoothed);
                    }
                }
                let (mut maxes, mut logs, mut extra) = ([T::ZERO; 16], [T::ZERO; 16], [T::ZERO; 16]);
                s.store(maxes.as_mut_ptr(), max);
                s.store(logs.as_mut_ptr(), log);
                s.store(extra.as_mut_ptr(), smoothed);
                for l in 0..width {
                    *self.losses.add(first + l) = match self.sample(first + l) {
                        None => T::ZERO,
                        Some((t, w, _)) => {
                            let loss = sharp * w * (logs[l] - (*x.add(t * inner + l) - maxes[l]));
                            if smoothing { loss + smooth * extra[l] } else { loss }
                        }
                    };
                }
                return;
            }
            // Where a sample is ignored its gradient is 0, whatever the logits are.
            let (mut factors, mut shares, mut kept) = ([T::ZERO; 16], [T::ZERO; 16], [T::ZERO; 16]);
            for l in 0..width {
                if let Some((_, w, k)) = self.sample(first + l) {
                    (factors[l], shares[l], kept[l]) = (k * self.pull(w), k * smooth, T::ONE);
                }
            }
            let factor = s.div(s.load(factors.as_ptr()), sum);
            let (share, kept) = (s.load(shares.as_ptr()), s.ne(s.load(kept.as_ptr()), s.zero()));
            for c in 0..n {
                let mut value = s.mul(s.load_some(out.add(c * inner), width), factor);
                if smoothing {
                    value = s.sub(value, s.mul(share, s.splat(weight(c))));
                }
                s.store_some(out.add(c * inner), width, s.select(kept, value, s.zero()));
            }
            for l in 0..width {
                if let Some((t, w, k)) = self.sample(first + l) {
                    let at = out.add(t * inner + l);
                    *at = *at - k * sharp * w;
                }
            }
        }
    }
}

#[inline(always)]
fn first<T: Float, S: Simd<T>>(s: S, v: S::V) -> T {
    let mut x = T::ZERO;
    // SAFETY: one element.
    unsafe { s.store_partial(&mut x, 1, v) };
    x
}

#[cfg(feature = "testing")]
mod tests;
