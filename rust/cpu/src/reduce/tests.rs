use ferrograd_unit::test;

use super::*;
use crate::isa::{self, Isa};
use crate::parallel;

pub(crate) fn noise(n: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..n)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1u64 << 53) as f64 * 4.0 - 2.0
        })
        .collect()
}

pub(crate) fn array<T: Float>(values: &[f64], shape: &[usize]) -> Array {
    let values: Vec<T> = values.iter().map(|&x| T::from_f64(x)).collect();
    Array::from_slice(&values, shape).unwrap()
}

pub(crate) fn values<T: Float>(a: &Array) -> Vec<f64> {
    a.to_vec::<T>().into_iter().map(T::to_f64).collect()
}

/// The same elements in the layouts that a kernel may meet.
pub(crate) fn layouts(a: &Array) -> Vec<Array> {
    let shape = a.shape();
    let n = shape.len();
    let mut all = vec![a.clone()];
    let copy = |layout: Layout, buffer: usize| {
        let base = Array::empty(&[buffer], a.dtype()).unwrap();
        let view = base.view(layout);
        crate::copy_into(a, &view);
        view
    };
    if n == 0 || shape.contains(&0) {
        return all;
    }
    let reversed: Vec<usize> = shape.iter().rev().copied().collect();
    let order: Vec<usize> = (0..n).rev().collect();
    all.push(copy(Layout::contiguous(&reversed).permuted(&order), a.numel()));
    let mut double = shape.to_vec();
    double[n - 1] *= 2;
    let wide = Layout::contiguous(&double);
    all.push(copy(wide.sliced(n - 1, 1, 2, shape[n - 1]), wide.numel()));
    all.push(copy(wide.sliced(n - 1, 0, 1, shape[n - 1]), wide.numel()));
    all.push(copy(Layout::contiguous(shape).sliced(0, shape[0] - 1, -1, shape[0]), a.numel()));
    if n > 2 {
        let mut last: Vec<usize> = (0..n).filter(|&k| k != 1).collect();
        last.push(1);
        let sizes: Vec<usize> = last.iter().map(|&k| shape[k]).collect();
        let back: Vec<usize> = (0..n).map(|k| last.iter().position(|&j| j == k).unwrap()).collect();
        all.push(copy(Layout::contiguous(&sizes).permuted(&back), a.numel()));
    }
    all
}

fn subsets(ndim: usize) -> Vec<Vec<isize>> {
    (1..1usize << ndim).map(|bits| (0..ndim).filter(|k| bits >> k & 1 == 1).map(|k| k as isize).collect()).collect()
}

/// The elements of each result, in logical order.
fn members(a: &[f64], shape: &[usize], dims: &[isize]) -> Vec<Vec<f64>> {
    let kept: Vec<usize> = (0..shape.len()).filter(|k| !dims.contains(&(*k as isize))).collect();
    let outputs: usize = kept.iter().map(|&k| shape[k]).product();
    let mut all = vec![Vec::new(); outputs];
    for (i, &x) in a.iter().enumerate() {
        let mut rest = i;
        let mut index = vec![0; shape.len()];
        for k in (0..shape.len()).rev() {
            index[k] = rest % shape[k];
            rest /= shape[k];
        }
        let o = kept.iter().fold(0, |o, &k| o * shape[k] + index[k]);
        all[o].push(x);
    }
    all
}

const SHAPES: &[&[usize]] = &[
    &[],
    &[1],
    &[7],
    &[300],
    &[3, 0],
    &[0, 4],
    &[5, 3],
    &[33, 17],
    &[2, 300],
    &[300, 2],
    &[257, 40],
    &[3, 4, 5],
    &[2, 70, 3],
    &[4, 1, 9],
    &[2, 3, 4, 5],
];

pub(crate) fn on_every_isa(f: impl Fn()) {
    for isa in Isa::available() {
        isa::with(isa, &f);
    }
}

