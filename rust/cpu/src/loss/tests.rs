use ferrograd_unit::test;

use super::*;
use crate::parallel;
use crate::reduce::tests::{array, layouts, noise, on_every_isa, values};

const PLAIN: Options = Options { ignore_index: -100, reduction: Reduction::None, label_smoothing: 0.0 };

/// Losses, divisor, and gradients for the gradient `g` of each sample's loss; all by the formula.
fn naive(x: &[f64], shape: [usize; 3], target: &[i64], w: &[f64], s: f64, g: &[f64]) -> (Vec<f64>, f64, Vec<f64>) {
    let [outer, n, inner] = shape;
    let (mut losses, mut divisor, mut grads) = (vec![], 0.0, vec![0.0; x.len()]);
    for o in 0..outer {
        for j in 0..inner {
            let i = o * inner + j;
            if target[i] == -100 {
                losses.push(0.0);
                continue;
            }
            let t = target[i] as usize;
            let row: Vec<f64> = (0..n).map(|c| x[(o * n + c) * inner + j]).collect();
            let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let log = row.iter().map(|x| (x - max).exp()).sum::<f64>().ln() + max;
            let smooth: f64 = (0..n).map(|c| w[c] * (log - row[c])).sum::<f64>() * s / n as f64;
            losses.push((1.0 - s) * w[t] * (log - row[t]) + smooth);
            divisor += w[t];
            for c in 0..n {
                let p = (row[c] - log).exp();
                let hit = (c == t) as u8 as f64;
                let total: f64 = w.iter().sum();
                grads[(o * n + c) * inner + j] =
                    g[i] * ((1.0 - s) * w[t] * (p - hit) + s / n as f64 * (p * total - w[c]));
            }
        }
    }
    (losses, divisor, grads)
}

fn check<T: Float>(tolerance: f64) {
    for shape in [
        [1usize, 1, 1],
        [5, 3, 1],
        [300, 10, 1],
        [7, 70, 1],
        [2, 5, 7],
        [3, 19, 150],
        [4, 3000, 1],
        [0, 4, 1],
        [2, 4, 0],
    ] {
        let [outer, n, inner] = shape;
        let x =
            values::<T>(&array::<T>(&noise(outer * n * inner, 2).iter().map(|x| x * 5.0).collect::<Vec<_>>(), &shape));
        let target: Vec<i64> = (0..outer * inner).map(|i| if i % 5 == 3 { -100 } else { (i * 7 % n) as i64 }).collect();
        let w = values::<T>(&array::<T>(&noise(n, 3).iter().map(|w| w.abs() + 0.1).collect::<Vec<_>>(), &[n]));
        let g = values::<T>(&array::<T>(&noise(outer * inner, 5), &[outer * inner]));
        let dims: &[usize] = if inner == 1 { &shape[..2] } else { &shape };
        let rest: Vec<usize> = if inner == 1 { vec![outer] } else { vec![outer, inner] };
        let t = Array::from_slice(&target, &rest).unwrap();
        for weighted in [false, true] {
            let ones = vec![1.0; n];
            let weights = if weighted { &w } else { &ones };
            let weight = weighted.then(|| array::<T>(&w, &[n]));
            for label_smoothing in [0.0, 0.1] {
                let options = Options { label_smoothing, ..PLAIN };
                let (losses, divisor, grads) = naive(&x, shape, &target, weights, label_smoothing, &g);
                let close = |got: &Array, want: &[f64]| {
                    assert_eq!(got.numel(), want.len());
                    for (got, want) in values::<T>(got).iter().zip(want) {
                        let fits =
                            (got - want).abs() <= tolerance * want.abs().max(1.0) || (got.is_nan() && want.is_nan());
                        assert!(fits, "{shape:?} {weighted} {options:?}: {got} {want}");
                    }
                };
                let total: f64 = losses.iter().sum();
                for logits in layouts(&array::<T>(&x, dims)) {
                    let run = |reduction| {
                        cross_entropy(&logits, &t, weight.as_ref(), Options { reduction, ..options }).unwrap()
                    };
                    close(&run(Reduction::None), &losses);
                    close(&run(Reduction::Mean), &[total / divisor]);
                    assert!((values::<T>(&run(Reduction::Sum))[0] - total).abs() <= tolerance * total.abs().max(1.0));
                    let grad = |g: &Array, reduction| {
                        cross_entropy_grad(g, &logits, &t, weight.as_ref(), Options { reduction, ..options }).unwrap()
                    };
                    close(&grad(&array::<T>(&g, &rest), Reduction::None), &grads);
                    let one = array::<T>(&[2.0], &[]);
                    let twos = naive(&x, shape, &target, weights, label_smoothing, &vec![2.0; outer * inner]).2;
                    close(&grad(&one, Reduction::Sum), &twos);
                    close(
                        &grad(&one, Reduction::Mean),
                        &twos.iter().map(|x| if *x == 0.0 { 0.0 } else { x / divisor }).collect::<Vec<_>>(),
                    );
                }
            }
        }
    }
}

