use ferrograd_unit::test;

use super::*;
use crate::{isa, parallel};

fn state(seed: i64, counter: i64) -> Array {
    Array::from_slice(&[seed, counter], &[2]).unwrap()
}

fn bytes(a: &Array) -> Vec<u64> {
    match a.dtype() {
        DType::F32 => a.to_vec::<f32>().into_iter().map(|v| v.to_bits() as u64).collect(),
        DType::F64 => a.to_vec::<f64>().into_iter().map(f64::to_bits).collect(),
        DType::Bool => a.to_vec::<u8>().into_iter().map(u64::from).collect(),
        _ => a.to_vec::<i64>().into_iter().map(|v| v as u64).collect(),
    }
}

/// The same bits and the same counter for every instruction set and number of threads.
fn everywhere(f: impl Fn(&Array) -> Array) -> Array {
    let mut first: Option<(Vec<u64>, Vec<i64>, Array)> = None;
    for isa in isa::Isa::available() {
        for threads in [1, 2, 8] {
            isa::with(isa, || {
                parallel::set_num_threads(threads);
                let state = state(-42, 1 << 40);
                let got = f(&state);
                let now = (bytes(&got), state.to_vec::<i64>(), got);
                match &first {
                    None => first = Some(now),
                    Some(first) => assert!(first.0 == now.0 && first.1 == now.1, "{isa} with {threads} threads"),
                }
            });
        }
    }
    first.unwrap().2
}

fn moments(values: &[f64]) -> [f64; 4] {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let central = |p: i32| values.iter().map(|v| (v - mean).powi(p)).sum::<f64>() / n;
    let var = central(2);
    [mean, var, central(3) / var.powf(1.5), central(4) / (var * var)]
}

fn wide(a: &Array) -> Vec<f64> {
    match a.dtype() {
        DType::F32 => a.to_vec::<f32>().into_iter().map(f64::from).collect(),
        _ => a.to_vec::<f64>(),
    }
}

const N: usize = 400_000;

#[test]
fn uniform_numbers_fill_their_range_evenly() {
    for dtype in [DType::F32, DType::F64] {
        let x = wide(&everywhere(|s| uniform(s, &[4, N / 4], -1.0, 3.0, dtype).unwrap()));
        assert!(x.iter().all(|v| (-1.0..3.0).contains(v)));
        let [mean, var, skew, kurtosis] = moments(&x);
        // Five standard errors of each.
        assert!((mean - 1.0).abs() < 0.01 && (var - 4.0 / 3.0).abs() < 0.01, "{mean} {var}");
        assert!(skew.abs() < 0.015 && (kurtosis - 1.8).abs() < 0.01, "{skew} {kurtosis}");
        let mut counts = [0f64; 100];
        x.iter().for_each(|v| counts[((v + 1.0) * 25.0) as usize] += 1.0);
        let expected = N as f64 / 100.0;
        let chi2: f64 = counts.iter().map(|c| (c - expected).powi(2) / expected).sum();
        assert!((40.0..180.0).contains(&chi2), "{chi2}");
        let lag: f64 = x.windows(2).map(|w| (w[0] - mean) * (w[1] - mean)).sum::<f64>() / (N as f64 * var);
        assert!(lag.abs() < 0.01, "{lag}");
    }
    // Rounding to the type never reaches the upper end.
    let x = uniform(&state(1, 0), &[100_000], 1e8, 1e8 + 8.0, DType::F32).unwrap();
    assert!(x.to_vec::<f32>().iter().all(|&v| (1e8..1e8 + 8.0).contains(&v)));
    assert_eq!(uniform(&state(1, 0), &[2], 2.5, 2.5, DType::F64).unwrap().to_vec::<f64>(), [2.5, 2.5]);
}

#[test]
fn normal_numbers_have_the_moments_and_the_tail() {
    for dtype in [DType::F32, DType::F64] {
        let x = wide(&everywhere(|s| normal(s, &[N], 2.0, 3.0, dtype).unwrap()));
        let [mean, var, skew, kurtosis] = moments(&x);
        assert!((mean - 2.0).abs() < 0.03 && (var - 9.0).abs() < 0.12, "{mean} {var}");
        assert!(skew.abs() < 0.02 && (kurtosis - 3.0).abs() < 0.05, "{skew} {kurtosis}");
        for (z, p) in [(1.0, 0.158655), (2.0, 0.0227501), (3.0, 0.0013499)] {
            for sign in [-1.0, 1.0] {
                let share = x.iter().filter(|&&v| sign * (v - 2.0) / 3.0 > z).count() as f64 / N as f64;
                assert!((share - p).abs() < 5.0 * (p / N as f64).sqrt(), "{z} {share}");
            }
        }
    }
    assert_eq!(normal(&state(1, 0), &[3], 7.0, 0.0, DType::F32).unwrap().to_vec::<f32>(), [7.0; 3]);
}

