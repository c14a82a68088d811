//! Reductions of floats, over vectors: what is done with each element, and the loops around it.

use std::mem::MaybeUninit;

use super::plan::{Columns, Cursor, Plan, Reducer, Rows, STRIP};
use crate::parallel::SyncPtr;
use crate::simd::{Float, Kernel, Simd, vectorize};

/// Elements that are accumulated straight on; the sums of such segments are added pairwise, so that the error grows
/// with the logarithm of the length.
const SEGMENT: usize = 1024;
/// The same down columns.
const SEGMENT_ROWS: usize = 32;
/// Runs shorter than this are gathered into a tile.
const SHORT_RUN: usize = 64;
const TILE: usize = 256;
/// Levels of pairwise adding: more than any length has.
const LEVELS: usize = 48;

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
fold!(
    SumExp,
    "`Σ exp(x − p)`",
    1.0,
    T::ZERO,
    |s, acc, x, p| s.add(acc, T::exp(s, s.sub(x, p))),
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

/// The first `n` lanes.
#[inline(always)]
pub fn lanes_below<T: Float, S: Simd<T>>(s: S, n: usize) -> S::M {
    const { assert!(S::LANES <= 16) };
    let ones = [T::ONE; 16];
    // SAFETY: `n` is at most the number of lanes.
    let ones = unsafe { s.load_partial(ones.as_ptr(), n) };
    s.ne(ones, s.zero())
}

/// `n` elements that lie together.
#[inline(always)]
unsafe fn segment<T: Float, S: Simd<T>, F: Fold<T>>(s: S, x: *const T, n: usize, p: S::V) -> T {
    let mut i = 0;
    // SAFETY: the caller gives n elements.
    unsafe {
        let identity = s.splat(F::identity());
        let mut total = identity;
        if n >= 8 * S::LANES {
            let mut acc = [identity; 8];
            while i + 8 * S::LANES <= n {
                for v in 0..8 {
                    acc[v] = F::step(s, acc[v], s.load(x.add(i + v * S::LANES)), p);
                }
                i += 8 * S::LANES;
            }
            for v in 0..4 {
                acc[v] = F::join(s, acc[v], acc[v + 4]);
            }
            total = F::join(s, F::join(s, acc[0], acc[2]), F::join(s, acc[1], acc[3]));
        }
        while i + S::LANES <= n {
            total = F::step(s, total, s.load(x.add(i)), p);
            i += S::LANES;
        }
        if i < n {
            let next = F::step(s, total, s.load_partial(x.add(i), n - i), p);
            total = s.select(lanes_below(s, n - i), next, total);
        }
        F::join_lanes(s, total)
    }
}

/// Any number of elements that lie together.
#[inline(always)]
pub unsafe fn dense<T: Float, S: Simd<T>, F: Fold<T>>(s: S, x: *const T, n: usize, p: S::V) -> T {
    let mut cascade = Cascade::new();
    let mut i = 0;
    loop {
        let length = SEGMENT.min(n - i);
        // SAFETY: as the caller's.
        let value = unsafe { segment::<T, S, F>(s, x.add(i), length, p) };
        i += length;
        if length == n {
            return value;
        }
        cascade.push(value, F::join_two);
        if i == n {
            return cascade.finish(F::identity(), F::join_two);
        }
    }
}

/// `Σ f(i, part)` for the elements `i..i + part` of a row of `n`, segments added pairwise; `f` is zero in the lanes
/// from `part` on.
#[inline(always)]
pub fn segment_sum<T: Float, S: Simd<T>>(s: S, n: usize, mut f: impl FnMut(usize, usize) -> S::V) -> T {
    let mut cascade = Cascade::new();
    let mut i = 0;
    while i < n {
        let end = (i + SEGMENT).min(n);
        let mut acc = [s.zero(); 4];
        while i + 4 * S::LANES <= end {
            for v in 0..4 {
                acc[v] = s.add(acc[v], f(i + v * S::LANES, S::LANES));
            }
            i += 4 * S::LANES;
        }
        while i < end {
            let part = S::LANES.min(end - i);
            acc[0] = s.add(acc[0], f(i, part));
            i += part;
        }
        cascade.push(s.sum(s.add(s.add(acc[0], acc[1]), s.add(acc[2], acc[3]))), |a, b| a + b);
    }
    cascade.finish(T::ZERO, |a, b| a + b)
}

/// Vectors of a second sum that are added straight on.
const SECOND: usize = 64;

/// Two sums in one walk, each as [`segment_sum`]; the second is emptied into a number after [`SECOND`] vectors.
#[inline(always)]
pub fn segment_sums<T: Float, S: Simd<T>>(s: S, n: usize, f: impl Fn(usize, usize) -> [S::V; 2]) -> (T, T) {
    let (mut acc, mut total, mut vectors) = (s.zero(), T::ZERO, 0);
    let first = segment_sum(s, n, |i, part| {
        let [a, b] = f(i, part);
        acc = s.add(acc, b);
        vectors += 1;
        if vectors == SECOND {
            total += s.sum(acc);
            (acc, vectors) = (s.zero(), 0);
        }
        a
    });
    (first, total + s.sum(acc))
}

/// Elements `start..end` of one result, wherever they lie.
#[inline(always)]
unsafe fn scattered<T: Float, S: Simd<T>, F: Fold<T>>(
    s: S,
    x: *const T,
    axes: &[(usize, isize)],
    start: usize,
    end: usize,
    p: S::V,
) -> T {
    let (inner, stride) = axes[axes.len() - 1];
    let in_place = stride == 1 && inner >= SHORT_RUN;
    let mut tile = [T::ZERO; TILE];
    let mut cascade = Cascade::new();
    let mut cursor = Cursor::new(axes, start);
    let mut left = end - start;
    while left > 0 {
        // SAFETY: the cursor stays inside the axes; a tile is filled before it is read.
        unsafe {
            let (from, n) = if in_place {
                let n = cursor.run().min(left).min(SEGMENT);
                let from = x.offset(cursor.offset);
                cursor.skip(n);
                (from, n)
            } else {
                let n = left.min(TILE);
                fill(&mut tile[..n], x, &mut cursor, stride);
                (tile.as_ptr(), n)
            };
            cascade.push(segment::<T, S, F>(s, from, n, p), F::join_two);
            left -= n;
        }
    }
    cascade.finish(F::identity(), F::join_two)
}

/// The next elements of a walk, side by side.
#[inline(always)]
unsafe fn fill<T: Float>(tile: &mut [T], x: *const T, cursor: &mut Cursor, stride: isize) {
    let mut filled = 0;
    while filled < tile.len() {
        let n = cursor.run().min(tile.len() - filled);
        for j in 0..n {
            // SAFETY: as the caller's.
            tile[filled + j] = unsafe { *x.offset(cursor.offset + j as isize * stride) };
        }
        cursor.skip(n);
        filled += n;
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

struct RowsKernel<'a, T: Float, F> {
    plan: &'a Plan,
    src: *const T,
    task: Rows,
    dst: *mut T,
    params: *const T,
    _fold: F,
}

impl<T: Float, F: Fold<T>> Kernel<T> for RowsKernel<'_, T, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Rows { first, last, start, end } = self.task;
        let axes = &self.plan.reduced;
        let mut row = Cursor::new(&self.plan.kept, first);
        for o in first..last {
            // SAFETY: the cursors stay inside the array; the results are this task's own.
            unsafe {
                let x = self.src.offset(row.offset);
                let p = if self.params.is_null() { s.zero() } else { s.splat(*self.params.add(o)) };
                *self.dst.add(o - first) = match axes.as_slice() {
                    [] | [(_, 1)] => dense::<T, S, F>(s, x.add(start), end - start, p),
                    _ => scattered::<T, S, F>(s, x, axes, start, end, p),
                };
            }
            row.skip(1);
        }
    }
}