fn check<T: Float>(tolerance: f64) {
    for &shape in SHAPES {
        let plain: Vec<f64> = values::<T>(&array::<T>(&noise(shape.iter().product(), 5), shape));
        for a in layouts(&array::<T>(&plain, shape)) {
            let mut sets = subsets(shape.len());
            sets.push(vec![]);
            for dims in sets {
                let all: Vec<isize> = (0..shape.len() as isize).collect();
                let rows = members(&plain, shape, if dims.is_empty() { &all } else { &dims });
                let same = |name: &str, got: Array, expected: &dyn Fn(&[f64]) -> f64| {
                    for (got, row) in values::<T>(&got).into_iter().zip(&rows) {
                        let want = expected(row);
                        let scale: f64 = row.iter().map(|x| x.abs()).sum::<f64>().max(1.0);
                        assert!(
                            (got.is_nan() && want.is_nan()) || got == want || (got - want).abs() <= tolerance * scale,
                            "{name} of {a:?} over {dims:?}: {got}, expected {want}"
                        );
                    }
                    assert_eq!(got.numel(), rows.len());
                };
                let mean = |row: &[f64]| row.iter().sum::<f64>() / row.len() as f64;
                let squares = |row: &[f64]| row.iter().map(|x| (x - mean(row)).powi(2)).sum::<f64>();
                for keepdim in [false, true] {
                    same("sum", sum(&a, &dims, keepdim).unwrap(), &|row| row.iter().sum());
                    same("mean", super::mean(&a, &dims, keepdim).unwrap(), &mean);
                }
                same("prod", prod(&a, &dims, false).unwrap(), &|row| row.iter().product());
                same("var", var(&a, &dims, 1.0, false).unwrap(), &|row| {
                    squares(row) / (row.len() as f64 - 1.0).max(0.0)
                });
                same("logsumexp", logsumexp(&a, &dims, false).unwrap(), &|row| {
                    row.iter().map(|x| x.exp()).sum::<f64>().ln()
                });
                let trues = |a: Array| a.to_vec_bool();
                let expect = |f: &dyn Fn(&[f64]) -> bool| rows.iter().map(|r| f(r)).collect::<Vec<_>>();
                assert_eq!(trues(any(&a, &dims, false).unwrap()), expect(&|r| r.iter().any(|&x| x != 0.0)));
                assert_eq!(trues(all_of(&a, &dims)), expect(&|r| r.iter().all(|&x| x != 0.0)));
                if rows.iter().any(|r| r.is_empty()) {
                    assert!(matches!(amax(&a, &dims, false), Err(Error::Index(_))));
                    continue;
                }
                same("amax", amax(&a, &dims, true).unwrap(), &|row| {
                    row.iter().copied().fold(f64::NEG_INFINITY, f64::max)
                });
                same("amin", amin(&a, &dims, false).unwrap(), &|row| row.iter().copied().fold(f64::INFINITY, f64::min));
                if let [dim] = dims[..] {
                    let (best, index) = max_dim(&a, dim, false).unwrap();
                    same("max", best, &|row| row.iter().copied().fold(f64::NEG_INFINITY, f64::max));
                    let first = |row: &[f64], m: f64| row.iter().position(|&x| x == m).unwrap() as i64;
                    let at: Vec<i64> =
                        rows.iter().map(|r| first(r, r.iter().copied().fold(f64::NEG_INFINITY, f64::max))).collect();
                    assert_eq!(index.to_vec::<i64>(), at, "{a:?} along {dim}");
                    let at: Vec<i64> =
                        rows.iter().map(|r| first(r, r.iter().copied().fold(f64::INFINITY, f64::min))).collect();
                    assert_eq!(argmin(&a, Some(dim), false).unwrap().to_vec::<i64>(), at, "{a:?} along {dim}");
                }
                if dims.is_empty() {
                    let flat = argmax(&a, None, false).unwrap().to_vec::<i64>()[0];
                    assert_eq!(plain[flat as usize], plain.iter().copied().fold(f64::NEG_INFINITY, f64::max));
                }
            }
        }
    }
}

fn all_of(a: &Array, dims: &[isize]) -> Array {
    super::all(a, dims, false).unwrap()
}

trait Truth {
    fn to_vec_bool(&self) -> Vec<bool>;
}

impl Truth for Array {
    fn to_vec_bool(&self) -> Vec<bool> {
        assert_eq!(self.dtype(), DType::Bool);
        self.to_vec::<u8>().into_iter().map(|x| x != 0).collect()
    }
}

#[test]
fn every_reduction_in_every_layout() {
    on_every_isa(|| {
        check::<f32>(3e-6);
        check::<f64>(1e-14);
    });
}

