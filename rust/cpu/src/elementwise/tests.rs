//! Every op on every layout and instruction set against f64, and the rules on NaN, ties, overlap and dtypes.

use ferrograd_unit::test;

use super::*;
use crate::isa::{self, Isa};
use crate::{cast, contiguous};

type One = Box<dyn Fn(&Array) -> Result<Array>>;
type Two = Box<dyn Fn(&Array, &Array) -> Result<Array>>;
type Three = Box<dyn Fn(&Array, &Array, &Array) -> Result<Array>>;

/// Distinct values between −4 and 4, none of them a kink of an op.
fn values(n: usize, seed: usize) -> Vec<f64> {
    (0..n).map(|i| (((i * 7919 + seed * 104_729) % 1999) as f64 - 999.3) / 250.0).collect()
}

/// The layouts of one shape: the values differ, the shape does not.
fn layouts(shape: &[usize], dtype: DType, seed: usize) -> Vec<Array> {
    let make = |shape: &[usize]| {
        let values = values(shape.iter().product(), seed);
        cast(&Array::from_slice(&values, shape).unwrap(), dtype).unwrap()
    };
    let mut all = vec![make(shape)];
    let Some(&last) = shape.last() else { return all };
    let axis = shape.len() - 1;
    let order: Vec<usize> = (0..shape.len()).rev().collect();
    let reversed = make(&shape.iter().rev().copied().collect::<Vec<_>>());
    all.push(reversed.view(reversed.layout().permuted(&order)));
    let mut wide = shape.to_vec();
    wide[axis] = 2 * last + 1;
    let wide = make(&wide);
    all.push(wide.view(wide.layout().sliced(axis, 1, 2, last)));
    all.push(wide.view(wide.layout().sliced(axis, 3.min(last), 1, last)));
    all.push(wide.view(wide.layout().sliced(axis, last.saturating_sub(1), -1, last)));
    let mut thin = shape.to_vec();
    thin[0] = 1;
    let thin = make(&thin);
    all.push(thin.view(thin.layout().broadcast_to(shape)));
    let one = make(&[]);
    all.push(one.view(one.layout().broadcast_to(shape)));
    all
}

const SHAPES: [&[usize]; 8] = [&[], &[0, 4], &[1], &[17], &[67], &[21, 3], &[5, 7, 70], &[130, 133]];

fn numbers(a: &Array) -> Vec<f64> {
    cast(a, DType::F64).unwrap().to_vec()
}

/// How far a result may be off: so many units in the last place of itself, or of the floor where it is smaller.
#[derive(Clone, Copy)]
struct Within {
    ulps: f64,
    floor: f64,
}

const EXACT: Within = ulps(0.0);

const fn ulps(ulps: f64) -> Within {
    Within { ulps, floor: 1e-3 }
}

/// For sums that cancel: units in the last place of the largest term.
const fn cancelling(floor: f64) -> Within {
    Within { ulps: 4.0, floor }
}

#[track_caller]
fn agree(what: &str, got: &Array, expected: impl Iterator<Item = f64>, within: Within) {
    let eps = if got.dtype() == DType::F32 { f32::EPSILON as f64 } else { f64::EPSILON };
    let got = numbers(got);
    let mut count = 0;
    for (i, e) in expected.enumerate() {
        let g = got[i];
        let near = (g - e).abs() <= within.ulps * eps * e.abs().max(within.floor);
        assert!(near || g == e || (g.is_nan() && e.is_nan()), "{what}: element {i}: {g} against {e}");
        count += 1;
    }
    assert_eq!(count, got.len(), "{what}");
}

fn every_isa(f: impl Fn()) {
    for isa in Isa::available() {
        isa::with(isa, &f);
    }
}

macro_rules! unary_table {
    ($($name:ident, $within:expr, |$x:ident| $reference:expr;)*) => {
        vec![$((stringify!($name), Box::new(|a: &Array| $name(a, None)) as One,
            Box::new(|$x: f64| $reference) as Box<dyn Fn(f64) -> f64>, $within)),*]
    };
}

fn sigma(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}

fn cdf(x: f64) -> f64 {
    0.5 * (1.0 + libm::erf(x / 2f64.sqrt()))
}

