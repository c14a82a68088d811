use ferrograd_unit::test;

use super::*;
use crate::bits::copy_into;
use crate::denormals;
use crate::{cast, isa, parallel};

/// Shapes that straddle vectors and blocks.
const SHAPES: [&[usize]; 7] = [&[], &[0, 3], &[7], &[16, 33], &[150, 301], &[3, 5, 4, 9], &[16_384]];

fn values(shape: &[usize], seed: usize, low: f64) -> Array {
    let n: usize = shape.iter().product();
    let v: Vec<f64> = (0..n).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f64 / 1000.0 + low).collect();
    Array::from_slice(&v, shape).unwrap()
}

/// A copy in dtype and layout: row-major, transposed, or every other element.
fn placed(a: &Array, dtype: DType, layout: usize) -> Array {
    let (a, n) = (cast(a, dtype).unwrap(), a.ndim());
    let view = match layout {
        1 => {
            let order: Vec<usize> = (0..n).rev().collect();
            let shape: Vec<usize> = order.iter().map(|&k| a.shape()[k]).collect();
            let base = Array::empty(&shape, dtype).unwrap();
            base.view(base.layout().permuted(&order))
        }
        2 if n > 0 => {
            let (mut shape, last) = (a.shape().to_vec(), a.shape()[n - 1]);
            shape[n - 1] = 2 * last + 1;
            let base = Array::empty(&shape, dtype).unwrap();
            base.view(base.layout().sliced(n - 1, 2 * last, -2, last))
        }
        _ => return a,
    };
    copy_into(&a, &view);
    view
}

fn list(dtype: DType, seed: usize, low: f64, layout: usize) -> Vec<Array> {
    SHAPES.iter().enumerate().map(|(k, s)| placed(&values(s, seed + k, low), dtype, (layout + k) % 3)).collect()
}

fn refs(list: &[Array]) -> Vec<&Array> {
    list.iter().collect()
}

fn wide(a: &Array) -> Vec<f64> {
    cast(a, DType::F64).unwrap().to_vec::<f64>()
}

fn bits(list: &[Array]) -> Vec<u64> {
    list.iter().flat_map(|a| wide(a).into_iter().map(f64::to_bits)).collect()
}

fn close(got: &[Array], expected: &[Vec<f64>], eps: f64, what: &str) {
    for (k, (a, b)) in got.iter().zip(expected).enumerate() {
        for (i, (x, y)) in wide(a).iter().zip(b).enumerate() {
            assert!((x - y).abs() <= eps * (1.0 + y.abs()), "{what}: array {k} element {i}: {x} against {y}");
        }
    }
}

fn everywhere(run: impl Fn() -> Vec<Array>) {
    for isa in isa::Isa::available() {
        isa::with(isa, || {
            let mut first = None;
            for threads in [1, 2, 8] {
                parallel::set_num_threads(threads);
                let got = bits(&run());
                assert!(*first.get_or_insert(got.clone()) == got, "{isa} with {threads} threads");
            }
        });
    }
}

const STEPS: usize = 4;

fn gradients(dtype: DType, t: usize) -> Vec<Array> {
    list(dtype, 31 * t + 5, -1.0, t + 1)
}

