use ferrograd_unit::test;

use super::*;
use crate::bits::copy_into;
use crate::{isa, parallel};
use ferrograd_array::DType;

/// A small generator for geometries and values.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.0 >> 33
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn array(&mut self, shape: &[usize], ties: bool) -> Array {
        let n = shape.iter().product::<usize>();
        let values: Vec<f64> =
            (0..n).map(|_| if ties { self.below(5) as f64 - 2.0 } else { self.next() as f64 / 1e9 - 1.0 }).collect();
        Array::from_slice(&values, shape).unwrap()
    }
}

/// The same values in another memory order.
fn in_order(a: &Array, order: usize) -> Array {
    let n = a.ndim();
    let dims: Vec<usize> = match order {
        0 => return a.clone(),
        // Channels last, of a batch of one or more.
        1 => (0..n).map(|k| (k + 1) % n).collect(),
        _ => (0..n).rev().collect(),
    };
    let dims = if order == 1 && n > 3 { [vec![0], (2..n).collect(), vec![1]].concat() } else { dims };
    let mut shape: Vec<usize> = dims.iter().map(|&k| a.shape()[k]).collect();
    if order == 3 {
        shape[n - 1] = 2 * shape[n - 1] + 1;
    }
    let base = Array::empty(&shape, a.dtype()).unwrap();
    let last = a.shape()[dims[n - 1]];
    let layout = if order == 3 { base.layout().sliced(n - 1, 2 * last, -2, last) } else { base.layout().clone() };
    let mut back = vec![0; n];
    for (at, &k) in dims.iter().enumerate() {
        back[k] = at;
    }
    let view = base.view(layout.permuted(&back));
    copy_into(a, &view);
    view
}

fn unravel(shape: &[usize], mut linear: usize) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for k in (0..shape.len()).rev() {
        index[k] = linear % shape[k];
        linear /= shape[k];
    }
    index
}

/// The elements of the window of output element `o` by their flat index in the plane, padding left out.
fn window_of(sizes: &[usize], w: &Window<'_>, o: &[usize]) -> Vec<usize> {
    let kernel: Vec<usize> = w.kernel_size.iter().map(|&k| k as usize).collect();
    (0..kernel.iter().product())
        .filter_map(|l| {
            let tap = unravel(&kernel, l);
            let mut flat = 0;
            for k in 0..kernel.len() {
                let at = o[k] as isize * w.stride[k] + tap[k] as isize * w.dilation[k] - w.padding[k];
                if !(0..sizes[k] as isize).contains(&at) {
                    return None;
                }
                flat = flat * sizes[k] + at as usize;
            }
            Some(flat)
        })
        .collect()
}

struct Case {
    kernel: Vec<isize>,
    stride: Vec<isize>,
    padding: Vec<isize>,
    dilation: Vec<isize>,
    ceil: bool,
    shape: Vec<usize>,
    spatial: usize,
}

impl Case {
    fn random(r: &mut Random) -> Self {
        let spatial = 1 + r.below(3);
        let mut shape = if r.below(4) == 0 { vec![] } else { vec![1 + r.below(3)] };
        shape.push([1, 2, 3, 16, 19][r.below(5)]);
        let (mut kernel, mut stride, mut padding, mut dilation) = (vec![], vec![], vec![], vec![]);
        for k in 0..spatial {
            let wide = if k == spatial - 1 && spatial < 3 { 40 } else { 9 };
            shape.push(1 + r.below(wide));
            kernel.push(1 + r.below(4) as isize);
            stride.push(1 + r.below(3) as isize);
            dilation.push(if r.below(3) == 0 { 1 + r.below(3) as isize } else { 1 });
            padding.push(r.below(kernel[k] as usize / 2 + 1) as isize);
        }
        if r.below(3) == 0 {
            kernel.fill(2);
            stride.fill(2);
            padding.fill(0);
            dilation.fill(1);
        }
        Case { kernel, stride, padding, dilation, ceil: r.below(2) == 0, shape, spatial }
    }

