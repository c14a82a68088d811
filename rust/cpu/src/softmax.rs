//! softmax and log-softmax along one dimension, and their gradients.
//!
//! Each row is read from memory once and written once as long as it fits into the cache: its maximum, its sum and its
//! result are taken in passes over the cached row.

use ferrograd_array::{Array, Result};

use crate::dense::{Around, alike, dense, streams_rows};
use crate::parallel::{self, SyncPtr};
use crate::path;
use crate::reduce::{self, Highest, Sum, by_float, dimension, lanes_below, segment_sum};
use crate::simd::{Float, Kernel, Simd, prefetch, streamed, vectorize};

/// Elements of a task, about.
const TASK: usize = 16 * 1024;
/// Columns of a task, a multiple of every strip's width.
const COLUMNS: usize = 128;
/// The longest row, in bytes, that is made in memory of its own before it is written past the caches.
pub(crate) const DRAFT: usize = 64 * 1024;
/// Vectors of a strip of columns.
const STRIP: usize = 4;

/// `y_i = exp(x_i) / Σ_j exp(x_j)` along `dim`.
pub fn softmax(x: &Array, dim: isize) -> Result<Array> {
    let dim = dimension("softmax", dim, x.ndim())?;
    by_float!("softmax", x, forward(x, dim, Softmax))
}

/// `y_i = x_i − log Σ_j exp(x_j)` along `dim`.
pub fn log_softmax(x: &Array, dim: isize) -> Result<Array> {
    let dim = dimension("log_softmax", dim, x.ndim())?;
    by_float!("log_softmax", x, forward(x, dim, LogSoftmax))
}

/// The gradient of softmax from its result: `y_i · (g_i − Σ_j g_j y_j)`.
pub fn softmax_grad(y: &Array, g: &Array, dim: isize) -> Result<Array> {
    let dim = dimension("softmax_grad", dim, y.ndim())?;
    by_float!("softmax_grad", y, backward("softmax_grad", y, g, dim, SoftmaxGrad))
}

/// The gradient of log-softmax from its result: `g_i − exp(y_i) · Σ_j g_j`.
pub fn log_softmax_grad(y: &Array, g: &Array, dim: isize) -> Result<Array> {
    let dim = dimension("log_softmax_grad", dim, y.ndim())?;
    by_float!("log_softmax_grad", y, backward("log_softmax_grad", y, g, dim, LogSoftmaxGrad))
}

fn forward<T: Float>(x: &Array, dim: usize, op: impl RowOp<T>) -> Result<Array> {
    let x = dense(x)?;
    along::<T>(&x, &x, dim, op)
}

fn backward<T: Float>(name: &str, y: &Array, g: &Array, dim: usize, op: impl RowOp<T>) -> Result<Array> {
    let y = dense(y)?;
    let g = alike(name, "grad", g, &y)?;
    along::<T>(&y, &g, dim, op)
}

/// A function of a row of one or two arrays.
trait RowOp<T: Float>: Copy + Send + Sync {
    /// `n` elements side by side.
    unsafe fn row<S: Simd<T>>(s: S, a: *const T, b: *const T, out: Target<T>, n: usize);
    /// `NV` vectors of columns at once, `width` columns in all; rows are `step` apart.
    unsafe fn strip<S: Simd<T>, const NV: usize>(s: S, at: Strip<T>);
}

/// Where a row goes.
#[derive(Clone, Copy)]
struct Target<T> {
    out: *mut T,
    /// Where it lies until it is done: there, or in memory that stays in the cache.
    draft: *mut T,
    /// Whether it is written past the caches.
    past: bool,
}

#[derive(Clone, Copy)]
struct Strip<T> {
    a: *const T,
    b: *const T,
    out: *mut T,
    n: usize,
    step: usize,
    width: usize,
}

impl<T: Float> Strip<T> {
    /// Elements of vector `v`.
    #[inline(always)]
    fn part<S: Simd<T>>(&self, v: usize) -> usize {
        self.width.saturating_sub(v * S::LANES).min(S::LANES)
    }