#[test]
fn against_the_formula() {
    on_every_isa(|| {
        check::<f32>(6e-6);
        check::<f64>(1e-13);
    });
}

#[test]
fn a_single_sample_and_wrong_targets() {
    let x = array::<f32>(&[0.0, 1.0, 2.0], &[3]);
    let t = Array::scalar(2i64).unwrap();
    let loss = cross_entropy(&x, &t, None, Options { reduction: Reduction::Mean, ..PLAIN }).unwrap();
    assert!(loss.shape().is_empty() && (loss.to_vec::<f32>()[0] - 0.407_606).abs() < 1e-5);
    let x = array::<f32>(&noise(24, 1), &[2, 3, 4]);
    let mut t = vec![0i64; 8];
    t[6] = 3;
    let message = |t: &[i64]| {
        let t = Array::from_slice(t, &[2, 4]).unwrap();
        cross_entropy(&x, &t, None, PLAIN).unwrap_err().to_string()
    };
    assert_eq!(
        message(&t),
        "cross_entropy: target: expected class indices from 0 to 2 (3 classes), got class 3 at position (1, 2)"
    );
    t[6] = -1;
    assert!(message(&t).ends_with("got class -1 at position (1, 2)"));
    t[6] = i64::MIN;
    assert!(message(&t).contains("class -9223372036854775808"));
    let t = Array::from_slice(&[0i64, 1, 2], &[3]).unwrap();
    assert!(matches!(cross_entropy(&x, &t, None, PLAIN), Err(Error::Shape(_))));
    let x = array::<f32>(&noise(9, 1), &[3, 3]);
    assert!(matches!(cross_entropy(&x, &t, Some(&array::<f32>(&[1.0], &[1])), PLAIN), Err(Error::Shape(_))));
    assert!(matches!(cross_entropy(&x, &t, Some(&array::<f64>(&[1.0; 3], &[3])), PLAIN), Err(Error::DType(_))));
    assert!(matches!(cross_entropy(&x, &x, None, PLAIN), Err(Error::Shape(_))));
    assert!(matches!(cross_entropy(&x, &array::<f32>(&[0.0; 3], &[3]), None, PLAIN), Err(Error::DType(_))));
    let bad = Options { label_smoothing: 1.5, ..PLAIN };
    assert!(matches!(cross_entropy(&x, &t, None, bad), Err(Error::Value(_))));
}

