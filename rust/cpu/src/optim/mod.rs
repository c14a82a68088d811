//! One optimizer step over all parameters: every element is read and written once, and blocks of a fixed size across
//! all arrays are shared between threads. Learning rate and step count are 0-d arrays, so that a recorded step can be
//! replayed. Numbers below the normal range are flushed.

mod adadelta;
mod adagrad;
mod adam;
mod adamax;
mod nadam;
mod norm;
mod radam;
mod rmsprop;
mod sgd;

pub use adadelta::{Adadelta, adadelta_step};
pub use adagrad::{Adagrad, adagrad_step};
pub use adam::{Adam, adam_step};
pub use adamax::{Adamax, adamax_step};
pub use nadam::{NAdam, nadam_step};
pub use norm::{Norm, grad_norm, scale_grads};
pub use radam::{RAdam, radam_step};
pub use rmsprop::{RmsProp, rmsprop_step};
pub use sgd::{Sgd, sgd_step};

use ferrograd_array::{Array, DType, Error, Result, Shape};

use crate::parallel;
use crate::simd::{Float, Kernel, Simd, vectorize};
use crate::strided::Plan;

/// Elements of a task.
const BLOCK: usize = 16 * 1024;

/// Checks one array of a list against its parameter.
fn check_like(op: &str, argument: &str, k: usize, a: &Array, like: &Array) -> Result<()> {
    if a.shape() != like.shape() {
        let expected = format!("the shape of params[{k}], {}", Shape(like.shape()));
        return Err(Error::shape(op, &format!("{argument}[{k}]"), expected, Shape(a.shape())));
    }
    if a.dtype() != like.dtype() {
        return Err(Error::dtype(op, &format!("{argument}[{k}]"), like.dtype(), a.dtype()));
    }
    Ok(())
}

fn check_written(op: &str, argument: &str, k: usize, a: &Array) -> Result<()> {
    let name = || format!("{argument}[{k}]");
    if !matches!(a.dtype(), DType::F32 | DType::F64) {
        return Err(Error::dtype(op, &name(), "float32 or float64", a.dtype()));
    }
    if !a.buffer().is_writable() {
        return Err(Error::value(op, &name(), "an array that can be written to", "a read-only one"));
    }
    if a.layout().may_self_overlap() {
        return Err(Error::value(op, &name(), "an array whose elements are all its own", "an expanded one"));
    }
    Ok(())
}

/// No array is written by two entries of the lists.
fn check_distinct(op: &str, lists: &[(&str, &[&Array])]) -> Result<()> {
    let mut all: Vec<(usize, &str, usize)> = lists
        .iter()
        .flat_map(|&(name, list)| list.iter().enumerate().map(move |(k, a)| (a, name, k)))
        .filter(|(a, _, _)| a.numel() > 0)
        .map(|(a, name, k)| (a.buffer().as_ptr() as usize + a.layout().offset * a.dtype().size(), name, k))
        .collect();
    all.sort_unstable();
    match all.windows(2).find(|w| w[0].0 == w[1].0) {
        None => Ok(()),
        Some(w) => Err(Error::value(
            op,
            w[1].1,
            "arrays that do not share memory",
            format_args!("{}[{}] and {}[{}], which do", w[0].1, w[0].2, w[1].1, w[1].2),
        )),
    }
}

fn check_lengths(op: &str, argument: &str, list: &[&Array], params: &[&Array]) -> Result<()> {
    if list.len() == params.len() {
        return Ok(());
    }
    Err(Error::value(op, argument, format_args!("{} arrays, one a parameter", params.len()), list.len()))
}

/// Checks what every step is given, `state` being the lists beside parameters that are written, and moves the step counts on: the
/// learning rate, and the counts as they were.
fn begin(
    op: &str,
    params: &[&Array],
    grads: &[&Array],
    state: &[(&str, &[&Array])],
    lr: &Array,
    steps: &[&Array],
) -> Result<(f64, Vec<f64>)> {
    check_lengths(op, "grads", grads, params)?;
    for &(name, list) in state {
        check_lengths(op, name, list, params)?;
    }
    let rate = number(op, "lr", lr)?;
    let counts = check_steps(op, steps, params)?;
    for (k, p) in params.iter().enumerate() {
        check_written(op, "params", k, p)?;
        check_like(op, "grads", k, grads[k], p)?;
        for &(name, list) in state {
            check_written(op, name, k, list[k])?;
            check_like(op, name, k, list[k], p)?;
        }
    }
    let lists: Vec<_> = [("params", params)].iter().chain(state).copied().collect();
    check_distinct(op, &lists)?;
    advance(steps);
    Ok((rate, counts))
}