#[test]
fn integers_and_permutations() {
    let x = everywhere(|s| randint(s, &[N], -3, 4).unwrap()).to_vec::<i64>();
    for v in -3..4 {
        let share = x.iter().filter(|&&w| w == v).count() as f64 / N as f64;
        assert!((share - 1.0 / 7.0).abs() < 0.003, "{v} {share}");
    }
    assert!(x.iter().all(|v| (-3..4).contains(v)));
    let all = randint(&state(3, 0), &[1000], i64::MIN, i64::MAX).unwrap().to_vec::<i64>();
    assert!(all.iter().any(|&v| v < -(1 << 62)) && all.iter().any(|&v| v > 1 << 62));
    let p = everywhere(|s| randperm(s, 10_000).unwrap()).to_vec::<i64>();
    let mut sorted = p.clone();
    sorted.sort();
    assert!(sorted.iter().enumerate().all(|(i, &v)| i as i64 == v) && sorted != p);
    // Every order of three is equally likely.
    let (s, mut counts) = (state(5, 0), std::collections::BTreeMap::new());
    for _ in 0..6000 {
        *counts.entry(randperm(&s, 3).unwrap().to_vec::<i64>()).or_insert(0) += 1;
    }
    assert!(counts.len() == 6 && counts.values().all(|&c| (850..1150).contains(&c)), "{counts:?}");
    assert_eq!(randperm(&s, 0).unwrap().numel(), 0);
}

#[test]
fn bernoulli_hits_as_often_as_asked() {
    for dtype in [DType::F32, DType::F64] {
        let p: Vec<f64> = (0..N).map(|i| [0.0, 1.0, 0.25, 0.9][i % 4]).collect();
        let p = crate::cast(&Array::from_slice(&p, &[N]).unwrap(), dtype).unwrap();
        let x = wide(&everywhere(|s| bernoulli(s, &p).unwrap()));
        for (k, expected) in [0.0, 1.0, 0.25, 0.9].into_iter().enumerate() {
            let share = x.iter().skip(k).step_by(4).sum::<f64>() / (N / 4) as f64;
            let error = 5.0 * (expected * (1.0 - expected) / (N / 4) as f64).sqrt();
            assert!((share - expected).abs() <= error, "{expected} {share}");
        }
    }
    for bad in [-0.1f32, 1.1, f32::NAN] {
        let p = Array::from_slice(&[0.5, bad], &[2]).unwrap();
        assert!(matches!(bernoulli(&state(1, 0), &p), Err(Error::Value(_))));
    }
}

#[test]
fn dropout_drops_the_asked_share_and_scales_the_rest() {
    for dtype in [DType::F32, DType::F64] {
        let values: Vec<f64> = (0..N).map(|i| 1.0 + (i % 97) as f64).collect();
        let x = crate::cast(&Array::from_slice(&values, &[N / 50, 50]).unwrap(), dtype).unwrap();
        for p in [0.0, 0.1, 0.5, 1.0] {
            let y = everywhere(|s| dropout(&x, s, p).unwrap().0);
            let mask = everywhere(|s| dropout(&x, s, p).unwrap().1);
            let back = everywhere(|s| dropout_grad(&x, &dropout(&x, s, p).unwrap().1, p).unwrap());
            assert_eq!(bytes(&back), bytes(&y));
            let (y, mask) = (wide(&y), mask.to_vec::<u8>());
            let scale = if p < 1.0 { 1.0 / (1.0 - p) } else { 0.0 };
            for i in 0..N {
                let expected = if mask[i] == 1 { values[i] * scale } else { 0.0 };
                assert!((y[i] - expected).abs() <= 1e-6 * expected);
            }
            let share = 1.0 - mask.iter().map(|&m| m as f64).sum::<f64>() / N as f64;
            assert!((share - p).abs() <= 5.0 * (p * (1.0 - p) / N as f64).sqrt(), "{p} {share}");
            if p == 0.5 {
                // Neighbours, and the lanes of a group, are independent.
                for lag in [1, 16, 64, 50] {
                    let both = (0..N - lag).filter(|&i| mask[i] == 1 && mask[i + lag] == 1).count();
                    assert!((both as f64 / (N - lag) as f64 - 0.25).abs() < 0.005, "{lag}");
                }
            }
        }
        // Another layout, the same numbers.
        let turned = Array::empty(&[50, N / 50], dtype).unwrap();
        let turned = turned.view(turned.layout().permuted(&[1, 0]));
        crate::bits::copy_into(&x, &turned);
        let (y, mask) = dropout(&turned, &state(9, 9), 0.3).unwrap();
        assert_eq!(bytes(&y), bytes(&dropout(&x, &state(9, 9), 0.3).unwrap().0));
        let columns = mask.view(mask.layout().sliced(1, 49, -1, 50));
        let got = dropout_grad(&turned.view(turned.layout().sliced(1, 49, -1, 50)), &columns, 0.3).unwrap();
        let y = y.view(y.layout().sliced(1, 49, -1, 50));
        assert_eq!(bytes(&got), bytes(&y));
    }
    let odd = Array::from_slice(&[f32::NAN, f32::INFINITY], &[2]).unwrap();
    assert!(dropout(&odd, &state(1, 0), 1.0).unwrap().0.to_vec::<f32>().iter().all(|v| v.is_nan()));
    for p in [-0.1, 1.1, f64::NAN] {
        assert!(matches!(dropout(&odd, &state(1, 0), p), Err(Error::Value(_))));
    }
}

