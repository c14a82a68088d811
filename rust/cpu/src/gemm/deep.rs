//! Products whose depth outweighs their result, as gradients of weights over many points: cut along the result alone,
//! threads would wait for each other after each short block of depth. Here each task multiplies a part of the depth
//! from packing to the last tile; the parts are added in their order. How many there are depends on the shape alone.

use ferrograd_array::{Buffer, Result};

use super::blocking::{self, Plan};
use super::{Epilogue, MatrixMut, Problem, Strided};
use crate::parallel::{self, SyncPtr};
use crate::path;
use crate::simd::{Float, Kernel, Simd};

/// The least depth of a part: writing and adding its result then costs a few per cent of computing it.
pub(super) const PART_DEPTH: usize = 1024;
const PARTS: usize = 16;
/// Elements that a thread adds at a time.
const SUM_BLOCK: usize = 1 << 15;
/// Bytes of one result, which is read and written once a block of depth, and of all parts.
const RESULT_BYTES: usize = 1 << 20;
const ALL_BYTES: usize = 1 << 22;

/// Into how many parts the depth is cut: a power of two, 1 where that does not pay.
fn parts<T>(problem: &Problem<T>) -> usize {
    let bytes = problem.m.saturating_mul(problem.n).saturating_mul(size_of::<T>());
    if bytes > RESULT_BYTES || problem.c.row_stride != 1 {
        return 1;
    }
    let most = (problem.k / PART_DEPTH).min(ALL_BYTES / bytes).clamp(1, PARTS);
    1 << most.ilog2()
}

/// As [`blocking::product`].
///
/// # Safety
/// As [`blocking::product`].
pub(super) unsafe fn product<T: Float>(problem: &Problem<T>, a: Strided<T>, b: Strided<T>, plan: Plan) -> Result<()> {
    let parts = parts(problem);
    if parts == 1 {
        // SAFETY: the caller's promise.
        return unsafe { blocking::product(problem, a, b, plan) };
    }
    path!("gemm/deep", parallel);
    let Problem { m, n, k, .. } = *problem;
    // The first part's result is C itself.
    let room = Buffer::alloc((parts - 1) * m * n * size_of::<T>())?;
    let others = SyncPtr::new(room.as_ptr().cast::<T>());
    parallel::try_run(parts, problem.ns(), |part| {
        let (from, to) = (part * k / parts, (part + 1) * k / parts);
        let (a, b) =
            (Strided::new(a.at(0, from), a.step, a.depth_step), Strided::new(b.at(0, from), b.step, b.depth_step));
        let (c, accumulate) = if part == 0 {
            (problem.c, problem.accumulate)
        } else {
            (MatrixMut::new(others.get().wrapping_add((part - 1) * m * n), 1, m as isize), false)
        };
        let problem = Problem { k: to - from, c, accumulate, epilogue: Epilogue::NONE, ..*problem };
        // SAFETY: the caller's promise, for a part of the depth; each part has a result of its own.
        unsafe { blocking::product(&problem, a, b, plan) }
    })?;
    let columns = (SUM_BLOCK / (parts * m)).max(1);
    parallel::for_range(n, columns, (parts * m) as f64 * 0.1, |start, end| {
        let sum = Sum { problem, others, parts, start, end };
        // SAFETY: the plan's instruction set is the machine's; columns are disjoint.
        unsafe { T::enter(plan.isa, sum) }
    });
    Ok(())
}

/// Adds the other parts to columns of C, and finishes them.
struct Sum<'a, T> {
    problem: &'a Problem<T>,
    others: SyncPtr<T>,
    parts: usize,
    start: usize,
    end: usize,
}

impl<T: Float> Kernel<T> for Sum<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Problem { m, n, c, epilogue, .. } = *self.problem;
        for j in self.start..self.end {
            let column = self.problem.c_at(0, j);
            for i in (0..m).step_by(S::LANES) {
                let left = (m - i).min(S::LANES);
                // SAFETY: the rows lie in C and in each part.
                unsafe {
                    let mut sum = s.load_some(column.add(i), left);
                    for part in 0..self.parts - 1 {
                        sum = s.add(sum, s.load_some(self.others.get().add((part * n + j) * m + i), left));
                    }
                    s.store_some(column.add(i), left, sum);
                }
            }
            if !epilogue.is_identity() {
                // SAFETY: as above.
                unsafe { epilogue.finish(s, column, c.col_stride, 0, j, m, 1) };
            }
        }
    }
}