    fn window(&self) -> Window<'_> {
        Window {
            kernel_size: &self.kernel,
            stride: &self.stride,
            padding: &self.padding,
            dilation: &self.dilation,
            ceil_mode: self.ceil,
        }
    }
}

/// PyTorch's formula of an output size.
fn expected_size(n: usize, k: isize, s: isize, p: isize, d: isize, ceil: bool) -> isize {
    let n = n as isize;
    let mut out = (n + 2 * p - d * (k - 1) - 1 + if ceil { s - 1 } else { 0 }).div_euclid(s) + 1;
    if ceil && (out - 1) * s >= n + p {
        out -= 1;
    }
    out
}

fn threads(f: impl Fn() -> Vec<Array>) -> Vec<Array> {
    let mut first: Option<Vec<Array>> = None;
    for threads in [1, 2, 8] {
        parallel::set_num_threads(threads);
        let got = f();
        match &first {
            None => first = Some(got),
            Some(first) => {
                for (a, b) in first.iter().zip(&got) {
                    if a.dtype() == DType::F32 {
                        assert!(
                            a.to_vec::<f32>().iter().zip(b.to_vec::<f32>()).all(|(x, y)| x.to_bits() == y.to_bits())
                        );
                    }
                }
            }
        }
    }
    first.unwrap()
}

#[test]
fn random_geometries_follow_the_definition() {
    for (i, isa) in isa::Isa::available().into_iter().enumerate() {
        isa::with(isa, || {
            let mut r = Random(17 + i as u64);
            let mut done = 0;
            while done < 350 {
                let case = Case::random(&mut r);
                done += check(&case, &mut r, done % 4) as usize;
            }
        });
    }
}