fn pdf(x: f64) -> f64 {
    libm::exp(-0.5 * x * x) / (2.0 * std::f64::consts::PI).sqrt()
}

fn gelu_approximate(x: f64) -> f64 {
    let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
    0.5 * x * (1.0 + libm::tanh(u))
}

/// A derivative by central differences, good to about 1e-10.
fn slope(f: impl Fn(f64) -> f64, x: f64) -> f64 {
    let h = 1e-3;
    (8.0 * (f(x + h) - f(x - h)) - (f(x + 2.0 * h) - f(x - 2.0 * h))) / (12.0 * h)
}

#[test]
fn unary_ops_on_every_layout() {
    let mut ops = unary_table![
        exp, ulps(4.0), |x| libm::exp(x);
        expm1, ulps(4.0), |x| libm::expm1(x);
        log, ulps(4.0), |x| libm::log(x);
        log1p, ulps(4.0), |x| libm::log1p(x);
        sqrt, ulps(1.0), |x| x.sqrt();
        rsqrt, ulps(2.0), |x| 1.0 / x.sqrt();
        reciprocal, ulps(1.0), |x| 1.0 / x;
        tanh, ulps(4.0), |x| libm::tanh(x);
        sigmoid, ulps(4.0), |x| sigma(x);
        erf, ulps(4.0), |x| libm::erf(x);
        sin, ulps(2.0), |x| libm::sin(x);
        cos, ulps(2.0), |x| libm::cos(x);
        neg, EXACT, |x| -x;
        abs, EXACT, |x| x.abs();
        square, ulps(1.0), |x| x * x;
        sign, EXACT, |x| x.signum();
        floor, EXACT, |x| x.floor();
        ceil, EXACT, |x| x.ceil();
        trunc, EXACT, |x| x.trunc();
        round, EXACT, |x| x.round_ties_even();
        relu, EXACT, |x| x.max(0.0);
        silu, ulps(6.0), |x| x * sigma(x);
        gelu, cancelling(4.0), |x| x * cdf(x);
        gelu_tanh, cancelling(4.0), |x| gelu_approximate(x);
        logical_not, EXACT, |_x| 0.0;
        isnan, EXACT, |_x| 0.0;
        isinf, EXACT, |_x| 0.0;
        isfinite, EXACT, |_x| 1.0;
    ];
    let mut with =
        |name, op: One, reference: Box<dyn Fn(f64) -> f64>, within: Within| ops.push((name, op, reference, within));
    with(
        "leaky_relu",
        Box::new(|a| leaky_relu(a, 0.25, None)),
        Box::new(|x| if x > 0.0 { x } else { 0.25 * x }),
        EXACT,
    );
    with(
        "elu",
        Box::new(|a| elu(a, 1.5, None)),
        Box::new(|x| if x > 0.0 { x } else { 1.5 * libm::expm1(x) }),
        ulps(5.0),
    );
    with(
        "softplus",
        Box::new(|a| softplus(a, 2.0, 6.0, None)),
        Box::new(|x| if 2.0 * x > 6.0 { x } else { libm::log1p(libm::exp(2.0 * x)) / 2.0 }),
        ulps(8.0),
    );
    with("hardtanh", Box::new(|a| hardtanh(a, -1.0, 2.0, None)), Box::new(|x| x.clamp(-1.0, 2.0)), EXACT);
    every_isa(|| {
        for dtype in [DType::F32, DType::F64] {
            for shape in SHAPES {
                for a in layouts(shape, dtype, 1) {
                    for (name, op, reference, within) in &ops {
                        let what = format!("{name} {a:?} {}", isa::current());
                        agree(&what, &op(&a).unwrap(), numbers(&a).into_iter().map(reference), *within);
                    }
                }
            }
        }
    });
}

