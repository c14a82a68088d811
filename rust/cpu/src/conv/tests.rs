//! Every strategy against plain loops in double precision, on every instruction set of the machine.

use ferrograd_unit::test;

use super::*;
use crate::isa::{self, Isa};
use crate::parallel;

/// Numbers that repeat from run to run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) as f64 / (1u64 << 30) as f64) - 1.0
    }

    fn below(&mut self, n: usize) -> usize {
        (((self.next() + 1.0) * 0.5 * n as f64) as usize).min(n - 1)
    }

    fn from(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }
}

#[derive(Debug, Clone)]
struct Case {
    n: usize,
    groups: usize,
    /// Of a group.
    c_in: usize,
    c_out: usize,
    size: Vec<usize>,
    kernel: Vec<usize>,
    stride: Vec<i64>,
    padding: Vec<(i64, i64)>,
    dilation: Vec<i64>,
}

impl Case {
    /// Stride 1, no padding, no dilation.
    fn plain(n: usize, groups: usize, c_in: usize, c_out: usize, size: &[usize], kernel: &[usize]) -> Self {
        let d = size.len();
        Self {
            n,
            groups,
            c_in,
            c_out,
            size: size.to_vec(),
            kernel: kernel.to_vec(),
            stride: vec![1; d],
            padding: vec![(0, 0); d],
            dilation: vec![1; d],
        }
    }

    fn random(random: &mut Random, spatial: usize) -> Self {
        loop {
            let most = [40, 14, 8][spatial - 1];
            let per = |random: &mut Random, low, high| (0..spatial).map(|_| random.from(low, high)).collect::<Vec<_>>();
            let groups = [1, 1, 1, 2, 3, 7][random.below(6)];
            let one = random.below(4) == 0;
            let padding = |random: &mut Random| random.below(4) as i64;
            let case = Self {
                n: random.from(1, 3),
                groups,
                c_in: if one { 1 } else { random.from(1, 9) },
                c_out: if one { 1 } else { [random.from(1, 9), 17, 33][random.below(3)] },
                size: per(random, 1, most),
                kernel: per(random, 1, 4),
                stride: per(random, 1, 3).iter().map(|&s| s as i64).collect(),
                padding: (0..spatial).map(|_| (padding(random), padding(random))).collect(),
                dilation: per(random, 1, 3).iter().map(|&s| s as i64).collect(),
            };
            if case.geometry().is_ok() {
                return case;
            }
        }
    }

    fn window(&self) -> Window<'_> {
        Window { stride: &self.stride, padding: &self.padding, dilation: &self.dilation, groups: self.groups as i64 }
    }

    fn geometry(&self) -> Result<Geometry> {
        let names = Names { op: "conv", input: "input", weight: "weight" };
        Geometry::new(names, &self.x_shape(), &self.w_shape(), &self.window())
    }

    fn x_shape(&self) -> Vec<usize> {
        [&[self.n, self.c_in * self.groups], self.size.as_slice()].concat()
    }

    fn w_shape(&self) -> Vec<usize> {
        [&[self.c_out * self.groups, self.c_in], self.kernel.as_slice()].concat()
    }

    /// `f(output, weight, input)` with the row-major indices of every three elements that meet.
    fn meetings(&self, mut f: impl FnMut(usize, usize, usize)) {
        let g = self.geometry().unwrap();
        let [d, h, w] = g.axes;
        let at = |axis: &Axis, o: usize, k: usize| {
            let i = (o * axis.stride + k * axis.dilation) as isize - axis.padding as isize;
            (i >= 0 && i < axis.size as isize).then_some(i as usize)
        };
        for n in 0..g.n {
            for o in 0..g.c_out {
                let group = o / self.c_out;
                for (od, oh, ow) in boxes([d.out, h.out, w.out]) {
                    let to = (((n * g.c_out + o) * d.out + od) * h.out + oh) * w.out + ow;
                    for c in 0..self.c_in {
                        for (kd, kh, kw) in boxes([d.kernel, h.kernel, w.kernel]) {
                            let (Some(id), Some(ih), Some(iw)) = (at(&d, od, kd), at(&h, oh, kh), at(&w, ow, kw))
                            else {
                                continue;
                            };
                            let k = (((o * self.c_in + c) * d.kernel + kd) * h.kernel + kh) * w.kernel + kw;
                            let c = group * self.c_in + c;
                            f(to, k, (((n * g.c_in + c) * d.size + id) * h.size + ih) * w.size + iw);
                        }
                    }
                }
            }
        }
    }
}