/// The count of parameter `k` after this step; there is one for all, or one for each.
fn count(counts: &[f64], k: usize) -> f64 {
    counts[k.min(counts.len() - 1)] + 1.0
}

fn check_beta(op: &str, argument: &str, beta: f64) -> Result<()> {
    if (0.0..1.0).contains(&beta) {
        return Ok(());
    }
    Err(Error::value(op, argument, "a number from 0 to below 1", beta))
}

/// The gradient, turned where the objective is to grow, with the weight decay that is part of it.
#[inline(always)]
fn gradient<T: Float, S: Simd<T>>(s: S, p: S::V, g: S::V, weight_decay: T, maximize: bool) -> S::V {
    let g = if maximize { s.neg(g) } else { g };
    if weight_decay == T::ZERO { g } else { s.fma(s.splat(weight_decay), p, g) }
}

/// `a + weight · (b − a)`, from the nearer end.
#[inline(always)]
fn lerp<T: Float, S: Simd<T>>(s: S, a: S::V, b: S::V, weight: T) -> S::V {
    let way = s.sub(b, a);
    if weight < T::from_f64(0.5) { s.fma(s.splat(weight), way, a) } else { s.fma(s.splat(weight - T::ONE), way, b) }
}

/// `decay · average + (1 − decay) · g²`.
#[inline(always)]
fn square_average<T: Float, S: Simd<T>>(s: S, average: S::V, g: S::V, decay: T, rest: T) -> S::V {
    s.fma(s.mul(s.splat(rest), g), g, s.mul(average, s.splat(decay)))
}

/// `p + factor · a / b`.
#[inline(always)]
fn add_quotient<T: Float, S: Simd<T>>(s: S, p: S::V, factor: T, a: S::V, b: S::V) -> S::V {
    s.add(p, s.div(s.mul(s.splat(factor), a), b))
}

/// The value of a 0-d array (or one of a single element).
fn number(op: &str, argument: &str, a: &Array) -> Result<f64> {
    if a.numel() != 1 {
        return Err(Error::shape(op, argument, "a 0-d array", Shape(a.shape())));
    }
    // SAFETY: one element of this dtype.
    unsafe {
        Ok(match a.dtype() {
            DType::F32 => *a.ptr::<f32>() as f64,
            DType::F64 => *a.ptr::<f64>(),
            DType::I32 => *a.ptr::<i32>() as f64,
            DType::I64 => *a.ptr::<i64>() as f64,
            other => return Err(Error::dtype(op, argument, "float32, float64, int32 or int64", other)),
        })
    }
}

/// The step counts, one for all parameters or one for each: checked, not yet moved on.
fn check_steps(op: &str, steps: &[&Array], params: &[&Array]) -> Result<Vec<f64>> {
    if steps.len() != 1 && steps.len() != params.len() {
        let expected = format!("one 0-d array, or {}, one a parameter", params.len());
        return Err(Error::value(op, "steps", expected, steps.len()));
    }
    let counts = steps.iter().map(|step| {
        if !step.buffer().is_writable() {
            return Err(Error::value(op, "steps", "an array that can be written to", "a read-only one"));
        }
        number(op, "steps", step)
    });
    counts.collect()
}

/// `step += 1`.
fn advance(steps: &[&Array]) {
    for step in steps {
        // SAFETY: one element of this dtype, which `number` saw.
        unsafe {
            match step.dtype() {
                DType::F32 => *step.ptr_mut::<f32>() += 1.0,
                DType::F64 => *step.ptr_mut::<f64>() += 1.0,
                DType::I32 => *step.ptr_mut::<i32>() = (*step.ptr::<i32>()).wrapping_add(1),
                _ => *step.ptr_mut::<i64>() = (*step.ptr::<i64>()).wrapping_add(1),
            }
        }
    }
}