#[test]
fn the_counter_moves_by_what_was_used() {
    let s = state(7, 100);
    let whole = uniform(&s, &[640], 0.0, 1.0, DType::F32).unwrap().to_vec::<f32>();
    assert_eq!(s.to_vec::<i64>(), [7, 100 + 160]);
    let again = state(7, 100);
    let first = uniform(&again, &[320], 0.0, 1.0, DType::F32).unwrap().to_vec::<f32>();
    let second = uniform(&again, &[320], 0.0, 1.0, DType::F32).unwrap().to_vec::<f32>();
    assert_eq!([first, second].concat(), whole, "two halves are the whole");
    assert_eq!(again.to_vec::<i64>(), s.to_vec::<i64>());
    let before = s.to_vec::<i64>();
    assert_eq!(uniform(&s, &[0, 3], 0.0, 1.0, DType::F64).unwrap().numel(), 0);
    assert!(uniform(&s, &[5], 1.0, 0.0, DType::F32).is_err());
    assert!(normal(&s, &[5], 1.0, -1.0, DType::F32).is_err() && normal(&s, &[5], 0.0, f64::NAN, DType::F32).is_err());
    assert!(randint(&s, &[5], 3, 3).is_err());
    assert!(matches!(uniform(&s, &[usize::MAX, 3], 0.0, 1.0, DType::F64), Err(Error::Memory(_))));
    assert_eq!(s.to_vec::<i64>(), before, "nothing used, nothing moved");
    normal(&s, &[65], 0.0, 1.0, DType::F32).unwrap();
    assert_eq!(s.to_vec::<i64>()[1], before[1] + 32, "two groups of sixteen blocks");
    assert!(matches!(uniform(&Array::scalar(1i64).unwrap(), &[1], 0., 1., DType::F32), Err(Error::Shape(_))));
    let floats = Array::from_slice(&[1f32, 0.0], &[2]).unwrap();
    assert!(matches!(uniform(&floats, &[1], 0.0, 1.0, DType::F32), Err(Error::DType(_))));
    assert!(matches!(uniform(&s, &[1], 0.0, 1.0, DType::F16), Err(Error::DType(_))));
    // A counter that wraps goes on.
    let end = state(1, -1);
    uniform(&end, &[1000], 0.0, 1.0, DType::F32).unwrap();
    assert_eq!(end.to_vec::<i64>()[1], 255);
}

#[test]
fn threads_that_share_a_state_never_share_numbers() {
    let s = state(11, 0);
    let all = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let x = randint(&s, &[32], 0, i64::MAX).unwrap().to_vec::<i64>();
                    all.lock().unwrap().extend(x);
                }
            });
        }
    });
    let mut all = all.into_inner().unwrap();
    let n = all.len();
    all.sort();
    all.dedup();
    assert_eq!((n, all.len()), (6400, 6400));
}

#[test]
fn dropout_past_the_caches_is_that_of_halves() {
    let n = (11 << 18) + 37;
    let half = n / 2 / GROUP * GROUP;
    let x = uniform(&state(1, 0), &[n], -1.0, 1.0, DType::F32).unwrap();
    let part = |first: usize, count: usize| x.view(x.layout().sliced(0, first, 1, count));
    for isa in isa::Isa::available() {
        isa::with(isa, || {
            let at_once = state(5, 9);
            let (y, mask) = dropout(&x, &at_once, 0.3).unwrap();
            let in_turn = state(5, 9);
            let [front, back] =
                [part(0, half), part(half, n - half)].map(|part| dropout(&part, &in_turn, 0.3).unwrap());
            assert!(y.to_vec::<f32>() == [front.0.to_vec::<f32>(), back.0.to_vec()].concat());
            assert!(bytes(&mask) == [bytes(&front.1), bytes(&back.1)].concat());
        });
    }
    assert!(crate::simd::streams(n * 4) && !crate::simd::streams((n - half) * 4));
}