fn boxes(sizes: [usize; 3]) -> impl Iterator<Item = (usize, usize, usize)> {
    let [a, b, c] = sizes;
    (0..a * b * c).map(move |i| (i / c / b, i / c % b, i % c))
}

#[derive(Debug, Clone, Copy)]
enum Order {
    RowMajor,
    ChannelsLast,
    /// All dimensions turned round.
    Reversed,
    /// Every second element of a row that walks back.
    Backwards,
}

const ORDERS: [Order; 4] = [Order::RowMajor, Order::ChannelsLast, Order::Reversed, Order::Backwards];

/// An array with these row-major values in another order of memory.
fn arranged<T: Float>(values: &[f64], shape: &[usize], order: Order) -> Array {
    let nd = shape.len();
    let permutation: Vec<usize> = match order {
        Order::ChannelsLast => [0].into_iter().chain(2..nd).chain([1]).collect(),
        Order::Reversed => (0..nd).rev().collect(),
        _ => (0..nd).collect(),
    };
    let doubled: Vec<usize> = permutation
        .iter()
        .map(|&k| if matches!(order, Order::Backwards) && k == nd - 1 { 2 * shape[k] } else { shape[k] })
        .collect();
    let base = Array::empty(&doubled, T::DTYPE).unwrap();
    let mut inverse = vec![0; nd];
    for (at, &k) in permutation.iter().enumerate() {
        inverse[k] = at;
    }
    let mut layout = base.layout().permuted(&inverse);
    if matches!(order, Order::Backwards) {
        layout = layout.sliced(nd - 1, (2 * shape[nd - 1]).saturating_sub(1), -2, shape[nd - 1]);
    }
    let out = base.view(layout);
    let first = out.layout().offset as isize;
    for (i, &x) in values.iter().enumerate() {
        let at = out.layout().offset_of(i) as isize - first;
        // SAFETY: the offset lies in the layout's extent.
        unsafe { *out.ptr_mut::<T>().offset(at) = T::from_f64(x) };
    }
    out
}

fn values<T: Float>(n: usize, random: &mut Random) -> Vec<f64> {
    (0..n).map(|_| T::from_f64(random.next()).to_f64()).collect()
}

fn compare<T: Float>(got: &Array, shape: &[usize], want: &[f64], magnitude: &[f64], what: &str, case: &Case) {
    assert_eq!(got.shape(), shape, "{what} {case:?}");
    let epsilon = if size_of::<T>() == 4 { f32::EPSILON as f64 } else { f64::EPSILON };
    for (i, ((got, want), magnitude)) in got.to_vec::<T>().iter().zip(want).zip(magnitude).enumerate() {
        let error = (got.to_f64() - want).abs();
        let bound = 20.0 * epsilon * (magnitude + want.abs()) + 1e-30;
        assert!(error <= bound, "{what} [{i}]: {got:?} against {want}, off by {error:e}; {case:?} {}", isa::current());
    }
}