fn check(case: &Case, r: &mut Random, order: usize) -> bool {
    let w = case.window();
    let lead = case.shape.len() - case.spatial;
    let sizes = &case.shape[lead..];
    let x = r.array(&case.shape, r.0.is_multiple_of(2));
    let x = in_order(&x, order);
    let (double, single) = (x.clone(), crate::cast(&x, DType::F32).unwrap());
    let outs: Vec<isize> = (0..case.spatial)
        .map(|k| expected_size(sizes[k], w.kernel_size[k], w.stride[k], w.padding[k], w.dilation[k], w.ceil_mode))
        .collect();
    let out_shape: Vec<usize> =
        case.shape[..lead].iter().copied().chain(outs.iter().map(|&o| o.max(0) as usize)).collect();
    let windows = |l: usize| window_of(sizes, &w, &unravel(&out_shape, l)[lead..]);
    let numel: usize = out_shape.iter().product();
    if outs.iter().any(|&o| o <= 0) || (0..numel).any(|l| windows(l).is_empty()) {
        assert!(matches!(max_pool(&x, &w), Err(Error::Shape(_))), "{:?} {w:?}", case.shape);
        return false;
    }
    let plane: usize = sizes.iter().product();
    let out_plane: usize = out_shape[lead..].iter().product();
    let values = double.to_vec::<f64>();
    let grad = in_order(&r.array(&out_shape, true), (order + 1) % 4);
    let grads = grad.to_vec::<f64>();
    let (mut best, mut places, mut dx) = (vec![], vec![], vec![0f64; values.len()]);
    for l in 0..numel {
        let base = l / out_plane * plane;
        let mut place = usize::MAX;
        for flat in windows(l) {
            if place == usize::MAX || values[base + flat] > values[base + place] {
                place = flat;
            }
        }
        best.push(values[base + place]);
        places.push(place as i64);
        dx[base + place] += grads[l];
    }
    let label = format!("{:?} {w:?} order {order}", case.shape);
    let (y, index) = max_pool(&double, &w).unwrap();
    assert_eq!(y.shape(), out_shape, "{label}");
    assert_eq!(y.to_vec::<f64>(), best, "{label}");
    assert_eq!(index.to_vec::<i64>(), places, "{label}");
    for (grad, window) in [(&grad, None), (&grad, Some(&w)), (&in_order(&grad, order), Some(&w))] {
        let back = max_pool_grad(grad, &index, sizes, window).unwrap();
        assert_eq!(back.shape(), case.shape, "{label}");
        assert_eq!(back.to_vec::<f64>(), dx, "{label}");
    }
    let (y, index) = max_pool(&single, &w).unwrap();
    let single_best: Vec<f32> = best.iter().map(|&v| v as f32).collect();
    assert_eq!(y.to_vec::<f32>(), single_best, "{label}");
    let as_single = crate::cast(&grad, DType::F32).unwrap();
    let back = max_pool_grad(&as_single, &index, sizes, Some(&w)).unwrap();
    let total = |v: Vec<f64>| v.iter().sum::<f64>();
    assert_eq!(back.to_vec::<f32>().iter().map(|&v| v as f64).sum::<f64>(), total(grads.clone()), "{label}");

    if w.dilation.iter().any(|&d| d != 1) {
        assert!(matches!(avg_pool(&x, &w, true, None), Err(Error::Value(_))));
        return true;
    }
    for (include, fixed) in [(true, None), (false, None), (true, Some(3)), (false, Some(-2))] {
        let (mut mean, mut dx) = (vec![], vec![0f64; values.len()]);
        for l in 0..numel {
            let o = unravel(&out_shape, l);
            let inside = windows(l);
            let divisor = match (fixed, include) {
                (Some(n), _) => n as f64,
                (None, false) => inside.len() as f64,
                (None, true) => (0..case.spatial)
                    .map(|k| {
                        let start = o[lead + k] as isize * w.stride[k] - w.padding[k];
                        ((start + w.kernel_size[k]).min(sizes[k] as isize + w.padding[k]) - start) as f64
                    })
                    .product(),
            };
            let base = l / out_plane * plane;
            mean.push(inside.iter().map(|&f| values[base + f]).sum::<f64>() / divisor);
            inside.iter().for_each(|&f| dx[base + f] += grads[l] / divisor);
        }
        let close = |got: Vec<f64>, expected: &[f64], eps: f64| {
            for (a, b) in got.iter().zip(expected) {
                assert!((a - b).abs() <= eps * (1.0 + b.abs()), "{a} {b} {label} {include} {fixed:?}");
            }
        };
        close(avg_pool(&double, &w, include, fixed).unwrap().to_vec::<f64>(), &mean, 1e-14);
        close(avg_pool_grad(&grad, sizes, &w, include, fixed).unwrap().to_vec::<f64>(), &dx, 1e-13);
        let wide = |a: Array| a.to_vec::<f32>().into_iter().map(f64::from).collect::<Vec<_>>();
        close(wide(avg_pool(&single, &w, include, fixed).unwrap()), &mean, 1e-5);
        close(wide(avg_pool_grad(&as_single, sizes, &w, include, fixed).unwrap()), &dx, 1e-5);
    }
    true
}

#[test]
fn adaptive_windows_follow_the_definition() {
    for (i, isa) in isa::Isa::available().into_iter().enumerate() {
        isa::with(isa, || {
            let mut r = Random(29 + i as u64);
            for k in 0..150 {
                let case = Case::random(&mut r);
                let sizes: Vec<usize> = (0..case.spatial).map(|_| 1 + r.below(7)).collect();
                check_adaptive(&case.shape, &sizes, &mut r, k % 4);
            }
        });
    }
}

