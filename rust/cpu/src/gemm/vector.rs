//! Products with a vector on one side, which memory bounds: y = A·x by rows or by columns, and the outer product.

use ferrograd_array::{Buffer, Result};

use super::{Bias, Problem, Strided};
use crate::isa;
use crate::parallel::{self, SyncPtr};
use crate::path;
use crate::simd::{Float, Kernel, Simd};

/// Depth of one partial sum where there are too few rows to share among threads.
const DEPTH: usize = 1 << 14;
/// Fewer rows than this are shared along the depth too.
const FEW_ROWS: usize = 256;
/// Elements of A that one task reads.
const TASK: usize = 1 << 16;
/// Rows and elements of one task by columns: the sums stay in the first cache, and long pieces of a column are read.
const COLUMN_ROWS: usize = 2048;
const COLUMN_TASK: usize = 1 << 20;

/// Room for so many elements; a broadcast vector may be longer than any memory.
fn room<T>(elements: usize) -> Result<Buffer> {
    Buffer::alloc(elements.saturating_mul(size_of::<T>()))
}

/// y (m) = A (m × k) · x (k). Each row is summed in parts of a fixed depth, which are added in order.
///
/// # Safety
/// As [`super::gemm`] with n = 1; m > 0.
pub(super) unsafe fn matrix_vector<T: Float>(problem: &Problem<T>, a: Strided<T>, x: Strided<T>) -> Result<()> {
    let Problem { m, k, .. } = *problem;
    let by_columns = a.step == 1 && (a.depth_step != 1 || m > k);
    match (by_columns, a.depth_step) {
        (true, _) => {
            path!("gemv/columns", parallel);
        }
        (_, 1) => {
            path!("gemv/rows", parallel);
        }
        _ => {
            path!("gemv/strided", parallel);
        }
    }
    let isa = isa::current();
    let copy;
    let x = if x.depth_step == 1 {
        x.ptr
    } else {
        copy = room::<T>(k)?;
        let to = copy.as_ptr().cast::<T>();
        for p in 0..k {
            // SAFETY: the room is for k elements, and x has as many.
            unsafe { *to.add(p) = *x.at(0, p) };
        }
        to.cast_const()
    };
    let (rows, depth) = if by_columns {
        let rows = COLUMN_ROWS.min(m);
        (rows, (COLUMN_TASK / rows).min(k))
    } else {
        let depth = if m < FEW_ROWS { DEPTH.min(k) } else { k };
        ((TASK / depth).max(8), depth)
    };
    let parts = k.div_ceil(depth);
    let sums = room::<T>(m.saturating_mul(parts))?;
    let sums = SyncPtr::new(sums.as_ptr().cast::<T>());
    let row_blocks = m.div_ceil(rows);
    let x = SyncPtr::new(x.cast_mut());
    parallel::run(row_blocks * parts, problem.ns(), |index| {
        let (part, i) = (index / row_blocks, index % row_blocks * rows);
        let p = part * depth;
        let task = Sums {
            a: Strided { ptr: a.at(i, p), ..a },
            x: x.get().wrapping_add(p),
            rows: rows.min(m - i),
            depth: depth.min(k - p),
            by_columns,
            sums: sums.get().wrapping_add(part * m + i),
        };
        // SAFETY: the instruction set in force is the machine's; each task has its own sums.
        unsafe { T::enter(isa, task) }
    });
    // SAFETY: as above.
    unsafe { T::enter(isa, Finish { problem, sums: sums.get(), parts }) }
    Ok(())
}

/// `sums[i] = Σ_p a(i, p) · x[p]`
struct Sums<T> {
    a: Strided<T>,
    x: *const T,
    rows: usize,
    depth: usize,
    by_columns: bool,
    sums: *mut T,
}

impl<T: Float> Kernel<T> for Sums<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        // SAFETY: `matrix_vector` gave this task its rows and depth.
        unsafe {
            if self.by_columns {
                self.columns(s);
            } else if self.a.depth_step == 1 {
                let mut i = 0;
                while i + 4 <= self.rows {
                    self.dots::<S, 4>(s, i);
                    i += 4;
                }
                while i < self.rows {
                    self.dots::<S, 1>(s, i);
                    i += 1;
                }
            } else {
                for i in 0..self.rows {
                    let mut sum = [T::ZERO; 4];
                    for p in 0..self.depth {
                        sum[p % 4] += *self.a.at(i, p) * *self.x.add(p);
                    }
                    *self.sums.add(i) = (sum[0] + sum[1]) + (sum[2] + sum[3]);
                }
            }
        }
    }
}

impl<T: Float> Sums<T> {
    /// R rows at once, vectors along the depth; two sums a row keep the additions from waiting for each other.
    #[inline(always)]
    unsafe fn dots<S: Simd<T>, const R: usize>(&self, s: S, i: usize) {
        let mut acc = [[s.zero(); 2]; R];
        let step = 2 * S::LANES;
        let row = |r: usize| self.a.at(i + r, 0);
        // SAFETY: `p` and the lanes after it are below `depth`.
        unsafe {
            let mut p = 0;
            while p + step <= self.depth {
                let (x0, x1) = (s.load(self.x.add(p)), s.load(self.x.add(p + S::LANES)));
                for r in 0..R {
                    acc[r][0] = s.fma(s.load(row(r).add(p)), x0, acc[r][0]);
                    acc[r][1] = s.fma(s.load(row(r).add(p + S::LANES)), x1, acc[r][1]);
                }
                p += step;
            }
            while p < self.depth {
                let left = (self.depth - p).min(S::LANES);
                let x = s.load_partial(self.x.add(p), left);
                for r in 0..R {
                    acc[r][0] = s.fma(s.load_partial(row(r).add(p), left), x, acc[r][0]);
                }
                p += left;
            }
            for r in 0..R {
                *self.sums.add(i + r) = s.sum(s.add(acc[r][0], acc[r][1]));
            }
        }
    }