#[test]
fn binary_ops_on_every_layout() {
    let boolean = |x: bool| x as u8 as f64;
    macro_rules! table {
        ($($name:ident, $within:expr, |$x:ident, $y:ident| $reference:expr;)*) => {
            vec![$((stringify!($name), Box::new(|a: &Array, b: &Array| $name(a, b, None)) as Two,
                Box::new(move |$x: f64, $y: f64| $reference) as Box<dyn Fn(f64, f64) -> f64>, $within)),*]
        };
    }
    let mut ops = table![
        add, ulps(1.0), |x, y| x + y;
        sub, ulps(1.0), |x, y| x - y;
        mul, ulps(1.0), |x, y| x * y;
        div, ulps(1.0), |x, y| x / y;
        maximum, EXACT, |x, y| x.max(y);
        minimum, EXACT, |x, y| x.min(y);
        pow, ulps(2.0), |x, y| libm::pow(x, y);
        eq, EXACT, |x, y| boolean(x == y);
        ne, EXACT, |x, y| boolean(x != y);
        lt, EXACT, |x, y| boolean(x < y);
        le, EXACT, |x, y| boolean(x <= y);
        gt, EXACT, |x, y| boolean(x > y);
        ge, EXACT, |x, y| boolean(x >= y);
        logical_and, EXACT, |x, y| boolean(x != 0.0 && y != 0.0);
        logical_or, EXACT, |x, y| boolean(x != 0.0 || y != 0.0);
        logical_xor, EXACT, |x, y| boolean((x != 0.0) != (y != 0.0));
        abs_grad, EXACT, |g, x| g * x.signum();
        relu_grad, EXACT, |g, y| if y > 0.0 { g } else { 0.0 };
        sigmoid_grad, cancelling(16.0), |g, y| g * y * (1.0 - y);
        tanh_grad, cancelling(16.0), |g, y| g * (1.0 - y * y);
        silu_grad, cancelling(16.0), |g, x| g * sigma(x) * (1.0 + x * (1.0 - sigma(x)));
        gelu_grad, cancelling(16.0), |g, x| g * (cdf(x) + x * pdf(x));
    ];
    let mut with = |name, op: Two, f: Box<dyn Fn(f64, f64) -> f64>, within: Within| ops.push((name, op, f, within));
    with(
        "leaky_relu_grad",
        Box::new(|g, x| leaky_relu_grad(g, x, 0.25, None)),
        Box::new(|g, x| if x > 0.0 { g } else { 0.25 * g }),
        EXACT,
    );
    with(
        "elu_grad",
        Box::new(|g, x| elu_grad(g, x, 1.5, None)),
        Box::new(|g, x| if x > 0.0 { g } else { g * 1.5 * libm::exp(x) }),
        ulps(5.0),
    );
    with(
        "softplus_grad",
        Box::new(|g, x| softplus_grad(g, x, 2.0, 6.0, None)),
        Box::new(|g, x| if 2.0 * x > 6.0 { g } else { g * sigma(2.0 * x) }),
        ulps(6.0),
    );
    with(
        "hardtanh_grad",
        Box::new(|g, x| hardtanh_grad(g, x, -1.0, 2.0, None)),
        Box::new(|g, x| if -1.0 < x && x < 2.0 { g } else { 0.0 }),
        EXACT,
    );
    with(
        "clip_grad, one bound",
        Box::new(|g, x| clip_grad(g, x, Some(&cast(&Array::scalar(-1.0)?, g.dtype())?), None)),
        Box::new(|g, x| if -1.0 <= x { g } else { 0.0 }),
        EXACT,
    );
    every_isa(|| {
        for dtype in [DType::F32, DType::F64] {
            for shape in SHAPES {
                for (i, a) in layouts(shape, dtype, 1).into_iter().enumerate() {
                    for (j, b) in layouts(shape, dtype, 2).into_iter().enumerate() {
                        // Of the large shapes a third of the pairs, each layout in several of them.
                        if a.numel() > 1000 && (i + 2 * j) % 3 != 0 {
                            continue;
                        }
                        let pairs: Vec<(f64, f64)> = numbers(&a).into_iter().zip(numbers(&b)).collect();
                        for (name, op, reference, within) in &ops {
                            let what = format!("{name} {a:?} {b:?} {}", isa::current());
                            let expected = pairs.iter().map(|&(x, y)| reference(x, y));
                            agree(&what, &op(&a, &b).unwrap(), expected, *within);
                        }
                    }
                }
            }
        }
    });
}

