//! Against the formulas in double precision, one sequence and one step at a time, on every instruction set.

use ferrograd_unit::test;

use super::*;
use crate::isa::{self, Isa};
use crate::parallel;
use crate::reduce::tests::{array, noise, values};
use crate::simd::Float;
use ferrograd_array::Array;

#[derive(Debug, Clone, Copy)]
struct Case {
    input: usize,
    hidden: usize,
    sizes: &'static [usize],
    reverse: bool,
}

const CASES: [Case; 5] = [
    Case { input: 3, hidden: 2, sizes: &[2, 2, 2], reverse: false },
    Case { input: 1, hidden: 1, sizes: &[1], reverse: true },
    Case { input: 4, hidden: 17, sizes: &[13, 7, 1], reverse: false },
    Case { input: 2, hidden: 35, sizes: &[14, 14, 3, 2], reverse: true },
    Case { input: 5, hidden: 70, sizes: &[40, 25], reverse: false },
];

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}

/// Random operands of a layer: x, h0, c0, w_ih, w_hh, b_ih, b_hh.
struct Given {
    x: Vec<f64>,
    h0: Vec<f64>,
    c0: Vec<f64>,
    w_ih: Vec<f64>,
    w_hh: Vec<f64>,
    b_ih: Vec<f64>,
    b_hh: Vec<f64>,
}

impl Given {
    fn new(case: Case, gates: usize) -> Self {
        let Case { input, hidden, sizes, .. } = case;
        let (rows, g) = (sizes.iter().sum::<usize>(), gates * hidden);
        let scaled = |seed, n: usize, by: usize| -> Vec<f64> {
            noise(n, seed).iter().map(|v| v / (by as f64).sqrt()).map(|v| v as f32 as f64).collect()
        };
        Self {
            x: scaled(1, rows * input, 1),
            h0: scaled(2, sizes[0] * hidden, 1),
            c0: scaled(3, sizes[0] * hidden, 1),
            w_ih: scaled(4, g * input, input),
            w_hh: scaled(5, g * hidden, hidden),
            b_ih: scaled(6, g, 1),
            b_hh: scaled(7, g, 1),
        }
    }

    /// All states, a row for each row of the input, by `cell(gate sums of the input, of the state, h, c) -> (h, c)` of
    /// one unit; and the last cell states.
    fn run(
        &self,
        case: Case,
        gates: usize,
        cell: impl Fn(&[f64], &[f64], f64, f64) -> (f64, f64),
    ) -> (Vec<f64>, Vec<f64>) {
        let Case { input, hidden, sizes, reverse } = case;
        let starts: Vec<usize> = sizes.iter().scan(0, |next, &n| Some(std::mem::replace(next, *next + n))).collect();
        let mut y = vec![0.0; sizes.iter().sum::<usize>() * hidden];
        let mut last = vec![0.0; sizes[0] * hidden];
        for b in 0..sizes[0] {
            let mut rows: Vec<usize> = (0..sizes.len()).filter(|&t| b < sizes[t]).map(|t| starts[t] + b).collect();
            if reverse {
                rows.reverse();
            }
            let (mut h, mut c) = (self.h0[b * hidden..][..hidden].to_vec(), self.c0[b * hidden..][..hidden].to_vec());
            for row in rows {
                let dot = |w: &[f64], v: &[f64]| w.iter().zip(v).map(|(a, b)| a * b).sum::<f64>();
                let x = &self.x[row * input..][..input];
                let a: Vec<f64> =
                    (0..gates * hidden).map(|j| dot(&self.w_ih[j * input..][..input], x) + self.b_ih[j]).collect();
                let s: Vec<f64> =
                    (0..gates * hidden).map(|j| dot(&self.w_hh[j * hidden..][..hidden], &h) + self.b_hh[j]).collect();
                for u in 0..hidden {
                    let pick = |v: &[f64]| (0..gates).map(|g| v[g * hidden + u]).collect::<Vec<_>>();
                    (y[row * hidden + u], c[u]) = cell(&pick(&a), &pick(&s), h[u], c[u]);
                }
                h.copy_from_slice(&y[row * hidden..][..hidden]);
            }
            last[b * hidden..][..hidden].copy_from_slice(&c);
        }
        (y, last)
    }
}