#[test]
fn shapes_and_memory_order() {
    let a = array::<f32>(&noise(120, 1), &[2, 3, 4, 5]);
    assert_eq!(sum(&a, &[1, -1], true).unwrap().shape(), &[2, 1, 4, 1]);
    assert_eq!(sum(&a, &[1, -1], false).unwrap().shape(), &[2, 4]);
    assert_eq!(sum(&a, &[], false).unwrap().shape(), &[] as &[usize]);
    assert_eq!(sum(&a, &[], true).unwrap().shape(), &[1, 1, 1, 1]);
    let channels_last = layouts(&a).pop().unwrap();
    let out = sum(&channels_last, &[0], false).unwrap();
    assert_eq!(out.strides(), &[1, 15, 3]);
    assert!(matches!(sum(&a, &[4], false), Err(Error::Index(_))));
    assert!(matches!(sum(&a, &[1, -3], false), Err(Error::Value(_))));
    assert_eq!(sum(&array::<f32>(&[2.0], &[]), &[-1], true).unwrap().to_vec::<f32>(), [2.0]);
}

#[test]
fn broadcasting_is_undone() {
    let a = array::<f64>(&noise(120, 2), &[2, 3, 4, 5]);
    for shape in [&[5usize] as &[usize], &[4, 1], &[3, 1, 5], &[1, 3, 4, 5], &[], &[2, 3, 4, 5], &[1, 1, 1, 1]] {
        let back = sum_to(&a, shape).unwrap();
        assert_eq!(back.shape(), shape);
        let total: f64 = back.to_vec::<f64>().iter().sum();
        assert!((total - a.to_vec::<f64>().iter().sum::<f64>()).abs() < 1e-12);
    }
    assert!(
        (sum_to(&a, &[4, 1]).unwrap().to_vec::<f64>()[2]
            - (0..120).filter(|i| i / 5 % 4 == 2).map(|i| a.to_vec::<f64>()[i]).sum::<f64>())
        .abs()
            < 1e-12
    );
    assert!(matches!(sum_to(&a, &[3]), Err(Error::Shape(_))));
    assert!(matches!(sum_to(&a, &[1, 2, 3, 4, 5]), Err(Error::Shape(_))));
    assert_eq!(sum_to(&array::<f32>(&[], &[0, 3]), &[1, 3]).unwrap().to_vec::<f32>(), [0.0; 3]);
}

#[test]
fn nothing_to_reduce() {
    let a = array::<f32>(&[], &[0, 3]);
    assert_eq!(sum(&a, &[0], false).unwrap().to_vec::<f32>(), [0.0; 3]);
    assert_eq!(prod(&a, &[0], false).unwrap().to_vec::<f32>(), [1.0; 3]);
    assert!(mean(&a, &[0], false).unwrap().to_vec::<f32>().iter().all(|x| x.is_nan()));
    assert!(var(&a, &[], 1.0, false).unwrap().to_vec::<f32>()[0].is_nan());
    assert_eq!(logsumexp(&a, &[0], false).unwrap().to_vec::<f32>(), [f32::NEG_INFINITY; 3]);
    assert_eq!(all(&a, &[0], false).unwrap().to_vec_bool(), [true; 3]);
    assert!(matches!(amax(&a, &[0], false), Err(Error::Index(_))));
    assert!(matches!(argmax(&a, None, false), Err(Error::Index(_))));
    assert_eq!(amax(&a, &[1], false).unwrap().numel(), 0);
    assert_eq!(argmax(&a, Some(1), false).unwrap().numel(), 0);
    let one = array::<f32>(&[4.0, 6.0], &[2]);
    assert!(var(&one, &[], 2.0, false).unwrap().to_vec::<f32>()[0].is_infinite());
    assert!(var(&one, &[], 3.0, false).unwrap().to_vec::<f32>()[0].is_infinite());
}