#[test]
fn the_approximate_gelu_has_the_slope_of_its_gradient() {
    let x = values(300, 3);
    let array = Array::from_slice(&x, &[300]).unwrap();
    let one = Array::scalar(1.0).unwrap();
    let got = gelu_tanh_grad(&one, &array, None).unwrap().to_vec::<f64>();
    for (got, &x) in got.iter().zip(&x) {
        let expected = slope(gelu_approximate, x);
        assert!((got - expected).abs() < 1e-9, "{x}: {got} against {expected}");
    }
    let single = cast(&array, DType::F32).unwrap();
    let ones = cast(&one, DType::F32).unwrap();
    every_isa(|| {
        let got = gelu_tanh_grad(&ones, &single, None).unwrap().to_vec::<f32>();
        for (got, &x) in got.iter().zip(&x) {
            assert!((*got as f64 - slope(gelu_approximate, x as f32 as f64)).abs() < 2e-6, "{x}");
        }
    });
}

#[test]
fn ternary_ops_on_every_layout() {
    let half = |g: f64, x: f64, y: f64| if x == y { g / 2.0 } else { g };
    let ops: Vec<(&str, Three, Box<dyn Fn(f64, f64, f64) -> f64>, Within)> = vec![
        ("lerp", Box::new(|a, b, w| lerp(a, b, w, None)), Box::new(|a, b, w| a + w * (b - a)), cancelling(32.0)),
        (
            "addcmul",
            Box::new(|a, b, c| addcmul(a, b, c, 0.5, None)),
            Box::new(|a, b, c| a + 0.5 * b * c),
            cancelling(16.0),
        ),
        ("clip", Box::new(|x, a, b| clip(x, Some(a), Some(b), None)), Box::new(|x, a, b| x.max(a).min(b)), EXACT),
        (
            "clip_grad",
            Box::new(|g, x, b| clip_grad(g, x, Some(&neg(b, None)?), Some(b))),
            Box::new(|g, x, b| if -b <= x && x <= b { g } else { 0.0 }),
            EXACT,
        ),
        (
            "maximum_grad",
            Box::new(|g, x, y| maximum_grad(g, x, y, None)),
            Box::new(move |g, x, y| if x < y { 0.0 } else { half(g, x, y) }),
            EXACT,
        ),
        (
            "minimum_grad",
            Box::new(|g, x, y| minimum_grad(g, x, y, None)),
            Box::new(move |g, x, y| if x > y { 0.0 } else { half(g, x, y) }),
            EXACT,
        ),
        (
            "where",
            Box::new(|c, x, y| where_(&gt(c, &cast(&Array::scalar(0.0)?, c.dtype())?, None)?, x, y, None)),
            Box::new(|c, x, y| if c > 0.0 { x } else { y }),
            EXACT,
        ),
    ];
    every_isa(|| {
        for dtype in [DType::F32, DType::F64] {
            for shape in SHAPES {
                let (first, second, third) =
                    (layouts(shape, dtype, 1), layouts(shape, dtype, 2), layouts(shape, dtype, 3));
                for (i, a) in first.iter().enumerate() {
                    for (j, b) in second.iter().enumerate() {
                        if a.numel() > 1000 && (i + 2 * j) % 3 != 0 {
                            continue;
                        }
                        let c = &third[(i + 2 * j) % third.len()];
                        let (x, y, z) = (numbers(a), numbers(b), numbers(c));
                        for (name, op, reference, within) in &ops {
                            let what = format!("{name} {a:?} {b:?} {c:?} {}", isa::current());
                            let expected = (0..x.len()).map(|i| reference(x[i], y[i], z[i]));
                            agree(&what, &op(a, b, c).unwrap(), expected, *within);
                        }
                    }
                }
            }
        }
    });
}

