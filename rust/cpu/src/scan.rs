//! Scans: each element of a result depends on those before it along one dimension. Floats are accumulated in f64.
//!
//! Along the fastest dimension a line is walked by itself, along another one a strip of neighbouring lines together.
//! Lines are never split, so results do not depend on threads.

use ferrograd_array::{Array, DType, Element, Error, Result};

use crate::dense::{Around, alike, dense};
use crate::parallel::{self, SyncPtr};
use crate::path;
use crate::reduce::{by_float, dimension};
use crate::simd::Float;

/// Elements of a task, about.
const TASK: usize = 16 * 1024;
/// Neighbouring lines that are walked together.
const STRIP: usize = 32;
/// Lines along the fastest dimension that are walked together: one waits for itself at every step.
const ROWS: usize = 4;

/// Walks every line from its first element, or from its last in `reverse`: `step(state, at, first)` gets the state that
/// the step before gave (`start` at the first one) and the position of its element in memory.
fn lines<S: Copy + Send + Sync>(
    around: Around,
    reverse: bool,
    ns: f64,
    start: S,
    step: impl Fn(S, usize, bool) -> S + Sync,
) {
    let Around { outer, n, inner } = around;
    if outer * n * inner == 0 {
        return;
    }
    let place = |i: usize| if reverse { n - 1 - i } else { i };
    let strips = inner.div_ceil(STRIP);
    let many = (TASK / (n * inner.min(STRIP))).max(1);
    parallel::run(outer.div_ceil(many) * strips, (outer * n * inner) as f64 * ns, |task| {
        let (first, left) = (task / strips * many, task % strips * STRIP);
        let last = (first + many).min(outer);
        if inner == 1 {
            let together = first + (last - first) / ROWS * ROWS;
            for o in (first..together).step_by(ROWS) {
                let mut state = [start; ROWS];
                for i in 0..n {
                    for (r, state) in state.iter_mut().enumerate() {
                        *state = step(*state, (o + r) * n + place(i), i == 0);
                    }
                }
            }
            for o in together..last {
                (0..n).fold(start, |state, i| step(state, o * n + place(i), i == 0));
            }
            return;
        }
        let width = STRIP.min(inner - left);
        let mut state = [start; STRIP];
        for o in first..last {
            state[..width].fill(start);
            for i in 0..n {
                let at = (o * n + place(i)) * inner + left;
                for (j, state) in state[..width].iter_mut().enumerate() {
                    *state = step(*state, at + j, i == 0);
                }
            }
        }
    });
}

fn unsupported(op: &str, got: DType) -> Error {
    Error::dtype(op, "input", "a dtype that is computed with", got)
}

/// `out = f(state)` of a dense array, with `state = step(state, element)`.
fn running<A: Element, O: Element, S: Copy + Send + Sync>(
    a: &Array,
    dim: usize,
    dtype: DType,
    reverse: bool,
    start: S,
    step: impl Fn(S, A) -> S + Sync,
    value: impl Fn(S) -> O + Sync,
) -> Result<Array> {
    let a = dense(a)?;
    let out = Array::empty_like(&a, a.shape(), dtype)?;
    let (pa, po) = (SyncPtr::new(a.ptr_mut::<A>()), SyncPtr::new(out.ptr_mut::<O>()));
    lines(Around::new(a.layout(), dim), reverse, 1.0, start, |state, at, _| {
        // SAFETY: a position in the array, and in the result, which lies alike; one task has it.
        unsafe {
            let state = step(state, *pa.get().add(at));
            *po.get().add(at) = value(state);
            state
        }
    });
    Ok(out)
}

/// A running sum or product: floats in f64, integers and booleans as int64, wrapping.
macro_rules! accumulated {
    ($name:ident, $doc:literal, $start:literal, $float:expr, $int:expr) => {
        #[doc = $doc]
        pub fn $name(a: &Array, dim: isize, reverse: bool) -> Result<Array> {
            path!(concat!("scan/", stringify!($name)), parallel);
            let op = stringify!($name);
            let dim = dimension(op, dim, a.ndim())?;
            let (start, float, int) = ($start as f64, $float, $int);
            match a.dtype() {
                DType::F32 => {
                    running(a, dim, DType::F32, reverse, start, |s, x: f32| float(s, x as f64), |s: f64| s as f32)
                }
                DType::F64 => running(a, dim, DType::F64, reverse, start, float, |s: f64| s),
                DType::I64 => running(a, dim, DType::I64, reverse, $start, int, |s: i64| s),
                DType::I32 => running(a, dim, DType::I64, reverse, $start, |s, x: i32| int(s, x as i64), |s: i64| s),
                DType::U8 => running(a, dim, DType::I64, reverse, $start, |s, x: u8| int(s, x as i64), |s: i64| s),
                DType::Bool => {
                    running(a, dim, DType::I64, reverse, $start, |s, x: u8| int(s, (x != 0) as i64), |s: i64| s)
                }
                other => Err(unsupported(op, other)),
            }
        }
    };
}

