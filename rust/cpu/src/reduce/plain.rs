//! Reductions by plain loops, for types without vectors: integers, booleans, and floats as truth values.

use std::marker::PhantomData;

use ferrograd_array::Element;

use super::plan::{Columns, Cursor, Plan, Reducer, Rows};

const STRIP: usize = 256;

/// `acc ← step(acc, x)` from `identity`; `join` puts two accumulators together.
pub struct Plain<A, B, F, G> {
    pub identity: B,
    pub step: F,
    pub join: G,
    _input: PhantomData<fn(A)>,
}

impl<A, B, F: Fn(B, A) -> B, G: Fn(B, B) -> B> Plain<A, B, F, G> {
    pub fn new(identity: B, step: F, join: G) -> Self {
        Self { identity, step, join, _input: PhantomData }
    }
}

impl<A, B, F, G> Reducer for Plain<A, B, F, G>
where
    A: Element,
    B: Copy + Send + Sync,
    F: Fn(B, A) -> B + Sync,
    G: Fn(B, B) -> B + Sync,
{
    type In = A;
    type Acc = B;
    const NS: f64 = 0.3;

    unsafe fn rows(&self, plan: &Plan, src: *const A, task: Rows, dst: *mut B) {
        let stride = plan.reduced.last().map_or(0, |&(_, stride)| stride);
        let mut row = Cursor::new(&plan.kept, task.first);
        for o in task.first..task.last {
            let mut acc = self.identity;
            let mut cursor = Cursor::new(&plan.reduced, task.start);
            let mut left = task.end - task.start;
            // SAFETY: the cursors stay inside the array; the results are this task's own.
            unsafe {
                while left > 0 {
                    let n = cursor.run().min(left);
                    let x = src.offset(row.offset + cursor.offset);
                    if stride == 1 {
                        for j in 0..n {
                            acc = (self.step)(acc, *x.add(j));
                        }
                    } else {
                        for j in 0..n as isize {
                            acc = (self.step)(acc, *x.offset(j * stride));
                        }
                    }
                    cursor.skip(n);
                    left -= n;
                }
                *dst.add(o - task.first) = acc;
            }
            row.skip(1);
        }
    }

    unsafe fn columns(&self, plan: &Plan, src: *const A, task: Columns, dst: *mut B) {
        let n = plan.group();
        let stride = plan.kept[plan.kept.len() - 1].1;
        let mut group = Cursor::new(plan.outer(), task.first);
        for g in task.first..task.last {
            for left in (task.left..task.right).step_by(STRIP) {
                let width = STRIP.min(task.right - left);
                let mut acc = [self.identity; STRIP];
                let mut cursor = Cursor::new(&plan.reduced, task.start);
                // SAFETY: as in `rows`.
                unsafe {
                    let x = src.offset(group.offset + left as isize * stride);
                    for _ in task.start..task.end {
                        let row = x.offset(cursor.offset);
                        for j in 0..width {
                            acc[j] = (self.step)(acc[j], *row.offset(j as isize * stride));
                        }
                        cursor.skip(1);
                    }
                    let dst = dst.add((g - task.first) * n + left - task.left);
                    std::ptr::copy_nonoverlapping(acc.as_ptr(), dst, width);
                }
            }
            group.skip(1);
        }
    }

    fn join(&self, a: B, b: B) -> B {
        (self.join)(a, b)
    }
}