#[test]
fn whole_number_division_is_pythons() {
    let python = |a: f64, b: f64| (a / b).floor();
    every_isa(|| {
        for dtype in [DType::F32, DType::F64, DType::I64, DType::I32] {
            let a: Vec<f64> = (-40..40).map(f64::from).collect();
            for b in [-7.0, -3.0, -1.0, 1.0, 2.0, 9.0] {
                let x = cast(&Array::from_slice(&a, &[80]).unwrap(), dtype).unwrap();
                let y = cast(&Array::scalar(b).unwrap(), dtype).unwrap();
                agree("floor_divide", &floor_divide(&x, &y, None).unwrap(), a.iter().map(|&a| python(a, b)), EXACT);
                agree("remainder", &remainder(&x, &y, None).unwrap(), a.iter().map(|&a| a - b * python(a, b)), EXACT);
            }
        }
        let a = Array::from_slice(&[5f64, -5.0, f64::INFINITY, 1.0, -1.0, 1.0], &[6]).unwrap();
        let b = Array::from_slice(&[0f64, 0.3, 2.0, f64::INFINITY, f64::INFINITY, 0.1], &[6]).unwrap();
        let (q, r) = (floor_divide(&a, &b, None).unwrap(), remainder(&a, &b, None).unwrap());
        agree("floor_divide", &q, [f64::INFINITY, -17.0, f64::NAN, 0.0, -1.0, 9.0].into_iter(), EXACT);
        let rest = [f64::NAN, 0.1, f64::NAN, 1.0, f64::INFINITY, 0.1];
        agree("remainder", &r, rest.into_iter(), cancelling(5.0));
    });
}

#[test]
fn integers_divide_without_traps() {
    let low = Array::from_slice(&[i64::MIN, 7], &[2]).unwrap();
    let minus = Array::scalar(-1i64).unwrap();
    assert_eq!(floor_divide(&low, &minus, None).unwrap().to_vec::<i64>(), [i64::MIN, -7]);
    assert_eq!(remainder(&low, &minus, None).unwrap().to_vec::<i64>(), [0, 0]);
    let zero = Array::scalar(0i64).unwrap();
    for op in [floor_divide, remainder] {
        let before = low.to_vec::<i64>();
        assert!(matches!(op(&low, &zero, Some(&low)), Err(Error::ZeroDivision(_))));
        assert_eq!(low.to_vec::<i64>(), before, "nothing was written");
        assert!(op(&Array::empty(&[0], DType::I64).unwrap(), &zero, None).is_ok());
    }
    let bytes = Array::from_slice(&[200u8, 7], &[2]).unwrap();
    let three = Array::scalar(3u8).unwrap();
    assert_eq!(floor_divide(&bytes, &three, None).unwrap().to_vec::<u8>(), [66, 2]);
    assert_eq!(remainder(&bytes, &three, None).unwrap().to_vec::<u8>(), [2, 1]);
}

#[test]
fn integers_wrap_on_every_layout() {
    every_isa(|| {
        for shape in SHAPES {
            for a in layouts(shape, DType::I32, 1) {
                for b in layouts(shape, DType::I32, 2) {
                    let (x, y) = (a.to_vec::<i32>(), b.to_vec::<i32>());
                    let expect = |got: Array, f: &dyn Fn(i32, i32) -> i32| {
                        let expected: Vec<i32> = x.iter().zip(&y).map(|(&x, &y)| f(x, y)).collect();
                        assert_eq!(got.to_vec::<i32>(), expected, "{a:?} {b:?}");
                    };
                    expect(add(&a, &b, None).unwrap(), &|x, y| x + y);
                    expect(sub(&a, &b, None).unwrap(), &|x, y| x - y);
                    expect(mul(&a, &b, None).unwrap(), &|x, y| x * y);
                    expect(maximum(&a, &b, None).unwrap(), &|x, y| x.max(y));
                    expect(minimum(&a, &b, None).unwrap(), &|x, y| x.min(y));
                    expect(bitwise_and(&a, &b, None).unwrap(), &|x, y| x & y);
                    expect(bitwise_or(&a, &b, None).unwrap(), &|x, y| x | y);
                    expect(bitwise_xor(&a, &b, None).unwrap(), &|x, y| x ^ y);
                    expect(bitwise_not(&a, None).unwrap(), &|x, _| !x);
                }
            }
        }
    });
    let top = Array::from_slice(&[i64::MAX, i64::MIN], &[2]).unwrap();
    let one = Array::scalar(1i64).unwrap();
    assert_eq!(add(&top, &one, None).unwrap().to_vec::<i64>(), [i64::MIN, i64::MIN + 1]);
    assert_eq!(neg(&top, None).unwrap().to_vec::<i64>(), [-i64::MAX, i64::MIN]);
    assert_eq!(abs(&top, None).unwrap().to_vec::<i64>(), [i64::MAX, i64::MIN]);
    assert_eq!(square(&Array::scalar(200u8).unwrap(), None).unwrap().to_vec::<u8>(), [64]);
}

