//! Reductions down columns: many results at a time, in strips of as many columns as stay in registers.

use std::mem::MaybeUninit;

use super::fold::{Cascade, Fold, LEVELS};
use super::plan::{Columns, Cursor, Plan, STRIP};
use crate::simd::{Float, Kernel, Simd};

/// Rows that are accumulated straight on; the sums of such segments are added pairwise.
const SEGMENT_ROWS: usize = 32;

pub struct ColumnsKernel<'a, T: Float, F> {
    pub plan: &'a Plan,
    pub src: *const T,
    pub task: Columns,
    pub dst: *mut T,
    pub params: *const T,
    pub _fold: F,
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
            s.store_some(dst.wrapping_add(v * S::LANES), part::<T, S>(width, v), total[v]);
        }
    }
}