/// All three results of a case, with a bias and relu.
fn check<T: Float>(case: &Case, orders: [Order; 3], random: &mut Random) {
    let (xs, ws) = (case.x_shape(), case.w_shape());
    let ys = case.geometry().unwrap().out_shape().to_vec();
    let count = |shape: &[usize]| shape.iter().product::<usize>();
    let (x, w) = (values::<T>(count(&xs), random), values::<T>(count(&ws), random));
    let (g, b) = (values::<T>(count(&ys), random), values::<T>(ws[0], random));
    let xa = arranged::<T>(&x, &xs, orders[0]);
    let wa = arranged::<T>(&w, &ws, orders[1]);
    let ga = arranged::<T>(&g, &ys, orders[2]);
    let ba = arranged::<T>(&b, &[ws[0]], Order::Backwards);
    let plane: usize = ys[2..].iter().product();
    let mut y: Vec<f64> = (0..g.len()).map(|i| b[i / plane % ws[0]]).collect();
    let mut ym: Vec<f64> = y.iter().map(|v| v.abs()).collect();
    let [mut gx, mut gxm] = [vec![0.0; x.len()], vec![0.0; x.len()]];
    let [mut gw, mut gwm] = [vec![0.0; w.len()], vec![0.0; w.len()]];
    case.meetings(|to, k, from| {
        for (sum, magnitude, product) in [
            (&mut y[to], &mut ym[to], w[k] * x[from]),
            (&mut gx[from], &mut gxm[from], w[k] * g[to]),
            (&mut gw[k], &mut gwm[k], g[to] * x[from]),
        ] {
            *sum += product;
            *magnitude += product.abs();
        }
    });
    let window = case.window();
    let plain = conv(&xa, &wa, Some(&ba), &window, Activation::None).unwrap();
    compare::<T>(&plain, &ys, &y, &ym, "conv", case);
    for v in &mut y {
        *v = v.max(0.0);
    }
    let relu = conv(&xa, &wa, Some(&ba), &window, Activation::Relu).unwrap();
    compare::<T>(&relu, &ys, &y, &ym, "conv relu", case);
    compare::<T>(&conv_input_grad(&ga, &wa, &xs, &window).unwrap(), &xs, &gx, &gxm, "input grad", case);
    compare::<T>(&conv_weight_grad(&ga, &xa, &ws, &window).unwrap(), &ws, &gw, &gwm, "weight grad", case);
}

fn everywhere(mut f: impl FnMut()) {
    for isa in Isa::available() {
        isa::with(isa, &mut f);
    }
}

#[test]
fn random_geometries() {
    everywhere(|| {
        let mut random = Random(11);
        for i in 0..360 {
            let case = Case::random(&mut random, 1 + i % 3);
            let orders = [(); 3].map(|()| ORDERS[random.below(4)]);
            if i % 4 == 0 {
                check::<f64>(&case, orders, &mut random);
            } else {
                check::<f32>(&case, orders, &mut random);
            }
        }
    });
}