#[test]
fn booleans_are_whatever_is_not_zero() {
    let bytes = Array::from_slice(&[0u8, 1, 2, 255], &[4]).unwrap();
    let a = Array::from_parts(bytes.storage().clone(), bytes.layout().clone(), DType::Bool);
    let b = cast(&Array::from_slice(&[1u8, 1, 0, 1], &[4]).unwrap(), DType::Bool).unwrap();
    let bits = |r: Result<Array>| r.unwrap().to_vec::<u8>();
    assert_eq!(bits(add(&a, &b, None)), [1, 1, 1, 1]);
    assert_eq!(bits(mul(&a, &b, None)), [0, 1, 0, 1]);
    assert_eq!(bits(maximum(&a, &b, None)), [1, 1, 1, 1]);
    assert_eq!(bits(minimum(&a, &b, None)), [0, 1, 0, 1]);
    assert_eq!(bits(eq(&a, &b, None)), [0, 1, 0, 1]);
    assert_eq!(bits(lt(&a, &b, None)), [1, 0, 0, 0]);
    assert_eq!(bits(bitwise_xor(&a, &b, None)), [1, 0, 1, 0]);
    assert_eq!(bits(bitwise_not(&a, None)), [1, 0, 0, 0]);
    assert_eq!(bits(logical_not(&a, None)), [1, 0, 0, 0]);
    assert_eq!(bits(square(&a, None)), [0, 1, 1, 1]);
    assert!(matches!(sub(&a, &b, None), Err(Error::DType(_))));
    assert!(matches!(neg(&a, None), Err(Error::DType(_))));
}

#[test]
fn nan_wins_and_zeros_are_told_apart() {
    let nan = f32::NAN;
    let a = Array::from_slice(&[nan, 1.0, nan, 2.0, f32::INFINITY], &[5]).unwrap();
    let b = Array::from_slice(&[1.0, nan, nan, 3.0, f32::NEG_INFINITY], &[5]).unwrap();
    every_isa(|| {
        for n in 1..=5 {
            // Each length ends in the partial vector as well.
            let part = |x: &Array| x.view(x.layout().sliced(0, 5 - n, 1, n));
            let (a, b) = (part(&a), part(&b));
            let of = |f: fn(f64, f64) -> f64| -> Vec<f64> {
                let pick = |(x, y): (f64, f64)| if x.is_nan() || y.is_nan() { f64::NAN } else { f(x, y) };
                numbers(&a).into_iter().zip(numbers(&b)).map(pick).collect()
            };
            agree("maximum", &maximum(&a, &b, None).unwrap(), of(f64::max).into_iter(), EXACT);
            agree("minimum", &minimum(&a, &b, None).unwrap(), of(f64::min).into_iter(), EXACT);
            agree(
                "relu",
                &relu(&a, None).unwrap(),
                numbers(&a).into_iter().map(|x| x * (x > 0.0 || x.is_nan()) as u8 as f64),
                EXACT,
            );
            agree("isnan", &isnan(&a, None).unwrap(), numbers(&a).iter().map(|x| x.is_nan() as u8 as f64), EXACT);
            agree("isinf", &isinf(&a, None).unwrap(), numbers(&a).iter().map(|x| x.is_infinite() as u8 as f64), EXACT);
            agree(
                "isfinite",
                &isfinite(&a, None).unwrap(),
                numbers(&a).iter().map(|x| x.is_finite() as u8 as f64),
                EXACT,
            );
            agree(
                "sign",
                &sign(&a, None).unwrap(),
                numbers(&a).iter().map(|&x| if x > 0.0 { 1.0 } else { 0.0 }),
                EXACT,
            );
            let bound = Array::scalar(2.0f32).unwrap();
            let clipped = numbers(&a).into_iter().map(|x| if x.is_nan() { x } else { x.min(2.0) });
            agree(
                "clip",
                &clip(&a, Some(&Array::scalar(-2.0f32).unwrap()), Some(&bound), None).unwrap(),
                clipped,
                EXACT,
            );
        }
    });
}