    /// Column after column, eight at once, added to the sums of all rows.
    #[inline(always)]
    unsafe fn columns<S: Simd<T>>(&self, s: S) {
        // SAFETY: the rows and depths are this task's.
        unsafe {
            for i in 0..self.rows {
                *self.sums.add(i) = T::ZERO;
            }
            let mut p = 0;
            while p + 8 <= self.depth {
                self.add_columns::<S, 8>(s, p);
                p += 8;
            }
            while p < self.depth {
                self.add_columns::<S, 1>(s, p);
                p += 1;
            }
        }
    }

    #[inline(always)]
    unsafe fn add_columns<S: Simd<T>, const N: usize>(&self, s: S, p: usize) {
        // SAFETY: as `columns`'s.
        unsafe {
            let mut x = [s.zero(); N];
            for d in 0..N {
                x[d] = s.splat(*self.x.add(p + d));
            }
            let mut i = 0;
            while i + S::LANES <= self.rows {
                let mut sum = s.load(self.sums.add(i));
                for d in 0..N {
                    sum = s.fma(s.load(self.a.at(i, p + d)), x[d], sum);
                }
                s.store(self.sums.add(i), sum);
                i += S::LANES;
            }
            if i < self.rows {
                let left = self.rows - i;
                let mut sum = s.load_partial(self.sums.add(i), left);
                for d in 0..N {
                    sum = s.fma(s.load_partial(self.a.at(i, p + d), left), x[d], sum);
                }
                s.store_some(self.sums.add(i), left, sum);
            }
        }
    }
}

/// Adds the parts, and writes y.
struct Finish<'a, T> {
    problem: &'a Problem<T>,
    sums: *mut T,
    parts: usize,
}

impl<T: Float> Kernel<T> for Finish<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Problem { m, accumulate, epilogue, .. } = *self.problem;
        for i in (0..m).step_by(S::LANES) {
            let left = (m - i).min(S::LANES);
            // SAFETY: row `i` and the lanes after it are below m.
            unsafe {
                let mut sum = s.load_some(self.sums.add(i), left);
                for part in 1..self.parts {
                    sum = s.add(sum, s.load_some(self.sums.add(part * m + i), left));
                }
                let at = self.sums.add(i);
                s.store_some(at, left, sum);
                if accumulate {
                    for d in 0..left {
                        *at.add(d) += *self.problem.c_at(i + d, 0);
                    }
                }
                epilogue.finish(s, at, 0, i, 0, left, 1);
                for d in 0..left {
                    *self.problem.c_at(i + d, 0) = *at.add(d);
                }
            }
        }
    }
}

/// C (m × n) = a (m) · b (n)ᵀ, C's columns contiguous.
///
/// # Safety
/// As [`super::gemm`] with k = 1; m, n > 0.
pub(super) unsafe fn outer<T: Float>(problem: &Problem<T>, a: Strided<T>, b: Strided<T>) -> Result<()> {
    path!("gemm/outer", parallel);
    let Problem { m, n, .. } = *problem;
    let copy;
    let a = if a.step == 1 {
        a.ptr
    } else {
        copy = room::<T>(m)?;
        let to = copy.as_ptr().cast::<T>();
        for i in 0..m {
            // SAFETY: the room is for m elements, and a has as many.
            unsafe { *to.add(i) = *a.at(i, 0) };
        }
        to.cast_const()
    };
    let a = SyncPtr::new(a.cast_mut());
    parallel::for_range(n, (TASK / m).max(1), problem.ns() / n as f64, |start, end| {
        let task = Outer { problem, a: a.get(), b, start, end };
        crate::simd::vectorize(task);
    });
    Ok(())
}

struct Outer<'a, T> {
    problem: &'a Problem<T>,
    a: *const T,
    b: Strided<T>,
    start: usize,
    end: usize,
}

impl<T: Float> Kernel<T> for Outer<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Problem { m, accumulate, epilogue, .. } = *self.problem;
        for j in self.start..self.end {
            // SAFETY: column `j` is this task's, its m rows are contiguous.
            unsafe {
                let x = s.splat(*self.b.at(j, 0));
                let c = self.problem.c_at(0, j);
                let bias = match epilogue.bias {
                    Bias::Columns(bias) => s.splat(*bias.add(j)),
                    _ => s.zero(),
                };
                for i in (0..m).step_by(S::LANES) {
                    let left = (m - i).min(S::LANES);
                    let mut y = s.mul(s.load_some(self.a.add(i), left), x);
                    if accumulate {
                        y = s.add(y, s.load_some(c.add(i), left));
                    }
                    match epilogue.bias {
                        Bias::None => {}
                        Bias::Rows(rows) => y = s.add(y, s.load_some(rows.add(i), left)),
                        Bias::Columns(_) => y = s.add(y, bias),
                    }
                    s.store_some(c.add(i), left, epilogue.activation.apply(s, y));
                }
            }
        }
    }
}