struct ColumnsKernel<'a, T: Float, F> {
    plan: &'a Plan,
    src: *const T,
    task: Columns,
    dst: *mut T,
    params: *const T,
    _fold: F,
}

impl<T: Float, F: Fold<T>> Kernel<T> for ColumnsKernel<'_, T, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Columns { first, last, left, right, start, end } = self.task;
        let n = self.plan.group();
        let stride = self.plan.kept[self.plan.kept.len() - 1].1;
        let mut group = Cursor::new(self.plan.outer(), first);
        for g in first..last {
            // SAFETY: the cursor stays inside the array; the results are this task's own.
            unsafe {
                let x = self.src.offset(group.offset + left as isize * stride);
                let params = if self.params.is_null() { self.params } else { self.params.add(g * n + left) };
                let dst = self.dst.add((g - first) * n);
                let matrix = Matrix { axes: &self.plan.reduced, start, end, width: right - left, stride };
                reduce_matrix::<T, S, F>(s, &matrix, x, params, dst);
            }
            group.skip(1);
        }
    }
}

/// Rows `start..end` along `axes` of `width` columns, `stride` apart.
struct Matrix<'a> {
    axes: &'a [(usize, isize)],
    start: usize,
    end: usize,
    width: usize,
    stride: isize,
}

#[inline(always)]
unsafe fn reduce_matrix<T: Float, S: Simd<T>, F: Fold<T>>(
    s: S,
    m: &Matrix,
    x: *const T,
    params: *const T,
    dst: *mut T,
) {
    let n = m.width;
    let rows = m.end - m.start;
    // A dense matrix of few columns is read as one of several rows side by side; what is left over follows.
    let together = match m.axes {
        [(_, step)] if m.stride == 1 && *step == n as isize => STRIP / n,
        _ => 1,
    };
    if together < 2 || rows < 4 * together {
        // SAFETY: as the caller's.
        return unsafe { strips::<T, S, F>(s, &[(m, x, params, dst)]) };
    }
    let turns = rows / together;
    let axes = [(turns, (together * n) as isize)];
    let joined = Matrix { axes: &axes, start: 0, end: turns, width: together * n, stride: 1 };
    let rest = Matrix { start: m.start + turns * together, ..*m };
    let (mut many, mut tiled) = ([T::ZERO; STRIP], [T::ZERO; STRIP]);
    // SAFETY: as the caller's; `together · n` is at most the size of the tiles.
    unsafe {
        if !params.is_null() {
            for j in 0..together * n {
                tiled[j] = *params.add(j % n);
            }
        }
        strips::<T, S, F>(
            s,
            &[(&joined, x.add(m.start * n), tiled.as_ptr(), many.as_mut_ptr()), (&rest, x, params, dst)],
        );
        for c in 0..n {
            let mut cascade = Cascade::new();
            for t in 0..together {
                cascade.push(many[t * n + c], F::join_two);
            }
            cascade.push(*dst.add(c), F::join_two);
            *dst.add(c) = cascade.finish(F::identity(), F::join_two);
        }
    }
}

