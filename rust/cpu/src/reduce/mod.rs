//! Reductions over any set of dimensions, of arrays in any layout.
//!
//! Results are in the memory order of the dimensions that are kept. An empty list of dimensions means all of them.
//! Sums of floats are added pairwise; how a reduction is split depends on its shape only, so that results are
//! bit-equal for any number of threads.

mod arg;
mod columns;
mod fold;
mod plain;
mod plan;
mod rows;
#[cfg(feature = "testing")]
pub(crate) mod tests;

use ferrograd_array::{Array, DType, Element, Error, Kind, Layout, Result, Shape};
use smallvec::SmallVec;

use crate::parallel::SyncPtr;
use crate::simd::{Float, Kernel, Simd, vectorize};
pub use arg::{argmax, argmin, max_dim, min_dim};
use fold::{Deviation, Fold, Folding, Max, Min, Prod, SquaredDistance, SumExp};
pub(crate) use fold::{Highest, Sum};
use plain::Plain;
use plan::{Plan, output};
pub(crate) use rows::{dense, lanes_below, segment_sum, segment_sums};

/// Which dimensions are reduced.
type Over = SmallVec<[bool; 8]>;

/// `dim`, which may count from the end, as a position; a 0-d array has the dimensions 0 and -1.
pub(crate) fn dimension(op: &str, dim: isize, ndim: usize) -> Result<usize> {
    let n = ndim.max(1) as isize;
    if (-n..n).contains(&dim) {
        return Ok((if dim < 0 { dim + n } else { dim }) as usize);
    }
    Err(Error::index(op, "dim", format_args!("an integer from {} to {}", -n, n - 1), dim))
}

fn over(op: &str, ndim: usize, dims: &[isize]) -> Result<Over> {
    let mut over = Over::from_elem(dims.is_empty(), ndim);
    for &dim in dims {
        let k = dimension(op, dim, ndim)?;
        if ndim == 0 {
            continue;
        }
        if over[k] {
            return Err(Error::value(op, "dim", "each dimension once", format_args!("dimension {k} twice")));
        }
        over[k] = true;
    }
    Ok(over)
}

fn unsupported(op: &str, expected: &str, got: DType) -> Error {
    match got {
        DType::F16 | DType::BF16 => {
            Error::dtype(op, "input", format_args!("{expected} (cast {got} to float32 first)"), got)
        }
        _ => Error::dtype(op, "input", expected, got),
    }
}

/// `a` reduced by `fold` into `out`; `params` has a parameter for each result.
fn folded<T: Float, F: Fold<T>>(a: &Array, plan: &Plan, fold: F, params: Option<&Array>, out: &Array) {
    let mut folding = Folding::new(fold);
    if let Some(params) = params {
        folding.params = SyncPtr::new(params.ptr_mut::<T>());
    }
    // SAFETY: the plan was made for `a`; `out` and `params` are dense and have an element for each result.
    unsafe { plan.reduce(&folding, a.ptr::<T>(), out.ptr_mut::<T>()) }
}

fn fold_op<T: Float, F: Fold<T>>(a: &Array, over: &Over, keepdim: bool, fold: F) -> Result<Array> {
    let out = output(a.layout(), over, keepdim, T::DTYPE)?;
    folded::<T, F>(a, &Plan::new(a.layout(), over, false), fold, None, &out);
    Ok(out)
}

fn plain_op<A: Element, B: Copy + Send + Sync>(
    a: &Array,
    over: &Over,
    keepdim: bool,
    dtype: DType,
    identity: B,
    step: impl Fn(B, A) -> B + Sync,
    join: impl Fn(B, B) -> B + Sync,
) -> Result<Array> {
    debug_assert_eq!(size_of::<B>(), dtype.size());
    let out = output(a.layout(), over, keepdim, dtype)?;
    let plan = Plan::new(a.layout(), over, false);
    // SAFETY: the plan was made for `a`; `out` is dense and has an element of the size of `B` for each result.
    unsafe { plan.reduce(&Plain::new(identity, step, join), a.ptr::<A>(), out.buffer().as_ptr().cast::<B>()) };
    Ok(out)
}