/// Sizes that reach several blocks, panels of rows and tiles, and each strategy.
fn notable() -> Vec<Case> {
    let plain = Case::plain;
    let padded = |mut case: Case, p: i64| {
        case.padding.fill((p, p));
        case
    };
    let far = |mut case: Case, dilation: i64| {
        case.dilation.fill(dilation);
        case
    };
    let strided = |mut case: Case, stride: i64| {
        case.stride.fill(stride);
        case
    };
    vec![
        padded(plain(2, 1, 1, 6, &[28, 28], &[5, 5]), 2),
        plain(3, 1, 6, 16, &[14, 14], &[5, 5]),
        padded(plain(1, 1, 33, 70, &[40, 33], &[3, 3]), 1),
        padded(plain(1, 1, 512, 5, &[3, 40], &[1, 3]), 1),
        padded(plain(40, 1, 3, 4, &[2, 2], &[3, 3]), 1),
        padded(plain(2, 1, 2, 3, &[1500], &[7]), 3),
        padded(far(plain(1, 1, 3, 4, &[300], &[2]), 290), 40),
        padded(far(plain(1, 1, 3, 4, &[30], &[2]), 1_000_000_000), 500_000_000),
        strided(plain(1, 1, 3, 40, &[64, 64], &[16, 16]), 16),
        strided(plain(1, 1, 4, 5, &[9, 9], &[1, 1]), 2),
        strided(plain(1, 1, 4, 5, &[9, 9], &[2, 1]), 4),
        padded(plain(2, 50, 1, 1, &[20, 9], &[3, 3]), 1),
        strided(padded(plain(2, 19, 1, 1, &[12, 9], &[3, 2]), 1), 2),
        padded(plain(2, 5, 1, 2, &[12, 9], &[3, 3]), 1),
        // Depthwise: rows in pairs and alone, ends of rows, kernels that are not 3 × 3, every number of dimensions.
        plain(1, 37, 1, 1, &[21, 25], &[3, 3]),
        padded(plain(3, 16, 1, 1, &[7, 7], &[3, 3]), 2),
        padded(plain(2, 20, 1, 1, &[6, 17], &[5, 4]), 2),
        padded(plain(1, 18, 1, 1, &[4, 6, 11], &[2, 3, 3]), 1),
        padded(far(plain(2, 33, 1, 1, &[40], &[3]), 2), 2),
        strided(padded(plain(2, 35, 1, 1, &[11, 20], &[3, 3]), 1), 2),
        padded(plain(1, 17, 1, 1, &[5, 6, 11], &[1, 3, 3]), 1),
        plain(4, 1, 20, 40, &[9, 11], &[1, 1]),
        plain(4, 3, 2, 4, &[9, 11], &[1, 1]),
        padded(plain(2, 1, 3, 16, &[6, 12, 12], &[3, 3, 3]), 1),
        plain(2, 1, 7, 20, &[33], &[1]),
        // Winograd's: tiles that end inside and outside, vectors that end in part, several blocks and chunks.
        padded(plain(2, 1, 33, 41, &[13, 18], &[3, 3]), 1),
        padded(plain(1, 1, 40, 32, &[31, 10], &[3, 3]), 2),
        plain(3, 1, 32, 150, &[10, 14], &[3, 3]),
        padded(plain(2, 1, 17, 20, &[5, 9, 12], &[3, 3, 3]), 1),
        padded(plain(1, 1, 33, 16, &[4, 17, 9], &[2, 3, 3]), 2),
    ]
}

#[test]
fn notable_geometries() {
    everywhere(|| {
        let mut random = Random(12);
        for case in notable() {
            for order in ORDERS {
                check::<f32>(&case, [order; 3], &mut random);
            }
            check::<f64>(&case, [Order::ChannelsLast, Order::RowMajor, Order::ChannelsLast], &mut random);
        }
    });
}

/// Rows of depthwise results that go past the caches are those that stay in them.
#[test]
fn depthwise_past_the_caches() {
    fn check<T: Float>(n: usize) {
        let (case, mut random) = (Case::plain(n, 64, 1, 1, &[66, 64], &[3, 3]), Random(13));
        let case = Case { padding: vec![(1, 1); 2], ..case };
        let (window, shape, size) = (case.window(), case.x_shape(), 64 * 66 * 64);
        let x = values::<T>(n * size, &mut random);
        let w = arranged::<T>(&values::<T>(64 * 9, &mut random), &case.w_shape(), Order::RowMajor);
        let b = arranged::<T>(&values::<T>(64, &mut random), &[64], Order::RowMajor);
        let whole = arranged::<T>(&x, &shape, Order::ChannelsLast);
        assert!(crate::simd::streams(whole.numel() * size_of::<T>()));
        let run = |x: &Array| {
            let relu = conv(x, &w, Some(&b), &window, Activation::Relu).unwrap();
            (relu, conv_input_grad(x, &w, x.shape(), &window).unwrap())
        };
        let (relu, grad) = run(&whole);
        for image in [0, n - 1] {
            let part = &x[image * size..(image + 1) * size];
            let (one, one_grad) = run(&arranged::<T>(part, &[1, 64, 66, 64], Order::ChannelsLast));
            for (whole, one) in [(&relu, one), (&grad, one_grad)] {
                assert!(whole.to_vec::<T>()[image * size..(image + 1) * size] == one.to_vec::<T>());
            }
        }
    }
    everywhere(|| {
        check::<f32>(8);
        check::<f64>(4);
    });
}