/// Matrices, strip by strip; a loop over them keeps the code of the strips in one place.
#[inline(always)]
unsafe fn strips<T: Float, S: Simd<T>, F: Fold<T>>(s: S, matrices: &[(&Matrix, *const T, *const T, *mut T)]) {
    for &(m, x, params, dst) in matrices {
        let mut c = 0;
        while c < m.width {
            let left = (m.width - c).min(8 * S::LANES);
            // SAFETY: as the caller's; a strip has at most the columns that are left.
            unsafe {
                let (x, dst) = (x.offset(c as isize * m.stride), dst.add(c));
                let params = if params.is_null() { params } else { params.add(c) };
                match left.div_ceil(S::LANES) {
                    1 => strip::<T, S, F, 1>(s, m, x, params, dst, left),
                    2 => strip::<T, S, F, 2>(s, m, x, params, dst, left),
                    3 | 4 => strip::<T, S, F, 4>(s, m, x, params, dst, left),
                    _ => strip::<T, S, F, 8>(s, m, x, params, dst, left),
                }
            }
            c += left;
        }
    }
}

/// Elements of vector `v` of a strip of `width`.
#[inline(always)]
fn part<T: Float, S: Simd<T>>(width: usize, v: usize) -> usize {
    width.saturating_sub(v * S::LANES).min(S::LANES)
}

/// `width` columns in `NV` vectors.
#[inline(always)]
unsafe fn strip<T: Float, S: Simd<T>, F: Fold<T>, const NV: usize>(
    s: S,
    m: &Matrix,
    x: *const T,
    params: *const T,
    dst: *mut T,
    width: usize,
) {
    let identity = s.splat(F::identity());
    let mut levels = [[MaybeUninit::<T>::uninit(); STRIP]; LEVELS];
    let mut tile = [T::ZERO; STRIP];
    let mut segments = 0usize;
    let mut cursor = Cursor::new(m.axes, m.start);
    let mut left = m.end - m.start;
    // SAFETY: the cursor stays inside the axes, `width` columns are readable in each row and writable in `dst`; the
    // levels whose bit is set in the count were written, whole vectors each.
    unsafe {
        let mut p = [s.zero(); NV];
        if !params.is_null() {
            for v in 0..NV {
                p[v] = s.load_partial(params.wrapping_add(v * S::LANES), part::<T, S>(width, v));
            }
        }
        while left > 0 {
            let rows = left.min(SEGMENT_ROWS);
            let mut acc = [identity; NV];
            for _ in 0..rows {
                let mut row = x.offset(cursor.offset);
                if m.stride != 1 {
                    for j in 0..width {
                        tile[j] = *row.offset(j as isize * m.stride);
                    }
                    row = tile.as_ptr();
                }
                if width == NV * S::LANES {
                    for v in 0..NV {
                        acc[v] = F::step(s, acc[v], s.load(row.add(v * S::LANES)), p[v]);
                    }
                } else {
                    for v in 0..NV {
                        let n = part::<T, S>(width, v);
                        acc[v] = F::step(s, acc[v], s.load_partial(row.wrapping_add(v * S::LANES), n), p[v]);
                    }
                }
                cursor.skip(1);
            }
            left -= rows;
            let mut level = 0;
            while segments >> level & 1 == 1 {
                for v in 0..NV {
                    let before = s.load(levels[level].as_ptr().cast::<T>().add(v * S::LANES));
                    acc[v] = F::join(s, before, acc[v]);
                }
                level += 1;
            }
            for v in 0..NV {
                s.store(levels[level].as_mut_ptr().cast::<T>().add(v * S::LANES), acc[v]);
            }
            segments += 1;
        }
        let mut total = [identity; NV];
        let mut bits = segments;
        while bits != 0 {
            let level = &levels[bits.trailing_zeros() as usize];
            for v in 0..NV {
                let value = s.load(level.as_ptr().cast::<T>().add(v * S::LANES));
                total[v] = if bits == segments { value } else { F::join(s, value, total[v]) };
            }
            bits &= bits - 1;
        }
        for v in 0..NV {
            s.store_partial(dst.wrapping_add(v * S::LANES), part::<T, S>(width, v), total[v]);
        }
    }
}