/// `Σ a` over `dims`; integers and booleans are summed as int64, wrapping.
pub fn sum(a: &Array, dims: &[isize], keepdim: bool) -> Result<Array> {
    let over = over("sum", a.ndim(), dims)?;
    macro_rules! integers {
        ($t:ty, |$x:ident| $value:expr) => {
            plain_op(
                a,
                &over,
                keepdim,
                DType::I64,
                0i64,
                |acc: i64, $x: $t| acc.wrapping_add($value),
                i64::wrapping_add,
            )
        };
    }
    match a.dtype() {
        DType::F32 => fold_op::<f32, _>(a, &over, keepdim, Sum),
        DType::F64 => fold_op::<f64, _>(a, &over, keepdim, Sum),
        DType::I64 => integers!(i64, |x| x),
        DType::I32 => integers!(i32, |x| x as i64),
        DType::U8 => integers!(u8, |x| x as i64),
        DType::Bool => integers!(u8, |x| (x != 0) as i64),
        other => Err(unsupported("sum", "a dtype that is computed with", other)),
    }
}

/// `Π a` over `dims`; integers and booleans are multiplied as int64, wrapping.
pub fn prod(a: &Array, dims: &[isize], keepdim: bool) -> Result<Array> {
    let over = over("prod", a.ndim(), dims)?;
    macro_rules! integers {
        ($t:ty, |$x:ident| $value:expr) => {
            plain_op(
                a,
                &over,
                keepdim,
                DType::I64,
                1i64,
                |acc: i64, $x: $t| acc.wrapping_mul($value),
                i64::wrapping_mul,
            )
        };
    }
    match a.dtype() {
        DType::F32 => fold_op::<f32, _>(a, &over, keepdim, Prod),
        DType::F64 => fold_op::<f64, _>(a, &over, keepdim, Prod),
        DType::I64 => integers!(i64, |x| x),
        DType::I32 => integers!(i32, |x| x as i64),
        DType::U8 => integers!(u8, |x| x as i64),
        DType::Bool => integers!(u8, |x| (x != 0) as i64),
        other => Err(unsupported("prod", "a dtype that is computed with", other)),
    }
}

/// The largest element over `dims`; NaN where there is one.
pub fn amax(a: &Array, dims: &[isize], keepdim: bool) -> Result<Array> {
    let over = over("amax", a.ndim(), dims)?;
    not_empty("amax", a, &over)?;
    extreme(a, &over, keepdim, true)
}

/// The smallest element over `dims`; NaN where there is one.
pub fn amin(a: &Array, dims: &[isize], keepdim: bool) -> Result<Array> {
    let over = over("amin", a.ndim(), dims)?;
    not_empty("amin", a, &over)?;
    extreme(a, &over, keepdim, false)
}

fn not_empty(op: &str, a: &Array, over: &Over) -> Result<()> {
    match a.shape().iter().zip(over).position(|(&d, &over)| over && d == 0) {
        Some(k) => Err(Error::index(
            op,
            "dim",
            "dimensions of non-zero size",
            format_args!("dimension {k} of {}", Shape(a.shape())),
        )),
        None => Ok(()),
    }
}

fn extreme(a: &Array, over: &Over, keepdim: bool, largest: bool) -> Result<Array> {
    macro_rules! plain {
        ($t:ty, $dtype:expr) => {
            match largest {
                true => plain_op(a, over, keepdim, $dtype, <$t>::MIN, |m: $t, x: $t| m.max(x), <$t>::max),
                false => plain_op(a, over, keepdim, $dtype, <$t>::MAX, |m: $t, x: $t| m.min(x), <$t>::min),
            }
        };
    }
    macro_rules! float {
        ($t:ty) => {
            match largest {
                true => fold_op::<$t, _>(a, over, keepdim, Max),
                false => fold_op::<$t, _>(a, over, keepdim, Min),
            }
        };
    }
    match a.dtype() {
        DType::F32 => float!(f32),
        DType::F64 => float!(f64),
        DType::I64 => plain!(i64, DType::I64),
        DType::I32 => plain!(i32, DType::I32),
        DType::U8 => plain!(u8, DType::U8),
        DType::Bool => match largest {
            true => truth(a, over, keepdim, true),
            false => truth(a, over, keepdim, false),
        },
        other => Err(unsupported(if largest { "amax" } else { "amin" }, "a dtype that is computed with", other)),
    }
}

