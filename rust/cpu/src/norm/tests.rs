use ferrograd_unit::test;

use super::*;
use crate::isa;
use crate::parallel;
use crate::reduce::tests::{array, layouts, noise, on_every_isa, values};

struct Case {
    y: Vec<f64>,
    mean: Vec<f64>,
    rstd: Vec<f64>,
    dx: Vec<f64>,
    dw: Vec<f64>,
    db: Vec<f64>,
}

/// Normalisation of groups of elements, by the formulas. `group` names the statistic of element `i`, `weight` its
/// weight; `given` are statistics that do not come from the elements.
fn naive(
    x: &[f64],
    g: &[f64],
    (groups, group): (usize, &dyn Fn(usize) -> usize),
    (w, b, weight): (&[f64], &[f64], &dyn Fn(usize) -> usize),
    (eps, relu): (f64, bool),
    given: Option<(&[f64], &[f64])>,
) -> Case {
    let n = x.len();
    let mut count = vec![0.0; groups];
    (0..n).for_each(|i| count[group(i)] += 1.0);
    let average = |f: &dyn Fn(usize) -> f64| {
        let mut sums = vec![0.0; groups];
        (0..n).for_each(|i| sums[group(i)] += f(i));
        (0..groups).map(|k| sums[k] / count[k]).collect::<Vec<_>>()
    };
    let mean = given.map_or_else(|| average(&|i| x[i]), |(mean, _)| mean.to_vec());
    let var = given.map_or_else(|| average(&|i| (x[i] - mean[group(i)]).powi(2)), |(_, var)| var.to_vec());
    let rstd: Vec<f64> = var.iter().map(|v| 1.0 / (v + eps).sqrt()).collect();
    let unit = |i: usize| (x[i] - mean[group(i)]) * rstd[group(i)];
    let plain = |i: usize| unit(i) * w[weight(i)] + b[weight(i)];
    let behind = |i: usize| if relu && plain(i) <= 0.0 { 0.0 } else { g[i] };
    let h = |i: usize| behind(i) * w[weight(i)];
    let (first, second) = (average(&|i| h(i)), average(&|i| h(i) * unit(i)));
    let (mut dw, mut db) = (vec![0.0; w.len()], vec![0.0; w.len()]);
    for i in 0..n {
        dw[weight(i)] += behind(i) * unit(i);
        db[weight(i)] += behind(i);
    }
    let dx = (0..n).map(|i| match given {
        None => rstd[group(i)] * (h(i) - first[group(i)] - unit(i) * second[group(i)]),
        Some(_) => rstd[group(i)] * h(i),
    });
    Case {
        y: (0..n).map(|i| if relu { plain(i).max(0.0) } else { plain(i) }).collect(),
        dx: dx.collect(),
        mean,
        rstd,
        dw,
        db,
    }
}

fn close<T: Float>(what: &str, got: &Array, want: &[f64], tolerance: f64) {
    assert_eq!(got.numel(), want.len(), "{what}");
    let scale = want.iter().fold(1.0f64, |m, x| m.max(x.abs()));
    for (got, want) in values::<T>(got).iter().zip(want) {
        assert!(
            (got - want).abs() <= tolerance * scale || (got.is_nan() && want.is_nan()),
            "{what}: {got}, expected {want}"
        );
    }
}

fn exact<T: Float>(x: &[f64], shape: &[usize]) -> (Array, Vec<f64>) {
    let a = array::<T>(x, shape);
    let x = values::<T>(&a);
    (a, x)
}