accumulated!(
    cumsum,
    "`y_i = Σ_{j ≤ i} a_j` along `dim`, `j ≥ i` in reverse.",
    0,
    |s: f64, x: f64| s + x,
    |s: i64, x: i64| s.wrapping_add(x)
);
accumulated!(
    cumprod,
    "`y_i = Π_{j ≤ i} a_j` along `dim`, `j ≥ i` in reverse.",
    1,
    |s: f64, x: f64| s * x,
    |s: i64, x: i64| s.wrapping_mul(x)
);

/// `y_i = log Σ_{j ≤ i} exp(a_j)` along `dim`, without overflow.
pub fn logcumsumexp(a: &Array, dim: isize) -> Result<Array> {
    path!("scan/logcumsumexp", parallel);
    let dim = dimension("logcumsumexp", dim, a.ndim())?;
    by_float!("logcumsumexp", a, logcumsumexp_of(a, dim))
}

fn logcumsumexp_of<T: Float>(a: &Array, dim: usize) -> Result<Array> {
    // The largest element so far, and Σ exp(a_j − largest).
    let start = (f64::NEG_INFINITY, 0.0f64);
    let step = |(max, sum): (f64, f64), x: T| {
        let x = x.to_f64();
        if x.is_nan() || max.is_nan() {
            (f64::NAN, f64::NAN)
        } else if x > max {
            (x, sum * libm::exp(max - x) + 1.0)
        } else if x == max {
            (max, sum + (x > f64::NEG_INFINITY) as u8 as f64)
        } else {
            (max, sum + libm::exp(x - max))
        }
    };
    running(a, dim, T::DTYPE, false, start, step, |(max, sum)| T::from_f64(max + libm::log(sum)))
}

/// The linear recurrence `y_i = a_i y_{i−1} + b_i` along `dim` with `y_{−1} = 0`; in reverse `y_i = a_i y_{i+1} + b_i`.
/// The first `a` of a line (the last in reverse) is not looked at.
pub fn linear_scan(a: &Array, b: &Array, dim: isize, reverse: bool) -> Result<Array> {
    path!("scan/linear", parallel);
    let dim = dimension("linear_scan", dim, b.ndim())?;
    by_float!("linear_scan", b, linear_scan_of(a, b, dim, reverse))
}

fn linear_scan_of<T: Float>(a: &Array, b: &Array, dim: usize, reverse: bool) -> Result<Array> {
    let b = dense(b)?;
    let a = alike("linear_scan", "decay", a, &b)?;
    let out = Array::empty_like(&b, b.shape(), T::DTYPE)?;
    let (pa, pb, po) =
        (SyncPtr::new(a.ptr_mut::<T>()), SyncPtr::new(b.ptr_mut::<T>()), SyncPtr::new(out.ptr_mut::<T>()));
    lines(Around::new(b.layout(), dim), reverse, 1.5, 0.0f64, |state, at, first| {
        // SAFETY: a position in the arrays, which lie alike; one task has it.
        unsafe {
            let b = (*pb.get().add(at)).to_f64();
            let y = if first { b } else { (*pa.get().add(at)).to_f64() * state + b };
            *po.get().add(at) = T::from_f64(y);
            y
        }
    });
    Ok(out)
}

/// The largest element so far along `dim` and its index, the last of equal ones; NaN wins.
pub fn cummax(a: &Array, dim: isize) -> Result<(Array, Array)> {
    path!("scan/cummax", parallel);
    extreme("cummax", a, dim, true)
}

/// The smallest element so far along `dim` and its index, the last of equal ones; NaN wins.
pub fn cummin(a: &Array, dim: isize) -> Result<(Array, Array)> {
    path!("scan/cummin", parallel);
    extreme("cummin", a, dim, false)
}

fn extreme(op: &str, a: &Array, dim: isize, largest: bool) -> Result<(Array, Array)> {
    let dim = dimension(op, dim, a.ndim())?;
    match a.dtype() {
        DType::F32 => extreme_of::<f32>(a, dim, largest),
        DType::F64 => extreme_of::<f64>(a, dim, largest),
        DType::I64 => extreme_of::<i64>(a, dim, largest),
        DType::I32 => extreme_of::<i32>(a, dim, largest),
        DType::U8 | DType::Bool => extreme_of::<u8>(a, dim, largest),
        other => Err(unsupported(op, other)),
    }
}