/// Padding is not multiplied: an infinite gradient at an edge gives infinities where it meets the source, no NaN elsewhere.
#[test]
fn depthwise_gradients_meet_no_padding() {
    let case = Case { padding: vec![(1, 1); 2], ..Case::plain(1, 17, 1, 1, &[5, 6], &[3, 3]) };
    let mut g = vec![1.0; 17 * 30];
    for channel in g.chunks_exact_mut(30) {
        channel[0] = f64::INFINITY;
    }
    let mut want = vec![0.0; 17 * 9];
    case.meetings(|to, k, _| want[k] += g[to]);
    everywhere(|| {
        let g = arranged::<f32>(&g, &case.x_shape(), Order::ChannelsLast);
        let x = arranged::<f32>(&[1.0; 17 * 30], &case.x_shape(), Order::ChannelsLast);
        let got = conv_weight_grad(&g, &x, &case.w_shape(), &case.window()).unwrap();
        assert_eq!(got.to_vec::<f32>(), want.iter().map(|&v| v as f32).collect::<Vec<_>>());
    });
}

#[test]
fn nothing_to_sum_and_nothing_to_compute() {
    let empty = |shape: &[usize]| Array::from_slice(&vec![1f32; shape.iter().product()], shape).unwrap();
    let case = Case::plain(2, 1, 3, 4, &[5, 5], &[3, 3]);
    let window = case.window();
    everywhere(|| {
        let none = conv(&empty(&[0, 3, 5, 5]), &empty(&[4, 3, 3, 3]), None, &window, Activation::None).unwrap();
        assert_eq!(none.shape(), [0, 4, 3, 3]);
        let bias = empty(&[4]);
        let only_bias = conv(&empty(&[2, 0, 5, 5]), &empty(&[4, 0, 3, 3]), Some(&bias), &window, Activation::None);
        assert_eq!(only_bias.unwrap().to_vec::<f32>(), [1.0; 72]);
        let weight = conv_weight_grad(&empty(&[0, 4, 3, 3]), &empty(&[0, 3, 5, 5]), &[4, 3, 3, 3], &window).unwrap();
        assert_eq!(weight.to_vec::<f32>(), [0.0; 108]);
        let input = conv_input_grad(&empty(&[2, 0, 3, 3]), &empty(&[0, 3, 3, 3]), &[2, 3, 5, 5], &window).unwrap();
        assert_eq!(input.to_vec::<f32>(), [0.0; 150]);
    });
}

#[test]
fn activations_follow_the_sum() {
    everywhere(|| {
        let mut random = Random(13);
        for case in [
            Case::plain(2, 1, 3, 21, &[9], &[3]),
            Case::plain(2, 1, 3, 21, &[9], &[1]),
            Case::plain(2, 21, 1, 1, &[9], &[3]),
        ] {
            let x = arranged::<f64>(
                &values::<f64>(2 * case.c_in * case.groups * 9, &mut random),
                &case.x_shape(),
                Order::RowMajor,
            );
            let ws = case.w_shape();
            let w = arranged::<f64>(&values::<f64>(ws.iter().product(), &mut random), &ws, Order::RowMajor);
            let sums = conv(&x, &w, None, &case.window(), Activation::None).unwrap().to_vec::<f64>();
            for activation in Activation::ALL {
                let got = conv(&x, &w, None, &case.window(), activation).unwrap().to_vec::<f64>();
                for (got, sum) in got.iter().zip(&sums) {
                    assert!(
                        (got - activation.of(*sum)).abs() <= 1e-14 * (1.0 + sum.abs()),
                        "{activation:?}({sum}) = {got}"
                    );
                }
            }
        }
    });
}