#[test]
fn kinks_have_the_subgradients_of_pytorch() {
    let g = Array::scalar(3.0f32).unwrap();
    let x = Array::from_slice(&[-1.0f32, 0.0, 1.0], &[3]).unwrap();
    let zero = Array::scalar(0.0f32).unwrap();
    let one = Array::scalar(1.0f32).unwrap();
    let minus = Array::scalar(-1.0f32).unwrap();
    every_isa(|| {
        let is = |r: Result<Array>, expected: [f32; 3]| assert_eq!(r.unwrap().to_vec::<f32>(), expected);
        is(relu_grad(&g, &x, None), [0.0, 0.0, 3.0]);
        is(abs_grad(&g, &x, None), [-3.0, 0.0, 3.0]);
        is(leaky_relu_grad(&g, &x, 0.5, None), [1.5, 1.5, 3.0]);
        is(maximum_grad(&g, &x, &zero, None), [0.0, 1.5, 3.0]);
        is(minimum_grad(&g, &x, &zero, None), [3.0, 1.5, 0.0]);
        is(clip_grad(&g, &x, Some(&minus), Some(&zero)), [3.0, 3.0, 0.0]);
        is(clip_grad(&g, &x, None, Some(&one)), [3.0, 3.0, 3.0]);
        is(hardtanh_grad(&g, &x, -1.0, 1.0, None), [0.0, 3.0, 0.0]);
    });
}

#[test]
fn results_go_where_they_are_wanted() {
    let a = Array::from_slice(&values(60, 1), &[6, 10]).unwrap();
    let b = Array::from_slice(&values(60, 2), &[6, 10]).unwrap();
    let plain = add(&a, &b, None).unwrap().to_vec::<f64>();
    // In place, into a strided view, and into a wider and a narrower float.
    let own = crate::clone(&a).unwrap();
    let out = add(&own, &b, Some(&own)).unwrap();
    assert_eq!((own.to_vec::<f64>(), out.to_vec::<f64>()), (plain.clone(), plain.clone()));
    let wide = Array::empty(&[6, 20], DType::F64).unwrap();
    let view = wide.view(wide.layout().sliced(1, 1, 2, 10));
    add(&a, &b, Some(&view)).unwrap();
    assert_eq!(view.to_vec::<f64>(), plain);
    let single = Array::empty(&[10, 6], DType::F32).unwrap();
    let single = single.view(single.layout().permuted(&[1, 0]));
    add(&a, &b, Some(&single)).unwrap();
    assert_eq!(single.to_vec::<f32>(), plain.iter().map(|&x| x as f32).collect::<Vec<_>>());
    // NumPy's rule: what overlaps is read before it is written.
    let line = Array::from_slice(&[1f64, 2.0, 3.0, 4.0, 5.0], &[5]).unwrap();
    let (head, tail) = (line.view(line.layout().sliced(0, 0, 1, 4)), line.view(line.layout().sliced(0, 1, 1, 4)));
    add(&head, &tail, Some(&tail)).unwrap();
    assert_eq!(line.to_vec::<f64>(), [1.0, 3.0, 5.0, 7.0, 9.0]);
    let back = line.view(line.layout().sliced(0, 4, -1, 5));
    neg(&line, Some(&back)).unwrap();
    assert_eq!(line.to_vec::<f64>(), [-9.0, -7.0, -5.0, -3.0, -1.0]);
    // Errors: shape, and a dtype of a lower category.
    let small = Array::empty(&[10], DType::F64).unwrap();
    assert!(matches!(add(&a, &b, Some(&small)), Err(Error::Shape(_))));
    let ints = Array::empty(&[6, 10], DType::I64).unwrap();
    assert!(matches!(add(&a, &b, Some(&ints)), Err(Error::DType(_))));
    let halves = Array::empty(&[6, 10], DType::F16).unwrap();
    assert!(matches!(add(&halves, &halves, None), Err(Error::DType(_))));
    assert!(lt(&a, &b, Some(&halves)).is_ok());
}