#[allow(clippy::eq_op)] // a number that is not itself is NaN
fn extreme_of<T: Element + PartialOrd>(a: &Array, dim: usize, largest: bool) -> Result<(Array, Array)> {
    let a = dense(a)?;
    let values = Array::empty_like(&a, a.shape(), a.dtype())?;
    let indices = Array::empty_like(&a, a.shape(), DType::I64)?;
    let around = Around::new(a.layout(), dim);
    let Around { n, inner, .. } = around;
    if a.numel() == 0 {
        return Ok((values, indices));
    }
    let raw = |a: &Array| SyncPtr::new(crate::bits::raw::<T>(a));
    let (pa, pv, pi) = (raw(&a), raw(&values), SyncPtr::new(indices.ptr_mut::<i64>()));
    // SAFETY: the array has elements; the first one stands for a state that is not read.
    let start = (unsafe { *pa.get() }, 0i64);
    lines(around, false, 1.5, start, |(best, index), at, first| {
        // SAFETY: a position in the arrays, which lie alike; one task has it.
        unsafe {
            let x = *pa.get().add(at);
            let beats = if largest { x >= best } else { x <= best };
            let state =
                if first || x != x || (beats && best == best) { (x, (at / inner % n) as i64) } else { (best, index) };
            (*pv.get().add(at), *pi.get().add(at)) = state;
            state
        }
    });
    Ok((values, indices))
}

#[cfg(feature = "testing")]
mod tests {
    use ferrograd_unit::test;

    use super::*;
    use crate::reduce::tests::{array, layouts, noise, values};

    fn naive(x: &[f64], shape: [usize; 3], dim: usize, f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
        let strides = [shape[1] * shape[2], shape[2], 1];
        (0..x.len())
            .map(|at| {
                let i = at / strides[dim] % shape[dim];
                let line: Vec<f64> = (0..=i).map(|k| x[at - (i - k) * strides[dim]]).collect();
                f(&line)
            })
            .collect()
    }

    fn check<T: Float>(tolerance: f64) {
        let shape = [3, 40, 37];
        let x = values::<T>(&array::<T>(&noise(3 * 40 * 37, 3), &shape));
        let same = |got: &Array, want: &[f64]| {
            for (got, want) in values::<T>(got).into_iter().zip(want) {
                assert!((got - want).abs() <= tolerance * want.abs().max(1.0), "{got} {want}");
            }
        };
        for dim in 0..3 {
            let d = dim as isize;
            for a in layouts(&array::<T>(&x, &shape)) {
                same(&cumsum(&a, d, false).unwrap(), &naive(&x, shape, dim, |l| l.iter().sum()));
                same(&cumprod(&a, d, false).unwrap(), &naive(&x, shape, dim, |l| l.iter().product()));
                let log = naive(&x, shape, dim, |l| l.iter().map(|x| x.exp()).sum::<f64>().ln());
                same(&logcumsumexp(&a, d).unwrap(), &log);
                let recurrence = naive(&x, shape, dim, |l| l.iter().fold(0.0, |y, x| x * y + x));
                same(&linear_scan(&a, &a, d, false).unwrap(), &recurrence);
                let (largest, at) = cummax(&a, d).unwrap();
                same(&largest, &naive(&x, shape, dim, |l| l.iter().copied().fold(f64::NEG_INFINITY, f64::max)));
                let last = |l: &[f64]| (0..l.len()).fold(0, |best, i| if l[i] >= l[best] { i } else { best }) as f64;
                let want = naive(&x, shape, dim, last);
                assert!(at.to_vec::<i64>().iter().zip(want).all(|(&got, want)| got == want as i64));
                let smallest = naive(&x, shape, dim, |l| l.iter().copied().fold(f64::INFINITY, f64::min));
                same(&cummin(&a, d).unwrap().0, &smallest);
            }
        }
    }

    #[test]
    fn against_the_formulas() {
        check::<f32>(1e-6);
        check::<f64>(1e-13);
    }

    #[test]
    fn nan_and_infinity() {
        let x = Array::from_slice(&[1.0, f64::NEG_INFINITY, f64::NAN, 5.0, f64::NAN], &[5]).unwrap();
        let (values, indices) = cummax(&x, 0).unwrap();
        assert!(values.to_vec::<f64>()[1] == 1.0 && values.to_vec::<f64>()[2..].iter().all(|v| v.is_nan()));
        assert_eq!(indices.to_vec::<i64>(), [0, 0, 2, 2, 4]);
        let y = Array::from_slice(&[f64::NEG_INFINITY, f64::NEG_INFINITY, 0.0, f64::INFINITY, 1.0], &[5]).unwrap();
        let got = logcumsumexp(&y, 0).unwrap().to_vec::<f64>();
        assert_eq!(got, [f64::NEG_INFINITY, f64::NEG_INFINITY, 0.0, f64::INFINITY, f64::INFINITY]);
        // The first factor of a line does not matter, whatever it is.
        let one = Array::from_slice(&[1.0; 5], &[5]).unwrap();
        assert_eq!(linear_scan(&y, &one, 0, false).unwrap().to_vec::<f64>()[0], 1.0);
    }

    #[test]
    fn in_reverse_from_the_end() {
        let x = Array::from_slice(&[1i32, 2, 3, 4], &[4]).unwrap();
        assert_eq!(cumsum(&x, 0, true).unwrap().to_vec::<i64>(), [10, 9, 7, 4]);
        assert_eq!(cumprod(&x, -1, true).unwrap().to_vec::<i64>(), [24, 24, 12, 4]);
        assert!(matches!(cumsum(&x, 1, false), Err(Error::Index(_))));
    }
}