fn check_adaptive(shape: &[usize], outs: &[usize], r: &mut Random, order: usize) {
    let lead = shape.len() - outs.len();
    let sizes = &shape[lead..];
    let out_shape = [&shape[..lead], outs].concat();
    let x = in_order(&r.array(shape, r.0.is_multiple_of(2)), order);
    let grad = in_order(&r.array(&out_shape, true), (order + 1) % 4);
    let (values, grads) = (x.to_vec::<f64>(), grad.to_vec::<f64>());
    let (plane, out_plane): (usize, usize) = (sizes.iter().product(), outs.iter().product());
    let (mut mean, mut dx, mut best, mut places) = (vec![], vec![0f64; values.len()], vec![], vec![]);
    for l in 0..grads.len() {
        let o = &unravel(&out_shape, l)[lead..];
        let inside: Vec<usize> = (0..plane)
            .filter(|&flat| {
                let at = unravel(sizes, flat);
                let reaches = |k: usize| (o[k] * sizes[k] / outs[k], ((o[k] + 1) * sizes[k]).div_ceil(outs[k]));
                (0..outs.len()).all(|k| (reaches(k).0..reaches(k).1).contains(&at[k]))
            })
            .collect();
        let base = l / out_plane * plane;
        let count = inside.len() as f64;
        mean.push(inside.iter().map(|&f| values[base + f]).sum::<f64>() / count);
        inside.iter().for_each(|&f| dx[base + f] += grads[l] / count);
        let place = inside.iter().fold(inside[0], |p, &f| if values[base + f] > values[base + p] { f } else { p });
        best.push(values[base + place]);
        places.push(place as i64);
    }
    let label = format!("{shape:?} to {outs:?}, order {order}");
    let close = |got: &Array, expected: &[f64], eps: f64| {
        for (a, b) in crate::cast(got, DType::F64).unwrap().to_vec::<f64>().iter().zip(expected) {
            assert!((a - b).abs() <= eps * (1.0 + b.abs()), "{a} {b} {label}");
        }
    };
    for (dtype, eps) in [(DType::F64, 1e-13), (DType::F32, 1e-5)] {
        let (x, grad) = (crate::cast(&x, dtype).unwrap(), crate::cast(&grad, dtype).unwrap());
        let y = adaptive_avg_pool(&x, outs).unwrap();
        assert_eq!(y.shape(), out_shape, "{label}");
        close(&y, &mean, eps);
        close(&adaptive_avg_pool_grad(&grad, sizes).unwrap(), &dx, eps);
        let (y, index) = adaptive_max_pool(&x, outs).unwrap();
        assert_eq!(index.to_vec::<i64>(), places, "{label}");
        close(&y, &best, 1e-7);
    }
}

#[test]
fn adaptive_pooling_of_large_and_odd_inputs() {
    let mut r = Random(3);
    for order in [0, 1] {
        let x = crate::cast(&in_order(&r.array(&[6, 20, 41, 50], false), order), DType::F32).unwrap();
        threads(|| {
            let (y, index) = adaptive_max_pool(&x, &[7, 9]).unwrap();
            let mean = adaptive_avg_pool(&x, &[1, 1]).unwrap();
            assert_eq!(y.strides()[1] == 1, order == 1, "the memory order is kept");
            vec![adaptive_avg_pool_grad(&y, &[41, 50]).unwrap(), y, mean, index]
        });
    }
    let nan =
        Array::from_slice(&[1.0, f32::NAN, 2.0, f32::NAN, f32::NEG_INFINITY, f32::NEG_INFINITY], &[1, 6]).unwrap();
    let (y, index) = adaptive_max_pool(&nan, &[2]).unwrap();
    assert!(y.to_vec::<f32>()[0].is_nan() && y.to_vec::<f32>()[1].is_nan());
    assert_eq!(index.to_vec::<i64>(), [1, 3]);
    let (y, index) = adaptive_max_pool(&nan, &[3]).unwrap();
    assert_eq!((y.to_vec::<f32>()[2], index.to_vec::<i64>()[2]), (f32::NEG_INFINITY, 4));
    let none = Array::empty(&[2, 3, 0], DType::F32).unwrap();
    assert!(matches!(adaptive_avg_pool(&none, &[2]), Err(Error::Shape(_))));
    assert!(matches!(adaptive_max_pool(&none, &[2]), Err(Error::Shape(_))));
    assert!(matches!(adaptive_avg_pool(&none, &[2, 2, 2]), Err(Error::Shape(_))));
    assert!(matches!(adaptive_max_pool(&Array::from_slice(&[1i64; 4], &[1, 4]).unwrap(), &[2]), Err(Error::DType(_))));
    assert!(adaptive_avg_pool(&nan, &[1 << 62]).is_err());
    assert_eq!(adaptive_avg_pool(&nan, &[0]).unwrap().shape(), [1, 0]);
    assert_eq!(adaptive_avg_pool_grad(&none, &[4]).unwrap().to_vec::<f32>(), [0.0; 24]);
    let batchless = Array::empty(&[0, 3, 5], DType::F32).unwrap();
    assert_eq!(adaptive_max_pool(&batchless, &[2]).unwrap().1.shape(), [0, 3, 2]);
    assert_eq!(adaptive_avg_pool_grad(&batchless, &[9]).unwrap().shape(), [0, 3, 9]);
}

