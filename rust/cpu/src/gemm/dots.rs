//! Products with a few rows or columns, as of the last layer of a classifier: C[i, j] is the dot product of row i of A
//! and column j of B with vectors along the depth. Vectors along the rows would leave lanes idle, six of sixteen for
//! ten classes.

use ferrograd_array::{Buffer, Result};

use super::blocking::even;
use super::deep::PART_DEPTH;
use super::{Problem, Strided};
use crate::parallel::{self, SyncPtr};
use crate::path;
use crate::simd::{self, Float, Kernel, Simd, copy_matrix, lanes};

/// Rows of A that are multiplied at once, at most.
const ROWS: usize = 6;
/// Bytes of A that stay in the first-level cache while the columns of B pass.
const A_BYTES: usize = 1 << 14;
/// Products that one task computes at least.
const WORK: usize = 1 << 17;
/// With fewer columns than this, a great depth is shared among threads instead (`deep`).
const COLUMNS: usize = 64;
/// What adding up the lanes of a sum costs, in products of vectors.
const ENDING: usize = 4;

/// Whether at least a seventh fewer vectors are multiplied than in tiles, the sums' lanes counted in. Columns of B must
/// lie along the depth.
pub(super) fn pay<T: Float>(problem: &Problem<T>, b: Strided<T>) -> bool {
    let Problem { m, n, k, c, .. } = *problem;
    let lanes = lanes::<T>();
    b.depth_step == 1
        && c.row_stride == 1
        && m <= 2 * lanes
        && (n >= COLUMNS || k < 2 * PART_DEPTH)
        && 7 * m * (k.div_ceil(lanes) + ENDING) < 6 * m.div_ceil(lanes) * k
}

/// Computes.
///
/// # Safety
/// As [`super::gemm`]; m, n > 0, and `pay` holds.
pub(super) unsafe fn product<T: Float>(problem: &Problem<T>, a: Strided<T>, b: Strided<T>) -> Result<()> {
    path!("gemm/dots", parallel);
    let Problem { m, n, k, .. } = *problem;
    let room;
    let a = if a.depth_step == 1 {
        a
    } else {
        room = Buffer::alloc(m * k * size_of::<T>())?;
        let to = SyncPtr::new(room.as_ptr().cast::<T>());
        parallel::for_range(k, WORK / m, m as f64, |from, end| {
            // SAFETY: the room is for all of A, and each task turns depths of its own.
            unsafe { copy_matrix(a.at(0, from), a.step, a.depth_step, m, end - from, to.get().add(from), k) }
        });
        Strided::new(room.as_ptr().cast::<T>().cast_const(), k as isize, 1)
    };
    let columns = WORK.div_ceil(m * k).next_multiple_of(4);
    parallel::for_range(n, columns, problem.ns() / n as f64, |start, end| {
        // SAFETY: columns of C are one task's.
        simd::vectorize(Dots { problem, a, b, start, end });
    });
    Ok(())
}

/// Columns `start..end` of C.
struct Dots<'a, T> {
    problem: &'a Problem<T>,
    a: Strided<T>,
    b: Strided<T>,
    start: usize,
    end: usize,
}

impl<T: Float> Kernel<T> for Dots<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Problem { m, k, c, epilogue, .. } = *self.problem;
        let depth = even(k, A_BYTES / size_of::<T>() / m, S::LANES);
        for from in (0..k).step_by(depth) {
            let depth = depth.min(k - from);
            // SAFETY: `product` gave this task its columns.
            unsafe {
                match S::REGISTERS {
                    32 => self.sweep::<S, 4>(s, from, depth),
                    16 => self.sweep::<S, 2>(s, from, depth),
                    _ => self.sweep::<S, 1>(s, from, depth),
                }
            }
        }
        if !epilogue.is_identity() {
            let first = self.problem.c_at(0, self.start);
            // SAFETY: as above; rows of C are neighbours.
            unsafe { epilogue.finish(s, first, c.col_stride, 0, self.start, m, self.end - self.start) };
        }
    }
}

impl<T: Float> Dots<'_, T> {
    #[inline(always)]
    unsafe fn sweep<S: Simd<T>, const W: usize>(&self, s: S, from: usize, depth: usize) {
        let mut j = self.start;
        // SAFETY: as `run`'s.
        unsafe {
            while j + W <= self.end {
                self.rows::<S, W>(s, j, from, depth);
                j += W;
            }
            while j < self.end {
                self.rows::<S, 1>(s, j, from, depth);
                j += 1;
            }
        }
    }

    /// All rows of `W` columns, in groups of nearly equal size.
    #[inline(always)]
    unsafe fn rows<S: Simd<T>, const W: usize>(&self, s: S, j: usize, from: usize, depth: usize) {
        let m = self.problem.m;
        let mut i = 0;
        while i < m {
            let rows = (m - i).div_ceil((m - i).div_ceil(ROWS));
            // SAFETY: as `run`'s.
            unsafe {
                match rows {
                    6 => self.tile::<S, 6, W>(s, i, j, from, depth),
                    5 => self.tile::<S, 5, W>(s, i, j, from, depth),
                    4 => self.tile::<S, 4, W>(s, i, j, from, depth),
                    3 => self.tile::<S, 3, W>(s, i, j, from, depth),
                    2 => self.tile::<S, 2, W>(s, i, j, from, depth),
                    _ => self.tile::<S, 1, W>(s, i, j, from, depth),
                }
            }
            i += rows;
        }
    }

    #[inline(always)]
    unsafe fn tile<S: Simd<T>, const R: usize, const W: usize>(
        &self,
        s: S,
        i: usize,
        j: usize,
        from: usize,
        depth: usize,
    ) {
        let (mut a, mut b) = ([self.a.ptr; R], [self.b.ptr; W]);
        for r in 0..R {
            a[r] = self.a.at(i + r, from);
        }
        for w in 0..W {
            b[w] = self.b.at(j + w, from);
        }
        let mut sums = [[s.zero(); R]; W];
        let add = from > 0 || self.problem.accumulate;
        // SAFETY: `p` and the lanes after it lie below `depth`, rows and columns in the operands.
        unsafe {
            let mut p = 0;
            while p + S::LANES <= depth {
                let mut x = [s.zero(); W];
                for w in 0..W {
                    x[w] = s.load(b[w].add(p));
                }
                for r in 0..R {
                    let y = s.load(a[r].add(p));
                    for w in 0..W {
                        sums[w][r] = s.fma(x[w], y, sums[w][r]);
                    }
                }
                p += S::LANES;
            }
            if p < depth {
                let mut x = [s.zero(); W];
                for w in 0..W {
                    x[w] = s.load_partial(b[w].add(p), depth - p);
                }
                for r in 0..R {
                    let y = s.load_partial(a[r].add(p), depth - p);
                    for w in 0..W {
                        sums[w][r] = s.fma(x[w], y, sums[w][r]);
                    }
                }
            }
            for w in 0..W {
                for r in 0..R {
                    let c = self.problem.c_at(i + r, j + w);
                    let sum = s.sum(sums[w][r]);
                    *c = if add { *c + sum } else { sum };
                }
            }
        }
    }
}
