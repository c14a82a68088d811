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
        unsafe {
            if self.width - v * S::LANES >= S::LANES {
                s.store(p, value)
            } else {
                s.store_partial(p, self.part::<S>(v), value)
            }
        }
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
            s.store_partial(out.add(i), part, f(s.load_partial(a.add(i), part), s.load_partial(b.add(i), part)));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel;
    use crate::reduce::tests::{array, layouts, noise, on_every_isa, values};
    use ferrograd_array::Error;

    fn naive(
        x: &[f64],
        outer: usize,
        n: usize,
        inner: usize,
        f: impl Fn(&[f64], &mut dyn FnMut(usize, f64)),
    ) -> Vec<f64> {
        let mut out = vec![0.0; x.len()];
        for o in 0..outer {
            for j in 0..inner {
                let row: Vec<f64> = (0..n).map(|i| x[(o * n + i) * inner + j]).collect();
                f(&row, &mut |i, y| out[(o * n + i) * inner + j] = y);
            }
        }
        out
    }

    fn shapes() -> Vec<(Vec<usize>, usize)> {
        let mut all = vec![(vec![], 0), (vec![1], 0), (vec![0, 3], 1), (vec![3, 0], 1)];
        for shape in [vec![7], vec![3, 10], vec![2, 33, 5], vec![4, 70, 1, 3], vec![2, 3, 130], vec![1, 2100]] {
            for dim in 0..shape.len() {
                all.push((shape.clone(), dim));
            }
        }
        all
    }

    fn check<T: Float>(tolerance: f64) {
        for (shape, dim) in shapes() {
            let numel: usize = shape.iter().product();
            let x = values::<T>(&array::<T>(&noise(numel, 3).iter().map(|v| v * 10.0).collect::<Vec<_>>(), &shape));
            let g = values::<T>(&array::<T>(&noise(numel, 4), &shape));
            let n = shape.get(dim).copied().unwrap_or(1);
            let inner: usize = shape.iter().skip(dim + 1).product();
            let outer = if numel == 0 { 0 } else { numel / n / inner };
            let soft = naive(&x, outer, n, inner, |row, put| {
                let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = row.iter().map(|x| (x - max).exp()).sum();
                row.iter().enumerate().for_each(|(i, x)| put(i, (x - max).exp() / sum));
            });
            let log = naive(&x, outer, n, inner, |row, put| {
                let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = row.iter().map(|x| (x - max).exp()).sum();
                row.iter().enumerate().for_each(|(i, x)| put(i, x - max - sum.ln()));
            });
            let along = |v: &[f64]| naive(v, outer, n, inner, |row, put| (0..n).for_each(|i| put(i, row.iter().sum())));
            let dots = along(&soft.iter().zip(&g).map(|(y, g)| y * g).collect::<Vec<_>>());
            let sums = along(&g);
            let soft_grad: Vec<f64> = (0..numel).map(|i| soft[i] * (g[i] - dots[i])).collect();
            let log_grad: Vec<f64> = (0..numel).map(|i| g[i] - soft[i] * sums[i]).collect();
            let same = |name: &str, got: Array, want: &[f64], scale: f64| {
                assert_eq!(got.shape(), shape);
                for (got, want) in values::<T>(&got).into_iter().zip(want) {
                    assert!(
                        (got - want).abs() <= tolerance * want.abs().max(scale),
                        "{name} {shape:?} {dim}: {got} {want}"
                    );
                }
            };
            let dim = dim as isize;
            for a in layouts(&array::<T>(&x, &shape)) {
                same("softmax", softmax(&a, dim).unwrap(), &soft, 1e-3);
                same("log_softmax", log_softmax(&a, dim).unwrap(), &log, 1.0);
            }
            for y in layouts(&array::<T>(&soft, &shape)) {
                for g in layouts(&array::<T>(&g, &shape)) {
                    same("softmax_grad", softmax_grad(&y, &g, dim).unwrap(), &soft_grad, 1.0);
                }
            }
            let y = array::<T>(&log, &shape);
            for g in layouts(&array::<T>(&g, &shape)) {
                same("log_softmax_grad", log_softmax_grad(&y, &g, dim).unwrap(), &log_grad, 20.0);
            }
        }
    }

    #[test]
    fn against_the_formulas() {
        on_every_isa(|| {
            check::<f32>(4e-6);
            check::<f64>(1e-14);
        });
    }

    #[test]
    fn infinities_as_the_formula_has_them() {
        on_every_isa(|| {
            let inf = f32::INFINITY;
            for (a, b, soft, log) in [
                (-inf, -inf, [f32::NAN; 2], [f32::NAN; 2]),
                (-inf, 1.0, [0.0, 1.0], [-inf, 0.0]),
                (inf, 1.0, [f32::NAN, 0.0], [f32::NAN, -inf]),
                (f32::NAN, 1.0, [f32::NAN; 2], [f32::NAN; 2]),
            ] {
                // As a row, and as columns.
                for shape in [[1, 2], [2, 1]] {
                    let x = Array::from_slice(&[a, b], &shape).unwrap();
                    let dim = (shape[1] == 1) as isize ^ 1;
                    let wide = Array::from_slice(&[a, a, b, b], &[2, 2]).unwrap();
                    let eq = |got: f32, want: f32| got == want || (got.is_nan() && want.is_nan());
                    let got = softmax(&x, dim).unwrap().to_vec::<f32>();
                    assert!(eq(got[1], soft[1]) || a == inf, "{got:?}");
                    assert!(eq(got[0], soft[0]), "{got:?}");
                    let got = log_softmax(&x, dim).unwrap().to_vec::<f32>();
                    assert!(eq(got[0], log[0]) && (eq(got[1], log[1]) || a == inf), "{got:?}");
                    let got = softmax(&wide, 0).unwrap().to_vec::<f32>();
                    assert!(eq(got[1], soft[0]) && (eq(got[2], soft[1]) || a == inf), "{got:?}");
                }
            }
        });
    }

    #[test]
    fn threads_change_no_bit() {
        on_every_isa(|| {
            let before = parallel::num_threads();
            for (shape, dim) in [([500, 1000], 1), ([500, 1000], 0), ([40, 9000], 1)] {
                let x = array::<f32>(&noise(shape[0] * shape[1], 6), &shape);
                let mut seen: Option<Vec<Vec<f32>>> = None;
                for threads in [1, 2, 8] {
                    parallel::set_num_threads(threads);
                    let y = softmax(&x, dim).unwrap();
                    let got = vec![
                        y.to_vec::<f32>(),
                        log_softmax(&x, dim).unwrap().to_vec(),
                        softmax_grad(&y, &x, dim).unwrap().to_vec(),
                        log_softmax_grad(&y, &x, dim).unwrap().to_vec(),
                    ];
                    assert!(*seen.get_or_insert_with(|| got.clone()) == got);
                }
            }
            parallel::set_num_threads(before);
        });
    }

    #[test]
    fn rows_written_past_the_caches_are_those_of_halves() {
        let (rows, n) = (1100, 2048);
        let [x, g] = [3, 4].map(|seed| array::<f32>(&noise(rows * n, seed), &[rows, n]));
        let run = |first: usize, count: usize| {
            let [x, g] = [&x, &g].map(|a| a.view(a.layout().sliced(0, first, 1, count)));
            let (y, log) = (softmax(&x, 1).unwrap(), log_softmax(&x, 1).unwrap());
            let grads = [softmax_grad(&y, &g, 1).unwrap(), log_softmax_grad(&log, &g, 1).unwrap()];
            [&[y, log][..], &grads].concat().iter().map(|a| a.to_vec::<f32>()).collect::<Vec<_>>()
        };
        on_every_isa(|| {
            let [whole, front, back] = [run(0, rows), run(0, rows / 2), run(rows / 2, rows / 2)];
            for k in 0..4 {
                assert!(whole[k] == [&front[k][..], &back[k]].concat(), "result {k}");
            }
        });
        assert!(crate::simd::streams(rows * n * 4) && !crate::simd::streams(rows / 2 * n * 4));
    }

    #[test]
    fn wrong_calls() {
        let x = array::<f32>(&noise(6, 1), &[2, 3]);
        assert!(matches!(softmax(&x, 2), Err(Error::Index(_))));
        assert!(matches!(softmax_grad(&x, &array::<f32>(&noise(6, 1), &[3, 2]), 0), Err(Error::Shape(_))));
        let message = softmax(&Array::scalar(1i64).unwrap(), 0).unwrap_err().to_string();
        assert_eq!(message, "softmax: input: expected a floating-point dtype (cast int64 to float32 first), got int64");
    }
}