#[test]
fn results_keep_the_memory_order() {
    let a = Array::empty(&[2, 3, 4, 5], DType::F32).unwrap();
    let channels_last = crate::ordered(&a, &[0, 2, 3, 1]).unwrap();
    assert_eq!(relu(&channels_last, None).unwrap().strides(), channels_last.strides());
    let bias = Array::empty(&[3, 1, 1], DType::F32).unwrap();
    assert_eq!(add(&bias, &channels_last, None).unwrap().strides(), channels_last.strides());
    assert!(contiguous(&relu(&channels_last, None).unwrap()).unwrap().is_contiguous());
}

#[test]
fn threads_do_not_change_the_bits() {
    let n = 300 * 211;
    let a = cast(&Array::from_slice(&values(n, 1), &[300, 211]).unwrap(), DType::F32).unwrap();
    let b = a.view(a.layout().sliced(1, 210, -1, 211));
    let turned = Array::empty(&[211, 300], DType::F32).unwrap();
    let turned = turned.view(turned.layout().permuted(&[1, 0]));
    crate::copy_(&turned, &a).unwrap();
    assert_eq!(turned.to_vec::<f32>(), a.to_vec::<f32>());
    isa::with(isa::current(), || {
        let mut seen: Vec<Vec<f32>> = Vec::new();
        for threads in [1, 2, 8] {
            crate::parallel::set_num_threads(threads);
            seen.push(gelu(&a, None).unwrap().to_vec());
            seen.push(mul(&a, &b, None).unwrap().to_vec());
            seen.push(mul(&a, &turned, None).unwrap().to_vec());
        }
        for k in 3..9 {
            assert_eq!(seen[k], seen[k % 3]);
        }
    });
}

#[test]
fn results_written_past_the_caches_are_those_of_halves() {
    let n = (9 << 20) + 5;
    let noise: Vec<f32> = (0..n).map(|i| (i * 7919 % 1013) as f32 - 500.0).collect();
    let a = Array::from_slice(&noise, &[n]).unwrap();
    let b = a.view(a.layout().sliced(0, n - 1, -1, n));
    let b = contiguous(&b).unwrap();
    let run = |first: usize, count: usize| {
        let [a, b] = [&a, &b].map(|x| x.view(x.layout().sliced(0, first, 1, count)));
        let own = contiguous(&a).unwrap();
        relu(&own, Some(&own)).unwrap();
        [relu(&a, None).unwrap(), mul(&a, &b, None).unwrap(), own].map(|x| x.to_vec::<f32>())
    };
    every_isa(|| {
        let half = n / 2 / 64 * 64;
        let [whole, front, back] = [run(0, n), run(0, half), run(half, n - half)];
        for k in 0..3 {
            assert!(whole[k] == [&front[k][..], &back[k]].concat(), "result {k}");
        }
    });
    assert!(n * 4 >= walk::BEYOND && (n / 2 + 64) * 4 < walk::BEYOND);
}

#[test]
fn huber_of_what_is_not_finite() {
    let of = |x: f32, y: f32, delta: f64| {
        let at = |v: f32| Array::from_slice(&[v], &[1]).unwrap();
        let g = Array::from_slice(&[1f32], &[1]).unwrap();
        let slope = huber_grad(&g, &at(x), &at(y), delta, 2.0, None).unwrap().to_vec::<f32>()[0];
        (huber(&at(x), &at(y), delta, 2.0, None).unwrap().to_vec::<f32>()[0], slope)
    };
    let inf = f32::INFINITY;
    assert_eq!(of(3.0, 1.0, f64::INFINITY), (4.0, 4.0));
    assert_eq!(of(inf, 1.0, f64::INFINITY), (inf, inf));
    assert_eq!(of(inf, 1.0, 1.0), (inf, 2.0));
    assert_eq!(of(1.0, inf, 0.5), (inf, -1.0));
    let (value, slope) = of(f32::NAN, 1.0, 1.0);
    assert!(value.is_nan() && slope.is_nan());
}