/// Whether any element over `dims` is not zero; of no elements, false.
pub fn any(a: &Array, dims: &[isize], keepdim: bool) -> Result<Array> {
    truth(a, &over("any", a.ndim(), dims)?, keepdim, true)
}

/// Whether no element over `dims` is zero; of no elements, true.
pub fn all(a: &Array, dims: &[isize], keepdim: bool) -> Result<Array> {
    truth(a, &over("all", a.ndim(), dims)?, keepdim, false)
}

fn truth(a: &Array, over: &Over, keepdim: bool, any: bool) -> Result<Array> {
    macro_rules! truth {
        ($t:ty, $zero:expr) => {
            match any {
                true => plain_op(a, over, keepdim, DType::Bool, 0u8, |t, x: $t| t | (x != $zero) as u8, |a, b| a | b),
                false => plain_op(a, over, keepdim, DType::Bool, 1u8, |t, x: $t| t & (x != $zero) as u8, |a, b| a & b),
            }
        };
    }
    match a.dtype() {
        DType::Bool | DType::U8 => truth!(u8, 0),
        DType::I32 => truth!(i32, 0),
        DType::I64 => truth!(i64, 0),
        DType::F32 => truth!(f32, 0.0),
        DType::F64 => truth!(f64, 0.0),
        other => Err(unsupported(if any { "any" } else { "all" }, "a dtype that is computed with", other)),
    }
}

/// Calls a function of one float type by the dtype of an array.
macro_rules! by_float {
    ($op:expr, $a:expr, $name:ident($($argument:expr),*)) => {
        match $a.dtype() {
            ::ferrograd_array::DType::F32 => $name::<f32>($($argument),*),
            ::ferrograd_array::DType::F64 => $name::<f64>($($argument),*),
            other => Err($crate::reduce::float_expected($op, other)),
        }
    };
}
pub(crate) use by_float;

pub(crate) fn float_expected(op: &str, got: DType) -> Error {
    match got.kind() {
        Kind::Float => unsupported(op, "float32 or float64", got),
        _ => Error::dtype(op, "input", format_args!("a floating-point dtype (cast {got} to float32 first)"), got),
    }
}

/// `Σ a / n` over `dims`; of no elements, NaN.
pub fn mean(a: &Array, dims: &[isize], keepdim: bool) -> Result<Array> {
    let over = over("mean", a.ndim(), dims)?;
    by_float!("mean", a, mean_of(a, &over, keepdim))
}

fn mean_of<T: Float>(a: &Array, over: &Over, keepdim: bool) -> Result<Array> {
    let out = fold_op::<T, _>(a, over, keepdim, Sum)?;
    divide::<T>(&out, count(a.layout(), over) as f64);
    Ok(out)
}

fn count(layout: &Layout, over: &Over) -> usize {
    layout.shape.iter().zip(over).filter(|&(_, &over)| over).map(|(&d, _)| d).product()
}

/// `x_i / n` in place, of a dense array of our own.
fn divide<T: Float>(x: &Array, n: f64) {
    let (p, n) = (x.ptr_mut::<T>(), T::from_f64(n));
    for i in 0..x.numel() {
        // SAFETY: the array is dense, new, and has that many elements.
        unsafe { *p.add(i) = *p.add(i) / n };
    }
}

/// `Σ (a − mean)² / max(0, n − correction)` over `dims`.
pub fn var(a: &Array, dims: &[isize], correction: f64, keepdim: bool) -> Result<Array> {
    Ok(var_mean(a, dims, correction, keepdim)?.0)
}

/// Variance (as [`var`]) and mean.
pub fn var_mean(a: &Array, dims: &[isize], correction: f64, keepdim: bool) -> Result<(Array, Array)> {
    let over = over("var", a.ndim(), dims)?;
    by_float!("var", a, var_mean_of(a, &over, correction, keepdim))
}

