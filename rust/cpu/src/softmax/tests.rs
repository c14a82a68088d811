use ferrograd_unit::test;

use super::*;
use crate::parallel;
use crate::reduce::tests::{array, layouts, noise, on_every_isa, values};
use ferrograd_array::Error;

fn naive(x: &[f64], outer: usize, n: usize, inner: usize, f: impl Fn(&[f64], &mut dyn FnMut(usize, f64))) -> Vec<f64> {
    let mut out = vec![0.0; x.len()];
    for o in 0..outer {
        for j in 0..inner {
            let row: Vec<f64> = (0..n).map(|i| x[(o * n + i) * inner + j]).collect();
            f(&row, &mut |i, y| out[(o * n + i) * inner + j] = y);
        }
    }
    out
}

fn shapes() -> Vec<(Vec<usize>, usize)> {
    let mut all = vec![(vec![], 0), (vec![1], 0), (vec![0, 3], 1), (vec![3, 0], 1)];
    for shape in [vec![7], vec![3, 10], vec![2, 33, 5], vec![4, 70, 1, 3], vec![2, 3, 130], vec![1, 2100]] {
        for dim in 0..shape.len() {
            all.push((shape.clone(), dim));
        }
    }
    all
}

fn check<T: Float>(tolerance: f64) {
    for (shape, dim) in shapes() {
        let numel: usize = shape.iter().product();
        let x = values::<T>(&array::<T>(&noise(numel, 3).iter().map(|v| v * 10.0).collect::<Vec<_>>(), &shape));
        let g = values::<T>(&array::<T>(&noise(numel, 4), &shape));
        let n = shape.get(dim).copied().unwrap_or(1);
        let inner: usize = shape.iter().skip(dim + 1).product();
        let outer = if numel == 0 { 0 } else { numel / n / inner };
        let soft = naive(&x, outer, n, inner, |row, put| {
            let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = row.iter().map(|x| (x - max).exp()).sum();
            row.iter().enumerate().for_each(|(i, x)| put(i, (x - max).exp() / sum));
        });
        let log = naive(&x, outer, n, inner, |row, put| {
            let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = row.iter().map(|x| (x - max).exp()).sum();
            row.iter().enumerate().for_each(|(i, x)| put(i, x - max - sum.ln()));
        });
        let along = |v: &[f64]| naive(v, outer, n, inner, |row, put| (0..n).for_each(|i| put(i, row.iter().sum())));
        let dots = along(&soft.iter().zip(&g).map(|(y, g)| y * g).collect::<Vec<_>>());
        let sums = along(&g);
        let soft_grad: Vec<f64> = (0..numel).map(|i| soft[i] * (g[i] - dots[i])).collect();
        let log_grad: Vec<f64> = (0..numel).map(|i| g[i] - soft[i] * sums[i]).collect();
        let same = |name: &str, got: Array, want: &[f64], scale: f64| {
            assert_eq!(got.shape(), shape);
            for (got, want) in values::<T>(&got).into_iter().zip(want) {
                assert!(
                    (got - want).abs() <= tolerance * want.abs().max(scale),
                    "{name} {shape:?} {dim}: {got} {want}"
                );
            }
        };
        let dim = dim as isize;
        for a in layouts(&array::<T>(&x, &shape)) {
            same("softmax", softmax(&a, dim).unwrap(), &soft, 1e-3);
            same("log_softmax", log_softmax(&a, dim).unwrap(), &log, 1.0);
        }
        for y in layouts(&array::<T>(&soft, &shape)) {
            for g in layouts(&array::<T>(&g, &shape)) {
                same("softmax_grad", softmax_grad(&y, &g, dim).unwrap(), &soft_grad, 1.0);
            }
        }
        let y = array::<T>(&log, &shape);
        for g in layouts(&array::<T>(&g, &shape)) {
            same("log_softmax_grad", log_softmax_grad(&y, &g, dim).unwrap(), &log_grad, 20.0);
        }
    }
}

#[test]
fn against_the_formulas() {
    on_every_isa(|| {
        check::<f32>(4e-6);
        check::<f64>(1e-14);
    });
}