#[test]
fn bit_equal_for_any_number_of_threads() {
    let threads = parallel::num_threads();
    everywhere(|| {
        let mut random = Random(14);
        for case in notable() {
            let (xs, ws) = (case.x_shape(), case.w_shape());
            let ys = case.geometry().unwrap().out_shape().to_vec();
            let [x, w, g] = [&xs, &ws, &ys].map(|shape| {
                let values = values::<f32>(shape.iter().product(), &mut random);
                arranged::<f32>(&values, shape, Order::ChannelsLast)
            });
            let found = [1, 2, 8].map(|threads| {
                parallel::set_num_threads(threads);
                let window = case.window();
                [
                    conv(&x, &w, None, &window, Activation::Tanh).unwrap(),
                    conv_input_grad(&g, &w, &xs, &window).unwrap(),
                    conv_weight_grad(&g, &x, &ws, &window).unwrap(),
                ]
                .map(|result| result.to_vec::<f32>())
            });
            assert!(found[0] == found[1] && found[0] == found[2], "{case:?}");
        }
    });
    parallel::set_num_threads(threads);
}

#[test]
fn results_lie_channels_last() {
    let case = Case::plain(2, 1, 3, 4, &[5, 6], &[3, 3]);
    let x = Array::from_slice(&[1f32; 180], &[2, 3, 5, 6]).unwrap();
    let w = Array::from_slice(&[1f32; 108], &[4, 3, 3, 3]).unwrap();
    let y = conv(&x, &w, None, &case.window(), Activation::None).unwrap();
    assert_eq!(y.strides(), [48, 1, 16, 4]);
    let one = Array::from_slice(&[1f32; 27], &[1, 3, 3, 3]).unwrap();
    let y = conv(&x, &one, None, &case.window(), Activation::None).unwrap();
    assert!(y.is_contiguous());
}

/// |error| / |exact|, both as Euclidean lengths, and the largest error over the largest number.
fn relative_errors(got: &[f32], exact: &[f64]) -> [f64; 2] {
    let errors = || got.iter().zip(exact).map(|(&got, exact)| (got as f64 - exact).abs());
    let length = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    let exacts = || exact.iter().map(|x| x.abs());
    [length(&mut errors()) / length(&mut exacts()), errors().fold(0.0, f64::max) / exacts().fold(0.0, f64::max)]
}

#[test]
fn winograd_is_nearly_as_exact_as_the_direct_sum() {
    everywhere(|| {
        let mut random = Random(15);
        // Numbers of one sign, as after relu, and of both.
        for signed in [true, false] {
            let mut case = Case::plain(2, 1, 256, 64, &[14, 14], &[3, 3]);
            case.padding.fill((1, 1));
            let window = case.window();
            let mut arrays = |shape: &[usize], signed: bool| {
                let mut values = values::<f32>(shape.iter().product(), &mut random);
                if !signed {
                    values.iter_mut().for_each(|x| *x = x.max(0.0));
                }
                let order = Order::ChannelsLast;
                [arranged::<f32>(&values, shape, order), arranged::<f64>(&values, shape, order)]
            };
            let (xs, ws) = (case.x_shape(), case.w_shape());
            let ys = case.geometry().unwrap().out_shape().to_vec();
            let (x, w, g) = (arrays(&xs, signed), arrays(&ws, true), arrays(&ys, true));
            let passes = |k: usize| {
                [
                    conv(&x[k], &w[k], None, &window, Activation::None).unwrap(),
                    conv_input_grad(&g[k], &w[k], &xs, &window).unwrap(),
                    conv_weight_grad(&g[k], &x[k], &ws, &window).unwrap(),
                ]
            };
            let fast = passes(0);
            winograd::set_enabled(false);
            let direct = passes(0);
            winograd::set_enabled(true);
            for ((exact, fast), direct) in passes(1).iter().zip(&fast).zip(&direct) {
                let exact = exact.to_vec::<f64>();
                let [fast, direct] = [fast, direct].map(|found| relative_errors(&found.to_vec::<f32>(), &exact));
                println!("{} signed {signed}: winograd {fast:?}, direct {direct:?}", isa::current());
                assert!(fast != direct, "the switch changed nothing");
                assert!(fast[0] <= 8.0 * direct[0] && fast[0] <= 3e-6, "{fast:?} against {direct:?}");
                assert!(fast[1] <= 1e-5, "{fast:?} against {direct:?}");
            }
        }
    });
}