#[test]
fn nan_wins_and_ties_go_to_the_first() {
    on_every_isa(|| {
        for n in [3usize, 8, 16, 33, 100, 1000, 3000] {
            for at in [0, n / 2, n - 1] {
                let mut x = noise(n, 3);
                x[at] = f64::NAN;
                x[n - 1] = f64::NAN;
                for (shape, dim) in [([1, n], 1), ([n, 1], 0)] {
                    let a = array::<f32>(&x, &shape);
                    assert!(amax(&a, &[dim], false).unwrap().to_vec::<f32>()[0].is_nan());
                    assert!(amin(&a, &[dim], false).unwrap().to_vec::<f32>()[0].is_nan());
                    assert_eq!(argmax(&a, Some(dim), false).unwrap().to_vec::<i64>(), [at as i64]);
                    assert_eq!(argmin(&a, None, false).unwrap().to_vec::<i64>(), [at as i64]);
                }
                // Several columns side by side, one of them with NaN.
                let mut wide = vec![0.5; n * 20];
                for r in 0..n {
                    wide[r * 20 + 7] = x[r];
                }
                let got = argmax(&array::<f32>(&wide, &[n, 20]), Some(0), false).unwrap().to_vec::<i64>();
                assert!(got.iter().enumerate().all(|(c, &i)| i == if c == 7 { at as i64 } else { 0 }), "{n} {got:?}");
            }
        }
        let ties = array::<f64>(&[1.0, 3.0, 3.0, -2.0, -2.0, 3.0], &[6]);
        assert_eq!(argmax(&ties, None, true).unwrap().to_vec::<i64>(), [1]);
        assert_eq!(argmin(&ties, Some(0), false).unwrap().to_vec::<i64>(), [3]);
        let zeros = array::<f32>(&[-0.0, 0.0], &[2]);
        let (value, index) = max_dim(&zeros, 0, false).unwrap();
        assert!(index.to_vec::<i64>() == [0] && value.to_vec::<f32>()[0].is_sign_negative());
    });
}

#[test]
fn infinities_in_logsumexp() {
    on_every_isa(|| {
        let inf = f64::INFINITY;
        let of = |x: &[f64]| logsumexp(&array::<f32>(x, &[x.len()]), &[], false).unwrap().to_vec::<f32>()[0];
        assert_eq!(of(&[-inf, -inf]), f32::NEG_INFINITY);
        assert_eq!(of(&[inf, 1.0]), f32::INFINITY);
        assert!(of(&[inf, f64::NAN]).is_nan());
        assert_eq!(of(&[1000.0, -inf]), 1000.0);
    });
}

#[test]
fn integers_and_booleans() {
    let a = Array::from_slice(&[250u8, 10, 0, 7, 1, 3], &[2, 3]).unwrap();
    let total = sum(&a, &[1], false).unwrap();
    assert_eq!((total.dtype(), total.to_vec::<i64>()), (DType::I64, vec![260, 11]));
    assert_eq!(prod(&a, &[0], false).unwrap().to_vec::<i64>(), [1750, 10, 0]);
    assert_eq!(amax(&a, &[0], false).unwrap().to_vec::<u8>(), [250, 10, 3]);
    assert_eq!(amin(&a, &[], false).unwrap().to_vec::<u8>(), [0]);
    assert_eq!(argmax(&a, Some(0), false).unwrap().to_vec::<i64>(), [0, 0, 1]);
    assert_eq!(any(&a, &[0], false).unwrap().to_vec_bool(), [true; 3]);
    assert_eq!(all(&a, &[1], false).unwrap().to_vec_bool(), [false, true]);
    let flags = crate::cast(&Array::from_slice(&[0u8, 1, 1, 0, 0, 0], &[2, 3]).unwrap(), DType::Bool).unwrap();
    assert_eq!(sum(&flags, &[1], false).unwrap().to_vec::<i64>(), [2, 0]);
    assert_eq!(amax(&flags, &[1], false).unwrap().to_vec_bool(), [true, false]);
    let (value, index) = max_dim(&flags, 1, false).unwrap();
    assert_eq!((value.to_vec_bool(), index.to_vec::<i64>()), (vec![true, false], vec![1, 0]));
    assert!(matches!(argmax(&flags, None, false), Err(Error::DType(_))));
    assert!(matches!(mean(&a, &[], false), Err(Error::DType(_))));
    assert!(matches!(sum(&Array::empty(&[2], DType::F16).unwrap(), &[], false), Err(Error::DType(_))));
    let long: Vec<i64> = (0..200_000).collect();
    let long = Array::from_slice(&long, &[200_000]).unwrap();
    assert_eq!(sum(&long, &[], false).unwrap().to_vec::<i64>(), [199_999 * 100_000]);
    let tall = long.view(Layout::contiguous(&[50_000, 4]));
    assert_eq!(amax(&tall, &[0], false).unwrap().to_vec::<i64>(), [199_996, 199_997, 199_998, 199_999]);
    let small: Vec<i32> = (0..700).map(|i| i % 350).collect();
    let small = Array::from_slice(&small, &[2, 350]).unwrap();
    assert_eq!(sum(&small, &[0], false).unwrap().to_vec::<i64>()[349], 698);
}