const TWO: Window<'_> =
    Window { kernel_size: &[2, 2], stride: &[2, 2], padding: &[0, 0], dilation: &[1, 1], ceil_mode: false };

#[test]
fn large_ones_are_bit_equal_for_any_threads() {
    let mut r = Random(5);
    let overlapping = Window { kernel_size: &[3, 3], stride: &[2, 2], padding: &[1, 1], ..TWO };
    for isa in isa::Isa::available() {
        isa::with(isa, || {
            for window in [TWO, overlapping] {
                for order in [0, 1] {
                    let x = crate::cast(&in_order(&r.array(&[6, 20, 41, 50], false), order), DType::F32).unwrap();
                    let all = threads(|| {
                        let (y, index) = max_pool(&x, &window).unwrap();
                        let mean = avg_pool(&x, &window, false, None).unwrap();
                        let back = max_pool_grad(&mean, &index, &[41, 50], None).unwrap();
                        vec![avg_pool_grad(&y, &[41, 50], &window, true, None).unwrap(), y, mean, back, index]
                    });
                    assert_eq!(all[1].strides()[1] == 1, order == 1, "the memory order is kept");
                    // Each maximum is the element that its index names.
                    let (y, index, values) = (all[1].to_vec::<f32>(), all[4].to_vec::<i64>(), x.to_vec::<f32>());
                    let plane = y.len() / 120;
                    for l in 0..y.len() {
                        assert_eq!(y[l], values[l / plane * 2050 + index[l] as usize]);
                    }
                }
            }
        });
    }
}

#[test]
fn what_is_written_past_the_caches_is_that_of_halves() {
    let mut r = Random(9);
    let (h, w) = (32, 64);
    // The gradients are so large, then the results.
    for (planes, bytes) in [(1026, h * w * 4), (4104, h * w)] {
        let g = crate::cast(&r.array(&[planes, h / 2, w / 2], false), DType::F32).unwrap();
        let x = crate::cast(&r.array(&[planes, h, w], true), DType::F32).unwrap();
        let run = |first: usize, count: usize| {
            let [g, x] = [&g, &x].map(|a| a.view(a.layout().sliced(0, first, 1, count)));
            let (y, index) = max_pool(&x, &TWO).unwrap();
            let max = max_pool_grad(&g, &index, &[h, w], Some(&TWO)).unwrap();
            let avg = avg_pool_grad(&g, &[h, w], &TWO, true, None).unwrap();
            ([y, max, avg].map(|a| a.to_vec::<f32>()), index.to_vec::<i64>())
        };
        for isa in isa::Isa::available() {
            isa::with(isa, || {
                let [whole, front, back] = [run(0, planes), run(0, planes / 2), run(planes / 2, planes / 2)];
                for k in 0..3 {
                    assert!(whole.0[k] == [&front.0[k][..], &back.0[k]].concat(), "result {k}");
                }
                assert!(whole.1 == [front.1, back.1].concat());
            });
        }
        assert!(crate::simd::streams(planes * bytes) && !crate::simd::streams(planes / 2 * bytes));
    }
}