fn layer<T: Float>(tolerance: f64) {
    for (shape, normalized) in [
        (vec![4, 6], vec![6]),
        (vec![1], vec![1]),
        (vec![300, 17], vec![17]),
        (vec![3, 2, 5], vec![2, 5]),
        (vec![40, 1500], vec![1500]),
        (vec![0, 4], vec![4]),
        (vec![3, 0], vec![0]),
        (vec![33], vec![33]),
    ] {
        let numel: usize = shape.iter().product();
        let n: usize = normalized.iter().product();
        let rows = numel.checked_div(n).unwrap_or(3);
        let (x, xv) = exact::<T>(&noise(numel, 1), &shape);
        let (g, gv) = exact::<T>(&noise(numel, 2), &shape);
        let (w, wv) = exact::<T>(&noise(n, 3), &normalized);
        let (b, bv) = exact::<T>(&noise(n, 4), &normalized);
        let want = naive(&xv, &gv, (rows, &|i| i / n), (&wv, &bv, &|i| i % n), (1e-5, false), None);
        for x in layouts(&x) {
            let (y, mean, rstd) = layer_norm(&x, &normalized, Some(&w), Some(&b), 1e-5).unwrap();
            assert_eq!(y.shape(), shape);
            close::<T>("y", &y, &want.y, tolerance);
            if n > 0 {
                close::<T>("mean", &mean, &want.mean, tolerance);
                close::<T>("rstd", &rstd, &want.rstd, tolerance);
            }
            for g in layouts(&g) {
                let [dx, dw, db] = layer_norm_grad(&g, &x, &normalized, Some(&w), &mean, &rstd, [true; 3]).unwrap();
                close::<T>("dx", &dx.unwrap(), &want.dx, tolerance);
                close::<T>("dw", &dw.unwrap(), &want.dw, 4.0 * tolerance);
                close::<T>("db", &db.unwrap(), &want.db, 4.0 * tolerance);
            }
            let [dx, dw, db] =
                layer_norm_grad(&g, &x, &normalized, Some(&w), &mean, &rstd, [false, true, false]).unwrap();
            assert!(dx.is_none() && db.is_none());
            close::<T>("dw", &dw.unwrap(), &want.dw, 4.0 * tolerance);
        }
        let (ones, zeros) = (vec![1.0; n], vec![0.0; n]);
        let want = naive(&xv, &gv, (rows, &|i| i / n), (&ones, &zeros, &|i| i % n), (1e-5, false), None);
        let (y, mean, rstd) = layer_norm(&x, &normalized, None, None, 1e-5).unwrap();
        close::<T>("y", &y, &want.y, tolerance);
        let [dx, dw, _] = layer_norm_grad(&g, &x, &normalized, None, &mean, &rstd, [true, false, false]).unwrap();
        assert!(dw.is_none());
        close::<T>("dx", &dx.unwrap(), &want.dx, tolerance);
    }
}