/// What is done to one element of `N` arrays of a parameter, the parameter first.
trait Update<T: Float, const N: usize>: Sync {
    /// Values after the step; those of arrays that are not written do not matter.
    fn apply<S: Simd<T>>(&self, s: S, v: [S::V; N]) -> [S::V; N];
    /// Which arrays are written.
    const WRITES: [bool; N];
}

/// One parameter and what belongs to it.
struct Entry<const N: usize, U> {
    plan: Plan<N>,
    arrays: [usize; N],
    update: U,
    /// Tasks of the parameters before it.
    first: usize,
}

struct Row<'a, T, U, const N: usize> {
    update: &'a U,
    rows: [*mut T; N],
    steps: [isize; N],
    n: usize,
}

impl<T: Float, U: Update<T, N>, const N: usize> Kernel<T> for Row<'_, T, U, N> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let mut i = 0;
        // SAFETY: `n` elements at each step.
        unsafe {
            if self.steps == [1; N] {
                while i + S::LANES <= self.n {
                    let mut v = [s.zero(); N];
                    for k in 0..N {
                        v[k] = s.load(self.rows[k].add(i));
                    }
                    let v = self.update.apply(s, v);
                    for k in 0..N {
                        if U::WRITES[k] {
                            s.store(self.rows[k].add(i), v[k]);
                        }
                    }
                    i += S::LANES;
                }
            }
            // The rest of a dense row, and rows that are not dense, by way of a vector on the stack.
            while i < self.n {
                let n = S::LANES.min(self.n - i);
                let mut lanes = [[T::ZERO; 64]; N];
                for k in 0..N {
                    for j in 0..n {
                        lanes[k][j] = *self.rows[k].offset((i + j) as isize * self.steps[k]);
                    }
                }
                let mut v = [s.zero(); N];
                for k in 0..N {
                    v[k] = s.load(lanes[k].as_ptr());
                }
                let v = self.update.apply(s, v);
                for k in 0..N {
                    if U::WRITES[k] {
                        s.store(lanes[k].as_mut_ptr(), v[k]);
                        for j in 0..n {
                            *self.rows[k].offset((i + j) as isize * self.steps[k]) = lanes[k][j];
                        }
                    }
                }
                i += n;
            }
        }
    }
}

/// Applies an update to every parameter of dtype `T`: `arrays[k]` are the lists, `updates` one for each parameter.
fn step<T: Float, U: Update<T, N>, const N: usize>(lists: [&[&Array]; N], ns: f64, update: impl Fn(usize) -> U) {
    let (mut entries, mut tasks, mut numel) = (Vec::new(), 0, 0);
    for k in 0..lists[0].len() {
        let arrays: [&Array; N] = std::array::from_fn(|i| lists[i][k]);
        if arrays[0].dtype() != T::DTYPE || arrays[0].numel() == 0 {
            continue;
        }
        let plan = Plan::new(std::array::from_fn(|i| arrays[i].layout()));
        entries.push(Entry {
            arrays: arrays.map(|a| a.ptr_mut::<T>() as usize),
            update: update(k),
            first: tasks,
            plan,
        });
        tasks += arrays[0].numel().div_ceil(BLOCK);
        numel += arrays[0].numel();
    }
    let entries: &[Entry<N, U>] = &entries;
    parallel::run(tasks, numel as f64 * ns, |task| {
        let entry = &entries[entries.partition_point(|e| e.first <= task) - 1];
        let start = (task - entry.first) * BLOCK;
        let steps = entry.plan.inner_strides();
        entry.plan.rows(start, (start + BLOCK).min(entry.plan.numel()), |offsets, n| {
            // SAFETY: the plan stays inside the layouts; a task's elements are its own, for no array stands twice in
            // the lists that are written.
            let rows = std::array::from_fn(|k| unsafe { (entry.arrays[k] as *mut T).offset(offsets[k]) });
            vectorize(Row { update: &entry.update, rows, steps, n });
        });
    });
}

#[cfg(feature = "testing")]
mod tests;