#[test]
fn sgd_steps_as_the_formula_says() {
    let plain = Sgd { momentum: 0.0, dampening: 0.0, weight_decay: 0.0, nesterov: false, maximize: false };
    for sgd in [
        plain,
        Sgd { weight_decay: 0.1, maximize: true, ..plain },
        Sgd { momentum: 0.9, ..plain },
        Sgd { momentum: 0.8, dampening: 0.3, weight_decay: 0.05, ..plain },
        Sgd { momentum: 0.9, weight_decay: 0.01, nesterov: true, maximize: true, ..plain },
    ] {
        let mut p: Vec<Vec<f64>> = list(DType::F64, 1, -1.0, 0).iter().map(wide).collect();
        let mut b: Vec<Vec<f64>> = p.iter().map(|p| vec![f64::NAN; p.len()]).collect();
        for t in 0..STEPS {
            for (k, g) in gradients(DType::F64, t).iter().map(wide).enumerate() {
                for i in 0..g.len() {
                    let mut g = if sgd.maximize { -g[i] } else { g[i] } + sgd.weight_decay * p[k][i];
                    if sgd.momentum != 0.0 {
                        b[k][i] = if t == 0 { g } else { sgd.momentum * b[k][i] + (1.0 - sgd.dampening) * g };
                        g = if sgd.nesterov { g + sgd.momentum * b[k][i] } else { b[k][i] };
                    }
                    p[k][i] -= 0.1 * g;
                }
            }
        }
        for (dtype, eps) in [(DType::F64, 1e-14), (DType::F32, 2e-6)] {
            let run = || {
                let params = list(dtype, 1, -1.0, 0);
                let mut buffers = list(dtype, 0, f64::NAN, 2);
                if sgd.momentum == 0.0 {
                    buffers.clear();
                }
                let (lr, step) = (Array::scalar(0.1f64).unwrap(), Array::scalar(0i64).unwrap());
                for t in 0..STEPS {
                    let grads = gradients(dtype, t);
                    sgd_step(&refs(&params), &refs(&grads), &refs(&buffers), &lr, &[&step], sgd).unwrap();
                }
                assert_eq!(step.to_vec::<i64>(), [STEPS as i64]);
                if sgd.momentum != 0.0 {
                    close(&buffers, &b, eps, "momentum");
                }
                close(&params, &p, eps, &format!("{sgd:?} {dtype}"));
                params
            };
            everywhere(run);
        }
    }
}

#[test]
fn adam_steps_as_the_formula_says() {
    let plain = Adam { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0, decoupled: false, maximize: false };
    for (adam, amsgrad) in [
        (plain, false),
        (Adam { weight_decay: 0.1, ..plain }, true),
        (Adam { weight_decay: 0.1, decoupled: true, eps: 1e-3, ..plain }, false),
        (Adam { betas: (0.0, 0.5), maximize: true, decoupled: true, weight_decay: 0.01, ..plain }, true),
    ] {
        let lr = 0.01;
        let mut p: Vec<Vec<f64>> = list(DType::F64, 1, -1.0, 0).iter().map(wide).collect();
        let zeros: Vec<Vec<f64>> = p.iter().map(|p| vec![0.0; p.len()]).collect();
        let (mut m, mut v, mut largest) = (zeros.clone(), zeros.clone(), zeros);
        for t in 0..STEPS {
            let n = (t + 1) as f64;
            for (k, g) in gradients(DType::F64, t).iter().map(wide).enumerate() {
                for i in 0..g.len() {
                    let mut g = if adam.maximize { -g[i] } else { g[i] };
                    if adam.decoupled {
                        p[k][i] *= 1.0 - lr * adam.weight_decay;
                    } else {
                        g += adam.weight_decay * p[k][i];
                    }
                    m[k][i] = adam.betas.0 * m[k][i] + (1.0 - adam.betas.0) * g;
                    v[k][i] = adam.betas.1 * v[k][i] + (1.0 - adam.betas.1) * g * g;
                    largest[k][i] = largest[k][i].max(v[k][i]);
                    let second = if amsgrad { largest[k][i] } else { v[k][i] };
                    let denominator = (second / (1.0 - adam.betas.1.powf(n))).sqrt() + adam.eps;
                    p[k][i] -= lr * (m[k][i] / (1.0 - adam.betas.0.powf(n))) / denominator;
                }
            }
        }
        for (dtype, eps) in [(DType::F64, 1e-12), (DType::F32, 5e-6)] {
            let run = || {
                let params = list(dtype, 1, -1.0, 0);
                let zeros = |layout| -> Vec<Array> {
                    let list = list(dtype, 0, 0.0, layout);
                    list.iter().for_each(|a| crate::bits::fill_bits(a, 0));
                    list
                };
                let (m_, v_, mut largest_) = (zeros(1), zeros(2), zeros(0));
                if !amsgrad {
                    largest_.clear();
                }
                let rate = Array::scalar(lr).unwrap();
                // One count for each parameter, as a state dict from elsewhere has them.
                let steps: Vec<Array> = SHAPES.iter().map(|_| Array::scalar(0f32).unwrap()).collect();
                for t in 0..STEPS {
                    let grads = gradients(dtype, t);
                    adam_step(
                        &refs(&params),
                        &refs(&grads),
                        &refs(&m_),
                        &refs(&v_),
                        &refs(&largest_),
                        &rate,
                        &refs(&steps),
                        adam,
                    )
                    .unwrap();
                }
                assert!(steps.iter().all(|s| s.to_vec::<f32>() == [STEPS as f32]));
                let what = format!("{adam:?} {amsgrad} {dtype}");
                close(&m_, &m, eps, &what);
                close(&v_, &v, eps, &what);
                close(&largest_, &largest, eps, &what);
                // Where both moments are tiny their quotient is not settled by f32: the step itself is at most lr.
                close(&params, &p, eps * 20.0, &what);
                params
            };
            everywhere(run);
        }
    }
}