fn plain(case: Case) -> (Vec<f64>, Vec<f64>) {
    Given::new(case, 1).run(case, 1, |a, s, _, _| (libm::tanh(a[0] + s[0]), 0.0))
}

fn long_memory(case: Case) -> (Vec<f64>, Vec<f64>) {
    Given::new(case, 4).run(case, 4, |a, s, _, c| {
        let (i, f, o) = (sigmoid(a[0] + s[0]), sigmoid(a[1] + s[1]), sigmoid(a[3] + s[3]));
        let c = f * c + i * libm::tanh(a[2] + s[2]);
        (o * libm::tanh(c), c)
    })
}

fn gated(case: Case) -> (Vec<f64>, Vec<f64>) {
    Given::new(case, 3).run(case, 3, |a, s, h, _| {
        let (r, z) = (sigmoid(a[0] + s[0]), sigmoid(a[1] + s[1]));
        ((1.0 - z) * libm::tanh(a[2] + r * s[2]) + z * h, 0.0)
    })
}

/// The operands as arrays, and what the kernels are called with.
struct Arrays([Array; 7]);

impl Arrays {
    fn new<T: Float>(case: Case, gates: usize) -> Self {
        let g = Given::new(case, gates);
        let Case { input, hidden, sizes, .. } = case;
        let (rows, width) = (sizes.iter().sum(), gates * hidden);
        Self([
            array::<T>(&g.x, &[rows, input]),
            array::<T>(&g.h0, &[sizes[0], hidden]),
            array::<T>(&g.c0, &[sizes[0], hidden]),
            array::<T>(&g.w_ih, &[width, input]),
            array::<T>(&g.w_hh, &[width, hidden]),
            array::<T>(&g.b_ih, &[width]),
            array::<T>(&g.b_hh, &[width]),
        ])
    }

    fn inputs(&self, case: Case) -> Inputs<'_> {
        let [x, h0, c0, w_ih, w_hh, b_ih, b_hh] = &self.0;
        Inputs {
            x,
            h0: Some(h0),
            c0: Some(c0),
            w_ih,
            w_hh,
            b_ih: Some(b_ih),
            b_hh: Some(b_hh),
            w_hr: None,
            batch: Batch { sizes: Some(case.sizes), reverse: case.reverse },
        }
    }
}

fn close<T: Float>(what: &str, got: &Array, want: &[f64], tolerance: f64) {
    for (i, (g, w)) in values::<T>(got).iter().zip(want).enumerate() {
        assert!((g - w).abs() <= tolerance, "{what} at {i}: {g}, not {w}");
    }
}

fn values_agree<T: Float>(tolerance: f64) {
    for case in CASES {
        let arrays = Arrays::new::<T>(case, 1);
        let (y, _) = rnn(&arrays.inputs(case), Nonlinearity::Tanh).unwrap();
        close::<T>("rnn", &y, &plain(case).0, tolerance);
        let arrays = Arrays::new::<T>(case, 4);
        let out = lstm(&arrays.inputs(case)).unwrap();
        let (states, cells) = long_memory(case);
        close::<T>("lstm", &out.y, &states, tolerance);
        close::<T>("cells", &out.c, &cells, tolerance);
        let arrays = Arrays::new::<T>(case, 3);
        let (y, _, _) = gru(&arrays.inputs(case)).unwrap();
        close::<T>("gru", &y, &gated(case).0, tolerance);
    }
}

#[test]
fn values_are_the_formulas() {
    for isa in Isa::available() {
        isa::with(isa, || {
            values_agree::<f32>(2e-5);
            values_agree::<f64>(1e-12);
        });
    }
}

/// `Σ y + Σ h + Σ c` of a layer by central differences in one operand, against the sum of that operand's gradient.
fn slope(op: usize, gradient: &Array, objective: &dyn Fn(&Arrays) -> f64, arrays: &Arrays) {
    let step = 1e-6;
    let moved = |by: f64| {
        let mut all = arrays.0.clone();
        let shifted: Vec<f64> = values::<f64>(&all[op]).iter().map(|v| v + by).collect();
        all[op] = array::<f64>(&shifted, all[op].shape());
        objective(&Arrays(all))
    };
    let numeric = (moved(step) - moved(-step)) / (2.0 * step);
    let analytic: f64 = values::<f64>(gradient).iter().sum();
    assert!((analytic - numeric).abs() <= 1e-6 * (1.0 + numeric.abs()), "operand {op}: {analytic}, not {numeric}");
}