#[test]
fn sums_lose_little() {
    on_every_isa(|| {
        let n = 1 << 20;
        let x = values::<f32>(&array::<f32>(&noise(n, 9), &[n]));
        let (exact, absolute): (f64, f64) = (x.iter().sum(), x.iter().map(|x| x.abs()).sum());
        let a = array::<f32>(&x, &[n]);
        let error = (sum(&a, &[], false).unwrap().to_vec::<f32>()[0] as f64 - exact).abs();
        assert!(error <= 16.0 * f32::EPSILON as f64 * absolute, "{error} of {absolute}");
        let tall = array::<f32>(&x, &[n / 4, 4]);
        for (c, got) in sum(&tall, &[0], false).unwrap().to_vec::<f32>().into_iter().enumerate() {
            let exact: f64 = x[c..].iter().step_by(4).sum();
            assert!((got as f64 - exact).abs() <= 16.0 * f32::EPSILON as f64 * absolute / 4.0);
        }
        // A large mean does not drown the variance.
        let shifted: Vec<f64> = x.iter().map(|x| x * 0.01 + 1000.0).collect();
        let shifted = array::<f32>(&shifted, &[n]);
        let y = values::<f32>(&shifted);
        let mean = y.iter().sum::<f64>() / n as f64;
        let exact = y.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / n as f64;
        let got = var(&shifted, &[], 0.0, false).unwrap().to_vec::<f32>()[0] as f64;
        assert!((got - exact).abs() <= 1e-4 * exact, "{got} {exact}");
    });
}

#[test]
fn threads_change_no_bit() {
    on_every_isa(threads_agree);
}

fn threads_agree() {
    let before = parallel::num_threads();
    for shape in
        [&[300_000usize] as &[usize], &[1000, 300], &[100_000, 3], &[3, 100_000], &[4, 64, 1000], &[40, 2000, 5]]
    {
        let a = array::<f32>(&noise(shape.iter().product(), 4), shape);
        for dims in subsets(shape.len()) {
            let mut seen: Option<Vec<Vec<u64>>> = None;
            for threads in [1, 2, 8] {
                parallel::set_num_threads(threads);
                let bits = |a: Array| values::<f32>(&a).into_iter().map(f64::to_bits).collect::<Vec<_>>();
                let (variance, mean) = var_mean(&a, &dims, 1.0, false).unwrap();
                let mut got = vec![
                    bits(sum(&a, &dims, false).unwrap()),
                    bits(variance),
                    bits(mean),
                    bits(logsumexp(&a, &dims, true).unwrap()),
                ];
                if dims.len() == 1 {
                    let (best, index) = max_dim(&a, dims[0], false).unwrap();
                    got.push(bits(best));
                    got.push(index.to_vec::<i64>().into_iter().map(|i| i as u64).collect());
                }
                match &seen {
                    None => seen = Some(got),
                    Some(seen) => assert!(*seen == got, "{shape:?} over {dims:?} with {threads} threads"),
                }
            }
        }
    }
    parallel::set_num_threads(before);
}

#[test]
fn large_arrays_take_every_way() {
    on_every_isa(|| {
        for shape in [
            &[200_000usize] as &[usize],
            &[70_000, 3],
            &[3, 70_000],
            &[5000, 40],
            &[2, 9000, 40],
            &[64, 3000],
            &[200, 30, 50],
        ] {
            let x = values::<f32>(&array::<f32>(&noise(shape.iter().product(), 8), shape));
            let a = array::<f32>(&x, shape);
            for dims in subsets(shape.len()) {
                let rows = members(&x, shape, &dims);
                for (got, row) in sum(&a, &dims, false).unwrap().to_vec::<f32>().into_iter().zip(&rows) {
                    let scale: f64 = row.iter().map(|x| x.abs()).sum();
                    assert!((got as f64 - row.iter().sum::<f64>()).abs() <= 2e-6 * scale);
                }
                let most = amax(&a, &dims, false).unwrap().to_vec::<f32>();
                assert!(
                    most.iter()
                        .zip(&rows)
                        .all(|(&m, row)| m as f64 == row.iter().copied().fold(f64::NEG_INFINITY, f64::max))
                );
            }
        }
    });
}