    #[inline(always)]
    unsafe fn load<S: Simd<T>>(&self, s: S, from: *const T, i: usize, v: usize) -> S::V {
        let p = from.wrapping_add(i * self.step + v * S::LANES);
        // SAFETY: row `i < n` of the strip; vectors beyond its width have no elements.
        unsafe { if self.width - v * S::LANES >= S::LANES { s.load(p) } else { s.load_partial(p, self.part::<S>(v)) } }
    }

    #[inline(always)]
    unsafe fn store<S: Simd<T>>(&self, s: S, i: usize, v: usize, value: S::V) {
        let p = self.out.wrapping_add(i * self.step + v * S::LANES);
        // SAFETY: as `load`.
        unsafe { s.store_some(p, self.part::<S>(v), value) }
    }
}

/// `out_i = f(a_i, b_i)` over a row.
#[inline(always)]
unsafe fn map<T: Float, S: Simd<T>>(
    s: S,
    a: *const T,
    b: *const T,
    to: Target<T>,
    n: usize,
    f: impl Fn(S::V, S::V) -> S::V,
) {
    let out = to.out;
    let mut i = 0;
    // SAFETY: the caller gives n elements at each pointer.
    unsafe {
        while i + S::LANES <= n {
            s.put(out.add(i), f(s.load(a.add(i)), s.load(b.add(i))), to.past);
            i += S::LANES;
        }
        if i < n {
            let part = n - i;
            s.store_some(out.add(i), part, f(s.load_partial(a.add(i), part), s.load_partial(b.add(i), part)));
        }
    }
}

/// `Σ exp(x_i − max)` of a row, each term given to `keep`. Meanwhile the row behind it is fetched: as many loads as a row
/// has wait for memory otherwise, and the terms wait for none.
#[inline(always)]
pub(crate) unsafe fn sum_exp<T: Float, S: Simd<T>>(
    s: S,
    x: *const T,
    n: usize,
    max: T,
    mut keep: impl FnMut(usize, usize, S::V),
) -> T {
    let max = s.splat(max);
    segment_sum::<T, S, 2>(
        s,
        n,
        #[inline(always)]
        |i, part| {
            prefetch(x.wrapping_add(n + i));
            // SAFETY: the caller gives n elements.
            let e = T::exp_flushed(s, s.sub(unsafe { s.load_some(x.add(i), part) }, max));
            keep(i, part, e);
            if part == S::LANES { e } else { s.select(lanes_below(s, part), e, s.zero()) }
        },
    )
}

#[derive(Clone, Copy)]
struct Softmax;

impl<T: Float> RowOp<T> for Softmax {
    #[inline(always)]
    unsafe fn row<S: Simd<T>>(s: S, x: *const T, _: *const T, out: Target<T>, n: usize) {
        // SAFETY: the caller gives n elements at each pointer.
        unsafe {
            let max = reduce::dense::<T, S, Highest>(s, x, n, s.zero());
            let sum = sum_exp(
                s,
                x,
                n,
                max,
                #[inline(always)]
                |i, part, e| s.store_some(out.draft.add(i), part, e),
            );
            let scale = s.splat(T::ONE / sum);
            map(
                s,
                out.draft,
                out.draft,
                out,
                n,
                #[inline(always)]
                |e, _| s.mul(e, scale),
            );
        }
    }

    #[inline(always)]
    unsafe fn strip<S: Simd<T>, const NV: usize>(s: S, at: Strip<T>) {
        let max = strip_max::<T, S, NV>(s, &at);
        let mut sum = [s.zero(); NV];
        // SAFETY: rows and columns of the strip.
        unsafe {
            for i in 0..at.n {
                for v in 0..NV {
                    let e = T::exp_flushed(s, s.sub(at.load(s, at.a, i, v), max[v]));
                    sum[v] = s.add(sum[v], e);
                    at.store(s, i, v, e);
                }
            }
            let mut scale = sum;
            for v in 0..NV {
                scale[v] = s.div(s.splat(T::ONE), sum[v]);
            }
            for i in 0..at.n {
                for v in 0..NV {
                    at.store(s, i, v, s.mul(at.load(s, at.out, i, v), scale[v]));
                }
            }
        }
    }
}