fn batch<T: Float>(tolerance: f64) {
    for shape in [
        vec![5, 3],
        vec![300, 20],
        vec![2, 3, 4, 4],
        vec![4, 5, 3],
        vec![2, 7, 40],
        vec![3, 1, 50],
        vec![6, 1],
        vec![2, 2, 2, 3, 2],
        vec![2, 3, 1100],
        vec![0, 3],
    ] {
        let numel: usize = shape.iter().product();
        let (c, inner) = (shape[1], shape[2..].iter().product::<usize>());
        let channel = |i: usize| i / inner % c;
        let (x, xv) = exact::<T>(&noise(numel, 1), &shape);
        let (g, gv) = exact::<T>(&noise(numel, 2), &shape);
        let (w, wv) = exact::<T>(&noise(c, 3), &[c]);
        let (b, bv) = exact::<T>(&noise(c, 4), &[c]);
        let m = (numel / c) as f64;
        for relu in [false, true] {
            let want = naive(&xv, &gv, (c, &channel), (&wv, &bv, &channel), (1e-5, relu), None);
            // A result so near the kink that rounding decides has no gradient to compare.
            let clear = !relu || want.y.iter().all(|&y| y == 0.0 || y > 1e-5);
            for x in layouts(&x) {
                let (mean0, var0) = (array::<T>(&vec![0.5; c], &[c]), array::<T>(&vec![2.0; c], &[c]));
                let (y, mean, rstd) =
                    batch_norm(&x, Some(&w), Some(&b), Some((&mean0, &var0)), 0.25, 1e-5, relu).unwrap();
                assert_eq!(y.shape(), shape);
                close::<T>("y", &y, &want.y, tolerance);
                if m > 0.0 {
                    close::<T>("mean", &mean, &want.mean, tolerance);
                    close::<T>("rstd", &rstd, &want.rstd, tolerance);
                    let running: Vec<f64> = want.mean.iter().map(|v| 0.75 * 0.5 + 0.25 * v).collect();
                    close::<T>("running_mean", &mean0, &running, tolerance);
                    let running: Vec<f64> =
                        want.rstd.iter().map(|r| 0.75 * 2.0 + 0.25 * (1.0 / (r * r) - 1e-5) * m / (m - 1.0)).collect();
                    close::<T>("running_var", &var0, &running, 4.0 * tolerance);
                }
                for g in layouts(&g) {
                    let y = relu.then_some(&y);
                    let [dx, dw, db] = batch_norm_grad(&g, &x, y, Some(&w), &mean, &rstd, [true; 3]).unwrap();
                    if clear {
                        close::<T>("dx", &dx.unwrap(), &want.dx, 2.0 * tolerance);
                        close::<T>("dw", &dw.unwrap(), &want.dw, 4.0 * tolerance);
                        close::<T>("db", &db.unwrap(), &want.db, 4.0 * tolerance);
                    }
                }
                let y = relu.then_some(&y);
                let [dx, dw, db] = batch_norm_grad(&g, &x, y, Some(&w), &mean, &rstd, [false, false, true]).unwrap();
                assert!(dx.is_none() && dw.is_none() && db.is_some());
            }
            let (mean, mv) = exact::<T>(&noise(c, 6), &[c]);
            let (var, vv) = exact::<T>(&noise(c, 7).iter().map(|v| v.abs() + 0.5).collect::<Vec<_>>(), &[c]);
            let want = naive(&xv, &gv, (c, &channel), (&wv, &bv, &channel), (1e-3, relu), Some((&mv, &vv)));
            for x in layouts(&x) {
                let y = batch_norm_eval(&x, Some(&w), Some(&b), &mean, &var, 1e-3, relu).unwrap();
                close::<T>("eval y", &y, &want.y, tolerance);
                let y = relu.then_some(&y);
                for needs in [[true; 3], [true, false, false]] {
                    let [dx, dw, _] = batch_norm_eval_grad(&g, &x, y, Some(&w), &mean, &var, 1e-3, needs).unwrap();
                    close::<T>("eval dx", &dx.unwrap(), &want.dx, 2.0 * tolerance);
                    assert_eq!(dw.is_some(), needs[1]);
                    if let Some(dw) = dw {
                        close::<T>("eval dw", &dw, &want.dw, 4.0 * tolerance);
                    }
                }
            }
        }
    }
}

#[test]
fn layer_norm_against_the_formulas() {
    on_every_isa(|| {
        layer::<f32>(5e-6);
        layer::<f64>(1e-13);
    });
}

#[test]
fn rows_written_past_the_caches_are_those_of_halves() {
    let (rows, n) = (1100, 2048);
    let (x, g) = (array::<f32>(&noise(rows * n, 3), &[rows, n]), array::<f32>(&noise(rows * n, 4), &[rows, n]));
    let w = array::<f32>(&noise(n, 5), &[n]);
    let run = |first: usize, count: usize| {
        let part = |a: &Array| a.view(a.layout().sliced(0, first, 1, count));
        let (x, g) = (part(&x), part(&g));
        let (y, mean, rstd) = layer_norm(&x, &[n], Some(&w), None, 1e-5).unwrap();
        let [dx, ..] = layer_norm_grad(&g, &x, &[n], Some(&w), &mean, &rstd, [true; 3]).unwrap();
        [y, dx.unwrap()].map(|a| a.to_vec::<f32>())
    };
    on_every_isa(|| {
        let [whole, front, back] = [run(0, rows), run(0, rows / 2), run(rows / 2, rows / 2)];
        for k in 0..2 {
            let halves = [&front[k][..], &back[k]].concat();
            assert!(whole[k] == halves, "result {k}");
        }
    });
    assert!(crate::simd::streams(rows * n * 4) && !crate::simd::streams(rows / 2 * n * 4));
}

