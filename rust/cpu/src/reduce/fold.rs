//! Reductions of floats, over vectors: what is done with each element, and how partial results are joined.

use std::mem::MaybeUninit;

use super::columns::ColumnsKernel;
use super::plan::{Columns, Plan, Reducer, Rows};
use super::rows::RowsKernel;
use crate::parallel::SyncPtr;
use crate::simd::{Float, Simd, vectorize};

/// Levels of pairwise adding: more than any length has.
pub const LEVELS: usize = 48;

/// An accumulation `acc ← step(acc, x, p)` with a parameter `p` of each result (its mean, say).
pub trait Fold<T: Float>: Copy + Send + Sync {
    const NS: f64 = 0.2;
    fn identity() -> T;
    fn step<S: Simd<T>>(s: S, acc: S::V, x: S::V, p: S::V) -> S::V;
    /// Two accumulators in one.
    fn join<S: Simd<T>>(s: S, a: S::V, b: S::V) -> S::V;
    fn join_lanes<S: Simd<T>>(s: S, v: S::V) -> T;
    fn join_two(a: T, b: T) -> T;
}

macro_rules! fold {
    ($name:ident, $doc:literal, $ns:literal, $identity:expr, |$s:ident, $acc:ident, $x:ident, $p:ident| $step:expr, $join:ident, $lanes:expr, |$a:ident, $b:ident| $two:expr) => {
        #[doc = $doc]
        #[derive(Clone, Copy)]
        pub struct $name;

        impl<T: Float> Fold<T> for $name {
            const NS: f64 = $ns;
            #[inline(always)]
            fn identity() -> T {
                $identity
            }
            #[inline(always)]
            fn step<S: Simd<T>>($s: S, $acc: S::V, $x: S::V, $p: S::V) -> S::V {
                $step
            }
            #[inline(always)]
            fn join<S: Simd<T>>(s: S, a: S::V, b: S::V) -> S::V {
                s.$join(a, b)
            }
            #[inline(always)]
            fn join_lanes<S: Simd<T>>(s: S, v: S::V) -> T {
                $lanes(s, v)
            }
            #[inline(always)]
            fn join_two($a: T, $b: T) -> T {
                $two
            }
        }
    };
}

fold!(Sum, "`Σ x`", 0.2, T::ZERO, |s, acc, x, _p| s.add(acc, x), add, S::sum, |a, b| a + b);
fold!(
    SquaredDistance,
    "`Σ (x − p)²`",
    0.25,
    T::ZERO,
    |s, acc, x, p| {
        let d = s.sub(x, p);
        s.fma(d, d, acc)
    },
    add,
    S::sum,
    |a, b| a + b
);
fold!(Deviation, "`Σ (x − p)`", 0.2, T::ZERO, |s, acc, x, p| s.add(acc, s.sub(x, p)), add, S::sum, |a, b| a + b);
fold!(
    SumExp,
    "`Σ exp(x − p)`, `p` the largest",
    1.0,
    T::ZERO,
    |s, acc, x, p| s.add(acc, T::exp_flushed(s, s.sub(x, p))),
    add,
    S::sum,
    |a, b| a + b
);
fold!(Prod, "`Π x`", 0.2, T::ONE, |s, acc, x, _p| s.mul(acc, x), mul, product, |a, b| a * b);
fold!(
    Max,
    "The largest; NaN where there is one.",
    0.2,
    T::NEG_INFINITY,
    |s, acc, x, _p| s.maximum(acc, x),
    maximum,
    S::hmax,
    |a, b| if a.is_nan() || a > b { a } else { b }
);
fold!(
    Highest,
    "The largest; NaN is passed over: for sums that it will show in.",
    0.2,
    T::NEG_INFINITY,
    |s, acc, x, _p| s.max(x, acc),
    max,
    S::hmax,
    |a, b| if a > b { a } else { b }
);
fold!(
    Min,
    "The smallest; NaN where there is one.",
    0.2,
    T::INFINITY,
    |s, acc, x, _p| s.minimum(acc, x),
    minimum,
    S::hmin,
    |a, b| if a.is_nan() || a < b { a } else { b }
);

#[inline(always)]
fn product<T: Float, S: Simd<T>>(s: S, v: S::V) -> T {
    let mut lanes = [T::ONE; 64];
    // SAFETY: no instruction set has more than 64 lanes.
    unsafe { s.store(lanes.as_mut_ptr(), v) };
    let mut n = S::LANES;
    while n > 1 {
        n /= 2;
        for i in 0..n {
            lanes[i] = lanes[i] * lanes[i + n];
        }
    }
    lanes[0]
}

/// Accumulators of segments, joined pairwise as they come: level `k` holds `2ᵏ` segments.
pub struct Cascade<T> {
    levels: [MaybeUninit<T>; LEVELS],
    segments: usize,
}

impl<T: Float> Cascade<T> {
    #[inline(always)]
    pub fn new() -> Self {
        Self { levels: [MaybeUninit::uninit(); LEVELS], segments: 0 }
    }

    #[inline(always)]
    pub fn push(&mut self, mut value: T, join: impl Fn(T, T) -> T) {
        let mut level = 0;
        while self.segments >> level & 1 == 1 {
            // SAFETY: the levels whose bit is set in the count were written.
            value = join(unsafe { self.levels[level].assume_init() }, value);
            level += 1;
        }
        self.levels[level] = MaybeUninit::new(value);
        self.segments += 1;
    }

    #[inline(always)]
    pub fn finish(self, identity: T, join: impl Fn(T, T) -> T) -> T {
        let mut total: Option<T> = None;
        let mut bits = self.segments;
        while bits != 0 {
            // SAFETY: as in `push`.
            let value = unsafe { self.levels[bits.trailing_zeros() as usize].assume_init() };
            total = Some(total.map_or(value, |t| join(value, t)));
            bits &= bits - 1;
        }
        total.unwrap_or(identity)
    }
}

/// A [`Fold`] as a [`Reducer`]; `params` holds a parameter for each result, or is null.
pub struct Folding<T: Float, F> {
    pub params: SyncPtr<T>,
    pub fold: F,
}

impl<T: Float, F: Fold<T>> Folding<T, F> {
    pub fn new(fold: F) -> Self {
        Self { params: SyncPtr::new(std::ptr::null_mut()), fold }
    }
}

impl<T: Float, F: Fold<T>> Reducer for Folding<T, F> {
    type In = T;
    type Acc = T;
    const NS: f64 = F::NS;

    unsafe fn rows(&self, plan: &Plan, src: *const T, task: Rows, dst: *mut T) {
        vectorize(RowsKernel::<T, F> { plan, src, task, dst, params: self.params.get(), _fold: self.fold });
    }

    unsafe fn columns(&self, plan: &Plan, src: *const T, task: Columns, dst: *mut T) {
        vectorize(ColumnsKernel::<T, F> { plan, src, task, dst, params: self.params.get(), _fold: self.fold });
    }

    fn join(&self, a: T, b: T) -> T {
        F::join_two(a, b)
    }
}