#[test]
fn denormals_are_flushed() {
    if !denormals::CAN_FLUSH {
        return;
    }
    everywhere(|| {
        let x = Array::from_slice(&[f32::MIN_POSITIVE; 9], &[1, 1, 9]).unwrap();
        let w = Array::from_slice(&[0.125f32; 2], &[1, 1, 2]).unwrap();
        let case = Case::plain(1, 1, 1, 1, &[9], &[2]);
        let y = conv(&x, &w, None, &case.window(), Activation::None).unwrap();
        assert_eq!(y.to_vec::<f32>(), [0.0; 8]);
    });
}

fn refused(case: &Case) -> String {
    let zeros = |shape: &[usize]| Array::from_slice(&vec![0f32; shape.iter().product()], shape).unwrap();
    let result = conv(&zeros(&case.x_shape()), &zeros(&case.w_shape()), None, &case.window(), Activation::None);
    result.unwrap_err().to_string()
}

#[test]
fn wrong_calls_are_named() {
    let good = Case::plain(1, 1, 3, 4, &[5, 5], &[3, 3]);
    let mut case = good.clone();
    case.stride[1] = 0;
    assert_eq!(refused(&case), "conv: stride: expected a number from 1 to 2147483647, got 0");
    let mut case = good.clone();
    case.padding[0].1 = -1;
    assert_eq!(refused(&case), "conv: padding: expected a number from 0 to 2147483647, got -1");
    let mut case = good.clone();
    case.dilation[0] = 3;
    assert_eq!(
        refused(&case),
        "conv: input: expected a padded size of at least 7, which the kernel spans, in dimension 2, \
         got 5 (5 and 0 of padding)"
    );
    let x = Array::from_slice(&[0f32; 100], &[1, 4, 5, 5]).unwrap();
    let w = Array::from_slice(&[0f32; 108], &[4, 3, 3, 3]).unwrap();
    let error =
        |x: &Array, w: &Array, case: &Case| conv(x, w, None, &case.window(), Activation::None).unwrap_err().to_string();
    assert_eq!(
        error(&x, &w, &good),
        "conv: input: expected 3 channels for a weight of (4, 3, 3, 3), got 4 in (1, 4, 5, 5)"
    );
    let mut case = good.clone();
    case.groups = 3;
    let x = Array::from_slice(&[0f32; 225], &[1, 9, 5, 5]).unwrap();
    assert_eq!(
        error(&x, &w, &case),
        "conv: weight: expected a number of output channels that 3 groups divide, got 4 in (4, 3, 3, 3)"
    );
    let flat = Array::from_slice(&[0f32; 9], &[3, 3]).unwrap();
    assert_eq!(
        error(&flat, &w, &good),
        "conv: input: expected 3 to 5 dimensions (N, C, *sizes), sizes of 1 to 3, got (3, 3)"
    );
    let doubles = Array::from_slice(&[0f64; 75], &[1, 3, 5, 5]).unwrap();
    assert_eq!(
        error(&doubles, &w, &good),
        "conv: weight: expected float64, as input has (convert one with .to('float64') or .to('float32')), got float32"
    );
}