#[inline(always)]
fn strip_max<T: Float, S: Simd<T>, const NV: usize>(s: S, at: &Strip<T>) -> [S::V; NV] {
    let mut max = [s.splat(T::NEG_INFINITY); NV];
    for i in 0..at.n {
        for v in 0..NV {
            // SAFETY: rows and columns of the strip.
            max[v] = s.maximum(max[v], unsafe { at.load(s, at.a, i, v) });
        }
    }
    max
}

#[derive(Clone, Copy)]
struct LogSoftmax;

impl<T: Float> RowOp<T> for LogSoftmax {
    #[inline(always)]
    unsafe fn row<S: Simd<T>>(s: S, x: *const T, _: *const T, out: Target<T>, n: usize) {
        // SAFETY: the caller gives n elements at each pointer.
        unsafe {
            let max = reduce::dense::<T, S, Highest>(s, x, n, s.zero());
            let sum = sum_exp(
                s,
                x,
                n,
                max,
                #[inline(always)]
                |_, _, _| {},
            );
            let (max, log) = (s.splat(max), T::log(s, s.splat(sum)));
            map(
                s,
                x,
                x,
                out,
                n,
                #[inline(always)]
                |x, _| s.sub(s.sub(x, max), log),
            );
        }
    }

    #[inline(always)]
    unsafe fn strip<S: Simd<T>, const NV: usize>(s: S, at: Strip<T>) {
        let max = strip_max::<T, S, NV>(s, &at);
        let mut sum = [s.zero(); NV];
        // SAFETY: rows and columns of the strip.
        unsafe {
            for i in 0..at.n {
                for v in 0..NV {
                    sum[v] = s.add(sum[v], T::exp_flushed(s, s.sub(at.load(s, at.a, i, v), max[v])));
                }
            }
            let mut log = sum;
            for v in 0..NV {
                log[v] = T::log(s, sum[v]);
            }
            for i in 0..at.n {
                for v in 0..NV {
                    at.store(s, i, v, s.sub(s.sub(at.load(s, at.a, i, v), max[v]), log[v]));
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
struct SoftmaxGrad;

impl<T: Float> RowOp<T> for SoftmaxGrad {
    #[inline(always)]
    unsafe fn row<S: Simd<T>>(s: S, y: *const T, g: *const T, out: Target<T>, n: usize) {
        // SAFETY: the caller gives n elements at each pointer.
        unsafe {
            let dot = segment_sum::<T, S, 4>(
                s,
                n,
                #[inline(always)]
                |i, part| s.mul(s.load_some(y.add(i), part), s.load_some(g.add(i), part)),
            );
            let dot = s.splat(dot);
            map(
                s,
                y,
                g,
                out,
                n,
                #[inline(always)]
                |y, g| s.mul(y, s.sub(g, dot)),
            );
        }
    }

    #[inline(always)]
    unsafe fn strip<S: Simd<T>, const NV: usize>(s: S, at: Strip<T>) {
        let mut dot = [s.zero(); NV];
        // SAFETY: rows and columns of the strip.
        unsafe {
            for i in 0..at.n {
                for v in 0..NV {
                    dot[v] = s.fma(at.load(s, at.a, i, v), at.load(s, at.b, i, v), dot[v]);
                }
            }
            for i in 0..at.n {
                for v in 0..NV {
                    let (y, g) = (at.load(s, at.a, i, v), at.load(s, at.b, i, v));
                    at.store(s, i, v, s.mul(y, s.sub(g, dot[v])));
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
struct LogSoftmaxGrad;

impl<T: Float> RowOp<T> for LogSoftmaxGrad {
    #[inline(always)]
    unsafe fn row<S: Simd<T>>(s: S, y: *const T, g: *const T, out: Target<T>, n: usize) {
        // SAFETY: the caller gives n elements at each pointer.
        unsafe {
            let sum = s.splat(reduce::dense::<T, S, Sum>(s, g, n, s.zero()));
            map(
                s,
                y,
                g,
                out,
                n,
                #[inline(always)]
                |y, g| s.sub(g, s.mul(T::exp(s, y), sum)),
            );
        }
    }

    #[inline(always)]
    unsafe fn strip<S: Simd<T>, const NV: usize>(s: S, at: Strip<T>) {
        let mut sum = [s.zero(); NV];
        // SAFETY: rows and columns of the strip.
        unsafe {
            for i in 0..at.n {
                for v in 0..NV {
                    sum[v] = s.add(sum[v], at.load(s, at.b, i, v));
                }
            }
            for i in 0..at.n {
                for v in 0..NV {
                    let (y, g) = (at.load(s, at.a, i, v), at.load(s, at.b, i, v));
                    at.store(s, i, v, s.sub(g, s.mul(T::exp(s, y), sum[v])));
                }
            }
        }
    }
}

/// A task: rows `first..last`, or columns `left..right` of the turns `first..last`.
struct Task<T, R> {
    around: Around,
    first: usize,
    last: usize,
    left: usize,
    right: usize,
    a: *const T,
    b: *const T,
    out: *mut T,
    /// Whether rows are written past the caches.
    past: bool,
    _op: R,
}

impl<T: Float, R: RowOp<T>> Kernel<T> for Task<T, R> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Around { n, inner, .. } = self.around;
        let mut draft: Vec<T> = Vec::with_capacity(if self.past { n } else { 0 });
        for o in self.first..self.last {
            let at = o * n * inner;
            // SAFETY: rows and columns inside the arrays, which are dense; each task has its own.
            unsafe {
                if inner == 1 {
                    let out = self.out.add(at);
                    let draft = if self.past { draft.as_mut_ptr() } else { out };
                    R::row(s, self.a.add(at), self.b.add(at), Target { out, draft, past: self.past }, n);
                    continue;
                }
                let mut j = self.left;
                while j < self.right {
                    let at = at + j;
                    let width = (self.right - j).min(STRIP * S::LANES);
                    let strip =
                        Strip { a: self.a.add(at), b: self.b.add(at), out: self.out.add(at), n, step: inner, width };
                    if width == STRIP * S::LANES {
                        R::strip::<S, STRIP>(s, strip);
                        j += width;
                    } else {
                        let width = width.min(S::LANES);
                        R::strip::<S, 1>(s, Strip { width, ..strip });
                        j += width;
                    }
                }
            }
        }
        if self.past {
            streamed();
        }
    }
}

/// Two dense arrays of one layout, along one dimension.
fn along<T: Float>(a: &Array, b: &Array, dim: usize, op: impl RowOp<T>) -> Result<Array> {
    let out = Array::empty_like(a, a.shape(), T::DTYPE)?;
    let around = Around::new(a.layout(), dim);
    let Around { outer, n, inner } = around;
    if out.numel() == 0 {
        return Ok(out);
    }
    let ns = out.numel() as f64 * 1.5;
    let (pa, pb, po) =
        (SyncPtr::new(a.ptr_mut::<T>()), SyncPtr::new(b.ptr_mut::<T>()), SyncPtr::new(out.ptr_mut::<T>()));
    let blocks = inner.div_ceil(COLUMNS);
    let many = (TASK / (n * inner.min(COLUMNS))).max(1);
    if inner == 1 {
        path!("softmax/rows", parallel);
    } else {
        path!("softmax/columns", parallel);
    }
    let past = inner == 1 && n * size_of::<T>() <= DRAFT && streams_rows::<T>(&out, n);
    parallel::run(outer.div_ceil(many) * blocks, ns, |task| {
        let (first, left) = (task / blocks * many, task % blocks * COLUMNS);
        let (last, right) = ((first + many).min(outer), (left + COLUMNS).min(inner));
        let (a, b, out) = (pa.get(), pb.get(), po.get());
        vectorize(Task::<T, _> { around, first, last, left, right, a, b, out, past, _op: op });
    });
    Ok(out)
}

#[cfg(feature = "testing")]
mod tests;
