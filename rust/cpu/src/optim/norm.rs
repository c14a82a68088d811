use ferrograd_array::{Array, DType, Error, Result};

use super::{BLOCK, Update, check_distinct, check_written, number, step};
use crate::parallel::{self, SyncPtr};
use crate::path;
use crate::simd::{Float, Kernel, Simd, vectorize};
use crate::strided::Plan;

/// Which norm of all gradients together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Norm {
    /// `Σ |g|`.
    One,
    /// `√Σ g²`.
    Two,
    /// `max |g|`.
    Infinity,
}

/// The norm of all gradients together, a 0-d array of the first one's dtype. Summed in f64 over fixed blocks.
pub fn grad_norm(grads: &[&Array], norm: Norm) -> Result<Array> {
    let op = "grad_norm";
    path!("optim/grad_norm", parallel);
    let Some(first) = grads.first() else { return Array::scalar(0f32) };
    let mut parts = Vec::new();
    for (k, g) in grads.iter().enumerate() {
        match g.dtype() {
            DType::F32 | DType::F64 => {}
            other => return Err(Error::dtype(op, &format!("grads[{k}]"), "float32 or float64", other)),
        }
        let numel = g.numel();
        parts.extend((0..numel).step_by(BLOCK).map(|start| (k, start, (start + BLOCK).min(numel))));
    }
    let plans: Vec<Plan<1>> = grads.iter().map(|g| Plan::new([g.layout()])).collect();
    let numel: usize = grads.iter().map(|g| g.numel()).sum();
    let mut sums = vec![0f64; parts.len()];
    let out = SyncPtr::new(sums.as_mut_ptr());
    parallel::run(parts.len(), numel as f64 * 0.4, |task| {
        let (k, start, end) = parts[task];
        let part = match grads[k].dtype() {
            DType::F32 => block_norm::<f32>(grads[k], &plans[k], start, end, norm),
            _ => block_norm::<f64>(grads[k], &plans[k], start, end, norm),
        };
        // SAFETY: one element a task.
        unsafe { *out.get().add(task) = part };
    });
    let total = match norm {
        Norm::One => sums.iter().sum(),
        Norm::Two => sums.iter().sum::<f64>().sqrt(),
        Norm::Infinity => sums.iter().fold(0.0, |a, &b| largest(a, b)),
    };
    match first.dtype() {
        DType::F32 => Array::scalar(total as f32),
        _ => Array::scalar(total),
    }
}

#[inline(always)]
fn largest(a: f64, b: f64) -> f64 {
    if b > a || b.is_nan() { b } else { a }
}

fn block_norm<T: Float>(g: &Array, plan: &Plan<1>, start: usize, end: usize, norm: Norm) -> f64 {
    let total = std::cell::Cell::new(0.0);
    let [step] = plan.inner_strides();
    plan.rows(start, end, |[o], n| {
        // SAFETY: the plan stays inside the layout.
        let row = unsafe { g.ptr::<T>().offset(o) };
        let part = vectorize(RowNorm { row, step, n, norm });
        total.set(if norm == Norm::Infinity { largest(total.get(), part) } else { total.get() + part });
    });
    total.get()
}

struct RowNorm<T> {
    row: *const T,
    step: isize,
    n: usize,
    norm: Norm,
}

impl<T: Float> RowNorm<T> {
    /// Eight running results, so that the order of the sum does not depend on the instruction set.
    #[inline(always)]
    fn over(&self, join: impl Fn(f64, f64) -> f64) -> f64 {
        let mut sums = [0f64; 8];
        let whole = self.n / 8 * 8;
        for i in (0..whole).step_by(8) {
            for j in 0..8 {
                // SAFETY: `n` elements at this step.
                sums[j] = join(sums[j], unsafe { *self.row.offset((i + j) as isize * self.step) }.to_f64());
            }
        }
        for i in whole..self.n {
            // SAFETY: as above.
            sums[i - whole] = join(sums[i - whole], unsafe { *self.row.offset(i as isize * self.step) }.to_f64());
        }
        sums.into_iter().fold(0.0, |a, b| if self.norm == Norm::Infinity { largest(a, b) } else { a + b })
    }
}

impl<T: Float> Kernel<T> for RowNorm<T> {
    type Output = f64;
    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) -> f64 {
        match self.norm {
            Norm::One => self.over(
                #[inline(always)]
                |sum, g| sum + g.abs(),
            ),
            Norm::Two => self.over(
                #[inline(always)]
                |sum, g| sum + g * g,
            ),
            Norm::Infinity => self.over(
                #[inline(always)]
                |sum, g| largest(sum, g.abs()),
            ),
        }
    }
}

#[derive(Clone, Copy)]
struct Scale<T>(T);

impl<T: Float> Update<T, 1> for Scale<T> {
    const WRITES: [bool; 1] = [true];
    #[inline(always)]
    fn apply<S: Simd<T>>(&self, s: S, [g]: [S::V; 1]) -> [S::V; 1] {
        [s.mul(g, s.splat(self.0))]
    }
}

/// `g ← factor · g` for all gradients, in place.
pub fn scale_grads(grads: &[&Array], factor: &Array) -> Result<()> {
    let op = "scale_grads";
    path!("optim/scale_grads", parallel);
    let factor = number(op, "factor", factor)?;
    for (k, g) in grads.iter().enumerate() {
        check_written(op, "grads", k, g)?;
    }
    check_distinct(op, &[("grads", grads)])?;
    step::<f32, _, 1>([grads], 0.5, |_| Scale(factor as f32));
    step::<f64, _, 1>([grads], 0.5, |_| Scale(factor));
    Ok(())
}
