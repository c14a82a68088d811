//! Reductions of elements that lie together, or are gathered: one result at a time.

use super::fold::{Cascade, Fold};
use super::plan::{Cursor, Plan, Rows};
use crate::simd::{Float, Kernel, Simd};

/// Elements that are accumulated straight on; the sums of such segments are added pairwise, so that the error grows
/// with the logarithm of the length.
const SEGMENT: usize = 1024;
/// Runs shorter than this are gathered into a tile.
const SHORT_RUN: usize = 64;
const TILE: usize = 256;

/// The first `n` lanes.
#[inline(always)]
pub fn lanes_below<T: Float, S: Simd<T>>(s: S, n: usize) -> S::M {
    const { assert!(S::LANES <= 16) };
    let ones = [T::ONE; 16];
    // SAFETY: `n` is at most the number of lanes.
    let ones = unsafe { s.load_partial(ones.as_ptr(), n) };
    s.ne(ones, s.zero())
}

/// As many of `n` elements as fill `A` vectors, accumulated side by side and joined by halves; and how many these were.
#[inline(always)]
unsafe fn side_by_side<T: Float, S: Simd<T>, F: Fold<T>, const A: usize>(
    s: S,
    x: *const T,
    n: usize,
    p: S::V,
) -> (S::V, usize) {
    let mut acc = [s.splat(F::identity()); A];
    let mut i = 0;
    while i + A * S::LANES <= n {
        for v in 0..A {
            // SAFETY: the caller gives n elements.
            acc[v] = F::step(s, acc[v], unsafe { s.load(x.add(i + v * S::LANES)) }, p);
        }
        i += A * S::LANES;
    }
    let mut width = if i > 0 { A } else { 1 };
    while width > 1 {
        width /= 2;
        for v in 0..width {
            acc[v] = F::join(s, acc[v], acc[v + width]);
        }
    }
    (acc[0], i)
}

/// `n` elements that lie together.
#[inline(always)]
unsafe fn segment<T: Float, S: Simd<T>, F: Fold<T>>(s: S, x: *const T, n: usize, p: S::V) -> T {
    // SAFETY: the caller gives n elements.
    unsafe {
        // A long step fills the registers by itself.
        let (mut total, mut i) = match F::NS < 1.0 {
            true => side_by_side::<T, S, F, 8>(s, x, n, p),
            false => side_by_side::<T, S, F, 2>(s, x, n, p),
        };
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
/// from `part` on. `A` vectors are added up side by side: four hide the latency of a short `f`, two leave a long one
/// the registers.
#[inline(always)]
pub fn segment_sum<T: Float, S: Simd<T>, const A: usize>(s: S, n: usize, mut f: impl FnMut(usize, usize) -> S::V) -> T {
    let [sum] = segment_sums::<T, S, 1, A>(
        s,
        n,
        #[inline(always)]
        |i, part| [f(i, part)],
    );
    sum
}

/// Several sums in one walk, each as [`segment_sum`].
#[inline(always)]
pub fn segment_sums<T: Float, S: Simd<T>, const K: usize, const A: usize>(
    s: S,
    n: usize,
    mut f: impl FnMut(usize, usize) -> [S::V; K],
) -> [T; K] {
    let mut cascades: [Cascade<T>; K] = std::array::from_fn(|_| Cascade::new());
    let mut i = 0;
    while i < n {
        let end = (i + SEGMENT).min(n);
        let mut acc = [[s.zero(); A]; K];
        while i + A * S::LANES <= end {
            for v in 0..A {
                let terms = f(i + v * S::LANES, S::LANES);
                for k in 0..K {
                    acc[k][v] = s.add(acc[k][v], terms[k]);
                }
            }
            i += A * S::LANES;
        }
        while i < end {
            let part = S::LANES.min(end - i);
            let terms = f(i, part);
            for k in 0..K {
                acc[k][0] = s.add(acc[k][0], terms[k]);
            }
            i += part;
        }
        for k in 0..K {
            let mut width = A;
            while width > 1 {
                width /= 2;
                for v in 0..width {
                    acc[k][v] = s.add(acc[k][v], acc[k][v + width]);
                }
            }
            cascades[k].push(s.sum(acc[k][0]), |a, b| a + b);
        }
    }
    let mut sums = [T::ZERO; K];
    for (sum, cascade) in sums.iter_mut().zip(cascades) {
        *sum = cascade.finish(T::ZERO, |a, b| a + b);
    }
    sums
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

pub struct RowsKernel<'a, T: Float, F> {
    pub plan: &'a Plan,
    pub src: *const T,
    pub task: Rows,
    pub dst: *mut T,
    pub params: *const T,
    pub _fold: F,
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