fn total(arrays: &[&Array]) -> f64 {
    arrays.iter().flat_map(|a| values::<f64>(a)).sum()
}

#[test]
fn gradients_are_slopes() {
    for case in CASES {
        let ones = |like: &Array| array::<f64>(&vec![1.0; like.numel()], like.shape());
        let arrays = Arrays::new::<f64>(case, 1);
        let (y, h) = rnn(&arrays.inputs(case), Nonlinearity::Tanh).unwrap();
        let found = rnn_grad(Some(&ones(&y)), Some(&ones(&h)), &arrays.inputs(case), &y, Nonlinearity::Tanh, [true; 6]);
        let objective = |a: &Arrays| {
            let (y, h) = rnn(&a.inputs(case), Nonlinearity::Tanh).unwrap();
            total(&[&y, &h])
        };
        for (op, gradient) in [0, 1, 3, 4, 5, 6].into_iter().zip(found.unwrap()) {
            slope(op, &gradient.unwrap(), &objective, &arrays);
        }
        let arrays = Arrays::new::<f64>(case, 3);
        let (y, h, gates) = gru(&arrays.inputs(case)).unwrap();
        let found = gru_grad(Some(&ones(&y)), Some(&ones(&h)), &arrays.inputs(case), &y, &gates, [true; 6]);
        let objective = |a: &Arrays| {
            let (y, h, _) = gru(&a.inputs(case)).unwrap();
            total(&[&y, &h])
        };
        for (op, gradient) in [0, 1, 3, 4, 5, 6].into_iter().zip(found.unwrap()) {
            slope(op, &gradient.unwrap(), &objective, &arrays);
        }
        let arrays = Arrays::new::<f64>(case, 4);
        let out = lstm(&arrays.inputs(case)).unwrap();
        let (gy, gh, gc) = (ones(&out.y), ones(&out.h), ones(&out.c));
        let grads = LstmGradients { y: Some(&gy), h: Some(&gh), c: Some(&gc) };
        let saved = (&out.y, &out.gates, &out.cells, None);
        let found = lstm_grad(grads, &arrays.inputs(case), saved, [true; 8]).unwrap();
        let objective = |a: &Arrays| {
            let out = lstm(&a.inputs(case)).unwrap();
            total(&[&out.y, &out.h, &out.c])
        };
        for (op, gradient) in (0..7).zip(found) {
            slope(op, &gradient.unwrap(), &objective, &arrays);
        }
    }
}

#[test]
fn only_what_is_asked_for_is_computed() {
    let case = CASES[2];
    let arrays = Arrays::new::<f32>(case, 4);
    let out = lstm(&arrays.inputs(case)).unwrap();
    let grads = LstmGradients { y: None, h: None, c: Some(&out.c) };
    let mut needs = [false; 8];
    needs[4] = true;
    let found = lstm_grad(grads, &arrays.inputs(case), (&out.y, &out.gates, &out.cells, None), needs).unwrap();
    assert_eq!(found.map(|g| g.is_some()), needs);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let case = CASES[4];
    let arrays = Arrays::new::<f32>(case, 3);
    let run = || {
        let (y, h, gates) = gru(&arrays.inputs(case)).unwrap();
        let found = gru_grad(Some(&y), Some(&h), &arrays.inputs(case), &y, &gates, [true; 6]).unwrap();
        found.into_iter().flatten().chain([y, h]).map(|a| a.to_vec::<f32>()).collect::<Vec<_>>()
    };
    for isa in Isa::available() {
        isa::with(isa, || {
            let before = parallel::num_threads();
            let all: Vec<_> = [1, 2, 8]
                .map(|n| {
                    parallel::set_num_threads(n);
                    run()
                })
                .into();
            parallel::set_num_threads(before);
            assert!(all[1] == all[0] && all[2] == all[0]);
        });
    }
}