#[test]
fn infinities_as_the_formula_has_them() {
    on_every_isa(|| {
        let inf = f32::INFINITY;
        for (a, b, soft, log) in [
            (-inf, -inf, [f32::NAN; 2], [f32::NAN; 2]),
            (-inf, 1.0, [0.0, 1.0], [-inf, 0.0]),
            (inf, 1.0, [f32::NAN, 0.0], [f32::NAN, -inf]),
            (f32::NAN, 1.0, [f32::NAN; 2], [f32::NAN; 2]),
        ] {
            // As a row, and as columns.
            for shape in [[1, 2], [2, 1]] {
                let x = Array::from_slice(&[a, b], &shape).unwrap();
                let dim = (shape[1] == 1) as isize ^ 1;
                let wide = Array::from_slice(&[a, a, b, b], &[2, 2]).unwrap();
                let eq = |got: f32, want: f32| got == want || (got.is_nan() && want.is_nan());
                let got = softmax(&x, dim).unwrap().to_vec::<f32>();
                assert!(eq(got[1], soft[1]) || a == inf, "{got:?}");
                assert!(eq(got[0], soft[0]), "{got:?}");
                let got = log_softmax(&x, dim).unwrap().to_vec::<f32>();
                assert!(eq(got[0], log[0]) && (eq(got[1], log[1]) || a == inf), "{got:?}");
                let got = softmax(&wide, 0).unwrap().to_vec::<f32>();
                assert!(eq(got[1], soft[0]) && (eq(got[2], soft[1]) || a == inf), "{got:?}");
            }
        }
    });
}

#[test]
fn threads_change_no_bit() {
    on_every_isa(|| {
        let before = parallel::num_threads();
        for (shape, dim) in [([500, 1000], 1), ([500, 1000], 0), ([40, 9000], 1)] {
            let x = array::<f32>(&noise(shape[0] * shape[1], 6), &shape);
            let mut seen: Option<Vec<Vec<f32>>> = None;
            for threads in [1, 2, 8] {
                parallel::set_num_threads(threads);
                let y = softmax(&x, dim).unwrap();
                let got = vec![
                    y.to_vec::<f32>(),
                    log_softmax(&x, dim).unwrap().to_vec(),
                    softmax_grad(&y, &x, dim).unwrap().to_vec(),
                    log_softmax_grad(&y, &x, dim).unwrap().to_vec(),
                ];
                assert!(*seen.get_or_insert_with(|| got.clone()) == got);
            }
        }
        parallel::set_num_threads(before);
    });
}

#[test]
fn rows_written_past_the_caches_are_those_of_halves() {
    let (rows, n) = (1100, 2048);
    let [x, g] = [3, 4].map(|seed| array::<f32>(&noise(rows * n, seed), &[rows, n]));
    let run = |first: usize, count: usize| {
        let [x, g] = [&x, &g].map(|a| a.view(a.layout().sliced(0, first, 1, count)));
        let (y, log) = (softmax(&x, 1).unwrap(), log_softmax(&x, 1).unwrap());
        let grads = [softmax_grad(&y, &g, 1).unwrap(), log_softmax_grad(&log, &g, 1).unwrap()];
        [&[y, log][..], &grads].concat().iter().map(|a| a.to_vec::<f32>()).collect::<Vec<_>>()
    };
    on_every_isa(|| {
        let [whole, front, back] = [run(0, rows), run(0, rows / 2), run(rows / 2, rows / 2)];
        for k in 0..4 {
            assert!(whole[k] == [&front[k][..], &back[k]].concat(), "result {k}");
        }
    });
    assert!(crate::simd::streams(rows * n * 4) && !crate::simd::streams(rows / 2 * n * 4));
}

#[test]
fn wrong_calls() {
    let x = array::<f32>(&noise(6, 1), &[2, 3]);
    assert!(matches!(softmax(&x, 2), Err(Error::Index(_))));
    assert!(matches!(softmax_grad(&x, &array::<f32>(&noise(6, 1), &[3, 2]), 0), Err(Error::Shape(_))));
    let message = softmax(&Array::scalar(1i64).unwrap(), 0).unwrap_err().to_string();
    assert_eq!(message, "softmax: input: expected a floating-point dtype (cast int64 to float32 first), got int64");
}