#[test]
fn infinite_logits() {
    let inf = f32::INFINITY;
    let x = Array::from_slice(&[0.0, inf, 1.0, -inf, 0.0, 0.0], &[2, 3]).unwrap();
    let t = Array::from_slice(&[0i64, 0], &[2]).unwrap();
    let loss = cross_entropy(&x, &t, None, PLAIN).unwrap().to_vec::<f32>();
    assert!(loss[0].is_nan() && loss[1] == inf);
    let g = Array::from_slice(&[1f32, 1.0], &[2]).unwrap();
    let grad = cross_entropy_grad(&g, &x, &t, None, PLAIN).unwrap().to_vec::<f32>();
    assert_eq!(grad[3..], [-1.0, 0.5, 0.5]);
    // An ignored sample has no share in the gradient, infinite or not.
    let t = Array::from_slice(&[-100i64, 0], &[2]).unwrap();
    for x in [x.clone(), x.view(x.layout().reshaped(&[2, 3, 1]).unwrap())] {
        let t = t.view(t.layout().reshaped(if x.ndim() == 3 { &[2, 1] } else { &[2] }).unwrap());
        let g = g.view(t.layout().clone());
        assert_eq!(cross_entropy_grad(&g, &x, &t, None, PLAIN).unwrap().to_vec::<f32>()[..3], [0.0; 3]);
    }
    let tall = Array::from_slice(&[inf, 1.0, 0.0, 1.0, 0.5, 2.0], &[1, 3, 2]).unwrap();
    let t = Array::from_slice(&[-100i64, 2], &[1, 2]).unwrap();
    let g = Array::from_slice(&[1f32, 1.0], &[1, 2]).unwrap();
    let grad = cross_entropy_grad(&g, &tall, &t, None, PLAIN).unwrap().to_vec::<f32>();
    assert!(grad[0] == 0.0 && grad[2] == 0.0 && grad[4] == 0.0 && grad[1] > 0.0);
}

#[test]
fn threads_change_no_bit() {
    on_every_isa(|| {
        let before = parallel::num_threads();
        for shape in [vec![6000, 10], vec![200, 700], vec![10, 12, 500]] {
            let x = array::<f32>(&noise(shape.iter().product(), 6), &shape);
            let rest: Vec<usize> = shape.iter().enumerate().filter(|&(k, _)| k != 1).map(|(_, &d)| d).collect();
            let target: Vec<i64> = (0..rest.iter().product::<usize>()).map(|i| (i % shape[1]) as i64).collect();
            let t = Array::from_slice(&target, &rest).unwrap();
            let options = Options { reduction: Reduction::Mean, label_smoothing: 0.1, ..PLAIN };
            let mut seen: Option<[Vec<f32>; 2]> = None;
            for threads in [1, 2, 8] {
                parallel::set_num_threads(threads);
                let loss = cross_entropy(&x, &t, None, options).unwrap();
                let got = [loss.to_vec(), cross_entropy_grad(&loss, &x, &t, None, options).unwrap().to_vec()];
                assert!(*seen.get_or_insert_with(|| got.clone()) == got);
            }
        }
        parallel::set_num_threads(before);
    });
}

#[test]
fn gradients_written_past_the_caches_are_those_of_halves() {
    let (rows, n) = (1100, 2048);
    let x = array::<f32>(&noise(rows * n, 3), &[rows, n]);
    let target: Vec<i64> = (0..rows).map(|i| if i % 7 == 0 { -100 } else { (i * 37 % n) as i64 }).collect();
    let target = Array::from_slice(&target, &[rows]).unwrap();
    let weight = array::<f32>(&noise(n, 5), &[n]);
    let g = Array::scalar(1.5f32).unwrap();
    for (label_smoothing, weight) in [(0.0, None), (0.0, Some(&weight)), (0.1, None), (0.1, Some(&weight))] {
        let options = Options { ignore_index: -100, reduction: Reduction::Sum, label_smoothing };
        let run = |first: usize, count: usize| {
            let [x, target] = [&x, &target].map(|a| a.view(a.layout().sliced(0, first, 1, count)));
            cross_entropy_grad(&g, &x, &target, weight, options).unwrap().to_vec::<f32>()
        };
        on_every_isa(|| {
            let [whole, front, back] = [run(0, rows), run(0, rows / 2), run(rows / 2, rows / 2)];
            assert!(whole == [front, back].concat());
        });
    }
    assert!(crate::simd::streams(rows * n * 4) && !crate::simd::streams(rows / 2 * n * 4));
}