#[test]
fn batch_norm_against_the_formulas() {
    on_every_isa(|| {
        batch::<f32>(5e-6);
        batch::<f64>(1e-13);
    });
}

#[test]
fn channels_last_stays_so() {
    let x = layouts(&array::<f32>(&noise(2 * 3 * 4 * 5, 1), &[2, 3, 4, 5])).pop().unwrap();
    assert_eq!(x.strides(), [60, 1, 15, 3]);
    let (y, mean, rstd) = batch_norm(&x, None, None, None, 0.1, 1e-5, false).unwrap();
    assert_eq!(y.strides(), x.strides());
    let [dx, ..] = batch_norm_grad(&x, &x, None, None, &mean, &rstd, [true; 3]).unwrap();
    assert_eq!(dx.unwrap().strides(), x.strides());
}

#[test]
fn wrong_calls() {
    let x = array::<f32>(&noise(8, 1), &[2, 4]);
    let of = |n: usize| array::<f32>(&vec![1.0; n], &[n]);
    let message = |e: Error| e.to_string();
    let got = layer_norm(&x, &[3], None, None, 1e-5).map(drop).unwrap_err();
    assert_eq!(message(got), "layer_norm: input: expected shape (*, 3), got (2, 4)");
    assert!(matches!(layer_norm(&x, &[], None, None, 1e-5), Err(Error::Shape(_))));
    let got = layer_norm(&x, &[4], Some(&of(3)), None, 1e-5).map(drop).unwrap_err();
    assert_eq!(message(got), "layer_norm: weight: expected shape (4,), got (3,)");
    assert!(matches!(layer_norm(&x, &[4], Some(&array::<f64>(&[1.0; 4], &[4])), None, 1e-5), Err(Error::DType(_))));
    let got = batch_norm(&of(3), None, None, None, 0.1, 1e-5, false).map(drop).unwrap_err();
    assert_eq!(message(got), "batch_norm: input: expected shape (N, C) or (N, C, *), got (3,)");
    let one = array::<f32>(&noise(4, 1), &[1, 4]);
    let got = batch_norm(&one, None, None, None, 0.1, 1e-5, false).map(drop).unwrap_err();
    assert_eq!(
        message(got),
        "batch_norm: input: expected more than 1 value per channel when training, got shape (1, 4)"
    );
    assert!(matches!(batch_norm(&x, None, None, Some((&of(3), &of(3))), 0.1, 1e-5, false), Err(Error::Shape(_))));
    assert!(matches!(batch_norm_eval(&x, None, None, &of(4), &of(3), 1e-5, false), Err(Error::Shape(_))));
}

#[test]
fn threads_change_no_bit() {
    isa::with(isa::current(), || {
        let before = parallel::num_threads();
        for shape in [vec![32, 16, 20, 20], vec![40, 300, 3], vec![9000, 12]] {
            let base = array::<f32>(&noise(shape.iter().product(), 1), &shape);
            for x in layouts(&base) {
                let mut seen: Option<Vec<Vec<f32>>> = None;
                for threads in [1, 2, 8] {
                    parallel::set_num_threads(threads);
                    let (y, mean, rstd) = batch_norm(&x, None, None, None, 0.1, 1e-5, true).unwrap();
                    let mut got = vec![y.to_vec::<f32>(), mean.to_vec(), rstd.to_vec()];
                    for part in batch_norm_grad(&base, &x, Some(&y), None, &mean, &rstd, [true; 3]).unwrap() {
                        got.push(part.unwrap().to_vec());
                    }
                    let normalized = &shape[1..];
                    let (y, mean, rstd) = layer_norm(&x, normalized, None, None, 1e-5).unwrap();
                    got.push(y.to_vec());
                    for part in layer_norm_grad(&base, &x, normalized, None, &mean, &rstd, [true; 3]).unwrap() {
                        got.push(part.unwrap().to_vec());
                    }
                    assert!(*seen.get_or_insert_with(|| got.clone()) == got, "{x:?} with {threads} threads");
                }
            }
        }
        parallel::set_num_threads(before);
    });
}
