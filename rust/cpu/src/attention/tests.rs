use ferrograd_unit::test;

use ferrograd_array::{Array, DType, Error, Layout};

use super::*;
use crate::parallel;
use crate::reduce::tests::{array, layouts, noise, on_every_isa, values};

/// A call: leading dimensions of q, k and v, then L, S, E and Ev.
struct Case {
    lead: [&'static [usize]; 3],
    sizes: [usize; 4],
    causal: bool,
    mask: Option<Array>,
}

fn case(lead: &'static [usize], sizes: [usize; 4], causal: bool) -> Case {
    Case { lead: [lead; 3], sizes, causal, mask: None }
}

fn bools(pattern: impl Fn(usize) -> bool, shape: &[usize]) -> Array {
    let out = Array::empty(shape, DType::Bool).unwrap();
    for i in 0..out.numel() {
        // SAFETY: new, contiguous.
        unsafe { *out.ptr_mut::<u8>().add(i) = pattern(i) as u8 };
    }
    out
}

fn cases<T: Float>() -> Vec<Case> {
    let floats = |shape: &[usize]| {
        let mut all = noise(shape.iter().product(), 9);
        all.iter_mut().step_by(5).for_each(|x| *x = f64::NEG_INFINITY);
        Some(array::<T>(&all, shape))
    };
    vec![
        case(&[], [4, 3, 5, 2], false),
        case(&[], [3, 4, 5, 2], true),
        case(&[], [1, 1, 1, 1], false),
        case(&[2], [0, 3, 5, 2], false),
        case(&[2], [3, 0, 5, 2], false),
        case(&[0], [3, 4, 5, 2], true),
        case(&[2], [3, 4, 0, 2], false),
        case(&[2, 2], [33, 70, 20, 36], false),
        case(&[2, 2], [70, 33, 36, 20], true),
        // Several blocks of keys, and chunks of them.
        case(&[2], [40, 300, 8, 17], false),
        case(&[1], [290, 290, 16, 16], true),
        case(&[1], [50, 1100, 5, 6], true),
        Case { mask: floats(&[2, 1, 1, 150]), ..case(&[2, 2], [34, 150, 7, 9], false) },
        Case { mask: floats(&[34, 150]), ..case(&[2, 2], [34, 150, 7, 9], false) },
        Case { mask: Some(bools(|i| i % 3 > 0 && i / 140 != 2, &[34, 140])), ..case(&[3], [34, 140, 7, 9], true) },
        Case { mask: Some(bools(|i| i > 2, &[6])), ..case(&[3], [9, 6, 4, 4], false) },
        Case { mask: Some(bools(|i| i % 2 > 0, &[9, 1])), ..case(&[3], [9, 6, 4, 4], false) },
        Case { lead: [&[2, 1], &[3], &[1, 1]], ..case(&[], [5, 6, 4, 4], false) },
    ]
}

/// The operands and the gradient of the result, from noise that scores differ by.
fn operands<T: Float>(case: &Case) -> [Array; 4] {
    let [l, s, e, ev] = case.sizes;
    let shape = |lead: &[usize], rows, columns| [lead, &[rows, columns]].concat();
    let of = |shape: Vec<usize>, seed| array::<T>(&noise(shape.iter().product(), seed), &shape);
    let batch = case.lead.iter().max_by_key(|lead| lead.len()).unwrap();
    let batch: Vec<usize> =
        if case.lead[0].len() == 2 && case.lead[1].len() == 1 { vec![2, 3] } else { batch.to_vec() };
    [
        of(shape(case.lead[0], l, e), 1),
        of(shape(case.lead[1], s, e), 2),
        of(shape(case.lead[2], s, ev), 3),
        of(shape(&batch, l, ev), 4),
    ]
}

/// The result, and the gradients of q, k and v, by their formulas.
fn formulas<T: Float>(case: &Case, [q, k, v, g]: &[Array; 4], scale: f64) -> [Vec<f64>; 4] {
    let [l, s, e, ev] = case.sizes;
    let batch = &g.shape()[..g.ndim() - 2];
    let heads: usize = batch.iter().product();
    let full = |a: &Array, rows, columns| {
        let shape = [batch, &[rows, columns]].concat();
        a.view(a.layout().broadcast_to(&shape))
    };
    let (q, k, v) = (values::<T>(&full(q, l, e)), values::<T>(&full(k, s, e)), values::<T>(&full(v, s, ev)));
    let g = values::<T>(g);
    let mask: Vec<f64> = match &case.mask {
        None => vec![0.0; heads * l * s],
        Some(mask) if mask.dtype() == DType::Bool => {
            full(mask, l, s).to_vec::<u8>().iter().map(|&x| if x != 0 { 0.0 } else { f64::NEG_INFINITY }).collect()
        }
        Some(mask) => values::<T>(&full(mask, l, s)),
    };
    let mut out = [vec![0.0; heads * l * ev], vec![0.0; q.len()], vec![0.0; k.len()], vec![0.0; v.len()]];
    for h in 0..heads {
        for i in 0..l {
            let (q, g) = (&q[(h * l + i) * e..][..e], &g[(h * l + i) * ev..][..ev]);
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
            let (key, value) = (|j: usize| &k[(h * s + j) * e..][..e], |j: usize| &v[(h * s + j) * ev..][..ev]);
            let score = |j: usize| {
                let hidden = if case.causal && j > i { f64::NEG_INFINITY } else { 0.0 };
                scale * dot(q, key(j)) + mask[(h * l + i) * s + j] + hidden
            };
            let scores: Vec<f64> = (0..s).map(score).collect();
            let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if highest == f64::NEG_INFINITY {
                continue;
            }
            let total: f64 = scores.iter().map(|x| (x - highest).exp()).sum();
            let weights: Vec<f64> = scores.iter().map(|x| (x - highest).exp() / total).collect();
            let mean: f64 = (0..s).map(|j| weights[j] * dot(g, value(j))).sum();
            for j in 0..s {
                let d = scale * weights[j] * (dot(g, value(j)) - mean);
                for c in 0..ev {
                    out[0][(h * l + i) * ev + c] += weights[j] * value(j)[c];
                    out[3][(h * s + j) * ev + c] += weights[j] * g[c];
                }
                for c in 0..e {
                    out[1][(h * l + i) * e + c] += d * key(j)[c];
                    out[2][(h * s + j) * e + c] += d * q[c];
                }
            }
        }
    }
    out
}

fn close<T: Float>(what: &str, case: &Case, got: &Array, want: &[f64], tolerance: f64) {
    let scale = want.iter().fold(1e-3f64, |most, x| most.max(x.abs()));
    assert_eq!(got.numel(), want.len(), "{what} {:?}", case.sizes);
    for (i, (got, want)) in values::<T>(got).into_iter().zip(want).enumerate() {
        let (lead, sizes, causal) = (case.lead, case.sizes, case.causal);
        assert!((got - want).abs() <= tolerance * scale, "{what} {lead:?} {sizes:?} {causal} at {i}: {got} {want}");
    }
}

const NEEDS: [[bool; 3]; 4] = [[true; 3], [true, false, false], [false, true, false], [false, false, true]];

fn check<T: Float>(tolerance: f64) {
    let scale = 0.6;
    for case in cases::<T>() {
        let all = operands::<T>(&case);
        let want = formulas::<T>(&case, &all, scale);
        let plain = [0, 0, 0, 0];
        let places: [[usize; 4]; 5] = [plain, [1, 0, 0, 1], [0, 1, 2, 2], [2, 4, 3, 4], [5, 5, 5, 3]];
        for place in if case.sizes.contains(&0) { &places[..1] } else { &places } {
            let [q, k, v, g] = [0, 1, 2, 3].map(|i| {
                let all = layouts(&all[i]);
                all[place[i].min(all.len() - 1)].clone()
            });
            let inputs = Inputs { q: &q, k: &k, v: &v, mask: case.mask.as_ref(), scale, causal: case.causal };
            let found = attention(&inputs, true).unwrap();
            close::<T>("y", &case, &found.y, &want[0], tolerance);
            let bare = attention(&inputs, false).unwrap();
            close::<T>("y", &case, &bare.y, &want[0], tolerance);
            assert!(bare.log_sums.is_none() && bare.kept.is_none());
            let (y, logs) = (&found.y, found.log_sums.as_ref().unwrap());
            for kept in [found.kept.as_ref(), None] {
                for needs in if *place == plain { &NEEDS[..] } else { &NEEDS[..1] } {
                    let needs = *needs;
                    let grads = attention_grad(&g, &inputs, y, logs, kept, needs).unwrap();
                    for k in 0..3 {
                        assert_eq!(grads[k].is_some(), needs[k]);
                        if let Some(got) = &grads[k] {
                            close::<T>(["q", "k", "v"][k], &case, got, &want[k + 1], tolerance);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn against_the_formulas() {
    on_every_isa(|| {
        check::<f32>(3e-6);
        check::<f64>(1e-14);
    });
}

#[test]
fn results_lie_as_the_queries_do() {
    // Heads as columns of (N, L, H, E), and keys whose rows would crowd the cache.
    let wide = array::<f32>(&noise(2 * 9 * 4 * 128, 5), &[2, 9, 4, 128]);
    let heads = wide.view(wide.layout().permuted(&[0, 2, 1, 3]));
    let inputs = Inputs { q: &heads, k: &heads, v: &heads, mask: None, scale: 1.0, causal: true };
    let found = attention(&inputs, true).unwrap();
    assert_eq!(found.y.strides(), heads.strides());
    let logs = found.log_sums.as_ref().unwrap();
    for grad in attention_grad(&found.y, &inputs, &found.y, logs, found.kept.as_ref(), [true; 3]).unwrap() {
        assert_eq!(grad.unwrap().strides(), heads.strides());
    }
}

#[test]
fn a_nan_stays_in_its_row() {
    on_every_isa(|| {
        let q = array::<f32>(&noise(9 * 4, 1), &[9, 4]);
        let mut mask = vec![0.0; 9 * 200];
        (0..200).for_each(|j| mask[3 * 200 + j] = f64::NEG_INFINITY);
        mask[5 * 200 + 7] = f64::NAN;
        let mask = array::<f32>(&mask, &[9, 200]);
        let k = array::<f32>(&noise(200 * 4, 2), &[200, 4]);
        let inputs = Inputs { q: &q, k: &k, v: &k, mask: Some(&mask), scale: 1.0, causal: false };
        let found = attention(&inputs, true).unwrap();
        let y = found.y.to_vec::<f32>();
        for (i, row) in y.chunks(4).enumerate() {
            assert!(row.iter().all(|x| if i == 5 { x.is_nan() } else { x.is_finite() && (i != 3 || *x == 0.0) }));
        }
    });
}

#[test]
fn threads_change_no_bit() {
    on_every_isa(|| {
        let before = parallel::num_threads();
        for (lead, l, s, causal) in [(vec![24], 96, 96, true), (vec![24], 40, 300, false), (vec![1], 300, 900, true)] {
            let of = |rows: usize, seed| {
                let shape = [lead.as_slice(), &[rows, 24]].concat();
                array::<f32>(&noise(shape.iter().product(), seed), &shape)
            };
            let (q, k, v, g) = (of(l, 1), of(s, 2), of(s, 3), of(l, 4));
            let inputs = Inputs { q: &q, k: &k, v: &v, mask: None, scale: 0.2, causal };
            let mut seen: Option<Vec<Vec<f32>>> = None;
            for threads in [1, 2, 8] {
                parallel::set_num_threads(threads);
                let found = attention(&inputs, true).unwrap();
                let logs = found.log_sums.as_ref().unwrap();
                let grads = attention_grad(&g, &inputs, &found.y, logs, found.kept.as_ref(), [true; 3]).unwrap();
                let mut got: Vec<Vec<f32>> = grads.iter().map(|a| a.as_ref().unwrap().to_vec()).collect();
                got.push(found.y.to_vec());
                assert!(*seen.get_or_insert_with(|| got.clone()) == got);
            }
        }
        parallel::set_num_threads(before);
    });
}

#[test]
fn wrong_calls() {
    let of = |shape: &[usize]| array::<f32>(&noise(shape.iter().product(), 1), shape);
    let message = |q: &Array, k: &Array, v: &Array, mask: Option<&Array>| match attention(
        &Inputs { q, k, v, mask, scale: 1.0, causal: false },
        false,
    ) {
        Err(Error::Shape(text) | Error::DType(text)) => text,
        _ => panic!("a wrong call was taken"),
    };
    let (q, k, v) = (of(&[2, 4, 5]), of(&[2, 3, 5]), of(&[2, 3, 6]));
    assert_eq!(message(&of(&[5]), &k, &v, None), "attention: query: expected at least 2 dimensions, got (5,)");
    assert_eq!(message(&q, &of(&[2, 3, 4]), &v, None), "attention: key: expected 5 features, got (2, 3, 4)");
    assert_eq!(message(&q, &k, &of(&[2, 2, 6]), None), "attention: value: expected 3 rows, as key has, got (2, 2, 6)");
    assert!(message(&q, &of(&[3, 3, 5]), &v, None).contains("broadcasts with (2,)"));
    assert!(message(&q, &k, &v, Some(&of(&[5, 3]))).contains("broadcasts with (2, 4, 3)"));
    assert!(message(&q, &k, &v, Some(&of(&[1, 2, 4, 3]))).contains("a shape that broadcasts to (2, 4, 3)"));
    assert_eq!(
        message(&q, &k, &v, Some(&Array::from_slice(&[1i64], &[1]).unwrap())),
        "attention: mask: expected bool or float32, got int64"
    );
    assert_eq!(
        message(&q, &array::<f64>(&noise(30, 1), &[2, 3, 5]), &v, None),
        "attention: key: expected float32, as query has, got float64"
    );
    let inputs = Inputs { q: &q, k: &k, v: &v, mask: None, scale: 1.0, causal: false };
    let found = attention(&inputs, true).unwrap();
    let logs = found.log_sums.unwrap();
    assert!(matches!(attention_grad(&q, &inputs, &found.y, &logs, None, [true; 3]), Err(Error::Shape(_))));
    let short = logs.view(Layout::contiguous(&[2, 2]));
    assert!(matches!(attention_grad(&found.y, &inputs, &found.y, &short, None, [true; 3]), Err(Error::Shape(_))));
}

#[test]
fn packed_heads_are_the_same_heads() {
    let (n, l, heads, e) = (2, 37, 3, 5);
    let x = array::<f32>(&noise(n * l * 3 * heads * e, 7), &[n, l, 3 * heads * e]);
    let g = array::<f32>(&noise(n * l * heads * e, 8), &[n, l, heads * e]);
    let mask = bools(|i| i % 4 > 0, &[l, l]);
    let head = |a: &Array, part: usize| {
        let wide = a.view(a.layout().sliced(2, part * heads * e, 1, heads * e));
        let apart = crate::contiguous(&wide).unwrap();
        apart.view(Layout::contiguous(&[n, l, heads, e]).permuted(&[0, 2, 1, 3]))
    };
    for (x, g) in layouts(&x).into_iter().zip(layouts(&g).into_iter().cycle()) {
        let (q, k, v) = (head(&x, 0), head(&x, 1), head(&x, 2));
        let inputs = Inputs { q: &q, k: &k, v: &v, mask: Some(&mask), scale: 0.4, causal: false };
        let want = attention(&inputs, true).unwrap();
        let packed = Packed { x: &x, heads, mask: Some(&mask), scale: 0.4, causal: false };
        let found = self_attention(&packed, true).unwrap();
        let back = |a: &Array| a.view(a.layout().permuted(&[0, 2, 1, 3])).to_vec::<f32>();
        assert_eq!(found.y.to_vec::<f32>(), back(&want.y));
        let logs = found.log_sums.as_ref().unwrap();
        let dx = self_attention_grad(&g, &packed, &found.y, logs, found.kept.as_ref()).unwrap();
        let grads = attention_grad(&head(&g, 0), &inputs, &want.y, logs, found.kept.as_ref(), [true; 3]).unwrap();
        for (part, grad) in grads.iter().enumerate() {
            assert_eq!(head(&dx, part).to_vec::<f32>(), grad.as_ref().unwrap().to_vec::<f32>());
        }
    }
    let wrong = Packed { x: &x, heads: 4, mask: None, scale: 1.0, causal: false };
    assert!(matches!(self_attention(&wrong, false), Err(Error::Shape(_))));
}
