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