#[test]
fn of_nan_the_last_and_of_equals_the_first_is_taken() {
    let (c, n) = (21, 75);
    let values: Vec<f32> = (0..c * n)
        .map(|i| match i * 2_654_435_761 % 11 {
            0 => f32::NAN,
            1 => f32::INFINITY,
            2..=4 => f32::NEG_INFINITY,
            k => (k % 3) as f32,
        })
        .collect();
    let x = Array::from_slice(&values, &[1, c, n]).unwrap();
    let turned = x.view(x.layout().permuted(&[0, 2, 1]));
    let beside = crate::contiguous(&turned).unwrap();
    let beside = beside.view(beside.layout().permuted(&[0, 2, 1]));
    for isa in isa::Isa::available() {
        isa::with(isa, || {
            for (k, stride, padding) in [(2, 2, 0), (2, 1, 0), (3, 2, 1), (3, 1, 1), (2, 2, 1), (3, 3, 0)] {
                let window = Window {
                    kernel_size: &[k],
                    stride: &[stride],
                    padding: &[padding],
                    dilation: &[1],
                    ceil_mode: false,
                };
                for x in [&x, &beside] {
                    let (y, index) = max_pool(x, &window).unwrap();
                    let out = y.shape()[2];
                    let (y, index) = (y.to_vec::<f32>(), index.to_vec::<i64>());
                    for l in 0..c * out {
                        let (channel, o) = (l / out, l % out);
                        let from = o as isize * stride - padding;
                        let taps = (from..from + k).filter(|i| (0..n as isize).contains(i)).map(|i| i as usize);
                        let at = |i: usize| values[channel * n + i];
                        let best = taps.reduce(|b, i| if at(i) > at(b) || at(i).is_nan() { i } else { b }).unwrap();
                        assert_eq!(index[l], best as i64, "{isa} {k} {stride}: window {o} of channel {channel}");
                        assert_eq!(y[l].to_bits(), at(best).to_bits());
                    }
                }
            }
        });
    }
}

#[test]
fn nan_and_infinities_follow_pytorch() {
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    for isa in isa::Isa::available() {
        isa::with(isa, || {
            let x = [1.0, nan, 2.0, nan, -inf, -inf, -inf, -inf, inf, 0.0, inf, 1.0].repeat(9);
            let x = Array::from_slice(&x, &[1, 27, 4]).unwrap();
            let window = Window { kernel_size: &[4], stride: &[4], padding: &[0], dilation: &[1], ceil_mode: false };
            let (y, index) = max_pool(&x, &window).unwrap();
            let (y, index) = (y.to_vec::<f32>(), index.to_vec::<i64>());
            for k in (0..27).step_by(3) {
                assert!(y[k].is_nan() && y[k + 1] == -inf && y[k + 2] == inf);
                assert_eq!(index[k..k + 3], [3, 0, 0], "the last NaN, and the first of equals");
            }
        });
    }
}

/// Indices that are not of the windows named: the gradient is what it would be without naming them.
#[test]
fn foreign_indices_are_scattered() {
    let grad = in_order(&Array::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], &[1, 2, 2, 2]).unwrap(), 1);
    let index = in_order(&Array::from_slice(&[0i64, 2, 8, 10, 0, 0, 15, 15], &[1, 2, 2, 2]).unwrap(), 1);
    let back = |window| max_pool_grad(&grad, &index, &[4, 4], window).unwrap().to_vec::<f32>();
    assert_eq!(back(Some(&TWO)), back(None));
    assert_eq!(back(Some(&TWO))[16], 11.0);
    let beyond = in_order(&Array::from_slice(&[0i64, 2, 8, 10, 0, 2, 8, 16], &[1, 2, 2, 2]).unwrap(), 1);
    assert!(matches!(max_pool_grad(&grad, &beyond, &[4, 4], Some(&TWO)), Err(Error::Index(_))));
    assert!(matches!(max_pool_grad(&grad, &index, &[9, 9], Some(&TWO)), Err(Error::Shape(_))));
}