fn var_mean_of<T: Float>(a: &Array, over: &Over, correction: f64, keepdim: bool) -> Result<(Array, Array)> {
    let plan = Plan::new(a.layout(), over, false);
    let mean = mean_of::<T>(a, over, keepdim)?;
    // What rounding left in the mean is taken out of it, so that equal elements have the variance 0.
    let var = output(a.layout(), over, keepdim, T::DTYPE)?;
    folded::<T, _>(a, &plan, Deviation, Some(&mean), &var);
    divide::<T>(&var, count(a.layout(), over) as f64);
    for i in 0..mean.numel() {
        // SAFETY: both are dense, new, of that many elements.
        unsafe { *mean.ptr_mut::<T>().add(i) += *var.ptr::<T>().add(i) };
    }
    folded::<T, _>(a, &plan, SquaredDistance, Some(&mean), &var);
    divide::<T>(&var, (count(a.layout(), over) as f64 - correction).max(0.0));
    Ok((var, mean))
}

/// `log Σ exp(a)` over `dims`, without overflow; of no elements, −∞.
pub fn logsumexp(a: &Array, dims: &[isize], keepdim: bool) -> Result<Array> {
    let over = over("logsumexp", a.ndim(), dims)?;
    by_float!("logsumexp", a, logsumexp_of(a, &over, keepdim))
}

fn logsumexp_of<T: Float>(a: &Array, over: &Over, keepdim: bool) -> Result<Array> {
    let plan = Plan::new(a.layout(), over, false);
    let max = output(a.layout(), over, keepdim, T::DTYPE)?;
    let sum = output(a.layout(), over, keepdim, T::DTYPE)?;
    folded::<T, _>(a, &plan, Max, None, &max);
    // Taken off, −∞ would leave NaN.
    let p = max.ptr_mut::<T>();
    for i in 0..max.numel() {
        // SAFETY: dense and new.
        unsafe {
            if *p.add(i) == T::NEG_INFINITY {
                *p.add(i) = T::ZERO;
            }
        }
    }
    folded::<T, _>(a, &plan, SumExp, Some(&max), &sum);
    vectorize(LogPlus::<T> { sum: sum.ptr_mut(), max: max.ptr(), n: sum.numel() });
    Ok(sum)
}

/// `log sum + max`, into `sum`.
struct LogPlus<T> {
    sum: *mut T,
    max: *const T,
    n: usize,
}

impl<T: Float> Kernel<T> for LogPlus<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        for i in (0..self.n).step_by(S::LANES) {
            let n = S::LANES.min(self.n - i);
            // SAFETY: both have n elements from i on.
            unsafe {
                let (sum, max) = (s.load_some(self.sum.add(i), n), s.load_some(self.max.add(i), n));
                // Taken off, +∞ has left NaN; it is the result.
                let infinite = s.eq(max, s.splat(T::INFINITY));
                s.store_some(self.sum.add(i), n, s.select(infinite, max, s.add(T::log(s, sum), max)));
            }
        }
    }
}

/// The sum that undoes broadcasting from `shape`: over the dimensions that were added or stretched.
pub fn sum_to(a: &Array, shape: &[usize]) -> Result<Array> {
    if a.shape() == shape {
        return Ok(a.clone());
    }
    let lead = a.ndim().wrapping_sub(shape.len());
    let fits =
        shape.len() <= a.ndim() && shape.iter().zip(&a.shape()[lead..]).all(|(&want, &have)| want == have || want == 1);
    if !fits {
        return Err(Error::shape(
            "sum_to",
            "shape",
            format_args!("a shape that broadcasts to {}", Shape(a.shape())),
            Shape(shape),
        ));
    }
    let dims: SmallVec<[isize; 6]> =
        (0..a.ndim()).filter(|&k| k < lead || shape[k - lead] != a.shape()[k]).map(|k| k as isize).collect();
    let summed = sum(a, &dims, true)?;
    let kept: SmallVec<[usize; 6]> = (lead..a.ndim()).collect();
    Ok(summed.view(summed.layout().permuted(&kept)))
}