#[test]
fn mixed_dtypes_and_denormals() {
    let tiny = 1e-40f32;
    let (p, q) = (Array::from_slice(&[1f32; 40], &[40]).unwrap(), Array::from_slice(&[1f64; 3], &[3]).unwrap());
    let (g, h) = (Array::from_slice(&[tiny; 40], &[40]).unwrap(), Array::from_slice(&[1f64; 3], &[3]).unwrap());
    let (b, c) = (Array::from_slice(&[tiny; 40], &[40]).unwrap(), Array::from_slice(&[1f64; 3], &[3]).unwrap());
    let sgd = Sgd { momentum: 0.5, dampening: 0.0, weight_decay: 0.0, nesterov: false, maximize: false };
    let (lr, step) = (Array::scalar(1f32).unwrap(), Array::scalar(3i32).unwrap());
    sgd_step(&[&p, &q], &[&g, &h], &[&b, &c], &lr, &[&step], sgd).unwrap();
    assert_eq!(q.to_vec::<f64>(), [-0.5; 3]);
    if denormals::CAN_FLUSH {
        assert!(b.to_vec::<f32>().iter().all(|&v| v == 0.0));
    }
    assert_eq!(step.to_vec::<i32>(), [4]);
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_written() {
    let sgd = Sgd { momentum: 0.9, dampening: 0.0, weight_decay: 0.0, nesterov: false, maximize: false };
    let adam = Adam { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0, decoupled: false, maximize: false };
    let (p, g, b) = (values(&[4], 1, 0.0), values(&[4], 2, 0.0), values(&[4], 3, 0.0));
    let (lr, step) = (Array::scalar(0.1f64).unwrap(), Array::scalar(0i64).unwrap());
    let message = |r: Result<()>| r.unwrap_err().to_string();
    let try_sgd = |p: &[&Array], g: &[&Array], b: &[&Array]| message(sgd_step(p, g, b, &lr, &[&step], sgd));
    assert_eq!(try_sgd(&[&p], &[], &[&b]), "sgd_step: grads: expected 1 arrays, one a parameter, got 0");
    assert_eq!(
        try_sgd(&[&p], &[&values(&[3], 0, 0.)], &[&b]),
        "sgd_step: grads[0]: expected the shape of params[0], (4,), got (3,)"
    );
    assert!(try_sgd(&[&p], &[&cast(&g, DType::F32).unwrap()], &[&b]).contains("float64, got float32"));
    assert!(try_sgd(&[&p, &p], &[&g, &g], &[&b, &values(&[4], 4, 0.)]).contains("params[0] and params[1], which do"));
    assert!(try_sgd(&[&p], &[&g], &[&p]).contains("which do"));
    let wide = p.view(values(&[1], 1, 0.).layout().broadcast_to(&[4]));
    assert!(try_sgd(&[&wide], &[&g], &[&b]).contains("expanded"));
    assert!(try_sgd(&[&cast(&p, DType::I64).unwrap()], &[&g], &[&b]).contains("float32 or float64"));
    assert!(message(sgd_step(&[&p], &[&g], &[&b], &g, &[&step], sgd)).contains("lr: expected a 0-d array, got (4,)"));
    assert!(message(sgd_step(&[&p], &[&g], &[&b], &lr, &[&step, &step], sgd)).contains("steps"));
    let odd = Sgd { nesterov: true, dampening: 0.1, ..sgd };
    assert!(message(sgd_step(&[&p], &[&g], &[&b], &lr, &[&step], odd)).contains("nesterov"));
    let beta = Adam { betas: (0.9, 1.0), ..adam };
    let v = values(&[4], 5, 0.0);
    assert!(message(adam_step(&[&p], &[&g], &[&b], &[&v], &[], &lr, &[&step], beta)).contains("beta2"));
    assert!(message(adam_step(&[&p], &[&g], &[&b], &[], &[], &lr, &[&step], adam)).contains("exp_avg_sqs"));
    assert!(message(adam_step(&[&p], &[&g], &[&b], &[&b], &[], &lr, &[&step], adam)).contains("share memory"));
    assert_eq!((p.to_vec::<f64>(), step.to_vec::<i64>()), (values(&[4], 1, 0.0).to_vec::<f64>(), vec![0]));
    sgd_step(&[], &[], &[], &lr, &[&step], sgd).unwrap();
}

#[test]
fn norms_and_scaling() {
    for (dtype, eps) in [(DType::F64, 1e-14), (DType::F32, 1e-6)] {
        let all: Vec<f64> = list(dtype, 3, -1.0, 0).iter().flat_map(wide).collect();
        for (norm, expected) in [
            (Norm::One, all.iter().map(|g| g.abs()).sum::<f64>()),
            (Norm::Two, all.iter().map(|g| g * g).sum::<f64>().sqrt()),
            (Norm::Infinity, all.iter().fold(0.0, |a: f64, g| a.max(g.abs()))),
        ] {
            everywhere(|| {
                let got = grad_norm(&refs(&list(dtype, 3, -1.0, 1)), norm).unwrap();
                assert!((wide(&got)[0] - expected).abs() <= eps * expected, "{norm:?} {dtype}");
                vec![got]
            });
        }
        let expected: Vec<Vec<f64>> =
            list(dtype, 3, -1.0, 0).iter().map(|a| wide(a).iter().map(|g| g * 0.25).collect()).collect();
        everywhere(|| {
            let grads = list(dtype, 3, -1.0, 2);
            scale_grads(&refs(&grads), &Array::scalar(0.25f32).unwrap()).unwrap();
            close(&grads, &expected, 0.0, "scaled");
            grads
        });
    }
    // Squares beyond the range of f32, and NaN.
    let large = Array::from_slice(&[3e30f32, 4e30], &[2]).unwrap();
    assert_eq!(grad_norm(&[&large], Norm::Two).unwrap().to_vec::<f32>(), [5e30]);
    let nan = Array::from_slice(&[1.0, f32::NAN, 2.0], &[3]).unwrap();
    assert!(grad_norm(&[&large, &nan], Norm::Infinity).unwrap().to_vec::<f32>()[0].is_nan());
    assert_eq!(grad_norm(&[], Norm::Two).unwrap().to_vec::<f32>(), [0.0]);
    assert!(matches!(grad_norm(&[&Array::scalar(1i64).unwrap()], Norm::Two), Err(Error::DType(_))));
}

/// Runs `STEPS` steps of `step` on states that begin with `states`, and compares with `reference`, which updates one
/// element `[p, states…]` by the gradient at step `t`; the first step is the one after `done` steps.
fn follows<const N: usize>(
    states: [f64; N],
    done: usize,
    what: &str,
    reference: impl Fn(f64, f64, &mut [f64]),
    step: impl Fn(&[&Array], &[&Array], &[Vec<&Array>], &Array, &[&Array]) -> Result<()>,
) {
    let start: Vec<Vec<f64>> = list(DType::F64, 1, -1.0, 0).iter().map(wide).collect();
    let mut expected: Vec<Vec<Vec<f64>>> = start.iter().map(|p| p.iter().map(|&p| vec![p]).collect()).collect();
    expected.iter_mut().flatten().for_each(|e| e.extend(states));
    for t in 0..STEPS {
        for (k, g) in gradients(DType::F64, t).iter().map(wide).enumerate() {
            g.iter().zip(&mut expected[k]).for_each(|(&g, e)| reference((done + t + 1) as f64, g, e));
        }
    }
    let part = |i: usize| -> Vec<Vec<f64>> { expected.iter().map(|a| a.iter().map(|e| e[i]).collect()).collect() };
    for (dtype, eps) in [(DType::F64, 1e-11), (DType::F32, 1e-5)] {
        everywhere(|| {
            let params = list(dtype, 1, -1.0, 0);
            let held: Vec<Vec<Array>> = states
                .iter()
                .enumerate()
                .map(|(i, &value)| {
                    let shaped = list(dtype, 0, 0.0, i + 1);
                    let full = crate::cast(&Array::scalar(value).unwrap(), dtype).unwrap();
                    shaped.iter().for_each(|a| copy_into(&full.view(full.layout().broadcast_to(a.shape())), a));
                    shaped
                })
                .collect();
            let (lr, count) = (Array::scalar(0.1f64).unwrap(), Array::scalar(done as f32).unwrap());
            for t in 0..STEPS {
                let (grads, held) = (gradients(dtype, t), held.iter().map(|h| refs(h)).collect::<Vec<_>>());
                step(&refs(&params), &refs(&grads), &held, &lr, &[&count]).unwrap();
            }
            assert_eq!(count.to_vec::<f32>(), [(done + STEPS) as f32]);
            for (i, h) in held.iter().enumerate() {
                close(h, &part(i + 1), eps, &format!("{what} {dtype}, state {i}"));
            }
            close(&params, &part(0), eps * 20.0, &format!("{what} {dtype}"));
            params
        });
    }
}

/// `(weight_decay, maximize)` of two runs.
const OPTIONS: [(f64, bool); 2] = [(0.0, false), (0.1, true)];

fn slope(g: f64, p: f64, (weight_decay, maximize): (f64, bool)) -> f64 {
    (if maximize { -g } else { g }) + weight_decay * p
}

#[test]
fn adagrad_adadelta_and_adamax_step_as_the_formulas_say() {
    for options in OPTIONS {
        let (weight_decay, maximize) = options;
        let (lr_decay, eps) = (0.05, 1e-3);
        let adagrad = Adagrad { lr_decay, weight_decay, eps, maximize };
        follows(
            [0.2],
            0,
            &format!("{adagrad:?}"),
            |t, g, e| {
                let g = slope(g, e[0], options);
                e[1] += g * g;
                e[0] -= 0.1 / (1.0 + (t - 1.0) * lr_decay) * g / (e[1].sqrt() + eps);
            },
            |p, g, held, lr, steps| adagrad_step(p, g, &held[0], lr, steps, adagrad),
        );
        let adadelta = Adadelta { rho: 0.8, eps, weight_decay, maximize };
        follows(
            [0.0, 0.0],
            0,
            &format!("{adadelta:?}"),
            |_, g, e| {
                let g = slope(g, e[0], options);
                e[1] = 0.8 * e[1] + (1.0 - 0.8) * g * g;
                let d = (e[2] + eps).sqrt() / (e[1] + eps).sqrt() * g;
                e[2] = 0.8 * e[2] + (1.0 - 0.8) * d * d;
                e[0] -= 0.1 * d;
            },
            |p, g, held, lr, steps| adadelta_step(p, g, &held[0], &held[1], lr, steps, adadelta),
        );
        let adamax = Adamax { betas: (0.4, 0.95), eps, weight_decay, maximize };
        follows(
            [0.0, 0.0],
            0,
            &format!("{adamax:?}"),
            |t, g, e| {
                let g = slope(g, e[0], options);
                e[1] = 0.4 * e[1] + (1.0 - 0.4) * g;
                e[2] = (0.95 * e[2]).max(g.abs() + eps);
                e[0] -= 0.1 / (1.0 - 0.4f64.powf(t)) * e[1] / e[2];
            },
            |p, g, held, lr, steps| adamax_step(p, g, &held[0], &held[1], lr, steps, adamax),
        );
    }
}

#[test]
fn rmsprop_steps_as_the_formula_says() {
    for (k, options) in [OPTIONS, OPTIONS].concat().into_iter().enumerate() {
        let (weight_decay, maximize) = options;
        let (momentum, centered, eps) = ([0.0, 0.0, 0.7, 0.9][k], k % 2 == 1, 1e-2);
        let rmsprop = RmsProp { alpha: 0.9, eps, weight_decay, momentum, maximize };
        follows(
            [0.0, 0.0, 0.0],
            0,
            &format!("{rmsprop:?} {centered}"),
            |_, g, e| {
                let g = slope(g, e[0], options);
                e[1] = 0.9 * e[1] + (1.0 - 0.9) * g * g;
                if centered {
                    e[2] = 0.9 * e[2] + (1.0 - 0.9) * g;
                }
                let step = g / ((e[1] - e[2] * e[2]).sqrt() + eps);
                e[3] = if momentum == 0.0 { 0.0 } else { momentum * e[3] + step };
                e[0] -= 0.1 * if momentum == 0.0 { step } else { e[3] };
            },
            |p, g, held, lr, steps| {
                let averages = if centered { &held[1][..] } else { &[] };
                let buffers = if momentum == 0.0 { &[] } else { &held[2][..] };
                rmsprop_step(p, g, &held[0], averages, buffers, lr, steps, rmsprop)
            },
        );
    }
    // A gradient that never changes has no variance, which rounding must not take below zero.
    let (p, g) = (Array::from_slice(&[1f32; 40], &[40]).unwrap(), Array::from_slice(&[0.1f32; 40], &[40]).unwrap());
    let (v, m) = (Array::from_slice(&[0f32; 40], &[40]).unwrap(), Array::from_slice(&[0f32; 40], &[40]).unwrap());
    let (lr, step) = (Array::scalar(1e-3f64).unwrap(), Array::scalar(0i64).unwrap());
    let options = RmsProp { alpha: 0.5, eps: 1e-2, weight_decay: 0.0, momentum: 0.0, maximize: false };
    for _ in 0..200 {
        rmsprop_step(&[&p], &[&g], &[&v], &[&m], &[], &lr, &[&step], options).unwrap();
    }
    assert!(p.to_vec::<f32>().iter().all(|p| p.is_finite()));
}

#[test]
fn nadam_and_radam_step_as_the_formulas_say() {
    let (b1, b2, eps) = (0.9f64, 0.8f64, 1e-3);
    for (k, options) in [OPTIONS, OPTIONS].concat().into_iter().enumerate() {
        let (decoupled, (weight_decay, maximize)) = (k > 1, options);
        let own = if decoupled { (0.0, maximize) } else { options };
        let shrink = if decoupled { 1.0 - 0.1 * weight_decay } else { 1.0 };
        let nadam = NAdam { betas: (b1, b2), eps, weight_decay, momentum_decay: 0.1, decoupled, maximize };
        let mu = |t: f64| b1 * (1.0 - 0.5 * 0.96f64.powf(t * 0.1));
        // The products are 0-d arrays beside the states, one for each parameter.
        let products: std::cell::RefCell<Vec<Array>> = Default::default();
        let moments = |g: f64, e: &mut [f64]| {
            let g = slope(g, e[0], own);
            e[0] *= shrink;
            e[1] = b1 * e[1] + (1.0 - b1) * g;
            e[2] = b2 * e[2] + (1.0 - b2) * g * g;
            g
        };
        follows(
            [0.0, 0.0],
            0,
            &format!("{nadam:?}"),
            |t, g, e| {
                let g = moments(g, e);
                let product: f64 = (1..=t as usize).map(|i| mu(i as f64)).product();
                let root = (e[2] / (1.0 - b2.powf(t))).sqrt() + eps;
                let next = mu(t + 1.0);
                e[0] -= 0.1 * ((1.0 - mu(t)) / (1.0 - product) * g + next / (1.0 - product * next) * e[1]) / root;
            },
            |p, g, held, lr, steps| {
                if number("", "", steps[0])? == 0.0 {
                    *products.borrow_mut() = p.iter().map(|_| Array::scalar(1f64).unwrap()).collect();
                }
                nadam_step(p, g, &held[0], &held[1], &refs(&products.borrow()), lr, steps, nadam)
            },
        );
        // The variance is rectified from the seventh step on.
        for done in [0, 4, 30] {
            let radam = RAdam { betas: (b1, b2), eps, weight_decay, decoupled, maximize };
            follows(
                [0.0, 0.0],
                done,
                &format!("{radam:?} after {done}"),
                |t, g, e| {
                    let g = slope(g, e[0], own);
                    e[0] *= shrink;
                    e[1] = b1 * e[1] + (1.0 - b1) * g;
                    e[2] = b2 * e[2] + (1.0 - b2) * g * g;
                    let (correction, most) = (1.0 - b2.powf(t), 2.0 / (1.0 - b2) - 1.0);
                    let rho = most - 2.0 * t * b2.powf(t) / correction;
                    let mut step = 0.1 * e[1] / (1.0 - b1.powf(t));
                    if rho > 5.0 {
                        let squared = (rho - 4.0) * (rho - 2.0) * most / ((most - 4.0) * (most - 2.0) * rho);
                        step *= squared.sqrt() * correction.sqrt() / (e[2].sqrt() + eps);
                    }
                    e[0] -= step;
                },
                |p, g, held, lr, steps| radam_step(p, g, &held[0], &held[1], lr, steps, radam),
            );
        }
    }
}

#[test]
fn what_does_not_fit_the_further_steps_is_refused() {
    let (p, g, s) = (values(&[4], 1, 0.0), values(&[4], 2, 0.0), values(&[4], 3, 0.0));
    let (v, lr, step) = (values(&[4], 4, 0.0), Array::scalar(0.1f64).unwrap(), Array::scalar(0i64).unwrap());
    let message = |r: Result<()>| r.unwrap_err().to_string();
    let adagrad = Adagrad { lr_decay: 0.0, weight_decay: 0.0, eps: 1e-10, maximize: false };
    assert!(message(adagrad_step(&[&p], &[&g], &[], &lr, &[&step], adagrad)).contains("adagrad_step: sums"));
    let adadelta = Adadelta { rho: 1.5, eps: 1e-6, weight_decay: 0.0, maximize: false };
    let error = message(adadelta_step(&[&p], &[&g], &[&s], &[&v], &lr, &[&step], adadelta));
    assert!(error.contains("adadelta_step: rho: expected a number from 0 to 1, got 1.5"));
    let rmsprop = RmsProp { alpha: 0.9, eps: 1e-6, weight_decay: 0.0, momentum: 0.5, maximize: false };
    let error = message(rmsprop_step(&[&p], &[&g], &[&s], &[], &[], &lr, &[&step], rmsprop));
    assert!(error.contains("rmsprop_step: momentum_buffers"));
    let adamax = Adamax { betas: (1.0, 0.9), eps: 1e-6, weight_decay: 0.0, maximize: false };
    assert!(message(adamax_step(&[&p], &[&g], &[&s], &[&v], &lr, &[&step], adamax)).contains("beta1"));
    let radam = RAdam { betas: (0.9, -0.1), eps: 1e-6, weight_decay: 0.0, decoupled: false, maximize: false };
    assert!(message(radam_step(&[&p], &[&g], &[&s], &[&v], &lr, &[&step], radam)).contains("beta2"));
    let nadam = NAdam {
        betas: (0.9, 0.99),
        eps: 1e-6,
        weight_decay: 0.0,
        momentum_decay: 0.0,
        decoupled: false,
        maximize: false,
    };
    let try_nadam = |products: &[&Array]| nadam_step(&[&p], &[&g], &[&s], &[&v], products, &lr, &[&step], nadam);
    assert!(message(try_nadam(&[])).contains("mu_products"));
    assert!(message(try_nadam(&[&g])).contains("mu_products[0]: expected a 0-d array"));
    assert!(message(try_nadam(&[&Array::scalar(1i64).unwrap()])).contains("float32 or float64"));
    assert_eq!((p.to_vec::<f64>(), step.to_vec::<i64>()), (values(&[4], 1, 0.0).to_vec::<f64>(), vec![0]));
}