#[test]
fn what_cannot_be_is_refused() {
    let x = Array::from_slice(&[0f32; 2 * 3 * 5 * 4], &[2, 3, 5, 4]).unwrap();
    let message = |w: Window<'_>| max_pool(&x, &w).unwrap_err().to_string();
    assert_eq!(
        message(Window { stride: &[0, 1], ..TWO }),
        "max_pool: stride: expected numbers from 1 to 2147483647, got 0"
    );
    assert_eq!(
        message(Window { padding: &[2, 0], ..TWO }),
        "max_pool: padding: expected at most half of kernel_size, 1, in spatial dimension 0, got 2"
    );
    assert_eq!(
        message(Window { kernel_size: &[2, 5], ..TWO }),
        "max_pool: input: expected at least 5 in spatial dimension 1, for a window of 5, got 4"
    );
    assert!(message(Window { dilation: &[0, 1], ..TWO }).contains("dilation"));
    assert!(message(Window { padding: &[-1, 1], ..TWO }).contains("padding"));
    assert!(message(Window { stride: &[1], ..TWO }).contains("2 numbers"));
    assert!(message(Window { kernel_size: &[isize::MAX, 2], ..TWO }).contains("kernel_size"));
    assert!(message(Window { kernel_size: &[1 << 30, 2], dilation: &[1 << 30, 1], ..TWO }).contains("at least"));
    assert!(
        message(Window { kernel_size: &[], stride: &[], padding: &[], dilation: &[], ceil_mode: false })
            .contains("1, 2 or 3")
    );
    let flat = Array::from_slice(&[0f32; 4], &[4]).unwrap();
    assert!(matches!(max_pool(&flat, &TWO), Err(Error::Shape(_))));
    assert!(matches!(max_pool(&Array::from_slice(&[1i64; 4], &[1, 2, 2]).unwrap(), &TWO), Err(Error::DType(_))));
    // Two taps two apart step over a single element.
    let one = Array::from_slice(&[0f32], &[1, 1]).unwrap();
    let wide = Window { kernel_size: &[2], stride: &[1], padding: &[1], dilation: &[2], ceil_mode: false };
    assert!(matches!(max_pool(&one, &wide), Err(Error::Shape(_))));
    let (y, index) = max_pool(&x, &TWO).unwrap();
    assert!(matches!(max_pool_grad(&y, &index, &[1, 1], None), Err(Error::Index(_))));
    assert!(matches!(max_pool_grad(&y, &y, &[5, 4], None), Err(Error::DType(_))));
    assert!(matches!(max_pool_grad(&x, &index, &[5, 4], None), Err(Error::Shape(_))));
    assert!(matches!(avg_pool_grad(&x, &[5, 4], &TWO, true, None), Err(Error::Shape(_))));
    assert!(matches!(avg_pool(&x, &TWO, true, Some(0)), Err(Error::Value(_))));
    let empty = Array::empty(&[0, 3, 5, 4], DType::F32).unwrap();
    let (y, index) = max_pool(&empty, &TWO).unwrap();
    assert_eq!((y.shape(), index.shape()), (&[0, 3, 2, 2][..], &[0, 3, 2, 2][..]));
    assert_eq!(max_pool_grad(&y, &index, &[5, 4], None).unwrap().shape(), [0, 3, 5, 4]);
    assert_eq!(avg_pool(&empty, &TWO, true, None).unwrap().shape(), [0, 3, 2, 2]);
    assert_eq!(avg_pool_grad(&y, &[5, 4], &TWO, true, None).unwrap().shape(), [0, 3, 5, 4]);
}
